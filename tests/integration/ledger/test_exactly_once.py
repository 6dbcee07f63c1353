"""Each event once, whatever dies and whenever: connections at every step, replaced streams, memory that ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis as RedisClient
from redis.exceptions import RedisError

from lq.ledger import fold
from lq.ledger.events import Event
from lq.ledger.journal import ASIDE, Journal, Store, connected, look
from lq.ledger.projection import contact_json
from lq.ledger.spill import Spill
from lq.live import keys
from lq.watch.alarms import RULES
from ops.migrate import migrate
from tests.unit.ledger.lives import START, Life, agent_event, answered_call

from . import services
from .services import eventually
from .test_journal import add, at_end_of_stream, journal, raw_client, reconnected, rows, stream

__all__ = ["rows", "stream"]  # fixtures


# -- PostgreSQL at every step ------------------------------------------------------------------------------------------


class Dying:
    """A connection whose server dies at the n-th thing that is asked of it."""

    def __init__(self, connection: asyncpg.Connection, lives: int) -> None:
        self._connection, self._left = connection, lives

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connection, name)
        if name not in ("execute", "executemany", "fetch", "fetchrow", "fetchval"):
            return found

        async def call(*arguments: Any) -> Any:
            self._left -= 1
            if self._left < 0:
                self._connection.terminate()
            return await found(*arguments)

        return call


async def test_a_connection_that_dies_at_any_step_leaves_nothing_half_done(
    dsn: str, stream: RedisClient, rows: asyncpg.Connection
) -> None:
    events = [*answered_call(), agent_event(START + 42_000, "wrap_up", "talking", contact="c1")]
    await add(stream, events)
    async with raw_client(stream) as raw:
        entries = (await look(raw, "0-0")).entries
    for step in range(100):
        async with connected(dsn) as connection:
            start = await Store(connection).checkpoint()
            try:
                await Store(Dying(connection, step)).apply(start, entries)  # type: ignore[arg-type]
            except (asyncpg.InterfaceError, asyncpg.PostgresConnectionError, OSError):
                assert await rows.fetchval("select count(*) from event") == 0
                assert await rows.fetchval("select stream_id from journal_checkpoint") == start
                continue
        break
    assert step > 8, "it was asked less than it takes"
    assert await rows.fetchval("select count(*) from event") == len(events)
    assert await rows.fetchval("select count(*) from segment") == 7


# -- Redis that is another one -----------------------------------------------------------------------------------------


async def test_a_redis_that_took_over_without_the_last_writes_and_with_a_clock_behind(
    dsn: str, stream: RedisClient, rows: asyncpg.Connection, redis_server: services.Redis, tmp_path: Path
) -> None:
    """What it was told since has places in front of the checkpoint, and behind it."""
    known = answered_call("known")
    for n, event in enumerate(known):
        await stream.xadd(keys.EVENTS, event.fields(), id=f"{START + n}-0")
    with journal(dsn, redis_server, tmp_path):
        await at_end_of_stream(stream, rows)
    await stream.delete(keys.EVENTS)
    since = answered_call("since")
    for n, event in enumerate([*known[:10], *since, *known[10:]]):  # half survived; nodes said the rest again
        await stream.xadd(keys.EVENTS, event.fields(), id=f"{START + n}-1")
    assert (await stream.xrange(keys.EVENTS, START + 18, START + 18))[0][0] != f"{START + 18}-0"
    with journal(dsn, redis_server, tmp_path) as running:
        await at_end_of_stream(stream, rows)
        assert "read from its beginning" in running.text()
    assert await rows.fetchval("select count(*) from event") == len(known) + len(since)
    assert await rows.fetchval("select count(*) from cdr where talk_s = 30") == 2


async def test_what_was_set_aside_is_a_figure_that_raises_an_alarm(dsn: str, stream: RedisClient) -> None:
    before = ASIDE.count()
    await stream.xadd(keys.EVENTS, {"no": "event"})
    async with raw_client(stream) as raw, connected(dsn) as connection:
        entries = (await look(raw, "0-0")).entries
        await Store(connection).apply(await Store(connection).checkpoint(), entries)
    assert ASIDE.count() == before + 1
    assert any(rule.metric == "lcall_events_set_aside_last_hour" for rule in RULES)


async def test_what_the_stream_forgot_is_no_reason_to_stop(
    dsn: str, stream: RedisClient, rows: asyncpg.Connection, redis_server: services.Redis, tmp_path: Path
) -> None:
    await rows.execute("insert into journal_checkpoint values ('journal', '5-0')")
    with journal(dsn, redis_server, tmp_path):
        await eventually(lambda: (tmp_path / "run/journal.ready").exists(), "the ready file")
        await add(stream, answered_call())
        await at_end_of_stream(stream, rows)
    assert await rows.fetchval("select count(*) from cdr") == 1


async def test_another_event_in_a_known_place_is_set_aside_and_a_repeated_one_is_not(
    dsn: str, stream: RedisClient, rows: asyncpg.Connection, redis_server: services.Redis, tmp_path: Path
) -> None:
    call = answered_call()
    stored: dict[str, Any] = {"path": "p", "format": "wav/alaw", "channels": 2, "duration_ms": 1, "gaps": []}
    stored |= {"started_at": START, "bytes": 1, "sha256": "ab"}
    first = Life().record("recording_stored", **stored).events
    again = Life(at=START + 60_000).record("recording_stored", **{**stored, "duration_ms": 2}).events  # it was killed
    other = Event("contact_ended", START + 1, "c1", 5, {"result": "failed", "ended_by": "system", "cause": 41})
    await add(stream, [*call, *first, *call, *again, other])
    with journal(dsn, redis_server, tmp_path) as running:
        await at_end_of_stream(stream, rows)
        assert '"alarm": true' in running.text()
    [aside] = await rows.fetch("select reason, entry from event_rejected")
    assert aside["reason"] == "another event is c1 5 already"
    assert json.loads(aside["entry"])["type"] == "contact_ended"
    assert await rows.fetchval("select result from cdr") == "answered"


# -- memory that ends --------------------------------------------------------------------------------------------------


def filler(calls: range) -> list[Event]:
    return [event for n in calls for event in answered_call(f"c{n}", START + n)]


@pytest.mark.slow
async def test_with_postgresql_away_events_go_to_the_disk_before_redis_is_full(
    dsn: str, stream: RedisClient, rows: asyncpg.Connection, redis_server: services.Redis, tmp_path: Path
) -> None:
    await add(stream, filler(range(10)))
    with journal(dsn, redis_server, tmp_path):
        await at_end_of_stream(stream, rows)
    used = int((await stream.info("memory"))["used_memory"])
    await stream.config_set("maxmemory", 2 * (used + 200_000))
    spill, away = Spill(tmp_path / "journal"), "postgresql://lcall@127.0.0.1:1/none"
    try:
        for n in range(3):  # it is killed between, and forgets what it had spilled
            await add(stream, filler(range(10 + 200 * n, 210 + 200 * n)))
            waiting = asyncio.create_task(Journal(redis_server.url, away, spill, keep_ms=0).run())
            await eventually(lambda: is_short(stream), "a stream without what was spilled")
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        assert (tmp_path / "journal/spilled.jsonl").stat().st_mode & 0o777 == 0o600
        await add(stream, filler(range(610, 620)))
        with journal(dsn, redis_server, tmp_path):
            await at_end_of_stream(stream, rows, 60)
        assert not (tmp_path / "journal/spilled.jsonl").exists()
    finally:
        await stream.config_set("maxmemory", 0)
    assert await rows.fetchval("select count(*) from event") == 620 * len(answered_call())
    assert await rows.fetchval("select count(*) from cdr where talk_s = 30 and wait_s = 3") == 620
    assert await rows.fetchval("select count(*) from event_rejected") == 0


async def is_short(stream: RedisClient) -> bool:
    return bool(await stream.xlen(keys.EVENTS) < 1000)


def test_the_file_outlives_a_kill_in_the_middle_of_a_line(tmp_path: Path) -> None:
    spill = Spill(tmp_path)
    entries = [(f"{n}-0".encode(), {b"data": bytes([n, 0xFF, 0, 10])}) for n in range(5)]
    spill.write(entries[:3])
    path = tmp_path / "spilled.jsonl"
    path.write_bytes(path.read_bytes()[:-7])
    spill.write(entries[2:])
    assert [entry for batch in spill.batches(2) for entry in batch] == entries
    assert spill.size() > 0
    spill.clear()
    assert spill.size() == 0
    spill.clear()
    assert list(spill.batches(2)) == []


# -- everything at once ------------------------------------------------------------------------------------------------


async def say(redis: services.Redis, events: Sequence[Event], chance: random.Random) -> None:
    """As nodes do: in order, again when no answer came, and all of the last again when Redis was away."""
    told, repeat = 0, 0
    while told < len(events):
        try:
            async with RedisClient.from_url(redis.url, socket_timeout=2) as client:
                await add(client, events[max(0, told - repeat) : told])
                repeat = 0
                while told < len(events):
                    step = chance.randrange(1, 60)
                    await add(client, events[told : told + step])
                    told += step
                    await asyncio.sleep(chance.random() / 20)
        except (RedisError, OSError):
            repeat = 600
            await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_random_kills_of_everything_for_half_a_minute(tmp_path: Path) -> None:
    chance = random.Random(4711)
    calls = [answered_call(f"c{n}", START + 700 * n) for n in range(400)]
    events = sorted((event for call in calls for event in call), key=lambda event: event.at)
    with services.postgres() as server, services.redis() as store, contextlib.ExitStack() as stack:
        await migrate(server.dsn())
        saying = asyncio.create_task(say(store, events, chance))
        running = stack.enter_context(journal(server.dsn(), store, tmp_path))
        kills = {"journal": 0, "redis": 0, "postgres": 0}
        until = time.monotonic() + 30
        while not saying.done() or time.monotonic() < until:
            await asyncio.sleep(chance.random())
            victim = chance.choice(list(kills))
            kills[victim] += 1
            if victim == "journal":
                running.kill()
                running = stack.enter_context(journal(server.dsn(), store, tmp_path))
            elif victim == "redis":
                await asyncio.to_thread(store.restart)
            else:
                for pid in server.pids()[1:]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        await saying
        connection = await reconnected(server)
        async with RedisClient.from_url(store.url, decode_responses=True) as client:
            await at_end_of_stream(client, connection, 60)
        print(f"kills: {kills}")
        assert await connection.fetchval("select count(*) from event") == len(events)
        assert await connection.fetchval("select count(*) from event_rejected") == 0
        bodies = await connection.fetch("select id, body from contact")
        expected = {call[0].subject: contact_json(fold.contact(call)) for call in calls}  # type: ignore[arg-type]
        assert {row["id"]: json.loads(row["body"]) for row in bodies} == expected
        await connection.close()
