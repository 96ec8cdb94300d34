"""Patterns of the models are Java's; every one of the fleet's compiles, and means what it says."""

from __future__ import annotations

import pytest

from awning.protocols.registry import read_botocore
from awning.protocols.shapes import compile_pattern
from tests.protocols.fleet import FLEET


@pytest.mark.parametrize("service", FLEET)
def test_every_pattern_compiles(service: str) -> None:
    for shape in read_botocore(service)["shapes"].values():
        if "pattern" in shape:
            compile_pattern(shape["pattern"])


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", ["grüße 東京", "a/b=c", ""], ["#", "a\n"]),
        (r"\p{Print}+", ["a b~"], ["ü", "\t", ""]),
        (r"\p{XDigit}{2}-\p{XDigit}", ["aF-0"], ["g0-0"]),
        (r"[\w-_]*", ["a-b_c"], ["a b", "ü"]),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*", ["a\r\n🎈"], ["\0", "\x7f\x00"]),
        (r"[\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]+", ["é€ (1) ½ — 🎈"], ["\n", "\0"]),
        (r"^[\w-\/.]{1,3}$", ["a-/"], ["a,b"]),
        (r"[^\]\[]+", ["ab"], ["a]", "["]),
        (r"\d+", ["12"], ["٣"]),
    ],
)
def test_a_pattern_means_what_it_says(pattern: str, fits: list[str], does_not: list[str]) -> None:
    compiled = compile_pattern(pattern)
    assert all(compiled.fullmatch(text) for text in fits)
    assert not any(compiled.fullmatch(text) for text in does_not)
