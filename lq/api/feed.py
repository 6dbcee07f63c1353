"""The events as they happen, for every client of this api: one reader of the stream, one bounded memory, no queues.

A client asks for the page after the last event that it has; from memory if that is recent, else from Redis, else (it
has been trimmed there, so the journal has it) from PostgreSQL. A slow client slows nobody but itself. A page says how
far it has read, over what is no event too, so that nobody asks for that again and again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Protocol

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from lq.api.history import History, HistoryAway
from lq.ledger.events import Event
from lq.ledger.projection import stored_event
from lq.ledger.spill import Entry
from lq.ledger.stream import BATCH, BEGIN, BLOCK_MS, Look, look, next_entries
from lq.live import keys
from lq.live.errors import LiveUnavailable
from lq.redis_connection import Connection

log = structlog.get_logger()

MEMORY: Final = 5000
PAGE: Final = BATCH
BACK_OFF_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
REACHED_S: Final = 2.0  # within which the reader has what stands in the stream

Place = tuple[int, int]  # of an event in the stream

FROM_HISTORY: Final = """
select subject, seq, type, v, at, data, stream_ms, stream_n from event
where (stream_ms, stream_n) > ($1, $2) order by stream_ms, stream_n limit $3"""
CARRIED: Final = "select stream_id from journal_checkpoint where name = 'journal'"


def place(id: str) -> Place:
    """The order of stream ids; raises ValueError on what is none."""
    milliseconds, _, number = id.partition("-")
    found = int(milliseconds), int(number or 0)
    if not (0 <= found[0] < 2**63 and 0 <= found[1] < 2**63):
        raise ValueError(f"{id!r} is no event id")
    return found


async def carried(history: History) -> Place:
    """How far the journal has come. Read before the events themselves, nothing falls between the stores."""
    row = await history.fetchrow(CARRIED)
    return place(row["stream_id"]) if row else (0, 0)


def not_yet() -> HistoryAway:
    """PostgreSQL was away for so long that the journal had to move events to the disk (lq/ledger/spill.py)."""
    return HistoryAway("the journal has not written all of it yet")


@dataclass(frozen=True, slots=True)
class Page:
    """The next events, if any; `upto`: the id behind which to go on, of what is no event maybe."""

    events: list[Event]
    upto: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the stream; `last`: the place of its last entry, None: the stream ends before it."""

    events: list[Event]
    last: Place | None


class Hearer(Protocol):
    """Hears each event as it is read, in order, before any client does."""

    def hear(self, event: Event) -> None: ...

    def forget(self) -> None:
        """The stream has begun anew."""


class Feed:
    def __init__(self, redis: Redis, reader_url: str, history: History, hearer: Hearer | None = None) -> None:
        self._redis = redis
        self._reader: Redis = Redis.from_url(
            reader_url,
            connection_class=Connection,
            decode_responses=False,
            protocol=2,
            socket_timeout=BLOCK_MS / 1000 + 2,
            socket_connect_timeout=2,
            retry=Retry(NoBackoff(), 0),
        )
        self._history, self._hearer = history, hearer
        self._memory: deque[Event] = deque(maxlen=MEMORY)
        self._last: str | None = None  # read so far; None: not yet
        self._arrived = asyncio.Event()

    async def run(self) -> None:
        """Reads the stream until cancelled; survives a Redis that is away."""
        failures = 0
        try:
            while True:
                try:
                    await self._read()
                    failures = 0
                except (RedisError, OSError) as error:
                    if failures == 0:
                        log.warning("the event stream cannot be read", error=repr(error))
                    await asyncio.sleep(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
                    failures += 1
        finally:
            await self._reader.aclose()

    async def _read(self) -> None:
        if self._last is None:
            newest: Any = await self._reader.xrevrange(keys.EVENTS, count=1)
            self._heard(newest[0][0].decode() if newest else BEGIN)
        assert self._last is not None
        seen = await look(self._reader, self._last)
        if not seen.same:  # by a clock that stands earlier maybe: what comes would never lie behind what we have
            log.warning("the event stream is another one: it is read from its beginning", at=self._last)
            self._memory.clear()
            if self._hearer is not None:
                self._hearer.forget()
            self._heard(BEGIN)
        elif seen.entries:
            for event in _events(seen.entries):
                self._memory.append(event)
                if self._hearer is not None:
                    self._hearer.hear(event)
            self._heard(seen.entries[-1][0].decode())
        else:
            await next_entries(self._reader, self._last)  # returns when there is something to look at

    def _heard(self, last: str) -> None:
        self._last = last
        self._arrived.set()
        self._arrived = asyncio.Event()

    async def last(self) -> str:
        """The id after which everything is still to come."""
        return self._last if self._last is not None else await self._newest()

    async def _newest(self) -> str:
        newest = await self._from_redis("xrevrange", keys.EVENTS, "+", "-", 1)
        return newest[0][0].decode() if newest else BEGIN

    async def reached(self, id: str) -> None:
        """The reader has come to this event of the stream. Raises LiveUnavailable if it does not soon."""
        try:
            async with asyncio.timeout(REACHED_S):
                while self._last is None or place(self._last) < place(id):
                    await self._arrived.wait()
        except TimeoutError as error:
            raise LiveUnavailable("the event stream is not read") from error

    async def caught_up(self) -> None:
        """The reader has all that stands in the stream now. Raises LiveUnavailable."""
        await self.reached(await self._newest())

    def arrival(self) -> asyncio.Event:
        """Set as soon as more has been read than by now: taken before a page, nothing is slept through."""
        return self._arrived

    async def page(self, after: str, limit: int = PAGE) -> Page:
        """What comes after an id, oldest first; `upto` is that id: nothing yet. Raises LiveUnavailable, HistoryAway."""
        start, read = place(after), None if self._last is None else place(self._last)
        if start == read:
            return Page([], after)
        if read is not None and self._memory and place(self._memory[0].id) <= start < read:
            return self._remembered(start, limit)
        if found := await self._trimmed_away(start, limit):
            return Page(found, found[-1].id)
        seen = await self._look("{}-{}".format(*start))
        if read is not None and start > read and not seen.same:  # of a stream that is no more: what has come instead
            seen = await self._look(BEGIN)
        entries = seen.entries[:limit]
        return Page(_events(entries), entries[-1][0].decode() if entries else after)

    def _remembered(self, start: Place, limit: int) -> Page:
        assert self._last is not None
        found = list(islice((event for event in self._memory if place(event.id) > start), limit))
        return Page(found, found[-1].id if len(found) == limit else self._last)

    async def stream(self, after: Place, count: int) -> Stretch:
        """What Redis holds behind a place. Raises LiveUnavailable."""
        entries = await self._from_redis("xrange", keys.EVENTS, "({}-{}".format(*after), "+", count)
        return Stretch(_events(entries), place(entries[-1][0].decode()) if entries else None)

    async def was_trimmed(self, start: Place) -> bool:
        """Whether Redis no longer holds all that follows a place. Raises LiveUnavailable."""
        return await self._first_kept(start) is not None

    async def _first_kept(self, start: Place) -> Place | None:
        """Where the stream begins, if what lies between there and `start` was trimmed."""
        entries = await self._from_redis("xrange", keys.EVENTS, "-", "+", 1)
        if not entries or (first := place(entries[0][0].decode())) <= start:
            return None
        info = await self._from_redis("xinfo_stream", keys.EVENTS)
        return first if int(info["entries-added"]) > int(info["length"]) else None

    async def _trimmed_away(self, start: Place, limit: int) -> list[Event]:
        """What follows a place and only PostgreSQL has. HistoryAway also when it is on the journal's disk still."""
        if (first := await self._first_kept(start)) is None:
            return []
        written = await carried(self._history)
        rows = await self._history.fetch(FROM_HISTORY, *start, limit)
        if not rows and written < first:
            raise not_yet()
        return [stored_event(row) for row in rows]

    async def _look(self, after: str) -> Look:
        try:
            return await look(self._redis, after)
        except (RedisError, OSError) as error:
            raise LiveUnavailable(f"{type(error).__name__}: {error}") from error

    async def _from_redis(self, command: str, *arguments: Any) -> Any:
        try:
            return await getattr(self._redis, command)(*arguments)
        except (RedisError, OSError) as error:
            raise LiveUnavailable(f"{type(error).__name__}: {error}") from error


def _events(entries: Sequence[Entry]) -> list[Event]:
    """The events among stream entries. What is none is the journal's to report."""
    found = []
    for id, fields in entries:
        try:
            event = Event.from_fields(id.decode(), {k.decode(): v.decode() for k, v in fields.items()})
            if not isinstance(event.data, Mapping):
                raise ValueError("data is not an object")
        except (ValueError, TypeError) as error:
            log.warning("an entry of the event stream is no event", entry=id.decode(), error=str(error))
        else:
            found.append(event)
    return found
