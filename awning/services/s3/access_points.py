"""Access points by the API of S3 Control: made, described, deleted, and their policies.

S3 user guide, "Creating access points for general purpose buckets"; only the account that owns a point ever handles it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from awning.auth.public import is_public
from awning.kit.call import Call
from awning.kit.named import as_it_stands, ids_of
from awning.kit.operation import ALL, Needs, operation
from awning.services.s3 import bucket_tables, bucket_tags, errors, owners, point_tables, points, policies
from awning.services.s3.bucket_tables import BLOCK_ALL, BLOCK_PUBLIC_POLICY
from awning.services.s3.conditions import of_point, of_request
from awning.services.s3.point_tables import Point

MOST: Final = 10_000
"""Of an account in a region."""
PAGE: Final = 1000
_LETTERS: Final = re.compile(r"[a-z0-9.-]{3,50}").fullmatch
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?").fullmatch
_OF_NAME: Final = 20
"""Characters of its name that an alias begins with."""


# What decisions are about --------------------------------------------------------------------------------------------


def _of_point(call: Call, params: Mapping[str, Any]) -> str:
    """For Needs: the ARN of the point that a call names."""
    return point_tables.point_arn(call.region, params["account_id"], params["name"])


def _of_tagged(call: Call, params: Mapping[str, Any]) -> str | None:
    """For Needs: the new point's ARN, where it is made with tags."""
    return _of_point(call, params) if params.get("tags") else None


def _check_account(call: Call, account_id: str) -> None:
    """Only an account itself handles its points. Raises AccessDenied."""
    if account_id != call.account:
        raise errors.AccessDenied("Access Denied")


def _find(call: Call, account_id: str, name: str) -> Point:
    """Return a point of the caller's account. Raises NoSuchAccessPoint."""
    _check_account(call, account_id)
    found = point_tables.find_point(call.db, account_id, call.region, name)
    if found is None:
        raise errors.NoSuchAccessPoint(name)
    return found


# Points --------------------------------------------------------------------------------------------------------------


def _check_name(name: str) -> None:
    """Raises InvalidURI, InvalidRequest ("Access points naming rules, restrictions, and limitations")."""
    if _LETTERS(name) is None:
        raise errors.InvalidAccessPointName(name)
    if _NAME(name) is None or name.endswith((points.ALIAS, "--ol-s3", "--xa-s3")):
        raise errors.InvalidRequest("Your Amazon S3 AccessPoint name is invalid")


@operation(
    Needs("s3:CreateAccessPoint", _of_point),
    Needs("s3:TagResource", _of_tagged),
    honours={"public_access_block_configuration": ALL, "tags": {"Key": ALL, "Value": ALL}},
    context=of_point,
    tags="tags",
)
def create_access_point(
    call: Call,
    account_id: str,
    name: str,
    bucket: str,
    public_access_block_configuration: dict[str, Any] | None = None,
    bucket_account_id: str | None = None,
    tags: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """Make a point that leads to a bucket of its region, which may be another account's; that one's policy decides who gets
    anything by it. What public access it blocks never changes: all, unless the request says otherwise."""
    _check_account(call, account_id)
    _check_name(name)
    found = bucket_tables.find_bucket(call.db, bucket)
    if found is None:
        raise errors.InvalidRequest("Amazon S3 AccessPoint can only be created for existing bucket")
    if found.region != call.region:
        raise errors.InvalidRequest("Amazon S3 AccessPoint can only be created for bucket in the same region")
    if (bucket_account_id or account_id) != found.account:
        raise errors.InvalidRequest("BucketAccountId parameter should be same as the AWS Account Id of bucket owner")
    if point_tables.find_point(call.db, account_id, call.region, name) is not None:
        raise errors.AccessPointAlreadyOwnedByYou
    if point_tables.count_points(call.db, account_id, call.region) >= MOST:
        raise errors.TooManyAccessPoints
    block = BLOCK_ALL
    if public_access_block_configuration is not None:
        block = owners.read_block(public_access_block_configuration)
    alias = f"{name[:_OF_NAME].rstrip('-')}-{call.new_token(34).lower()}{points.ALIAS}"
    of_bucket = (found.bucket, found.name, found.account)
    point = Point(0, account_id, call.region, name, alias, *of_bucket, int(call.now), block, None)
    stored = orjson.dumps(bucket_tags.checked(tags)) if tags else None
    point_tables.insert_point(call.db, point, stored)
    return {"AccessPointArn": point.arn, "Alias": alias}


@operation(Needs("s3:GetAccessPoint", "*"), reads=True, context=of_point)
def get_access_point(call: Call, account_id: str, name: str) -> dict[str, Any]:
    """Describe a point."""
    point = _find(call, account_id, name)
    domain = f"{point.region}.amazonaws.com"
    return {
        **_summary(point),
        "PublicAccessBlockConfiguration": owners.shown_block(point.block),
        "CreationDate": point.created,
        "Endpoints": {
            "ipv4": f"s3-accesspoint.{domain}",
            "fips": f"s3-accesspoint-fips.{domain}",
            "fips_dualstack": f"s3-accesspoint-fips.dualstack.{domain}",
            "dualstack": f"s3-accesspoint.dualstack.{domain}",
        },
    }


def _summary(point: Point) -> dict[str, Any]:
    return {
        "Name": point.name,
        "NetworkOrigin": "Internet",
        "Bucket": point.bucket_name,
        "AccessPointArn": point.arn,
        "Alias": point.alias,
        "BucketAccountId": point.bucket_account,
    }


@operation(Needs("s3:ListAccessPoints", "*"), reads=True, context=of_request)
def list_access_points(
    call: Call,
    account_id: str,
    bucket: str | None = None,
    next_token: str | None = None,
    max_results: int | None = None,
) -> dict[str, Any]:
    """List the account's points of the region, or those of one bucket, in the order of their names."""
    _check_account(call, account_id)
    if max_results is not None and not 0 <= max_results <= PAGE:
        raise errors.InvalidRequest(f"maxResults must be between 0 and {PAGE}")
    limit = max_results or PAGE
    after = _after(next_token) if next_token else ""
    found = point_tables.points_after(call.db, account_id, call.region, after, bucket, limit + 1)
    result: dict[str, Any] = {"AccessPointList": [_summary(point) for point in found[:limit]]}
    if len(found) > limit:
        result["NextToken"] = base64.urlsafe_b64encode(b"p1" + found[limit - 1].name.encode()).decode()
    return result


def _after(token: str) -> str:
    try:
        raw = base64.urlsafe_b64decode(token)
    except (binascii.Error, ValueError):
        raw = b""
    if not raw.startswith(b"p1"):
        raise errors.InvalidRequest("Invalid nextToken")
    return raw[2:].decode("utf-8", "replace")


@operation(Needs("s3:DeleteAccessPoint", _of_point), context=of_point)
def delete_access_point(call: Call, account_id: str, name: str) -> None:
    """Delete a point with its policy; another of its name has another alias, and may lead to another bucket."""
    point_tables.delete_point(call.db, _find(call, account_id, name))


# Policies ------------------------------------------------------------------------------------------------------------


@operation(Needs("s3:PutAccessPointPolicy", _of_point), context=of_point)
def put_access_point_policy(call: Call, account_id: str, name: str, policy: str) -> None:
    """Give a point a policy. A public one is refused while the point, its bucket or the account blocks public policies."""
    point = _find(call, account_id, name)
    compiled, statements = policies.read_policy(policy, point.arn, f"{point.arn}/object/", points.POLICY_ID)
    policies.check_principals(call, statements)
    if is_public(compiled) and _blocks(call, point) & BLOCK_PUBLIC_POLICY:
        raise errors.AccessDenied(
            f"User: {call.principal.caller_arn} is not authorized to perform: s3:PutAccessPointPolicy on resource: "
            f'"{point.arn}" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.'
        )
    ids = orjson.dumps(ids_of(call.ask, policy)).decode()
    point_tables.set_point_policy(call.db, point, call.new_id(), policy, ids)


def _blocks(call: Call, point: Point) -> int:
    """What public access is blocked by a point, its account, and its bucket."""
    blocks = point.block | (bucket_tables.account_block(call.db, point.account) or 0)
    bucket = bucket_tables.bucket_of(call.db, point.bucket)
    return blocks if bucket is None else blocks | owners.blocks(call, bucket)


@operation(Needs("s3:GetAccessPointPolicy", _of_point), reads=True, context=of_point)
def get_access_point_policy(call: Call, account_id: str, name: str) -> dict[str, Any]:
    """Return the policy's text as it was put, with unique ids for users and roles that are gone."""
    found = bucket_tables.policy_of(call.db, _find(call, account_id, name).policy)
    if found is None:
        raise errors.NoSuchAccessPointPolicy(name)
    return {"Policy": as_it_stands(call.ask, *found)}


@operation(Needs("s3:DeleteAccessPointPolicy", _of_point), context=of_point)
def delete_access_point_policy(call: Call, account_id: str, name: str) -> None:
    """Take the policy off; there need not be one."""
    point_tables.set_point_policy(call.db, _find(call, account_id, name), None)


@operation(Needs("s3:GetAccessPointPolicyStatus", _of_point), reads=True, context=of_point)
def get_access_point_policy_status(call: Call, account_id: str, name: str) -> dict[str, Any]:
    """Say whether the policy is public, and nothing keeps it from being so."""
    point = _find(call, account_id, name)
    found = call.memory.policy(call.db, point.policy, points.POLICY_ID) if point.policy is not None else None
    if found is None:
        raise errors.NoSuchAccessPointPolicy(name)
    return {"PolicyStatus": {"IsPublic": is_public(found)}}
