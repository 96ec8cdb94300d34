"""Default encryption: what a bucket prescribes for new objects that say nothing themselves, and what it does not take.

Keys are not looked for when they are named; a write that needs one finds out. S3 user guide, "Setting default server-side
encryption behavior for Amazon S3 buckets".
"""

from __future__ import annotations

from typing import Any, Final

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.s3 import buckets, data_keys, errors, names, receiving, settings
from awning.services.s3.conditions import of_request
from awning.services.s3.encryption import SETTING
from awning.services.s3.encryption_headers import AES256, ALGORITHMS, DSSE, KMS

_BLOCKABLE: Final = ("NONE", "SSE-C")
_DEFAULT: Final = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": AES256}, "BucketKeyEnabled": False}


@operation(
    Needs("s3:PutEncryptionConfiguration", names.of_bucket),
    honours={
        "server_side_encryption_configuration": {
            "Rules": {
                "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": set(ALGORITHMS), "KMSMasterKeyID": ALL},
                "BucketKeyEnabled": ALL,
                "BlockedEncryptionTypes": ALL,
            }
        },
        "checksum_algorithm": ALL,
    },
    anonymous=True,
    context=of_request,
)
def put_bucket_encryption(
    call: Call,
    bucket: str,
    server_side_encryption_configuration: dict[str, Any],
    content_md5: str | None = None,
    checksum_algorithm: str | None = None,
    expected_bucket_owner: str | None = None,
) -> None:
    """Set a bucket's default encryption; what it blocks stays as it is where the rule does not say.

    Raises MalformedXML, InvalidArgument.
    """
    receiving.check_document(call, checksum_algorithm)
    found = buckets.find(call, bucket, expected_bucket_owner)
    rules = server_side_encryption_configuration.get("Rules") or []
    if len(rules) != 1:
        raise errors.MalformedXML
    rule = dict(rules[0])
    default = rule.get("ApplyServerSideEncryptionByDefault")
    if default is not None:
        _check_default(default)
    blocked = (rule.get("BlockedEncryptionTypes") or {}).get("EncryptionType")
    if blocked is None:
        rule.pop("BlockedEncryptionTypes", None)
        before = (settings.of(call, found).get(SETTING) or {}).get("BlockedEncryptionTypes")
        if before is not None:
            rule["BlockedEncryptionTypes"] = before
    elif not blocked or any(kind not in _BLOCKABLE for kind in blocked) or len(set(blocked)) != len(blocked):
        raise errors.MalformedXML
    settings.put(call, found, SETTING, rule)


def _check_default(default: dict[str, Any]) -> None:
    algorithm = default.get("SSEAlgorithm")
    if algorithm not in ALGORITHMS:
        raise errors.MalformedXML
    if default.get("KMSMasterKeyID") is not None and algorithm not in (KMS, DSSE):
        raise errors.InvalidArgument(
            "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
            "ApplyServerSideEncryptionByDefault",
            None,
        )


@operation(Needs("s3:GetEncryptionConfiguration", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_encryption(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Return a bucket's default encryption: the region's own where nobody has set one.

    Raises ServerSideEncryptionConfigurationNotFoundError where the region does not encrypt by default.
    """
    found = buckets.find(call, bucket, expected_bucket_owner)
    rule = settings.of(call, found).get(SETTING)
    if rule is None and not data_keys.by_default(call):
        raise errors.ServerSideEncryptionConfigurationNotFoundError(
            "The server side encryption configuration was not found", BucketName=bucket
        )
    return {"ServerSideEncryptionConfiguration": {"Rules": [{**_DEFAULT, **(rule or {})}]}}


@operation(Needs("s3:PutEncryptionConfiguration", names.of_bucket), anonymous=True, context=of_request)
def delete_bucket_encryption(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> None:
    """Go back to the region's default encryption, with nothing blocked. There need not have been another."""
    settings.put(call, buckets.find(call, bucket, expected_bucket_owner), SETTING, None)
