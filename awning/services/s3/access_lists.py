"""Access control lists of buckets and objects, and the object ownership that turns them on or off."""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.kit.operation import ALL, Honours, Needs, operation
from awning.services.s3 import (
    buckets,
    errors,
    lists,
    names,
    notifications,
    objects,
    owners,
    receiving,
    replication,
    settings,
    tables,
)
from awning.services.s3.bucket_tables import Bucket
from awning.services.s3.conditions import of_request, of_write
from awning.services.s3.lists import Asked

_POLICY: Honours = {
    "Owner": {"ID": ALL, "DisplayName": ALL},
    "Grants": {
        "Grantee": {"Type": ALL, "ID": ALL, "DisplayName": ALL, "URI": ALL, "EmailAddress": ALL},
        "Permission": ALL,
    },
}
_HONOURS: dict[str, Honours] = {"acl": ALL, "access_control_policy": _POLICY, "checksum_algorithm": ALL}


def _asked(wanted: Asked | None, document: dict[str, Any] | None) -> Asked:
    """Return the one list that a request brings. Raises MissingSecurityHeader, UnexpectedContent, and as lists.of_document()."""
    if document is None:
        if wanted is None:
            raise errors.MissingSecurityHeader("x-amz-acl")
        return wanted
    if wanted is not None:
        raise errors.UnexpectedContent
    return lists.of_document(document)


def _check_owner(wanted: Asked, owner: str) -> None:
    """A list can't change whose a thing is. Raises AccessDenied."""
    if wanted.owner is not None and wanted.owner != owner:
        raise errors.AccessDenied("Access Denied")


@operation(Needs("s3:PutBucketAcl", names.of_bucket), honours=_HONOURS, anonymous=True, context=of_write)
def put_bucket_acl(
    call: Call,
    bucket: str,
    acl: str | None = None,
    access_control_policy: dict[str, Any] | None = None,
    content_md5: str | None = None,
    checksum_algorithm: str | None = None,
    grant_full_control: str | None = None,
    grant_read: str | None = None,
    grant_read_acp: str | None = None,
    grant_write: str | None = None,
    grant_write_acp: str | None = None,
    expected_bucket_owner: str | None = None,
) -> None:
    """Replace a bucket's list. Raises AccessControlListNotSupported where lists are off."""
    receiving.check_document(call, checksum_algorithm)
    headers = (grant_full_control, grant_read, grant_read_acp, grant_write, grant_write_acp)
    wanted = _asked(lists.asked(acl, headers, of_bucket=True), access_control_policy)
    found = buckets.find(call, bucket, expected_bucket_owner)
    if owners.mode(call, found) == owners.ENFORCED:
        raise errors.AccessControlListNotSupported
    owner = names.owner_id(found.account)
    _check_owner(wanted, owner)
    owners.set_bucket_acl(call, found, wanted, "s3:PutBucketAcl")


@operation(Needs("s3:GetBucketAcl", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_acl(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Return a bucket's list: where lists are off, its owner's full control."""
    found = buckets.find(call, bucket, expected_bucket_owner)
    owner = names.owner_id(found.account)
    if owners.mode(call, found) == owners.ENFORCED:
        return lists.shown(owner, lists.private(owner))
    return lists.shown(owner, owners.grants_of_bucket(call, found))


@operation(
    Needs("s3:PutObjectAcl", names.of_current),
    Needs("s3:PutObjectVersionAcl", names.of_version),
    honours=_HONOURS,
    anonymous=True,
    context=of_write,
)
def put_object_acl(
    call: Call,
    bucket: str,
    key: str,
    acl: str | None = None,
    access_control_policy: dict[str, Any] | None = None,
    content_md5: str | None = None,
    checksum_algorithm: str | None = None,
    grant_full_control: str | None = None,
    grant_read: str | None = None,
    grant_read_acp: str | None = None,
    grant_write: str | None = None,
    grant_write_acp: str | None = None,
    version_id: str | None = None,
    expected_bucket_owner: str | None = None,
) -> dict[str, Any]:
    """Replace the list of an object or a version. Where lists are off, only the one that changes nothing is taken."""
    receiving.check_document(call, checksum_algorithm)
    headers = (grant_full_control, grant_read, grant_read_acp, grant_write, grant_write_acp)
    wanted = _asked(lists.asked(acl, headers), access_control_policy)
    found, stored = objects.unhidden(call, bucket, expected_bucket_owner, key, version_id)
    if owners.mode(call, found) == owners.ENFORCED:
        if wanted.canned != lists.BUCKET_OWNER_FULL_CONTROL:
            raise errors.AccessControlListNotSupported
        return {}
    action, arn = "s3:PutObjectAcl" if version_id is None else "s3:PutObjectVersionAcl", names.place(call, bucket, key)
    if call.authorise is not None and not call.allowed(action, arn).allowed:
        # What stands under the key now may be another's than when the request was let in.
        raise errors.AccessDenied("Access Denied")
    _replace(call, found, stored, key, wanted, action)
    return {}


def _replace(call: Call, found: Bucket, stored: tables.Object, key: str, wanted: Asked, action: str) -> None:
    """Give an object a list. Runs in a batch."""
    owner = owners.id_of(owners.owner_of(found, stored.extras))
    _check_owner(wanted, owner)
    grants = lists.resolved(wanted, owner, names.owner_id(found.account))
    owners.check_public(call, found, grants, action, names.object_arn(found.name, key))
    if grants == owners.grants_of(found, stored.extras):
        return
    kept = None if grants == lists.private(owner) else grants
    tables.set_extras(call.db, stored.content, owners.merged(stored.extras, {"acl": kept}))
    replication.on_change(call, found, key, stored, "OBJECT_ACL")
    if found.notification is not None:
        notifications.notify(call, found, "ObjectAcl:Put", key, None, stored.etag, stored.version)


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
    """Return the list of an object or a version: where lists are off, the bucket's owner's full control."""
    found, stored = objects.located(call, bucket, expected_bucket_owner, key, version_id)
    if owners.mode(call, found) == owners.ENFORCED:
        owner = names.owner_id(found.account)
        return lists.shown(owner, lists.private(owner))
    owner = owners.id_of(owners.owner_of(found, stored.extras))
    return lists.shown(owner, owners.grants_of(found, stored.extras))


# Object ownership ----------------------------------------------------------------------------------------------------


@operation(
    Needs("s3:PutBucketOwnershipControls", names.of_bucket),
    honours={"ownership_controls": {"Rules": {"ObjectOwnership": ALL}}, "checksum_algorithm": ALL},
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
    """Say who owns objects. Lists go only where the bucket's own grants nothing to others, and come back with all that they
    granted. Raises MalformedXML, InvalidBucketAclWithObjectOwnership."""
    receiving.check_document(call, checksum_algorithm)
    found = buckets.find(call, bucket, expected_bucket_owner)
    rules = ownership_controls.get("Rules", [])
    if len(rules) != 1 or rules[0].get("ObjectOwnership") not in owners.MODES:
        raise errors.MalformedXML
    wanted = rules[0]["ObjectOwnership"]
    if wanted == owners.ENFORCED:
        owner = names.owner_id(found.account)
        if any(grantee != owner for grantee, _ in owners.grants_of_bucket(call, found)):
            raise errors.InvalidBucketAclWithObjectOwnership
    settings.put(call, found, "ownership", None if wanted == owners.ENFORCED else wanted)


@operation(Needs("s3:GetBucketOwnershipControls", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_ownership_controls(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Return who owns objects. Raises OwnershipControlsNotFoundError once the controls were deleted."""
    found = buckets.find(call, bucket, expected_bucket_owner)
    ownership = owners.mode(call, found)
    if ownership == owners.NONE:
        raise errors.OwnershipControlsNotFoundError(bucket)
    return {"OwnershipControls": {"Rules": [{"ObjectOwnership": ownership}]}}


@operation(Needs("s3:PutBucketOwnershipControls", names.of_bucket), anonymous=True, context=of_request)
def delete_bucket_ownership_controls(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> None:
    """Take the controls off: whoever writes an object owns it, and lists count."""
    settings.put(call, buckets.find(call, bucket, expected_bucket_owner), "ownership", owners.NONE)
