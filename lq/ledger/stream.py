"""The event stream in Redis as the journal reads and trims it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from redis.asyncio import Redis

from lq.ledger.spill import Entry
from lq.live import keys

log = structlog.get_logger()

BATCH: Final = 500
BLOCK_MS: Final = 1000
KEEP_MS: Final = 600_000  # of the stream, for replays to clients of the api
KEPT: Final = 100_000  # entries of one millisecond, while Redis's clock stands: ten minutes of 2,000 busy seats
MEMORY_ALARM: Final = 0.5  # of Redis's maxmemory
BEGIN: Final = "0-0"


@dataclass(frozen=True, slots=True)
class Look:
    """What follows the checkpoint, and whether the stream is still the one that the checkpoint is of."""

    entries: list[Entry]
    same: bool


async def look(redis: Redis, checkpoint: str) -> Look:
    """In one transaction, so that no restart and no failover of Redis can come between the two.

    A stream in which the checkpoint's entry is not is another one (a Redis that lost writes, or began anew, maybe by a
    clock that stands earlier), or has been trimmed there, which nobody but us does. Both are read from their beginning:
    what is known already will be recognised.
    """
    async with redis.pipeline(transaction=True) as pipe:
        pipe.xrange(keys.EVENTS, checkpoint, checkpoint)
        pipe.xrange(keys.EVENTS, f"({checkpoint}", "+", BATCH)
        found, entries = await pipe.execute()
    return Look(entries, checkpoint == BEGIN or bool(found))


async def next_entries(redis: Redis, after: str) -> list[Entry]:
    """The next entries of the stream, at most BATCH; none if a second passes without one."""
    answer: Any = await redis.xread({keys.EVENTS: after}, count=BATCH, block=BLOCK_MS)
    return [(id, fields) for _, page in answer or () for id, fields in page]


def id_pair(id: str) -> tuple[int, int]:
    ms, _, n = id.partition("-")
    return int(ms), int(n or 0)


async def trim(redis: Redis, checkpoint: str, keep_ms: int = KEEP_MS) -> None:
    """Drops what lies behind the checkpoint and is older than `keep_ms`; the checkpoint's own entry stays.

    Ids never fall. When the clock of Redis's host was set back, all entries are of the last millisecond before, with
    ever higher numbers, until it is there again, maybe for hours: then how many there are tells what is old.
    """
    ms, n = id_pair(checkpoint)
    oldest = f"{max(0, min(ms, time.time_ns() // 1_000_000 - keep_ms))}-0"
    await redis.xtrim(keys.EVENTS, minid=f"{ms}-{n - KEPT}" if n > KEPT else oldest, approximate=True)


async def is_filling(redis: Redis) -> bool:
    """Whether Redis has used half of the memory that it may use."""
    memory: Mapping[str, Any] = await redis.info("memory")
    used, limit = int(memory["used_memory"]), int(memory.get("maxmemory", 0))
    if not limit or used <= limit * MEMORY_ALARM:
        return False
    log.error("Redis has used half of its memory", used=used, limit=limit, alarm=True)
    return True
