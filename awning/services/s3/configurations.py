"""What a bucket could be configured with and, here, never is: each answers truly that there is none.

Whatever would set one of these is refused with 501, so nothing here depends on state but the bucket's being there.
"""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.s3 import buckets, errors, names, objects, receiving
from awning.services.s3.conditions import of_request, of_write


def _owned_alone(account: str) -> dict[str, Any]:
    """The ACL of everything: ACLs are off, and the owner has full control."""
    owner = {"ID": names.owner_id(account)}
    return {"Owner": owner, "Grants": [{"Grantee": {**owner, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}]}


@operation(Needs("s3:GetBucketAcl", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_acl(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Return the one ACL that a bucket has where ACLs are off."""
    return _owned_alone(buckets.find(call, bucket, expected_bucket_owner).account)


@operation(
    Needs("s3:GetObjectAcl", names.of_current),
    Needs("s3:GetObjectVersionAcl", names.of_version),
    reads=True,
    anonymous=True,
    context=of_request,
)
def get_object_acl(
    call: Call, bucket: str, key: str, version_id: str | None = None, expected_bucket_owner: str | None = None
) -> dict[str, Any]:
    """Return the one ACL that an object has where ACLs are off: the bucket's owner owns it."""
    objects.existing(call, bucket, expected_bucket_owner, key, version_id)
    return _owned_alone(buckets.find(call, bucket, expected_bucket_owner).account)


@operation(
    Needs("s3:PutBucketOwnershipControls", names.of_bucket),
    honours={"ownership_controls": {"Rules": {"ObjectOwnership": {"BucketOwnerEnforced"}}}, "checksum_algorithm": ALL},
    anonymous=True,
    context=of_write,
)
def put_bucket_ownership_controls(
    call: Call,
    bucket: str,
    ownership_controls: dict[str, Any],
    content_md5: str | None = None,
    checksum_algorithm: str | None = None,
    expected_bucket_owner: str | None = None,
) -> None:
    """Say what is so already: the bucket's owner owns all in it. Raises MalformedXML unless there is just one rule."""
    receiving.check_document(call, checksum_algorithm)
    buckets.find(call, bucket, expected_bucket_owner)
    if len(ownership_controls.get("Rules", [])) != 1:
        raise errors.MalformedXML


@operation(Needs("s3:GetBucketWebsite", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_website(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Raises NoSuchWebsiteConfiguration."""
    buckets.find(call, bucket, expected_bucket_owner)
    raise errors.NoSuchWebsiteConfiguration(
        "The specified bucket does not have a website configuration", BucketName=bucket
    )


@operation(Needs("s3:GetLifecycleConfiguration", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_lifecycle_configuration(
    call: Call, bucket: str, expected_bucket_owner: str | None = None
) -> dict[str, Any]:
    """Raises NoSuchLifecycleConfiguration."""
    buckets.find(call, bucket, expected_bucket_owner)
    raise errors.NoSuchLifecycleConfiguration("The lifecycle configuration does not exist", BucketName=bucket)


@operation(Needs("s3:GetEncryptionConfiguration", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_encryption(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Raises ServerSideEncryptionConfigurationNotFoundError: nothing is encrypted at rest here."""
    buckets.find(call, bucket, expected_bucket_owner)
    raise errors.ServerSideEncryptionConfigurationNotFoundError(
        "The server side encryption configuration was not found", BucketName=bucket
    )


@operation(Needs("s3:GetReplicationConfiguration", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_replication(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Raises ReplicationConfigurationNotFoundError."""
    buckets.find(call, bucket, expected_bucket_owner)
    raise errors.ReplicationConfigurationNotFoundError("The replication configuration was not found", BucketName=bucket)


@operation(
    Needs("s3:GetBucketObjectLockConfiguration", names.of_bucket), reads=True, anonymous=True, context=of_request
)
def get_object_lock_configuration(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Raises ObjectLockConfigurationNotFoundError."""
    buckets.find(call, bucket, expected_bucket_owner)
    raise errors.ObjectLockConfigurationNotFoundError(
        "Object Lock configuration does not exist for this bucket", BucketName=bucket
    )


@operation(Needs("s3:GetBucketLogging", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_logging(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Access is not logged to a bucket."""
    buckets.find(call, bucket, expected_bucket_owner)
    return {}


@operation(Needs("s3:GetAccelerateConfiguration", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_accelerate_configuration(
    call: Call, bucket: str, expected_bucket_owner: str | None = None
) -> dict[str, Any]:
    """Acceleration never was set: an answer without a status."""
    buckets.find(call, bucket, expected_bucket_owner)
    return {}


@operation(Needs("s3:GetBucketRequestPayment", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_request_payment(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """The bucket's owner pays."""
    buckets.find(call, bucket, expected_bucket_owner)
    return {"Payer": "BucketOwner"}
