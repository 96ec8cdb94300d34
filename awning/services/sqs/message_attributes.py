"""Message attributes: what is allowed, how they are stored, chosen and digested. Pure.

Source: the developer guide's "Amazon SQS message metadata", with the MD5 calculation.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from hashlib import md5
from typing import Any, Final

import orjson

from awning.services.sqs.errors import InvalidParameterValue

Attributes = Mapping[str, Mapping[str, Any]]
"""As boto3 takes them: name → DataType and StringValue or BinaryValue (bytes)."""

_MOST = 10
_NAME = re.compile(r"(?!\.)(?!(?i:aws|amazon)\.)(?!.*\.\.)[\w.-]{1,256}(?<!\.)")
_TYPE = re.compile(r"(String|Number|Binary)(\..*)?", re.DOTALL)
_NUMBER_DIGITS = 38
_MEMBERS: Final = ("StringValue", "BinaryValue", "DataType")
_LIST_MEMBERS: Final = ("StringListValues", "BinaryListValues")
_EACH: Final = frozenset({"All", "*", ".*"})
_FORBIDDEN = bytes(code for code in range(32) if code not in b"\t\n\r")


def forbidden(raw: bytes) -> bool:
    """Whether UTF-8 text has characters outside #x9 | #xA | #xD | #x20-#xD7FF | #xE000-#xFFFD | #x10000-#x10FFFF."""
    if len(raw.translate(None, _FORBIDDEN)) != len(raw):
        return True
    return not raw.isascii() and (b"\xef\xbf\xbe" in raw or b"\xef\xbf\xbf" in raw)


def check(attributes: Attributes) -> int:
    """Return the size of a message's attributes in bytes: names, types and values. Raises InvalidParameterValue."""
    if len(attributes) > _MOST:
        raise InvalidParameterValue(
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [{_MOST}]."
        )
    return sum(_check_one(name, attribute) for name, attribute in attributes.items())


def _check_one(name: str, attribute: Mapping[str, Any]) -> int:
    if not _NAME.fullmatch(name):
        raise InvalidParameterValue(
            f"The message attribute name '{name}' is invalid. A name has 1 to 256 letters, digits, underscores, hyphens and "
            "periods; it does not start or end with a period, nor start with AWS. or Amazon., and has no periods in succession."
        )
    data_type = attribute.get("DataType", "")
    found = _TYPE.fullmatch(data_type)
    if found is None or len(data_type) > 256:
        raise InvalidParameterValue(
            f"The message attribute '{name}' has an invalid message attribute type, "
            "the set of supported type prefixes is Binary, Number, and String."
        )
    for member in _LIST_MEMBERS:
        if attribute.get(member):
            raise InvalidParameterValue("Message attribute list values in SendMessage operation are not supported.")
    member = "BinaryValue" if found[1] == "Binary" else "StringValue"
    other = "StringValue" if member == "BinaryValue" else "BinaryValue"
    value = attribute.get(member)
    if not value or attribute.get(other) is not None:
        raise InvalidParameterValue(
            f"Message (user) attribute '{name}' must contain a non-empty value of type '{found[1]}'."
        )
    if found[1] == "Number":
        _check_number(name, value)
    raw = value if isinstance(value, bytes) else _encoded(name, value)
    return len(name.encode()) + len(data_type.encode()) + len(raw)


def _encoded(name: str, value: str) -> bytes:
    try:
        raw = value.encode()
    except UnicodeEncodeError:
        raw = b"\x00"
    if forbidden(raw):
        raise InvalidParameterValue(f"The message attribute '{name}' contains characters outside the allowed set.")
    return raw


def _check_number(name: str, value: str) -> None:
    try:
        number = Decimal(value.strip())
    except InvalidOperation:
        number = Decimal("nan")
    digits = "".join(map(str, number.as_tuple().digits)).strip("0")
    if not number.is_finite() or len(digits) > _NUMBER_DIGITS or abs(number.adjusted()) > 128:
        raise InvalidParameterValue(f"Can't cast the value of message attribute '{name}' to a number.")


def digest(attributes: Attributes) -> str:
    """Return MD5OfMessageAttributes: over each attribute, by name, its length-prefixed name, type and value."""
    hashed = md5(usedforsecurity=False)
    for name in sorted(attributes):
        attribute = attributes[name]
        binary = attribute["DataType"].startswith("Binary")
        value: bytes = attribute["BinaryValue"] if binary else attribute["StringValue"].encode()
        for part in (name.encode(), attribute["DataType"].encode()):
            hashed.update(len(part).to_bytes(4, "big") + part)
        hashed.update((b"\x02" if binary else b"\x01") + len(value).to_bytes(4, "big") + value)
    return hashed.hexdigest()


def pack(attributes: Attributes) -> bytes:
    """Return attributes as they are stored."""
    kept = {
        name: {member: attribute[member] for member in _MEMBERS if attribute.get(member) is not None}
        for name, attribute in attributes.items()
    }
    return orjson.dumps(kept, default=lambda value: b64encode(value).decode())


def unpack(stored: bytes) -> dict[str, dict[str, Any]]:
    """Return stored attributes as boto3 gives them."""
    attributes: dict[str, dict[str, Any]] = orjson.loads(stored)
    for attribute in attributes.values():
        if "BinaryValue" in attribute:
            attribute["BinaryValue"] = b64decode(attribute["BinaryValue"])
    return attributes


def shown(stored: bytes) -> dict[str, dict[str, Any]]:
    """Return stored attributes as JSON can say them: binary values in base64."""
    attributes: dict[str, dict[str, Any]] = orjson.loads(stored)
    return attributes


def choose(attributes: dict[str, dict[str, Any]], names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the attributes that MessageAttributeNames asks for: names, `prefix.*`, or one of `All`, `*` and `.*` for each."""
    wanted = set(names)
    if wanted & _EACH:
        return attributes
    prefixes = tuple(name[:-2] for name in wanted if name.endswith(".*"))
    return {
        name: value for name, value in attributes.items() if name in wanted or (prefixes and name.startswith(prefixes))
    }
