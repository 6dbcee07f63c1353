"""Whom a queue gives a call by its strategy, on the real system: who was given fewer today comes first."""

from __future__ import annotations

import time

from redis.asyncio import Redis

from lq.config.calendars import day_began
from lq.config.documents import Settings
from lq.live import keys
from ops.home import read_secrets
from tests.center import Center
from tests.scenarios.conftest import Line, Scene, is_read, line


async def served(scene: Scene, own: Line) -> str:
    """The agent who has answered the next caller, as the books say, once he is ready again."""
    call = await scene.dial(own.number)
    await call.answered()
    contact = await scene.contact(call)
    told = await scene.events.first("contact_answered", subject=contact)
    await call.hang_up()
    await scene.events.first("contact_ended", subject=contact)
    agent = str(told.data["agent"])
    await scene.state(agent, "ready")
    return agent


async def test_the_nodes_say_when_the_centers_day_began(center: Center) -> None:
    url = f"redis://ops:{read_secrets(center.home).redis['ops']}@127.0.0.1:{center.ports.redis}/0"
    async with Redis.from_url(url, decode_responses=True) as redis:
        told = int(await redis.hget(keys.COUNTERS, "day") or 0)
    assert told == day_began(int(time.time() * 1000), Settings().time_zone)


async def test_fewest_calls_today(scene: Scene, center: Center) -> None:
    own = line(35)
    first, second = own.agents
    before = (await scene.lq.document("queues", own.queue)).body
    await scene.lq.put_document("queues", own.queue, {**before, "strategy": "fewest_calls", "wrap_up_s": 1})
    try:
        await is_read(center, (await scene.lq.health()).config_version)
        await scene.agent(first, answer_after_s=0.1)
        assert [await served(scene, own) for _ in range(2)] == [first, first]
        await scene.agent(second, answer_after_s=0.1)
        assert await served(scene, own) == second
        await scene.lq.sign_out(first)
        await scene.lq.sign_out(second)
        await scene.sign_in(second)
        await scene.sign_in(first)
        assert await served(scene, own) == second, "his calls of today are his, and one is fewer than two"
        assert await served(scene, own) == first, "two each: who is idle longer"
    finally:
        await scene.lq.put_document("queues", own.queue, before)
