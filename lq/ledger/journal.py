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
from pathlib import Path
from typing import Final

import asyncpg
import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from lq import process, telemetry
from lq.ledger.append import append
from lq.ledger.events import Event
from lq.ledger.projection import project
from lq.ledger.spill import Entry, Spill
from lq.ledger.stream import BATCH, BEGIN, BLOCK_MS, KEEP_MS, id_pair, is_filling, look, next_entries, trim
from lq.ledger.sweep import ends, missing, unfinished
from lq.redis_connection import Connection

log = structlog.get_logger()
SET_ASIDE: Final = telemetry.counter("events_set_aside", "events that could not be read, folded or stored")
ASIDE: Final = telemetry.LastHour("events_set_aside", "events set aside")
FAILED: Final = telemetry.gauge("recordings_failed_last_hour", "recordings that failed and were not stored since")
_FAILED: Final[dict[str, float]] = {}  # recording -> when it was told, monotonic
SPILLED: Final = telemetry.counter("events_spilled", "events that went to the disk, for PostgreSQL was away")

TRIM_EVERY_S: Final = 10.0
SWEEP_EVERY_S: Final = 60.0
BACK_OFF_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
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


def _displaced(event: Event) -> Rejected:
    """R5 was broken by its writer: nobody knows which of the two is right, so neither is lost."""
    return Rejected(event.id, f"another event is {event.subject} {event.seq} already", event.fields())


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
            "insert into journal_checkpoint (name, stream_id) values ($1, $2) on conflict do nothing", NAME, BEGIN
        )
        return str(await self._connection.fetchval("select stream_id from journal_checkpoint where name = $1", NAME))

    async def rewind(self) -> str:
        """Begins the stream again, for what is known already will be recognised; returns the checkpoint."""
        await self._connection.execute("update journal_checkpoint set stream_id = $2 where name = $1", NAME, BEGIN)
        return BEGIN

    async def apply(self, before: str, entries: Sequence[Entry]) -> str:
        """Stores entries that follow `before`; returns the new checkpoint. Raises Overtaken."""
        try:
            return await self._apply(before, entries)
        except AWAY:
            raise
        except POISON as error:
            if len(entries) == 1:
                return await self._reject(before, entries[0], error)
            log.warning("a batch cannot be stored whole, it is halved", entries=len(entries), error=repr(error))
        half = len(entries) // 2
        return await self.apply(await self.apply(before, entries[:half]), entries[half:])

    async def unfinished_recordings(self) -> list[Event]:
        return await unfinished(self._connection, time.time_ns() // 1_000_000)

    async def missing_contacts(self, redis: Redis) -> dict[str, int]:
        return await missing(self._connection, redis)

    async def _apply(self, before: str, entries: Sequence[Entry]) -> str:
        events, rejected = read(entries)
        after = entries[-1][0].decode()
        async with self._connection.transaction():
            await self._move(before, after)
            if events:
                rejected += [_displaced(event) for event in await project(self._connection, events)]
            for one in rejected:
                await self._note(one)
        note_failures(events)
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
        SET_ASIDE.inc()
        ASIDE.add()
        log.error("an event was set aside", entry=rejected.id, reason=rejected.reason, alarm=True)
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


def note_failures(events: Sequence[Event]) -> None:
    """Told twice it has failed once; what was stored all the same has not."""
    for event in events:
        if event.type == "recording_failed":
            _FAILED.setdefault(event.subject, time.monotonic())
        elif event.type == "recording_stored":
            _FAILED.pop(event.subject, None)
    since = time.monotonic() - telemetry.HOUR_S
    for recording in [recording for recording, at in _FAILED.items() if at < since]:
        del _FAILED[recording]


def failed_last_hour() -> int:
    since = time.monotonic() - telemetry.HOUR_S
    return sum(at >= since for at in list(_FAILED.values()))


# -- the loop ----------------------------------------------------------------------------------------------------------


class Journal:
    """Carries the stream over until cancelled; survives the absence of either side."""

    def __init__(
        self,
        redis_url: str,
        dsn: str,
        spill: Spill,
        *,
        keep_ms: int = KEEP_MS,
        sweep_every_s: float = SWEEP_EVERY_S,
    ) -> None:
        # A socket that is silent for longer than a blocking read takes belongs to a Redis that hangs.
        self._redis = Redis.from_url(
            redis_url,
            connection_class=Connection,
            protocol=2,  # a stream's entries come as one flat list of pairs
            socket_timeout=BLOCK_MS / 1000 + 4,
            socket_connect_timeout=2,
            retry=Retry(NoBackoff(), 0),
        )
        self._dsn, self._spill = dsn, spill
        self._spilled: str | None = None  # up to here; None: nothing since PostgreSQL was there
        self._checkpoint = BEGIN  # the last that we know of
        self._keep_ms = keep_ms
        self._sweep_every_s = sweep_every_s
        self._trimmed_at = 0.0
        self._swept_at = time.monotonic()  # not at once: others may be catching up as well
        self._missing: frozenset[str] = frozenset()  # contacts that the last sweep missed in Redis
        self._failures = 0
        self._unwritten = 0  # ms of the epoch: the oldest event that is read and not written
        telemetry.gauge("journal_lag_seconds", "age of the oldest event not yet in PostgreSQL").set_function(self._lag)
        telemetry.gauge("events_spilled_bytes", "of events on the disk").set_function(spill.size)
        FAILED.set_function(failed_last_hour)
        self.ready = asyncio.Event()

    async def run(self) -> None:
        try:
            while True:
                try:
                    async with connected(self._dsn) as connection:
                        await self._carry(Store(connection))
                except Overtaken:
                    log.warning("another journal has moved the checkpoint")
                except (*AWAY, asyncpg.InterfaceError, asyncpg.InternalClientError, RedisError) as error:
                    if self._failures == 0:
                        log.warning("the journal waits for Redis or PostgreSQL", error=repr(error))
                    if not isinstance(error, RedisError):
                        await self._relieve()
                await asyncio.sleep(BACK_OFF_S[min(self._failures, len(BACK_OFF_S) - 1)])
                self._failures += 1
        finally:
            await self._redis.aclose()

    def _lag(self) -> float:
        return time.time() - self._unwritten / 1000 if self._unwritten else 0.0

    async def _carry(self, store: Store) -> None:
        checkpoint = self._checkpoint = await self._unspill(store, await store.checkpoint())
        self.ready.set()
        while True:
            seen = await look(self._redis, checkpoint)
            if not seen.same:
                log.warning("the checkpoint is not in the event stream: it is read from its beginning", at=checkpoint)
                checkpoint = await store.rewind()
                continue
            if seen.entries:
                self._unwritten = id_pair(seen.entries[0][0].decode())[0]
                checkpoint = self._checkpoint = await store.apply(checkpoint, seen.entries)
                self._unwritten = 0
            else:
                await next_entries(self._redis, checkpoint)  # returns when there is something to look at
            if self._failures:
                log.info("the journal goes on", checkpoint=checkpoint)
                self._failures = 0
            if time.monotonic() >= self._trimmed_at + TRIM_EVERY_S:
                await trim(self._redis, checkpoint, self._keep_ms)
                await is_filling(self._redis)
                self._trimmed_at = time.monotonic()
            if (
                not seen.entries and time.monotonic() >= self._swept_at + self._sweep_every_s
            ):  # not while we are behind ourselves
                await self._sweep(store)
                self._swept_at = time.monotonic()

    async def _relieve(self) -> None:
        """With PostgreSQL away: before events fill Redis they go to the disk."""
        try:
            if await is_filling(self._redis):
                await self._spill_all()
        except RedisError as error:
            log.warning("Redis is away too", error=repr(error))
        except OSError as error:
            log.error("events cannot be spilled to the disk", error=str(error), alarm=True)

    async def _spill_all(self) -> None:
        after, count = self._spilled or self._checkpoint, 0
        while (seen := await look(self._redis, after)).entries or not seen.same:
            if not seen.same:
                after = BEGIN
                continue
            await asyncio.to_thread(self._spill.write, seen.entries)
            SPILLED.inc(len(seen.entries))
            after, count = seen.entries[-1][0].decode(), count + len(seen.entries)
        self._spilled = after
        await trim(self._redis, after, self._keep_ms)
        log.warning("events were spilled to the disk", count=count)

    async def _unspill(self, store: Store, checkpoint: str) -> str:
        """What stands on the disk is older than what the stream holds. A death on the way repeats it, harmlessly."""
        for batch in self._spill.batches(BATCH):
            checkpoint = await store.apply(checkpoint, batch)
        await asyncio.to_thread(self._spill.clear)
        self._spilled = None
        return checkpoint

    async def _sweep(self, store: Store) -> None:
        failed = await store.unfinished_recordings()
        if failed:
            log.error("recordings never came to rest", count=len(failed), first=failed[0].subject, alarm=True)
            await append(self._redis, failed)
        lost = await store.missing_contacts(self._redis)
        ended = ends(lost, self._missing, time.time_ns() // 1_000_000)
        self._missing = frozenset(lost)
        if ended:
            log.error("contacts were lost: their end is told", count=len(ended), first=ended[0].subject, alarm=True)
            await append(self._redis, ended)


async def main() -> None:
    process.log_to_stderr(NAME)
    asked_to_leave = process.end_signal()
    spill = Spill(Path(process.variable("LCALL_HOME")) / "journal")
    journal = Journal(process.variable("LCALL_REDIS_URL"), process.variable("LCALL_POSTGRES_DSN"), spill)
    telemetry.serve()
    beating = asyncio.create_task(telemetry.HEART.beat())
    running = asyncio.create_task(journal.run())
    ready = asyncio.create_task(_say_when_ready(journal))
    leaving = asyncio.create_task(asked_to_leave.wait())
    await asyncio.wait({running, leaving}, return_when=asyncio.FIRST_COMPLETED)
    for task in (ready, leaving, beating, running):
        task.cancel()
    results = await asyncio.gather(ready, leaving, running, return_exceptions=True)
    if isinstance(results[2], Exception):
        raise results[2]


async def _say_when_ready(journal: Journal) -> None:
    await journal.ready.wait()
    process.say_ready(NAME)


if __name__ == "__main__":
    asyncio.run(main())
