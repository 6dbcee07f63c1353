"""Searches of the call list in a history of so many calls: p50 and p95 of each kind, beside a look-up by a key.

    python -m tests.bench.call_search [calls, default 1000000]

The history is a year in the order of time, made by PostgreSQL itself (as it comes out of the box, but for fsync):
20 queues, 100 agents, an agent's calls spread over the day, one in forty handed on to a colleague; 100,000 customers,
each with the number of a call. Each search is the
web's own (lcall_web/calls), with other words every time: once for the page of 50 and once for the totals. 10,000,000
calls take 14 GB below /tmp, which are gone afterwards.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from typing import Final

import asyncpg

from lcall_web.calls import store
from lcall_web.calls.rules import Hours, Search, number_patterns
from lcall_web.common.database import Database, TooMuch
from lcall_web.common.viewer import PERMISSIONS, Reach, Viewer
from ops.migrate import migrate
from tests.integration.ledger import services

CALLS, EACH, DAYS, SEED = 1_000_000, 60, 365, 7
MANY: Final = 100_000  # customers
SERVER: Final = ("shared_buffers=128MB", "max_wal_size=1GB", "wal_level=minimal", "max_wal_senders=0", "autovacuum=off")
STEP: Final = 100_000
AT_ONCE: Final = 2
ID: Final = "('01938f5e-8a3b-7c41-9d2e-' || lpad(to_hex({n}), 12, '0'))"  # as long as they are, later ones greater

CALL: Final = f"""
insert into cdr (contact_id, direction, number, number_raw, number_published, called, called_raw, called_published,
                 trunk, queue, agent, started_at, queued_at, answered_at, ended_at, wait_s, ring_s, talk_s, result,
                 ended_by, cause, recording_id)
select {ID.format(n="n")}, case when r < 0.002 then 'internal' else 'in' end, '+86' || number, number, number,
       '+864008001000', '4008001000', '4008001000', 'gw' || (1 + n % 2), case when a < 0.97 then 'q' || q end,
       case when a < 0.9 then (1001 + w)::text end, at, case when a < 0.97 then at + interval '8 seconds' end,
       case when a < 0.9 then at + interval '20 seconds' end, at + interval '3 minutes', r * 60, r * 9,
       case when a < 0.9 then s * s * 900 else 0 end,
       case when a < 0.9 then 'answered' when a < 0.969 then 'abandoned' when a < 0.97 then 'failed' else 'ivr' end,
       case when s < 0.3 then 'agent' when s < 0.98 then 'caller' else 'system' end,
       case when s < 0.0002 then 34 when s < 0.02 then 17 else 16 end,
       case when a < 0.9 then {ID.format(n="n")} || '-r1' end
from (
    select n, a, q, w, r, s, $3::timestamptz + (n - 1) * $4::interval as at,
           '1' || to_char(3000000000 + (r * 6999999999)::bigint, 'FM0000000000') as number
    from (select n, random() as a, floor(random() * 20)::int as q, floor(random() * 100)::int as w, random() as r,
                 random() as s from generate_series($1::int, $2::int) n) as chance
) as made
"""
SEGMENTS: Final = f"""
insert into segment (contact_id, n, kind, queue, agent, started_at, ended_at, reason, outcome, duration_s)
select c.contact_id, s.n, s.kind, c.queue, s.agent, c.started_at + s.later * interval '1 second', c.ended_at, s.reason,
       s.outcome, c.talk_s
from (
    select *, wait_s < 1.5 as handed, (1001 + (substr(agent, 2)::int + 50) % 100)::text as colleague from cdr
    where contact_id between {ID.format(n="$1::int")} and {ID.format(n="$2::int")}
) c cross join lateral (values
    (1, 'queue', null, 8, 'answered', 'answered', c.queue is not null),
    (2, 'talk', case when c.handed then c.colleague else c.agent end, 20, 'hang_up', null, c.agent is not null),
    (3, 'talk', c.agent, 90, 'hang_up', null, c.agent is not null and c.handed)
) as s (n, kind, agent, later, reason, outcome, there)
where s.there
"""
CODES: Final = """
insert into agent_interval (agent, seq, state, contact, code, started_at, ended_at)
select agent, extract(epoch from started_at) * 1000000, 'wrap_up', contact_id, 'c' || (11 + wait_s::int % 50), ended_at,
       ended_at + interval '20 seconds'
from cdr where agent is not null and talk_s < 90
"""
CUSTOMERS: Final = """
insert into customer (key, kind, name)
select gen_random_uuid(), 'person', (
    select string_agg(chr(19968 + floor(random() * 150)::int), '') from generate_series(1, 3) where n > 0)
from generate_series(1, $1::int) as n
"""
PHONES: Final = f"""
insert into customer_phone (customer, number)
select id, (select number from cdr where contact_id = {ID.format(n="id * $1::int")})
from customer where exists (select from cdr where contact_id = {ID.format(n="id * $1::int")})
"""
OTHERS: Final = """
select i.indexname as name, i.indexdef as made from pg_indexes i
where i.tablename in ('cdr', 'segment', 'agent_interval')
and not exists (select from pg_constraint c where c.conname = i.indexname) order by i.indexdef like '%gin%' desc
"""


async def main(calls: int = CALLS) -> None:
    random.seed(SEED)
    with services.postgres(*SERVER) as server:
        await migrate(server.dsn())
        began, now = time.monotonic(), datetime.now(UTC)
        size = await _fill(server, calls, now)
        took = time.monotonic() - began
        print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; {calls} calls, {size} made in {took:.0f} s")
        await _searched(server.dsn(), calls, now)


async def _searched(dsn: str, calls: int, now: datetime) -> None:
    database = Database(dsn)
    await database.open()
    print(f"{'':38}{'page p50':>10}{'p95 ms':>9}{'totals p50':>12}{'p95 ms':>9}", flush=True)
    await _report("floor: a call by its key", _by_key(database, calls), None)
    for name, (viewer, made) in _searches(calls, now).items():
        wanted = [made() for _ in range(EACH)]
        pages, totals = iter(wanted), iter(wanted)
        await _report(
            name,
            lambda viewer=viewer, pages=pages: store._page(database, viewer, next(pages), "zh", store.PAGE),  # type: ignore[misc]
            lambda viewer=viewer, totals=totals: store._totals(database, viewer, next(totals)),  # type: ignore[misc]
        )
    await _report("floor: a call by its key", _by_key(database, calls), None)
    await database.close()


def _by_key(database: Database, calls: int) -> Callable[[], Awaitable[object]]:
    query = f"select * from cdr where contact_id = {ID.format(n='$1::int')}"
    return lambda: database.fetch(query, random.randrange(1, calls))


def _searches(calls: int, now: datetime) -> dict[str, tuple[Viewer, Callable[[], Search]]]:
    everybody = Viewer("admin", "", "admin", "", b"", "", frozenset(PERMISSIONS), Reach(None))
    people = frozenset(str(n) for n in range(1001, 1021))
    leader = Viewer("1001", "", "leader", "", b"", "", frozenset(), Reach(people, frozenset({"q1", "q2"})))
    himself = Viewer("1030", "", "agent", "", b"", "", frozenset(), Reach(frozenset({"1030"})))
    newcomer = Viewer("2001", "", "agent", "", b"", "", frozenset(), Reach(frozenset({"2001"})))

    def digits(count: int) -> str:
        return f"{random.randrange(10**count):0{count}}"

    def number(count: int, whole: bool = True) -> Search:
        written = f"1{random.randrange(3 * 10**9, 10**10)}" if count == 11 else digits(count)
        return Search(patterns=number_patterns(written, whole))

    def days(back: int, many: int, **about: object) -> Search:
        """So many days, which begin at least `back` days ago."""
        start = now - timedelta(days=random.randrange(back, DAYS - many))
        return Search(start=start, end=start + timedelta(days=many), **about)  # type: ignore[arg-type]

    def agent() -> str:
        return str(random.randrange(1001, 1101))

    def queue() -> str:
        return f"q{random.randrange(20)}"

    def code() -> str:
        return f"c{random.randrange(11, 61)}"

    def hour() -> Hours:
        first = random.randrange(24)
        return Hours(time_of_day(first), time_of_day(first, 59, 59, 999_999), "Asia/Shanghai")

    def call() -> str:
        return f"01938f5e-8a3b-7c41-9d2e-{random.randrange(1, calls):012x}"

    def name() -> str:
        return "".join(chr(19968 + random.randrange(150)) for _ in range(2))

    return {
        "today": (everybody, lambda: Search(start=now - timedelta(hours=random.uniform(1, 24)))),
        "a day": (everybody, lambda: days(1, 1)),
        "30 days": (everybody, lambda: days(30, 30)),
        "all the year": (everybody, Search),
        "a whole number": (everybody, lambda: number(11)),
        "six digits of a number": (everybody, lambda: number(6)),
        "four digits": (everybody, lambda: number(4)),
        "three digits": (everybody, lambda: number(3)),
        "four digits, in 30 days": (everybody, lambda: days(30, 30, patterns=number_patterns(digits(4), True))),
        "an agent, all the year": (everybody, lambda: Search(agent=agent())),
        "a queue, all the year": (everybody, lambda: Search(queue=queue())),
        "a queue, a day": (everybody, lambda: days(1, 1, queue=queue())),
        "an agent and a queue, 30 days": (everybody, lambda: days(30, 30, agent=agent(), queue=queue())),
        "abandoned in a queue, a week": (everybody, lambda: days(7, 7, queue=queue(), result="abandoned")),
        "abandoned, all the year": (everybody, lambda: Search(result="abandoned")),
        "failed (1 in 1,000), all the year": (everybody, lambda: Search(result="failed")),
        "internal (1 in 500), all the year": (everybody, lambda: Search(direction="internal")),
        "a wrap-up code, a week": (everybody, lambda: days(7, 7, code=code())),
        "a wrap-up code, all the year": (everybody, lambda: Search(code=code())),
        "talks over ten minutes, a week": (everybody, lambda: days(7, 7, least_s=600.0)),
        "the longest talks, all the year": (everybody, lambda: Search(least_s=899.9)),
        "waited over 59 s, a week": (everybody, lambda: days(7, 7, waited_s=59.0)),
        "waited the longest, all the year": (everybody, lambda: Search(waited_s=59.99)),
        "a cause (1 in 5,000), all the year": (everybody, lambda: Search(cause=34)),
        "ended by the system, a week": (everybody, lambda: days(7, 7, ended_by="system")),
        "an hour of the day, all the year": (everybody, lambda: Search(hours=hour())),
        "an hour of the day, 30 days": (everybody, lambda: days(30, 30, hours=hour())),
        "an hour of the day and an agent, 30 days": (everybody, lambda: days(30, 30, hours=hour(), agent=agent())),
        "failed in an hour of the day, all the year": (everybody, lambda: Search(hours=hour(), result="failed")),
        "a call by its id": (everybody, lambda: Search(call=call())),
        "two characters of a customer's name": (everybody, lambda: Search(customer=(name(),))),
        "an agent and a customer's name": (everybody, lambda: Search(customer=(name(),), agent=agent())),
        "without a recording, all the year": (everybody, lambda: Search(recorded=False)),
        "team: a day": (leader, lambda: days(1, 1)),
        "team: 30 days": (leader, lambda: days(30, 30)),
        "team: abandoned, 30 days": (leader, lambda: days(30, 30, result="abandoned")),
        "team: a whole number, masked": (leader, lambda: number(11, whole=False)),
        "team: the last four digits": (leader, lambda: number(4, whole=False)),
        "own: today": (himself, lambda: Search(start=now - timedelta(hours=random.uniform(1, 24)))),
        "own: all the year": (himself, Search),
        "own: the last four digits": (himself, lambda: number(4, whole=False)),
        "own: nothing yet, all the year": (newcomer, Search),
    }


async def _fill(server: services.Postgres, calls: int, now: datetime) -> str:
    """Indexes are built afterwards. Returns what it takes on the disk."""
    first = await asyncpg.connect(server.dsn())
    others = {row["name"]: row["made"] for row in await first.fetch(OTHERS)}
    for name in others:
        await first.execute(f"drop index {name}")
    began, apart = now - timedelta(days=DAYS), timedelta(days=DAYS) / calls
    steps = range(1, calls + 1, STEP)
    await _shared(server, [(CALL, n, min(n + STEP - 1, calls), began, apart) for n in steps])
    customers = min(calls, MANY)
    await _shared(server, [(CUSTOMERS, customers)])
    await _shared(server, [(PHONES, calls // customers)])
    await _shared(server, [*((SEGMENTS, n, n + STEP - 1) for n in steps), (CODES,)])
    await _shared(server, [(definition,) for definition in others.values()])
    await first.execute("vacuum analyze cdr")
    await first.execute("vacuum analyze segment")
    for table in ("agent_interval", "customer", "customer_phone"):
        await first.execute(f"vacuum analyze {table}")
    size = str(await first.fetchval("select pg_size_pretty(pg_database_size(current_database()))"))
    await first.close()
    return size


async def _shared(server: services.Postgres, works: Iterable[tuple[object, ...]]) -> None:
    """Statements with their arguments, in their order, by as many connections as there are processors."""
    rest = iter(works)

    async def work() -> None:
        rows = await asyncpg.connect(server.dsn())
        await rows.execute("set synchronous_commit = off; set maintenance_work_mem = '1GB'")
        await rows.execute("set session_replication_role = replica")  # the segments' contacts are not here
        for statement, *arguments in rest:
            await rows.execute(statement, *arguments)
        await rows.close()

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def _report(
    name: str, page: Callable[[], Awaitable[object]], totals: Callable[[], Awaitable[object]] | None
) -> None:
    columns = [await _timed(page), await _timed(totals) if totals else ("", "")]
    print(f"{name:38}{columns[0][0]:>10}{columns[0][1]:>9}{columns[1][0]:>12}{columns[1][1]:>9}", flush=True)


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
