"""A Redis of one's own for each test module, and a clock that tests move."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from redis import Redis

from lq.live.redis import Live
from tests.integration.live.center import Clock, documents, open_at_once, start_redis, stop


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    process, url = start_redis(tmp_path_factory.mktemp("redis"))
    yield url
    stop(process)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def live(redis_url: str, clock: Clock) -> AsyncIterator[Live]:
    with Redis.from_url(redis_url) as plain:
        plain.flushall()
    open_at_once(redis_url)
    live = Live(redis_url, clock=clock)
    await live.start()
    await live.publish(1, documents())
    yield live
    await live.close()
