"""The ladder of a contact from its events and nothing else, and from the SIP that was traced: the two must agree.

    await ladders.agree(directory, contact, events, parties, [{CUSTOMER, AGENT}, {CUSTOMER, AGENT, listens(LEADER)}])

Parties are named by what stands as their address in events and messages; whoever is no party is ELSEWHERE, as the leg
of another contact that has taken a place in this one (RFC 3891).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final

from lq.ledger.events import Event
from ops import trace
from ops.story import Message

NEAR_MS: Final = 1_500  # between the books and the wire, on a busy machine
WRITTEN_S: Final = 5.0
ELSEWHERE: Final = "elsewhere"
PLACES: Final = ("talk", "aside")  # where people talk …
BESIDE: Final = ("listens", "whispers")  # … and where a leader is while they do
_USER: Final = re.compile(r"sips?:([^@;>\s]+)@")


def listens(role: str) -> str:
    return f"{role} listens"


def whispers(role: str) -> str:
    return f"{role} whispers"


# -- by the events -----------------------------------------------------------------------------------------------------
@dataclass
class _Life:
    """Which legs there are, and where."""

    parties: dict[int, str] = field(default_factory=dict)  # "customer" | "agent", while they live
    places: dict[int, str] = field(default_factory=dict)
    up: set[int] = field(default_factory=set)  # answered
    held: set[int] = field(default_factory=set)  # its phone holds

    def take(self, event: Event) -> None:
        n = int(str(event.data.get("leg", "0")).rpartition(".")[2])
        match event.type:
            case "leg_started":
                self.parties[n] = event.data["party"]
            case "leg_answered":
                self.up.add(n)
            case "contact_answered":
                self.places |= {self._who_has(n): "talk", n: "talk"}
            case "leg_placed":
                self.places[n] = event.data["place"]
            case "leg_reoffered" if event.data["accepted"]:
                (self.held.add if event.data["held"] else self.held.discard)(n)
            case "leg_ended":
                self.parties.pop(n, None)
                self.places.pop(n, None)
                self.up.discard(n)

    def _who_has(self, n: int) -> int:
        """Whom leg n has got: the customer, or who has called him."""
        customer = next((leg for leg, party in sorted(self.parties.items()) if party == "customer"), 1)
        return customer if customer != n else 1

    def together(self, place: str) -> dict[int, str]:
        """Who talks there, and who is beside them: leg → where. Nobody, if there are not two."""
        there = {n: where for n, where in self.places.items() if n in self.up}
        talking = {n: where for n, where in there.items() if where == place and n not in self.held}
        if len(talking) < 2:
            return {}
        return talking | ({n: where for n, where in there.items() if where in BESIDE} if place == "talk" else {})


def conversations(events: Sequence[Event], parties: Mapping[str, str]) -> list[frozenset[str]]:
    """Who talked with whom, one conversation after another; of a leader who is not heard by all it is said."""
    known = {int(leg.rpartition(".")[2]): name for leg, name in told_parties(events, parties).items()}
    life, found = _Life(), list[frozenset[str]]()
    now = dict.fromkeys(PLACES, frozenset[str]())
    for _, at_once in groupby(events, key=lambda event: event.at):
        for event in at_once:
            life.take(event)
        for place in PLACES:
            legs = life.together(place)
            together = frozenset(known[n] if where in PLACES else f"{known[n]} {where}" for n, where in legs.items())
            if together and together != now[place]:
                found.append(together)
            now[place] = together
    return found


def told_parties(events: Sequence[Event], parties: Mapping[str, str]) -> dict[str, str]:
    """Of each leg, who it is."""
    started = (event.data for event in events if event.type == "leg_started")
    return {str(data["leg"]): parties.get(str(data["address"]), ELSEWHERE) for data in started}


def told_spans(events: Sequence[Event]) -> dict[str, tuple[int, int]]:
    """Of each leg that was answered: when, and when it ended (ms)."""
    up, down = (
        {str(event.data["leg"]): event.at for event in reversed(events) if event.type == type}
        for type in ("leg_answered", "leg_ended")
    )
    return {leg: (up[leg], down[leg]) for leg in up if leg in down}


# -- by the wire -------------------------------------------------------------------------------------------------------
def wire_spans(messages: Sequence[Message]) -> dict[str, tuple[int, int]]:
    """Of each leg: when it was answered and when it ended, as the wire has it (ms)."""
    up: dict[str, int] = {}
    down: dict[str, int] = {}
    for message in messages:
        method = message.header("CSeq").rpartition(" ")[2]
        if method == "INVITE" and message.code == 200:
            up.setdefault(message.leg, message.at)
        if message.data.startswith("BYE "):
            down.setdefault(message.leg, message.at)
    return {leg: (up[leg], down[leg]) for leg in up if leg in down}


def wire_parties(messages: Sequence[Message], parties: Mapping[str, str]) -> dict[str, str]:
    """Of each leg, who was called by its first INVITE, or who has called by it."""
    found: dict[str, str] = {}
    for message in messages:
        if message.data.startswith("INVITE ") and message.leg not in found:
            said = message.header("From") if message.direction == "in" else message.data.partition("\r\n")[0]
            user = None if message.header("X-LQ-Source").startswith("leg") else _USER.search(said)
            found[message.leg] = parties.get(user[1], ELSEWHERE) if user else ELSEWHERE
    return found


# -- both --------------------------------------------------------------------------------------------------------------
async def agree(
    directory: Path,
    contact: str,
    events: Sequence[Event],
    parties: Mapping[str, str],
    wanted: Sequence[AbstractSet[str]],
) -> None:
    """As `compare`; `directory`: of the traces."""
    answered = {str(event.data["leg"]) for event in events if event.type == "leg_answered"}
    compare(events, await _on_the_wire(directory, contact, answered), parties, wanted)


def compare(
    events: Sequence[Event],
    messages: Sequence[Message],
    parties: Mapping[str, str],
    wanted: Sequence[AbstractSet[str]],
) -> None:
    """The events tell these conversations, and of each leg the same as the wire: whose it was, from when to when.

    Raises AssertionError.
    """
    found = conversations(events, parties)
    assert found == [frozenset(one) for one in wanted], f"told is {_said(found)}\nnot {_said(wanted)}"
    told, answered = told_spans(events), {e.data["leg"] for e in events if e.type == "leg_answered"}
    assert told.keys() == answered, f"told to end are {sorted(told)}, to be answered {sorted(answered)}"
    wire = wire_spans(messages)
    assert wire.keys() == told.keys(), f"on the wire {sorted(wire)} talked, by the events {sorted(told)}"
    whose, told_whose = wire_parties(messages, parties), told_parties(events, parties)
    for leg in told:
        assert whose[leg] == told_whose[leg], f"{leg} is {whose[leg]} on the wire, {told_whose[leg]} by the events"
        late = [ours - theirs for ours, theirs in zip(told[leg], wire[leg], strict=True)]
        assert all(abs(ms) < NEAR_MS for ms in late), f"{leg} is told {late} ms later than the wire has it"


async def _on_the_wire(directory: Path, contact: str, legs: AbstractSet[str]) -> tuple[Message, ...]:
    """With the spans of all these legs, if they come: a node writes its trace a moment after it sent."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + WRITTEN_S
    while True:
        found = trace.messages(directory, contact)
        if legs <= wire_spans(found).keys() or loop.time() > deadline:
            return found
        await asyncio.sleep(0.05)


def _said(found: Iterable[AbstractSet[str]]) -> str:
    return " · ".join(" + ".join(sorted(one)) for one in found) or "nobody"
