"""Webhooks from the ledger to real receivers: at least once, in order, signed, and no dead one delays another."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from lq.config import publish, seed
from lq.ledger.events import Event
from lq.ledger.projection import project
from lq.sdk.webhooks import genuine
from lq.worker import webhooks
from lq.worker.webhooks import Webhooks
from tests.unit.ledger.lives import START, Life, answered_call

from .receiver import Receiver, receiving
from .services import eventually, free_port, program

SECRET = "not-for-the-log-0123"


@pytest.fixture
async def rows(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    await seed.seed(connection)
    yield connection
    await connection.close()


async def hook(rows: asyncpg.Connection, id: str, url: str, **more: Any) -> None:
    body = {"id": id, "url": url, "secret": SECRET, "events": ["contact_started", "contact_ended"], **more}
    await publish.put(rows, [("webhooks", body)], by="test")


async def store(rows: asyncpg.Connection, events: Sequence[Event], first: int = 1) -> None:
    """As the journal would."""
    numbered = [Event(e.type, e.at, e.subject, e.seq, e.data, f"{e.at}-{n}") for n, e in enumerate(events, first)]
    async with rows.transaction():
        await project(rows, numbered)


@contextlib.asynccontextmanager
async def working(dsn: str, rows: asyncpg.Connection) -> AsyncIterator[Webhooks]:
    """A worker that knows of the webhooks that there are by now."""
    found = Webhooks(dsn)
    task = asyncio.create_task(found.run())
    wanted = await rows.fetchval("select version from config_version")
    await eventually(lambda: found._version == wanted, "the webhooks")
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def log_of(rows: asyncpg.Connection, id: str) -> list[tuple[str, list[Any]]]:
    found = await rows.fetch("select state, attempts from webhook_delivery where webhook = $1 order by id", id)
    return [(row["state"], [a["status"] or a["error"] for a in json.loads(row["attempts"])]) for row in found]


def types(receiver: Receiver) -> list[str]:
    return [request.headers["x-lcall-event"] for request in receiver.heard]


async def test_what_happens_is_told_signed_and_written_down(dsn: str, rows: asyncpg.Connection) -> None:
    async with receiving() as crm, working(dsn, rows) as worker:
        await store(rows, answered_call("before"))
        await eventually(lambda: all_seen(rows), "a worker that has nobody to tell")
        await hook(rows, "crm", crm.url)
        await eventually(lambda: "crm" in worker._receivers, "the webhook")
        await store(rows, answered_call("c1"))
        await eventually(lambda: len(crm.heard) == 2, "both events")
        await eventually(lambda: log_is(rows, "crm", [("done", [204]), ("done", [204])]), "the log")
    assert types(crm) == ["contact_started", "contact_ended"]
    for request in crm.heard:
        assert genuine(SECRET, request.headers["x-lcall-signature"], request.body, time.time())
        assert request.told["subject"] == "c1", "not what was before there was a webhook"
        assert request.headers["content-type"] == "application/json"
    assert crm.heard[1].told["data"]["result"] == "answered"


async def all_seen(rows: asyncpg.Connection) -> bool:
    return bool(await rows.fetchval("select (select n from webhook_checkpoint) = max(n) from event"))


async def log_is(rows: asyncpg.Connection, id: str, expected: list[tuple[str, list[Any]]]) -> bool:
    return await log_of(rows, id) == expected


async def test_what_is_not_taken_comes_again_before_what_follows_it(dsn: str, rows: asyncpg.Connection) -> None:
    answers = ["500 Broken", "503 Busy", "200 OK"]
    async with receiving(lambda n: answers[n] if n < len(answers) else "200 OK") as crm:
        await hook(rows, "crm", crm.url)
        async with working(dsn, rows):
            await store(rows, answered_call("c1"))

            async def taken() -> bool:
                await rows.execute("update webhook_delivery set run_at = now() where state = 'queued'")
                return await log_is(rows, "crm", [("done", [500, 503, 200]), ("done", [200])])

            await eventually(taken, "both events", 10)
    assert types(crm) == ["contact_started"] * 3 + ["contact_ended"]
    assert len({request.headers["x-lcall-delivery"] for request in crm.heard[:3]}) == 1, "so that a repeat is known"


async def test_a_dead_receiver_delays_nobody(
    dsn: str, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 50
    monkeypatch.setattr(webhooks, "ANSWER_S", 3600.0)  # the silent one is never given up
    async with receiving(lambda n: None) as silent, receiving() as alive:
        await hook(rows, "closed", f"http://127.0.0.1:{free_port()}/")
        await hook(rows, "silent", silent.url)
        await hook(rows, "alive", alive.url)
        async with working(dsn, rows):
            for n in range(calls):
                await store(rows, answered_call(f"c{n}", START + n), 1 + 100 * n)
            await eventually(lambda: len(alive.heard) == 2 * calls, "all events", 60)
        assert 0 < len(silent.heard) <= webhooks.AT_ONCE
    refused = [answers for _, answers in await log_of(rows, "closed") if answers]
    assert refused and {answer for answers in refused for answer in answers} == {"ConnectError"}
    assert len(refused) < 30, "and it is not asked all the time"


async def test_a_redirect_is_not_followed(dsn: str, rows: asyncpg.Connection) -> None:
    async with receiving() as inner, receiving(lambda n: f"307 Elsewhere\r\nLocation: {inner.url}") as crm:
        await hook(rows, "crm", crm.url, events=["contact_started"])
        async with working(dsn, rows):
            await store(rows, answered_call("c1"))
            await eventually(lambda: log_is(rows, "crm", [("queued", [307])]), "the refusal")
        assert inner.heard == []


async def test_the_deliveries_of_a_dead_worker_are_taken_over(
    dsn: str, rows: asyncpg.Connection, tmp_path: Path
) -> None:
    async with receiving(lambda n: None if n == 0 else "200 OK") as crm:
        await hook(rows, "crm", crm.url, events=["contact_started"])
        environ = {"LCALL_POSTGRES_DSN": dsn, "LCALL_HOME": str(tmp_path)}
        with program("lq.worker", environ, tmp_path / "log") as running:
            await store(rows, answered_call("c1"))
            await eventually(lambda: len(crm.heard) == 1, "the request")
            running.process.kill()
            running.process.wait()
        assert await log_of(rows, "crm") == [("running", [])]
        await rows.execute("update webhook_delivery set locked_until = now() - interval '1 s'")
        with program("lq.worker", environ, tmp_path / "log2") as again:
            await eventually(lambda: log_is(rows, "crm", [("done", [200])]), "the second request", 15)
            again.process.terminate()
            assert await asyncio.to_thread(again.process.wait, 5) == 0
    first, second = crm.heard
    assert first.body == second.body and first.headers["x-lcall-delivery"] == second.headers["x-lcall-delivery"]


async def test_an_event_that_was_written_late_is_told_too(dsn: str, rows: asyncpg.Connection) -> None:
    """A Redis that was begun anew by a clock that stands earlier gives ids that lie before those told already."""
    async with receiving() as crm:
        await hook(rows, "crm", crm.url, events=["contact_started"])
        async with working(dsn, rows):
            await store(rows, answered_call("new", START + 1_000_000))
            await eventually(lambda: len(crm.heard) == 1, "the first")
            await store(rows, answered_call("old", START))
            await eventually(lambda: len(crm.heard) == 2, "the second")
    assert [request.told["subject"] for request in crm.heard] == ["new", "old"]


async def test_no_more_wait_than_may(dsn: str, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "MOST_WAITING", 3)
    await hook(rows, "gone", f"http://127.0.0.1:{free_port()}/", events=["contact_started"])
    async with working(dsn, rows):
        for n in range(6):
            await store(rows, Life(f"c{n}").start().events)

        async def bounded() -> bool:
            states = [state for state, _ in await log_of(rows, "gone")]
            return states.count("failed") == 3 and len(states) == 6

        await eventually(bounded, "those that are too many")
    assert "more than 3 wait for this receiver" in (await log_of(rows, "gone"))[-1][1]


async def test_after_a_day_it_is_given_up(dsn: str, rows: asyncpg.Connection) -> None:
    async with receiving(lambda n: "500 Broken") as crm:
        await hook(rows, "crm", crm.url, events=["contact_started"])
        async with working(dsn, rows):
            await store(rows, answered_call("c1"))
            await eventually(lambda: log_is(rows, "crm", [("queued", [500])]), "the first attempt")
            await rows.execute(
                "update webhook_delivery set run_at = now(), created_at = now() - interval '23 h 59 min 58 s'"
            )
            await eventually(lambda: log_is(rows, "crm", [("failed", [500, 500])]), "the last attempt")


async def test_what_is_not_wanted_holds_nothing_back(dsn: str, rows: asyncpg.Connection) -> None:
    async with receiving(lambda n: "200 OK" if n else "422 Unprocessable Content") as crm:
        await hook(rows, "crm", crm.url)
        async with working(dsn, rows):
            await store(rows, answered_call("c1"))
            await eventually(lambda: log_is(rows, "crm", [("failed", [422]), ("done", [200])]), "both events")
    assert types(crm) == ["contact_started", "contact_ended"]


async def test_what_waited_a_day_behind_another_is_tried(
    dsn: str, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "TIDY_EVERY_S", 0.0)
    async with receiving(lambda n: "200 OK" if n else "404 Not Found") as crm:
        await hook(rows, "crm", crm.url)
        async with working(dsn, rows):
            await store(rows, answered_call("c1"))
            await eventually(lambda: log_is(rows, "crm", [("queued", [404]), ("queued", [])]), "the first attempt")
            await rows.execute("update webhook_delivery set created_at = now() - interval '25 h'")
            await eventually(lambda: log_is(rows, "crm", [("failed", [404]), ("done", [200])]), "the second event")


async def test_nothing_waits_for_more_than_two_days(
    dsn: str, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "TIDY_EVERY_S", 0.0)
    async with receiving(lambda n: "500 Broken") as crm:
        await hook(rows, "crm", crm.url)
        async with working(dsn, rows):
            await store(rows, answered_call("c1"))
            await eventually(lambda: log_is(rows, "crm", [("queued", [500]), ("queued", [])]), "the first attempt")
            await rows.execute(
                "update webhook_delivery set created_at = now() - interval '49 h' where type = 'contact_ended'"
            )

            async def is_given_up() -> bool:
                return (await log_of(rows, "crm"))[-1] == ("failed", [])

            await eventually(is_given_up, "its end")


async def test_zammad_hears_of_a_call(dsn: str, rows: asyncpg.Connection) -> None:
    async with receiving() as desk:
        await hook(rows, "zammad", desk.url, template="zammad", events=[])
        async with working(dsn, rows):
            await store(rows, answered_call("c1"))
            await eventually(lambda: len(desk.heard) == 3, "the call")
    told = [request.told for request in desk.heard]
    assert [each["event"] for each in told] == ["newCall", "answer", "hangup"]
    assert {(each["callId"], each["from"], each["to"]) for each in told} == {("c1", "8613800138000", "4008001000")}
    assert (told[1]["user"], told[1]["answeringNumber"], told[2]["cause"]) == (["王芳"], "1001", "normalClearing")


async def test_a_webhook_that_is_changed_or_disabled_is_so_at_once(dsn: str, rows: asyncpg.Connection) -> None:
    async with receiving() as crm, receiving() as other:
        await hook(rows, "crm", crm.url, events=["contact_started"])
        async with working(dsn, rows) as worker:
            await hook(rows, "crm", other.url, events=["contact_started"])
            version = await rows.fetchval("select version from config_version")
            await eventually(lambda: worker._version == version, "the change")
            await store(rows, answered_call("c1"))
            await eventually(lambda: len(other.heard) == 1, "the event")
            await hook(rows, "crm", other.url, events=["contact_started"], enabled=False)
            await eventually(lambda: worker._version == version + 1, "the change")
            await store(rows, answered_call("c2", START + 1))
            await eventually(
                lambda: rows.fetchval("select (select n from webhook_checkpoint) = max(n) from event"), "it"
            )
        assert crm.heard == [] and len(other.heard) == 1


async def test_the_process_tells_and_its_log_keeps_secrets(dsn: str, rows: asyncpg.Connection, tmp_path: Path) -> None:
    async with receiving(lambda n: "200 OK" if n else "404 Not Found") as crm:
        await hook(rows, "crm", f"{crm.url}/tok3n-in-path", events=["contact_started"])
        environ = {"LCALL_POSTGRES_DSN": dsn, "LCALL_HOME": str(tmp_path)}
        with program("lq.worker", environ, tmp_path / "log") as running:
            await store(rows, answered_call("c1"))
            await eventually(lambda: len(crm.heard) == 1, "the request")
            await eventually(lambda: "a webhook was not taken" in running.text(), "the log")
            text = running.text()
    assert SECRET not in text and "tok3n" not in text and "13800138000" not in text
