"""Leaders who are not heard: which events of a contact tell of them, at each place of its life."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from lq.api import leaders
from lq.api.feed import place
from lq.api.history import History as RealHistory
from lq.api.history import HistoryAway
from lq.api.leaders import Book, Leaders
from lq.ledger.events import Event
from lq.live.redis import Live as RealLive
from lq.live.values import ContactState
from tests.unit.contacts.talks import monitoring


def told(*events: tuple[str, str, dict[str, Any]]) -> list[Event]:
    """Type, subject, data; each at its own place of the stream."""
    return [Event(type, 0, subject, n, data, f"{n}-0") for n, (type, subject, data) in enumerate(events, 1)]


def of(type: str, **data: Any) -> tuple[str, str, dict[str, Any]]:
    return type, "c", data


def came(leg: str, agent: str) -> tuple[str, str, dict[str, Any]]:
    return of("contact_called", n=2, leg=leg, verb="monitor", to=f"agent:{agent}")


def monitors(agent: str, mode: str, leg: str) -> tuple[str, str, dict[str, Any]]:
    return of("contact_monitored", agent=agent, mode=mode, leg=leg)


def state(agent: str, state: str = "talking") -> tuple[str, str, dict[str, Any]]:
    return "agent_state_changed", f"agent:{agent}", {"agent": agent, "state": state, "contact": "c"}


def visible(known: Leaders, events: Sequence[Event]) -> list[int]:
    return [n for n, event in enumerate(events) if not known.hides(event)]


LISTENS_THEN_BARGES = told(
    of("contact_called", n=2, leg="c.3", verb="consult", to="agent:1002"),
    came("c.4", "1901"),
    of("leg_answered", leg="c.4", codec="PCMA"),
    monitors("1901", "listen", "c.4"),
    of("leg_placed", leg="c.4", place="listens"),
    monitors("1901", "whisper", "c.4"),
    of("leg_answered", leg="c.3", codec="PCMA"),
    monitors("1901", "barge", "c.4"),
    of("leg_reoffered", leg="c.4", accepted=True),
    monitors("1901", "end", "c.4"),
    of("leg_ended", leg="c.4", by="us", cause=16),
)


def test_of_a_leader_an_agent_hears_from_his_barge_in_to_his_end() -> None:
    assert visible(Leaders.of(LISTENS_THEN_BARGES), LISTENS_THEN_BARGES) == [0, 6, 7, 8]


@pytest.mark.parametrize("size", range(len(LISTENS_THEN_BARGES)))
def test_whoever_comes_later_hears_no_more_of_what_was(size: int) -> None:
    """All of it is known by then, or one page after the other is read."""
    page = LISTENS_THEN_BARGES[size:]
    whole = Leaders.of(LISTENS_THEN_BARGES)
    assert [page[n].seq for n in visible(whole, page)] == [seq for seq in (1, 7, 8, 9) if seq > size]
    assert visible(Leaders.of(LISTENS_THEN_BARGES[:size]).and_of(page), page) == visible(whole, page)


def test_his_state_names_the_contact() -> None:
    events = told(
        *(state("1001"), came("c.3", "1901"), state("1901"), came("c.4", "1902")),
        monitors("1901", "listen", "c.3"),
        monitors("1902", "barge", "c.4"),
        state("1902"),
        monitors("1902", "end", "c.4"),
        of("leg_ended", leg="c.3", by="peer", cause=16),
        state("1901", "wrap_up"),
        state("1902", "wrap_up"),
    )
    known = Leaders.of(events)
    assert visible(known, events) == [0, 5, 6, 10]
    assert known.hides_agent("1901") and not known.hides_agent("1902") and not known.hides_agent("1001")
    assert known.secret() == {"c.3"}, "who was heard was no secret"
    before = told(state("1901"), came("c.3", "1901"))
    assert visible(Leaders.of(before), before) == [], "also where his state stands before what he came for"


def test_a_leaders_phone_that_is_called_once_more_is_still_his() -> None:
    events = told(
        came("c.4", "1901"),
        of("leg_started", leg="c.4", party="agent", address="1901", direction="out"),
        of("leg_ended", leg="c.4", by="peer", cause=88, sip=488),
        of("leg_started", leg="c.5", party="agent", address="8901", direction="out"),  # as a browser's
        of("leg_ringing", leg="c.5", sip=180),
        of("contact_call_ended", leg="c.5", outcome="no_answer"),
        of("leg_ended", leg="c.5", by="us", cause=19),
        of("leg_started", leg="c.6", party="agent", address="8002", direction="out"),
    )
    assert visible(Leaders.of(events), events) == [7]


def test_who_takes_over_is_the_agent_from_then_on() -> None:
    events = told(
        came("c.4", "1901"),
        monitors("1901", "take-over", "c.4"),
        of("contact_answered", n=3, queue="sales", agent="1901", leg="c.4"),
        state("1901", "wrap_up"),
    )
    assert visible(Leaders.of(events), events) == [1, 2, 3]


# -- the book ----------------------------------------------------------------------------------------------------------


class Live:
    """Contacts that go on, as their snapshots show them."""

    def __init__(self) -> None:
        self.alive: dict[str, str] = {}
        self.asked = 0

    async def contact(self, id: str) -> ContactState | None:
        self.asked += 1
        return ContactState(id, "lq1", 1, self.alive[id]) if id in self.alive else None


class History:
    """Rows of `event`, of the types that are asked for; None: it is away."""

    def __init__(self) -> None:
        self.events: Sequence[Event] | None = ()
        self.asked = 0

    async def fetch(self, query: str, contacts: list[str]) -> list[dict[str, Any]]:
        self.asked += 1
        if self.events is None:
            raise HistoryAway("away")
        return [row(event) for event in self.events if event.subject in contacts and f"'{event.type}'" in query]


def row(event: Event) -> dict[str, Any]:
    ms, n = place(event.id)
    return {
        **{"type": event.type, "at": datetime.now(UTC), "subject": event.subject, "seq": event.seq, "v": event.v},
        **{"data": json.dumps(dict(event.data)), "stream_ms": ms, "stream_n": n},
    }


class World:
    def __init__(self) -> None:
        self.live, self.history = Live(), History()
        self.book = Book(cast(RealLive, self.live), cast(RealHistory, self.history))

    async def told(self, events: Sequence[Event]) -> list[int]:
        """Which of them who may not supervise hears."""
        return [n for n, event in enumerate(events) if not await self.book.hides(event)]


@pytest.fixture
def world() -> World:
    return World()


async def test_what_the_reader_has_heard_from_the_start_needs_nobody_to_be_asked(world: World) -> None:
    events = told(
        of("contact_started"), *((e.type, e.subject, dict(e.data)) for e in LISTENS_THEN_BARGES), state("1901")
    )
    for event in events:
        world.book.hear(event)
    assert await world.told(events) == [0, 1, 7, 8, 9, 12]
    assert world.book.secret("c") == set() and (world.live.asked, world.history.asked) == (0, 0)
    world.book.forget()
    await world.told(events)
    assert world.history.asked, "of another stream it knows nothing"


@pytest.mark.parametrize("history", ["has it", "is away"])
async def test_of_a_contact_that_began_before_tell_its_snapshot_and_history(world: World, history: str) -> None:
    life = monitoring()
    events = [replace(event, id=f"{n}-0") for n, event in enumerate(life.ledger, 1)]
    world.live.alive["c1"] = json.dumps(life.contact.to_json())
    world.history.events = events if history == "has it" else None
    heard = {events[n].data["leg"] for n in await world.told(events) if "leg" in events[n].data}
    assert heard == {"c1.1", "c1.2"}, "of the leader's leg nothing, of the others all"
    assert (await world.book.of(["c1"]))["c1"].hides_agent("1901") and world.live.asked == 1, "it was asked once"
    barges = Event("contact_monitored", 0, "c1", 900, {"agent": "1901", "mode": "barge", "leg": "c1.3"}, "900-0")
    world.book.hear(barges)
    after = Event("leg_reoffered", 0, "c1", 901, {"leg": "c1.3", "accepted": True}, "901-0")
    assert not await world.book.hides(barges) and not await world.book.hides(after)
    assert not (await world.book.of(["c1"]))["c1"].hides_agent("1901")


async def test_of_one_that_is_over_history_tells(world: World) -> None:
    events = told(came("c.4", "1901"), of("leg_started", leg="c.4"), of("leg_ended", leg="c.2"), of("contact_ended"))
    world.history.events = events
    assert await world.told(events) == [2, 3]
    assert world.book.secret("c") == {"c.4"}


async def test_what_the_reader_heard_meanwhile_counts_too(world: World) -> None:
    [event] = told(monitors("1901", "listen", "c.4"))
    world.book.hear(replace(event, seq=9, id="9-0"))
    world.history.events = told(of("contact_ended"))
    [ended] = told(of("leg_ended", leg="c.4", by="us", cause=16))
    assert await world.book.hides(replace(ended, seq=10, id="10-0"))


async def test_while_nobody_can_tell_nothing_is_said_that_might_be_of_a_leader(world: World) -> None:
    world.history.events = None
    events = told(
        of("leg_answered", leg="c.3"),
        of("contact_call_ended", leg="c.3", outcome="answered"),
        state("1901", "wrap_up"),
        of("leg_answered", leg="c.1"),  # who came first
        of("contact_answered", n=2, agent="1001", leg="c.2"),
        of("contact_ended"),
    )
    assert await world.told(events) == [3, 4, 5]
    assert world.history.asked == 1, "and history is left alone for a while"


async def test_what_the_book_remembers_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaders, "KEPT", 10)
    for n in range(100):
        world.book.hear(Event("contact_started", 0, f"c{n}", 1, {}, f"{n}-1"))
        world.book.hear(
            Event("contact_monitored", 0, f"d{n}", 1, {"agent": "1", "mode": "barge", "leg": "x"}, f"{n}-2")
        )
    assert len(world.book._known) == len(world.book._parts) == 10
