"""Conditions of policies: every operator of IAM, compiled once, asked with a request's context.

A context maps lower-case condition keys to a text, number, bool, bytes, or a list of these; only `get` is called on it.
Source: "IAM JSON policy elements: Condition operators" and "Multivalued context keys" of the IAM user guide.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from awning.auth.patterns import Style, Template, Token, Variable, compile_tokens, resolve, text_of, tokenise

Test = Callable[[Any, Mapping[str, Any]], bool]
"""Whether one value of the context matches one value of the policy."""

_OPERATOR = re.compile(r"(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?")
_SECONDS = re.compile(r"-?\d{5,}(?:\.\d+)?")
_DATE = re.compile(
    r"(-?\d+)(?:-(\d\d?))?(?:-(\d\d?))?"
    r"(?:[tT](?:(\d\d?)(?::(\d\d?)(?::(\d\d?)(?:\.(\d{1,9}))?)?)?)?(?:[zZ]|([+-])(\d\d)(?::?(\d\d))?)?)?"
)
_LEAST = (0, 1, 1, 0, 0, 0)
_LAST_YEAR = 292_278_993
_LAST_SECOND = 2**63 - 1


class Condition:
    """One operator on one key. `holds(context)` says whether it is met.

    identity: what it has in common with all others that say the same. varies: it has variables, so that its key's value
    alone does not tell. of_date: it compares dates, and its key's value is seldom the same for long.
    """

    __slots__ = (
        "_if_exists",
        "_negated",
        "_null",
        "_quantifier",
        "_tests",
        "identity",
        "key",
        "of_date",
        "operator",
        "values",
        "varies",
    )

    def __init__(self, name: str, key: str, values: Sequence[str], *, variables: bool, stored: bool = False) -> None:
        parts = _parts_of(name)
        if parts is None:
            raise ValueError(f"Invalid Condition type : {name}")
        quantifier, base, if_exists = parts
        if not key or key != key.strip():
            raise ValueError(f"Policy has an invalid condition key : {key}")
        self.operator = name
        self.key = key.lower()
        self.values = tuple(values)
        self._quantifier = quantifier
        self._negated = OPERATORS[base][0]
        self._if_exists = if_exists
        self._null = base == "Null"
        self.varies = variables and any("${" in value for value in values)
        self.of_date = base.startswith("Date")
        self.identity = (name, self.key, self.values, variables)
        self._tests: tuple[Test, ...] | None = None
        if not stored:
            self._compile()

    def _compile(self) -> tuple[Test, ...]:
        """Raises ValueError."""
        _, compile_value = OPERATORS[base_of(self.operator) or ""]
        self._tests = tests = tuple([compile_value(value, self.identity[3]) for value in self.values])
        return tests

    def holds(self, context: Mapping[str, Any]) -> bool:
        """Whether the condition is met."""
        value = context.get(self.key)
        tests = self._tests if self._tests is not None else self._compile()
        if self._null:
            absent = value is None or value in ([], ())
            return any(test(absent, context) for test in tests)
        several = isinstance(value, (list, tuple, set, frozenset))
        if value is None or (several and not value):
            if self._quantifier is None:
                return self._if_exists or self._negated
            return self._if_exists or self._quantifier == "ForAllValues"
        if not several:
            return self._met(value, context)
        if self._quantifier == "ForAllValues":
            return all(self._met(one, context) for one in value)
        if self._quantifier == "ForAnyValue":
            return any(self._met(one, context) for one in value)
        return self._negated != any(test(one, context) for one in value for test in tests)

    def _met(self, value: Any, context: Mapping[str, Any]) -> bool:
        for test in self._tests or ():
            if test(value, context):
                return not self._negated
        return self._negated


def compile_conditions(
    block: Mapping[str, Mapping[str, Sequence[str]]], *, variables: bool, stored: bool = False
) -> tuple[Condition, ...]:
    """Compile a Condition element whose values have been made lists of text. Raises ValueError with IAM's message.

    stored: the values have been found good before, and are compiled when they are first compared.
    """
    return tuple(
        [
            Condition(name, key, values, variables=variables, stored=stored)
            for name, keys in block.items()
            for key, values in keys.items()
        ]
    )


def _string(*, like: bool = False, fold: bool = False) -> Callable[[str, bool], Test]:
    def compile_value(value: str, variables: bool) -> Test:
        tokens = tokenise(value.casefold() if fold else value, wildcards=like, variables=variables)
        return _pattern(tokens, "plain", fold)

    return compile_value


def _arn(value: str, variables: bool) -> Test:
    return _pattern(tokenise(value, wildcards=True, variables=variables), "arn", False)


def _pattern(tokens: list[Token], style: Style, fold: bool) -> Test:
    if not any(isinstance(token, Variable) for token in tokens):
        fixed = compile_tokens(tokens, style)
        if fold:
            return lambda value, _: fixed(text_of(value).casefold())
        return lambda value, _: fixed(value if isinstance(value, str) else text_of(value))

    if fold:

        def test(value: Any, context: Mapping[str, Any]) -> bool:
            resolved = resolve(tokens, context)
            if resolved is None:
                return False
            return "".join([str(token) for token in resolved]).casefold() == text_of(value).casefold()

        return test
    template = Template(tokens, style)
    return lambda value, context: template.matches(text_of(value), context)


def _numeric(compare: Callable[[Any, Any], bool]) -> Callable[[str, bool], Test]:
    def compile_value(value: str, variables: bool) -> Test:
        del variables
        try:
            wanted = float(value)
        except ValueError:
            raise ValueError(f"Invalid value {value!r} for a numeric condition") from None

        def test(given: Any, _: Mapping[str, Any]) -> bool:
            try:
                return compare(float(given), wanted)
            except (TypeError, ValueError):
                return False

        return test

    return compile_value


def base_of(name: str) -> str | None:
    """The operator without its prefix and suffix ("ForAnyValue:StringEqualsIfExists" is StringEquals); None for what is none."""
    parts = _parts_of(name)
    return None if parts is None else parts[1]


@lru_cache(maxsize=256)
def _parts_of(name: str) -> tuple[str | None, str, bool] | None:
    """An operator's quantifier, the operator itself, and whether it is met where the key is absent; None for what is none."""
    found = _OPERATOR.fullmatch(name)
    if found is None or found.group(2) not in OPERATORS or (found.group(2) == "Null" and found.group(3)):
        return None
    return found.group(1), found.group(2), found.group(3) is not None


def read_date(value: Any) -> float:
    """Seconds since the epoch of a date in ISO 8601 (or its beginning: a year, a month), or given as such seconds.

    Raises ValueError. Years beyond those of calendars are taken, as IAM does.
    """
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, (int, float)):
        return float(value)
    text = str(value).strip()
    if _SECONDS.fullmatch(text):
        seconds = float(text)
        if seconds > _LAST_SECOND:
            raise ValueError(f"{text} is too far off")
        return seconds
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text} is no date")
    year, month, day, hour, minute, second = (
        int(part or least) for part, least in zip(found.groups()[:6], _LEAST, strict=True)
    )
    if not (
        -_LAST_YEAR <= year <= _LAST_YEAR
        and 1 <= month <= 12
        and 1 <= day <= 31
        and hour < 24
        and minute < 60
        and second < 60
    ):
        raise ValueError(f"{text} is no date")
    sign, hours, minutes = found.group(8, 9, 10)
    if hours and (int(hours) > 23 or int(minutes or 0) > 59):
        raise ValueError(f"{text} has no such zone")
    east = (int(hours or 0) * 3600 + int(minutes or 0) * 60) * (-1 if sign == "-" else 1)
    of_day = hour * 3600 + minute * 60 + second - east
    return _days(year, month, day) * 86400.0 + of_day + float("0." + (found.group(7) or "0"))


_date_of_text = lru_cache(maxsize=256)(read_date)


def _days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a day of the Gregorian calendar, whatever the year: by counting years from March."""
    if month <= 2:
        year -= 1
    since_march = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + since_march - 719468


def _date(compare: Callable[[Any, Any], bool]) -> Callable[[str, bool], Test]:
    def compile_value(value: str, variables: bool) -> Test:
        del variables
        try:
            wanted = read_date(value)
        except ValueError:
            raise ValueError(f"Invalid value {value!r} for a date condition") from None

        def test(given: Any, _: Mapping[str, Any]) -> bool:
            try:
                return compare(_date_of_text(given) if isinstance(given, str) else read_date(given), wanted)
            except ValueError:
                return False

        return test

    return compile_value


def _truth(value: str, variables: bool) -> Test:
    if value.lower() in ("true", "false"):
        wanted = value.lower()
        return lambda given, _: text_of(given).lower() == wanted
    if variables and "${" in value:
        return _pattern(tokenise(value, wildcards=False, variables=True), "plain", True)
    raise ValueError(f"Invalid value {value!r} for a Boolean condition")


def _binary(value: str, variables: bool) -> Test:
    del variables
    try:
        wanted = base64.b64decode(value, validate=True)
    except binascii.Error:
        raise ValueError(f"Invalid value {value!r} for a binary condition") from None

    def test(given: Any, _: Mapping[str, Any]) -> bool:
        if isinstance(given, bytes):
            return given == wanted
        try:
            return base64.b64decode(str(given), validate=True) == wanted
        except binascii.Error:
            return False

    return test


def _address(value: str, variables: bool) -> Test:
    del variables
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f"Invalid IP address or range {value!r}") from None

    def test(given: Any, _: Mapping[str, Any]) -> bool:
        address = _read_address(str(given))
        return address is not None and address in network

    return test


@lru_cache(maxsize=1024)
def _read_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address; None for what is none. An IPv4 address within IPv6 counts as itself."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _null(value: str, variables: bool) -> Test:
    del variables
    if value.lower() not in ("true", "false"):
        raise ValueError(f"Invalid value {value!r} for a Null condition")
    wanted = value.lower() == "true"
    return lambda absent, _: absent is wanted


OPERATORS: Mapping[str, tuple[bool, Callable[[str, bool], Test]]] = {
    "StringEquals": (False, _string()),
    "StringNotEquals": (True, _string()),
    "StringEqualsIgnoreCase": (False, _string(fold=True)),
    "StringNotEqualsIgnoreCase": (True, _string(fold=True)),
    "StringLike": (False, _string(like=True)),
    "StringNotLike": (True, _string(like=True)),
    "NumericEquals": (False, _numeric(operator.eq)),
    "NumericNotEquals": (True, _numeric(operator.eq)),
    "NumericLessThan": (False, _numeric(operator.lt)),
    "NumericLessThanEquals": (False, _numeric(operator.le)),
    "NumericGreaterThan": (False, _numeric(operator.gt)),
    "NumericGreaterThanEquals": (False, _numeric(operator.ge)),
    "DateEquals": (False, _date(operator.eq)),
    "DateNotEquals": (True, _date(operator.eq)),
    "DateLessThan": (False, _date(operator.lt)),
    "DateLessThanEquals": (False, _date(operator.le)),
    "DateGreaterThan": (False, _date(operator.gt)),
    "DateGreaterThanEquals": (False, _date(operator.ge)),
    "Bool": (False, _truth),
    "BinaryEquals": (False, _binary),
    "IpAddress": (False, _address),
    "NotIpAddress": (True, _address),
    "ArnEquals": (False, _arn),
    "ArnLike": (False, _arn),
    "ArnNotEquals": (True, _arn),
    "ArnNotLike": (True, _arn),
    "Null": (False, _null),
}
"""Each operator: whether it is the negation of its test, and how a value of the policy becomes a test."""
