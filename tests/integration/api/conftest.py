from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import pytest

from lq.config import publish, seed
from lq.live.redis import Live
from lq.sdk import Client
from tests.integration.ledger import services
from tests.integration.ledger.conftest import dsn, postgres_server, redis_server, template
from tests.integration.live.center import open_at_once

__all__ = ["dsn", "postgres_server", "redis_server", "template"]


@pytest.fixture
async def live(redis_server: services.Redis) -> AsyncIterator[Live]:
    """An empty Redis with the function library."""
    found = Live(redis_server.url)
    await found._redis.flushall()
    await asyncio.to_thread(open_at_once, redis_server.url)
    await found.start()
    yield found
    await found.close()


@pytest.fixture
async def rows(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


TOKEN = "test-token"


@dataclass
class Api:
    """A real api of this test's own, and what it stands on."""

    url: str
    home: Path
    running: services.Program

    def client(self, token: str = TOKEN) -> Client:
        return Client(self.url, token)

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False)


@contextlib.asynccontextmanager
async def serving(dsn: str, redis_url: str, home: Path) -> AsyncIterator[Api]:
    port = services.free_port()
    (home / "sdk.token").write_text(f"{TOKEN}\n")
    (home / "recordings").mkdir(exist_ok=True)
    environ = {
        "LCALL_HOME": str(home),
        "LCALL_POSTGRES_DSN": dsn,
        "LCALL_REDIS_URL": redis_url,
        "LCALL_API_LISTEN": f"127.0.0.1:{port}",
        "LCALL_SDK_TOKEN_FILE": str(home / "sdk.token"),
        "LCALL_RECORDINGS": str(home / "recordings"),
    }
    with services.program("lq.api", environ, home / "api.log") as running:
        api = Api(f"http://127.0.0.1:{port}", home, running)
        async with api.http() as http:

            async def answers() -> bool:
                assert running.process.poll() is None, running.text()
                try:
                    return (await http.get("/v1/health")).status_code in (200, 503)
                except httpx.TransportError:
                    return False

            await services.eventually(answers, "the api", 20)
        yield api


@pytest.fixture
async def api(
    dsn: str, redis_server: services.Redis, live: Live, rows: asyncpg.Connection, tmp_path: Path
) -> AsyncIterator[Api]:
    """On the demo world."""
    await seed.seed(rows)
    await publish.publish(rows, live)
    async with serving(dsn, redis_server.url, tmp_path) as found:
        yield found
