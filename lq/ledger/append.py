"""The one way into the ledger for programs that own no contact (the recorder)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from lq.ledger.events import STREAM, Event


async def append(redis: Redis, events: Sequence[Event]) -> None:
    """Append events in order. May be repeated after any failure: `(subject, seq)` makes a repeat harmless (R5)."""
    async with redis.pipeline(transaction=True) as pipe:
        for event in events:
            fields: dict[Any, Any] = dict(event.fields())
            pipe.xadd(STREAM, fields)
        await pipe.execute()
