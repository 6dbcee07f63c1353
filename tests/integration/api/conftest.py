from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from lq.live.redis import Live
from tests.integration.ledger import services
from tests.integration.ledger.conftest import dsn, postgres_server, redis_server, template

__all__ = ["dsn", "postgres_server", "redis_server", "template"]


@pytest.fixture
async def live(redis_server: services.Redis) -> AsyncIterator[Live]:
    """An empty Redis with the function library."""
    found = Live(redis_server.url)
    await found._redis.flushall()
    await found.start()
    yield found
    await found.close()


@pytest.fixture
async def rows(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()
