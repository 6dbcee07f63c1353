"""One call, as a person may see it: what is known of it, what happened in it, and how much of a number he is shown.

While it goes on LQ-SDK knows it; once it is over, history.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
from sanic.exceptions import Forbidden, NotFound

from lcall_web.calls.store import queue_names
from lcall_web.common import audit, codes
from lcall_web.common.context import Context
from lcall_web.common.database import Database, DatabaseAway, queries
from lcall_web.common.masking import HIDDEN, masked
from lcall_web.common.viewer import NUMBERS, REVEAL, TEAM, Viewer
from lq.sdk import ApiError, Contact
from lq.sdk.values import decode

SQL: Final = queries(__file__)
UNHEARD: Final = ("listen", "whisper")  # as what a leader is in a call without the customer's hearing him


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
class Coded:
    """What an agent said that the call was about."""

    agent: str
    code: str
    name: str


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
    codes: tuple[Coded, ...]  # of the wrap-ups
    history: bool  # False: PostgreSQL is away, and only what LQ-SDK knows is here
    until: datetime  # the end, or now
    masked: bool
    revealable: bool


async def call(here: Context, viewer: Viewer, id: str, language: str) -> Call:
    """The call, if this viewer may see it; raises NotFound otherwise, for whether it exists is none of his business."""
    try:
        row = await here.database.row(SQL["contact"], id)
        history = True
    except DatabaseAway:
        row, history = None, False
    contact = await _contact(here, id, row, history)
    if not _his(viewer, contact, row):
        raise NotFound(id)
    found = _whole(contact, row, history)
    if history:
        found = await _with_history(here.database, found, language)
    if not viewer.may(TEAM):
        found = _without_leaders(found)
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


def _his(viewer: Viewer, contact: Contact, row: asyncpg.Record | None) -> bool:
    talked = [segment.agent for segment in contact.segments if segment.kind in ("talk", "conference")]
    waited = [segment.queue for segment in contact.segments]
    beside = row["attended"] if row is not None else ()
    return viewer.reach.holds_call((contact.agent, *talked, *beside), (contact.queue, *waited))


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
        codes=(),
        history=history,
        until=datetime.fromisoformat(ended_at) if ended_at else datetime.now(UTC),
        masked=False,
        revealable=False,
    )


async def _with_history(database: Database, found: Call, language: str) -> Call:
    id = found.contact.id
    record = await database.row(SQL["record"], id)
    events = await database.fetch(SQL["events"], id)
    given = await database.fetch(SQL["codes_of"], id)
    named = await codes.paths(database.fetch, language) if given else {}
    people = {segment.agent for segment in found.contact.segments} | {found.contact.agent, *(r["agent"] for r in given)}
    names = await database.fetch(SQL["names"], [agent for agent in people if agent])
    return replace(
        found,
        record=Record(**dict(record)) if record else None,
        events=tuple(Happening(row["type"], row["at"], json.loads(row["data"])) for row in events),
        names={row["id"]: row["name"] for row in names},
        queues=await queue_names(database),
        codes=tuple(Coded(row["agent"], row["code"], named.get(row["code"], row["code"])) for row in given),
    )


# -- what is hidden ----------------------------------------------------------------------------------------------------


def _without_leaders(found: Call) -> Call:
    """An agent shall not see that a leader listens or whispers; who barges in is heard by all from then on. The same
    rule as LQ-SDK's for programs (lq.api.access.Sight)."""
    hidden, heard, shown = set[str](), set[str](), list[Happening]()
    for event in found.events:
        leg, mode = str(event.data.get("leg", "")), event.data.get("mode")
        if event.type == "contact_monitored" and mode not in (*UNHEARD, "end"):
            hidden.discard(leg)
            heard.add(leg)
        elif event.type == "contact_monitored" or event.data.get("verb") == "monitor":
            hidden.add(leg)
        if leg not in hidden:
            shown.append(event)
    hidden -= heard
    legs = tuple(leg for leg in found.contact.legs if leg.id not in hidden and leg.mode not in UNHEARD)
    return replace(found, contact=replace(found.contact, legs=legs), events=tuple(shown))


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
        elif key in ("address", "to", "phone"):  # where a phone sends its calls on; a mobile seat
            yield key, _without_number(str(value), str(event.data.get("party", "")))
        elif key.startswith("pii_"):
            yield key, HIDDEN
        else:
            yield key, value


def _without_number(address: str, party: str) -> str:
    """The customer's is hidden, and whoever else is called outside; extensions, queues, agents are for all to see."""
    return masked(address) if party == "customer" or address.removeprefix("+").isdecimal() else address


async def reveal(here: Context, viewer: Viewer, id: str, address: str, language: str) -> Numbers:
    """The other party's number whole, once that is written down."""
    if not viewer.may(REVEAL):
        raise Forbidden
    found = await call(here, viewer, id, language)
    async with here.database.transaction() as connection:
        await audit.note(connection, viewer.id, "number_revealed", f"contact:{id}", address)
    if not found.masked:
        return found.number
    contact = await _contact(here, id, await here.database.row(SQL["contact"], id), True)
    return Numbers(contact.number_raw, contact.number, contact.number_published or contact.number)
