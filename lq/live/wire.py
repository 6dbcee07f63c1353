"""The connections to Redis of an asyncio program: a function called, an answer guarded, a stream read.

Redis that is away or slow raises LiveUnavailable within `timeout_s`. Every request may be repeated; one that met a
connection of before, which the server has closed (it was restarted), is repeated at once by a new one.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, RedisError, ResponseError

from lq.live import keys, library, reading
from lq.live.errors import LiveUnavailable, from_answer
from lq.redis_connection import Connection

_BLOCK_SLACK_S: Final = 2.0  # what a blocking read may take longer than it asked for
_CONNECTIONS: Final = 16  # one event loop and one Redis are no faster with more
_READERS: Final = 2_000  # each waits for a reply or for news
SILENT_S: Final = 2.0  # a renewal comes every half second


class Wire:
    """`clock` (ms) stands in for Redis TIME, for tests. Await `start()` before use and `close()` after."""

    def __init__(self, url: str, *, timeout_s: float = 1.0, clock: Callable[[], int] | None = None) -> None:
        once: dict[str, Any] = {"decode_responses": True, "retry": once_more(), "health_check_interval": 0}
        once |= {"socket_connect_timeout": timeout_s, "connection_class": Connection}
        # Who finds all connections in use waits his turn: a plain pool refuses at once, and of two hundred contacts
        # that are adopted together half would take Redis for away.
        pool = {"max_connections": _CONNECTIONS, "timeout": 2 * timeout_s, "socket_timeout": timeout_s}
        self._redis: Redis = Redis.from_pool(BlockingConnectionPool.from_url(url, **once, **pool))
        # A reader that blocks holds a connection of its own out of this pool. Without socket_timeout=None redis-py
        # ends a blocking read after its own default (5 s).
        self._readers: Redis = Redis.from_url(url, socket_timeout=None, max_connections=_READERS, **once)
        self._clock = clock
        self._seen = 0
        self._silent_until = 0.0  # monotonic: a Redis that hangs costs one commit its patience, not every turn

    async def start(self) -> None:
        """Load the function library, if Redis does not hold the same or a newer one."""
        listing = await self._guard(self._redis.function_list(library.NAME, withcode=True))
        code = library.to_load(library.loaded_code(listing))
        if code is not None:
            await self._guard(self._redis.function_load(code, replace=True))

    async def close(self) -> None:
        await self._redis.aclose()
        await self._readers.aclose()

    async def _now(self) -> int:
        if self._clock:
            return self._clock()
        seconds, microseconds = await self._guard(self._redis.time())
        return int(seconds) * 1000 + int(microseconds) // 1000

    async def _read(self, stream: str, after: str, count: int, block_ms: int) -> list[tuple[str, dict[str, str]]]:
        if block_ms <= 0:
            answer = await self._guard(self._redis.xread({stream: after}, count=count))
        else:
            read = self._readers.xread({stream: after}, count=count, block=block_ms)
            answer = await self._blocking(read, block_ms / 1000)
        return reading.stream_entries(answer)

    async def _heard(self, function: str, **request: Any) -> dict[str, Any]:
        """As _call; who is not answered is remembered, so that commits do not ask again before a renewal was."""
        try:
            return await self._call(function, **request)
        except LiveUnavailable:
            self._silent_until = time.monotonic() + SILENT_S
            raise

    async def _call(self, function: str, **request: Any) -> dict[str, Any]:
        if self._clock:
            request["now"] = self._clock()
        body = json.dumps(request, ensure_ascii=False).encode(errors="replace")  # no strange letter may cost a call
        try:
            text = await self._redis.fcall(function, 1, keys.TAG, body)
        except ResponseError as error:
            if library.MISSING not in str(error):
                raise LiveUnavailable(str(error)) from error
            await self.start()  # a Redis that came back empty
            text = await self._guard(self._redis.fcall(function, 1, keys.TAG, body))
        except (RedisError, OSError) as error:
            raise _away(error) from error
        answer: dict[str, Any] = json.loads(text)
        if not answer["ok"]:
            raise from_answer(answer)
        return answer

    async def _blocking(self, read: Any, seconds: float) -> Any:
        try:
            async with asyncio.timeout(seconds + _BLOCK_SLACK_S):
                return await read
        except (RedisError, OSError) as error:  # OSError: TimeoutError is one
            raise _away(error) from error

    async def _guard(self, answer: Any) -> Any:
        try:
            return await answer
        except (RedisError, OSError) as error:
            raise _away(error) from error


def once_more() -> Retry:
    """For connections that the server closed; a server that does not answer is asked once."""
    return Retry(NoBackoff(), 1, supported_errors=(ConnectionError,))


def _away(error: Exception) -> LiveUnavailable:
    return LiveUnavailable(f"{type(error).__name__}: {error}")
