"""The events as they happen, for every client of this api: one reader of the stream, one bounded memory, no queues.

A client asks for the page after the last event that it has; from memory if that is recent, else from Redis, else (it
has been trimmed there, so the journal has it) from PostgreSQL. A slow client slows nobody but itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from lq.api.history import History
from lq.ledger.events import Event
from lq.ledger.projection import stored_event
from lq.live import keys
from lq.live.errors import LiveUnavailable

log = structlog.get_logger()

MEMORY: Final = 5000
PAGE: Final = 500
BLOCK_MS: Final = 1000
BACK_OFF_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0)

Place = tuple[int, int]  # of an event in the stream

FROM_HISTORY: Final = """
select subject, seq, type, v, at, data, stream_ms, stream_n from event
where (stream_ms, stream_n) > ($1, $2) order by stream_ms, stream_n limit $3"""


def place(id: str) -> Place:
    """The order of stream ids; raises ValueError on what is none."""
    milliseconds, _, number = id.partition("-")
    found = int(milliseconds), int(number or 0)
    if not (0 <= found[0] < 2**63 and 0 <= found[1] < 2**63):
        raise ValueError(f"{id!r} is no event id")
    return found


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the stream; `last`: the place of its last entry, None: the stream ends before it."""

    events: list[Event]
    last: Place | None


class Feed:
    def __init__(self, redis: Redis, reader_url: str, history: History) -> None:
        self._redis = redis
        self._reader: Redis = Redis.from_url(
            reader_url,
            decode_responses=False,
            protocol=2,
            socket_timeout=BLOCK_MS / 1000 + 2,
            socket_connect_timeout=2,
            retry=Retry(NoBackoff(), 0),
        )
        self._history = history
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
            self._last = newest[0][0].decode() if newest else "0-0"
        answer: Any = await self._reader.xread({keys.EVENTS: self._last}, count=PAGE, block=BLOCK_MS)
        for _, entries in answer or ():
            self._memory.extend(_events(entries))
            self._last = entries[-1][0].decode()
            self._arrived.set()
            self._arrived = asyncio.Event()

    async def last(self) -> str:
        """The id after which everything is still to come."""
        if self._last is not None:
            return self._last
        newest = await self._from_redis("xrevrange", keys.EVENTS, "+", "-", 1)
        return newest[0][0].decode() if newest else "0-0"

    async def page(self, after: str, limit: int = PAGE) -> list[Event]:
        """The next events after an id, oldest first; empty if none yet. Raises LiveUnavailable, HistoryAway."""
        start = place(after)
        if self._memory and place(self._memory[0].id) <= start:
            return list(islice((event for event in self._memory if place(event.id) > start), limit))
        if self._last is not None and start >= place(self._last):
            return []
        if await self._was_trimmed(start) and (found := await self._from_history(start, limit)):
            return found
        return _events(await self._from_redis("xrange", keys.EVENTS, f"({after}", "+", limit))

    async def stream(self, after: Place, count: int) -> Stretch:
        """What Redis holds behind a place. Raises LiveUnavailable."""
        entries = await self._from_redis("xrange", keys.EVENTS, "({}-{}".format(*after), "+", count)
        return Stretch(_events(entries), place(entries[-1][0].decode()) if entries else None)

    async def newer_than(self, after: str) -> None:
        """Returns once an event after this id may be there."""
        arrived = self._arrived
        if self._last is None or place(self._last) <= place(after):
            await arrived.wait()

    async def _was_trimmed(self, start: Place) -> bool:
        """Whether Redis no longer holds all that follows."""
        first = await self._from_redis("xrange", keys.EVENTS, "-", "+", 1)
        if not first or place(first[0][0].decode()) <= start:
            return False
        info = await self._from_redis("xinfo_stream", keys.EVENTS)
        return int(info["entries-added"]) > int(info["length"])

    async def _from_history(self, start: Place, limit: int) -> list[Event]:
        rows = await self._history.fetch(FROM_HISTORY, *start, limit)
        return [stored_event(row) for row in rows]

    async def _from_redis(self, command: str, *arguments: Any) -> Any:
        try:
            return await getattr(self._redis, command)(*arguments)
        except (RedisError, OSError) as error:
            raise LiveUnavailable(f"{type(error).__name__}: {error}") from error


def _events(entries: Any) -> list[Event]:
    """The events among stream entries. What is none is the journal's to report."""
    found = []
    for id, fields in entries:
        try:
            found.append(Event.from_fields(id.decode(), {k.decode(): v.decode() for k, v in fields.items()}))
        except (ValueError, TypeError) as error:
            log.warning("an entry of the event stream is no event", entry=id.decode(), error=str(error))
    return found
