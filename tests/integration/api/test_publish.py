"""Configuration from PostgreSQL into Redis, and the demo world."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import asyncpg
import pytest
from argon2 import PasswordHasher

from lq.config import publish, seed
from lq.live.redis import Live
from tests.integration.ledger import services

QUEUE = {"id": "sales", "name": "销售"}
KEY = ("queues", "sales")


async def put(rows: asyncpg.Connection, kind: str = "queues", **body: object) -> publish.Document:
    [document] = await publish.put(rows, [(kind, body)], by="test")
    return document


async def test_a_change_raises_the_version_and_is_published_whole(rows: asyncpg.Connection, live: Live) -> None:
    first = await put(rows, **QUEUE)
    second = await put(rows, "agents", id="1001", name="王芳", queues=["sales"])
    assert (first.version, second.version) == (1, 2)
    assert await publish.publish(rows, live) == 2
    assert await live.config("queues") == {"sales": QUEUE}
    assert await live.config("agents") == {"1001": {"id": "1001", "name": "王芳", "queues": ["sales"]}}
    await publish.delete(rows, "agents", "1001")
    await publish.publish(rows, live)
    assert await live.config("agents") == {}
    assert await live.config_version() == 3


async def test_what_is_refused_leaves_no_trace(rows: asyncpg.Connection) -> None:
    await put(rows, **QUEUE)
    with pytest.raises(publish.Refused) as unknown:
        await put(rows, "agents", id="1001", name="王芳", queues=["shop"])
    assert [error.field for error in unknown.value.errors] == ["agents/1001/queues"]
    with pytest.raises(publish.Refused):
        await put(rows, id="sales", name="")
    await put(rows, "agents", id="1001", name="王芳", queues=["sales"])
    with pytest.raises(publish.Refused):
        await publish.delete(rows, "queues", "sales")
    with pytest.raises(publish.Missing):
        await publish.delete(rows, "queues", "shop")
    assert await rows.fetchval("select version from config_version") == 2
    assert await rows.fetchval("select count(*) from config_document") == 2


async def test_a_writer_who_read_an_older_document_is_told(rows: asyncpg.Connection) -> None:
    document = await put(rows, **QUEUE)
    with pytest.raises(publish.Changed) as changed:
        await publish.put(
            rows, [("queues", {**QUEUE, "ring_s": 9})], by="test", if_versions={KEY: document.version - 1}
        )
    assert changed.value.present == document
    await publish.put(rows, [("queues", {**QUEUE, "ring_s": 9})], by="test", if_versions={KEY: document.version})


async def test_changes_at_the_same_time_follow_each_other(dsn: str, live: Live) -> None:
    pool = await asyncpg.create_pool(dsn, min_size=8, max_size=8)

    async def change(n: int) -> None:
        async with pool.acquire() as connection:
            await publish.put(connection, [("queues", {"id": f"q{n}", "name": "x"})], by="test")
            await publish.publish(connection, live)

    await asyncio.gather(*(change(n) for n in range(24)))
    await pool.close()
    assert await live.config_version() == 24
    assert len(await live.config("queues")) == 24


async def test_redis_that_is_behind_empty_or_ahead_is_set_right(rows: asyncpg.Connection, live: Live) -> None:
    await put(rows, **QUEUE)
    assert await publish.republish(rows, live)
    assert not await publish.republish(rows, live)
    await live._redis.flushall()
    assert await publish.republish(rows, live)
    assert "sales" in await live.config("queues")
    await live.publish(700, {"queues": {}})
    assert await publish.republish(rows, live)
    assert "sales" in await live.config("queues")
    assert await live.config_version() == await rows.fetchval("select version from config_version") == 701


async def test_the_demo_world_is_seeded_once_quickly_and_by_one(
    dsn: str, rows: asyncpg.Connection, live: Live, redis_server: services.Redis, tmp_path: Path
) -> None:
    environ = {"LCALL_POSTGRES_DSN": dsn, "LCALL_REDIS_URL": redis_server.url, "LCALL_GATEWAY_PORT": "24580"}
    started = time.monotonic()
    with (
        services.program("lq.config.seed", environ, tmp_path / "a") as one,
        services.program("lq.config.seed", environ, tmp_path / "b") as other,
    ):
        assert await asyncio.to_thread(one.process.wait, 20) == 0, one.text()
        assert await asyncio.to_thread(other.process.wait, 20) == 0, other.text()
        assert sorted(["demo world" in one.text(), "demo world" in other.text()]) == [False, True]
    assert time.monotonic() - started < 15, "about 1 s on a quiet machine"
    assert len(await live.config("agents")) == 102
    assert (await live.config("trunks"))["gw2"]["port"] == 24580
    assert set((await live.config("flows"))["main"]) >= {"start", "nodes"}
    assert await rows.fetchval("select count(*) from operator") == 103
    hashed = await rows.fetchval("select password_hash from operator where id = '1901'")
    assert PasswordHasher().verify(hashed, "demo-1901")


async def test_a_center_without_the_demo_world_begins_with_its_settings(rows: asyncpg.Connection) -> None:
    assert await seed.seed(rows, world=False)
    assert not await seed.seed(rows), "nor is the demo world put over it later"
    _, kinds = await publish.read(rows)
    assert {kind for kind, found in kinds.items() if found} == {"settings"}
    assert kinds["settings"]["center"].body["demo"] is False
    assert await rows.fetchval("select count(*) from operator") == 0


async def test_the_demo_gateways_follow_the_port_and_nothing_else_changes(rows: asyncpg.Connection, live: Live) -> None:
    assert await seed.seed(rows, 5080)
    await put(rows, id="sales", name="改名")
    assert not await seed.seed(rows, 5080)
    await seed.follow_gateway_port(rows, 6080)
    _, kinds = await publish.read(rows)
    assert kinds["trunks"]["gw1"].body["port"] == 6080
    assert kinds["queues"]["sales"].body["name"] == "改名"
