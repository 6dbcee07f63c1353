"""The journal: events a second from Redis into PostgreSQL with all folds, beside a plain COPY of the same events.

    python -m tests.bench.journal

Floor: what an hour of 1,000 calls at once of three minutes writes, 25 events each: 140 events a second.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path

import asyncpg
from redis.asyncio import Redis

from lq.ledger.journal import Journal, id_pair
from lq.ledger.projection import moment
from lq.ledger.spill import Spill
from lq.live import keys
from ops.migrate import migrate
from tests.integration.ledger import services
from tests.unit.ledger.lives import START, answered_call

CALLS, FLOOR = 2_000, 140


async def main() -> None:
    with services.postgres() as server, services.redis() as store, tempfile.TemporaryDirectory() as home:
        await migrate(server.dsn())
        calls = [answered_call(f"{n:08}", START + n * 700) for n in range(CALLS)]
        events = sorted((event for call in calls for event in call), key=lambda event: event.at)
        rows = await asyncpg.connect(server.dsn())
        async with Redis.from_url(store.url, decode_responses=True) as client:
            for start in range(0, len(events), 1000):
                pipe = client.pipeline(transaction=False)
                for event in events[start : start + 1000]:
                    pipe.xadd(keys.EVENTS, event.fields())
                await pipe.execute()
            last = (await client.xrevrange(keys.EVENTS, count=1))[0][0]
        began, cpu = time.monotonic(), time.process_time()
        carrying = asyncio.create_task(Journal(store.url, server.dsn(), Spill(Path(home))).run())
        while await _checkpoint(rows) < id_pair(last):  # noqa: ASYNC110 - PostgreSQL tells nobody
            await asyncio.sleep(0.05)
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)
        copied = await _copy(rows, events)
        rate = len(events) / seconds
        print(f"{len(events)} events, {CALLS} calls")
        print(f"journal   {rate:8.0f} events/s   {1e6 * cpu / len(events):.0f} µs of Python each   floor {FLOOR}")
        print(f"COPY      {len(events) / copied:8.0f} events/s   without folds, one transaction")
        await rows.close()


async def _checkpoint(rows: asyncpg.Connection) -> tuple[int, int]:
    return id_pair(await rows.fetchval("select coalesce(max(stream_id), '0-0') from journal_checkpoint"))


async def _copy(rows: asyncpg.Connection, events: list[object]) -> float:
    await rows.execute("create table plain (like event including all)")
    records = [
        (e.subject, e.seq, e.type, e.v, moment(e.at), None, json.dumps(dict(e.data)), 0, n)  # type: ignore[attr-defined]
        for n, e in enumerate(events)
    ]
    began = time.monotonic()
    await rows.copy_records_to_table("plain", records=records)
    return time.monotonic() - began


if __name__ == "__main__":
    asyncio.run(main())
