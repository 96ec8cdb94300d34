"""Encryption: how a new content is to be encrypted, what is stored of that (its seal), and the way back to its keys.

For whoever makes or reads contents, replication and lifecycle too: `choose` before a write, `open_for` before a read. A content
that only changes its class, or becomes another version of its key, keeps its seal. What a seal says in replies is `shown`.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from awning.contracts import Sender
from awning.services.s3 import data_keys, errors, names, settings
from awning.services.s3.encryption_headers import AES256, DSSE, KMS, Asked, Customer, pairs_of
from awning.store.segments import Segments
from awning.store.vault import Seal, Unsealable

if TYPE_CHECKING:
    from awning.kit.call import Call
    from awning.services.s3.bucket_tables import Bucket

SETTING: Final = "encryption"
"""The name of a bucket's default encryption among its settings: its Rule as PutBucketEncryption has it."""

AWS_KEY: Final = "alias/aws/s3"
SALT: Final = 32

_S3, _KMS, _DSSE, _CUSTOMER = 1, 2, 3, 4
_SALT_OF_KEY: Final = 16
_SHOWN_S3: Final[Mapping[str, Any]] = {"ServerSideEncryption": AES256}


class Keys(NamedTuple):
    """The keys of a content in the clear, one for each layer, the innermost first."""

    layers: tuple[bytes, ...]

    def whole(self) -> Segments:
        """The cipher of a content that is not made of parts."""
        return Segments(*self.layers)

    def part(self, number: int, salt: bytes) -> Segments:
        """The cipher of a part. `salt`: its own SALT random bytes; a part that is uploaded again has others."""
        place = b"part %d " % number + salt
        return Segments(*(hmac.digest(layer, place, "sha256") for layer in self.layers))


class Sealing(NamedTuple):
    """How a content is encrypted: what is stored of that, its keys, and what the reply of its write shows.

    All of it is None or empty for a content that isn't. `md5`: its entity tag is its MD5.
    """

    seal: bytes | None
    keys: Keys | None
    shown: Mapping[str, Any]
    md5: bool


PLAIN: Final = Sealing(None, None, {}, True)


class Rule(NamedTuple):
    """A bucket's default encryption."""

    algorithm: str
    kms_key: str | None
    bucket_key: bool
    blocks_customer: bool


def rule_of(rule: Mapping[str, Any]) -> Rule:
    """Compile a Rule."""
    default = rule.get("ApplyServerSideEncryptionByDefault") or {}
    blocked = (rule.get("BlockedEncryptionTypes") or {}).get("EncryptionType") or []
    return Rule(
        default.get("SSEAlgorithm") or AES256,
        default.get("KMSMasterKeyID"),
        bool(rule.get("BucketKeyEnabled")),
        "SSE-C" in blocked,
    )


def choose(
    call: Call, bucket: Bucket, key: str, raw_key: bytes, asked: Asked | None = None, sender: Sender | None = None
) -> Sealing:
    """Return how a new content of a key is encrypted: as asked, else as the bucket prescribes, else under the region's own key.

    `sender`: the service that writes for itself, where no client does. Raises AccessDenied, the errors of KMS.
    """
    rule = settings.compiled(call, bucket, SETTING, rule_of) if bucket.settings is not None else None
    if asked is None:
        if rule is None:
            return _by_region(call, bucket, raw_key) if data_keys.by_default(call) else PLAIN
        asked = _NOTHING
    if asked.customer is not None:
        refuse_blocked(call, bucket, key)
        return _by_customer(call, bucket, raw_key, asked.customer)
    algorithm = asked.algorithm or (rule.algorithm if rule is not None else AES256)
    if algorithm == AES256:
        return _by_region(call, bucket, raw_key)
    kms_key = asked.kms_key
    if asked.algorithm is None and rule is not None:
        kms_key = rule.kms_key
    by_bucket_key = asked.bucket_key
    if by_bucket_key is None:
        by_bucket_key = rule is not None and rule.bucket_key
    if algorithm == DSSE:
        return _by_kms(call, bucket, key, raw_key, kms_key, asked.context, _DSSE, False, sender)
    return _by_kms(call, bucket, key, raw_key, kms_key, asked.context, _KMS, by_bucket_key, sender)


_NOTHING: Final = Asked()


def refuse_blocked(call: Call, bucket: Bucket, key: str, action: str = "s3:PutObject") -> None:
    """Raises AccessDenied where a bucket takes no keys of its clients.

    S3 user guide, "Blocking or unblocking SSE-C for a general purpose bucket".
    """
    rule = settings.compiled(call, bucket, SETTING, rule_of) if bucket.settings is not None else None
    if rule is not None and rule.blocks_customer:
        raise errors.AccessDenied(
            f"User: {call.principal.caller_arn} is not authorized to perform: {action} on resource: "
            f'"{names.object_arn(bucket.name, key)}" because this bucket has blocked upload requests that specify Server '
            "Side Encryption with Customer provided keys (SSE-C). Please specify a different server-side encryption type"
        )


def is_configured(call: Call, bucket: Bucket) -> bool:
    """Whether a bucket's default encryption was chosen by someone."""
    return bucket.settings is not None and SETTING in settings.of(call, bucket)


def open_for(
    call: Call,
    bucket: Bucket,
    key: str,
    seal: bytes | None,
    customer: Customer | None = None,
    sender: Sender | None = None,
) -> Keys | None:
    """Return the keys of a content of a key; None where it is not encrypted.

    Raises InvalidRequest where a client's own key is missing, or given in vain; AccessDenied for another one, and where KMS says
    so; the errors of KMS; Unsealable where the seal was altered.
    """
    if seal is None or seal[0] != _CUSTOMER:
        if customer is not None:
            raise errors.InvalidRequest("The encryption parameters are not applicable to this object.")
        if seal is None:
            return None
    raw_key = names.key_bytes(key)
    if seal[0] == _S3:
        return Keys((data_keys.unwrap(call, bucket.bucket, raw_key, seal[1:]),))
    if seal[0] == _CUSTOMER:
        return Keys((_opened_by(customer, bucket, raw_key, seal),))
    _refuse_old_signatures(call)
    facts, sealed, rest = _read(seal)
    context = _context(bucket, key, facts.get("context"), bool(facts.get("bucket")))
    if facts.get("bucket"):
        held = data_keys.opened_bucket_key(call, sealed, bucket.region, context, sender)
        return Keys((held.open(rest, data_keys.place(bucket.bucket, raw_key)),))
    plain = data_keys.open_(call, sealed, bucket.region, context, sender)
    if seal[0] == _KMS and rest:
        plain = Seal(plain).open(rest, data_keys.place(bucket.bucket, raw_key))
    if seal[0] == _DSSE:
        return Keys((plain, data_keys.unwrap(call, bucket.bucket, raw_key, rest)))
    return Keys((plain,))


def moved(call: Call, bucket: Bucket, key: str, to: str, seal: bytes | None) -> bytes | None:
    """Return a content's seal for another key of its bucket: a seal is good for one place. Raises NotImplemented for KMS's
    and for clients' own, whose keys are not asked for."""
    if seal is None:
        return None
    if seal[0] != _S3:
        raise errors.NotImplementedHere(
            "RenameObject of an object that KMS or its client has the key of is not implemented."
        )
    plain = data_keys.unwrap(call, bucket.bucket, names.key_bytes(key), seal[1:])
    return seal[:1] + data_keys.wrap(call, bucket.bucket, names.key_bytes(to), plain)


def under_kms(call: Call, bucket: Bucket, key: str, seal: bytes, kms_key: str, by_bucket_key: bool) -> bytes:
    """Return the seal of a content that is under no client's key and in one layer, its data key wrapped by KMS from now on.

    Raises as open_for() and choose() do.
    """
    keys = open_for(call, bucket, key, seal)
    assert keys is not None
    context = _context(bucket, key, None, by_bucket_key)
    if by_bucket_key:
        arn, sealed, wrapping, _ = data_keys.bucket_key(call, bucket.bucket, kms_key, bucket.region, context, None)
    else:
        arn, plain, sealed = _made(call, kms_key, bucket, context, None)
        wrapping = Seal(plain)
    rest = wrapping.seal(keys.layers[0], data_keys.place(bucket.bucket, names.key_bytes(key)))
    return _write(_KMS, {"key": arn, **({"bucket": True} if by_bucket_key else {})}, sealed, rest)


def open_upload(call: Call, bucket: Bucket, key: str, seal: bytes | None, customer: Customer | None) -> Keys | None:
    """As open_for(), for an upload in progress: a client's own key is to be that of the upload. Raises InvalidRequest."""
    if is_customers(seal) != (customer is not None):
        raise errors.InvalidRequest(
            "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate "
            "encryption parameters."
        )
    if customer is None:
        return open_for(call, bucket, key, seal)
    try:
        return open_for(call, bucket, key, seal, customer)
    except errors.AccessDenied as error:
        raise errors.InvalidRequest(
            "The provided encryption parameters did not match the ones used originally."
        ) from error


def shown(seal: bytes | None, customer: Customer | None = None) -> Mapping[str, Any]:
    """Return what replies say of a seal, by the model's members."""
    if seal is None:
        return {}
    if seal[0] == _S3:
        return _SHOWN_S3
    if seal[0] == _CUSTOMER:
        return {} if customer is None else {"SSECustomerAlgorithm": AES256, "SSECustomerKeyMD5": customer.md5}
    facts = _read(seal)[0]
    result = {"ServerSideEncryption": KMS if seal[0] == _KMS else DSSE, "SSEKMSKeyId": facts["key"]}
    return {**result, "BucketKeyEnabled": True} if facts.get("bucket") else result


def is_customers(seal: bytes | None) -> bool:
    """Whether a content stands under a key that only its client has (SSE-C)."""
    return seal is not None and seal[0] == _CUSTOMER


def is_in_one_layer(seal: bytes) -> bool:
    """Whether a content stands under SSE-S3 or SSE-KMS."""
    return seal[0] in (_S3, _KMS)


def is_of_kms(seal: bytes | None) -> bool:
    """Whether KMS must be asked to open a content."""
    return seal is not None and seal[0] in (_KMS, _DSSE)


def has_md5(seal: bytes | None) -> bool:
    """Whether the entity tag of what stands under a seal is its MD5 (S3 API reference, Object, "ETag")."""
    return seal is None or seal[0] == _S3


def kms_key_of(seal: bytes | None) -> str | None:
    """The ARN of the KMS key that a content stands under; None where it is none."""
    if seal is None or seal[0] not in (_KMS, _DSSE):
        return None
    arn: str = _read(seal)[0]["key"]
    return arn


def check_customer(bucket: Bucket, key: str, seal: bytes | None, customer: Customer | None) -> None:
    """As open_for(), where a client's own key is only to be proven: for what is told of a content. Raises as that does."""
    if is_customers(seal):
        assert seal is not None
        _opened_by(customer, bucket, names.key_bytes(key), seal)
    elif customer is not None:
        raise errors.InvalidRequest("The encryption parameters are not applicable to this object.")


def _by_region(call: Call, bucket: Bucket, raw_key: bytes) -> Sealing:
    plain = call.random(data_keys.SIZE)
    seal = b"\x01" + data_keys.wrap(call, bucket.bucket, raw_key, plain)
    return Sealing(seal, Keys((plain,)), _SHOWN_S3, True)


def _by_kms(
    call: Call,
    bucket: Bucket,
    key: str,
    raw_key: bytes,
    kms_key: str | None,
    own_context: str | None,
    kind: int,
    by_bucket_key: bool,
    sender: Sender | None,
) -> Sealing:
    _refuse_old_signatures(call)
    context = _context(bucket, key, own_context, by_bucket_key)
    facts: dict[str, Any] = {} if own_context is None else {"context": own_context}
    rest = b""
    if by_bucket_key:
        held = data_keys.bucket_key(call, bucket.bucket, kms_key or AWS_KEY, bucket.region, context, sender)
        plain, sealed, arn = call.random(data_keys.SIZE), held.sealed, held.key
        rest = held.seal.seal(plain, data_keys.place(bucket.bucket, raw_key))
        facts["bucket"] = True
    else:
        arn, plain, sealed = _made(call, kms_key, bucket, context, sender)
    layers: tuple[bytes, ...] = (plain,)
    if kind == _DSSE:
        outer = call.random(data_keys.SIZE)
        rest = data_keys.wrap(call, bucket.bucket, raw_key, outer)
        layers = (plain, outer)
    facts["key"] = arn
    seal = _write(kind, facts, sealed, rest)
    said = dict(shown(seal))
    if own_context is not None:
        said["SSEKMSEncryptionContext"] = own_context
    return Sealing(seal, Keys(layers), said, False)


def _refuse_old_signatures(call: Call) -> None:
    """What KMS has a part in is signed by Signature Version 4 (S3 API reference, CopyObject); of a form its policy is.

    Raises InvalidArgument.
    """
    if call.authorise is not None and call.facts.method != "POST" and not (call.facts.signed or "").startswith("v4"):
        raise errors.InvalidArgument(
            "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.",
            "Authorization",
            "null",
        )


def _made(
    call: Call, kms_key: str | None, bucket: Bucket, context: Mapping[str, str], sender: Sender | None
) -> tuple[str, bytes, bytes]:
    made = data_keys.make(call, kms_key or AWS_KEY, bucket.region, context, sender)
    return made.key_arn, made.plain, made.sealed


def _context(bucket: Bucket, key: str, own: str | None, by_bucket_key: bool) -> dict[str, str]:
    """The encryption context that KMS is told: the client's own, and the ARN of the object or, under its key, of the bucket.

    S3 user guide, "Using server-side encryption with AWS KMS keys", "Encryption context".
    """
    context = pairs_of(own)
    arn = names.bucket_arn(bucket.name) if by_bucket_key else names.object_arn(bucket.name, key)
    context.setdefault("aws:s3:arn", arn)
    return context


def _by_customer(call: Call, bucket: Bucket, raw_key: bytes, customer: Customer) -> Sealing:
    plain, salt = call.random(data_keys.SIZE), call.random(_SALT_OF_KEY)
    wrapped = _customers(customer, salt).seal(plain, data_keys.place(bucket.bucket, raw_key))
    seal = bytes([_CUSTOMER]) + salt + wrapped
    return Sealing(seal, Keys((plain,)), shown(seal, customer), False)


def _opened_by(customer: Customer | None, bucket: Bucket, raw_key: bytes, seal: bytes) -> bytes:
    """Open a seal by a client's own key: that it opens is the proof that it is the same key."""
    if customer is None:
        raise errors.InvalidRequest(
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to "
            "retrieve the object."
        )
    salt, wrapped = seal[1 : 1 + _SALT_OF_KEY], seal[1 + _SALT_OF_KEY :]
    try:
        return _customers(customer, salt).open(wrapped, data_keys.place(bucket.bucket, raw_key))
    except Unsealable as error:
        raise errors.AccessDenied(
            "Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key."
        ) from error


def _customers(customer: Customer, salt: bytes) -> Seal:
    return Seal(hmac.digest(customer.key, b"s3 customer key " + salt, "sha256"))


def _write(kind: int, facts: Mapping[str, Any], sealed: bytes, rest: bytes) -> bytes:
    head = orjson.dumps(facts)
    return b"%c%b%b%b%b%b" % (kind, len(head).to_bytes(2, "big"), head, len(sealed).to_bytes(2, "big"), sealed, rest)


def _read(seal: bytes) -> tuple[dict[str, Any], bytes, bytes]:
    """Return a seal of KMS: facts, the data key as KMS sealed it, and what else was wrapped."""
    at = 3 + int.from_bytes(seal[1:3], "big")
    end = at + 2 + int.from_bytes(seal[at : at + 2], "big")
    return orjson.loads(seal[3:at]), seal[at + 2 : end], seal[end:]
