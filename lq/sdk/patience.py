"""For programs that run for months: an api that is away, restarted or busy is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from lq.sdk.errors import ApiError

T = TypeVar("T")

PASSES: Final = (0, 429, 503)  # no answer, too many requests, what it needs is away
AGAIN_S: Final = 1.0  # where the api does not say when


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """What it answers, however often it has to be asked. Raises ApiError for what waiting does not mend."""
    while True:
        try:
            return await ask()
        except ApiError as error:
            if error.status not in PASSES:
                raise
            await asyncio.sleep(error.retry_after_s or AGAIN_S)
