"""UpdateObjectEncryption: an object's data key is wrapped by another key; its bytes, entity tag and dates stay as they are.

S3 user guide, "Updating server-side encryption for existing objects".
"""

from __future__ import annotations

from typing import Any, Final

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.s3 import encryption, errors, locks, names, objects, receiving, tables
from awning.services.s3.conditions import of_request

_ALSO: Final = ("kms:Encrypt", "kms:ReEncryptTo")
"""What the caller must have on the new key besides kms:GenerateDataKey, which KMS itself decides, as kms:Decrypt on the old."""


@operation(
    Needs("s3:UpdateObjectEncryption", names.of_object),
    honours={"object_encryption": {"SSEKMS": {"KMSKeyArn": ALL, "BucketKeyEnabled": ALL}}, "checksum_algorithm": ALL},
    anonymous=True,
    context=of_request,
)
def update_object_encryption(
    call: Call,
    bucket: str,
    key: str,
    object_encryption: dict[str, Any],
    version_id: str | None = None,
    expected_bucket_owner: str | None = None,
    content_md5: str | None = None,
    checksum_algorithm: str | None = None,
) -> None:
    """Put an object that is under SSE-S3 or SSE-KMS under a key of KMS, without its bytes being touched.

    Raises InvalidRequest; AccessDenied for a key of another account, or an object that is locked; the errors of KMS.
    """
    receiving.check_document(call, checksum_algorithm)
    if not (call.facts.signed or "").startswith("v4"):
        raise errors.InvalidRequest(
            "Requests that modify an object encryption configuration require AWS Signature Version 4. Modify the request to "
            "use AWS Signature Version 4, and then try again."
        )
    asked = object_encryption.get("SSEKMS")
    if asked is None:
        raise errors.InvalidRequest(
            "Requests that modify an object encryption configuration require a valid new encryption type. Valid values are "
            "SSEKMS. Modify the request to specify SSE-KMS for the updated encryption type, and then try again."
        )
    arn: str = asked["KMSKeyArn"]
    found, stored = objects.located(call, bucket, expected_bucket_owner, key, version_id)
    _check_source(stored.seal)
    if arn.split(":")[4] != found.account:
        raise errors.AccessDenied(
            "The AWS KMS key in the request must be owned by the same account as the bucket. Modify the request to specify a "
            "KMS key from the same account, and then try again."
        )
    locks.check_removal(call, found, stored.content, bypass=False)
    assert stored.seal is not None
    seal = encryption.under_kms(call, found, key, stored.seal, arn, bool(asked.get("BucketKeyEnabled")))
    context = {"kms:viaservice": f"s3.{found.region}.amazonaws.com", "kms:calleraccount": call.principal.account}
    for action in _ALSO:
        if not call.allowed(action, arn, context, via="s3.amazonaws.com").allowed:
            raise errors.AccessDenied(f"The caller is not authorized to perform: {action} on resource: {arn}")
    tables.set_seal(call.db, stored.content, seal)


def _check_source(seal: bytes | None) -> None:
    if seal is None:
        raise errors.InvalidRequest(
            "The UpdateObjectEncryption operation doesn't supported unencrypted source objects. Only source objects encrypted "
            "with SSE-S3 or SSE-KMS are supported."
        )
    if not encryption.is_in_one_layer(seal):
        raise errors.InvalidRequest(
            "The UpdateObjectEncryption operation doesn't support source objects with the encryption type DSSE-KMS or SSE-C. "
            "Only source objects encrypted with SSE-S3 or SSE-KMS are supported."
        )
