"""The counters that the journal keeps are what a fold over all events says, however the events came."""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lq.ledger import fold
from lq.ledger.events import RECORDING_SEQ, Event
from lq.ledger.intervals import QUARTER_MS
from lq.ledger.metrics import queue_counts
from lq.ledger.projection import ms, project
from lq.ledger.refold import everything
from lq.ledger.views import Segment
from tests.unit.ledger.lives import START, Life, days, lives

from .test_journal import rows

__all__ = ["rows"]  # fixtures

TABLES = ("contact", "segment", "cdr", "recording", "agent_interval", "queue_interval")


@st.composite
def floods(draw: st.DrawFn) -> list[Sequence[Event]]:
    """Contacts over an hour, and an agent's day."""
    calls = draw(st.integers(1, 6))
    return [draw(lives(f"c{n}", START + draw(st.integers(0, 3_600_000)))) for n in range(calls)] + [draw(days())]


def numbered(events: Sequence[Event]) -> list[Event]:
    return [Event(e.type, e.at, e.subject, e.seq, e.data, id=f"{START}-{n}") for n, e in enumerate(events)]


def expected(flood: list[Sequence[Event]]) -> dict[tuple[str, int], dict[str, Any]]:
    by: dict[tuple[str, int], list[Segment]] = defaultdict(list)
    for events in flood:
        found = fold.contact(events)
        for segment in found.segments if found else ():
            if segment.kind == "queue":
                by[segment.queue or "", segment.started_at // QUARTER_MS * QUARTER_MS].append(segment)
    return {key: asdict(queue_counts(segments, 20.0)) for key, segments in by.items()}


async def counted(rows: asyncpg.Connection) -> dict[tuple[str, int], dict[str, Any]]:
    found = {}
    for row in await rows.fetch("select * from queue_interval"):
        told = {**dict(row), "overflowed_by": json.loads(row["overflowed_by"])}
        assert told.pop("service_level_s") == 20.0
        found[told.pop("queue"), ms(told.pop("started_at"))] = told
    return found


async def dump(rows: asyncpg.Connection) -> dict[str, list[str]]:
    return {t: [str(dict(r)) for r in await rows.fetch(f"select * from {t} order by {t}::text")] for t in TABLES}


# A database is kept for all examples and emptied between them.
@settings(
    max_examples=25,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(flood=floods(), chance=st.randoms(use_true_random=False))
async def test_whatever_the_order_the_batches_and_the_repetitions(
    rows: asyncpg.Connection, flood: list[Sequence[Event]], chance: random.Random
) -> None:
    await rows.execute(f"truncate event, {', '.join(TABLES)} cascade")
    said = [event for events in flood for event in events]
    told = [*said, *chance.choices(said, k=len(said) // 2)]
    chance.shuffle(told)
    told = numbered(told)
    while told:
        size = chance.randrange(1, 30)
        async with rows.transaction():
            assert await project(rows, told[:size]) == []
        told = told[size:]
    assert await counted(rows) == expected(flood)
    before = await dump(rows)
    await everything(rows)
    assert await dump(rows) == before, "folded anew it is the same"
    for events in flood[:-1]:
        found = fold.contact(events)
        assert found is not None
        record = await rows.fetchrow("select talk_s, hold_s, wait_s, result from cdr where contact_id = $1", found.id)
        made = fold.cdr(found)
        assert (record is None) == (made is None)
        assert made is None or record is None or tuple(record) == (made.talk_s, made.hold_s, made.wait_s, made.result)


async def test_a_contact_that_queues_twice_counts_in_both_places(rows: asyncpg.Connection) -> None:
    life = Life("c1", START).start().queue("sales").wait(30_000)
    life.say("contact_dequeued", n=1, queue="sales", reason="overflow").wait(QUARTER_MS)
    life.queue("support").wait(4_000)
    async with rows.transaction():
        await project(rows, numbered(life.events))
    assert await counted(rows) == expected([life.events])
    waiting = await rows.fetch("select queue, waiting, overflowed_by from queue_interval order by queue")
    assert [tuple(row) for row in waiting] == [("sales", 0, '{"overflow": 1}'), ("support", 1, "{}")]
    async with rows.transaction():
        await project(rows, numbered(life.end("abandoned").events))
    support = await rows.fetchrow(
        "select waiting, abandoned, short_abandoned from queue_interval where waiting = 0 and abandoned = 1"
    )
    assert support is not None and support["short_abandoned"] == 1


async def test_the_service_level_is_the_queues_own(rows: asyncpg.Connection) -> None:
    body = json.dumps({"id": "sales", "service_level_s": 2})
    await rows.execute("insert into config_document (kind, id, body, version) values ('queues', 'sales', $1, 1)", body)
    life = Life("c1", START).start().queue().wait(3_000).offer().answer().end("answered")
    async with rows.transaction():
        await project(rows, numbered(life.events))
    row = await rows.fetchrow("select service_level_s, answered, in_time from queue_interval")
    assert row is not None and tuple(row) == (2.0, 1, 0)


LEVEL = "select service_level_s, answered, waiting, in_time from queue_interval"


async def told(rows: asyncpg.Connection, events: Sequence[Event]) -> list[tuple[Any, ...]]:
    """The counters, when this was told."""
    async with rows.transaction():
        assert await project(rows, numbered(events)) == []
    return [tuple(row) for row in await rows.fetch(LEVEL)]


async def asks_for(rows: asyncpg.Connection, seconds: int) -> None:
    """The service level of sales, from now on."""
    body = json.dumps({"id": "sales", "service_level_s": seconds})
    await rows.execute("delete from config_document where kind = 'queues'")
    await rows.execute("insert into config_document (kind, id, body, version) values ('queues', 'sales', $1, 1)", body)


@pytest.mark.parametrize("is_gone", [False, True])
async def test_what_becomes_of_its_recording_leaves_a_quarter_that_is_over_as_it_is(
    rows: asyncpg.Connection, is_gone: bool
) -> None:
    """It was 4 s, is 2 s now, or the queue is no more: whether it was in time was said long ago."""
    await asks_for(rows, 4)
    one = Life("c1", START).start().queue().wait(3_000).offer().answer().end("answered")
    other = Life("c2", START).start().queue().wait(9_000).offer().answer().end("answered")
    assert await told(rows, [*one.events, *other.events]) == [(4.0, 2, 0, 1)]
    if is_gone:
        await rows.execute("delete from config_document where kind = 'queues'")
    else:
        await asks_for(rows, 2)
    data = {"contact": "c2", "kept_days": 30}
    deleted = Event("recording_deleted", other.at, "c2-r1", RECORDING_SEQ["recording_deleted"], data)
    assert await told(rows, [deleted]) == [(4.0, 2, 0, 1)]
    assert await rows.fetchval("select state from recording where id = 'c2-r1'") == "deleted"


async def test_who_is_found_to_have_left_a_quarter_that_is_over_is_counted_by_the_level_of_then(
    rows: asyncpg.Connection,
) -> None:
    await asks_for(rows, 4)
    life = Life("c1", START).start().queue()
    assert await told(rows, life.events) == [(4.0, 0, 1, 0)]
    await asks_for(rows, 2)
    assert await told(rows, life.wait(3_000).offer().answer().events) == [(4.0, 1, 0, 1)]


async def test_the_quarter_that_runs_is_counted_by_what_is_asked_for_now(rows: asyncpg.Connection) -> None:
    await asks_for(rows, 4)
    life = Life("c1", (time.time_ns() // 1_000_000 // QUARTER_MS + 1) * QUARTER_MS).start().queue()
    assert await told(rows, life.events) == [(4.0, 0, 1, 0)]
    await asks_for(rows, 2)
    assert await told(rows, life.wait(3_000).offer().answer().events) == [(2.0, 1, 0, 0)]
