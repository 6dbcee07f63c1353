"""The connection of our Redis clients: a cancellation, or a time limit around a request, is never swallowed.

redis-py writes with `asyncio.wait_for`, which in Python 3.11 gives the result instead of the cancellation when both
come at once (CPython gh-86296): a task that was told to end went on for ever. For `from_url(…, connection_class=…)`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from redis.asyncio.connection import Connection as Plain
from redis.exceptions import TimeoutError as Late


class Connection(Plain):
    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        if not self.is_connected:
            await self.connect_check_health(check_health=False)
        if check_health:
            await self.check_health()  # type: ignore[no-untyped-call]
        limit_s, self.socket_timeout = self.socket_timeout, None  # then it is written without `wait_for`
        try:
            async with asyncio.timeout(limit_s):
                await super().send_packed_command(command, check_health=False)
        except TimeoutError:
            raise Late("Timeout writing to socket") from None
        finally:
            self.socket_timeout = limit_s
