"""What history says about the queues since midnight of the center's time zone. Formulas: lq/ledger/metrics.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from lq.ledger.metrics import QueueCounts

SETTINGS: Final = "select body->>'time_zone' from config_document where kind = 'settings' and id = 'center'"

COUNTS: Final = """
select queue, sum(answered) as answered, sum(abandoned) as abandoned, sum(overflowed) as overflowed,
       sum(waiting) as waiting, sum(in_time) as in_time, sum(short_abandoned) as short_abandoned
from queue_interval where started_at >= date_trunc('day', now() at time zone $1) at time zone $1
group by queue"""

HANDLING: Final = """
select queue, avg(talk_s + hold_s + wrap_up_s) as handling_s from cdr
where queue is not null and answered_at is not null
  and started_at >= date_trunc('day', now() at time zone $1) at time zone $1
group by queue"""


@dataclass(frozen=True, slots=True)
class Today:
    """`known` False: history is away, and nothing can be said."""

    known: bool = False
    counts: Mapping[str, QueueCounts] = field(default_factory=dict)
    handling_s: Mapping[str, float] = field(default_factory=dict)


async def today(connection: asyncpg.Connection) -> Today:
    zone = await connection.fetchval(SETTINGS) or "Asia/Shanghai"
    names = ("answered", "abandoned", "overflowed", "waiting", "in_time", "short_abandoned")
    counts = {
        row["queue"]: QueueCounts(**{name: row[name] for name in names}) for row in await connection.fetch(COUNTS, zone)
    }
    handling = {row["queue"]: row["handling_s"] for row in await connection.fetch(HANDLING, zone)}
    return Today(True, counts, handling)
