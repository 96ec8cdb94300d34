"""Requester Pays: who pays for what is asked of a bucket, and what others than its owner must say then.

S3 user guide, "Using Requester Pays general purpose buckets for storage transfers and usage".
"""

from __future__ import annotations

from typing import Any, Final

from awning.auth.principal import PEOPLE, Principal
from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.s3 import buckets, errors, names, receiving, settings
from awning.services.s3.bucket_tables import Bucket
from awning.services.s3.conditions import of_request

OWNER: Final = "BucketOwner"
REQUESTER: Final = "Requester"


def is_on(call: Call, bucket: Bucket) -> bool:
    """Whether those pay who ask."""
    return bucket.settings is not None and settings.of(call, bucket).get("payer") == REQUESTER


def demand(owner: str, call: Call, principal: Principal) -> None:
    """Let others than the bucket's owner (an account) ask only if they say that they pay; the reply says that they did.

    Nobody can pay without a signature. Raises AccessDenied.
    """
    if principal.kind in PEOPLE and principal.account == owner:
        return
    if principal.kind not in PEOPLE or call.facts.headers.get(b"x-amz-request-payer", b"").lower() != b"requester":
        raise errors.AccessDenied("Access Denied")
    call.adds = {"RequestCharged": "requester"}


@operation(
    Needs("s3:PutBucketRequestPayment", names.of_bucket),
    honours={"request_payment_configuration": {"Payer": ALL}, "checksum_algorithm": ALL},
    anonymous=True,
    context=of_request,
)
def put_bucket_request_payment(
    call: Call,
    bucket: str,
    request_payment_configuration: dict[str, Any],
    content_md5: str | None = None,
    checksum_algorithm: str | None = None,
    expected_bucket_owner: str | None = None,
) -> None:
    """Say who pays. Raises MalformedXML."""
    receiving.check_document(call, checksum_algorithm)
    found = buckets.find(call, bucket, expected_bucket_owner)
    wanted = request_payment_configuration.get("Payer")
    if wanted not in (OWNER, REQUESTER):
        raise errors.MalformedXML
    settings.put(call, found, "payer", None if wanted == OWNER else REQUESTER)


@operation(Needs("s3:GetBucketRequestPayment", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_request_payment(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Return who pays: the bucket's owner, unless it was said otherwise."""
    found = buckets.find(call, bucket, expected_bucket_owner)
    return {"Payer": REQUESTER if is_on(call, found) else OWNER}
