"""What a database that was just restored must not do to the world outside."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest

from lq.config import publish, seed
from lq.worker.restored import be_silent, number_anew

from .receiver import receiving
from .test_webhooks import hook, working

DELIVERY = """
insert into webhook_delivery (webhook, event, type, body, state) values ($1, '1-1', 'contact_ended', '{}', $2)
returning id"""


@pytest.fixture
async def rows(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    await seed.seed(connection)
    yield connection
    await connection.close()


async def test_numbers_of_deliveries_never_come_again(rows: asyncpg.Connection) -> None:
    """However often, and from however old a backup, a center is restored."""
    before = [await rows.fetchval(DELIVERY, "crm", "done")]
    for _ in range(2):
        now = int(time.time() * 1000)
        await number_anew(rows)
        before.append(await rows.fetchval(DELIVERY, "crm", "done"))
        assert before[-1] > now
    await rows.execute("select setval(pg_get_serial_sequence('webhook_delivery', 'id'), $1)", before[-1] * 2)
    await number_anew(rows)
    before.append(await rows.fetchval(DELIVERY, "crm", "done"))
    assert before == sorted(set(before))


async def test_a_trial_tells_nobody(dsn: str, rows: asyncpg.Connection) -> None:
    async with receiving() as crm:
        await hook(rows, "crm", crm.url)
        await hook(rows, "other", crm.url, enabled=False)
        for state in ("queued", "running", "done"):
            await rows.fetchval(DELIVERY, "crm", state)
        await be_silent(rows)
        async with working(dsn, rows) as worker:
            assert worker._receivers == {}
        assert crm.heard == []
    _, kinds = await publish.read(rows)
    assert [each.body["enabled"] for each in kinds["webhooks"].values()] == [False, False]
    assert [row["state"] for row in await rows.fetch("select state from webhook_delivery order by id")] == [
        "failed", "failed", "done",
    ]  # fmt: skip
    assert json.loads(await rows.fetchval("select body from config_document where id = 'crm'"))["url"] == crm.url


async def test_a_center_without_webhooks_has_nothing_to_silence(rows: asyncpg.Connection) -> None:
    version, _ = await publish.read(rows)
    await be_silent(rows)
    assert (await publish.read(rows))[0] == version
