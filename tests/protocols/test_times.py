"""Timestamps in the three formats that AWS has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awning.protocols import times


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2015-10-21T07:28:00Z", 1445412480),
        ("2015-10-21T07:28:00.125Z", 1445412480.125),
        ("2015-10-21T09:28:00+02:00", 1445412480),
        ("2015-10-21T02:28:00-0500", 1445412480),
        ("2015-10-21", 1445385600),
        ("20151021T072800Z", 1445412480),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 1445412480),
        ("Wednesday, 21-Oct-2015 07:28:00 GMT", 1445412480),
        ("21 Oct 2015 07:28:00 +0000", 1445412480),
        (" 1445412480 ", 1445412480),
        ("1445412480.5", 1445412480.5),
    ],
)
def test_text_becomes_seconds(text: str, seconds: float) -> None:
    assert times.from_text(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "now", "2015-13-01T00:00:00Z", "2015-02-30", "Wed, 21 Foo 2015 07:28:00 GMT", "2015-10-21T25:00:00Z", "1" * 40,
     "999999999999", "2015-10-21T00:00:00+99:00", "٢٠١٥-10-21", "Wed, 99 Oct 2015 07:28:00 GMT", "inf", "nan"],
)  # fmt: skip
def test_other_text_is_no_timestamp(text: str) -> None:
    with pytest.raises(ValueError):
        times.from_text(text)


def test_written_forms() -> None:
    assert times.to_iso8601(1445412480.9) == "2015-10-21T07:28:00Z"
    assert times.to_iso8601_millis(1445412480.25) == "2015-10-21T07:28:00.250Z"
    assert times.to_rfc822(1445412480.9) == "Wed, 21 Oct 2015 07:28:00 GMT"
    assert times.to_epoch(1445412480.0) == 1445412480
    assert times.to_epoch(1.23456) == 1.235
    assert (
        times.to_iso8601(datetime(2015, 10, 21, 9, 28, tzinfo=timezone(timedelta(hours=2)))) == "2015-10-21T07:28:00Z"
    )
    assert times.to_iso8601(datetime(2015, 10, 21, 7, 28)) == "2015-10-21T07:28:00Z"


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 12, 31), timezones=st.just(UTC)))
def test_what_is_written_is_read_back(moment: datetime) -> None:
    whole = moment.replace(microsecond=0)
    assert times.from_text(times.to_iso8601(moment)) == whole.timestamp()
    assert times.from_text(times.to_rfc822(moment)) == whole.timestamp()
    assert times.from_text(times.to_iso8601_millis(whole.timestamp())) == whole.timestamp()
    assert times.to_iso8601(moment) == whole.strftime("%Y-%m-%dT%H:%M:%SZ")
