"""Work that needs PostgreSQL, again and again, and waits for it while it is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
import structlog

from lq.postgres import AWAY

log = structlog.get_logger()

BACK_OFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)


async def again_and_again(dsn: str, who: str, once: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
    """`once` on one connection, until cancelled; without PostgreSQL, or when it fails there, on another one later."""
    failures = 0
    while True:
        try:
            connection = await asyncpg.connect(dsn, timeout=5, command_timeout=60)
            try:
                while True:
                    await once(connection)
                    failures = 0
            finally:
                connection.terminate()
        except (*AWAY, asyncpg.PostgresError) as error:
            if failures == 0:
                log.warning("PostgreSQL is waited for", who=who, error=repr(error))
        await asyncio.sleep(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
        failures += 1
