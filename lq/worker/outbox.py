"""The outbox: work that was decided in a transaction and is done later, at least once, by whichever worker is free.

A row is claimed for a while; a worker that dies leaves it to the next. What fails comes again later each time, at most
MAX_ATTEMPTS times.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import asyncpg
import structlog

log = structlog.get_logger()

BATCH: Final = 20
LOCKED_S: Final = 60
MAX_ATTEMPTS: Final = 10

Handler = Callable[[Mapping[str, Any]], Awaitable[None]]

CLAIM: Final = """
with claimed as (
update outbox set state = 'running', attempts = attempts + 1, locked_until = now() + make_interval(secs => $1)
where id in (
    select id from outbox
    where (state = 'queued' and run_at <= now()) or (state = 'running' and locked_until < now())
    order by run_at, id limit $2 for update skip locked)
returning id, kind, body, attempts, run_at)
select id, kind, body, attempts from claimed order by run_at, id"""

AGE: Final = """
select coalesce(extract(epoch from now() - min(run_at)), 0)::float8 from outbox
where state = 'queued' and run_at <= now()"""
DONE: Final = "update outbox set state = 'done', done_at = now(), locked_until = null, last_error = null where id = $1"
LATER: Final = """
update outbox set state = 'queued', locked_until = null, last_error = $2, run_at = now() + $3 where id = $1"""
FAILED: Final = """
update outbox set state = 'failed', done_at = now(), locked_until = null, last_error = $2 where id = $1"""
# Dead workers leave their rows running; one that was tried too often is not tried again.
GIVE_UP: Final = """
update outbox set state = 'failed', done_at = now(), last_error = coalesce(last_error, 'its workers died')
where state = 'running' and locked_until < now() and attempts >= $1"""


@dataclass(frozen=True, slots=True)
class Work:
    id: int
    kind: str
    body: Mapping[str, Any]
    attempts: int  # this one included


async def age(connection: asyncpg.Connection) -> float:
    """How long the oldest work that is due has waited, in seconds; 0: none is due."""
    return float(await connection.fetchval(AGE))


async def put(connection: asyncpg.Connection, kind: str, body: Mapping[str, Any], after_s: float = 0) -> int:
    """Hands over work, in the caller's transaction; its id."""
    return int(
        await connection.fetchval(
            "insert into outbox (kind, body, run_at) values ($1, $2, now() + $3) returning id",
            *(kind, json.dumps(body, ensure_ascii=False), timedelta(seconds=after_s)),
        )
    )


async def claim(connection: asyncpg.Connection, locked_s: float = LOCKED_S) -> list[Work]:
    """Work that is due, for this worker alone until `locked_s` have passed."""
    await connection.execute(GIVE_UP, MAX_ATTEMPTS)
    rows = await connection.fetch(CLAIM, locked_s, BATCH)
    return [Work(row["id"], row["kind"], json.loads(row["body"]), row["attempts"]) for row in rows]


async def do(connection: asyncpg.Connection, work: Work, handlers: Mapping[str, Handler]) -> None:
    """Does one piece and writes down how it went."""
    handler = handlers.get(work.kind)
    if handler is None:
        await connection.execute(FAILED, work.id, f"nobody knows how to do {work.kind!r}")
        return
    try:
        await handler(work.body)
    except Exception as error:  # noqa: BLE001 - whatever a handler dies of is the row's to tell, not the worker's end
        await _failed(connection, work, repr(error)[:1000])
    else:
        await connection.execute(DONE, work.id)


async def _failed(connection: asyncpg.Connection, work: Work, error: str) -> None:
    log.warning("work failed", work=work.id, kind=work.kind, attempts=work.attempts, error=error)
    if work.attempts >= MAX_ATTEMPTS:
        await connection.execute(FAILED, work.id, error)
    else:
        await connection.execute(LATER, work.id, error, again_after(work.attempts))


def again_after(attempts: int) -> timedelta:
    """2 s, 4 s, 8 s … at most an hour."""
    return timedelta(seconds=min(3600, 2**attempts))
