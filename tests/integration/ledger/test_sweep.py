"""The sweeper (R11) in the journal: a recording that never comes is told as failed, and may come all the same."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import asyncpg
from redis.asyncio import Redis as RedisClient

from lq.ledger.journal import Journal, failed_last_hour
from lq.ledger.projection import moment
from lq.ledger.spill import Spill
from lq.ledger.sweep import ends, missing
from lq.live import keys
from ops.redis_files import ACL
from tests.unit.ledger.lives import Life, answered_call

from . import services
from .services import eventually
from .test_journal import add, rows, stream

__all__ = ["rows", "stream"]  # fixtures

DAY_MS = 86_400_000


def a_call(id: str, at: int, *states: str, ends: bool) -> list[Any]:
    life = Life(id, at).start()
    told: dict[str, dict[str, Any]] = {"planned": {"kind": "whole"}, "active": {"leg": f"{id}.1", "spool": "local"}}
    for state in states:
        life.record(f"recording_{state}", **told.get(state, {}))
    if ends:
        life.end("answered")
    return life.events


async def test_recordings_that_never_come_are_told_and_those_that_may_still_come_are_not(
    dsn: str, stream: RedisClient, rows: asyncpg.Connection, redis_server: services.Redis, tmp_path: Path
) -> None:
    now = int(time.time() * 1000)
    stored: dict[str, Any] = {"path": "p", "format": "wav/alaw", "channels": 2, "duration_ms": 1, "gaps": []}
    stored |= {"started_at": now, "bytes": 1, "sha256": "ab"}
    await add(stream, answered_call("closing", now - DAY_MS // 2))  # ended half a day ago
    await add(stream, a_call("planned", now - DAY_MS // 2, "planned", ends=True))
    await add(stream, a_call("endless", now - 3 * DAY_MS, "planned", "active", ends=False))
    await add(stream, a_call("recent", now - 60_000, "planned", "active", "closing", ends=True))
    await add(stream, a_call("talking", now - DAY_MS // 2, "planned", "active", ends=False))
    await add(stream, a_call("kept", now - DAY_MS, "planned", "active", "closing", ends=True))
    await add(stream, Life("kept").record("recording_stored", **stored).events)
    await stream.sadd(keys.CONTACTS, "endless", "talking")  # nodes have them

    await stream.execute_command("ACL", "SETUSER", "journal", "on", ">secret", "resetchannels", *ACL["journal"].split())
    journal = Journal(redis_server.url.replace("//", "//journal:secret@"), dsn, Spill(tmp_path), sweep_every_s=0.1)
    before = failed_last_hour()
    carrying = asyncio.create_task(journal.run())
    failed = "select count(*) from recording where state = 'failed'"
    await eventually(lambda: _is(rows, failed, 3), "three failed ones")
    found = await rows.fetch("select contact_id, state, reason from recording order by contact_id")
    assert {row["contact_id"]: row["state"] for row in found} == {
        "closing": "failed", "endless": "failed", "kept": "stored", "planned": "failed",
        "recent": "closing", "talking": "active",
    }  # fmt: skip
    reasons = {row["contact_id"]: row["reason"] for row in found if row["reason"]}
    await eventually(lambda: failed_last_hour() == before + 3, "the figure")
    assert reasons["planned"] == "not stored long after its contact has ended; it was planned"

    await add(stream, Life("planned").record("recording_stored", **stored).events)  # the recorder was away
    await eventually(lambda: _is(rows, failed, 2), "what came late counts")
    await eventually(lambda: failed_last_hour() == before + 2, "and is an alarm no more")
    await add(stream, a_call("next", now, ends=False))
    await eventually(lambda: _is(rows, "select count(*) from contact where id = 'next'", 1), "the next call")
    assert await rows.fetchval("select count(*) from event where type = 'recording_failed'") == 3
    carrying.cancel()
    await asyncio.gather(carrying, return_exceptions=True)


async def test_contacts_that_no_node_has_are_told_as_ended(
    dsn: str, stream: RedisClient, rows: asyncpg.Connection, redis_server: services.Redis, tmp_path: Path
) -> None:
    """A power cut took Redis's last second: a call that began in it is in PostgreSQL and nowhere else."""
    now = int(time.time() * 1000)
    lost = Life("lost", now - DAY_MS // 12).start().queue().wait(700)
    lost.say("contact_notice_played", prompt="notice_recorded", complete=True)
    await add(stream, lost.events)
    await add(stream, Life("alive", now - DAY_MS // 12).start().queue().events)
    await add(stream, Life("young", now - 60_000).start().queue().events)
    await add(stream, answered_call("over", now - DAY_MS // 12))
    await stream.sadd(keys.CONTACTS, "alive")

    await stream.execute_command("ACL", "SETUSER", "journal", "on", ">secret", "resetchannels", *ACL["journal"].split())
    journal = Journal(redis_server.url.replace("//", "//journal:secret@"), dsn, Spill(tmp_path), sweep_every_s=0.1)
    carrying = asyncio.create_task(journal.run())
    await eventually(lambda: _is(rows, "select count(*) from cdr where contact_id = 'lost'", 1), "its CDR")
    [cdr] = await rows.fetch("select result, ended_by, cause, wait_s from cdr where contact_id = 'lost'")
    assert tuple(cdr) == ("failed", "system", 41, 0.7), "when it was heard of last, or it would have waited for hours"
    await add(stream, a_call("next", now, ends=False))
    await eventually(lambda: _is(rows, "select count(*) from contact where id = 'next'", 1), "the next call")
    open_ones = await rows.fetch("select id from contact where ended_at is null order by id")
    assert [row["id"] for row in open_ones] == ["alive", "next", "young"]
    assert await rows.fetchval("select count(*) from event where type = 'contact_ended' and subject = 'lost'") == 1
    carrying.cancel()
    await asyncio.gather(carrying, return_exceptions=True)


async def test_a_contact_is_lost_only_when_two_sweeps_miss_it(
    dsn: str, stream: RedisClient, rows: asyncpg.Connection
) -> None:
    """It may just be ending: its end stands in the stream by the time of the next."""
    now = int(time.time() * 1000)
    await rows.execute(
        """insert into contact (id, direction, state, number, number_raw, number_published, called, called_raw,
               called_published, started_at, body) values ('c1', 'in', 'queued', '', '', '', '', '', '', $1, '{}')""",
        moment(now - DAY_MS),
    )
    found = await missing(rows, stream)
    assert found == {"c1": now - DAY_MS}, "nothing is known of it but that it began"
    assert ends(found, (), now) == []
    assert [(event.subject, event.at, event.seq) for event in ends(found, found, now)] == [("c1", now - DAY_MS, now)]
    await stream.sadd(keys.CONTACTS, "c1")
    assert await missing(rows, stream) == {}


async def _is(rows: asyncpg.Connection, query: str, wanted: int) -> bool:
    return bool(await rows.fetchval(query) == wanted)
