"""While Redis is away the owner goes on, but calls nobody whose reservation may be given to somebody else."""

from __future__ import annotations

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
from lq.live.values import Committed
from lq.pulse import Pulse
from lq.sip.agent import Datagram
from tests.unit.contacts.test_advance import BOOK, MEDIA, Life

PEER = ("127.0.0.1", 5060)
OTHER = Datagram("customer", b"BYE", PEER)
INVITE = Datagram("agent", b"INVITE", PEER)


class Redis:
    away = True
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
