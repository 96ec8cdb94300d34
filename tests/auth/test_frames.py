"""Signed frames: the documents' chain, the SDKs' own test values, and every change refused."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from zlib import crc32

import pytest

from awning.auth.frames import FrameVerifier
from awning.auth.payload import Mac
from awning.auth.refused import Reason, Refused

START = datetime(2024, 1, 2, 23, 59, 58, tzinfo=UTC)
SEED = "0" * 64


def mac_of(day: str) -> Mac:
    return Mac.for_signing("secret", day, "us-west-2", "transcribe")


def verifier() -> FrameVerifier:
    return FrameVerifier(mac_of, SEED, "us-west-2", "transcribe")


def signed(payloads: list[bytes], step: float = 1.0) -> list[tuple[dict[str, Any], bytes, float]]:
    """What a client sends, written from the documents, apart from the verifier: headers, payload, and when."""
    previous, found = SEED, []
    for number, payload in enumerate(payloads):
        date = START + timedelta(seconds=number * step)
        header = b"\x05:date\x08" + struct.pack(">q", int(date.timestamp()) * 1000)
        lines = [
            "AWS4-HMAC-SHA256-PAYLOAD",
            date.strftime("%Y%m%dT%H%M%SZ"),
            date.strftime("%Y%m%d") + "/us-west-2/transcribe/aws4_request",
            previous,
            sha256(header).hexdigest(),
            sha256(payload).hexdigest(),
        ]
        previous = mac_of(date.strftime("%Y%m%d")).sign("\n".join(lines).encode())
        found.append(({":date": date, ":chunk-signature": bytes.fromhex(previous)}, payload, date.timestamp()))
    return found


def test_a_chain_holds_across_midnight_up_to_its_empty_frame() -> None:
    found = verifier()
    assert [found.open(*one) for one in signed([b"one", b"two", b"three", b"four", b""])] == [
        b"one",
        b"two",
        b"three",
        b"four",
        b"",
    ]
    assert found.ended
    found.finish()


def test_the_string_to_sign_is_that_of_the_sdks() -> None:
    """The values by which the SDKs for Rust and Kotlin test theirs."""
    header = b"\x0bsome-header\x07\x00\x05value"
    prelude = struct.pack(">II", 16 + len(header) + 12, len(header))
    inner = prelude + struct.pack(">I", crc32(prelude)) + header + b"test payload"
    inner += struct.pack(">I", crc32(inner))
    date = datetime(1973, 11, 29, 21, 33, 9, tzinfo=UTC)
    seed = sha256(b"last message sts").hexdigest()
    found = FrameVerifier(
        lambda day: Mac.for_signing("secret", day, "us-east-1", "testservice"), seed, "us-east-1", "testservice"
    )
    with pytest.raises(Refused) as caught:
        found.open({":date": date, ":chunk-signature": b"\0" * 32}, inner, date.timestamp())
    assert caught.value.facts["string_to_sign"].split("\n") == [
        "AWS4-HMAC-SHA256-PAYLOAD",
        "19731129T213309Z",
        "19731129/us-east-1/testservice/aws4_request",
        "be1f8c7d79ef8e1abc5254a2c70e4da3bfaf4f07328f527444e1fc6ea67273e2",
        "0c0e3b3bf66b59b976181bd7d401927bbd624107303c713fd1e5f3d3c8dd1b1e",
        "f2eba0f2e95967ee9fbc6db5e678d2fd599229c0d04b11e4fc8e0f2a02a806c6",
    ]


def refusal(*frames: tuple[dict[str, Any], bytes, float]) -> Reason:
    found = verifier()
    for one in frames[:-1]:
        found.open(*one)
    with pytest.raises(Refused) as caught:
        found.open(*frames[-1])
    return caught.value.reason


def test_what_was_changed_swapped_left_out_or_repeated_is_refused() -> None:
    one, two, end = signed([b"one", b"two", b""])
    assert refusal((one[0], b"One", one[2])) is Reason.MISMATCH
    assert refusal((one[0], b"", one[2])) is Reason.MISMATCH
    assert refusal(two) is Reason.MISMATCH
    assert refusal(one, one) is Reason.MISMATCH
    assert refusal(one, end) is Reason.MISMATCH
    moved = {**one[0], ":date": one[0][":date"] + timedelta(seconds=1)}
    assert refusal((moved, b"one", one[2])) is Reason.MISMATCH
    assert refusal(one, two, end, end) is Reason.BAD_CHUNK


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {":date": START},
        {":chunk-signature": b"\0" * 32},
        {":date": "20240102T235958Z", ":chunk-signature": b"\0" * 32},
        {":date": START, ":chunk-signature": "0" * 64},
        {":date": START, ":chunk-signature": b"\0" * 32, ":event-type": "AudioEvent"},
    ],
)
def test_other_headers_than_the_two_are_refused(headers: dict[str, Any]) -> None:
    assert refusal((headers, b"one", START.timestamp())) is Reason.BAD_CHUNK


def test_an_old_or_early_frame_is_refused() -> None:
    headers, payload, now = signed([b"one"])[0]
    assert verifier().open(headers, payload, now + 900) == payload
    assert refusal((headers, payload, now + 901)) is Reason.SKEWED
    assert refusal((headers, payload, now - 901)) is Reason.SKEWED


def test_a_stream_without_its_last_frame_was_cut_off() -> None:
    found = verifier()
    found.open(*signed([b"one"])[0])
    with pytest.raises(Refused) as caught:
        found.finish()
    assert caught.value.reason is Reason.INCOMPLETE_BODY
