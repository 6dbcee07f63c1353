"""PostgreSQL as the web uses it: never waited for longer than a moment, and its absence is an answer.

asyncpg alone, without the ORM: a query given up must let go of a server that hangs. Under Tortoise 1.1.9 it does not
(seen: with a limit of 2 s it came back only when the server went on).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import structlog

log = structlog.get_logger()

PATIENCE_S: Final = 2.0  # to get a connection, and again for each piece of work on it
SEARCH_S: Final = 8.0  # for a search over the history
REST_S: Final = 1.0  # after a failure nobody tries again for so long: a hung server costs one request its patience
CONNECTIONS: Final = 10
NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)

AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.UndefinedTableError,
)


class DatabaseAway(Exception):
    """PostgreSQL does not answer, or not in time."""


class TooMuch(Exception):
    """PostgreSQL answers, but what it was asked takes too long."""


def queries(beside: str) -> Mapping[str, str]:
    """The statements of the queries.sql beside a module, by the names that stand above them (`-- name: …`)."""
    text = (Path(beside).parent / "queries.sql").read_text(encoding="utf-8")
    _, *parts = NAME.split(text)
    return dict(zip(parts[::2], parts[1::2], strict=True))


class Database:
    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._pool: asyncpg.Pool | None = None
        self._rests_until = 0.0
        self.available = False

    async def open(self) -> None:
        """Connects to nothing yet: PostgreSQL may be away."""
        self._pool = asyncpg.create_pool(
            self._dsn,
            min_size=0,
            max_size=CONNECTIONS,
            timeout=PATIENCE_S,
            max_inactive_connection_lifetime=60,
            server_settings={
                "application_name": "lcall_web",
                "statement_timeout": str(int(SEARCH_S * 1000)),
                "plan_cache_mode": "force_custom_plan",  # a search leaves most of its conditions empty
            },
        )
        await self._pool

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()

    @asynccontextmanager
    async def transaction(self, seconds: float = PATIENCE_S) -> AsyncIterator[asyncpg.Connection]:
        """Work that takes at most `seconds`, done whole or not at all. Raises DatabaseAway, TooMuch."""
        if time.monotonic() < self._rests_until or self._pool is None:
            raise DatabaseAway("PostgreSQL did not answer a moment ago")
        connection: Any = None
        try:
            connection = await self._pool.acquire(timeout=PATIENCE_S)
            async with asyncio.timeout(seconds), connection.transaction():
                yield connection
            self._answered()
        except asyncpg.QueryCanceledError as error:
            raise TooMuch(str(error)) from error
        except AWAY as error:
            self._failed(error)
            if connection is not None:
                connection.terminate()  # it would wait for the server's leave otherwise
            raise DatabaseAway(f"{type(error).__name__}: {error}") from error
        finally:
            if connection is not None:
                await self._pool.release(connection, timeout=PATIENCE_S)

    async def fetch(self, query: str, *arguments: Any, seconds: float = PATIENCE_S) -> list[asyncpg.Record]:
        async with self.transaction(seconds) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return rows

    async def row(self, query: str, *arguments: Any, seconds: float = PATIENCE_S) -> asyncpg.Record | None:
        rows = await self.fetch(query, *arguments, seconds=seconds)
        return rows[0] if rows else None

    def _answered(self) -> None:
        if not self.available:
            log.info("PostgreSQL answers")
        self.available = True

    def _failed(self, error: Exception) -> None:
        self._rests_until = time.monotonic() + REST_S
        if self.available:
            log.warning("PostgreSQL does not answer", error=repr(error))
        self.available = False
