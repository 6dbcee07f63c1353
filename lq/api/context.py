"""What the handlers of the api stand on, opened and closed with the server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import asyncpg
import structlog
from redis.asyncio import Redis
from sanic import Request

from lq.api.admission import Admission
from lq.api.feed import Feed
from lq.api.history import History, HistoryAway
from lq.api.leaders import Book
from lq.api.queue_counts import Today, today
from lq.api.shares import Share, downloads, requests, streams
from lq.config import lists, publish
from lq.live.errors import LiveError
from lq.live.redis import Live
from lq.live.wire import once_more
from lq.redis_connection import Connection

log = structlog.get_logger()

LIVE_TIMEOUT_S: Final = 1.0
LOOK_EVERY_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything is: the environment of the process."""

    redis_url: str
    postgres_dsn: str
    recordings: Path
    token: str
    recorders: tuple[str, ...] = ()  # their sockets: a path, or host:port
    watch: str = ""  # the base of its address


@dataclass
class Context:
    places: Places
    live: Live
    redis: Redis
    history: History
    leaders: Book
    feed: Feed
    admission: Admission
    today: Today = field(default_factory=Today)
    requests: Share = field(default_factory=requests)
    streams: Share = field(default_factory=streams)
    downloads: Share = field(default_factory=downloads)

    @classmethod
    async def open(cls, places: Places) -> Context:
        redis = Redis.from_url(
            places.redis_url,
            connection_class=Connection,
            protocol=2,
            socket_timeout=LIVE_TIMEOUT_S,
            socket_connect_timeout=LIVE_TIMEOUT_S,
            retry=once_more(),
        )
        history = History(places.postgres_dsn)
        await history.open()
        live = Live(places.redis_url, timeout_s=LIVE_TIMEOUT_S)
        leaders = Book(live, history)
        feed = Feed(redis, places.redis_url, history, leaders)
        return cls(places, live, redis, history, leaders, feed, Admission(live, places.token))

    async def close(self) -> None:
        await self.live.close()
        await self.redis.aclose()
        await self.history.close()

    async def look_after(self) -> None:
        """Until cancelled: keeps today's counts fresh, and Redis at the configuration of PostgreSQL."""
        while True:
            try:
                async with self.history.connection() as connection:
                    if await publish.republish(connection, self.live):
                        log.info("the configuration was published again")
                    if await lists.tell(connection, self.live):
                        log.info("the live state was told of changes in lists")
                    self.today = await today(connection)
            except HistoryAway:
                self.today = Today()
            except LiveError as error:
                log.warning("the configuration cannot be published", error=str(error))
            except asyncpg.PostgresError as error:
                log.error("today's counts cannot be read", error=repr(error))
                self.today = Today()
            await asyncio.sleep(LOOK_EVERY_S)


def of(request: Request) -> Context:
    context: Context = request.app.ctx.context
    return context
