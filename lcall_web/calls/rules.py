"""What a search of the call list means, and how the life of a call is drawn. Pure."""

from __future__ import annotations

import base64
import binascii
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final
from zoneinfo import ZoneInfo

from lcall_web.common.i18n import mark
from lcall_web.common.words import DIRECTIONS, ENDED_BY, RESULTS, SEGMENTS
from lcall_web.common.written import printable
from lq.sdk import Segment

COMPLETE: Final = 10  # digits from which a number may have had a prefix in front of it
LAST: Final = 4  # digits that show of a masked number
FEW: Final = 4  # digits from which not many numbers have them
LONGEST: Final = 64
PUNCTUATION: Final = "+-(). \t"
INSTANT: Final = timedelta(microseconds=1)  # of PostgreSQL's clock
A_DAY: Final = timedelta(days=1)

DAY: Final = mark("请按 2026-11-24 的格式填写日期。")
ORDER: Final = mark("结束日期早于开始日期。")
DIGITS: Final = mark("号码只能包含数字。")
TOO_LONG: Final = mark("内容太长。")
UNKNOWN: Final = mark("没有这个选项。")
LENGTH: Final = mark("请填秒数，或 1:30 这样的时长。")
LENGTHS: Final = mark("最长时长小于最短时长。")
TIME: Final = mark("请按 09:30 的格式填写时间。")
CAUSE: Final = mark("原因码是 1 到 127 的数字。")
CALL_ID: Final = mark("通话编号只有字母、数字和短横线。")


@dataclass(frozen=True, slots=True)
class Hours:
    """A stretch of every day, both ends in it; over midnight if it ends before it begins."""

    first: time
    last: time
    zone: str

    def windows(self, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
        """From `start` to `end`, not beyond them: from each, before each, in order. By the clock: an hour that comes
        twice when summer time ends is in both times, one that is left out in none."""
        return [window for part in _steady(start, end, ZoneInfo(self.zone)) for window in self._within(*part)]

    def _within(self, start: datetime, end: datetime, clock: timezone) -> Iterator[tuple[datetime, datetime]]:
        day = start.astimezone(clock).date() - A_DAY
        while (begin := datetime.combine(day, self.first, clock).astimezone(UTC)) < end:
            ends_on = day if self.first <= self.last else day + A_DAY
            over = datetime.combine(ends_on, self.last, clock).astimezone(UTC) + INSTANT
            if over > start:
                yield max(begin, start), min(over, end)
            day += A_DAY


def _steady(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime, timezone]]:
    """The parts of it in which the clock does not jump, each with its distance from UTC."""

    def distance(moment: datetime) -> timedelta:
        found = moment.astimezone(zone).utcoffset()
        assert found is not None
        return found

    while start < end:
        here, over = distance(start), start
        while over < end and distance(over + A_DAY) == here:
            over += A_DAY
        after = over + A_DAY
        while over < end and after - over > INSTANT:
            middle = over + (after - over) // 2
            over, after = (middle, after) if distance(middle) == here else (over, middle)
        yield start, min(after, end), timezone(here)
        start = after


@dataclass(frozen=True, slots=True)
class Search:
    """Times have their zone; `patterns` are for LIKE. None: it does not matter."""

    start: datetime | None = None
    end: datetime | None = None  # before this
    patterns: tuple[str, ...] | None = None
    agent: str | None = None
    queue: str | None = None
    direction: str | None = None
    result: str | None = None
    trunk: str | None = None
    least_s: float | None = None  # of talk
    most_s: float | None = None
    code: str | None = None  # of the wrap-up, or one that this stands below
    recorded: bool | None = None
    hours: Hours | None = None
    customer: tuple[str, ...] = ()  # all of these stand in his name
    ended_by: str | None = None
    cause: int | None = None  # Q.850
    call: str | None = None  # its id
    waited_s: float | None = None  # at least
    after: tuple[datetime, str] | None = None  # the last call of the page before

    @property
    def few(self) -> bool:
        """Its calls are few in any history, and an index finds them: of numbers, of ids."""
        known = self.patterns is not None and all(len(each.strip("%+")) >= FEW for each in self.patterns)
        return known or bool(self.customer) or self.call is not None


@dataclass(frozen=True, slots=True)
class Form:
    """What was written, as it was written, and what is wrong with it."""

    given: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)


TIMES: Final = ("at_from", "at_to")
MORE: Final = (  # shown when they are wanted
    *(*TIMES, "customer", "waited", "least", "most", "trunk", "code", "recorded", "ended_by", "cause", "call"),
)
FIELDS: Final = ("from", "to", "number", "agent", "queue", "direction", "result", *MORE, "cursor")
RECORDED: Final[Mapping[str, str]] = {"yes": mark("有录音"), "no": mark("无录音")}
LONGEST_S: Final = 86_400
WORDS: Final = 5  # of a name
LAST_CAUSE: Final = 127
FIRST_YEAR, LAST_YEAR = 2000, 2999
CLOCK: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
CALL: Final = re.compile(r"[A-Za-z0-9-]{1,64}")


def read(
    given: Mapping[str, str], zone: str, now: datetime, numbers_whole: bool, customers: bool = True
) -> tuple[Search, Form]:
    """A search as it was asked for; without any wish: today's calls. A call's id is looked for on all days."""
    today = now.astimezone(ZoneInfo(zone)).date()
    wishes = {name: given.get(name, "").strip() for name in FIELDS}
    if not set(given) & {"from", "to"}:
        wishes["from"] = today.isoformat()
    errors: dict[str, str] = {}

    def taken(name: str, known: Mapping[str, str] | None = None) -> str | None:
        value = wishes[name]
        if not value:
            return None
        if len(value) > LONGEST or not printable(value):
            errors[name] = TOO_LONG
        elif known is not None and value not in known:
            errors[name] = UNKNOWN
        else:
            return value
        return None

    first, last = (_day(wishes, name, errors) for name in ("from", "to"))
    if first and last and last < first:
        errors["to"] = ORDER
    least, most, waited = (_length(wishes, name, errors) for name in ("least", "most", "waited"))
    if least is not None and most is not None and most < least:
        errors["most"] = LENGTHS
    recorded = taken("recorded", RECORDED)
    patterns = None
    if wishes["number"]:
        digits = plain(wishes["number"])
        if digits is None:
            errors["number"] = DIGITS
        else:
            patterns = number_patterns(digits, numbers_whole)
    if wishes["customer"] and not customers:
        errors["customer"] = UNKNOWN
    call = taken("call")
    if call is not None and not CALL.fullmatch(call):
        errors["call"] = CALL_ID
    search = Search(
        start=_midnight(first, zone) if first and call is None else None,
        end=_midnight(last + A_DAY, zone) if last and call is None else None,
        patterns=patterns,
        agent=taken("agent"),
        queue=taken("queue"),
        direction=taken("direction", DIRECTIONS),
        result=taken("result", RESULTS),
        trunk=taken("trunk"),
        least_s=least,
        most_s=most,
        code=taken("code"),
        recorded=None if recorded is None else recorded == "yes",
        hours=_hours(wishes, zone, errors),
        customer=tuple((taken("customer") or "").split()[:WORDS]),
        ended_by=taken("ended_by", ENDED_BY),
        cause=_cause(wishes, errors),
        call=call,
        waited_s=waited,
        after=behind(wishes["cursor"]),
    )
    return search, Form(wishes, errors)


def _day(wishes: Mapping[str, str], name: str, errors: dict[str, str]) -> date | None:
    if not wishes[name]:
        return None
    try:
        found = date.fromisoformat(wishes[name])
    except ValueError:
        errors[name] = DAY
        return None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        errors[name] = DAY
        return None
    return found


def _hours(wishes: Mapping[str, str], zone: str, errors: dict[str, str]) -> Hours | None:
    if not any(wishes[name] for name in TIMES):
        return None
    found = []
    for name, default in zip(TIMES, ("00:00", "23:59"), strict=True):
        written = CLOCK.fullmatch(wishes[name] or default)
        if written is None:
            errors[name] = TIME
            return None
        found.append(time(int(written[1]), int(written[2])))
    return Hours(found[0], found[1].replace(second=59, microsecond=999_999), zone)


def _cause(wishes: Mapping[str, str], errors: dict[str, str]) -> int | None:
    written = wishes["cause"]
    if not written:
        return None
    if not (written.isascii() and written.isdigit() and len(written) <= 3 and 0 < int(written) <= LAST_CAUSE):
        errors["cause"] = CAUSE
        return None
    return int(written)


def _length(wishes: Mapping[str, str], name: str, errors: dict[str, str]) -> float | None:
    """90, 1:30 and 0:01:30 are a minute and a half."""
    if not wishes[name]:
        return None
    parts = wishes[name].split(":")
    if len(parts) > 3 or not all(part.isascii() and part.isdigit() and len(part) <= 6 for part in parts):
        errors[name] = LENGTH
        return None
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + int(part)
    if seconds > LONGEST_S:
        errors[name] = LENGTH
        return None
    return float(seconds)


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


# -- numbers -----------------------------------------------------------------------------------------------------------


def plain(written: str) -> str | None:
    """The digits of a number in any form; None if it holds anything else."""
    text = unicodedata.normalize("NFKC", written)
    digits = "".join(letter for letter in text if letter not in PUNCTUATION)
    return digits if digits.isascii() and digits.isdigit() and len(digits) <= 32 else None


def number_patterns(digits: str, whole: bool) -> tuple[str, ...]:
    """For LIKE, against E.164 and published numbers.

    Who sees numbers masked finds them by what he knows, the complete number or its last four digits: a search for parts
    would tell him the hidden ones.
    """
    forms = {digits}
    for prefix in ("0086", "00", "86", "0"):
        if digits.startswith(prefix) and len(digits) - len(prefix) >= COMPLETE:
            forms.add(digits.removeprefix(prefix))
    if whole:
        return tuple(sorted(f"%{form}%" for form in forms))
    exact = {before + form for form in forms for before in ("", "0", "+", "+86")}
    return tuple(sorted(exact | ({f"%{digits}"} if len(digits) == LAST else set())))


# -- stretches of time -------------------------------------------------------------------------------------------------

NEAR: Final = timedelta(hours=1)
FARTHER: Final = 4
STRETCHES: Final = 7


def slices(wanted: Search, now: datetime) -> Iterator[Search]:
    """The same search over stretches of time that lie behind each other, the latest first, each longer than all before.

    So calls are found in their order by any index, and what is found near costs little however long the history is.
    """
    if wanted.after is not None and not FIRST_YEAR <= wanted.after[0].year <= LAST_YEAR:
        yield wanted  # a cursor that nobody was given
        return
    end = wanted.end
    if wanted.after is not None:
        behind_it = wanted.after[0] + INSTANT
        end = behind_it if end is None else min(end, behind_it)
    top = now if end is None else min(end, now)
    for n in range(STRETCHES):
        start = top - NEAR * FARTHER**n
        if wanted.start is not None and start <= wanted.start:
            break
        yield replace(wanted, start=start, end=end)
        end = start
    if wanted.start is None or end is None or wanted.start < end:
        yield replace(wanted, end=end)


# -- pages -------------------------------------------------------------------------------------------------------------


def cursor(at: datetime, id: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), id]).encode()).decode()


def behind(cursor: str) -> tuple[datetime, str] | None:
    """What is not one of ours begins at the first page."""
    try:
        at, id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        moment = datetime.fromisoformat(at)
    except (ValueError, TypeError, binascii.Error):
        return None
    return (moment, id) if moment.tzinfo and isinstance(id, str) and id.isprintable() else None


# -- the picture of a call ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bar:
    """A segment on its lane. x and width are percent of the picture."""

    x: float
    width: float
    seconds: float
    agent: str
    queue: str
    reason: str
    open: bool


@dataclass(frozen=True, slots=True)
class Lane:
    kind: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    lanes: tuple[Lane, ...]
    ticks: tuple[tuple[float, float], ...]  # percent, seconds since the beginning
    seconds: float


STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
NARROWEST: Final = 0.4  # percent: what took no time at all is seen too


def timeline(segments: Sequence[Segment], started_at: datetime, until: datetime) -> Timeline:
    """A lane for each kind of segment, from the beginning to the end of the last one."""
    known = [segment for segment in segments if segment.started_at is not None]
    end = max([until, *(segment.ended_at for segment in known if segment.ended_at)])
    whole = max((end - started_at).total_seconds(), 0.001)

    def percent(at: datetime) -> float:
        return round(min(max((at - started_at).total_seconds() / whole * 100, 0.0), 100.0), 3)

    lanes: dict[str, list[Bar]] = {}
    for segment in known:
        assert segment.started_at is not None
        ended_at = segment.ended_at or end
        x = min(percent(segment.started_at), 100 - NARROWEST)
        bar = Bar(
            x=x,
            width=max(round(percent(ended_at) - x, 3), NARROWEST),
            seconds=max((ended_at - segment.started_at).total_seconds(), 0.0),
            agent=segment.agent or "",
            queue=segment.queue or "",
            reason=segment.reason or "",
            open=segment.ended_at is None,
        )
        lanes.setdefault(segment.kind, []).append(bar)
    order = [*SEGMENTS, *(kind for kind in lanes if kind not in SEGMENTS)]
    step = next((step for step in STEPS_S if whole / step <= 8), STEPS_S[-1])
    ticks = [(round(n * step / whole * 100, 3), float(n * step)) for n in range(int(whole / step) + 1)]
    return Timeline(tuple(Lane(kind, tuple(lanes[kind])) for kind in order if kind in lanes), tuple(ticks[:50]), whole)
