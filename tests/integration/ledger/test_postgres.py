"""The pool of those who serve people (lq/postgres.py), on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import asyncpg
import pytest

from lq.postgres import PATIENCE_S, Pool, PostgresAway

from . import services
from .services import eventually


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[Pool]:
    made = Pool(dsn, {"application_name": "test_postgres"})
    await made.open()
    yield made
    await made.close()


async def one(connection: asyncpg.Connection) -> int:
    return int(await connection.fetchval("select 1"))


async def too_long(pool: Pool, begun: asyncio.Event, seconds: float = 0.5) -> None:
    async with pool.connection(seconds) as connection:
        begun.set()
        await connection.execute("select pg_sleep(60)")


async def test_what_takes_too_long_concerns_nobody_else(pool: Pool) -> None:
    begun = asyncio.Event()
    slow = asyncio.create_task(too_long(pool, begun, 3))
    await begun.wait()
    async with pool.connection() as connection:
        assert await one(connection) == 1
    with pytest.raises(PostgresAway):
        await slow
    async with pool.connection() as connection:
        assert await one(connection) == 1
    assert pool.available


async def test_after_a_failure_nobody_tries_for_a_moment(pool: Pool) -> None:
    with pytest.raises(PostgresAway):
        await too_long(pool, asyncio.Event())
    with pytest.raises(PostgresAway, match="a moment ago"):
        async with pool.connection():
            pytest.fail("it was tried")
    assert not pool.available

    async def again() -> bool:
        with suppress(PostgresAway):
            async with pool.connection() as connection:
                return await one(connection) == 1
        return False

    await eventually(again, "it is tried again", 10)


async def test_one_that_reads_and_does_not_write_is_away_for_who_writes_alone(dsn: str) -> None:
    """A standby, or a primary that was locked: the next connection may lead to one that writes."""
    pool = Pool(dsn, {"default_transaction_read_only": "on"})
    await pool.open()

    async def process() -> int:
        async with pool.connection() as connection:
            return int(await connection.fetchval("select pg_backend_pid()"))

    first = await process()
    with pytest.raises(PostgresAway, match="read-only"):
        async with pool.connection() as connection:
            await connection.execute("delete from audit")
    assert await process() != first and pool.available
    await pool.close()


@pytest.fixture
def its_own() -> Iterator[services.Postgres]:
    with services.postgres() as server:
        yield server
        server.thaw()


@pytest.mark.kills
async def test_who_goes_away_waits_for_no_server_that_hangs(its_own: services.Postgres) -> None:
    pool = Pool(its_own.dsn("postgres"))
    await pool.open()
    begun = asyncio.Event()
    asked = asyncio.create_task(too_long(pool, begun, seconds=60))
    await begun.wait()
    its_own.freeze()
    asked.cancel()
    done, _ = await asyncio.wait({asked}, timeout=PATIENCE_S / 2)
    assert done == {asked} and asked.cancelled()
    its_own.thaw()
    async with pool.connection() as connection:
        assert await one(connection) == 1
    await pool.close()


@pytest.mark.kills
async def test_one_that_hangs_costs_the_first_his_patience(its_own: services.Postgres) -> None:
    pool = Pool(its_own.dsn("postgres"))
    await pool.open()
    async with pool.connection() as connection:
        assert await one(connection) == 1
    its_own.freeze()
    async with asyncio.timeout(2 * PATIENCE_S + 1):
        with pytest.raises(PostgresAway):
            async with pool.connection() as connection:
                await one(connection)
    with pytest.raises(PostgresAway, match="a moment ago"):
        async with pool.connection():
            pytest.fail("it was tried")
    await pool.close()
