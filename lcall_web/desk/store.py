"""The soft phone's picture for the one agent whom it belongs to: his state, his call, who waits in his queues."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

import asyncpg

from lcall_web.common.context import Context
from lcall_web.common.database import Database, queries
from lcall_web.common.i18n import mark, translated
from lcall_web.common.masking import masked
from lcall_web.common.viewer import CUSTOMERS, NUMBERS, Viewer
from lcall_web.common.words import (
    AGENT_STATES,
    CALL_STATES,
    LEG_STATES,
    NEXT,
    PAUSE_REASONS,
    PLACES,
    REASONS,
    RECORDINGS,
    RULES,
)
from lcall_web.desk import callers, rules
from lcall_web.desk.callers import Asked, Caller, Known
from lq.sdk import Agent, ApiError, Client, Contact, Queue
from lq.sdk.values import Leg

Json = dict[str, Any]
SQL: Final = queries(__file__)
SHOWN: Final = 8  # waiting calls; the rest is a figure
KEPT: Final = 500
MINE: Final = 20  # of today's calls; all of them stand in the list of calls
MISSED: Final = 100  # … which has none of those that he missed: here is all that can be called back
ANONYMOUS: Final = mark("匿名")
CUSTOMER: Final = mark("客户")
SEVERAL: Final = mark("%(name)s 等 %(count)s 位")
IN_VAIN: Final = mark("没有接通 %(who)s：%(why)s")


class Waiting(Protocol):
    """A call that waits, as the board knows it."""

    @property
    def id(self) -> str: ...
    @property
    def number(self) -> str: ...
    @property
    def since(self) -> int: ...


class Floor(Protocol):
    """What is known of the center now (board/feed.py)."""

    agents: dict[str, Agent]
    queues: dict[str, Queue]
    calls: Any  # those that go on, by their ids
    documents: dict[str, dict[str, Mapping[str, Any]]]
    moved: dict[str, int]
    calling: Any  # call -> .to, .outcome of whom somebody called into it last
    waiting: Any  # queue -> id -> Waiting

    def name(self, kind: str, id: str, language: str) -> str: ...


class Details:
    """Contacts as LQ-SDK shows them, asked for once after each of their events, whoever looks."""

    def __init__(self, lq: Client) -> None:
        self._lq = lq
        self._known: OrderedDict[str, tuple[object, int, Contact]] = OrderedDict()

    async def of(self, floor: Floor, id: str) -> Contact | None:
        """What was known last, if there is no answer; None if nothing was."""
        moved = floor.moved.get(id, 0)
        snapshot, at, contact = self._known.get(id, (None, -1, None))
        if contact is not None and snapshot is floor and at == moved:
            return contact
        try:
            contact = await self._lq.contact(id)
        except ApiError:
            return contact  # of one that is over history will know, in a moment
        self._known[id] = (floor, moved, contact)
        self._known.move_to_end(id)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return contact


@dataclass(frozen=True, slots=True)
class Eyes:
    """Who looks, in which language."""

    viewer: Viewer
    language: str

    def word(self, text: str, **values: object) -> str:
        return translated(self.language, text, **values)

    def number(self, number: str) -> str:
        if not number:
            return self.word(ANONYMOUS)
        return number.removeprefix("+86") if self.viewer.may(NUMBERS) else masked(number)

    def name(self, caller: Caller | None) -> str:
        """Of the customer, "" if none is known."""
        if caller is None or caller.customers < 2:
            return caller.name if caller else ""
        return self.word(SEVERAL, name=caller.name, count=caller.customers)


def shown(floor: Floor, agent: Agent, contact: Contact | None) -> frozenset[Asked]:
    """The calls that the page draws, with the numbers that customers are known by."""
    waiting = {(call.id, call.number) for call, _ in _in_line(floor, agent)[:SHOWN]}
    return frozenset(waiting | ({(contact.id, contact.number)} if contact is not None else set()))


def picture(floor: Floor, eyes: Eyes, contact: Contact | None, known: Known = MappingProxyType({})) -> Json | None:
    """All that the page draws; None while nothing is known of this agent. `known`: whose calls they are."""
    agent = floor.agents.get(eyes.viewer.id)
    if agent is None:
        return None
    now = rules.situation(agent, contact)
    return {
        "agent": _agent(floor, agent, eyes),
        "call": _call(floor, agent, contact, now, eyes, known) if contact is not None else None,
        "why": {action: eyes.word(reason) for action, reason in rules.reasons(now).items()},
        "waiting": _waiting(floor, agent, eyes, known),
        "wrap_up": _wrap_up(floor, agent, contact, eyes) if agent.state in ("talking", "wrap_up") else None,
    }


def _agent(floor: Floor, agent: Agent, eyes: Eyes) -> Json:
    reason = agent.reason or ""
    return {
        "id": agent.id,
        "name": agent.name,
        "state": agent.state,
        "label": eyes.word(AGENT_STATES.get(agent.state, agent.state)),
        "since": _ms(agent.since),
        "reason": _reason(floor, reason, eyes),
        "next": agent.next or "",
        "next_label": eyes.word(NEXT.get(agent.next or "", agent.next or "")),
        "phone": agent.phone or "",
        "own_phone": own_phone(floor.documents.get("phones", {}), agent.id),
        "contact": agent.contact or "",
    }


def own_phone(phones: Mapping[str, Mapping[str, Any]], agent: str) -> str:
    """The first that is his and enabled, one made for a browser before a desk phone; "" if he has none."""
    own = [id for id, phone in phones.items() if phone.get("agent") == agent and phone.get("enabled", True)]
    return min(own, key=lambda id: (phones[id].get("model") != "browser", id), default="")


def _reason(floor: Floor, id: str, eyes: Eyes) -> str:
    return floor.name("pause_reasons", id, eyes.language) or eyes.word(PAUSE_REASONS.get(id, id))


def pause_reasons(floor: Floor, eyes: Eyes) -> dict[str, str]:
    """Those of the configuration, in their order; where it has none, those that LCall knows."""
    written = floor.documents.get("pause_reasons", {})
    enabled = [id for id, body in written.items() if body.get("enabled", True)]
    if not enabled:
        return {id: eyes.word(name) for id, name in PAUSE_REASONS.items() if id != rules.GIVEN}
    ordered = sorted(enabled, key=lambda id: (written[id].get("order", 0), id))
    return {id: _reason(floor, id, eyes) for id in ordered if id != rules.GIVEN}


def _wrap_up(floor: Floor, agent: Agent, contact: Contact | None, eyes: Eyes) -> Json:
    """The codes that fit the call, as a tree; how long he has."""
    queue = (contact.queue or "") if contact else ""
    limit = floor.documents.get("queues", {}).get(queue, {}).get("wrap_up_s", 0)
    codes = rules.codes(floor.documents.get("wrap_up_codes", {}), queue)
    shown = [
        {"id": code, "parent": parent, "name": floor.name("wrap_up_codes", code, eyes.language)}
        for code, parent in codes.items()
    ]
    return {"codes": shown, "required": needs_code(floor, queue), "chosen": agent.code or "", "limit_s": limit}


def needs_code(floor: Floor, queue: str) -> bool:
    """Whether a call of this queue must be given a code, and there is one."""
    required = floor.documents.get("queues", {}).get(queue, {}).get("wrap_up_code") == "required"
    return required and bool(rules.codes(floor.documents.get("wrap_up_codes", {}), queue))


def pops(floor: Floor, queue: str) -> bool:
    """Whether the card of who calls comes by itself; a call of no queue has it too."""
    return bool(floor.documents.get("queues", {}).get(queue, {}).get("screen_pop", True))


def _call(floor: Floor, agent: Agent, contact: Contact, now: rules.Situation, eyes: Eyes, known: Known) -> Json:
    state = "ended" if agent.state not in rules.BOUND else "held" if now.held else contact.state  # for him
    open_segments = [segment for segment in contact.segments if segment.ended_at is None]
    recording = rules.recording_of(contact)
    return {
        "id": contact.id,
        "direction": contact.direction,
        "state": state,
        "label": eyes.word(CALL_STATES.get(state, state)),
        "number": eyes.number(rules.peer(contact, agent)),
        "name": eyes.name(known.get((contact.id, contact.number))),
        "called": contact.called if contact.direction == "in" else "",
        "queue": _queue_name(floor, contact.queue or "", eyes),
        "pops": not now.monitors and pops(floor, contact.queue or ""),
        "since": _ms(open_segments[-1].started_at if open_segments else contact.started_at),
        "answered": _ms(contact.answered_at),
        "rings": now.own is not None and now.own.state in rules.CALLED,
        "held": now.held,
        "muted": now.own is not None and now.own.muted,
        "aside": now.aside,
        "recording": recording,
        "recording_label": eyes.word(RECORDINGS.get(recording, recording)),
        "helping": now.helping,
        "in_vain": _in_vain(floor, contact, eyes),
        "parties": [_party(floor, contact, leg, eyes) for leg in contact.legs if now.own and _is_other(leg, agent)],
    }


def _in_vain(floor: Floor, contact: Contact, eyes: Eyes) -> str:
    """Whom he called into it without success, and why."""
    calling = floor.calling.get(contact.id)
    if calling is None or calling.outcome in ("", "answered", "taken_back", "forwarded"):
        return ""
    kind, _, id = calling.to.partition(":")
    agent = floor.agents.get(id)
    who = f"{agent.name} {id}" if kind == "agent" and agent else eyes.number(id)
    why = RULES.get(calling.outcome) or REASONS.get(calling.outcome, calling.outcome)
    return eyes.word(IN_VAIN, who=who, why=eyes.word(why))


def _is_other(leg: Leg, agent: Agent) -> bool:
    return leg.agent != agent.id and leg.state in (*rules.CALLED, "answered") and leg.mode is None


def _party(floor: Floor, contact: Contact, leg: Leg, eyes: Eyes) -> Json:
    agent = floor.agents.get(leg.agent or "")
    first = leg.party == "customer" and contact.direction == "in" and leg is contact.legs[0]
    if agent is not None:
        who = f"{agent.name} {agent.id}"
    else:
        who = eyes.word(CUSTOMER) if first else eyes.number(leg.address)
    state = PLACES.get(leg.place or "", LEG_STATES["answered"]) if leg.state == "answered" else LEG_STATES[leg.state]
    return {"who": who, "state": leg.state, "place": leg.place or "", "label": eyes.word(state)}


def _in_line(floor: Floor, agent: Agent) -> list[tuple[Waiting, str]]:
    """Who waits in his queues, and in which of them; the longest first."""
    waiting: list[tuple[Waiting, str]] = [
        (call, queue) for queue in agent.queues for call in floor.waiting.get(queue, {}).values()
    ]
    return sorted(waiting, key=lambda each: (each[0].since, each[0].id))


def _waiting(floor: Floor, agent: Agent, eyes: Eyes, known: Known) -> Json:
    waiting = _in_line(floor, agent)
    calls = [
        {
            "id": call.id,
            "number": eyes.number(call.number),
            "name": eyes.name(known.get((call.id, call.number))),
            "queue": _queue_name(floor, queue, eyes),
            "since": call.since,
        }
        for call, queue in waiting[:SHOWN]
    ]
    return {"count": len(waiting), "calls": calls}


def _queue_name(floor: Floor, id: str, eyes: Eyes) -> str:
    queue = floor.queues.get(id)
    return floor.name("queues", id, eyes.language) or (queue.name if queue else id)


def _ms(at: datetime | None) -> int:
    return 0 if at is None else round(at.timestamp() * 1000)


def free_phones(floor: Floor, viewer: Viewer) -> list[str]:
    """Nobody else's, at which nobody else is signed in; his own first, then what ends as his number does."""
    there = (agent for agent in floor.agents.values() if agent.state != "signed_out" and agent.id != viewer.id)
    taken = {agent.phone for agent in there}
    phones = floor.documents.get("phones", {})
    whose = ("", viewer.id)
    free = [
        id
        for id, phone in phones.items()
        if id not in taken and phone.get("enabled", True) and phone.get("agent", "") in whose
    ]
    return sorted(free, key=lambda id: (phones[id].get("agent") != viewer.id, id[-3:] != viewer.id[-3:], id))


def flows(floor: Floor) -> list[Json]:
    found = floor.documents.get("flows", {})
    named = [{"id": id, "name": flow.get("name") or id} for id, flow in found.items()]
    return sorted(named, key=lambda flow: (flow["name"], flow["id"]))


# -- today -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    direction: str
    number: str  # as this viewer may see it
    name: str  # the customer's, "" if it is not known
    at: datetime
    result: str
    talk_s: float = 0.0
    reason: str = ""  # of a missed one
    served: bool = False  # … and somebody else has talked with him


@dataclass(frozen=True, slots=True)
class Today:
    mine: tuple[Row, ...]
    missed: tuple[Row, ...]
    more_mine: bool  # than those
    more_missed: bool


async def today(here: Context, eyes: Eyes) -> Today:
    """Raises DatabaseAway."""
    begin = _midnight(here.watch.center.time_zone)
    mine, more_mine = await _latest(here.database, "mine", eyes.viewer.id, begin, MINE)
    missed, more_missed = await _latest(here.database, "missed", eyes.viewer.id, begin, MISSED)
    asked = {_asked(row) for row in (*mine, *missed)} if eyes.viewer.may(CUSTOMERS) else set()
    known = await callers.read(here.database, asked)
    return Today(
        tuple(Row(**_row(row, eyes, known), talk_s=row["talk_s"]) for row in mine),
        tuple(Row(**_row(row, eyes, known), reason=row["reason"] or "", served=row["served"]) for row in missed),
        more_mine,
        more_missed,
    )


async def _latest(
    database: Database, name: str, agent: str, since: datetime, most: int
) -> tuple[list[asyncpg.Record], bool]:
    """… and whether there are more."""
    rows = await database.fetch(SQL[name], agent, since, most + 1)
    return rows[:most], len(rows) > most


def _asked(row: asyncpg.Record) -> Asked:
    return str(row["contact_id"]), str(row["number"])


def _row(row: asyncpg.Record, eyes: Eyes, known: Known) -> Mapping[str, Any]:
    return {
        "id": row["contact_id"],
        "direction": row["direction"],
        "number": eyes.number(_other(row)),
        "name": eyes.name(known.get(_asked(row))),
        "at": row["started_at"],
        "result": row["result"],
    }


def _other(row: asyncpg.Record) -> str:
    if row["direction"] == "out":
        return str(row["called_published"] or row["called"])
    return str(row["number_published"] or row["number"])


def _midnight(zone: str) -> datetime:
    return datetime.now(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


async def number_at_hand(floor: Floor, details: Details, viewer: Viewer, contact: str) -> str:
    """The number whole, of the call that he is in or whose wrap-up he is in; "": he has another one, or none."""
    agent = floor.agents.get(viewer.id)
    if agent is None or not contact or agent.contact != contact:
        return ""
    found = await details.of(floor, contact)
    return rules.peer(found, agent) if found else ""


async def number_of(database: Database, viewer: Viewer, contact: str) -> str:
    """The number whole, to call it: also for who sees it masked. "": no such call is his to see, or it had none."""
    reach = viewer.reach
    agents, queues = (None if found is None else list(found) for found in (reach.agents, reach.queues))
    row = await database.row(SQL["number"], contact, viewer.id, agents, queues)
    return "" if row is None else _other(row)


async def customers_number(database: Database, viewer: Viewer, phone: str) -> str:
    """The number whole, by its id, to call it: also for who sees it masked."""
    if not (viewer.may(CUSTOMERS) and phone.isascii() and phone.isdigit() and len(phone) < 16):
        return ""
    row = await database.row(SQL["customers_number"], int(phone))
    return "" if row is None else str(row["number"])
