"""KMS: keys that never leave the region, and what is done with them. The door of the room; nothing happens here.

tables.py      all state               memory.py      what is kept of committed state
specs.py       what each kind of key can do       ciphers.py envelope.py     the ciphers, and the ciphertexts' layout
material.py    sealed and opened material         lookup.py using.py         from a name to a key that may be used
guards.py conditions.py grant_tokens.py           what a key says about its users
keys.py aliases.py policies.py tags.py grants.py encrypting.py datakeys.py signing.py
rotation.py importing.py replicas.py              the operations
managed.py     services' own keys      offers.py      what other rooms may ask      work.py       what falls due
"""

from __future__ import annotations

from awning.contracts import DecryptDataKey, FindKey, GenerateDataKeyFor
from awning.kit.service import Service, Work
from awning.services.kms import (
    aliases,
    conditions,
    datakeys,
    encrypting,
    grants,
    guards,
    importing,
    keys,
    memory,
    offers,
    policies,
    replicas,
    rotation,
    signing,
    tables,
    tags,
    work,
)

SERVICE = Service(
    name="kms",
    model="kms",
    protocols=("json",),
    modules=(keys, aliases, policies, tags, grants, encrypting, datakeys, signing, rotation, importing, replicas),
    schema=tables.SCHEMA,
    memory=memory.build,
    guard=guards.guard,
    tags=conditions.tags_of,
    condition_keys=conditions.KEYS,
    answers={
        FindKey: offers.find_key,
        GenerateDataKeyFor: offers.generate_data_key_for,
        DecryptDataKey: offers.decrypt_data_key,
    },
    work=(
        Work("delete keys", work.delete_due, every=5.0),
        Work("rotate keys", work.rotate_due, every=5.0),
        Work("expire imported material", work.expire_material, every=5.0),
        Work("store managed keys", work.store_managed_keys, every=1.0),
    ),
)
