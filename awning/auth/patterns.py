"""Patterns of policies: wildcards and policy variables, compiled into predicates on text.

Matching takes time linear in the text (times the pattern), whatever the pattern: whoever writes policies can't stall the region.
Source: "IAM JSON policy elements: Resource" and "Variables and tags" of the IAM user guide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Matcher = Callable[[str], bool]
Style = Literal["plain", "resource", "arn"]
"""plain: a star is any text. resource: within the first five segments of an ARN a star stays within its segment, unless it
ends it. arn: each of the six segments is matched by itself (ArnLike); a pattern without six matches nothing."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A policy variable: ${key} or ${key, 'default'}; the key is in lower case."""

    key: str
    default: str | None


@dataclass(frozen=True, slots=True)
class Wildcard:
    """A star (`many`), or a question mark: one character."""

    many: bool


STAR = Wildcard(many=True)
ONE = Wildcard(many=False)
Token = str | Variable | Wildcard

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_WILDCARDS = re.compile(r"([*?])")
_DEFAULTED = re.compile(r"\s*([^,\s']+(?:/[^,']*[^,'\s])?)\s*(?:,\s*'([^']*)')?\s*")


def tokenise(text: str, *, wildcards: bool, variables: bool) -> list[Token]:
    """Split a policy's text into literals, wildcards and variables. Raises ValueError for a malformed variable."""
    tokens: list[Token] = []
    at = 0
    if variables and "${" in text:
        for found in _VARIABLE.finditer(text):
            _add_text(tokens, text[at : found.start()], wildcards)
            inner = found.group(1)
            if inner in ("*", "?", "$"):
                tokens.append(inner)
            else:
                parts = _DEFAULTED.fullmatch(inner)
                if parts is None:
                    raise ValueError(f"The policy variable {found.group()} is malformed")
                tokens.append(Variable(parts.group(1).lower(), parts.group(2)))
            at = found.end()
        if "${" in text[at:]:
            raise ValueError("A policy variable has no closing brace")
    _add_text(tokens, text[at:], wildcards)
    return tokens


def _add_text(tokens: list[Token], text: str, wildcards: bool) -> None:
    if not wildcards or ("*" not in text and "?" not in text):
        if text:
            tokens.append(text)
        return
    for part in _WILDCARDS.split(text):
        if part == "*":
            if not (tokens and tokens[-1] is STAR):
                tokens.append(STAR)
        elif part == "?":
            tokens.append(ONE)
        elif part:
            tokens.append(part)


def resolve(tokens: Sequence[Token], context: Mapping[str, Any]) -> list[Token] | None:
    """Put the variables' values in, as literals; None where one has neither a single value nor a default."""
    resolved: list[Token] = []
    for token in tokens:
        if isinstance(token, Variable):
            value = value_of(token, context)
            if value is None:
                return None
            resolved.append(value)
        else:
            resolved.append(token)
    return resolved


def value_of(variable: Variable, context: Mapping[str, Any]) -> str | None:
    """What a variable stands for; None where it has neither a single value nor a default."""
    value = context.get(variable.key)
    if value is None or isinstance(value, (list, tuple, set, frozenset)):
        return variable.default
    return text_of(value)


_MOST_KEPT = 16


class Template:
    """A pattern with variables. What it stands for is kept for the values that were seen last."""

    __slots__ = ("_head", "_kept", "_style", "_tail", "_variables", "tokens")

    def __init__(self, tokens: Sequence[Token], style: Style = "plain") -> None:
        self.tokens = tokens
        self._style: Style = style
        self._head = literal_head(tokens)
        self._tail = literal_head(tokens[::-1], backwards=True)
        self._variables = [token for token in tokens if isinstance(token, Variable)]
        self._kept: dict[tuple[str, ...], Matcher] = {}

    def matches(self, text: str, context: Mapping[str, Any]) -> bool:
        """Whether a text matches with the context's values; never where one is missing."""
        if not (text.startswith(self._head) and text.endswith(self._tail)):
            return False
        values: list[str] = []
        for variable in self._variables:
            value = value_of(variable, context)
            if value is None:
                return False
            values.append(value)
        key = tuple(values)
        matcher = self._kept.get(key)
        if matcher is None:
            given = iter(values)
            filled = [next(given) if isinstance(token, Variable) else token for token in self.tokens]
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            matcher = self._kept[key] = compile_tokens(filled, self._style)
        return matcher(text)


def text_of(value: Any) -> str:
    """A context value as policies write it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def compile_tokens(tokens: Sequence[Token], style: Style = "plain") -> Matcher:
    """Return a predicate for tokens without variables."""
    if style == "arn":
        segments = _split(tokens)
        if len(segments) == 6:
            if not any(isinstance(token, Wildcard) for segment in segments[:5] for token in segment) and (
                plain_text(segments[5]) is not None or prefix_text(segments[5]) is not None
            ):
                return _compile_plain(tokens)  # the same, and quicker than segment by segment
            return _match_segments([_compile_plain(segment) for segment in segments])
        return _compile_plain(tokens) if tokens == [STAR] else lambda text: False
    if style == "resource" and _is_confined(tokens):
        return _compile_within(tokens)
    return _compile_plain(tokens)


def plain_text(tokens: Sequence[Token]) -> str | None:
    """The text that tokens stand for where all are literals, else None."""
    if all(isinstance(token, str) for token in tokens):
        return "".join([token for token in tokens if isinstance(token, str)])
    return None


def prefix_text(tokens: Sequence[Token]) -> str | None:
    """The literal before a final star where that is all there is, else None."""
    return plain_text(tokens[:-1]) if tokens and tokens[-1] is STAR else None


def _compile_plain(tokens: Sequence[Token]) -> Matcher:
    literal = plain_text(tokens)
    if literal is not None:
        return literal.__eq__
    prefix = prefix_text(tokens)
    if prefix is not None:
        return lambda text: text.startswith(prefix)
    if any(token is ONE for token in tokens):
        return _compile_gapped(tokens)
    return _glob(tokens)


def _glob(tokens: Sequence[Token]) -> Matcher:
    """Match literals with stars between them: each is looked for behind the one before it."""
    parts = [""]
    for token in tokens:
        if token is STAR:
            parts.append("")
        else:
            parts[-1] += str(token)
    head, *middle, tail = parts
    least = sum(map(len, parts))

    def match(text: str) -> bool:
        if not (text.startswith(head) and text.endswith(tail)) or len(text) < least:
            return False
        at, end = len(head), len(text) - len(tail)
        for part in middle:
            at = text.find(part, at, end)
            if at < 0:
                return False
            at += len(part)
        return True

    return match


def _compile_gapped(tokens: Sequence[Token]) -> Matcher:
    """Match patterns with question marks, by a regular expression that never goes back over a star. It is compiled when a
    text first comes along that has what is literal at both ends."""
    head, tail = literal_head(tokens), literal_head(tokens[::-1], backwards=True)
    compiled: re.Pattern[str] | None = None

    def match(text: str) -> bool:
        nonlocal compiled
        if not (text.startswith(head) and text.endswith(tail)):
            return False
        if compiled is None:
            compiled = re.compile(_expression(tokens), re.DOTALL)
        return compiled.fullmatch(text) is not None

    return match


def _expression(tokens: Sequence[Token]) -> str:
    parts: list[str] = [""]
    for token in tokens:
        if token is STAR:
            parts.append("")
        else:
            parts[-1] += "." if token is ONE else re.escape(str(token))
    if len(parts) == 1:
        return parts[0]
    return parts[0] + "".join([f"(?>.*?{part})" for part in parts[1:-1]]) + ".*" + parts[-1]


def literal_head(tokens: Sequence[Token], *, backwards: bool = False) -> str:
    """The literal with which tokens begin; `backwards`: they are in reverse order, and it is the literal with which they end."""
    found = ""
    for token in tokens:
        if not isinstance(token, str):
            break
        found = token + found if backwards else found + token
    return found


def _split(tokens: Sequence[Token]) -> list[list[Token]]:
    """Split tokens at the first five colons of their literals."""
    segments: list[list[Token]] = [[]]
    for token in tokens:
        if not isinstance(token, str):
            segments[-1].append(token)
            continue
        pieces = token.split(":", 6 - len(segments))
        for number, piece in enumerate(pieces):
            if number:
                segments.append([])
            if piece:
                segments[-1].append(piece)
    return segments


def _match_segments(matchers: Sequence[Matcher]) -> Matcher:
    def match(text: str) -> bool:
        given = text.split(":", 5)
        return len(given) == 6 and all(matcher(part) for matcher, part in zip(matchers, given, strict=True))

    return match


def _is_confined(tokens: Sequence[Token]) -> bool:
    """Whether some wildcard within an ARN's first five segments may not match a colon."""
    segments = _split(tokens)
    return len(segments) == 6 and any(
        isinstance(token, Wildcard) and not (token is STAR and number == len(segment) - 1)
        for segment in segments[:5]
        for number, token in enumerate(segment)
    )


def _compile_within(tokens: Sequence[Token]) -> Matcher:
    """Match a pattern with confined wildcards: what matches it matches it as plain text too, which is quick to see."""
    plain = _compile_plain(tokens)
    confined: Matcher | None = None

    def match(text: str) -> bool:
        nonlocal confined
        if not plain(text):
            return False
        if confined is None:
            confined = _compile_confined(tokens)
        return confined(text)

    return match


def _compile_confined(tokens: Sequence[Token]) -> Matcher:
    """Match by sets of states, a bit each: bit i stands for "the first i characters of the pattern have been matched"."""
    wanted: dict[str, int] = {}
    any_one = any_but_colon = stay = stay_but_colon = 0
    state = 1
    segments = _split(tokens)
    for number, segment in enumerate(segments):
        if number:
            wanted[":"] = wanted.get(":", 0) | state
            state <<= 1
        for place, token in enumerate(segment):
            confined = number < 5 and not (token is STAR and place == len(segment) - 1)
            if token is STAR:
                stay_but_colon |= state
                stay |= 0 if confined else state
            elif token is ONE:
                any_but_colon |= state
                any_one |= 0 if confined else state
                state <<= 1
            else:
                for character in str(token):
                    wanted[character] = wanted.get(character, 0) | state
                    state <<= 1

    def match(text: str) -> bool:
        states = 1
        for character in text:
            if character == ":":
                states = ((states & (wanted.get(character, 0) | any_one)) << 1) | (states & stay)
            else:
                states = ((states & (wanted.get(character, 0) | any_but_colon)) << 1) | (states & stay_but_colon)
            if not states:
                return False
        return bool(states & state)

    return match
