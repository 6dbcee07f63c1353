"""The history in PostgreSQL, as the api reads it. Its absence is an answer (lq/postgres.py)."""

from __future__ import annotations

from typing import Any, Final

import asyncpg

from lq.postgres import PATIENCE_S, SEARCH_S, Pool
from lq.postgres import PostgresAway as HistoryAway

__all__ = ["SEARCH_S", "History", "HistoryAway"]


# PostgreSQL ends what nobody waits for any more: a connection that is dropped does not.
SETTINGS: Final = {"statement_timeout": str(int(SEARCH_S * 1000)), "jit": "off"}


class History(Pool):
    def __init__(self, dsn: str) -> None:
        super().__init__(dsn, SETTINGS)

    async def fetch(self, query: str, *arguments: Any, seconds: float = PATIENCE_S) -> list[asyncpg.Record]:
        """Raises HistoryAway."""
        async with self.connection(seconds) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return rows

    async def fetchrow(self, query: str, *arguments: Any) -> asyncpg.Record | None:
        rows = await self.fetch(query, *arguments)
        return rows[0] if rows else None
