"""SQS's old query form: today's JSON model with the names that the API of 2012-11-05 had on the wire.

Only names and HTTP facts; the parameters and their meaning are the same. Older SDKs speak nothing else.
"""

from __future__ import annotations

import copy
from typing import Any, Final

_LIST_ITEMS: Final = {
    "AWSAccountIdList": "AWSAccountId",
    "ActionNameList": "ActionName",
    "AttributeNameList": "AttributeName",
    "BatchResultErrorEntryList": "BatchResultErrorEntry",
    "BinaryList": "BinaryListValue",
    "ChangeMessageVisibilityBatchRequestEntryList": "ChangeMessageVisibilityBatchRequestEntry",
    "ChangeMessageVisibilityBatchResultEntryList": "ChangeMessageVisibilityBatchResultEntry",
    "DeleteMessageBatchRequestEntryList": "DeleteMessageBatchRequestEntry",
    "DeleteMessageBatchResultEntryList": "DeleteMessageBatchResultEntry",
    "ListMessageMoveTasksResultEntryList": "ListMessageMoveTasksResultEntry",
    "MessageAttributeNameList": "MessageAttributeName",
    "MessageList": "Message",
    "MessageSystemAttributeList": "MessageSystemAttributeName",
    "QueueUrlList": "QueueUrl",
    "SendMessageBatchRequestEntryList": "SendMessageBatchRequestEntry",
    "SendMessageBatchResultEntryList": "SendMessageBatchResultEntry",
    "StringList": "StringListValue",
    "TagKeyList": "TagKey",
}
"""A list's items go by these names: `AttributeName.1`, `<Message>`."""

_MAPS: Final = {
    "MessageBodyAttributeMap": ("MessageAttribute", "Name", "Value"),
    "MessageBodySystemAttributeMap": ("MessageSystemAttribute", "Name", "Value"),
    "MessageSystemAttributeMap": ("Attribute", "Name", "Value"),
    "QueueAttributeMap": ("Attribute", "Name", "Value"),
    "TagMap": ("Tag", "Key", "Value"),
}
"""A map's entries: `Attribute.1.Name`, `Attribute.1.Value`."""

NAMESPACE: Final = "http://queue.amazonaws.com/doc/2012-11-05/"


def query_copy(service: str, description: dict[str, Any]) -> dict[str, Any]:
    """Return the description of sqs as a query service. Raises LookupError for a service without such a form."""
    if service != "sqs":
        raise LookupError(f"{service} has no query form besides its own protocol")
    old = copy.deepcopy(description)
    old["metadata"].update(protocol="query", protocols=["query"], xmlNamespace=NAMESPACE)
    for name in ("jsonVersion", "targetPrefix", "awsQueryCompatible"):
        old["metadata"].pop(name, None)
    shapes = old["shapes"]
    for name, item in _LIST_ITEMS.items():
        shapes[name]["member"]["locationName"] = item
        if name not in ("StringList", "BinaryList"):
            shapes[name]["flattened"] = True
    for name, (own, key, value) in _MAPS.items():
        shapes[name].update(flattened=True, locationName=own)
        shapes[name]["key"]["locationName"] = key
        shapes[name]["value"]["locationName"] = value
    for name, operation in old["operations"].items():
        if "output" in operation:
            operation["output"]["resultWrapper"] = f"{name}Result"
    return old
