"""Debris of every kind, planted in a center that carries a call: it is found, mended and told; the call goes on."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from lq.live import keys
from lq.media.ng import Ng
from tests.scenarios.faults import Scene, scene

__all__ = ["scene"]
pytestmark = [pytest.mark.kills, pytest.mark.slow]

GHOST = "0190a000-0000-7000-8000-00000000dead"  # of 2024: not young
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
)


async def plant(scene: Scene, redis: Redis, ng: Ng) -> set[tuple[str, str]]:
    """Nobody knows how it came there; returns what has to be mended."""
    await scene.lq.sign_in("1005", "8005")
    await redis.hset(
        keys.agent("1005"), mapping={"state": "talking", "contact": GHOST, "fence": "17", "since": "1700000000000"}
    )
    await redis.sadd(keys.CONTACTS, GHOST)
    await redis.zadd(keys.lane_contacts("support"), {GHOST: 1})
    await redis.zadd(keys.channels("gw2"), {f"{GHOST}.1": 29})
    await redis.hset(keys.phone("8077"), "agent", "1005")
    await ng("offer", **{"call-id": f"{GHOST}.3", "from-tag": "L", "sdp": SDP})
    return {
        ("agent", "1005"), ("contact", GHOST), ("place", f"support {GHOST}"), ("channel", f"gw2 {GHOST}.1"),
        ("phone", "8077"), ("call", f"127.0.0.1:{scene.center.ports.ng} {GHOST}.3"),
    }  # fmt: skip


async def mended(scene: Scene, at_least: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Everything that the ledger says was mended, once that is told."""
    async with asyncio.timeout(90):
        while True:
            events = await scene.live.events(count=100_000)
            told = {(event.data["what"], event.data["about"]) for event in events if event.type == "node_mended"}
            if told >= at_least:
                return told
            await asyncio.sleep(0.2)


async def test_what_was_left_behind_is_mended_and_told(scene: Scene) -> None:
    [pair] = await scene.pairs(1)
    center = scene.center
    ng = Ng(("127.0.0.1", center.ports.ng))
    await ng.start()
    redis = scene.redis
    async with asyncio.timeout(240):
        planted = await plant(scene, redis, ng)
        pair.listen()
        assert await mended(scene, planted) == planted, "and nothing else"
        assert (await scene.lq.agent("1005")).state == "phone_offline", "free, but for his phone"
        assert GHOST not in await scene.live.contacts()
        assert f"{GHOST}.3" not in (await ng("list", limit=1000))["calls"]
        assert set((await scene.live.channels("gw1")).values()) == {f"{pair.contact}.1"}
        await pair.heard_for(1)
        pair.assert_heard()
        # the call itself becomes nobody's: its node is not among those that anybody remembers
        owner = await scene.owner(pair.contact)
        await redis.hset(keys.contact(pair.contact), "owner", "lq9-00000000")
        await redis.srem(keys.owned(owner), pair.contact)
        await mended(scene, {("contact", pair.contact)})
        await scene.living_owner(pair.contact)
        await pair.call.reoffer("sendonly")
        await pair.call.reoffer("sendrecv")
        await pair.talk.hang_up()
        await pair.call.ended()
        assert (await scene.cdr(pair.contact)).result == "answered"
    await ng.close()
