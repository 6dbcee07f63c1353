"""PostgreSQL as the web uses it: bounded waits (lq/postgres.py), each piece of work a transaction.

asyncpg alone, without the ORM: a query given up must let go of a server that hangs. Under Tortoise 1.1.9 it does not
(seen: with a limit of 2 s it came back only when the server went on).
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg

from lq.postgres import PATIENCE_S, SEARCH_S, Pool
from lq.postgres import PostgresAway as DatabaseAway

__all__ = ["SEARCH_S", "Database", "DatabaseAway", "Fetch", "TooMuch", "literal", "numbered", "queries"]

NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
PLACE: Final = re.compile(r"(?<!:):([a-z_]+)")  # :name, and no ::cast
SETTINGS: Final = {
    "application_name": "lcall_web",
    "statement_timeout": str(int(SEARCH_S * 1000)),
    "plan_cache_mode": "force_custom_plan",  # a search leaves most of its conditions empty
    "jit": "off",  # it takes longer than what it would make quicker
}

Fetch = Callable[[str, Mapping[str, Any]], Awaitable[list[asyncpg.Record]]]


class TooMuch(Exception):
    """PostgreSQL answers, but what it was asked takes too long."""


def literal(text: str) -> str:
    """A text that LIKE takes as it is."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def queries(beside: str) -> Mapping[str, str]:
    """The statements of the queries.sql beside a module, by the names that stand above them (`-- name: …`)."""
    text = (Path(beside).parent / "queries.sql").read_text(encoding="utf-8")
    _, *parts = NAME.split(text)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def numbered(statement: str, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """A statement that names its values (`:start`) as PostgreSQL takes it (`$1`), and those of the values in it."""
    names: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        return f"${names.setdefault(found[1], len(names) + 1)}"

    return PLACE.sub(number, statement), [values[name] for name in names]


class Database(Pool):
    def __init__(self, dsn: str) -> None:
        super().__init__(dsn, SETTINGS)

    @asynccontextmanager
    async def transaction(self, seconds: float = PATIENCE_S) -> AsyncIterator[asyncpg.Connection]:
        """Work that takes at most `seconds`, done whole or not at all. Raises DatabaseAway, TooMuch."""
        async with self.connection(seconds) as connection:
            try:
                async with connection.transaction():
                    yield connection
            except asyncpg.QueryCanceledError as error:
                raise TooMuch(str(error)) from error

    @asynccontextmanager
    async def together(self, seconds: float) -> AsyncIterator[Fetch]:
        """For queries that take at most `seconds` in all, their values by name. Raises DatabaseAway, TooMuch."""
        until = time.monotonic() + seconds
        async with self.transaction(seconds + 1) as connection:  # PostgreSQL gives up first, and says so

            async def fetch(query: str, values: Mapping[str, Any]) -> list[asyncpg.Record]:
                left = max(1, round(1000 * (until - time.monotonic())))
                await connection.execute(f"set local statement_timeout = {left}")
                text, arguments = numbered(query, values)
                rows: list[asyncpg.Record] = await connection.fetch(text, *arguments)
                return rows

            yield fetch

    async def fetch(self, query: str, *arguments: Any, seconds: float = PATIENCE_S) -> list[asyncpg.Record]:
        async with self.transaction(seconds) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return rows

    async def row(self, query: str, *arguments: Any, seconds: float = PATIENCE_S) -> asyncpg.Record | None:
        rows = await self.fetch(query, *arguments, seconds=seconds)
        return rows[0] if rows else None
