"""`queue_interval`: the counters of queues, kept by the journal. Runs in the caller's transaction.

A quarter whose segments changed is counted anew from them, so the counters are always what a count over all segments
would say; boards and reports add up quarters instead of looking at calls. A quarter that is over is counted by the
service level that stands in it, whatever touches it later: a recording of it that is deleted after a year, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

import asyncpg

from lq.ledger.metrics import queue_counts
from lq.ledger.views import Segment

QUARTER_MS: Final = 900_000
SERVICE_LEVEL_S: Final = 20.0  # of a queue whose document is gone

Quarter = tuple[str, int]  # queue, its beginning in ms

OF_CONTACTS: Final = """
select distinct queue, (extract(epoch from started_at) * 1000)::bigint / $2 * $2 as quarter from segment
where contact_id = any($1::text[]) and kind = 'queue' and queue is not null"""
# One look-up in the index for each quarter.
SEGMENTS: Final = """
select q.queue, q.quarter, s.n, (extract(epoch from s.started_at) * 1000)::bigint as started_at,
       (extract(epoch from s.ended_at) * 1000)::bigint as ended_at, s.reason
from unnest($1::text[], $2::bigint[]) as q (queue, quarter) left join segment s
    on s.kind = 'queue' and s.queue = q.queue and s.started_at >= to_timestamp(q.quarter / 1000.0)
    and s.started_at < to_timestamp((q.quarter + $3) / 1000.0)"""
LEVELS: Final = """
select id, (body->>'service_level_s')::float8 as seconds from config_document
where kind = 'queues' and id = any($1::text[]) and body ? 'service_level_s'"""
UPSERT: Final = """
insert into queue_interval (queue, started_at, service_level_s, answered, abandoned, overflowed, waiting, in_time,
    short_abandoned, answered_wait_s, abandoned_wait_s, longest_wait_s, overflowed_by)
values ($1, to_timestamp($2 / 1000.0), $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
on conflict (queue, started_at) do update set service_level_s = $3, answered = $4, abandoned = $5, overflowed = $6,
    waiting = $7, in_time = $8, short_abandoned = $9, answered_wait_s = $10, abandoned_wait_s = $11,
    longest_wait_s = $12, overflowed_by = $13"""
COUNTED: Final = """
select q.queue, q.quarter, i.service_level_s from unnest($1::text[], $2::bigint[]) as q (queue, quarter)
join queue_interval i on i.queue = q.queue and i.started_at = to_timestamp(q.quarter / 1000.0)
where $3 or to_timestamp((q.quarter + $4) / 1000.0) <= now()"""
DELETE: Final = "delete from queue_interval where queue = $1 and started_at = to_timestamp($2 / 1000.0)"


async def of_contacts(connection: asyncpg.Connection, contacts: Sequence[str]) -> set[Quarter]:
    """The quarters in which these contacts are counted now."""
    rows = await connection.fetch(OF_CONTACTS, contacts, QUARTER_MS)
    return {(row["queue"], row["quarter"]) for row in rows}


def quarter(segment: Segment) -> Quarter:
    return segment.queue or "", segment.started_at // QUARTER_MS * QUARTER_MS


async def count(connection: asyncpg.Connection, quarters: Iterable[Quarter], *, again: bool = False) -> None:
    """Counts these quarters anew; one without a segment is gone.

    By the settings of now where the quarter still runs or was never counted, else by those of then. `again`: always by
    those of then.
    """
    wanted = sorted(quarters)
    if not wanted:
        return
    queues, begins = [queue for queue, _ in wanted], [begin for _, begin in wanted]
    found: dict[Quarter, list[Segment]] = {key: [] for key in wanted}
    for row in await connection.fetch(SEGMENTS, queues, begins, QUARTER_MS):
        if row["n"] is not None:
            segment = Segment(row["n"], "queue", row["started_at"], row["queue"], None, row["ended_at"], row["reason"])
            found[row["queue"], row["quarter"]].append(segment)
    levels = {row["id"]: row["seconds"] for row in await connection.fetch(LEVELS, queues)}
    then = await _levels_of_then(connection, queues, begins, again=again)
    await connection.executemany(DELETE, [key for key, segments in found.items() if not segments])
    rows = [
        _row(key, segments, then.get(key, levels.get(key[0], SERVICE_LEVEL_S)))
        for key, segments in found.items()
        if segments
    ]
    await connection.executemany(UPSERT, rows)


async def _levels_of_then(
    connection: asyncpg.Connection, queues: Sequence[str], begins: Sequence[int], *, again: bool
) -> dict[Quarter, float]:
    rows = await connection.fetch(COUNTED, queues, begins, again, QUARTER_MS)
    return {(row["queue"], row["quarter"]): row["service_level_s"] for row in rows}


def _row(key: Quarter, segments: Sequence[Segment], service_level_s: float) -> tuple[Any, ...]:
    counts = asdict(queue_counts(segments, service_level_s))
    return (*key, service_level_s, *(json.dumps(v) if k == "overflowed_by" else v for k, v in counts.items()))
