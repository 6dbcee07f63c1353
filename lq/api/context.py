"""What the handlers of the api stand on, opened and closed with the server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import asyncpg
import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from sanic import Request

from lq.api.feed import Feed
from lq.api.history import History, HistoryAway
from lq.api.queue_counts import Today, today
from lq.config import publish
from lq.live.errors import LiveError
from lq.live.redis import Live

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


@dataclass
class Context:
    places: Places
    live: Live
    redis: Redis
    history: History
    feed: Feed
    today: Today = field(default_factory=Today)

    @classmethod
    async def open(cls, places: Places) -> Context:
        redis = Redis.from_url(
            places.redis_url,
            protocol=2,
            socket_timeout=LIVE_TIMEOUT_S,
            socket_connect_timeout=LIVE_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        history = History(places.postgres_dsn)
        await history.start()
        live = Live(places.redis_url, timeout_s=LIVE_TIMEOUT_S)
        return cls(places, live, redis, history, Feed(redis, places.redis_url, history))

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
