"""PostgreSQL as a process that serves people uses it: never waited for longer than a moment; its absence is an answer.

After a failure nobody tries again for a second, so that a database that hangs costs one request its patience, not all.
Unless others were answered meanwhile: then it was that piece of work that took too long, and concerns nobody else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import structlog

log = structlog.get_logger()

PATIENCE_S: Final = 2.0  # to get a connection, and again for each piece of work on it
SEARCH_S: Final = 8.0  # for a search over the history
REST_S: Final = 1.0  # after a failure
CONNECTIONS: Final = 10

AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a server that dies between two messages: "another operation is in progress"
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.UndefinedTableError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby: the next connection may lead to one that writes
)


class PostgresAway(Exception):
    """PostgreSQL does not answer, or not in time, or takes nothing that is to be written."""


class Pool:
    """Connections, each for one piece of work of bounded time."""

    def __init__(self, dsn: str, settings: Mapping[str, str] | None = None) -> None:
        self._dsn, self._settings = dsn, dict(settings or {})
        self._pool: asyncpg.Pool | None = None
        self._rests_until = 0.0
        self._answered_at = 0.0
        self.available = False

    async def open(self) -> None:
        """Connects to nothing yet: PostgreSQL may be away."""
        self._pool = asyncpg.create_pool(
            self._dsn,
            min_size=0,
            max_size=CONNECTIONS,
            timeout=PATIENCE_S,
            max_inactive_connection_lifetime=60,
            server_settings=self._settings,
        )
        await self._pool

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()

    @asynccontextmanager
    async def connection(self, seconds: float = PATIENCE_S) -> AsyncIterator[asyncpg.Connection]:
        """A connection for work that takes at most `seconds`; whatever fails for PostgreSQL's sake is PostgresAway."""
        if time.monotonic() < self._rests_until or self._pool is None:
            raise PostgresAway("PostgreSQL did not answer a moment ago")
        connection: Any = None
        began = time.monotonic()
        try:
            connection = await self._pool.acquire(timeout=PATIENCE_S)
            async with asyncio.timeout(seconds):
                yield connection
            self._answered()
        except AWAY as error:
            if not isinstance(error, asyncpg.ReadOnlySQLTransactionError):  # which answers: who only reads goes on
                self._failed(error, began)
            if connection is not None:
                connection.terminate()  # it would wait for the server's leave otherwise
            raise PostgresAway(f"{type(error).__name__}: {error}") from error
        except asyncio.CancelledError:
            if connection is not None:
                connection.terminate()  # as above: nobody waits for the answer any more
            raise
        finally:
            if connection is not None:
                await self._pool.release(connection, timeout=PATIENCE_S)

    def _answered(self) -> None:
        self._answered_at, self._rests_until = time.monotonic(), 0.0
        if not self.available:
            log.info("PostgreSQL answers")
        self.available = True

    def _failed(self, error: Exception, began: float) -> None:
        if self._answered_at > began:
            log.warning("PostgreSQL did not answer one of several", error=repr(error))
            return
        self._rests_until = time.monotonic() + REST_S
        if self.available:
            log.warning("PostgreSQL does not answer", error=repr(error))
        self.available = False
