"""Frames of event streams, against botocore's decoder and the native library's own encoding."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from uuid import UUID
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as some

from awning.protocols.eventframes import (
    MOST_HEADERS,
    MOST_PAYLOAD,
    Decoder,
    FrameError,
    Message,
    Sized,
    decode_headers,
    encode,
    encode_headers,
)

moments = some.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1)).map(
    lambda moment: moment.replace(tzinfo=UTC, microsecond=moment.microsecond // 1000 * 1000)
)
values = (
    some.booleans()
    | some.integers(-(1 << 63), (1 << 63) - 1)
    | some.binary(max_size=50)
    | some.text(max_size=50)
    | moments
    | some.uuids()
)
headers = some.dictionaries(some.text(min_size=1, max_size=20), values, max_size=5)
messages = some.builds(Message, headers, some.binary(max_size=300))


def read(data: bytes) -> list[Message]:
    decoder = Decoder()
    found = decoder.feed(data)
    decoder.finish()
    return found


@given(some.lists(messages, max_size=4))
def test_what_was_written_is_read_again(given: list[Message]) -> None:
    assert read(b"".join(map(encode, given))) == given


@given(some.lists(messages, min_size=1, max_size=3), some.data())
def test_frames_may_be_cut_anywhere(given: list[Message], data: some.DataObject) -> None:
    stream = b"".join(map(encode, given))
    cuts = sorted(data.draw(some.lists(some.integers(0, len(stream)), max_size=6)))
    decoder = Decoder()
    found = [m for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True) for m in decoder.feed(stream[a:b])]
    decoder.finish()
    assert found == given


@given(some.dictionaries(some.text(min_size=1, max_size=9), some.booleans() | some.text(max_size=9), max_size=4))
def test_botocore_reads_the_same(given: dict[str, object]) -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(encode(Message(given, b"the payload")))
    event = buffer.next()
    assert dict(event.headers) == given
    assert event.payload == b"the payload"


def test_the_bytes_are_the_documented_ones() -> None:
    """An empty message, as the published test vectors of the AWS SDKs have it."""
    assert encode(Message()).hex() == "000000100000000005c248eb7d98c8ff"


def test_an_integer_has_the_width_that_was_asked_for() -> None:
    raw = encode_headers({"a": Sized(-1, 1), "b": Sized(-1, 2), "c": 7, "d": 1 << 40, "e": Sized(5, 8)})
    assert raw.hex() == ("016102ff016203ffff0163040000000701640500000100000000000165050000000000000005")
    assert decode_headers(raw) == {"a": -1, "b": -1, "c": 7, "d": 1 << 40, "e": 5}


@pytest.mark.parametrize(
    "headers",
    [
        {"": "x"},
        {"n" * 256: "x"},
        {"a": "v" * 0x8000},
        {"a": Sized(128, 1)},
        {"a": 1 << 64},
        {"a": 1.5},
        {"a": None},
    ],
    ids=["no name", "long name", "long value", "too wide", "beyond a long", "float", "none"],
)
def test_what_a_frame_cannot_carry_is_refused(headers: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        encode(Message(headers))


def test_a_frame_has_its_limits() -> None:
    with pytest.raises(ValueError):
        encode(Message({}, bytes(MOST_PAYLOAD + 1)))
    with pytest.raises(ValueError):
        encode(Message({f"{n}": "v" * 0x7000 for n in range(MOST_HEADERS // 0x7000 + 1)}))


@given(messages, some.data())
def test_a_changed_byte_is_noticed(message: Message, data: some.DataObject) -> None:
    frame = bytearray(encode(message))
    at = data.draw(some.integers(0, len(frame) - 1))
    frame[at] ^= data.draw(some.integers(1, 255))
    with pytest.raises(FrameError):
        read(bytes(frame))


def with_checksums(total: int, size: int, rest: bytes) -> bytes:
    lengths = struct.pack(">II", total, size)
    content = lengths + struct.pack(">I", crc32(lengths)) + rest
    return content + struct.pack(">I", crc32(content))


@pytest.mark.parametrize(
    "rest",
    [
        b"\x01a",
        b"\x01a\x0a",
        b"\x00\x00",
        b"\x05ab",
        b"\x01a\x07\x00\x05hi",
        b"\x01a\x07\x00",
        b"\x01\xff\x00",
        b"\x01a\x09" + bytes(15),
        b"\x01a\x00\x01a\x00",
        b"\x01a\x08" + b"\x7f" + b"\xff" * 7,
        b"\x01a\x07\x00\x01\xff",
    ],
    ids=[
        "no type",
        "unknown type",
        "no name",
        "cut name",
        "cut text",
        "cut length",
        "bad name",
        "cut uuid",
        "twice",
        "far time",
        "bad text",
    ],
)
def test_headers_that_lie_are_refused(rest: bytes) -> None:
    with pytest.raises(FrameError):
        read(with_checksums(16 + len(rest), len(rest), rest))


@pytest.mark.parametrize(
    ("total", "size"), [(0, 0), (15, 0), (16, 1), (0xFFFFFFFF, 0), (MOST_PAYLOAD + 17, 0), (1 << 20, 1 << 19)]
)
def test_a_length_is_refused_as_soon_as_it_is_read(total: int, size: int) -> None:
    with pytest.raises(FrameError):
        Decoder().feed(with_checksums(total, size, b"")[:12])


@given(some.binary(max_size=200))
def test_noise_gives_nothing_but_a_clean_error(noise: bytes) -> None:
    try:
        read(noise)
    except FrameError:
        return
    assert noise == b""


def test_every_type_of_value_survives() -> None:
    given = {
        "yes": True,
        "no": False,
        "bytes": b"\x00\xff",
        "text": "é",
        "when": datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC),
        "id": UUID("12345678-1234-5678-1234-567812345678"),
    }
    assert read(encode(Message(given))) == [Message(given)]
