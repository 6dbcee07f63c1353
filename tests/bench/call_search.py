"""Searches of the call list in a history of so many calls: p50 and p95 of each kind, beside `select 1`.

    python -m tests.bench.call_search [calls, default 1000000]

The history is a year, made by PostgreSQL itself; each search is the web's own statement (lcall_web/calls), once for the
page of 50 and once for the totals over all that is found.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import asyncpg

from lcall_web.calls import store
from lcall_web.calls.rules import Search, number_patterns
from lcall_web.common.database import Database, TooMuch
from lcall_web.common.viewer import PERMISSIONS, Reach, Viewer
from ops.migrate import migrate
from tests.integration.ledger import services

CALLS, EACH, DAYS, SEED = 1_000_000, 60, 365, 7
INDEXES = ("cdr_started", "cdr_agent", "cdr_queue", "cdr_numbers", "cdr_trunk", "agent_interval_code")

FILL = """
insert into cdr (contact_id, direction, number, number_raw, number_published, called, called_raw, called_published,
                 trunk, queue, agent, started_at, queued_at, answered_at, ended_at, wait_s, ring_s, talk_s, result,
                 ended_by, cause)
select to_char(n, 'FM000000000000'), 'in', '+86' || number, number, number, '+864008001000', '4008001000',
       '4008001000', 'gw' || (1 + n % 2), 'q' || (n % 20),
       case when n % 10 > 0 then (1001 + (r * 100)::int % 100)::text end, at, at,
       case when n % 10 > 0 then at + interval '20 seconds' end, at + interval '3 minutes', r * 60, r * 9, s * s * 900,
       case when n % 10 > 0 then 'answered' else 'abandoned' end, 'caller', 16
from (
    select n, r, s, $3::timestamptz - t * make_interval(days => $4) as at,
           '1' || to_char(3000000000 + (r * 6999999999)::bigint, 'FM0000000000') as number
    from (select n, random() as r, random() as s, random() as t from generate_series($1::int, $2::int) n) as chance
) as made
"""
CODES = """
insert into agent_interval (agent, seq, state, contact, code, started_at)
select c.agent, row_number() over (), 'wrap_up', c.contact_id,
       'c' || (11 + c.wait_s::int % 50), c.ended_at
from cdr c where c.agent is not null and c.talk_s < 90
"""


async def main(calls: int = CALLS) -> None:
    random.seed(SEED)
    with services.postgres() as server:
        await migrate(server.dsn())
        began = time.monotonic()
        now = datetime.now(UTC)
        await _fill(server, calls, now)
        print(f"{calls} calls made in {time.monotonic() - began:.0f} s", flush=True)
        database = Database(server.dsn())
        await database.open()
        print(f"{'':34}{'page p50':>10}{'p95 ms':>9}{'totals p50':>12}{'p95 ms':>9}")
        await _report("select 1", lambda: database.fetch("select 1"), None)
        for name, (viewer, made) in _searches(now).items():
            wanted = [made() for _ in range(EACH)]
            pages, totals = iter(wanted), iter(wanted)
            await _report(
                name,
                lambda viewer=viewer, pages=pages: store._page(database, viewer, next(pages), "zh", store.PAGE),  # type: ignore[misc]
                lambda viewer=viewer, totals=totals: store._totals(database, viewer, next(totals)),  # type: ignore[misc]
            )
        await database.close()


def _searches(now: datetime) -> dict[str, tuple[Viewer, Callable[[], Search]]]:
    everybody = Viewer("admin", "", "admin", "", b"", "", frozenset(PERMISSIONS), Reach(None))
    people = frozenset(str(n) for n in range(1001, 1021))
    leader = Viewer("1001", "", "leader", "", b"", "", frozenset(), Reach(people, frozenset({"q1", "q2"})))

    def number(digits: int) -> Search:
        text = f"1{random.randrange(3 * 10**9, 10**10)}"
        return Search(patterns=number_patterns(text[:11] if digits == 11 else text[4 : 4 + digits], True))

    def day(back: int, days: int, **about: object) -> Search:
        start = now - timedelta(days=random.randrange(back, DAYS - days) if back < DAYS - days else back)
        return Search(start=start, end=start + timedelta(days=days), **about)  # type: ignore[arg-type]

    def agent() -> str:
        return str(random.randrange(1001, 1101))

    return {
        "a day": (everybody, lambda: day(1, 1)),
        "30 days": (everybody, lambda: day(31, 30)),
        "a whole number": (everybody, lambda: number(11)),
        "six digits of a number": (everybody, lambda: number(6)),
        "four digits, in 30 days": (
            everybody,
            lambda: day(31, 30, patterns=number_patterns(str(random.randrange(1000, 9999)), True)),
        ),
        "an agent, all the year": (everybody, lambda: Search(agent=agent())),
        "an agent and a queue, 30 days": (everybody, lambda: day(31, 30, agent=agent(), queue="q3")),
        "abandoned in a queue, a week": (everybody, lambda: day(8, 7, queue="q10", result="abandoned")),
        "a wrap-up code, a week": (everybody, lambda: day(8, 7, code=f"c{random.randrange(11, 61)}")),
        "talks over ten minutes, a week": (everybody, lambda: day(8, 7, least_s=600.0)),
        "a leader's team, a day": (leader, lambda: day(1, 1)),
    }


async def _fill(server: services.Postgres, calls: int, now: datetime) -> None:
    rows = await asyncpg.connect(server.dsn())
    made = [await rows.fetchval("select indexdef from pg_indexes where indexname = $1", name) for name in INDEXES]
    for name in INDEXES:
        await rows.execute(f"drop index {name}")
    await rows.execute("set synchronous_commit = off; set maintenance_work_mem = '512MB'")
    step = 100_000
    for first in range(1, calls + 1, step):
        await rows.execute(FILL, first, min(first + step - 1, calls), now, DAYS)
    await rows.execute(CODES)
    for definition in made:
        await rows.execute(definition)
    await rows.execute("vacuum analyze cdr")
    await rows.execute("vacuum analyze agent_interval")
    await rows.close()


async def _report(
    name: str, page: Callable[[], Awaitable[object]], totals: Callable[[], Awaitable[object]] | None
) -> None:
    columns = [await _timed(page), await _timed(totals) if totals else ("", "")]
    print(f"{name:34}{columns[0][0]:>10}{columns[0][1]:>9}{columns[1][0]:>12}{columns[1][1]:>9}", flush=True)


async def _timed(work: Callable[[], Awaitable[object]]) -> tuple[str, str]:
    took, given_up = [], 0
    for _ in range(EACH):
        began = time.perf_counter()
        try:
            await work()
        except TooMuch:
            given_up += 1
        took.append((time.perf_counter() - began) * 1000)
    p95 = statistics.quantiles(took, n=20)[-1]
    return f"{statistics.median(took):.1f}", f"{p95:.1f}" + (f" ({given_up} given up)" if given_up else "")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS))
