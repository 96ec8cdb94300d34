"""Bodies in chunks: whatever the pieces they arrive in, what was sent comes out, and any change is refused."""

from __future__ import annotations

from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awning.auth.payload import (
    Exact,
    Mac,
    SignedBody,
    SignedChunks,
    Unsigned,
    UnsignedChunks,
    anonymous_rule,
    check_whole,
)
from awning.auth.refused import Reason, Refused
from awning.auth.streaming import ChunkDecoder, decoder_for

STAMP = "20240102T030405Z"
SCOPE = "20240102/us-east-1/s3/aws4_request"
EMPTY = sha256().hexdigest()
MAC = Mac.for_signing("secret", "20240102", "us-east-1", "s3")
TRAILERS = {"x-amz-checksum-crc32": "AAAAAA=="}


def rule(with_trailer: bool = False) -> SignedChunks:
    return SignedChunks(MAC, "0" * 64, STAMP, SCOPE, with_trailer)


def signed_body(chunks: list[bytes], trailers: dict[str, str] | None = None) -> bytes:
    """What a client sends, written from the documents, apart from the decoder."""
    previous = "0" * 64
    parts: list[bytes] = []
    for chunk in [*chunks, b""]:
        lines = ["AWS4-HMAC-SHA256-PAYLOAD", STAMP, SCOPE, previous, EMPTY, sha256(chunk).hexdigest()]
        previous = MAC.sign("\n".join(lines).encode())
        parts.append(b"%x;chunk-signature=%s\r\n" % (len(chunk), previous.encode()))
        if chunk:
            parts.append(chunk + b"\r\n")
    if trailers is not None:
        text = "".join(f"{name}:{value}\n" for name, value in sorted(trailers.items()))
        lines = ["AWS4-HMAC-SHA256-TRAILER", STAMP, SCOPE, previous, sha256(text.encode()).hexdigest()]
        parts += [f"{name}:{value}\r\n".encode() for name, value in trailers.items()]
        parts.append(b"x-amz-trailer-signature:" + MAC.sign("\n".join(lines).encode()).encode() + b"\r\n")
    return b"".join([*parts, b"\r\n"])


def unsigned_body(chunks: list[bytes], trailers: dict[str, str]) -> bytes:
    parts = [b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks]
    lines = [f"{name}:{value}\r\n".encode() for name, value in trailers.items()]
    return b"".join([*parts, b"0\r\n", *lines, b"\r\n"])


def run(decoder: ChunkDecoder, body: bytes, cuts: list[int]) -> tuple[bytes, dict[str, str]]:
    out: list[bytes] = []
    places = sorted({min(cut, len(body)) for cut in cuts} | {0, len(body)})
    for start, end in pairwise(places):
        out.append(decoder.feed(body[start:end]))
    return b"".join(out), decoder.finish()


def feed_all(decoder: ChunkDecoder, pieces: list[bytes]) -> None:
    for piece in pieces:
        decoder.feed(piece)


CHUNKS = st.lists(st.sampled_from([8192, 8193, 10000]), max_size=3).flatmap(
    lambda sizes: st.binary(max_size=64).map(
        lambda last: [bytes([65 + place]) * size for place, size in enumerate(sizes)] + ([last] if last else [])
    )
)
CUTS = st.lists(st.integers(0, 32000), max_size=12)
MODES = st.sampled_from(["signed", "trailer", "unsigned"])


def made(mode: str, chunks: list[bytes]) -> tuple[ChunkDecoder, bytes, dict[str, str]]:
    length = sum(map(len, chunks))
    if mode == "signed":
        return ChunkDecoder(rule(), length), signed_body(chunks), {}
    names = frozenset(TRAILERS)
    if mode == "trailer":
        return ChunkDecoder(rule(True), length, names), signed_body(chunks, TRAILERS), TRAILERS
    return ChunkDecoder(UnsignedChunks(), length, names), unsigned_body(chunks, TRAILERS), TRAILERS


@given(MODES, CHUNKS, CUTS)
@settings(max_examples=120, deadline=None)
def test_what_was_sent_comes_out_however_it_is_cut(mode, chunks, cuts):
    decoder, body, trailers = made(mode, chunks)
    assert run(decoder, body, cuts) == (b"".join(chunks), trailers)


@pytest.mark.parametrize("mode", ["signed", "trailer", "unsigned"])
def test_byte_by_byte(mode):
    decoder, body, trailers = made(mode, [b"x" * 8192, b"yz"])
    assert run(decoder, body, list(range(len(body)))) == (b"x" * 8192 + b"yz", trailers)


@given(st.sampled_from(["signed", "trailer"]), st.data(), CUTS)
@settings(max_examples=150, deadline=None)
def test_any_changed_byte_of_a_signed_body_is_refused(mode, data, cuts):
    decoder, body, _ = made(mode, [b"A" * 8192, b"the end"])
    meaning = len(body.rstrip(b"\r\n"))
    edges = [*range(100), *range(8192, meaning)]
    place = data.draw(st.sampled_from(edges))
    value = data.draw(st.integers(0, 255).filter(lambda byte: byte != body[place]))
    changed = body[:place] + bytes([value]) + body[place + 1 :]
    try:
        out = run(decoder, changed, cuts)
    except Refused:
        return
    assert body[place : place + 1].lower() == bytes([value]).lower() or changed[place - 1 : place + 1] in (
        b"\n\n",
        b"\r\n",
    )
    assert out[0] == b"A" * 8192 + b"the end", "only the letter case of a size or name, or a line's end, may differ"


@given(MODES, st.integers(0, 8600), CUTS)
@settings(max_examples=80, deadline=None)
def test_a_body_that_ends_early_is_refused(mode, keep, cuts):
    decoder, body, _ = made(mode, [b"A" * 8192, b"the end"])
    meaning = len(body.rstrip(b"\r\n"))
    with pytest.raises(Refused):
        run(decoder, body[: min(keep, meaning - 1)], cuts)


@given(MODES, st.binary(min_size=1, max_size=300), CUTS)
@settings(max_examples=150, deadline=None)
def test_hostile_bytes_are_refused_not_kept(mode, body, cuts):
    decoder, _, _ = made(mode, [b"A" * 8192])
    try:
        run(decoder, body, cuts)
    except Refused:
        return
    raise AssertionError("8192 bytes cannot have come out of 300")


def reason_of(decoder: ChunkDecoder, body: bytes) -> Reason:
    with pytest.raises(Refused) as caught:
        run(decoder, body, [])
    return caught.value.reason


def test_only_the_last_chunk_may_be_small():
    for mode in ("signed", "trailer", "unsigned"):
        decoder, body, _ = made(mode, [b"small", b"A" * 8192])
        assert reason_of(decoder, body) is Reason.SMALL_CHUNK


@pytest.mark.parametrize("size", [b"", b"-1", b"+5", b"0x5", b"5_0", b" 5", b"g", b"1" * 17])
def test_a_size_that_is_none_is_refused(size):
    decoder = ChunkDecoder(UnsignedChunks(), 5)
    assert reason_of(decoder, size + b"\r\nhello\r\n0\r\n\r\n") is Reason.BAD_CHUNK


def test_a_header_without_end_is_refused_before_it_fills_memory():
    decoder = ChunkDecoder(rule(), 5)
    with pytest.raises(Refused, match="too long"):
        feed_all(decoder, [b"0"] * 300)
    decoder = ChunkDecoder(UnsignedChunks(), 0)
    decoder.feed(b"0\r\n")
    with pytest.raises(Refused, match="bad-trailer"):
        feed_all(decoder, [b"x" * 100] * 100)
    assert len(decoder._buffer) < 9000


def test_more_or_less_than_announced_is_refused():
    body = signed_body([b"hello"])
    assert reason_of(ChunkDecoder(rule(), 4), body) is Reason.INCOMPLETE_BODY
    assert reason_of(ChunkDecoder(rule(), 6), body) is Reason.INCOMPLETE_BODY


def test_trailers_come_as_announced():
    body = unsigned_body([b"hello"], TRAILERS)
    assert reason_of(ChunkDecoder(UnsignedChunks(), 5), body) is Reason.BAD_TRAILER
    names = frozenset({"x-amz-checksum-crc32", "x-amz-checksum-sha1"})
    assert reason_of(ChunkDecoder(UnsignedChunks(), 5, names), body) is Reason.BAD_TRAILER
    assert (
        reason_of(ChunkDecoder(UnsignedChunks(), 5, frozenset(TRAILERS)), body[:-2] + body[-29:]) is Reason.BAD_TRAILER
    )
    with pytest.raises(Refused, match="bad-trailer"):
        ChunkDecoder(rule(), 5, names)


def test_a_trailer_needs_its_signature():
    body = signed_body([b"hello"], TRAILERS)
    cut = body[: body.index(b"x-amz-trailer-signature")]
    assert reason_of(ChunkDecoder(rule(True), 5, frozenset(TRAILERS)), cut) is Reason.BAD_TRAILER


def test_swapped_chunks_are_refused():
    body = signed_body([b"A" * 8192, b"B" * 8192])
    swapped = body.replace(b"A" * 8192, b"?").replace(b"B" * 8192, b"A" * 8192).replace(b"?", b"B" * 8192)
    assert reason_of(ChunkDecoder(rule(), 16384), swapped) is Reason.MISMATCH


# Bodies that are not in chunks


def test_an_exact_body_is_hashed_as_it_comes():
    decoder = decoder_for(Exact(sha256(b"hello").hexdigest()), {})
    assert decoder.feed(b"he") + decoder.feed(b"llo") == b"hello"
    assert decoder.finish({"x": "y"}) == {"x": "y"}
    decoder.feed(b"!")
    with pytest.raises(Refused) as caught:
        decoder.finish()
    assert caught.value.reason is Reason.PAYLOAD_MISMATCH
    assert caught.value.facts["s3_computed_content_sha256"] == sha256(b"hello!").hexdigest()


def test_an_unsigned_body_passes():
    decoder = decoder_for(Unsigned(), {})
    assert decoder.feed(b"x") == b"x"
    assert decoder.finish() == {}


def test_a_body_that_a_signature_waits_for_is_proven_at_its_end():
    digests: list[str] = []
    decoder = decoder_for(SignedBody(digests.append), {})
    assert decoder.feed(b"he") + decoder.feed(b"llo") == b"hello"
    assert digests == []
    decoder.finish()
    assert digests == [sha256(b"hello").hexdigest()]


def test_chunks_need_their_length_announced():
    with pytest.raises(Refused) as caught:
        decoder_for(rule(), {})
    assert caught.value.reason is Reason.NO_DECODED_LENGTH
    for length in (b"-5", b"5.0", b"", b"9" * 19):
        with pytest.raises(Refused):
            decoder_for(rule(), {b"x-amz-decoded-content-length": length})


def test_chunks_are_refused_where_a_whole_body_is_wanted():
    with pytest.raises(Refused):
        check_whole(rule(), b"")
    with pytest.raises(Refused):
        decoder_for(Exact(EMPTY), {b"content-encoding": b"gzip, aws-chunked"})


def test_an_anonymous_body_may_still_be_in_chunks_or_hashed():
    assert anonymous_rule({}) == Unsigned()
    assert anonymous_rule({b"content-encoding": b"aws-chunked"}) == UnsignedChunks()
    assert anonymous_rule({b"x-amz-content-sha256": b"STREAMING-UNSIGNED-PAYLOAD-TRAILER"}) == UnsignedChunks()
    assert anonymous_rule({b"x-amz-content-sha256": EMPTY.encode()}) == Exact(EMPTY)
    with pytest.raises(Refused):
        anonymous_rule({b"x-amz-content-sha256": b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD"})
