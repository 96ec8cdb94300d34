"""The condition keys of SQS: the tags that a request brings, and those that a queue has.

Source: the service authorization reference, "Actions, resources, and condition keys for Amazon SQS".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from awning.kit.call import Call
from awning.kit.operation import Params
from awning.services.sqs import tables


def conditions(call: Call, params: Params) -> dict[str, Any]:
    """The condition keys of a call, in lower case: aws:ResourceTag of the queue that is decided upon, and of a request with tags
    or their keys aws:RequestTag and aws:TagKeys."""
    result: dict[str, Any] = {"aws:resourcetag/": lambda arn: _tags_of(call, arn)}
    tags: Mapping[str, str] = params.get("tags") or {}
    for key, value in tags.items():
        result["aws:requesttag/" + key.lower()] = value
    keys = [*tags, *(params.get("tag_keys") or ())]
    if keys:
        result["aws:tagkeys"] = keys
    return result


def _tags_of(call: Call, arn: str) -> dict[str, str]:
    """The committed tags of the queue of an ARN, their keys in lower case; none where there is no such queue."""
    parts = arn.split(":", 5)
    row = tables.find_queue(call.db, parts[4], parts[3], parts[5]) if len(parts) == 6 else None
    return {key.lower(): value for key, value in row.tags.items()} if row else {}
