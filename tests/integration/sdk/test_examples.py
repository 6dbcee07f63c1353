"""Each example of docs/sdk.md, run as its reader would run it, against a real api."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import asyncpg

from lq.config import publish
from lq.ledger.events import Event
from lq.live import keys
from lq.live.redis import Live
from lq.live.values import Called
from lq.worker.webhooks import Webhooks
from tests.integration.api.conftest import Api
from tests.integration.api.owner import waiting_contact
from tests.integration.api.test_api import recorded, store
from tests.integration.api.test_conferences import nodes, room
from tests.integration.ledger import services
from tests.integration.ledger.services import eventually, free_port
from tests.unit.ledger.lives import START, agent_event, answered_call

CHECKOUT: Final = Path(__file__).parents[3]
EXAMPLES: Final = CHECKOUT / "sdk/examples"
SECRET: Final = "0123456789abcdef"


@contextlib.asynccontextmanager
async def example(name: str, *words: str) -> AsyncIterator[asyncio.StreamReader]:
    """What it prints, as it runs."""
    environ = {**os.environ, "PYTHONPATH": str(CHECKOUT), "POP": "print", "PYTHONUNBUFFERED": "1"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLES / name), *words), env=environ, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line(output: asyncio.StreamReader) -> str:
    async with asyncio.timeout(15):
        return (await output.readline()).decode().strip()


async def secret_of(api: Api, *scopes: str, agents: tuple[str, ...] = (), per_second: int | None = None) -> str:
    async with api.client() as lq:
        token = await lq.add_token("example", scopes, agents=agents, per_second=per_second)
    assert token.secret is not None
    return token.secret


async def test_screen_pop(api: Api, live: Live) -> None:
    await waiting_contact(live, "c9")
    token = await secret_of(api, "read", "events", agents=("1001",))
    offered = {"n": 2, "queue": "sales", "phone": "8001", "reservation": 1, "leg": "c9.2"}
    events = [
        Event("contact_offered", 1, "c8", 1, {**offered, "agent": "1002"}),
        Event("contact_offered", 2, "c9", 2, {**offered, "agent": "1001"}),
    ]
    # His own contact names him, as a node's snapshot would.
    snapshot = json.loads((await live.contact("c9")).snapshot)  # type: ignore[union-attr]
    await live.commit("c9", node="lq1-00000001", epoch=1, snapshot=json.dumps({**snapshot, "agent": "1001"}))
    for event in events:
        await live._redis.xadd(keys.EVENTS, dict(event.fields()))
    page = "http://crm.example/customer?phone={number}"
    async with example("screen_pop.py", api.url, token, "1001", page, "0-0") as output:
        assert await line(output) == "http://crm.example/customer?phone=%2B8613800138000"


async def test_a_screen_pop_of_a_call_that_is_no_more_and_of_one_that_has_to_wait(api: Api, live: Live) -> None:
    """404 of the first; so few requests a second that the second is refused with 429 at first."""
    await waiting_contact(live, "c9")
    token = await secret_of(api, "read", "events", per_second=1)
    offered = {"n": 2, "queue": "sales", "phone": "8001", "reservation": 1, "leg": "x.2", "agent": "1001"}
    for n, contact in enumerate(("c7", "c8", "c9")):
        await add(live, Event("contact_offered", 1, contact, n, offered))
    async with example("screen_pop.py", api.url, token, "1001", "{contact}", "0-0") as output:
        assert await line(output) == "c9"


async def add(live: Live, *events: Event) -> None:
    for event in events:
        await live._redis.xadd(keys.EVENTS, dict(event.fields()))


def changed(queue: str, seq: int) -> Event:
    return Event("queue_changed", seq, f"queue:{queue}", seq, {"queue": queue, "waiting": 0, "ready": 0})


async def test_a_wallboard_outlives_a_storm_a_deleted_queue_and_the_api(api: Api, live: Live, tmp_path: Path) -> None:
    token = await secret_of(api, "read", "events", per_second=2)
    async with example("wallboard.py", api.url, token) as output:
        assert {json.loads(await line(output))["id"] for _ in range(2)} == {"sales", "support"}
        await add(live, *(changed("sales", n) for n in range(50)), changed("gone", 1), changed("support", 51))
        shown: list[str] = []
        while not shown or shown[-1] != "support":
            shown.append(json.loads(await line(output))["id"])
        assert len(shown) < 10, "once each, however often it has changed meanwhile"
        await asyncio.to_thread(api.running.kill)
        await add(live, changed("sales", 60))
        with services.program("lq.api", api.running.environ, tmp_path / "second.log"):
            while json.loads(await line(output))["id"] != "sales":
                continue


async def test_wallboard(api: Api, live: Live) -> None:
    token = await secret_of(api, "read", "events")
    async with example("wallboard.py", api.url, token) as output:
        first = {json.loads(await line(output))["id"] for _ in range(2)}
        assert first == {"sales", "support"}
        await waiting_contact(live, "c9")
        await live.ask("c9", "r1", {"sales": 0})
        changed = json.loads(await line(output))
        assert (changed["id"], changed["waiting"]) == ("sales", 1)


async def test_cdr_push(api: Api, dsn: str, rows: asyncpg.Connection, tmp_path: Path) -> None:
    token, port, file = await secret_of(api, "read"), free_port(), tmp_path / "cdrs.jsonl"
    events = ["contact_ended", "agent_state_changed"]
    hook = {"id": "cdr", "url": f"http://127.0.0.1:{port}/", "secret": SECRET, "events": events}
    await publish.put(rows, [("webhooks", hook)], by="test")
    worker = asyncio.create_task(Webhooks(dsn).run())
    async with example("cdr_push.py", api.url, token, SECRET, str(port), str(file)):
        try:
            await eventually(file.exists, "the receiver")
            await recorded(api, rows)
            hung_up = START + 42_000
            await store(rows, [*answered_call("c1"), agent_event(hung_up, "wrap_up", "talking", contact="c1")])
            await eventually(lambda: file.read_text().endswith("\n"), "the line", 20)
            first = json.loads(file.read_text())
            await store(rows, [agent_event(hung_up + 20_000, "ready", "wrap_up")])
            await eventually(lambda: len(file.read_text().splitlines()) == 2, "the line after the wrap-up", 20)
        finally:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
    told = json.loads(file.read_text().splitlines()[-1])
    assert told == {**first, "wrap_up_s": 20.0} and first["wrap_up_s"] == 0.0
    assert (told["contact_id"], told["result"], told["talk_s"]) == ("c1", "answered", 30.0)
    assert told["recording"] == f"{api.url}/v1/recordings/c1-r1/audio"


def test_every_example_is_told_of_and_run() -> None:
    handbook = (CHECKOUT / "docs/sdk.md").read_text(encoding="utf-8")
    tests = "".join(file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("test_*.py"))
    names = {file.name for file in EXAMPLES.iterdir()}
    assert names and all(name in handbook and name in tests for name in names)


async def test_conference(api: Api, live: Live) -> None:
    token = await secret_of(api, "read", "supervise")
    await room(live)  # not before: the token is published with all that PostgreSQL has
    async with nodes(live) as heard, example("conference.py", api.url, token, "board", "1002", "13800138009") as output:
        assert json.loads(await line(output)) == {"to": "13800138009", "outcome": "dnc"}
        [contact] = [message["contact"] for _, message in heard if message["body"]["to"] == "1002"]
        await live.commit(contact, node="lq1-1", epoch=1, snapshot="{}", called=Called("board", "1002", 1, "busy"))
        assert json.loads(await line(output)) == {"to": "1002", "outcome": "busy"}
        assert await line(output) == ""
