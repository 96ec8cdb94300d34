"""Percent-encoding: the quick way for long texts must read exactly what the plain one reads."""

from __future__ import annotations

from urllib.parse import quote_plus, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awning.protocols.text import decode_part

PIECES = st.sampled_from(
    ["%41", "%0A", "%0d%0a", "%20", "=", "\n", "\r\n", " ", "\t", "+", "é", "_", "%C3%A9", "%3D", "%25", "."]
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_a_long_text_is_decoded_like_a_short_one(text: str) -> None:
    padded = text + "x" * 300
    assert decode_part(padded) == unquote_plus(padded)


@given(st.text(max_size=600))
def test_what_was_encoded_comes_back(text: str) -> None:
    assert decode_part(quote_plus(text, errors="ignore")) == text.encode(errors="ignore").decode()


@pytest.mark.parametrize("broken", ["%", "%4", "%zz", "100%", "%%41", "=%0"])
def test_a_broken_escape_stands_for_itself_as_ever(broken: str) -> None:
    padded = "x" * 300 + broken
    assert decode_part(padded) == unquote_plus(padded)


def test_what_is_not_utf_8_is_an_error_at_any_length() -> None:
    for length in (0, 300):
        with pytest.raises(UnicodeDecodeError):
            decode_part("x" * length + "%ff")
