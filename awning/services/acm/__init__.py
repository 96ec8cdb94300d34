"""ACM: certificates that the region's own authority issues, or that others issued and were imported. The door of the room.

tables.py      all state               memory.py      opened authorities, and the threads
x509.py        keys and certificates   authority.py   what signs them      lookup.py pages.py
validation.py  who proves a domain, and what follows      issuing.py      keys made and kept      mail.py
requesting.py importing.py describing.py certificates.py listing.py searching.py tags.py account.py      the operations
offers.py      what other rooms may ask and tell      controls.py    what the command asks      work.py        what falls due
"""

from __future__ import annotations

from awning.contracts import CertificateUsed, FindCertificate, IssueCertificate, MakeAuthority, ValidationMail
from awning.kit.service import Service, Work
from awning.services.acm import (
    account,
    authority,
    certificates,
    controls,
    describing,
    importing,
    issuing,
    listing,
    lookup,
    mail,
    memory,
    offers,
    requesting,
    searching,
    tables,
    tags,
    work,
)

SERVICE = Service(
    name="acm",
    model="acm",
    protocols=("json",),
    modules=(requesting, importing, describing, certificates, listing, searching, tags, account),
    schema=tables.SCHEMA,
    memory=memory.build,
    guard=lookup.guard,
    tags=lookup.tags_of,
    condition_keys=lookup.KEYS,
    answers={FindCertificate: offers.find_certificate},
    accepts={CertificateUsed: offers.note_use},
    carries={IssueCertificate: issuing.issue, MakeAuthority: authority.make, ValidationMail: mail.spool},
    given_up=issuing.given_up,
    work=(
        Work("look at validations", work.look_at_validations, every=1.0),
        Work("renew certificates", work.renew_due, every=5.0),
        Work("forget tokens", work.forget_tokens, every=60.0),
    ),
    controls={"ca": controls.show_authority, "show": controls.show, "validate": controls.validate},
)
