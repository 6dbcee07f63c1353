"""`python -m lq.ledger.journal`: the event stream of Redis into PostgreSQL, each event exactly once.

One transaction holds the events, the folds that they touch and the checkpoint, so that a death at any moment leaves
the last checkpoint and nothing half done; what is then read again is told apart by (subject, seq). While PostgreSQL or
Redis is away or hung it waits and tries again: the stream keeps everything, since only this program trims it, and only
behind the checkpoint. An entry that cannot be stored goes to `event_rejected`, and the rest goes on.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from lq import process
from lq.ledger.append import append
from lq.ledger.events import Event
from lq.ledger.projection import project
from lq.ledger.sweep import unfinished
from lq.live import keys

log = structlog.get_logger()

BATCH: Final = 500
BLOCK_MS: Final = 1000
KEEP_MS: Final = 600_000  # of the stream, for replays to clients of the api
TRIM_EVERY_S: Final = 10.0
SWEEP_EVERY_S: Final = 60.0
BACK_OFF_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
MEMORY_ALARM: Final = 0.5  # of Redis's maxmemory
NAME: Final = "journal"

# PostgreSQL cannot serve now, through no fault of the event: wait, and try the same again.
AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, starting up
    asyncpg.InsufficientResourcesError,  # disk full, too many connections
    asyncpg.TransactionRollbackError,
    asyncpg.PostgresSystemError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,  # the database is not made yet
    asyncpg.UndefinedTableError,  # not migrated yet
    asyncpg.UndefinedColumnError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby
)
# The event itself cannot be read, folded or stored.
POISON: Final = (ValueError, TypeError, KeyError, AttributeError, OverflowError, asyncpg.PostgresError)

Entry = tuple[bytes, Mapping[bytes, bytes]]


class Overtaken(Exception):
    """Another journal has moved the checkpoint."""


@dataclass(frozen=True, slots=True)
class Rejected:
    id: str
    reason: str
    entry: Mapping[str, str]


def read(entries: Sequence[Entry]) -> tuple[list[Event], list[Rejected]]:
    """The events among stream entries, and those entries that are none."""
    events: list[Event] = []
    rejected: list[Rejected] = []
    for id, fields in entries:
        try:
            text = {name.decode(): value.decode() for name, value in fields.items()}
            events.append(_plausible(Event.from_fields(id.decode(), text)))
        except (ValueError, TypeError) as error:
            rejected.append(Rejected(id.decode(), str(error), _legible(fields)))
    return events, rejected


def _plausible(event: Event) -> Event:
    if not isinstance(event.data, Mapping):
        raise ValueError("data is not an object")
    if not event.subject or not event.type:
        raise ValueError("subject or type is empty")
    return event


def _legible(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    """Any bytes as text that jsonb takes (it knows no NUL)."""
    pairs = ((_text(name), _text(value)) for name, value in fields.items())
    return dict(pairs)


def _text(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace").replace("\x00", "\\x00")


# -- PostgreSQL --------------------------------------------------------------------------------------------------------


class Store:
    """The checkpoint and what stands before it."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def checkpoint(self) -> str:
        await self._connection.execute(
            "insert into journal_checkpoint (name, stream_id) values ($1, '0-0') on conflict do nothing", NAME
        )
        return str(await self._connection.fetchval("select stream_id from journal_checkpoint where name = $1", NAME))

    async def rewind(self) -> str:
        """Begins the stream again, for what is known already will be recognised; returns the checkpoint."""
        await self._connection.execute("update journal_checkpoint set stream_id = '0-0' where name = $1", NAME)
        return "0-0"

    async def apply(self, before: str, entries: Sequence[Entry]) -> str:
        """Stores entries that follow `before`; returns the new checkpoint. Raises Overtaken."""
        try:
            return await self._apply(before, entries)
        except AWAY:
            raise
        except POISON as error:
            if len(entries) == 1:
                return await self._reject(before, entries[0], error)
            log.warning("a batch cannot be stored whole, its events are stored one by one", error=repr(error))
        for entry in entries:
            before = await self.apply(before, [entry])
        return before

    async def unfinished_recordings(self) -> list[Event]:
        return await unfinished(self._connection, time.time_ns() // 1_000_000)

    async def _apply(self, before: str, entries: Sequence[Entry]) -> str:
        events, rejected = read(entries)
        after = entries[-1][0].decode()
        async with self._connection.transaction():
            await self._move(before, after)
            if events:
                await project(self._connection, events)
            for one in rejected:
                await self._note(one)
        return after

    async def _reject(self, before: str, entry: Entry, error: Exception) -> str:
        id, fields = entry
        async with self._connection.transaction():
            await self._move(before, id.decode())
            await self._note(Rejected(id.decode(), repr(error), _legible(fields)))
        return id.decode()

    async def _move(self, before: str, after: str) -> None:
        """The row's lock also keeps two journals apart."""
        moved = await self._connection.execute(
            "update journal_checkpoint set stream_id = $3, at = now() where name = $1 and stream_id = $2",
            NAME,
            before,
            after,
        )
        if moved != "UPDATE 1":
            raise Overtaken

    async def _note(self, rejected: Rejected) -> None:
        log.error("an event was rejected", entry=rejected.id, reason=rejected.reason)
        await self._connection.execute(
            "insert into event_rejected (stream_id, reason, entry) values ($1, $2, $3) on conflict do nothing",
            rejected.id,
            rejected.reason.replace("\x00", ""),
            json.dumps(rejected.entry),
        )


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that gives up on a server that does not answer; it is dropped, not closed politely."""
    connection = await asyncpg.connect(dsn, timeout=5, command_timeout=20)
    try:
        yield connection
    finally:
        connection.terminate()


# -- Redis -------------------------------------------------------------------------------------------------------------


async def next_entries(redis: Redis, after: str) -> list[Entry]:
    """The next entries of the stream, at most BATCH; none if a second passes without one."""
    answer: Any = await redis.xread({keys.EVENTS: after}, count=BATCH, block=BLOCK_MS)
    return [(id, fields) for _, page in answer or () for id, fields in page]


def id_pair(id: str) -> tuple[int, int]:
    ms, _, n = id.partition("-")
    return int(ms), int(n or 0)


async def is_behind(redis: Redis, checkpoint: str) -> bool:
    """Whether the stream ends before the checkpoint: it is another stream, begun anew by a clock that stood earlier."""
    if not await redis.xlen(keys.EVENTS):
        return False
    info: Mapping[str, Any] = await redis.xinfo_stream(keys.EVENTS)
    last = info["last-generated-id"]
    return id_pair(last.decode() if isinstance(last, bytes) else last) < id_pair(checkpoint)


async def trim(redis: Redis, checkpoint: str, keep_ms: int = KEEP_MS) -> None:
    """Drops what lies behind the checkpoint and is older than `keep_ms`; warns before Redis is full."""
    oldest = min(id_pair(checkpoint)[0], time.time_ns() // 1_000_000 - keep_ms)
    await redis.xtrim(keys.EVENTS, minid=f"{max(0, oldest)}-0", approximate=True)
    memory: Mapping[str, Any] = await redis.info("memory")
    limit = int(memory.get("maxmemory", 0))
    if limit and memory["used_memory"] > limit * MEMORY_ALARM:
        log.warning("Redis has used half of its memory", used=memory["used_memory"], limit=limit)


# -- the loop ----------------------------------------------------------------------------------------------------------


class Journal:
    """Carries the stream over until cancelled; survives the absence of either side."""

    def __init__(
        self, redis_url: str, dsn: str, *, keep_ms: int = KEEP_MS, sweep_every_s: float = SWEEP_EVERY_S
    ) -> None:
        # A socket that is silent for longer than a blocking read takes belongs to a Redis that hangs.
        self._redis = Redis.from_url(
            redis_url,
            protocol=2,  # a stream's entries come as one flat list of pairs
            socket_timeout=BLOCK_MS / 1000 + 4,
            socket_connect_timeout=2,
            retry=Retry(NoBackoff(), 0),
        )
        self._dsn = dsn
        self._keep_ms = keep_ms
        self._sweep_every_s = sweep_every_s
        self._trimmed_at = 0.0
        self._swept_at = time.monotonic()  # not at once: others may be catching up as well
        self._failures = 0
        self.ready = asyncio.Event()

    async def run(self) -> None:
        try:
            while True:
                try:
                    async with connected(self._dsn) as connection:
                        await self._carry(Store(connection))
                except Overtaken:
                    log.warning("another journal has moved the checkpoint")
                except (*AWAY, asyncpg.InterfaceError, RedisError) as error:
                    if self._failures == 0:
                        log.warning("the journal waits for Redis or PostgreSQL", error=repr(error))
                await asyncio.sleep(BACK_OFF_S[min(self._failures, len(BACK_OFF_S) - 1)])
                self._failures += 1
        finally:
            await self._redis.aclose()

    async def _carry(self, store: Store) -> None:
        checkpoint = await store.checkpoint()
        if await is_behind(self._redis, checkpoint):
            log.error("the event stream ends before the checkpoint: it is read from its beginning", at=checkpoint)
            checkpoint = await store.rewind()
        self.ready.set()
        while True:
            entries = await next_entries(self._redis, checkpoint)
            if entries:
                checkpoint = await store.apply(checkpoint, entries)
            if self._failures:
                log.info("the journal goes on", checkpoint=checkpoint)
                self._failures = 0
            if time.monotonic() >= self._trimmed_at + TRIM_EVERY_S:
                await trim(self._redis, checkpoint, self._keep_ms)
                self._trimmed_at = time.monotonic()
            if (
                not entries and time.monotonic() >= self._swept_at + self._sweep_every_s
            ):  # not while we are behind ourselves
                await self._sweep(store)
                self._swept_at = time.monotonic()

    async def _sweep(self, store: Store) -> None:
        failed = await store.unfinished_recordings()
        if failed:
            log.error("recordings never came to rest", count=len(failed), first=failed[0].subject, alarm=True)
            await append(self._redis, failed)


async def main() -> None:
    process.log_to_stderr(NAME)
    asked_to_leave = process.end_signal()
    journal = Journal(process.variable("LCALL_REDIS_URL"), process.variable("LCALL_POSTGRES_DSN"))
    running = asyncio.create_task(journal.run())
    ready = asyncio.create_task(_say_when_ready(journal))
    leaving = asyncio.create_task(asked_to_leave.wait())
    await asyncio.wait({running, leaving}, return_when=asyncio.FIRST_COMPLETED)
    for task in (ready, leaving, running):
        task.cancel()
    results = await asyncio.gather(ready, leaving, running, return_exceptions=True)
    if isinstance(results[2], Exception):
        raise results[2]


async def _say_when_ready(journal: Journal) -> None:
    await journal.ready.wait()
    process.say_ready(NAME)


if __name__ == "__main__":
    asyncio.run(main())
