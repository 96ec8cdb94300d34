"""Ids and random bytes."""

from __future__ import annotations

import uuid

from awning.kit.randomness import Randomness


def test_ids_are_random_uuids() -> None:
    source = Randomness()
    made = [source.uuid() for _ in range(2000)]
    assert len(set(made)) == 2000
    for text in made:
        parsed = uuid.UUID(text)
        assert str(parsed) == text
        assert parsed.version == 4
        assert parsed.variant == uuid.RFC_4122


def test_no_byte_is_handed_out_twice() -> None:
    source = Randomness()
    taken = [source.take(length) for length in (16, 8000, 500, 20_000, 16) for _ in range(3)]
    assert [len(piece) for piece in taken] == [length for length in (16, 8000, 500, 20_000, 16) for _ in range(3)]
    windows = [piece[at : at + 8] for piece in taken for at in range(0, len(piece) - 7, 8)]
    assert len(set(windows)) == len(windows)
