"""Wildcards against a slow, obvious matcher; variables; and patterns made to stall a matcher."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awning.auth.patterns import Style, compile_tokens, resolve, tokenise


def slow(pattern: str, text: str, confined: bool = False) -> bool:
    """Whether a pattern matches; `confined`: as IAM's Resource element does within an ARN's first five segments."""
    colons = [place for place, character in enumerate(pattern) if character == ":"]
    border = colons[4] if confined and len(colons) >= 5 else 0

    @cache
    def match(at: int, here: int) -> bool:
        if at == len(pattern):
            return here == len(text)
        letter = pattern[at]
        ends = pattern[at + 1 : at + 2] == ":"
        stays = at < border and not (letter == "*" and ends)
        fits = here < len(text) and not (stays and text[here] == ":")
        if letter == "*":
            return match(at + 1, here) or (fits and match(at, here + 1))
        if letter == "?":
            return fits and match(at + 1, here + 1)
        return here < len(text) and text[here] == letter and match(at + 1, here + 1)

    return match(0, 0)


def fast(pattern: str, text: str, style: Style = "plain") -> bool:
    return compile_tokens(tokenise(pattern, wildcards=True, variables=False), style)(text)


@given(st.text("ab*?", max_size=10), st.text("ab\n", max_size=10))
@settings(max_examples=400, deadline=None)
def test_plain_patterns(pattern, text):
    assert fast(pattern, text) == slow(pattern, text)


ARNS = st.lists(st.text("ab*?", max_size=3), min_size=6, max_size=7).map(":".join)
TEXTS = st.lists(st.text("ab", max_size=3), min_size=5, max_size=8).map(":".join)


@given(ARNS, TEXTS)
@settings(max_examples=600, deadline=None)
def test_resource_patterns(pattern, text):
    pattern = pattern.replace("**", "*").replace("**", "*")
    assert fast(pattern, text, "resource") == slow(pattern, text, confined=True)


@given(ARNS, TEXTS)
@settings(max_examples=300, deadline=None)
def test_arn_conditions_match_each_segment_by_itself(pattern, text):
    wanted, given_ = pattern.split(":", 5), text.split(":", 5)
    expected = len(given_) == 6 and all(slow(one, other) for one, other in zip(wanted, given_, strict=True))
    assert fast(pattern, text, "arn") == expected


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket/a:b/c", True),
        ("arn:aws:s3:::aba*ba", "arn:aws:s3:::aba", False),
        ("arn:aws:sqs:us-*-1:111122223333:q", "arn:aws:sqs:us-east-1:111122223333:q", True),
        ("arn:aws:sqs:us-*st-1:111122223333:q", "arn:aws:sqs:us-x:east-1:111122223333:q", False),
        ("arn:aws:sqs:*:q", "arn:aws:sqs:us-east-1:111122223333:q", True),
        ("arn:aws:iam::*:user/A*", "arn:aws:iam::111122223333:user/Alice", True),
        ("arn:aws:iam::*:user/A*", "arn:aws:iam::111122223333:user/alice", False),
    ],
)
def test_resources_as_the_user_guide_says(pattern, text, matches):
    # "arn:aws:sqs:*:q" has five segments: it is no ARN, and matched as plain text
    assert fast(pattern, text, "resource") is matches


def test_a_pattern_made_to_stall_does_not():
    for style in ("plain", "resource", "arn"):
        for pattern in ("*a" * 60 + "b", "arn:" + "a*a" * 60 + ":s:r:a:" + "*a" * 60 + "b"):
            assert fast(pattern, "arn:" + "a" * 700 + ":s:r:a:" + "a" * 700, style) is False


def test_variables_are_filled_in_as_literals():
    tokens = tokenise("a/${aws:UserName}/${*}${?}${$}*", wildcards=True, variables=True)
    filled = resolve(tokens, {"aws:username": "b*"})
    assert filled is not None
    match = compile_tokens(filled)
    assert match("a/b*/*?$x")
    assert not match("a/bc/*?$x")
    assert resolve(tokens, {}) is None
    assert resolve(tokens, {"aws:username": ["a", "b"]}) is None


def test_variables_may_have_defaults():
    tokens = tokenise("${aws:PrincipalTag/team, 'none at all'}", wildcards=True, variables=True)
    assert resolve(tokens, {}) == ["none at all"]
    assert resolve(tokens, {"aws:principaltag/team": "red"}) == ["red"]


@pytest.mark.parametrize("text", ["${", "a${aws:x", "${}", "${a b}", "${a, x}"])
def test_malformed_variables_are_refused(text):
    with pytest.raises(ValueError, match="variable"):
        tokenise(text, wildcards=True, variables=True)


def test_without_variables_the_text_stands_for_itself():
    assert tokenise("${aws:username}", wildcards=True, variables=False) == ["${aws:username}"]
