"""The call list as a person may see it: which calls are his, and how much of a number he is shown.

The list reads PostgreSQL itself: LQ-SDK's /v1/cdrs has no totals, and who sees numbers masked must not search in the
digits that he does not see.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg

from lcall_web.calls.rules import Search, behind, cursor, slices
from lcall_web.common import codes
from lcall_web.common.database import SEARCH_S, Database, Fetch, TooMuch, literal, queries
from lcall_web.common.masking import masked
from lcall_web.common.viewer import NUMBERS, Viewer

SQL: Final = queries(__file__)
PAGE: Final = 50
PART: Final = 1000  # calls that are read at once for a file
TOTALS_S: Final = 3.0  # then the totals are of what was counted by then
COUNTED: Final = 20_000  # calls from which no more are counted
NAMED: Final = 100  # customers whose calls are looked for together


class TooManyNamed(Exception):
    """More customers have such a name than calls are looked for."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the call list. Numbers are as this viewer may see them."""

    id: str
    direction: str
    number: str
    called: str
    queue: str
    agent: str
    agent_name: str
    started_at: datetime
    wait_s: float
    ring_s: float
    talk_s: float  # on hold too
    wrap_up_s: float
    result: str
    ended_by: str
    cause: int
    trunk: str
    recording: str  # state, "" = none
    codes: tuple[str, ...]  # of the wrap-ups, by their names


@dataclass(frozen=True, slots=True)
class Totals:
    """`since`: of the calls since then, for they are many; None: of all that was found."""

    calls: int = 0
    answered: int = 0
    abandoned: int = 0
    queued: int = 0
    talk_s: float = 0.0  # on hold too
    talked_s: float = 0.0  # … of those who were answered
    wait_s: float = 0.0  # of those who queued
    since: datetime | None = None

    def __add__(self, other: Totals) -> Totals:
        names = ("calls", "answered", "abandoned", "queued", "talk_s", "talked_s", "wait_s")
        return Totals(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @property
    def mean_talk_s(self) -> float | None:
        return self.talked_s / self.answered if self.answered else None

    @property
    def mean_wait_s(self) -> float | None:
        return self.wait_s / self.queued if self.queued else None


@dataclass(frozen=True, slots=True)
class Found:
    rows: tuple[Row, ...]
    next: str | None
    totals: Totals | None  # with the first page only
    uncounted: bool = False  # it would have taken too long


# -- the list ----------------------------------------------------------------------------------------------------------


async def search(database: Database, viewer: Viewer, wanted: Search, language: str) -> Found:
    """Raises TooManyNamed, and TooMuch when PostgreSQL needs too long for the calls themselves."""
    rows, following = await _page(database, viewer, wanted, language, PAGE)
    if wanted.after is not None:
        return Found(rows, following, None)
    totals = await _totals(database, viewer, wanted)
    return Found(rows, following, totals, totals is None)


async def _totals(database: Database, viewer: Viewer, wanted: Search) -> Totals | None:
    """Over all that is found, or over the latest of it; None if not even they are counted in time."""
    found: Totals | None = None
    try:
        async with database.together(TOTALS_S) as fetch:
            values = await _values(fetch, viewer, wanted)
            for part in _parts(wanted):
                (row,) = await fetch(_statement("totals", viewer, wanted), {**values, **_times(part, values)})
                found = (found or Totals()) + Totals(**dict(row))
                if part.start == wanted.start:
                    return found
                found = replace(found, since=part.start)
                if found.calls >= COUNTED:
                    return found
    except TooMuch:
        return found
    return found


async def lines(database: Database, viewer: Viewer, wanted: Search, language: str, most: int) -> AsyncIterator[Row]:
    """All that is found, the latest first, at most so many; read in parts, so that no query is a long one."""
    while most > 0:
        rows, following = await _page(database, viewer, wanted, language, min(PART, most))
        for row in rows:
            yield row
        most -= len(rows)
        if following is None:
            return
        wanted = replace(wanted, after=behind(following))


async def _page(
    database: Database, viewer: Viewer, wanted: Search, language: str, most: int
) -> tuple[tuple[Row, ...], str | None]:
    """The next calls, and the cursor behind them if there are more."""
    rows: list[asyncpg.Record] = []
    at, id = wanted.after or (None, None)
    async with database.together(SEARCH_S) as fetch:
        values = {**await _values(fetch, viewer, wanted), "after_at": at, "after_id": id}
        for part in _parts(wanted):
            limit = most + 1 - len(rows)
            rows += await fetch(_statement("page", viewer, wanted), {**values, **_times(part, values), "limit": limit})
            if len(rows) > most:
                break
        coded = any(row["codes"] for row in rows)
        named = await codes.paths(lambda query: fetch(query, {}), language) if coded else {}
    shown = rows[:most]
    following = cursor(shown[-1]["started_at"], shown[-1]["contact_id"]) if len(rows) > most else None
    return tuple(_row(row, viewer, language, named) for row in shown), following


def _parts(wanted: Search) -> Iterable[Search]:
    """What an index finds at once is asked for at once, all else in stretches of time."""
    return (wanted,) if wanted.few else slices(wanted, datetime.now(UTC))


def _statement(name: str, viewer: Viewer, wanted: Search) -> str:
    """With the conditions that matter: those that ask another table are left out where they do not."""
    few = wanted.few
    further = {
        "agent_of_these" if few else "with_agent": wanted.agent is not None,
        "queue_of_these" if few or wanted.agent is not None else "with_queue": wanted.queue is not None,
        "with_code": wanted.code is not None,
        "with_customer": bool(wanted.customer),
        "with_hours": wanted.hours is not None and few,
    }
    names = ["conditions", *(each for each, matters in further.items() if matters)]
    if not viewer.reach.everything:
        names.append("of_these" if few else "led" if viewer.reach.others else "talked")
    source = {"page": "found", "totals": "counted"}[name] + ("_within" if _by_windows(wanted) else "")
    calls = SQL[source].replace("CONDITIONS", " and ".join(f"({SQL[each]})" for each in names))
    return SQL[name].replace("CALLS", calls)


def _by_windows(wanted: Search) -> bool:
    """An hour of a day has few of its calls: each is gone to by the index of time."""
    return wanted.hours is not None and not wanted.few


def _times(part: Search, values: Mapping[str, Any]) -> Mapping[str, Any]:
    times: dict[str, Any] = {"start": part.start, "end": part.end}
    if part.hours is None or not _by_windows(part):
        return times
    start, end = part.start or values["earliest"], part.end or datetime.now(UTC)
    windows = part.hours.windows(start, end) if start is not None else []
    return {**times, "firsts": [first for first, _ in windows], "lasts": [last for _, last in windows]}


async def _values(fetch: Fetch, viewer: Viewer, wanted: Search) -> Mapping[str, Any]:
    """Of the conditions, all but the times. Raises TooManyNamed."""
    found: dict[str, Any] = {
        **{"patterns": None if wanted.patterns is None else list(wanted.patterns), "queue": wanted.queue},
        **{"direction": wanted.direction, "result": wanted.result, "trunk": wanted.trunk, "recorded": wanted.recorded},
        **{"least": wanted.least_s, "most": wanted.most_s, "waited": wanted.waited_s, "call": wanted.call},
        **{"ended_by": wanted.ended_by, "cause": wanted.cause},
        **{"people": _list(viewer.reach.agents), "lines": _list(viewer.reach.queues)},
    }
    if wanted.agent is not None:
        named = await fetch(SQL["agents_named"], {"name": literal(wanted.agent)})
        found["agents"] = sorted({wanted.agent, *(row["id"] for row in named)})
    if wanted.code is not None:
        found["codes"] = [row["id"] for row in await fetch(SQL["codes_below"], {"code": wanted.code})]
    if wanted.customer:
        found |= await _customers(fetch, wanted.customer)
    if wanted.hours is not None:
        hours = wanted.hours
        found |= {"hours_first": hours.first, "hours_last": hours.last, "zone": hours.zone}
        found["earliest"] = (await fetch(SQL["earliest"], {}))[0]["at"]
    return found


async def _customers(fetch: Fetch, words: Sequence[str]) -> Mapping[str, Any]:
    rows = await fetch(SQL["customers_named"], {"words": list(words), "most": NAMED + 1})
    if len(rows) > NAMED:
        raise TooManyNamed
    return {"customers": [row["id"] for row in rows], "numbers": [each for row in rows for each in row["numbers"]]}


def _row(row: asyncpg.Record, viewer: Viewer, language: str, named: Mapping[str, str]) -> Row:
    out = row["direction"] == "out"
    number = row["number_published"] or row["number"]
    called = row["called_published"] or row["called"]
    return Row(
        id=row["contact_id"],
        direction=row["direction"],
        number=_shown(number, viewer),
        called=_shown(called, viewer) if out else called,
        queue=(row["queue_name_en"] if language == "en" else "") or row["queue_name"] or row["queue"] or "",
        agent=row["agent"] or "",
        agent_name=row["agent_name"] or "",
        started_at=row["started_at"],
        wait_s=row["wait_s"],
        ring_s=row["ring_s"],
        talk_s=row["talk_s"] + row["hold_s"],
        wrap_up_s=row["wrap_up_s"],
        result=row["result"],
        ended_by=row["ended_by"],
        cause=row["cause"],
        trunk=row["trunk"] or "",
        recording=row["recording_state"] or "",
        codes=tuple(named.get(code, code) for code in row["codes"]),
    )


def _list(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)


def _shown(number: str, viewer: Viewer) -> str:
    return number if viewer.may(NUMBERS) else masked(number)


async def queue_names(database: Database) -> dict[str, tuple[str, str]]:
    rows = await database.fetch(SQL["queues"])
    return {row["id"]: (row["name"], row["name_en"] or row["name"]) for row in rows}


async def trunks(database: Database) -> tuple[str, ...]:
    return tuple(row["id"] for row in await database.fetch(SQL["trunks"]))
