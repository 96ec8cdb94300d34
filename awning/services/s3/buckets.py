"""Buckets: create, delete, head, list; their location, ownership and tags.

A bucket's name belongs to all accounts and regions together; the bucket itself to one of each.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import orjson

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.s3 import (
    bucket_tables,
    bucket_tags,
    errors,
    history,
    lists,
    locks,
    names,
    owners,
    point_tables,
    receiving,
    settings,
)
from awning.services.s3.bucket_tables import Bucket
from awning.services.s3.conditions import new_bucket_tags, of_request, of_write
from awning.services.s3.lists import Asked

MOST_BUCKETS = 10_000


def find(call: Call, name: str, owner: str | None = None) -> Bucket:
    """Return the bucket that a call names, as its caller may address it. `owner` is x-amz-expected-bucket-owner.

    Raises NoSuchBucket; AccessDenied for another owner; and where the request was signed for another region than the
    bucket's, AuthorizationHeaderMalformed, for a pre-signed URL AuthorizationQueryParametersError, with `Region`, or for
    HEAD, which has no body, a redirect with the region.
    """
    bucket = bucket_tables.find_bucket(call.db, name)
    if bucket is None:
        raise errors.NoSuchBucket(name)
    check(call, bucket, owner)
    return bucket


def check(call: Call, bucket: Bucket, owner: str | None) -> None:
    """As find(), for a bucket that is already at hand."""
    if owner is not None and owner != bucket.account:
        raise errors.AccessDenied("Access Denied")
    if bucket.region != call.region and (call.facts.signed or "").startswith("v4"):
        raise elsewhere(call, bucket.region)


def begun(call: Call, name: str) -> Bucket:
    """Return the bucket that a call was authorised for; one of this name made later has another number.

    To be asked before the call first waits. Raises NoSuchBucket.
    """
    kept = call.memory.known.get(name)
    bucket: Bucket | None = kept[0] if kept is not None else bucket_tables.find_bucket(call.db, name)
    if bucket is None:
        raise errors.NoSuchBucket(name)
    return bucket


def elsewhere(call: Call, region: str) -> errors.ServiceError:
    """Return what tells a client to ask another region: a bucket's own."""
    error: errors.ServiceError
    if call.facts.method == "HEAD":
        error = errors.PermanentRedirect("The bucket is in another region.")
    elif call.facts.signed == "v4-query":
        error = errors.AuthorizationQueryParametersError(
            f"Error parsing the X-Amz-Credential parameter; the region '{call.region}' is wrong; expecting '{region}'",
            Region=region,
        )
    else:
        error = errors.AuthorizationHeaderMalformed(
            f"The authorization header is malformed; the region '{call.region}' is wrong; expecting '{region}'",
            Region=region,
        )
    error.headers = [(b"x-amz-bucket-region", region.encode())]
    return error


def _region_of(call: Call, configuration: Mapping[str, Any] | None) -> str:
    """Return the region that a new bucket belongs to. Raises IllegalLocationConstraintException and its like."""
    if not names.is_region(call.region):  # s3cmd signs for "US" until it is told better
        raise elsewhere(call, "us-east-1")
    constraint: str | None = (configuration or {}).get("LocationConstraint") or None
    if constraint is None:
        if call.region != "us-east-1":
            raise errors.IllegalLocationConstraintException(
                "The unspecified location constraint is incompatible for the region specific endpoint this request was "
                "sent to."
            )
        return "us-east-1"
    region = "eu-west-1" if constraint == "EU" else constraint
    if region == "us-east-1" or not names.is_region(region):
        raise errors.InvalidLocationConstraint(constraint)
    if call.region not in ("us-east-1", region):
        raise errors.IllegalLocationConstraintException(
            f"The {constraint} location constraint is incompatible for the region specific endpoint this request was "
            "sent to."
        )
    return region


def _of_new_bucket(call: Call, params: Mapping[str, Any]) -> str:
    """For Needs: the ARN of a bucket to be created. Who has the name already is not asked: the name is taken, or it isn't."""
    existing = bucket_tables.find_bucket(call.db, params["bucket"])
    if existing is not None and existing.account != call.account:
        raise errors.BucketAlreadyExists(existing.name)
    return names.bucket_arn(params["bucket"])


def _where(asks: Callable[[Mapping[str, Any]], Any]) -> Callable[[Call, Mapping[str, Any]], str | None]:
    """For Needs: the new bucket's ARN, where its request asks for something that needs a permission of its own."""
    return lambda call, params: names.bucket_arn(params["bucket"]) if asks(params) else None


def _asks_for_acl(params: Mapping[str, Any]) -> bool:
    return params.get("acl") not in (None, "private") or any(params.get(name) for name in names.GRANTS)


@operation(
    Needs("s3:CreateBucket", _of_new_bucket),
    Needs("s3:PutBucketAcl", _where(_asks_for_acl)),
    Needs(
        "s3:PutBucketOwnershipControls",
        _where(lambda params: params.get("object_ownership") not in (None, owners.WRITER)),
    ),
    Needs("s3:PutBucketObjectLockConfiguration", _where(lambda params: params.get("object_lock_enabled_for_bucket"))),
    Needs("s3:PutBucketVersioning", _where(lambda params: params.get("object_lock_enabled_for_bucket"))),
    Needs("s3:TagResource", _where(lambda params: (params.get("create_bucket_configuration") or {}).get("Tags"))),
    honours={
        "acl": ALL,
        "create_bucket_configuration": {"LocationConstraint": ALL, "Tags": {"Key": ALL, "Value": ALL}},
        "object_ownership": ALL,
    },
    defaults={"bucket_namespace": "global"},
    context=of_write,
    tags=new_bucket_tags,
)
def create_bucket(
    call: Call,
    bucket: str,
    acl: str | None = None,
    create_bucket_configuration: dict[str, Any] | None = None,
    grant_full_control: str | None = None,
    grant_read: str | None = None,
    grant_read_acp: str | None = None,
    grant_write: str | None = None,
    grant_write_acp: str | None = None,
    object_lock_enabled_for_bucket: bool | None = None,
    object_ownership: str | None = None,
) -> dict[str, Any]:
    """Create a bucket of the caller's account: private, public access blocked, and owned by its owner alone unless the request
    says otherwise. With object lock it keeps versions from the beginning."""
    grants = (grant_full_control, grant_read, grant_read_acp, grant_write, grant_write_acp)
    wanted = lists.asked(acl, grants, of_bucket=True)
    _check_ownership(object_ownership, wanted, names.owner_id(call.account))
    if acl == "private" and object_ownership is None:
        # Who asks for the list that every bucket has anyway gets a bucket that has lists, as from S3: rclone sends it with each
        # of its requests, and objects whose request asks for one are refused where there are none.
        object_ownership = owners.PREFERRED
    region = _region_of(call, create_bucket_configuration)
    existing = bucket_tables.find_bucket(call.db, bucket)
    if existing is not None:
        if existing.account != call.account:
            raise errors.BucketAlreadyExists(bucket)
        if existing.region != "us-east-1" or region != "us-east-1":
            raise errors.BucketAlreadyOwnedByYou(bucket)
        return {"Location": f"/{bucket}"}
    names.check_bucket(bucket)
    if bucket_tables.count_buckets(call.db, call.account) >= MOST_BUCKETS:
        raise errors.TooManyBuckets
    tags = (create_bucket_configuration or {}).get("Tags")
    stored = orjson.dumps(names.check_tags(tags, 50)) if tags else None
    bucket_tables.insert_bucket(call.db, bucket, call.account, region, int(call.now), stored)
    if object_ownership not in (None, owners.ENFORCED):
        made = find(call, bucket)
        settings.put(call, made, "ownership", object_ownership)
        if wanted is not None:
            owners.set_bucket_acl(call, find(call, bucket), wanted, "s3:PutBucketAcl")
    if object_lock_enabled_for_bucket:
        made = find(call, bucket)
        bucket_tables.set_versioning(call.db, made.bucket, history.ENABLED)
        settings.put(call, made, locks.SETTING, {})
    return {"Location": f"/{bucket}" if region == "us-east-1" else location(call, bucket)}


def _check_ownership(ownership: str | None, wanted: Asked | None, owner: str) -> None:
    """Raises InvalidArgument, InvalidBucketAclWithObjectOwnership; a new bucket blocks public access, its own list included, with
    InvalidBucketAclWithBlockPublicAccessError."""
    if ownership is not None and ownership not in owners.MODES:
        name = "x-amz-object-ownership"
        raise errors.InvalidArgument(f"Invalid {name} header: {ownership}", name, ownership)
    if wanted is None:
        return
    grants = lists.resolved(wanted, owner)
    if ownership in (None, owners.ENFORCED) and any(grantee != owner for grantee, _ in grants):
        raise errors.InvalidBucketAclWithObjectOwnership
    if lists.is_public(grants):
        raise errors.InvalidBucketAclWithBlockPublicAccessError


def location(call: Call, bucket: str, key: str = "") -> str:
    """Return the URL of a bucket or an object in the scheme, host and style that the client used."""
    base = call.facts.base_url if call.facts.virtual_host else f"{call.facts.base_url}/{bucket}"
    return f"{base}/{key}"


@operation(Needs("s3:DeleteBucket", names.of_bucket), anonymous=True, context=of_request)
def delete_bucket(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> None:
    """Delete a bucket that has no objects, no older versions and no delete markers; its unfinished uploads go with it."""
    found = find(call, bucket, expected_bucket_owner)
    if not bucket_tables.is_empty(call.db, found.bucket):
        raise errors.BucketNotEmpty(bucket, found.versioning is not None)
    if point_tables.is_attached(call.db, found.bucket, found.account):
        raise errors.BucketHasAccessPointsAttached
    bucket_tables.delete_bucket(call.db, found)
    call.after(partial(call.memory.forget_bucket, bucket))
    call.after(call.room.watch_as_wanted)


@operation(Needs("s3:ListBucket", names.of_bucket), reads=True, anonymous=True, context=of_request)
def head_bucket(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Say that a bucket is there and may be listed, and where it is."""
    found = find(call, bucket, expected_bucket_owner)
    return {"BucketRegion": found.region, "AccessPointAlias": call.through is not None and call.through.alias}


@operation(Needs("s3:GetBucketLocation", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_location(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Return the bucket's region; us-east-1 is the empty constraint. Any region may ask, as on AWS."""
    found = bucket_tables.find_bucket(call.db, bucket)
    if found is None:
        raise errors.NoSuchBucket(bucket)
    if expected_bucket_owner is not None and expected_bucket_owner != found.account:
        raise errors.AccessDenied("Access Denied")
    return {"LocationConstraint": None if found.region == "us-east-1" else found.region}


@operation(Needs("s3:ListAllMyBuckets", "*"), reads=True, context=of_request)
def list_buckets(
    call: Call,
    max_buckets: int | None = None,
    continuation_token: str | None = None,
    prefix: str | None = None,
    bucket_region: str | None = None,
) -> dict[str, Any]:
    """List the account's buckets of all regions in the order of their names."""
    if max_buckets is not None and not 1 <= max_buckets <= MOST_BUCKETS:
        raise errors.InvalidArgument(
            "Argument max-buckets must be an integer between 1 and 10000", "max-buckets", max_buckets
        )
    limit = max_buckets or MOST_BUCKETS
    after = _after(continuation_token) if continuation_token else ""
    found = bucket_tables.buckets_after(call.db, call.account, after, prefix or "", bucket_region, limit + 1)
    paged = max_buckets is not None or prefix is not None or bucket_region is not None
    result: dict[str, Any] = {
        "Owner": {"ID": names.owner_id(call.account)},
        "Buckets": [
            {"Name": b.name, "CreationDate": b.created, **({"BucketRegion": b.region} if paged else {})}
            for b in found[:limit]
        ],
    }
    if prefix is not None:
        result["Prefix"] = prefix
    if len(found) > limit:
        result["ContinuationToken"] = base64.urlsafe_b64encode(b"b1" + found[limit - 1].name.encode()).decode()
    return result


def _after(token: str) -> str:
    try:
        raw = base64.urlsafe_b64decode(token)
    except (binascii.Error, ValueError):
        raw = b""
    if not raw.startswith(b"b1"):
        raise errors.InvalidArgument("The continuation token provided is incorrect", "continuation-token", token)
    return raw[2:].decode("utf-8", "replace")


@operation(
    Needs("s3:PutBucketTagging", names.of_bucket),
    honours={"tagging": {"TagSet": {"Key": ALL, "Value": ALL}}, "checksum_algorithm": ALL},
    anonymous=True,
    context=of_request,
    tags="tagging",
)
def put_bucket_tagging(
    call: Call,
    bucket: str,
    tagging: dict[str, Any],
    content_md5: str | None = None,
    checksum_algorithm: str | None = None,
    expected_bucket_owner: str | None = None,
) -> dict[str, Any]:
    """Replace the bucket's tags (at most 50)."""
    receiving.check_document(call, checksum_algorithm)
    found = find(call, bucket, expected_bucket_owner)
    bucket_tags.check_way(call, found)
    tags = names.check_tags(tagging.get("TagSet", []), 50)
    bucket_tables.set_bucket_tags(call.db, found.bucket, orjson.dumps(tags) if tags else None)
    return {"@status": 204}


@operation(Needs("s3:GetBucketTagging", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_tagging(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Return a bucket's tags. Raises NoSuchTagSet where it has none."""
    found = find(call, bucket, expected_bucket_owner)
    tags = bucket_tables.bucket_tags(call.db, found.bucket)
    if not tags:
        raise errors.NoSuchTagSet(bucket)
    return {"TagSet": [{"Key": key, "Value": value} for key, value in tags]}


@operation(Needs("s3:PutBucketTagging", names.of_bucket), anonymous=True, context=of_request)
def delete_bucket_tagging(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> None:
    """Take all of a bucket's tags away."""
    found = find(call, bucket, expected_bucket_owner)
    bucket_tags.check_way(call, found)
    bucket_tables.set_bucket_tags(call.db, found.bucket, None)


@operation(
    Needs("s3:PutBucketAbac", names.of_bucket),
    honours={"abac_status": {"Status": ALL}, "checksum_algorithm": ALL},
    anonymous=True,
    context=of_request,
)
def put_bucket_abac(
    call: Call,
    bucket: str,
    abac_status: dict[str, Any],
    content_md5: str | None = None,
    checksum_algorithm: str | None = None,
    expected_bucket_owner: str | None = None,
) -> None:
    """Say whether the bucket's tags count in policies. Raises MalformedXML."""
    receiving.check_document(call, checksum_algorithm)
    found = find(call, bucket, expected_bucket_owner)
    if abac_status.get("Status") not in ("Enabled", "Disabled"):
        raise errors.MalformedXML
    settings.put(call, found, "abac", True if abac_status["Status"] == "Enabled" else None)


@operation(Needs("s3:GetBucketAbac", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_abac(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Return whether the bucket's tags count in policies."""
    found = find(call, bucket, expected_bucket_owner)
    return {"AbacStatus": {"Status": "Enabled" if bucket_tags.count(call, found) else "Disabled"}}
