"""Timestamps on the wire: ISO 8601, RFC 822 and epoch seconds from and to seconds since the epoch.

A timestamp is a number of seconds (float) inside awning; a datetime is taken too when a reply is written.
"""

from __future__ import annotations

import calendar
import re
from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from functools import lru_cache

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_BASIC = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)()(Z)", re.ASCII)
_HTTP = re.compile(
    r"(?:[A-Za-z]{3,9}, )?(\d{1,2})[ -]([A-Za-z]{3})[ -](\d{4}) (\d\d):(\d\d):(\d\d) (?:GMT|UTC|([+-]\d{4}))"
)
_MONTHS = {name: month for month, name in enumerate(map(str.lower, calendar.month_abbr))}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 - datetime.UTC says the same less plainly
_MILLIS = tuple(f".{part:03}Z" for part in range(1000))
_TWO = tuple(f"{part:02}" for part in range(60))
_LATEST = 253402300799.0  # the end of year 9999, beyond which no calendar format goes


def from_iso8601(text: str) -> float:
    """Seconds since the epoch. Raises ValueError."""
    found = _ISO.fullmatch(text) or _BASIC.fullmatch(text)
    if found is None:
        raise ValueError(text)
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    micro = int(((fraction or "") + "000000")[:6])
    moment = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), micro)
    return (moment.replace(tzinfo=_EPOCH.tzinfo) - _EPOCH).total_seconds() - _offset(zone)


def from_rfc822(text: str) -> float:
    """Seconds since the epoch, from an HTTP date such as `Wed, 21 Oct 2015 07:28:00 GMT`. Raises ValueError."""
    found = _HTTP.fullmatch(text)
    if found is None or (month := _MONTHS.get(found[2].lower())) is None:
        raise ValueError(text)
    moment = datetime(int(found[3]), month, int(found[1]), int(found[4]), int(found[5]), int(found[6]))
    return (moment.replace(tzinfo=_EPOCH.tzinfo) - _EPOCH).total_seconds() - _offset(found[7])


def from_text(text: str) -> float:
    """Any of the three formats, as the services themselves are tolerant. Raises ValueError."""
    text = text.strip()
    if re.fullmatch(r"-?\d{1,12}(\.\d{1,9})?", text, re.ASCII):
        return _bounded(float(text))
    if (text[:1].isdigit() and "-" in text[:5]) or text[8:9] == "T":
        return from_iso8601(text)
    return from_rfc822(text)


def from_number(value: float) -> float:
    """Epoch seconds out of JSON. Raises ValueError for what no calendar has."""
    return _bounded(float(value))


def _bounded(value: float) -> float:
    if not -62135596800.0 <= value <= _LATEST:
        raise ValueError(value)
    return value


def _offset(zone: str | None) -> float:
    if zone is None or zone in "Zz":
        return 0.0
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 23 or minutes > 59:
        raise ValueError(zone)
    return (3600 * hours + 60 * minutes) * (-1 if zone[0] == "-" else 1)


def seconds(value: float | datetime) -> float:
    """Seconds since the epoch of a timestamp that an operation returned; a naive datetime is UTC."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=_EPOCH.tzinfo)).timestamp()
    return value


@lru_cache(maxsize=1024)
def _day(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).date().isoformat()


@lru_cache(maxsize=4096)
def _iso(whole: int) -> str:
    day, second = divmod(whole, 86400)
    minute, second = divmod(second, 60)
    return f"{_day(day)}T{_TWO[minute // 60]}:{_TWO[minute % 60]}:{_TWO[second]}"


def to_iso8601(value: float | datetime) -> str:
    """`2009-10-12T17:50:30Z`, as the query services write it."""
    return _iso(int(seconds(value) // 1)) + "Z"


def to_iso8601_millis(value: float | datetime) -> str:
    """`2009-10-12T17:50:30.000Z`, as S3 writes it in XML."""
    if type(value) is int:
        return _iso(value) + ".000Z"
    thousandths = int((value if type(value) is float else seconds(value)) * 1000)
    return _iso(thousandths // 1000) + _MILLIS[thousandths % 1000]


@lru_cache(maxsize=4096)
def _http_date(whole: int) -> str:
    return formatdate(whole, usegmt=True)


def to_rfc822(value: float | datetime) -> str:
    """`Wed, 21 Oct 2015 07:28:00 GMT`."""
    return _http_date(int(seconds(value) // 1))


def to_epoch(value: float | datetime) -> float:
    """Epoch seconds, a whole number where it is one."""
    number = seconds(value)
    return int(number) if number == int(number) else round(number, 3)
