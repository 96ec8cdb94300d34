"""Message attributes: what is allowed, and how subscribers get them. Pure.

Source: the developer guide's "Amazon SNS message attributes".
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from awning.services.sns.errors import InvalidParameterValueException

Attributes = Mapping[str, Mapping[str, Any]]
"""As boto3 takes them: name → DataType and StringValue or BinaryValue (bytes)."""

Texts = dict[str, dict[str, str]]
"""The same with binary values as base64."""

_TYPE = re.compile(r"(?:String|Number|Binary)(?:\..+)?", re.DOTALL)
_NAME = re.compile(r"(?!\.)(?!.*\.\.)[A-Za-z0-9_.-]{1,256}(?<!\.)")
_OTHER = re.compile(r"[^A-Za-z0-9_.-]")


def check(attributes: Attributes) -> int:
    """Return the size of a message's attributes in bytes: names, types and values.

    Raises InvalidParameterValueException.
    """
    return sum(_check_one(name, attribute) for name, attribute in attributes.items())


def _check_one(name: str, attribute: Mapping[str, Any]) -> int:
    if not _NAME.fullmatch(name):
        raise InvalidParameterValueException(_reason(name))
    data_type = attribute.get("DataType", "")
    if not _TYPE.fullmatch(data_type) or len(data_type) > 256:
        raise InvalidParameterValueException(
            f"The message attribute '{name}' has an invalid message attribute type, "
            "the set of supported type prefixes is Binary, Number, and String."
        )
    kind = "Binary" if data_type.startswith("Binary") else "String"
    other = "String" if kind == "Binary" else "Binary"
    value = attribute.get(f"{kind}Value")
    if value is None and attribute.get(f"{other}Value") is not None:
        raise InvalidParameterValueException(
            f"The message attribute '{name}' with type '{data_type}' must use field '{kind}'."
        )
    if not value:
        raise InvalidParameterValueException(
            f"The message attribute '{name}' must contain non-empty message attribute value for message attribute type "
            f"'{data_type}'."
        )
    if data_type.startswith("Number"):
        _check_number(name, value)
    raw = value if isinstance(value, bytes) else value.encode()
    return len(name.encode()) + len(data_type.encode()) + len(raw)


def _check_number(name: str, value: str) -> None:
    try:
        float(value)
    except ValueError:
        raise InvalidParameterValueException(f"Could not cast message attribute '{name}' value to number.") from None


def _reason(name: str) -> str:
    if len(name) > 256:
        return "Length of message attribute name must be less than 256 bytes."
    if name.startswith("."):
        return "Invalid message attribute name starting with character '.' was found."
    if name.endswith("."):
        return "Invalid message attribute name ending with character '.' was found."
    other = _OTHER.search(name)
    if other is not None:
        return (
            f"Invalid non-alphanumeric character '#x{ord(other[0]):X}' was found in the message attribute name. "
            "Can only include alphanumeric characters, hyphens, underscores, or dots."
        )
    return "Message attribute name can not have successive '.' character."


def texts(attributes: Attributes) -> Texts:
    """Return attributes as deliveries carry them."""
    return {
        name: {
            "DataType": attribute["DataType"],
            **(
                {"BinaryValue": b64encode(attribute["BinaryValue"]).decode()}
                if attribute["DataType"].startswith("Binary")
                else {"StringValue": attribute["StringValue"]}
            ),
        }
        for name, attribute in attributes.items()
    }
