from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lq.config import calendars
from lq.config.documents import Calendar

OFFICE = Calendar(
    "office",
    hours={**dict.fromkeys(calendars.DAYS[:5], ("09:00-12:00", "13:30-18:00")), "sat": ("09:00-24:00",)},
    holidays=("2026-10-01/2026-10-07", "2026-11-23"),
    workdays=("2026-10-10", "2026-10-07"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-24 08:59", False),
        ("2026-11-24 09:00", True),
        ("2026-11-24 11:59", True),
        ("2026-11-24 12:00", False),  # the end is not part of it
        ("2026-11-24 13:29", False),
        ("2026-11-24 13:30", True),
        ("2026-11-24 18:00", False),
        ("2026-11-23 10:00", False),  # one day of holiday
        ("2026-09-30 10:00", True),
        ("2026-10-01 10:00", False),
        ("2026-10-06 10:00", False),
        ("2026-10-07 10:00", True),  # a holiday that is worked
        ("2026-10-10 17:59", True),  # a Saturday with a Monday's hours …
        ("2026-10-10 19:00", False),
        ("2026-10-17 23:59", True),  # … another one with its own
        ("2026-10-18 10:00", False),  # a Sunday: no hours
    ],
)
def test_hours_holidays_and_worked_weekends(moment: str, is_open: bool) -> None:
    assert calendars.open_at(OFFICE, datetime.fromisoformat(moment)) == is_open


@pytest.mark.parametrize(
    ("moment", "zone", "began"),
    [
        ("2026-11-24T15:59:59", "Asia/Shanghai", "2026-11-23T16:00:00"),
        ("2026-11-24T16:00:00", "Asia/Shanghai", "2026-11-24T16:00:00"),
        ("2026-03-29T12:00:00", "Europe/Berlin", "2026-03-28T23:00:00"),  # the day that has 23 hours
    ],
)
def test_a_day_begins_at_the_centers_midnight(moment: str, zone: str, began: str) -> None:
    at, expected = (round(datetime.fromisoformat(f"{text}+00:00").timestamp() * 1000) for text in (moment, began))
    assert calendars.day_began(at, zone) == expected


def test_the_moment_is_the_centers() -> None:
    at = int(datetime.fromisoformat("2026-11-24T01:00:00+00:00").timestamp() * 1000)
    assert calendars.open_at(OFFICE, calendars.local(at, "Asia/Shanghai"))
    assert not calendars.open_at(OFFICE, calendars.local(at, "Europe/London"))


@given(st.integers(0, 60 * 24 * 400))
def test_an_empty_calendar_is_never_open_and_a_full_one_always(minutes: int) -> None:
    moment = datetime(2026, 1, 1) + timedelta(minutes=minutes)
    assert not calendars.open_at(Calendar("none"), moment)
    assert calendars.open_at(Calendar("all", hours=dict.fromkeys(calendars.DAYS, ("00:00-24:00",))), moment)


@pytest.mark.parametrize(
    "text", ["", "9:00-12:00", "09:00", "09:00-09:00", "12:00-09:00", "24:00-24:00", "09:60-10:00"]
)
def test_hours_that_are_none(text: str) -> None:
    with pytest.raises(ValueError):
        calendars.span(text)


@pytest.mark.parametrize("text", ["", "2026-13-01", "2026-10-07/2026-10-01", "1 Oct", "2026-02-29", "2026-10-01/x"])
def test_days_that_are_none(text: str) -> None:
    with pytest.raises(ValueError):
        calendars.days(text)


def test_the_switch_wins_over_hours_holidays_and_worked_weekends() -> None:
    for moment in ("2026-11-24 10:00", "2026-10-01 10:00", "2026-10-10 12:00", "2026-11-24 03:00"):
        at = datetime.fromisoformat(moment)
        assert calendars.open_at(replace(OFFICE, override="open"), at)
        assert not calendars.open_at(replace(OFFICE, override="closed"), at)
