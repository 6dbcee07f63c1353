"""What is thrown away, and when. One worker of a center does it: whoever holds the advisory lock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import asyncpg

LOCK: Final = 0x72657461  # "reta"
BATCH: Final = 10_000  # rows in one transaction, so that nothing is held for long

# name -> statement that deletes at most $1 rows of it
RULES: Final[Mapping[str, str]] = {
    "outbox, a week after it was done": """
        delete from outbox where id in (
            select id from outbox
            where state in ('done', 'failed') and done_at < now() - interval '7 days' limit $1)""",
    "what webhooks were told, a week after": """
        delete from webhook_delivery where id in (
            select id from webhook_delivery
            where state in ('done', 'failed') and done_at < now() - interval '7 days' limit $1)""",
    "web sessions that ran out": """
        delete from web_session where token_sha256 in (
            select token_sha256 from web_session where expires_at < now() limit $1)""",
    "rejected events, after a year": """
        delete from event_rejected where stream_id in (
            select stream_id from event_rejected where at < now() - interval '365 days' limit $1)""",
}


async def apply(connection: asyncpg.Connection) -> dict[str, int]:
    """How many rows each rule has deleted; empty when another worker is at it."""
    if not await connection.fetchval("select pg_try_advisory_lock($1)", LOCK):
        return {}
    try:
        return {name: await _delete(connection, statement) for name, statement in RULES.items()}
    finally:
        await connection.execute("select pg_advisory_unlock($1)", LOCK)


async def _delete(connection: asyncpg.Connection, statement: str) -> int:
    total = 0
    while True:
        deleted = int((await connection.execute(statement, BATCH)).removeprefix("DELETE "))
        total += deleted
        if deleted < BATCH:
            return total
