"""Values that travel as text (query, XML, headers): from text to a value, with the answer to give when it is none."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from binascii import a2b_qp
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote_plus

from awning.protocols import times
from awning.protocols.shapes import Shape

_WHOLE: Final = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,3})?|NaN|-?Infinity", re.ASCII)
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SHORT: Final = 256


def decode_part(text: str) -> str:
    """Undo a form's percent-encoding of a name or value. Raises UnicodeDecodeError for what is not UTF-8 then.

    A long text goes by way of quoted-printable, which has the same escapes with another sign and a decoder in C: a message of
    1 MiB would else hold the loop for 60 ms.
    """
    if len(text) < _SHORT or _BROKEN_ESCAPE.search(text) is not None:
        return unquote_plus(text, errors="strict")
    raw = text.replace("+", " ").encode()
    return a2b_qp(raw.replace(b"=", b"=3D").replace(b"%", b"=")).decode()


def _whole(limit: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        if len(text) < 10 and text.isascii() and text.isdigit():
            return int(text)
        if _WHOLE.fullmatch(text) is None:
            raise ValueError(text)
        value = int(text)
        if not -limit <= value < limit:
            raise ValueError(text)
        return value

    return whole


def _boolean(text: str) -> bool:
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    raise ValueError(text)


def _number(text: str) -> float:
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(text)
    return float(text)


def _blob(text: str) -> bytes:
    return b64decode("".join(text.split()), validate=True)


_CONVERTERS: Final[Mapping[str, tuple[Callable[[str], Any], str]]] = {
    "boolean": (_boolean, "a Boolean"),
    "integer": (_whole(1 << 31), "an Integer"),
    "long": (_whole(1 << 63), "a Long"),
    "float": (_number, "a Float"),
    "double": (_number, "a Double"),
    "blob": (_blob, "Base64"),
    "timestamp": (times.from_text, "a timestamp"),
}


def converter(shape: Shape, refuse: Callable[[str, str], Exception]) -> Callable[[str], Any] | None:
    """Return the function from text to this scalar's value, or None where the text is the value.

    `refuse(text, wanted)` is the error to raise for text that is no such value.
    """
    if shape.kind not in _CONVERTERS:
        return None
    convert, wanted = _CONVERTERS[shape.kind]

    def from_text(text: str) -> Any:
        try:
            return convert(text)
        except (ValueError, OverflowError, Base64Error) as error:
            raise refuse(text, wanted) from error

    return from_text
