"""Calls as a person may see them: which are his, and how much of a number he is shown. The one place that decides it.

The list reads PostgreSQL itself: LQ-SDK's /v1/cdrs has no totals, and who sees numbers masked must not search in the
digits that he does not see. A call's own page asks LQ-SDK for what goes on.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
from sanic.exceptions import Forbidden, NotFound

from lcall_web.calls.rules import Search, behind, cursor, slices
from lcall_web.common import audit
from lcall_web.common.context import Context
from lcall_web.common.database import SEARCH_S, Database, DatabaseAway, Fetch, TooMuch, queries
from lcall_web.common.masking import HIDDEN, masked
from lcall_web.common.viewer import NUMBERS, REVEAL, Viewer
from lq.sdk import ApiError, Contact
from lq.sdk.values import decode

SQL: Final = queries(__file__)
PAGE: Final = 50
PART: Final = 1000  # calls that are read at once for a file
TOTALS_S: Final = 3.0  # then the totals are of what was counted by then
COUNTED: Final = 20_000  # calls from which no more are counted


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


@dataclass(frozen=True, slots=True)
class Totals:
    """`since`: of the calls since then, for they are many; None: of all that was found."""

    calls: int = 0
    answered: int = 0
    abandoned: int = 0
    queued: int = 0
    talk_s: float = 0.0
    talked_s: float = 0.0  # of those who were answered
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


@dataclass(frozen=True, slots=True)
class Numbers:
    """A number as it arrived, as it is stored, as people know it."""

    raw: str
    e164: str
    published: str


@dataclass(frozen=True, slots=True)
class Happening:
    """An event with what there is to say of it."""

    type: str
    at: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """The durations and the end of a call that is over."""

    wait_s: float
    ring_s: float
    talk_s: float
    hold_s: float
    wrap_up_s: float
    result: str
    ended_by: str
    cause: int
    sip: int | None
    answered_at: datetime | None
    ended_at: datetime
    recording_id: str | None


@dataclass(frozen=True, slots=True)
class Call:
    contact: Contact  # numbers and addresses in it are as this viewer may see them
    number: Numbers
    called: Numbers
    trunk: str
    record: Record | None
    events: tuple[Happening, ...]
    names: Mapping[str, str]  # agent -> name
    queues: Mapping[str, tuple[str, str]]  # queue -> names in Chinese and English
    history: bool  # False: PostgreSQL is away, and only what LQ-SDK knows is here
    until: datetime  # the end, or now
    masked: bool
    revealable: bool


# -- the list ----------------------------------------------------------------------------------------------------------


async def search(database: Database, viewer: Viewer, wanted: Search, language: str) -> Found:
    """Raises TooMuch when PostgreSQL needs too long for the calls themselves."""
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
                (row,) = await fetch(_statement("totals", viewer, wanted), {**values, **_times(part)})
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
            rows += await fetch(_statement("page", viewer, wanted), {**values, **_times(part), "limit": limit})
            if len(rows) > most:
                break
    shown = rows[:most]
    following = cursor(shown[-1]["started_at"], shown[-1]["contact_id"]) if len(rows) > most else None
    return tuple(_row(row, viewer, language) for row in shown), following


def _parts(wanted: Search) -> Iterable[Search]:
    """What an index finds at once is asked for at once, all else in stretches of time."""
    return (wanted,) if wanted.few else slices(wanted, datetime.now(UTC))


def _statement(name: str, viewer: Viewer, wanted: Search) -> str:
    """With the conditions that matter: those that ask another table are left out where they do not."""
    names = ["conditions"]
    if wanted.code is not None:
        names.append("with_code")
    if not viewer.reach.everything:
        names.append("of_these" if wanted.few else "led" if viewer.reach.others else "talked")
    return SQL[name].replace("CONDITIONS", " and ".join(f"({SQL[each]})" for each in names))


def _times(part: Search) -> Mapping[str, datetime | None]:
    return {"start": part.start, "end": part.end}


async def _values(fetch: Fetch, viewer: Viewer, wanted: Search) -> Mapping[str, Any]:
    """Of the conditions, all but the times."""
    agents = codes = None
    if wanted.agent is not None:
        named = await fetch(SQL["agents_named"], {"name": _literal(wanted.agent)})
        agents = sorted({wanted.agent, *(row["id"] for row in named)})
    if wanted.code is not None:
        codes = [row["id"] for row in await fetch(SQL["codes_below"], {"code": wanted.code})]
    return {
        **{"patterns": None if wanted.patterns is None else list(wanted.patterns), "agents": agents, "codes": codes},
        **{"queue": wanted.queue, "direction": wanted.direction, "result": wanted.result, "trunk": wanted.trunk},
        **{"least": wanted.least_s, "most": wanted.most_s, "recorded": wanted.recorded},
        **{"people": _list(viewer.reach.agents), "lines": _list(viewer.reach.queues)},
    }


def _row(row: asyncpg.Record, viewer: Viewer, language: str) -> Row:
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
    )


def _list(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)


def _literal(text: str) -> str:
    """A text that LIKE takes as it is."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _shown(number: str, viewer: Viewer) -> str:
    return number if viewer.may(NUMBERS) else masked(number)


async def queue_names(database: Database) -> dict[str, tuple[str, str]]:
    rows = await database.fetch(SQL["queues"])
    return {row["id"]: (row["name"], row["name_en"] or row["name"]) for row in rows}


async def trunks(database: Database) -> tuple[str, ...]:
    return tuple(row["id"] for row in await database.fetch(SQL["trunks"]))


async def codes(database: Database, language: str) -> list[tuple[str, str]]:
    """Wrap-up codes with their names, those below another drawn in."""
    rows = await database.fetch(SQL["codes"])
    english = language == "en"
    return [(row["id"], "　" * row["depth"] + ((english and row["name_en"]) or row["name"])) for row in rows]


# -- one call ----------------------------------------------------------------------------------------------------------


async def call(here: Context, viewer: Viewer, id: str) -> Call:
    """The call, if this viewer may see it; raises NotFound otherwise, for whether it exists is none of his business."""
    try:
        row = await here.database.row(SQL["contact"], id)
        history = True
    except DatabaseAway:
        row, history = None, False
    contact = await _contact(here, id, row, history)
    if not _his(viewer, contact):
        raise NotFound(id)
    found = _whole(contact, row, history)
    if history:
        found = await _with_history(here.database, found)
    return found if viewer.may(NUMBERS) else _masked(found, viewer)


async def _contact(here: Context, id: str, row: asyncpg.Record | None, history: bool) -> Contact:
    """As history has it once it is over, as it stands now before that."""
    if row is not None and row["over"]:
        return decode(Contact, json.loads(row["body"]))
    try:
        return await here.lq.contact(id)
    except ApiError as error:
        if row is not None:
            return decode(Contact, json.loads(row["body"]))
        if error.status == 404:
            raise NotFound(id) from error
        if not history:
            raise DatabaseAway("neither history nor the api answers") from error
        raise


def _his(viewer: Viewer, contact: Contact) -> bool:
    talked = [segment.agent for segment in contact.segments if segment.kind in ("talk", "conference")]
    waited = [segment.queue for segment in contact.segments]
    return viewer.reach.holds_call((contact.agent, *talked), (contact.queue, *waited))


def _whole(contact: Contact, row: asyncpg.Record | None, history: bool) -> Call:
    ended_at = contact.data.get("ended_at")
    called = Numbers(row["called_raw"], row["called"], row["called_published"]) if row else None
    return Call(
        contact=contact,
        number=Numbers(contact.number_raw, contact.number, contact.number_published or contact.number),
        called=called or Numbers("", "", contact.called),
        trunk=row["trunk"] or "" if row else "",
        record=None,
        events=(),
        names={},
        queues={},
        history=history,
        until=datetime.fromisoformat(ended_at) if ended_at else datetime.now(UTC),
        masked=False,
        revealable=False,
    )


async def _with_history(database: Database, found: Call) -> Call:
    id = found.contact.id
    record = await database.row(SQL["record"], id)
    events = await database.fetch(SQL["events"], id)
    people = {segment.agent for segment in found.contact.segments} | {found.contact.agent}
    names = await database.fetch(SQL["names"], [agent for agent in people if agent])
    return replace(
        found,
        record=Record(**dict(record)) if record else None,
        events=tuple(Happening(row["type"], row["at"], json.loads(row["data"])) for row in events),
        names={row["id"]: row["name"] for row in names},
        queues=await queue_names(database),
    )


# -- what is hidden ----------------------------------------------------------------------------------------------------


def _masked(found: Call, viewer: Viewer) -> Call:
    contact = found.contact
    out = contact.direction == "out"
    legs = tuple(replace(leg, address=_without_number(leg.address, leg.party)) for leg in contact.legs)
    shown = replace(
        contact,
        number=masked(contact.number),
        number_raw=masked(contact.number_raw),
        number_published=masked(contact.number_published),
        called=masked(contact.called) if out else contact.called,
        legs=legs,
        data={},
    )
    return replace(
        found,
        contact=shown,
        number=_hidden(found.number),
        called=_hidden(found.called) if out else found.called,
        events=tuple(replace(event, data=dict(_without_numbers(event))) for event in found.events),
        masked=True,
        revealable=viewer.may(REVEAL),
    )


def _hidden(numbers: Numbers) -> Numbers:
    return Numbers(masked(numbers.raw), masked(numbers.e164), masked(numbers.published))


def _without_numbers(event: Happening) -> Iterable[tuple[str, Any]]:
    """Keys that the customer pressed may be a card or an identity number."""
    for key, value in event.data.items():
        if key.startswith(("number", "called")):
            yield key, masked(str(value))
        elif key == "to" and str(value).startswith("out:"):  # a number that somebody was called at, or the call sent to
            yield key, f"out:{masked(str(value).removeprefix('out:'))}"
        elif key in ("address", "to"):  # to: where a phone sends its calls on, whom they are given to
            yield key, _without_number(str(value), str(event.data.get("party", "")))
        elif key.startswith("pii_"):
            yield key, HIDDEN
        else:
            yield key, value


def _without_number(address: str, party: str) -> str:
    """The customer's is hidden, and whoever else is called outside; extensions, queues, agents are for all to see."""
    return masked(address) if party == "customer" or address.removeprefix("+").isdecimal() else address


async def reveal(here: Context, viewer: Viewer, id: str, address: str) -> Numbers:
    """The other party's number whole, once that is written down."""
    if not viewer.may(REVEAL):
        raise Forbidden
    found = await call(here, viewer, id)
    async with here.database.transaction() as connection:
        await audit.note(connection, viewer.id, "number_revealed", f"contact:{id}", address)
    if not found.masked:
        return found.number
    contact = await _contact(here, id, await here.database.row(SQL["contact"], id), True)
    return Numbers(contact.number_raw, contact.number, contact.number_published or contact.number)
