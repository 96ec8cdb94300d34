"""Owners: whose an object is, which list it comes under, and what public access is blocked.

While a bucket's owner owns all in it (the default) there are no lists, and nothing here is asked.
S3 user guide, "Controlling ownership of objects and disabling ACLs for your bucket", "Blocking public access".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

import orjson

from awning.auth.acl import Listed
from awning.auth.principal import PEOPLE, Principal
from awning.kit.call import Call
from awning.services.s3 import bucket_tables, errors, lists, names, settings, tables, version_ids, version_tables
from awning.services.s3.bucket_tables import (
    BLOCK_PUBLIC_ACLS,
    BLOCK_PUBLIC_POLICY,
    IGNORE_PUBLIC_ACLS,
    RESTRICT_PUBLIC_BUCKETS,
    Bucket,
)
from awning.services.s3.lists import Asked, Grants
from awning.services.s3.tables import Object

T = TypeVar("T")

ENFORCED: Final = "BucketOwnerEnforced"
PREFERRED: Final = "BucketOwnerPreferred"
WRITER: Final = "ObjectWriter"
NONE: Final = ""
"""The controls were deleted: as for ObjectWriter, but there are none to show."""

MODES: Final = (ENFORCED, PREFERRED, WRITER)

_BITS: Final = (
    ("BlockPublicAcls", BLOCK_PUBLIC_ACLS),
    ("IgnorePublicAcls", IGNORE_PUBLIC_ACLS),
    ("BlockPublicPolicy", BLOCK_PUBLIC_POLICY),
    ("RestrictPublicBuckets", RESTRICT_PUBLIC_BUCKETS),
)

NOBODY: Final = "anonymous"
"""The account, as extras have it, of who uploads without a signature."""

_NEW: Final = frozenset({"PutObject", "CopyObject", "CreateMultipartUpload"})
_VERSIONED: Final = frozenset(
    {"s3:GetObjectVersion", "s3:GetObjectVersionAcl", "s3:PutObjectVersionAcl", "s3:GetObjectVersionAttributes"}
)


def mode(call: Call, bucket: Bucket) -> str:
    """Return a bucket's object ownership."""
    if bucket.settings is None:
        return ENFORCED
    found: str = settings.of(call, bucket).get("ownership", ENFORCED)
    return found


def blocks(call: Call, bucket: Bucket) -> int:
    """Return what public access is blocked, by the bucket or by its account, as bits."""
    return (bucket.block or 0) | (bucket_tables.account_block(call.db, bucket.account) or 0)


def _of_point(call: Call) -> int:
    """What the access point blocks by which a request comes."""
    ways = call.through
    return 0 if ways is None or ways.point is None else ways.point.block


def read_block(configuration: Mapping[str, Any]) -> int:
    """Return a public access block as bits; what is not sent is off."""
    return sum(bit for member, bit in _BITS if configuration.get(member))


def shown_block(block: int) -> dict[str, bool]:
    """Return a public access block as replies write it."""
    return {member: bool(block & bit) for member, bit in _BITS}


def id_of(account: str) -> str:
    """Return the canonical id of an owner."""
    return lists.ANONYMOUS if account == NOBODY else names.owner_id(account)


def owner_of(bucket: Bucket, extras: bytes | None) -> str:
    """Return the account that owns an object of a bucket that has lists."""
    owner: str = orjson.loads(extras).get("owner", bucket.account) if extras else bucket.account
    return owner


def grants_of(bucket: Bucket, extras: bytes | None) -> Grants:
    """Return the list of an object of a bucket that has lists."""
    found = orjson.loads(extras).get("acl") if extras else None
    return _grants(found) if found is not None else lists.private(id_of(owner_of(bucket, extras)))


def grants_of_bucket(call: Call, bucket: Bucket) -> Grants:
    """Return the list of a bucket."""
    found = settings.of(call, bucket).get("acl") if bucket.settings is not None else None
    return _grants(found) if found is not None else lists.private(names.owner_id(bucket.account))


def _grants(stored: Iterable[Iterable[str]]) -> Grants:
    return tuple([(grantee, permission) for grantee, permission in stored])


def check_public(call: Call, bucket: Bucket, grants: Grants, action: str, arn: str) -> None:
    """Raises AccessDenied for a public list where public lists are blocked."""
    if lists.is_public(grants) and (blocks(call, bucket) | _of_point(call)) & BLOCK_PUBLIC_ACLS:
        raise errors.AccessDenied(
            f'User: {call.principal.caller_arn} is not authorized to perform: {action} on resource: "{arn}" because public '
            "ACLs are prevented by the BlockPublicAcls setting in S3 Block Public Access"
        )


def set_bucket_acl(call: Call, bucket: Bucket, wanted: Asked, action: str) -> None:
    """Give a bucket that has lists another list. Raises AccessDenied."""
    owner = names.owner_id(bucket.account)
    grants = lists.resolved(wanted, owner)
    check_public(call, bucket, grants, action, names.bucket_arn(bucket.name))
    settings.put(call, bucket, "acl", None if grants == lists.private(owner) else grants)


def of_new(call: Call, bucket: Bucket, key: str, wanted: Asked | None) -> dict[str, Any]:
    """Return what a new object's extras say of its owner and its list.

    Raises AccessControlListNotSupported, AccessDenied.
    """
    ownership = mode(call, bucket)
    if ownership == ENFORCED:
        if wanted is not None and not lists.changes_nothing(wanted, names.owner_id(bucket.account)):
            raise errors.AccessControlListNotSupported
        return {}
    owner = bucket.account
    if call.principal.kind in PEOPLE:
        owner = call.principal.account
    elif call.principal.kind == "anonymous":
        owner = NOBODY
    given_over = wanted is not None and wanted.canned == lists.BUCKET_OWNER_FULL_CONTROL
    if ownership == PREFERRED and given_over:
        owner = bucket.account
    id_ = id_of(owner)
    grants = lists.resolved(wanted, id_, names.owner_id(bucket.account))
    check_public(call, bucket, grants, "s3:PutObjectAcl", names.object_arn(bucket.name, key))
    extras: dict[str, Any] = {}
    if owner != bucket.account:
        extras["owner"] = owner
    if grants != lists.private(id_):
        extras["acl"] = grants
    return extras


def merged(extras: bytes | None, further: Mapping[str, Any]) -> bytes | None:
    """Return extras with further ones; a None takes one away."""
    found = orjson.loads(extras) if extras else {}
    found.update(further)
    left = {name: value for name, value in found.items() if value is not None}
    return orjson.dumps(left) if left else None


def listed(
    bucket: Bucket,
    ignored: bool,
    call: Call,
    principal: Principal,
    action: str,
    arn: str,
    context: Mapping[str, Any],
) -> Listed:
    """Return the list that a request comes under, in a bucket that has lists (see Guard.acls). ignored: IgnorePublicAcls."""
    key = arn[len(names.bucket_arn(bucket.name)) + 1 :]
    own = bucket.account
    of_bucket = grants_of_bucket(call, bucket)
    if not key:
        return Listed(own, lists.compiled(of_bucket, "bucket", ignored))
    if action == "s3:DeleteObject":
        stored = _find(call, bucket, key, None)
        mine = stored is not None and owner_of(bucket, stored.extras) == principal.account
        return Listed(own, lists.compiled(of_bucket, "own", ignored) if mine else None)
    if action not in lists.OF_OBJECTS:
        return Listed(own, lists.compiled(of_bucket, "bucket", ignored))
    if action == "s3:PutObjectAcl" and call.facts.operation in _NEW:
        # Whoever writes an object owns it: what it may say of it is for its own account to decide.
        if principal.kind in PEOPLE:
            return Listed(principal.account, None)
        return Listed(own, lists.compiled(of_bucket, "new", ignored))
    stored = _find(call, bucket, key, context.get("s3:versionid") if action in _VERSIONED else None)
    if stored is None:
        return Listed(own, lists.compiled(of_bucket, "missing", ignored))
    owner = owner_of(bucket, stored.extras)
    return Listed("" if owner == NOBODY else owner, lists.compiled(grants_of(bucket, stored.extras), "object", ignored))


def _find(call: Call, bucket: Bucket, key: str, version: str | None) -> Object | None:
    """Return an object, or a version that is named by any text; None where there is none."""
    raw_key = key.encode("utf-8", "surrogateescape")
    if version is None:
        return tables.find_object(call.db, bucket.bucket, raw_key, body=False)
    number = version_ids.number_of(version)
    if number is None and version != version_ids.NULL:
        return None
    named, age = (None, None) if number is None else (version, -number)
    found = version_tables.find(call.db, bucket.bucket, raw_key, named, age, body=False)
    return found if isinstance(found, Object) else None


# Listings ------------------------------------------------------------------------------------------------------------


def of_keys(call: Call, bucket: Bucket, keys: Iterable[bytes]) -> Mapping[bytes, dict[str, str]]:
    """Return the owners, as listings show them, of those of some objects that are not the bucket's owner's."""
    if mode(call, bucket) == ENFORCED:
        return {}
    return dict(_foreign(bucket, tables.extras_by_key(call.db, bucket.bucket, list(keys))))


def of_contents(call: Call, bucket: Bucket, contents: Iterable[int]) -> Mapping[int, dict[str, str]]:
    """As of_keys(), by contents."""
    if mode(call, bucket) == ENFORCED:
        return {}
    return dict(_foreign(bucket, tables.extras_of(call.db, list(contents))))


def _foreign(bucket: Bucket, found: Iterable[tuple[T, bytes]]) -> Iterator[tuple[T, dict[str, str]]]:
    for of, extras in found:
        owner = owner_of(bucket, extras)
        if owner != bucket.account:
            yield of, {"ID": id_of(owner)}
