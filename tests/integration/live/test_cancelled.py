"""Whoever is told to end while he asks Redis ends, at whatever moment it is."""

from __future__ import annotations

import asyncio

from lq.live.redis import Live


async def asks_for_ever(live: Live) -> None:
    while True:
        await live.last_event()


async def test_no_cancellation_is_swallowed(live: Live) -> None:
    for steps in range(40):
        for _ in range(5):
            task = asyncio.create_task(asks_for_ever(live))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            async with asyncio.timeout(5):
                await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled(), steps
