"""What a filter policy says of one property: its list of values and operators, compiled into one predicate. Pure.

Source: "Amazon SNS subscription filter policies" in the SNS developer guide; the texts of errors are AWS's.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import orjson

RESERVED = frozenset(
    ("anything-but", "cidr", "equals-ignore-case", "exists", "numeric", "prefix", "suffix", "wildcard")
)
"""Operators: alternatives of an `$or` may not have them for names."""

_LARGEST = 10**9
_SCALE = 100_000  # Five digits after the decimal point count.

OnText = Callable[[str], bool]
OnNumber = Callable[[int], bool]


class Rule:
    """The alternatives for one property. `matches(value)` takes a string, number, True, False or None.

    absent: whether a message without the property matches too.
    """

    __slots__ = ("_but", "_constants", "_numbers", "_on_number", "_on_text", "_texts", "_tokens", "absent", "present")

    def __init__(self, values: Sequence[Any]) -> None:
        """Raises ValueError."""
        self._texts: frozenset[str] = frozenset([value for value in values if isinstance(value, str)])
        literals = [value for value in values if _is_number(value)]
        self._numbers = frozenset([scaled for scaled in map(scale, literals) if scaled is not None])
        self._tokens = frozenset([value for value in literals if scale(value) is None])
        self._constants = tuple([value for value in values if value is None or isinstance(value, bool)])
        self._on_text: tuple[OnText, ...] = ()
        self._on_number: tuple[OnNumber, ...] = ()
        self._but = False
        self.absent = False
        self.present = False
        for value in values:
            if isinstance(value, dict):
                self._add(value)
            elif isinstance(value, list):
                raise ValueError("Match value must be String, number, true, false, or null")

    def matches(self, value: Any) -> bool:
        """Whether a value of the message is one of these."""
        if self.present:
            return True
        kind = type(value)
        if kind is str:
            if value in self._texts:
                return True
            return any(on_text(value) for on_text in self._on_text) if self._on_text else False
        if kind is int or kind is float:
            scaled = scale(value)
            if scaled is None:
                return self._but or value in self._tokens
            if scaled in self._numbers:
                return True
            return any(on_number(scaled) for on_number in self._on_number)
        return self._but or any(value is constant for constant in self._constants)

    def _add(self, expression: dict[str, Any]) -> None:
        """Take one operator in, in the order in which AWS's parser finds fault."""
        if not expression:
            raise ValueError("Match expression name not found")
        name, operand = next(iter(expression.items()))
        if name == "exists":
            if not isinstance(operand, bool):
                raise ValueError("exists match pattern must be either true or false.")
            if operand:
                self.present = True
            else:
                self.absent = True
        elif name == "numeric":
            self._on_number += (_numeric(operand),)
        elif name == "anything-but":
            outcome = _anything_but(operand)
            self._but = True
            self._on_text += (outcome.on_text,)
            self._on_number += (outcome.on_number,)
        else:
            self._on_text += (_on_text(name, operand),)
        if len(expression) > 1:
            raise ValueError("Only one key allowed in match expression")


class _But(NamedTuple):
    on_text: OnText
    on_number: OnNumber


def scale(number: int | float) -> int | None:
    """A number as comparisons see it: to five digits after the point; None where it is beyond what policies compare."""
    if not -_LARGEST <= number <= _LARGEST:
        return None
    return number * _SCALE if isinstance(number, int) else round(number * _SCALE)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _in_range(number: int | float) -> int:
    scaled = scale(number)
    if scaled is None:
        raise ValueError("Value must be between -1.0E9 and 1.0E9, inclusive")
    return scaled


def _text(name: str, operand: Any) -> str:
    if not isinstance(operand, str):
        raise ValueError(f"{name} match pattern must be a string")
    return operand


def _on_text(name: str, operand: Any) -> OnText:
    if name == "prefix":
        prefix = _text(name, operand)
        return lambda value: value.startswith(prefix)
    if name == "suffix":
        suffix = _text(name, operand)
        return lambda value: value.endswith(suffix)
    if name == "equals-ignore-case":
        lower = _text(name, operand).lower()
        return lambda value: value.lower() == lower
    if name == "wildcard":
        return _wildcard(_text(name, operand))
    if name == "cidr":
        return _cidr(operand)
    raise ValueError(f"Unrecognized match type {name}")


def _anything_but(operand: Any) -> _But:
    if isinstance(operand, dict):
        return _anything_but_like(operand)
    if not isinstance(operand, list | str) and not _is_number(operand):
        raise ValueError("Value of anything-but must be an array or single string/number value.")
    values = operand if isinstance(operand, list) else [operand]
    for value in values:
        if not isinstance(value, str) and not _is_number(value):
            raise ValueError("Inside anything but list, start|null|boolean is not supported.")
    texts = frozenset([value for value in values if isinstance(value, str)])
    numbers = frozenset([_in_range(value) for value in values if _is_number(value)])
    if bool(texts) == bool(numbers):
        raise ValueError(
            "Inside anything but list, either all values are number or string, mixed type is not supported"
        )
    return _But(lambda value: value not in texts, lambda value: value not in numbers)


def _anything_but_like(expression: dict[str, Any]) -> _But:
    if not expression:
        raise ValueError("Anything-But expression name not found")
    name, operand = next(iter(expression.items()))
    if name not in ("prefix", "equals-ignore-case", "wildcard"):
        raise ValueError(f"Unsupported anything-but pattern: {name}")
    likes = tuple([_on_text(name, each) for each in (operand if isinstance(operand, list) else [operand])])
    if not likes or (name == "prefix" and operand == ""):
        raise ValueError("Null prefix/suffix not allowed")
    if len(expression) > 1:
        raise ValueError("Only one key allowed in match expression")
    return _But(lambda value: not any(like(value) for like in likes), lambda value: True)


def _wildcard(pattern: str) -> OnText:
    """A star is any text; a backslash before a star or a backslash takes it literally."""
    pieces = [""]
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if character == "\\":
            at += 1
            if pattern[at : at + 1] not in ("*", "\\"):
                raise ValueError(f"Invalid escape character at pos {at}")
            pieces[-1] += pattern[at]
        elif character == "*":
            if pattern[at + 1 : at + 2] == "*":
                raise ValueError(f"Consecutive wildcard characters at pos {at + 1}")
            pieces.append("")
        else:
            pieces[-1] += character
        at += 1
    if len(pieces) == 1:
        return pieces[0].__eq__
    quoted = [re.escape(piece) for piece in pieces]
    # Each piece between stars is taken where it first comes and never again: time is linear in the text.
    source = quoted[0] + "".join([f"(?>.*?{piece})" for piece in quoted[1:-1]]) + ".*" + quoted[-1]
    compiled = re.compile(source, re.DOTALL)
    return lambda value: compiled.fullmatch(value) is not None


def _cidr(operand: Any) -> OnText:
    text = _text("prefix", operand)  # AWS's own text names the wrong operator.
    address, slash, mask = text.partition("/")
    if not slash or "/" in mask:
        raise ValueError("Malformed CIDR, one '/' required")
    if not re.fullmatch(r"-?[0-9]{1,9}", mask):
        raise ValueError("Malformed CIDR, mask bits must be an integer")
    try:
        wanted = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"Nonstandard IP address: {address}") from None

    def within(value: str) -> bool:
        try:
            return ipaddress.ip_address(value) in wanted
        except ValueError:
            return False

    return within


def _numeric(terms: Any) -> OnNumber:
    if not isinstance(terms, list):
        raise ValueError("Value of numeric must be an array.")
    if not terms or not isinstance(terms[0], str):
        raise ValueError(f"Invalid member in numeric match: {_token(terms[0]) if terms else ']'}")
    operator = terms[0]
    if operator not in ("=", "<", "<=", ">", ">="):
        raise ValueError(f"Unrecognized numeric range operator: {operator}")
    bound = _bound(terms, 1)
    if len(terms) > 2 and operator not in (">", ">="):
        raise ValueError("Too many elements in numeric expression")
    first = _compare(operator, bound)
    if len(terms) == 2:
        return first
    if not isinstance(terms[2], str):
        raise ValueError(f"Bad value in numeric range: {_token(terms[2])}")
    if terms[2] not in ("<", "<="):
        raise ValueError(f"Bad numeric range operator: {terms[2]}")
    top = _bound(terms, 3)
    if len(terms) > 4:
        raise ValueError("Too many terms in numeric range expression")
    if top <= bound:
        raise ValueError("Bottom must be less than top")
    second = _compare(terms[2], top)
    return lambda value: first(value) and second(value)


def _bound(terms: list[Any], place: int) -> int:
    if place >= len(terms) or not _is_number(terms[place]):
        operator = terms[place - 1]
        raise ValueError(f"Value of {'equals' if operator == '=' else operator} must be numeric")
    return _in_range(terms[place])


def _token(value: Any) -> str:
    """A JSON value as AWS's texts show it: by its first token."""
    if isinstance(value, list | dict):
        return "[" if isinstance(value, list) else "{"
    return orjson.dumps(value).decode()


def _compare(operator: str, bound: int) -> OnNumber:
    if operator == "=":
        return bound.__eq__
    if operator == "<":
        return bound.__gt__
    if operator == "<=":
        return bound.__ge__
    if operator == ">":
        return bound.__lt__
    return bound.__le__
