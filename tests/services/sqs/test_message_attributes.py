"""The digest of message attributes, against values known from outside, and the way through storage."""

from __future__ import annotations

from hashlib import md5
from struct import pack

import pytest

from awning.services.sqs.message_attributes import choose, digest, forbidden, unpack
from awning.services.sqs.message_attributes import pack as pack_attributes


def prefixed(value: bytes) -> bytes:
    return pack(">I", len(value)) + value


def test_the_digest_is_the_documented_one() -> None:
    attributes = {
        "b": {"DataType": "Binary.gif", "BinaryValue": b"\x00\xff"},
        "a": {"DataType": "Number", "StringValue": "1"},
    }
    expected = (
        prefixed(b"a") + prefixed(b"Number") + b"\x01" + prefixed(b"1") + prefixed(b"b") + prefixed(b"Binary.gif")
    )
    expected += b"\x02" + prefixed(b"\x00\xff")
    assert digest(attributes) == md5(expected).hexdigest()


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        # Published in client libraries' own tests of this calculation.
        ({"timestamp": {"DataType": "Number", "StringValue": "1493147359900"}}, "235c5c510d26fb653d073faed50ae77c"),
    ],
)
def test_known_digests(attributes: dict[str, dict[str, str]], expected: str) -> None:
    assert digest(attributes) == expected


def test_attributes_survive_storage() -> None:
    attributes = {
        "b": {"DataType": "Binary", "BinaryValue": bytes(range(256))},
        "s": {"DataType": "String.x", "StringValue": "日本", "StringListValues": []},
    }
    stored = unpack(pack_attributes(attributes))
    del attributes["s"]["StringListValues"]
    assert stored == attributes


def test_a_prefix_without_text_means_all() -> None:
    attributes = {"a": {"DataType": "String", "StringValue": "1"}}
    assert choose(attributes, [".*"]) == attributes
    assert choose(attributes, ["b.*"]) == {}


def test_the_allowed_characters_are_those_of_the_documentation() -> None:
    def allowed(code: int) -> bool:
        return code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000

    for code in [*range(0x300), *range(0xD7F0, 0xD800), *range(0xE000, 0xE010), *range(0xFF00, 0x10010), 0x10FFFF]:
        assert forbidden(f"a{chr(code)}b".encode()) is not allowed(code), hex(code)
