"""What a node says again, and what a process before it could not say, on a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from redis import Redis

from lq.config.book import Book
from lq.contacts.owner import Owner
from lq.ledger.events import Event
from lq.live.memory import Memory
from lq.live.redis import Live
from lq.live.spool import Spool
from lq.remembering import LOOK_BACK_MS, Remembering
from tests.integration.live.center import Clock, documents, sign_in

LQ1 = "lq1-aaaaaaaa"
EVENTS = [Event("contact_ended", 1_764_000_000_000 + n, "c1", n, {"n": n}) for n in range(1, 4)]


@dataclass
class NoContacts:
    """An owner who holds nothing: its contacts are other tests' matter."""

    book: Book
    load: int = 0
    said: int = 0

    async def say_over(self) -> None:
        """Nothing has ended with it."""

    async def say_again(self) -> None:
        self.said += 1

    def holds(self, contact: str) -> bool:
        return True


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "lq1.jsonl")
    yield spool
    spool.close()


@asynccontextmanager
async def remembering(live: Live, spool: Spool) -> AsyncIterator[tuple[Remembering, NoContacts]]:
    owner = NoContacts(Book.read(1, documents()))
    found = Remembering(
        LQ1, live=live, owner=cast(Owner, owner), memory=Memory(), spool=spool, took=lambda: {"lq0-00000000"}
    )
    following = asyncio.create_task(found.follow())
    yield found, owner
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await found.close()


async def said(found: Remembering, live: Live) -> None:
    async with asyncio.timeout(5):
        while not found.renewed(await live.renew("lq", LQ1)):  # noqa: ASYNC110 - as the node does, until it is so
            await asyncio.sleep(0.01)


async def test_what_the_process_before_could_not_write_is_written(live: Live, spool: Spool, tmp_path: Path) -> None:
    spool.put(EVENTS)
    spool.flush()
    async with remembering(live, spool) as (found, _):
        await said(found, live)
        written = [e for e in await live.events() if e.subject == "c1"]
        assert [(e.type, e.seq, e.at, e.data) for e in written] == [(e.type, e.seq, e.at, e.data) for e in EVENTS]
        spool.flush()
        assert not (tmp_path / "lq1.jsonl").exists()


async def test_a_redis_that_forgot_everything_is_told(live: Live, spool: Spool, redis_url: str, clock: Clock) -> None:
    await sign_in(live, "1001")
    async with remembering(live, spool) as (found, owner):
        await said(found, live)
        assert owner.said == 1
        await sign_in(live, "1002")
        await live.agent("1002", "pause", reason="meal")
        paused = [e for e in await live.events() if e.subject == "agent:1002"][-1]
        async with asyncio.timeout(5):
            while found._memory.agent("1002") is None or found._memory.agent("1002").seq < paused.seq:  # type: ignore[union-attr]  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        with Redis.from_url(redis_url) as plain:
            plain.flushall()
        clock.pass_ms(1_000)
        await said(found, live)
        assert owner.said == 2
        clock.pass_ms(3_000)
        await live.tick()
        await live.publish(1, documents())
        states: dict[str, Any] = {a.id: (a.state, a.reason) for a in await live.agents()}
        assert states["1001"] == ("ready", None), "his phone is taken to be there until it is known better"
        assert states["1002"] == ("paused", "meal")
        assert (paused.subject, paused.seq) in {(e.subject, e.seq) for e in await live.events()}
        with Redis.from_url(redis_url, decode_responses=True) as plain:
            assert plain.hgetall("{lcall}:adopted") == {"lq0-00000000": LQ1}


async def test_what_a_newer_node_or_nobody_wrote_into_the_stream_keeps_nobody_from_speaking(
    live: Live, spool: Spool, redis_url: str
) -> None:
    newer = {"v": "2", "type": "contact_ended", "at": "1", "subject": "c9", "seq": "1", "data": "{}"}
    with Redis.from_url(redis_url) as plain:
        plain.xadd("{lcall}:events", newer)  # type: ignore[arg-type]
        plain.xadd("{lcall}:events", {"no": "event"})
    assert ("c9", 1) in await live.recent(0)
    async with remembering(live, spool) as (found, owner):
        await said(found, live)
        assert owner.said == 1


async def test_what_stands_beside_an_event_of_a_newer_node_is_remembered(
    live: Live, spool: Spool, redis_url: str, clock: Clock
) -> None:
    async with remembering(live, spool) as (found, _):
        await said(found, live)
        ours = {"v": "1", "type": "contact_ended", "at": str(clock()), "subject": "c8", "seq": "1", "data": "{}"}
        with Redis.from_url(redis_url) as plain, plain.pipeline(transaction=True) as pipe:  # read at once
            pipe.xadd("{lcall}:events", ours | {"v": "2", "subject": "c9"})  # type: ignore[arg-type]
            pipe.xadd("{lcall}:events", ours)  # type: ignore[arg-type]
            pipe.execute()
        await sign_in(live, "1002")
        async with asyncio.timeout(5):
            while found._memory.agent("1002") is None:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
        assert "c8" in {event.subject for event in found._memory.missing(())}


async def test_the_last_minute_of_the_stream_is_read_though_the_clock_is_behind_it(
    live: Live, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of these tests is, by a year."""
    await sign_in(live, "1001")
    newest, asked, recent = int((await live.last_event()).partition("-")[0]), list[int](), live.recent

    async def reads(since_ms: int) -> set[tuple[str, int]]:
        asked.append(since_ms)
        return await recent(since_ms)

    monkeypatch.setattr(live, "recent", reads)
    async with remembering(live, spool) as (found, _):
        await said(found, live)
    assert [newest - LOOK_BACK_MS <= since < newest for since in asked] == [True]
