"""The condition keys of SNS: what is subscribed, the tags that a request brings, and those that a topic has.

Source: the service authorization reference, "Actions, resources, and condition keys for Amazon SNS".
"""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.kit.operation import Params
from awning.services.sns import tables


def conditions(call: Call, params: Params) -> dict[str, Any]:
    """The condition keys of a call, in lower case."""
    result: dict[str, Any] = {"aws:resourcetag/": lambda arn: _tags_of(call, arn)}
    tags = params.get("tags") or ()
    for tag in tags:
        result["aws:requesttag/" + tag["Key"].lower()] = tag["Value"]
    keys = [*(tag["Key"] for tag in tags), *(params.get("tag_keys") or ())]
    if keys:
        result["aws:tagkeys"] = keys
    if "protocol" in params:
        result["sns:protocol"] = params["protocol"]
    if params.get("endpoint"):
        result["sns:endpoint"] = params["endpoint"]
    return result


def _tags_of(call: Call, arn: str) -> dict[str, str]:
    """The committed tags of a topic, their keys in lower case; none where there is no such topic."""
    topic = tables.find_topic(call.db, arn) if arn.count(":") == 5 else None
    return {key.lower(): value for key, value in topic.tags.items()} if topic else {}
