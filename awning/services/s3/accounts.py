"""What the API of S3 Control has: an account's public access block, which is added to each bucket's own, and tags.

S3 user guide, "Configuring block public access settings for your account"; S3 API reference, TagResource.
"""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.s3 import bucket_tables, bucket_tags, errors, owners, receiving
from awning.services.s3.conditions import of_request


def _check(call: Call, account_id: str) -> None:
    """Only an account itself handles what it says. Raises AccessDenied."""
    if account_id != call.account:
        raise errors.AccessDenied("Access Denied")


@operation(
    Needs("s3:PutAccountPublicAccessBlock", "*"),
    honours={"public_access_block_configuration": ALL},
    context=of_request,
)
def put_public_access_block(call: Call, public_access_block_configuration: dict[str, Any], account_id: str) -> None:
    """Replace the four settings; one that is not sent is off."""
    receiving.check_document(call, None)
    _check(call, account_id)
    if not public_access_block_configuration:
        raise errors.InvalidRequest("Must specify at least one configuration.")
    bucket_tables.set_account_block(call.db, account_id, owners.read_block(public_access_block_configuration))
    call.after(call.memory.known.clear)


@operation(Needs("s3:GetAccountPublicAccessBlock", "*"), reads=True, context=of_request)
def get_public_access_block(call: Call, account_id: str) -> dict[str, Any]:
    """Return the four settings. Raises NoSuchPublicAccessBlockConfiguration."""
    _check(call, account_id)
    block = bucket_tables.account_block(call.db, account_id)
    if block is None:
        raise errors.NoSuchAccountBlock(account_id)
    return {"PublicAccessBlockConfiguration": owners.shown_block(block)}


@operation(Needs("s3:PutAccountPublicAccessBlock", "*"), context=of_request)
def delete_public_access_block(call: Call, account_id: str) -> None:
    """Take the settings off: what a bucket blocks itself stays blocked."""
    _check(call, account_id)
    bucket_tables.set_account_block(call.db, account_id, None)
    call.after(call.memory.known.clear)


@operation(
    Needs("s3:TagResource", bucket_tags.named),
    honours={"tags": {"Key": ALL, "Value": ALL}},
    context=of_request,
    tags="tags",
)
def tag_resource(call: Call, account_id: str, resource_arn: str, tags: list[dict[str, str]]) -> dict[str, Any]:
    """Give a bucket or an access point further tags, or other values: at most 50."""
    found = bucket_tags.owned(call, resource_arn, account_id)
    bucket_tags.change(call, found, tags)
    return {}


@operation(Needs("s3:UntagResource", bucket_tags.named), context=of_request, tag_keys="tag_keys")
def untag_resource(call: Call, account_id: str, resource_arn: str, tag_keys: list[str]) -> dict[str, Any]:
    """Take tags off a bucket or an access point; they need not be there."""
    bucket_tags.change(call, bucket_tags.owned(call, resource_arn, account_id), [], frozenset(tag_keys))
    return {}


@operation(Needs("s3:ListTagsForResource", bucket_tags.named), reads=True, context=of_request)
def list_tags_for_resource(call: Call, account_id: str, resource_arn: str) -> dict[str, Any]:
    """Return the tags of a bucket or an access point; there may be none."""
    return {"Tags": bucket_tags.shown(call, bucket_tags.owned(call, resource_arn, account_id))}
