"""Where a statement stands in a policy document's text, by line and column. Pure; the text has been found good before."""

from __future__ import annotations

import re
from json import JSONDecoder
from typing import Final

_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_DECODER: Final = JSONDecoder()

Place = tuple[int, int]
"""Line and column, both from 1."""


def span_of_statement(text: str, index: int) -> tuple[Place, Place]:
    """Where the statement of this index begins, and the place behind its end. A lone statement is of index 0."""
    at = _value_of(text, "Statement")
    if text[at] == "[":
        at = _skip(text, at + 1)
        for _ in range(index):
            _, at = _DECODER.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
    _, end = _DECODER.raw_decode(text, at)
    return _place(text, at), _place(text, end)


def _value_of(text: str, name: str) -> int:
    """Where the value of one of the document's members begins."""
    at = _skip(text, text.index("{") + 1)
    while True:
        key = _STRING.match(text, at)
        if key is None:
            raise LookupError(f"The document has no {name}.")
        at = _skip(text, _skip(text, key.end()) + 1)
        if _DECODER.decode(key[0]) == name:
            return at
        _, at = _DECODER.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + 1)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _place(text: str, at: int) -> Place:
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
