"""Bucket policies, the public access block, and the guard that the gateway asks about every bucket.

Only the account that owns a bucket ever handles its policy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson

from awning.auth.malformed import listed
from awning.auth.policy import MalformedPolicy, Policy, compile_policy
from awning.auth.public import is_public
from awning.kit.call import Call
from awning.kit.named import as_it_stands, ids_of, unknown_principal
from awning.kit.operation import ALL, Needs, operation
from awning.kit.service import Guard
from awning.services.s3 import bucket_tables, buckets, errors, names, owners, payer, points, receiving
from awning.services.s3.bucket_tables import BLOCK_PUBLIC_POLICY, IGNORE_PUBLIC_ACLS, RESTRICT_PUBLIC_BUCKETS, Bucket
from awning.services.s3.conditions import of_request
from awning.services.s3.memory import MOST_KEPT, POLICY_ID

LARGEST_POLICY = 20 * 1024


def guard(call: Call, arn: str) -> Guard | None:
    """Answer who owns a bucket, or the bucket of an object, and what its policy says. None: there is no such bucket."""
    name = names.bucket_of_arn(arn)
    if not name:
        return points.guard(call, arn, guard)
    memory = call.memory
    committed = call.sees_committed
    kept: tuple[Bucket, Guard] | None = memory.known.get(name) if committed else None
    if kept is not None:
        return kept[1]
    bucket = bucket_tables.find_bucket(call.db, name)
    if bucket is None:
        return None
    policy = None if bucket.policy is None else memory.policy(call.db, bucket.policy)
    if policy is None and bucket.policy is not None:
        # A commit came between the two reads and replaced the policy: look again, lest the bucket seem to have none.
        return guard(call, arn)
    blocks = owners.blocks(call, bucket)
    acls = None
    if owners.mode(call, bucket) != owners.ENFORCED:
        acls = partial(owners.listed, bucket, bool(blocks & IGNORE_PUBLIC_ACLS))
    terms = partial(payer.demand, bucket.account) if payer.is_on(call, bucket) else None
    made = Guard(bucket.account, policy, bool(blocks & RESTRICT_PUBLIC_BUCKETS), acls, terms)
    if committed:
        if len(memory.known) >= MOST_KEPT:
            memory.known.clear()
        memory.known[name] = (bucket, made)
    return made


# Reading a policy's text ---------------------------------------------------------------------------------------------


def read_policy(text: str, arn: str, objects: str, called: str = POLICY_ID) -> tuple[Policy, list[dict[str, Any]]]:
    """Return a policy and its statements as they were written. Raises MalformedPolicy in S3's words.

    arn: of the bucket, or access point, that the policy is for; objects: how the ARNs of its objects begin.
    """
    if len(text.encode("utf-8", "surrogateescape")) > LARGEST_POLICY:
        raise errors.MalformedPolicy("Policy exceeds the maximum allowed document size.")
    try:
        policy = compile_policy(text, id=called, kind="resource")
    except MalformedPolicy as error:
        raise errors.MalformedPolicy(error.message, Detail=error.position) from error
    statements: list[dict[str, Any]] = listed(json.loads(text)["Statement"])
    for statement in statements:
        _check_resources(statement, arn, objects)
        _check_actions(statement, arn)
    return policy, statements


def _check_resources(statement: Mapping[str, Any], arn: str, objects: str) -> None:
    for resource in listed(statement.get("Resource", [])) + listed(statement.get("NotResource", [])):
        if resource != arn and not str(resource).startswith(objects):
            raise errors.MalformedPolicy("Policy has invalid resource")


_OBJECT_ACTIONS = frozenset(
    {
        "abortmultipartupload",
        "listmultipartuploadparts",
        "replicatedelete",
        "replicatetags",
        "bypassgovernanceretention",
        "objectowneroverridetobucketowner",
    }
)


def _check_actions(statement: Mapping[str, Any], arn: str) -> None:
    """Each action must be one of S3's, and apply to one of the statement's resources."""
    resources = [str(resource) for resource in listed(statement.get("Resource", []))]
    for action in listed(statement.get("Action", [])) + listed(statement.get("NotAction", [])):
        service, _, name = str(action).lower().partition(":")
        if action != "*" and service != "s3":
            raise errors.MalformedPolicy("Policy has invalid action")
        if "*" in name or "?" in name or action == "*" or "Action" not in statement or not resources:
            continue
        of_objects = name in _OBJECT_ACTIONS or ("object" in name and "bucket" not in name)
        if not any((resource != arn) == of_objects for resource in resources):
            raise errors.MalformedPolicy("Action does not apply to any resource(s) in statement")


def check_principals(call: Call, statements: list[dict[str, Any]]) -> None:
    """Raises MalformedPolicy where a policy names users or roles that do not exist."""
    stranger = unknown_principal(call.ask, {"Statement": statements})
    if stranger is not None:
        raise errors.MalformedPolicy("Invalid principal in policy", Detail=stranger)


# Operations ----------------------------------------------------------------------------------------------------------


def _own(call: Call, bucket: str, owner: str | None) -> Bucket:
    """Return a bucket whose policy the caller may handle: only its owner's account ever may. Raises MethodNotAllowed."""
    found = buckets.find(call, bucket, owner)
    if call.principal.account != found.account:
        raise errors.MethodNotAllowed("The specified method is not allowed against this resource.")
    return found


@operation(
    Needs("s3:PutBucketPolicy", names.of_bucket),
    honours={"checksum_algorithm": ALL},
    defaults={"confirm_remove_self_bucket_access": False},
    context=of_request,
)
def put_bucket_policy(
    call: Call,
    bucket: str,
    policy: str,
    content_md5: str | None = None,
    checksum_algorithm: str | None = None,
    expected_bucket_owner: str | None = None,
) -> dict[str, Any]:
    """Give a bucket a policy. A public one is refused while the bucket blocks public policies."""
    receiving.check_document(call, checksum_algorithm)
    found = _own(call, bucket, expected_bucket_owner)
    arn = names.bucket_arn(bucket)
    compiled, statements = read_policy(policy, arn, f"{arn}/")
    check_principals(call, statements)
    if is_public(compiled) and owners.blocks(call, found) & BLOCK_PUBLIC_POLICY:
        raise errors.AccessDenied(
            f"User: {call.principal.caller_arn} is not authorized to perform: s3:PutBucketPolicy on resource: "
            f'"{names.bucket_arn(bucket)}" because public policies are prevented by the BlockPublicPolicy setting in S3 '
            "Block Public Access."
        )
    ids = orjson.dumps(ids_of(call.ask, policy)).decode()
    bucket_tables.set_policy(call.db, found, call.new_id(), policy, ids)
    call.after(call.memory.known.clear)
    return {"@status": 204}


@operation(Needs("s3:GetBucketPolicy", names.of_bucket), reads=True, context=of_request)
def get_bucket_policy(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Return the policy's text as it was put, with unique ids for users and roles that are gone."""
    found = bucket_tables.policy_of(call.db, _own(call, bucket, expected_bucket_owner).policy)
    if found is None:
        raise errors.NoSuchBucketPolicy(bucket)
    return {"Policy": as_it_stands(call.ask, *found)}


@operation(Needs("s3:DeleteBucketPolicy", names.of_bucket), context=of_request)
def delete_bucket_policy(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> None:
    """Take the policy off; there need not be one."""
    bucket_tables.set_policy(call.db, _own(call, bucket, expected_bucket_owner), None)
    call.after(call.memory.known.clear)


@operation(Needs("s3:GetBucketPolicyStatus", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_policy_status(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Say whether the policy is public."""
    policy = buckets.find(call, bucket, expected_bucket_owner).policy
    found = call.memory.policy(call.db, policy) if policy is not None else None
    if found is None:
        raise errors.NoSuchBucketPolicy(bucket)
    return {"PolicyStatus": {"IsPublic": is_public(found)}}


@operation(
    Needs("s3:PutBucketPublicAccessBlock", names.of_bucket),
    honours={"public_access_block_configuration": ALL, "checksum_algorithm": ALL},
    anonymous=True,
    context=of_request,
)
def put_public_access_block(
    call: Call,
    bucket: str,
    public_access_block_configuration: dict[str, Any],
    content_md5: str | None = None,
    checksum_algorithm: str | None = None,
    expected_bucket_owner: str | None = None,
) -> None:
    """Replace the four settings; one that is not sent is off."""
    receiving.check_document(call, checksum_algorithm)
    found = buckets.find(call, bucket, expected_bucket_owner)
    bucket_tables.set_block(call.db, found.bucket, owners.read_block(public_access_block_configuration))
    call.after(call.memory.known.clear)


@operation(Needs("s3:GetBucketPublicAccessBlock", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_public_access_block(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Return the four settings."""
    block = buckets.find(call, bucket, expected_bucket_owner).block
    if block is None:
        raise errors.NoSuchPublicAccessBlockConfiguration(bucket)
    return {"PublicAccessBlockConfiguration": owners.shown_block(block)}


@operation(Needs("s3:PutBucketPublicAccessBlock", names.of_bucket), anonymous=True, context=of_request)
def delete_public_access_block(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> None:
    """Take the settings off: nothing is blocked any more."""
    bucket_tables.set_block(call.db, buckets.find(call, bucket, expected_bucket_owner).bucket, None)
    call.after(call.memory.known.clear)
