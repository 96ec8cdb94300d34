"""The condition keys of SNS: what is subscribed; and the tags of a topic.

Source: the service authorization reference, "Actions, resources, and condition keys for Amazon SNS".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from awning.kit.call import Call
from awning.kit.operation import Params
from awning.services.sns import tables


def conditions(call: Call, params: Params) -> dict[str, Any]:
    """SNS's own condition keys for a call."""
    result: dict[str, Any] = {}
    if "protocol" in params:
        result["sns:protocol"] = params["protocol"]
    if params.get("endpoint"):
        result["sns:endpoint"] = params["endpoint"]
    return result


def tags_of(call: Call, arn: str) -> Mapping[str, str]:
    """The committed tags of a topic; none where there is no such topic."""
    topic = tables.find_topic(call.db, arn) if arn.count(":") == 5 else None
    return topic.tags if topic else {}
