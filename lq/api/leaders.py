"""Leaders who come into a contact and are not heard: who may not supervise learns nothing of them (docs/security.md).

One book for the whole api, whoever asks and whenever he came: fed by its one reader of the stream (feed.py). Of a
contact that began before that reader did its snapshot and history tell; while neither can, nothing is said that might
be of a leader.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lq.api.access import STATE, UNHEARD
from lq.api.feed import Place, place
from lq.api.history import History, HistoryAway
from lq.contacts.view import contact_json
from lq.ledger.events import Event
from lq.ledger.projection import stored_event
from lq.live.redis import Live

Json = dict[str, Any]

KEPT: Final = 10_000  # contacts
AGAIN_S: Final = 2.0  # so long history is not asked, after it was away
BEFORE_ALL: Final = (0, 0)  # a place
NOW: Final = (2**63, 0)

# Of a contact into which no leader came only how it ended: that says whether history has all of it.
TOLD: Final = """
select subject, seq, type, v, at, data, stream_ms, stream_n from event
where subject = any($1) and (type in ('contact_called', 'contact_monitored', 'contact_ended')
    or type in ('contact_call_ended', 'leg_started', 'leg_ended') and subject in (
        select subject from event
        where subject = any($1) and type = 'contact_called' and data->>'verb' = 'monitor'))
order by subject, seq"""

Marks = dict[Place, bool]  # from which place of the stream on: True, he is not heard


# -- one contact -------------------------------------------------------------------------------------------------------


@dataclass
class Leaders:
    """Who came into a contact as a leader, and since when each is (not) heard, as its events tell it in order."""

    legs: dict[str, Marks] = field(default_factory=dict)
    agents: dict[str, Marks] = field(default_factory=dict)
    doubtful: bool = False  # nobody can tell: whoever might be one is taken for one
    _ringing: set[str] = field(default_factory=set)  # legs of those who are being called
    _again: bool = False  # such a leg has just ended: one that starts now is called in its place

    @classmethod
    def of(cls, events: Iterable[Event]) -> Leaders:
        found = cls()
        for event in events:
            found.hear(event)
        return found

    def hear(self, event: Event) -> None:
        """The next event of the contact; those of others say nothing."""
        if not event.type.startswith(("contact_", "leg_")):
            return
        leg, at, again = str(event.data.get("leg", "")), place(event.id), self._again
        self._again = False
        match event.type:
            case "contact_called" if event.data["verb"] == "monitor":
                self._ringing.add(leg)
                _mark(self.legs, leg, at, unheard=True)
                _mark(self.agents, str(event.data["to"]).removeprefix("agent:"), at, unheard=True)
            case "contact_monitored":
                self._ringing.discard(leg)
                _mark(self.legs, leg, at, unheard=_says_so(event))
                if event.data["mode"] != "end":  # who has left is no less secret than he was
                    _mark(self.agents, str(event.data["agent"]), at, unheard=_says_so(event))
            case "contact_call_ended":
                self._ringing.discard(leg)
            case "leg_ended" if leg in self._ringing:  # and nobody says how the call went: it goes on
                self._ringing.discard(leg)
                self._again = True
            case "leg_started" if again:
                self._ringing.add(leg)
                _mark(self.legs, leg, at, unheard=True)

    def see(self, shown: Json) -> None:
        """A contact that goes on: who is not heard in it now was not from the start, unless its events know better."""
        for leg in shown["legs"]:
            if leg["mode"] in UNHEARD:
                _mark(self.legs, leg["id"], BEFORE_ALL, unheard=True)
                _mark(self.agents, str(leg["agent"]), BEFORE_ALL, unheard=True)

    def and_of(self, page: Iterable[Event]) -> Leaders:
        """These, and those of whom more events tell."""
        more = Leaders.of(page)
        return Leaders(_joined(self.legs, more.legs), _joined(self.agents, more.agents), self.doubtful)

    def hides(self, event: Event) -> bool:
        """Whether it is of one who was not heard then; his own state names the contact."""
        at, leg = place(event.id), str(event.data.get("leg", ""))
        if event.type == STATE:
            return self.hides_agent(str(event.data["agent"]), at)
        might_be = event.type.startswith("leg_") or event.type == "contact_call_ended"
        return _says_so(event) or _is_unheard(self.legs.get(leg), at, self.doubtful and might_be)

    def hides_agent(self, agent: str, at: Place = NOW) -> bool:
        return _is_unheard(self.agents.get(agent), at, self.doubtful)

    def secret(self) -> set[str]:
        """Legs of those who were never heard."""
        return {leg for leg, marks in self.legs.items() if all(marks.values())}


def _is_of_a_leg(event: Event) -> bool:
    return event.type.startswith(("contact_", "leg_")) and "leg" in event.data


def _says_so(event: Event) -> bool:
    """It tells by itself that a leader is there whom not everybody hears, or has been there."""
    match event.type:
        case "contact_called":
            return bool(event.data["verb"] == "monitor")
        case "contact_monitored":
            return event.data["mode"] in (*UNHEARD, "end")
        case "leg_placed":
            return event.data["place"] in ("listens", "whispers")
    return False


def _mark(known: dict[str, Marks], one: str, at: Place, *, unheard: bool) -> None:
    known.setdefault(one, {})[at] = unheard


def _joined(known: dict[str, Marks], more: dict[str, Marks]) -> dict[str, Marks]:
    return {one: {**known.get(one, {}), **more.get(one, {})} for one in {**known, **more}}


def _is_unheard(marks: Marks | None, at: Place, otherwise: bool) -> bool:
    """At a place; before his first mark he was not there, or not heard. `otherwise`: one who has no mark."""
    if not marks:
        return otherwise
    reached = [one for one in marks if one <= at]
    return marks[max(reached)] if reached else True


# -- all of them -------------------------------------------------------------------------------------------------------


class Book:
    """The leaders of each contact, as far as anybody has to know them."""

    def __init__(self, live: Live, history: History) -> None:
        self._live, self._history = live, history
        self._known: OrderedDict[str, Leaders] = OrderedDict()  # of their whole lives
        self._parts: OrderedDict[str, list[Event]] = OrderedDict()  # of others, what the reader has heard of leaders
        self._away_until = 0.0  # monotonic: history

    def hear(self, event: Event) -> None:
        """The next event of the stream."""
        contact = event.subject
        if contact in self._known:
            self._known[contact].hear(event)
        elif event.type == "contact_started":
            self._know(contact, Leaders())
        elif contact in self._parts or _says_so(event) or event.type == "contact_monitored":
            self._parts.setdefault(contact, []).append(event)
            _bound(self._parts)

    def forget(self) -> None:
        """The stream is another one: the places of ours say nothing of it."""
        self._known.clear()
        self._parts.clear()

    async def hides(self, event: Event) -> bool:
        """Whether who may not supervise hears nothing of it, or of an agent not with whom he is.

        Raises LiveUnavailable.
        """
        contact, leg = event.subject, str(event.data.get("leg", ""))
        if event.type == STATE:
            contact = str(event.data.get("contact", ""))
        elif _says_so(event):
            return True
        elif not _is_of_a_leg(event) or leg == f"{contact}.1":  # who was first in it came as no leader
            return False
        return bool(contact) and (await self.of([contact]))[contact].hides(event)

    async def of(self, contacts: Sequence[str]) -> dict[str, Leaders]:
        """By contact. Raises LiveUnavailable."""
        unknown = [contact for contact in contacts if contact not in self._known]
        if unknown:
            await self._ask(unknown)
        return {contact: self._known.get(contact) or Leaders(doubtful=True) for contact in contacts}

    def secret(self, contact: str) -> set[str]:
        """Legs of those who were never heard, as far as it is known without asking anybody."""
        return self._known[contact].secret() if contact in self._known else set()

    async def _ask(self, contacts: Sequence[str]) -> None:
        states = await asyncio.gather(*(self._live.contact(contact) for contact in contacts))
        events = await self._told(contacts)
        for contact, state in zip(contacts, states, strict=True):
            told, snapshot = events.get(contact, []), state.snapshot if state else ""
            is_whole = snapshot or any(event.type == "contact_ended" for event in told)
            if contact in self._known or not is_whole:
                continue
            each = {event.seq: event for event in (*told, *self._parts.pop(contact, ()))}
            found = Leaders.of(each[seq] for seq in sorted(each))
            if snapshot:
                found.see(contact_json(json.loads(snapshot)))
            self._know(contact, found)

    async def _told(self, contacts: Sequence[str]) -> dict[str, list[Event]]:
        """By history; nothing while that is away."""
        if time.monotonic() < self._away_until:
            return {}
        try:
            return await told(self._history, contacts)
        except HistoryAway:
            self._away_until = time.monotonic() + AGAIN_S
            return {}

    def _know(self, contact: str, found: Leaders) -> None:
        self._known[contact] = found
        _bound(self._known)


def _bound(known: OrderedDict[str, Any]) -> None:
    if len(known) > KEPT:
        known.popitem(last=False)


async def told(history: History, contacts: Sequence[str]) -> dict[str, list[Event]]:
    """What history has of the leaders of each contact, in order. Raises HistoryAway."""
    found: dict[str, list[Event]] = {}
    for row in await history.fetch(TOLD, list(contacts)):
        found.setdefault(row["subject"], []).append(stored_event(row))
    return found
