"""What the watch reads in a real Redis: who waits in a line in which somebody is ready."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis import Redis

from lq.live import keys
from lq.live.redis import Live
from lq.watch.edge import Edge
from lq.watch.places import Places
from tests.integration.live.center import contact, sign_in

SERVABLE = "lcall_oldest_servable_seconds"


@pytest.fixture
async def watched(redis_url: str, tmp_path: Path) -> AsyncIterator[Places]:
    edge = Edge(tmp_path / "rpc.sock", tmp_path / "watch.rpc")
    places = Places({}, redis_url, "postgres://127.0.0.1:1/x", {}, {}, edge, {})
    yield places
    await places.close()


@pytest.mark.parametrize("lane", ["sales", "agent:1001"])
async def test_who_waits_though_somebody_is_ready_is_seen_in_every_line(
    live: Live, watched: Places, redis_url: str, lane: str
) -> None:
    await sign_in(live, "1001")
    await live.agent("1001", "pause")
    await contact(live, "c1")
    await live.ask("c1", "r", {lane: 5})
    assert SERVABLE not in (await watched.read())["redis"], "nobody is ready"
    with Redis.from_url(redis_url) as plain:
        plain.zadd(keys.lane_agents(lane), {"1001": 1})  # nobody knows how
    ((labels, waited),) = (await watched.read())["redis"][SERVABLE]
    assert labels == {"queue": lane} and waited > 3


async def test_lines_in_which_nobody_waits_cost_little(live: Live, watched: Places, redis_url: str) -> None:
    """Each signed-in agent has a line of his own; Redis is asked every second."""
    await contact(live, "c1")
    await live.ask("c1", "r", {"agent:1500": 5})
    with Redis.from_url(redis_url, decode_responses=True) as plain:
        plain.sadd(keys.AGENTS, *(str(n) for n in range(1000, 2000)))
        plain.zadd(keys.lane_agents("agent:1500"), {"1500": 1})
        plain.config_resetstat()
        ((labels, _),) = (await watched.read())["redis"][SERVABLE]
        asked = sum(command["calls"] for command in plain.info("commandstats").values())
    assert labels == {"queue": "agent:1500"}
    assert asked < 200, "they are asked for many at a time"
