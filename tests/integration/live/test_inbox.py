"""A node's inbox on a real Redis: each message is heard once, whatever becomes of the Redis."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from redis import Redis

from lq.live import keys
from lq.live.errors import LiveUnavailable
from lq.live.redis import Live
from lq.node import Node

LQ1 = "lq1-aaaaaaaa"


@dataclass
class Listener:
    """As much of a node as reads."""

    live: Live
    incarnation: str = LQ1
    heard: list[int] = field(default_factory=list)

    def _message(self, message: dict[str, Any]) -> None:
        self.heard.append(message["n"])

    async def has_heard(self, *numbers: int) -> None:
        async with asyncio.timeout(5):
            while self.heard != list(numbers):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)


@pytest.fixture
async def listener(live: Live) -> AsyncIterator[Listener]:
    found = Listener(live)
    reading = asyncio.create_task(Node._read_inbox(cast(Node, found)))
    yield found
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


async def test_a_successor_whose_clock_is_behind_gives_lower_ids(
    live: Live, listener: Listener, redis_url: str
) -> None:
    await live.send(LQ1, {"n": 1})
    await listener.has_heard(1)
    with Redis.from_url(redis_url) as successor:
        successor.delete(keys.inbox(LQ1))
        successor.xadd(keys.inbox(LQ1), {"m": json.dumps({"n": 2})}, id="5-0")
        await listener.has_heard(1, 2)
        await live.send(LQ1, {"n": 3})
        await listener.has_heard(1, 2, 3)
        async with asyncio.timeout(5):
            while successor.xlen(keys.inbox(LQ1)):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)


async def test_a_message_that_could_not_be_taken_out_is_not_heard_again(
    live: Live, listener: Listener, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, failed = live.taken, list[tuple[str, ...]]()

    async def fails_once(incarnation: str, *ids: str) -> None:
        if not failed:
            failed.append(ids)
            raise LiveUnavailable("gone in this moment")
        await taken(incarnation, *ids)

    monkeypatch.setattr(live, "taken", fails_once)
    await live.send(LQ1, {"n": 1})
    await listener.has_heard(1)
    await live.send(LQ1, {"n": 2})
    await listener.has_heard(1, 2)
    with Redis.from_url(redis_url) as plain:
        async with asyncio.timeout(5):
            while plain.xlen(keys.inbox(LQ1)):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
    assert listener.heard == [1, 2] and failed


async def test_only_what_was_read_is_taken_out(live: Live, redis_url: str) -> None:
    with Redis.from_url(redis_url) as plain:
        for n in (1, 2, 3):
            plain.xadd(keys.inbox(LQ1), {"m": json.dumps({"n": n})}, id=f"{n}-0")
    await live.taken(LQ1, "2-0")
    assert [message["n"] for _, message in await live.inbox(LQ1, block_ms=0)] == [1, 3]
    assert [message["n"] async for message in live.left_unheard(LQ1)] == [1, 3]
    assert await live.inbox(LQ1, block_ms=0) == []
