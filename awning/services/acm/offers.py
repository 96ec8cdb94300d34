"""What other rooms may ask of ACM and tell it: a certificate with its key for what terminates TLS, and who uses which.

Source: the user guide's "Services integrated with ACM".
"""

from __future__ import annotations

from awning.contracts import CertificateFacts, CertificateUsed, FindCertificate
from awning.kit.call import Call
from awning.kit.deliveries import Undeliverable
from awning.services.acm import tables, x509
from awning.services.acm.issuing import open_key
from awning.services.acm.lookup import status_of


def find_certificate(call: Call, question: FindCertificate) -> CertificateFacts | None:
    """The certificate of an ARN; its key where it is issued and has not expired."""
    row = tables.find_arn(call.db, question.arn)
    if row is None:
        return None
    status = status_of(row, call.now)
    good = status == "ISSUED"
    return CertificateFacts(
        arn=row.arn,
        account=row.account,
        status=status,
        names=tuple(row.names),
        key_algorithm=row.algorithm,
        generation=row.generation,
        not_after=row.not_after,
        certificate=row.pem or "" if good else "",
        chain=row.chain or "" if good else "",
        private_key=x509.pem_of_key(open_key(call, row)) if good else "",
    )


def note_use(call: Call, delivery: CertificateUsed) -> None:
    """Something uses a certificate from now on, or no longer."""
    row = tables.find_arn(call.db, delivery.arn)
    if row is None:
        if delivery.used:
            raise Undeliverable("There is no such certificate.")
        return
    if delivery.used:
        tables.put_use(call.db, row.id, delivery.user, delivery.service)
    else:
        tables.end_use(call.db, row.id, delivery.user)
