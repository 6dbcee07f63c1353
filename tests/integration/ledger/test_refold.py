"""After a release that changes a fold the worker makes the past anew, from wherever the one before it has come to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis as RedisClient

from lq.ledger import fold, projection, refold
from lq.ledger.events import Event
from lq.ledger.fold import FOLDS
from lq.ledger.intervals import QUARTER_MS
from lq.ledger.projection import project
from lq.ledger.refold import Refolding, everything, step
from tests.unit.ledger.lives import START, Life, agent_event, answered_call

from . import services
from .services import eventually, program
from .test_counters import dump, numbered
from .test_journal import add, journal, rows, stream

__all__ = ["rows", "stream"]  # fixtures


def calls(*names: str) -> list[Event]:
    """One in each quarter of an hour, with recording and wrap-up."""
    found: list[Event] = []
    for n, name in enumerate(names):
        events = answered_call(name, START + n * QUARTER_MS)
        at = events[-1].at
        found += [*events, agent_event(at, "wrap_up", "talking", contact=name)]
        found.append(agent_event(at + 5_000, "ready", "wrap_up"))
    return found


async def of_an_earlier_release(rows: asyncpg.Connection, *names: str) -> dict[str, list[str]]:
    """What stands in the database when these calls are folded; then a part of it is gone, as if it had never been."""
    async with rows.transaction():
        assert await project(rows, numbered(calls(*names))) == []
    before = await dump(rows)
    await rows.execute("truncate queue_interval, agent_interval, cdr")
    await rows.execute("update segment set reason = 'old'")
    await rows.execute("update fold_version set version = 0, making = 0")
    return before


async def finish(rows: asyncpg.Connection) -> int:
    count = 0
    while (made := await step(rows)) is not None:
        count += made
    return count


async def state(rows: asyncpg.Connection) -> tuple[Any, ...]:
    row = await rows.fetchrow("select version, making, done_to from fold_version")
    assert row is not None
    return tuple(row)


async def test_a_new_database_has_nothing_to_make_anew(rows: asyncpg.Connection) -> None:
    assert await state(rows) == (FOLDS, FOLDS, "")
    assert await step(rows) is None


async def test_the_past_is_as_if_it_had_been_folded_today(
    rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await of_an_earlier_release(rows, *"abcdefg")
    assert await dump(rows) != before
    monkeypatch.setattr(refold, "BATCH", 3)
    assert await finish(rows) == 8, "seven contacts and an agent"
    assert await dump(rows) == before
    assert await state(rows) == (FOLDS, FOLDS, "")
    assert await step(rows) is None


async def test_who_dies_half_way_is_followed_by_one_who_goes_on(
    dsn: str, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await of_an_earlier_release(rows, *"abcdefg")
    monkeypatch.setattr(refold, "BATCH", 2)  # a contact and a recording, or what else there is between
    folded: list[str] = []
    real = projection.refold

    async def counted(connection: asyncpg.Connection, contacts: Sequence[str]) -> None:
        if list(contacts) == ["d"] and "d" not in folded:
            folded.append("d")
            await real(connection, contacts)
            connection.terminate()  # it has written, and dies before its commit
        else:
            folded.extend(contacts)
        await real(connection, contacts)

    monkeypatch.setattr(projection, "refold", counted)
    dying = await asyncpg.connect(dsn)
    with pytest.raises((asyncpg.InterfaceError, asyncpg.PostgresConnectionError)):
        await finish(dying)
    assert await state(rows) == (0, FOLDS, "contact:c")
    assert await finish(rows) == 4
    assert folded == ["a", "b", "c", "d", "d", "e", "f", "g"]
    assert await dump(rows) == before


async def test_another_release_in_between_begins_anew(
    rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await of_an_earlier_release(rows, *"abc")
    monkeypatch.setattr(refold, "BATCH", 2)
    for _ in range(3):
        await step(rows)
    monkeypatch.setattr(refold, "FOLDS", FOLDS + 1)
    assert await finish(rows) == 4
    assert await dump(rows) == before
    assert await state(rows) == (FOLDS + 1, FOLDS + 1, "")
    monkeypatch.setattr(refold, "FOLDS", FOLDS)
    assert await step(rows) is None, "an older one leaves it alone"


async def test_a_contact_that_cannot_be_folded_holds_nobody_up(
    rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await of_an_earlier_release(rows, *"abcde")
    real = fold.contact

    def stumbling(events: Sequence[Event], *more: Any) -> Any:
        if events and events[0].subject.startswith("c"):
            raise KeyError("number_published")
        return real(events, *more)

    monkeypatch.setattr(fold, "contact", stumbling)
    await finish(rows)
    assert [row["contact_id"] for row in await rows.fetch("select contact_id from cdr order by 1")] == [*"abde"]
    assert await rows.fetchval("select count(*) from segment where reason = 'old' and contact_id <> 'c'") == 0
    monkeypatch.undo()
    await everything(rows)
    assert await dump(rows) == before


async def test_the_past_keeps_the_service_level_of_then(rows: asyncpg.Connection) -> None:
    life = Life("a", START).start().queue().wait(3_000).offer().answer().end("answered")
    async with rows.transaction():
        await project(rows, numbered(life.events))
    body = json.dumps({"id": "sales", "service_level_s": 2})
    await rows.execute("insert into config_document (kind, id, body, version) values ('queues', 'sales', $1, 1)", body)
    counts = "select service_level_s, answered, in_time from queue_interval"
    await everything(rows)
    assert [tuple(row) for row in await rows.fetch(counts)] == [(20.0, 1, 1)]
    await rows.execute("delete from queue_interval")
    await everything(rows)
    assert [tuple(row) for row in await rows.fetch(counts)] == [(2.0, 1, 0)], "nobody knows it any more"


async def test_a_worker_that_is_killed_is_followed_by_one_that_goes_on_beside_the_journal(
    dsn: str, rows: asyncpg.Connection, stream: RedisClient, redis_server: services.Redis, tmp_path: Path
) -> None:
    names = [f"{n:04}" for n in range(300)]
    before = await of_an_earlier_release(rows, *names)
    other = await asyncpg.connect(dsn)
    environ = {"LCALL_POSTGRES_DSN": dsn, "LCALL_HOME": str(tmp_path)}
    held = other.transaction()
    await held.start()
    await other.execute("select from contact where id = '0250' for update")
    with program("lq.worker", environ, tmp_path / "log") as running:
        await eventually(lambda: _waits(rows), "a worker that waits for the contact")
        assert (await state(rows))[0] == 0
        running.kill()
    await held.rollback()
    reached = (await state(rows))[2]
    assert reached == "contact:0199-r1"
    with journal(dsn, redis_server, tmp_path), program("lq.worker", environ, tmp_path / "log2") as running:
        await add(stream, Life("9999", START).start().queue("other").events)
        await eventually(lambda: rows.fetchval("select version = $1 from fold_version", FOLDS), "the end")
        await eventually(lambda: rows.fetchval("select count(*) from contact where id = '9999'"), "the new call")
        assert "the folds of the past are made anew" in await eventually(running.text, "its word")
    assert await rows.fetchval("select waiting from queue_interval where queue = 'other'") == 1
    async with rows.transaction():
        await rows.execute("delete from event where subject = '9999'")
        await rows.execute("delete from contact where id = '9999'")
        await rows.execute("delete from queue_interval where queue = 'other'")
    assert await dump(rows) == before
    await other.close()


async def _waits(rows: asyncpg.Connection) -> bool:
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    return bool(await rows.fetchval(waiting))


async def test_it_is_done_by_hand(dsn: str, rows: asyncpg.Connection, tmp_path: Path) -> None:
    before = await of_an_earlier_release(rows, *"abc")
    await rows.execute("update fold_version set version = $1, making = $1", FOLDS)
    environ = {"LCALL_POSTGRES_DSN": dsn, "LCALL_HOME": str(tmp_path)}
    with program("lq.ledger.refold", environ, tmp_path / "log") as running:
        assert await asyncio.to_thread(running.process.wait, 20) == 0
        assert "4 folded anew" in running.text()
    assert await dump(rows) == before


async def test_the_worker_does_it_again_when_somebody_wants_it(
    rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refold, "LOOK_EVERY_S", 0)
    refolding = Refolding()
    await refolding.work(rows)
    before = await of_an_earlier_release(rows, "a")
    for _ in range(3):
        await refolding.work(rows)
    assert await dump(rows) == before and await state(rows) == (FOLDS, FOLDS, "")
