"""Tags of topics.

Source: the developer guide's "Amazon SNS topic tagging" and the API reference of TagResource.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.sns import tables
from awning.services.sns.conditions import conditions
from awning.services.sns.errors import ResourceNotFoundException, TagLimitExceededException, invalid
from awning.services.sns.names import tagged_arn

_MOST = 50


@operation(Needs("sns:TagResource", tagged_arn), honours={"tags": ALL}, context=conditions, tags="tags")
def tag_resource(call: Call, resource_arn: str, tags: list[dict[str, str]]) -> None:
    """Add tags to a topic, or give them other values."""
    topic = _find(call, resource_arn)
    after = {**topic.tags, **read_tags(tags)}
    check_count(after)
    tables.update_tags(call.db, topic.id, after)


@operation(Needs("sns:UntagResource", tagged_arn), context=conditions, tag_keys="tag_keys")
def untag_resource(call: Call, resource_arn: str, tag_keys: list[str]) -> None:
    """Remove the tags of these keys from a topic."""
    topic = _find(call, resource_arn)
    gone = set(tag_keys)
    tables.update_tags(call.db, topic.id, {key: value for key, value in topic.tags.items() if key not in gone})


@operation(Needs("sns:ListTagsForResource", tagged_arn), reads=True, context=conditions)
def list_tags_for_resource(call: Call, resource_arn: str) -> dict[str, Any]:
    """Return a topic's tags."""
    return {"Tags": [{"Key": key, "Value": value} for key, value in _find(call, resource_arn).tags.items()]}


def read_tags(tags: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return a request's tags by their keys. Raises InvalidParameterException for tags that a topic cannot have."""
    found: dict[str, str] = {}
    for tag in tags:
        key = tag["Key"]
        if key in found:
            raise invalid("Duplicated keys are not allowed.")
        if key.lower().startswith("aws:"):
            raise invalid("Tag keys that begin with aws: are reserved.")
        found[key] = tag["Value"]
    check_count(found)
    return found


def check_count(tags: Mapping[str, str]) -> None:
    """Raises TagLimitExceededException for too many tags."""
    if len(tags) > _MOST:
        raise TagLimitExceededException("Could not complete request: tag quota of per resource exceeded")


def _find(call: Call, arn: str) -> tables.TopicRow:
    topic = tables.find_topic(call.db, arn)
    if topic is None:
        raise ResourceNotFoundException("Resource does not exist")
    return topic
