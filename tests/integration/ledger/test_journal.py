"""The journal as a process between a real Redis and a real PostgreSQL, and what happens when one of the three dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis as RedisClient

from lq.ledger.events import Event
from lq.ledger.journal import Overtaken, Store, connected, next_entries, trim
from lq.ledger.stream import id_pair
from lq.live import keys
from ops.migrate import migrate
from ops.redis_files import ACL
from tests.unit.ledger.lives import START, Life, agent_event, answered_call

from . import services
from .services import eventually, program


@pytest.fixture
async def stream(redis_server: services.Redis) -> AsyncIterator[RedisClient]:
    client = RedisClient.from_url(redis_server.url, decode_responses=True)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
async def rows(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


async def add(stream: RedisClient, events: Sequence[Event]) -> None:
    pipe = stream.pipeline(transaction=False)
    for event in events:
        pipe.xadd(keys.EVENTS, event.fields())
    await pipe.execute()


@contextlib.contextmanager
def journal(dsn: str, redis: services.Redis, home: Path) -> Iterator[services.Program]:
    environ = {"LCALL_POSTGRES_DSN": dsn, "LCALL_REDIS_URL": redis.url, "LCALL_HOME": str(home)}
    with program("lq.ledger.journal", environ, home / "journal.log") as running:
        yield running


async def test_one_answered_call_with_recording_and_wrap_up(
    dsn: str, stream: RedisClient, rows: asyncpg.Connection, redis_server: services.Redis, tmp_path: Path
) -> None:
    ended = answered_call()[-1].at
    stored: dict[str, Any] = {"path": "2026/11/24/c1-r1.wav", "format": "alaw", "channels": 2, "duration_ms": 42_000}
    stored |= {"started_at": START, "bytes": 672_058, "sha256": "ab", "gaps": [{"channel": 0, "start_s": 1.0}]}
    await add(stream, answered_call())
    await add(
        stream, [agent_event(ended, "wrap_up", "talking", contact="c1"), agent_event(ended + 7500, "ready", "wrap_up")]
    )
    await add(stream, Life("c1").record("recording_stored", **stored).events)
    with journal(dsn, redis_server, tmp_path) as running:
        await eventually(lambda: (tmp_path / "run/journal.ready").exists(), "the ready file")
        await eventually(lambda: rows.fetchval("select wrap_up_s from cdr where contact_id = 'c1'"), "the CDR")
        assert "error" not in running.text()
    cdr = await rows.fetchrow("select * from cdr")
    assert cdr is not None
    assert (cdr["wait_s"], cdr["ring_s"], cdr["talk_s"], cdr["hold_s"], cdr["wrap_up_s"]) == (3.0, 2.0, 30.0, 4.0, 7.5)
    assert (cdr["number"], cdr["number_raw"], cdr["called_published"]) == (
        "+8613800138000",
        "13800138000",
        "4008001000",
    )
    recording = await rows.fetchrow("select state, path, duration_ms, gaps from recording where id = 'c1-r1'")
    assert recording is not None
    assert tuple(recording)[:3] == ("stored", "2026/11/24/c1-r1.wav", 42_000) and "start_s" in recording["gaps"]
    kinds = [row["kind"] for row in await rows.fetch("select kind from segment order by n")]
    assert kinds == ["ivr", "queue", "ring", "talk", "hold", "talk", "wrap_up"]


async def test_it_needs_no_more_of_redis_than_it_is_given(
    dsn: str, stream: RedisClient, rows: asyncpg.Connection, redis_server: services.Redis, tmp_path: Path
) -> None:
    await stream.execute_command("ACL", "SETUSER", "journal", "on", ">secret", "resetchannels", *ACL["journal"].split())
    await add(stream, answered_call())
    environ = {"LCALL_POSTGRES_DSN": dsn, "LCALL_HOME": str(tmp_path)}
    environ["LCALL_REDIS_URL"] = redis_server.url.replace("//", "//journal:secret@")
    with program("lq.ledger.journal", environ, tmp_path / "journal.log") as running:
        await at_end_of_stream(stream, rows)
        assert "warning" not in running.text()


async def test_events_that_come_twice_or_late_change_nothing(
    dsn: str, stream: RedisClient, rows: asyncpg.Connection, redis_server: services.Redis, tmp_path: Path
) -> None:
    events = answered_call()
    await add(stream, [*events[5:], *events, *events[:5]])
    with journal(dsn, redis_server, tmp_path):
        await at_end_of_stream(stream, rows)
    assert await rows.fetchval("select count(*) from event") == len(events)
    assert await rows.fetchval("select talk_s from cdr") == 30.0


async def at_end_of_stream(stream: RedisClient, rows: asyncpg.Connection, seconds: float = 15) -> None:
    last = (await stream.xrevrange(keys.EVENTS, count=1))[0][0]

    async def there() -> bool:
        return await rows.fetchval("select stream_id from journal_checkpoint") == last

    await eventually(there, f"the checkpoint at {last}", seconds)


async def test_what_is_no_event_is_put_aside_and_the_rest_goes_on(
    dsn: str, stream: RedisClient, rows: asyncpg.Connection, redis_server: services.Redis, tmp_path: Path
) -> None:
    good = answered_call()
    hostile: list[dict[Any, Any]] = [
        {"no": "event"},
        {**good[0].fields(), "seq": "first"},
        {**good[0].fields(), "v": "99"},
        {**good[0].fields(), "data": "{"},
        {**good[0].fields(), "data": "[1]"},
        {**good[0].fields(), "seq": str(2**70)},
        {**good[0].fields(), "at": str(2**62)},
        {**Life("x1").start().events[0].fields(), "data": "{}"},  # an event, but it cannot be folded
        {**Life("x2").start().events[0].fields(), "data": '{"direction": "\\u0000"}'},  # jsonb knows no NUL
        {b"data": b"\xff\xfe\x00"},
    ]
    for number, entry in enumerate(hostile):
        await add(stream, good[number : number + 1])
        await stream.xadd(keys.EVENTS, entry)
    await add(stream, good[len(hostile) :])
    with journal(dsn, redis_server, tmp_path):
        await at_end_of_stream(stream, rows)
    assert await rows.fetchval("select count(*) from event_rejected") == len(hostile)
    assert await rows.fetchval("select count(*) from event") == len(good)
    assert await rows.fetchval("select talk_s from cdr where contact_id = 'c1'") == 30.0


@pytest.mark.slow
async def test_killed_again_and_again_it_loses_and_doubles_nothing(
    dsn: str, stream: RedisClient, rows: asyncpg.Connection, redis_server: services.Redis, tmp_path: Path
) -> None:
    calls = 300
    for n in range(calls):
        await add(stream, answered_call(f"c{n}", START + n))
    kills = 0
    for _ in range(20):
        before = await rows.fetchval("select coalesce(max(stream_id), '0-0') from journal_checkpoint")
        with journal(dsn, redis_server, tmp_path) as running:
            await eventually(lambda before=before: moved_from(rows, before), "progress", 15)
            running.kill()
            kills += 1
        if await rows.fetchval("select count(*) from cdr") == calls:
            break
    assert kills > 3, "it was never killed mid-way"
    assert await rows.fetchval("select count(*) from event") == calls * len(answered_call())
    assert await rows.fetchval("select count(*) from cdr where talk_s = 30 and wait_s = 3") == calls
    assert await rows.fetchval("select count(*) from segment") == calls * 6


async def moved_from(rows: asyncpg.Connection, before: str) -> bool:
    now = await rows.fetchval("select max(stream_id) from journal_checkpoint")
    return now is not None and now != before


async def test_a_hung_and_a_dead_postgresql_are_waited_for(
    stream: RedisClient, redis_server: services.Redis, tmp_path: Path
) -> None:
    with services.postgres() as server:
        await migrate(server.dsn())
        with journal(server.dsn(), redis_server, tmp_path) as running:
            await eventually(lambda: (tmp_path / "run/journal.ready").exists(), "the ready file")
            server.freeze()
            await add(stream, answered_call("hung"))
            await asyncio.sleep(1.5)
            server.thaw()
            rows = await asyncpg.connect(server.dsn())
            await eventually(lambda: rows.fetchval("select 1 from cdr where contact_id = 'hung'"), "after the hang", 25)
            await rows.close()
            for pid in server.pids()[1:]:  # every backend at once, as after a crash
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await add(stream, answered_call("crashed"))
            rows = await reconnected(server)
            await eventually(lambda: rows.fetchval("select 1 from cdr where contact_id = 'crashed'"), "the crash", 25)
            assert await rows.fetchval("select count(*) from event") == 2 * len(answered_call())
            await rows.close()
            assert running.process.poll() is None


async def reconnected(server: services.Postgres) -> asyncpg.Connection:
    async def connect() -> asyncpg.Connection | None:
        try:
            return await asyncpg.connect(server.dsn(), timeout=2)
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return None

    connection = await eventually(connect, "PostgreSQL after its crash", 20)
    assert isinstance(connection, asyncpg.Connection)
    return connection


async def test_a_redis_that_restarts_is_waited_for(dsn: str, rows: asyncpg.Connection, tmp_path: Path) -> None:
    with services.redis() as server, journal(dsn, server, tmp_path) as running:
        async with RedisClient.from_url(server.url) as client:
            await add(client, answered_call("before"))
        await eventually(lambda: rows.fetchval("select count(*) = 1 from cdr"), "the first call")
        server.restart()
        async with RedisClient.from_url(server.url) as client:
            await add(client, answered_call("after"))
        await eventually(lambda: rows.fetchval("select count(*) = 2 from cdr"), "the second call", 15)
        assert running.process.poll() is None


async def test_a_stream_begun_anew_by_an_earlier_clock_is_read_from_its_beginning(
    dsn: str, stream: RedisClient, rows: asyncpg.Connection, redis_server: services.Redis, tmp_path: Path
) -> None:
    await rows.execute("insert into journal_checkpoint values ('journal', '99999999999999-0')")
    await add(stream, answered_call())
    with journal(dsn, redis_server, tmp_path):
        await at_end_of_stream(stream, rows)
    assert await rows.fetchval("select count(*) from cdr") == 1


async def test_the_stream_is_trimmed_only_behind_the_checkpoint(stream: RedisClient) -> None:
    for ms in range(1, 501):
        await stream.xadd(keys.EVENTS, {"n": ms}, id=f"{ms}-0")
    await trim(stream, "0-0", keep_ms=0)
    assert await stream.xlen(keys.EVENTS) == 500
    await trim(stream, "301-0", keep_ms=0)
    first = (await stream.xrange(keys.EVENTS, count=1))[0][0]
    assert 1 < int(first.split("-")[0]) <= 301
    seconds, _ = await stream.time()
    for n in range(300):
        await stream.xadd(keys.EVENTS, {"n": n}, id=f"{seconds * 1000 - 300 + n}-0")
    await trim(stream, f"{seconds * 1000}-0", keep_ms=60_000)
    assert await stream.xlen(keys.EVENTS) >= 300, "what is younger than keep_ms stays for replays"


async def test_the_stream_is_trimmed_while_the_clock_of_redis_was_ahead(
    stream: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lq.ledger.stream.KEPT", 500)
    ahead = time.time_ns() // 1_000_000 + 8 * 3_600_000
    for n in range(1, 301):
        await stream.xadd(keys.EVENTS, {"n": n}, id=f"{ahead - 300 + n}-0")
    for _ in range(1_200):
        last = await stream.xadd(keys.EVENTS, {"n": 0})
    assert last == f"{ahead}-1200", "it counts on where it was"
    await trim(stream, f"{ahead}-400")
    assert await stream.xlen(keys.EVENTS) == 1_500, "so few are kept, for replays"
    await trim(stream, f"{ahead}-1000")
    first = id_pair((await stream.xrange(keys.EVENTS, count=1))[0][0])
    assert (ahead, 300) < first <= (ahead, 500)
    assert await stream.xlen(keys.EVENTS) <= 900, "nothing that the journal has not read"


async def test_two_journals_do_not_overtake_each_other(dsn: str, stream: RedisClient, rows: asyncpg.Connection) -> None:
    await add(stream, answered_call())
    async with raw_client(stream) as raw:
        page = await next_entries(raw, "0-0")
    async with connected(dsn) as one, connected(dsn) as other:
        start = await Store(one).checkpoint()
        await Store(one).apply(start, page[:5])
        with pytest.raises(Overtaken):
            await Store(other).apply(start, page)
    assert await rows.fetchval("select count(*) from event") == 5


def raw_client(client: RedisClient) -> RedisClient:
    """As the journal reads: bytes, and streams as lists."""
    where = client.connection_pool.connection_kwargs
    return RedisClient(host=where["host"], port=where["port"], protocol=2)


async def test_sigterm_ends_it_within_a_second(
    dsn: str, stream: RedisClient, redis_server: services.Redis, tmp_path: Path
) -> None:
    with journal(dsn, redis_server, tmp_path) as running:
        await eventually(lambda: (tmp_path / "run/journal.ready").exists(), "the ready file")
        running.process.terminate()
        assert await asyncio.to_thread(running.process.wait, 2) == 0
