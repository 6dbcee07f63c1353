"""While Redis is away the owner goes on, but calls nobody whose reservation may be given to somebody else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.held import Held
from lq.contacts.media_desk import MediaDesk
from lq.contacts.owner import Owner
from lq.contacts.sip_desk import SipDesk
from lq.live.errors import LiveUnavailable
from lq.live.memory import Memory
from lq.live.redis import Live
from lq.live.spool import Spool
from lq.live.values import AgentResult, Committed, HoldResult
from lq.pulse import Pulse
from lq.sip.agent import Datagram
from tests.unit.contacts.test_advance import BOOK, MEDIA, Life

PEER = ("127.0.0.1", 5060)
OTHER = Datagram("customer", b"BYE", PEER)
INVITE = Datagram("agent", b"INVITE", PEER)
ASK = Datagram("question", b"INVITE", PEER)


class Redis:
    away = True
    is_silent = False
    commits = 0

    async def commit(self, *args: Any, **more: Any) -> Committed:
        if self.away:
            raise LiveUnavailable("hung")
        self.commits += 1
        return Committed()


class Sip:
    def __init__(self) -> None:
        self.sent: list[Datagram] = []
        self.taken_back: list[int] = []
        self.prepared: list[Datagram] = []

    def perform(self, contact: object, effects: object) -> list[Datagram]:
        return self.prepared

    def dialogs(self, contact: str) -> dict[str, Any]:
        return {}

    def take_back(self, contact: str, leg: int) -> str:
        self.taken_back.append(leg)
        return "agent"

    def take_back_question(self, contact: str, request: int) -> str:
        self.taken_back.append(request)
        return "question"

    def send(self, datagrams: Sequence[Datagram]) -> None:
        self.sent += datagrams


class Media:
    def perform(self, contact: object, effects: object) -> None:
        pass


@pytest.fixture
def redis() -> Redis:
    return Redis()


@pytest.fixture
def sip() -> Sip:
    return Sip()


@pytest.fixture
def owner(redis: Redis, sip: Sip, tmp_path: Path) -> Owner:
    return Owner(
        incarnation="lq1-aaaaaaaa",
        live=cast(Live, redis),
        sip=cast(SipDesk, sip),
        media=cast(MediaDesk, Media()),
        pulse=Pulse(1.0),
        memory=Memory(),
        spool=Spool(tmp_path / "unsent.jsonl"),
    )


def offered(sip: Sip) -> tuple[Held, list[do.Effect]]:
    life = Life().offered()
    effects = life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    assert any(isinstance(effect, do.Invite) for effect in effects)
    sip.prepared = [OTHER, INVITE]
    return Held(life.contact, 1, BOOK, "", written=True), effects


async def test_an_offer_that_redis_does_not_know_rings_nobody(owner: Owner, sip: Sip) -> None:
    held, effects = offered(sip)
    assert held.contact.offer is not None
    await owner._turn(held, effects)
    assert sip.sent == [OTHER] and sip.taken_back == [2], "everything else goes on"
    assert held.inbox.get_nowait() == inputs.OfferLost(held.contact.offer.reservation)


async def test_with_redis_it_rings(owner: Owner, sip: Sip, redis: Redis) -> None:
    redis.away = False
    held, effects = offered(sip)
    await owner._turn(held, effects)
    assert sip.sent == [OTHER, INVITE] and held.inbox.empty()


async def test_events_outlive_the_node_until_redis_has_them(
    owner: Owner, sip: Sip, redis: Redis, tmp_path: Path
) -> None:
    held, _ = offered(sip)
    held.events = [effect.event for effect in Life().answered().effects if isinstance(effect, do.Emit)]
    kept = [event.type for event in held.events]
    owner._held[held.contact.id] = held
    await owner._turn(held, [])
    await owner._turn(held, [])
    owner._spool.flush()
    assert [event.type for event in Spool(tmp_path / "unsent.jsonl").left()] == kept, "each once"
    redis.away = False
    await owner._turn(held, [])
    owner._spool.flush()
    assert not (tmp_path / "unsent.jsonl").exists() and held.events == []


def asking(sip: Sip, *, left: bool) -> tuple[Held, list[do.Effect]]:
    """Somebody who waits in line, and whose old place Redis may not have heard of that he `left` it."""
    life = Life().queued()
    asked: list[do.Effect] = [effect for effect in life.effects if isinstance(effect, do.Ask)]
    assert len(asked) == 1
    sip.prepared = [OTHER, ASK]
    return Held(life.contact, 1, BOOK, "", written=True, dequeue=left), asked


async def test_who_has_not_left_his_old_place_asks_for_no_new_one(owner: Owner, sip: Sip, redis: Redis) -> None:
    """The word of it, said when Redis is back, would throw him out of the new one."""
    held, effects = asking(sip, left=True)
    await owner._turn(held, effects)
    assert sip.sent == [OTHER] and sip.taken_back == [1]
    assert held.inbox.get_nowait() == inputs.AskFailed(1, 503), "so he asks again, in a second"
    redis.away, sip.sent = False, []
    await owner._turn(held, effects)
    assert sip.sent == [OTHER, ASK] and held.is_clean and held.inbox.empty()


async def test_who_has_no_old_place_asks_though_we_are_cut_off_from_redis(owner: Owner, sip: Sip) -> None:
    """The edge may reach it."""
    held, effects = asking(sip, left=False)
    await owner._turn(held, effects)
    assert sip.sent == [OTHER, ASK] and held.inbox.empty()


class Lapsed(Redis):
    """It has let 1001 go, for his lease ran out while we could not reach it."""

    away = False
    has_another_contact = False

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []

    async def commit(self, *args: Any, **said: Any) -> Committed:
        self.said.append(said)
        held = said["holds"].agents if said["holds"] else ()
        return Committed(
            tuple(AgentResult(op.agent, False, "ready") for op in said["agents"]),
            holds=tuple(HoldResult(one.agent, not self.has_another_contact) for one in held),
        )

    def again(self) -> list[list[tuple[str, int, str]]]:
        """Whom it was told once more, by commit."""
        return [[(a.agent, a.fence, a.state) for a in s["holds"].agents] if s["holds"] else [] for s in self.said]


TALKS = [("1001", 17, "talking")]


@pytest.fixture
def lapsed(owner: Owner) -> Lapsed:
    found = Lapsed()
    owner._live = cast(Live, found)
    return found


def answering() -> Held:
    life = Life().offered()
    held = Held(life.contact, 1, BOOK, "", written=True)
    life.take(inputs.Accepted(2, "agent answer"))
    held.contact = life.contact
    held.collect(life.effects)
    return held


async def test_an_agent_who_talks_is_taken_back_by_a_redis_that_has_let_him_go(owner: Owner, lapsed: Lapsed) -> None:
    held = answering()
    await owner._commit(held)
    assert lapsed.again() == [[], TALKS], "at once: he would be given another contact"
    assert held.inbox.empty() and not held.is_restless
    await owner._commit(held)
    assert lapsed.again()[2:] == [[]], "that was all"


async def test_while_another_contact_has_him_it_is_said_again_and_again(owner: Owner, lapsed: Lapsed) -> None:
    lapsed.has_another_contact = True
    held = answering()
    await owner._commit(held)
    await owner._commit(held)
    assert lapsed.again() == [[], TALKS, TALKS] and held.is_restless and held.is_clean
    lapsed.has_another_contact = False
    await owner._commit(held)
    assert lapsed.again()[3:] == [TALKS] and not held.is_restless


async def test_whom_the_contact_lets_go_too_is_not_taken_back(owner: Owner, lapsed: Lapsed) -> None:
    """The talk began and ended while Redis was away."""
    life = Life().talking()
    held = Held(life.contact, 1, BOOK, "", written=True)
    held.collect([do.AgentOp("1001", 17, "talking")])
    life.take(inputs.Ended(1, "bye", 16))
    held.contact = life.contact
    held.collect(life.effects)
    await owner._commit(held)
    assert lapsed.again() == [[]] and not held.is_restless


class Slow(Redis):
    """Each commit waits until it is let through; `said` tells whether it left the line, and what stood there."""

    away = False

    def __init__(self) -> None:
        self.said: list[tuple[bool, bool]] = []
        self.through = asyncio.Event()

    async def commit(self, *args: Any, **said: Any) -> Committed:
        self.said.append((said["dequeue"], bool(said["holds"] and said["holds"].waiting)))
        await self.through.wait()
        return Committed()


async def test_who_leaves_the_line_while_his_place_is_said_again_has_left_it(owner: Owner) -> None:
    """The commit that is on its way does not tell of it: he would stand there for ever."""
    redis = Slow()
    owner._live = cast(Live, redis)
    life = Life().queued()
    held = owner._held[life.contact.id] = Held(life.contact, 1, BOOK, "", written=True)
    again = asyncio.create_task(owner.say_again())
    async with asyncio.timeout(5):
        while not redis.said:  # noqa: ASYNC110 - it is under way
            await asyncio.sleep(0)
    held.collect([do.Dequeue()])
    redis.through.set()
    await again
    assert held.dequeue and not held.is_clean
    await owner._commit(held)
    assert redis.said == [(False, True), (True, False)] and held.is_clean


async def test_who_is_robbed_of_his_agent_when_all_is_said_again_is_looked_after(owner: Owner, lapsed: Lapsed) -> None:
    """Its task sleeps until something comes: nothing need, for an hour."""
    lapsed.has_another_contact = True
    life = Life().talking()
    held = owner._held[life.contact.id] = Held(life.contact, 1, BOOK, "", written=True)
    sleeps = asyncio.create_task(owner._next(held))
    await owner.say_again()
    assert held.is_restless and held.is_clean
    async with asyncio.timeout(5):
        assert await sleeps == [inputs.Leaving()], "which changes nothing, and its task says it again"
    assert held.contact == life.contact and lapsed.again() == [TALKS, TALKS]
