"""Encrypted streams: what comes out is what went in, by any range; nothing is altered, moved or cut off unnoticed."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awning.store.segments import SEGMENT, TAG, Sealer, Segments
from awning.store.vault import Unsealable

KEY, OTHER = bytes(range(32)), bytes(reversed(range(32)))
SIZES = [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT, 40 * SEGMENT + 17]


def sealed_in(pieces: list[bytes], segments: Segments) -> bytes:
    sealer = Sealer(segments)
    return b"".join([*(sealer.update(piece) for piece in pieces), sealer.end()])


def read(segments: Segments, sealed: bytes, first: int, end: int, size: int) -> bytes:
    runs = segments.runs(first, end, size)
    return b"".join(piece for run in runs for piece in segments.read(run, sealed[run.offset : run.offset + run.length]))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("keys", [(KEY,), (KEY, OTHER)])
def test_a_stream_comes_back_whole(size: int, keys: tuple[bytes, ...]) -> None:
    plain = os.urandom(size)
    segments = Segments(*keys)
    sealed = segments.seal(plain)
    assert len(sealed) == size + TAG * len(keys) * max(1, -(-size // SEGMENT))
    assert segments.open(sealed) == plain
    assert read(segments, sealed, 0, size, size) == plain
    assert sealed_in([plain], segments) == sealed


@given(
    st.lists(st.integers(0, 3 * SEGMENT), max_size=6),
    st.integers(0, 12 * SEGMENT),
    st.integers(0, 12 * SEGMENT),
)
def test_pieces_of_any_size_make_the_same_stream_and_any_range_is_read(
    sizes: list[int], first: int, length: int
) -> None:
    pieces = [bytes([number + 1]) * size for number, size in enumerate(sizes)]
    plain = b"".join(pieces)
    segments = Segments(KEY)
    sealed = sealed_in(pieces, segments)
    assert sealed == segments.seal(plain)
    end = min(first + length, len(plain))
    assert read(segments, sealed, first, end, len(plain)) == plain[first:end]


def test_a_range_reads_only_the_segments_that_hold_it() -> None:
    size = 100 * SEGMENT + 5
    (run,) = Segments(KEY).runs(33 * SEGMENT + 1, 33 * SEGMENT + 3, size)
    assert (run.segment, run.offset, run.length, run.last) == (33, 33 * (SEGMENT + TAG), SEGMENT + TAG, False)
    assert max(run.length for run in Segments(KEY).runs(0, size, size)) == 16 * (SEGMENT + TAG)


def test_what_was_altered_moved_or_cut_off_is_refused() -> None:
    plain = os.urandom(3 * SEGMENT)
    segments = Segments(KEY)
    sealed = segments.seal(plain)
    width = SEGMENT + TAG
    one, two, three = (sealed[at * width : (at + 1) * width] for at in range(3))
    with pytest.raises(Unsealable):
        segments.open(two + one + three)
    with pytest.raises(Unsealable):
        segments.open(one + two)
    with pytest.raises(Unsealable):
        segments.open(one + two + three + three)
    with pytest.raises(Unsealable):
        segments.open(bytes([sealed[0] ^ 1]) + sealed[1:])
    with pytest.raises(Unsealable):
        segments.open(b"")
    with pytest.raises(Unsealable):
        Segments(OTHER).open(sealed)
    with pytest.raises(Unsealable):
        read(segments, sealed[:-1], 0, len(plain), len(plain))
    with pytest.raises(Unsealable):
        read(segments, sealed, 0, 2 * SEGMENT, 2 * SEGMENT)
    with pytest.raises(Unsealable):
        read(segments, three + two + one, SEGMENT * 2, SEGMENT * 2 + 1, len(plain))


def test_two_layers_are_two_ciphers() -> None:
    segments = Segments(KEY, OTHER)
    sealed = segments.seal(b"text")
    assert Segments(KEY).open(Segments(OTHER).open(sealed)) == b"text"
    with pytest.raises(Unsealable):
        Segments(KEY).open(sealed)
