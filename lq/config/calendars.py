"""Whether it is open: weekly hours, holidays, and weekends that are worked for them (调休), where the center is. Pure.

Hours of a day are `HH:MM-HH:MM`, in its time zone; the end is not part of them, and 24:00 is the end of the day.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from lq.config.documents import CLOSED, AccessNumber, Calendar

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|(24):(00))")


def local(now: int, time_zone: str) -> datetime:
    """A moment (ms of the epoch) as the clock on the center's wall shows it."""
    return datetime.fromtimestamp(now / 1000, UTC).astimezone(ZoneInfo(time_zone))


def day_began(now: int, time_zone: str) -> int:
    """When the center's day began in which this moment is (both ms of the epoch)."""
    moment = local(now, time_zone)
    return int(datetime.combine(moment.date(), time(), moment.tzinfo).timestamp() * 1000)


def open_at(calendar: Calendar, moment: datetime) -> bool:
    """Whether its hours include this local moment. A worked weekend wins over a holiday, its switch over all."""
    if calendar.override:
        return calendar.override == "open"
    minute = moment.hour * 60 + moment.minute
    return any(start <= minute < end for start, end in map(span, calendar.hours.get(_day(calendar, moment.date()), ())))


def answers(number: AccessNumber, calendar: Calendar | None, moment: datetime) -> str:
    """The target of who calls this access number now. A calendar that is missing closes nothing: he is served."""
    if calendar is None or open_at(calendar, moment):
        return number.target
    return number.closed or f"ivr:{CLOSED.id}"


def _day(calendar: Calendar, day: date) -> str:
    """Whose hours it has; "" when it is closed."""
    if any(first <= day <= last for first, last in map(days, calendar.workdays)):
        return DAYS[0]
    if any(first <= day <= last for first, last in map(days, calendar.holidays)):
        return ""
    return DAYS[day.weekday()]


@lru_cache(maxsize=4096)
def span(text: str) -> tuple[int, int]:
    """The minutes of the day of `09:00-12:00`, from the first to that after the last. Raises ValueError."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError("hours such as 09:00-12:00 are expected")
    hour, minute, end_hour, end_minute = (int(part) for part in found.groups() if part is not None)
    start, end = hour * 60 + minute, end_hour * 60 + end_minute
    if start >= end:
        raise ValueError("they end before they begin; hours over midnight are two, of two days")
    return start, end


@lru_cache(maxsize=4096)
def days(text: str) -> tuple[date, date]:
    """The first and the last day of `2026-10-01` or `2026-10-01/2026-10-07`. Raises ValueError."""
    first, _, last = text.partition("/")
    found = date.fromisoformat(first), date.fromisoformat(last or first)
    if found[0] > found[1]:
        raise ValueError("the last day is before the first")
    return found
