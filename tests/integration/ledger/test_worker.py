from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from lq.worker import outbox, retention

from .services import eventually, program


@pytest.fixture
async def rows(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


async def state(rows: asyncpg.Connection, id: int) -> tuple[Any, ...]:
    row = await rows.fetchrow("select state, attempts, last_error from outbox where id = $1", id)
    assert row is not None
    return tuple(row)


async def test_many_workers_do_each_piece_once(dsn: str, rows: asyncpg.Connection) -> None:
    for n in range(300):
        await outbox.put(rows, "count", {"n": n})
    seen: Counter[int] = Counter()

    async def count(body: Mapping[str, Any]) -> None:
        seen[body["n"]] += 1

    async def worker() -> None:
        connection = await asyncpg.connect(dsn)
        while found := await outbox.claim(connection):
            for work in found:
                await outbox.do(connection, work, {"count": count})
        await connection.close()

    await asyncio.gather(*(worker() for _ in range(4)))
    assert seen == Counter(range(300))
    assert await rows.fetchval("select count(*) from outbox where state = 'done'") == 300


async def test_what_fails_comes_again_later_and_not_for_ever(rows: asyncpg.Connection) -> None:
    async def fail(body: Mapping[str, Any]) -> None:
        raise RuntimeError("no line")

    id = await outbox.put(rows, "fax", {})
    for attempt in range(1, outbox.MAX_ATTEMPTS + 1):
        [work] = await outbox.claim(rows)
        await outbox.do(rows, work, {"fax": fail})
        expected = "failed" if attempt == outbox.MAX_ATTEMPTS else "queued"
        assert await state(rows, id) == (expected, attempt, "RuntimeError('no line')")
        assert await outbox.claim(rows) == [], "not at once"
        await rows.execute("update outbox set run_at = now()")
    assert [outbox.again_after(n) for n in (1, 3, 20)] == [timedelta(seconds=s) for s in (2, 8, 3600)]


async def test_the_work_of_a_dead_worker_is_taken_over(rows: asyncpg.Connection) -> None:
    await outbox.put(rows, "mail", {})
    [taken] = await outbox.claim(rows, locked_s=60)
    assert await outbox.claim(rows) == []
    await rows.execute("update outbox set locked_until = now() - interval '1 s'")
    [again] = await outbox.claim(rows)
    assert (again.id, again.attempts) == (taken.id, 2)


async def test_unknown_work_fails_with_a_reason(rows: asyncpg.Connection) -> None:
    id = await outbox.put(rows, "dance", {})
    [work] = await outbox.claim(rows)
    await outbox.do(rows, work, {})
    assert await state(rows, id) == ("failed", 1, "nobody knows how to do 'dance'")


async def test_retention_deletes_only_what_is_past_its_time(dsn: str, rows: asyncpg.Connection) -> None:
    await rows.execute(
        "insert into outbox (kind, body, state, done_at) select 'x', '{}', 'done', now() - n * interval '1 day'"
        " from generate_series(1, 10) n"
    )
    await rows.execute("insert into operator (id, name, role, password_hash) values ('a', 'A', 'agent', '')")
    await rows.execute(
        "insert into web_session (token_sha256, operator, csrf, expires_at)"
        " values ('old', 'a', '', now() - interval '1 s'), ('new', 'a', '', now() + interval '1 h')"
    )
    deleted = await retention.apply(rows)
    assert sorted(deleted.values()) == [0, 0, 1, 4]
    assert await rows.fetchval("select count(*) from outbox") == 6
    assert await rows.fetchval("select token_sha256 from web_session") == b"new"
    other = await asyncpg.connect(dsn)
    await other.execute("select pg_advisory_lock($1)", retention.LOCK)
    assert await retention.apply(rows) == {}
    await other.close()


async def test_the_process_works_the_outbox(dsn: str, rows: asyncpg.Connection, tmp_path: Path) -> None:
    id = await outbox.put(rows, "ping", {"from": "test"})
    environ = {"LCALL_POSTGRES_DSN": dsn, "LCALL_HOME": str(tmp_path)}
    with program("lq.worker", environ, tmp_path / "log") as running:
        await eventually(lambda: (tmp_path / "run/worker.ready").exists(), "the ready file")
        await eventually(lambda: rows.fetchval("select state = 'done' from outbox where id = $1", id), "the ping")
        running.process.terminate()
        assert await asyncio.to_thread(running.process.wait, 5) == 0
