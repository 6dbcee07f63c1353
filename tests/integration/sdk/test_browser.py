"""sdk/js/lcall.js and the call bar in a real Chromium, on a page of another origin than the api."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.server
import json
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Page, WebSocket, async_playwright

from lq.acd.agent import PAUSE_REASONS
from lq.ledger.events import Event
from lq.live import keys
from lq.live.redis import Live
from tests.chromium import CHROMIUM
from tests.integration.api.conftest import Api
from tests.integration.api.owner import owning, waiting_contact
from tests.integration.ledger import services
from tests.integration.ledger.services import eventually
from tests.unit.ledger.lives import agent_event

pytestmark = pytest.mark.browser

SDK: Final = Path(__file__).parents[3] / "sdk"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing."""


@pytest.fixture
def files() -> Iterator[str]:
    """A web server of somebody else's, with our file on it."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(SDK)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@contextlib.asynccontextmanager
async def page_at(address: str) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await chromium.new_page()
        await page.goto(address)
        yield page
        await chromium.close()


async def with_client(page: Page, api: Api, token: str) -> None:
    await page.evaluate(
        """async ([api, token]) => {
            const { LCall } = await import("/js/lcall.js");
            window.lq = new LCall(api, token);
            window.told = []; window.connections = []; window.ended = null;
        }""",
        [api.url, token],
    )


async def secret_of(api: Api, *scopes: str) -> tuple[str, str]:
    async with api.client() as lq:
        token = await lq.add_token("page", scopes, agents=["1001"])
    return token.id, token.secret or ""


async def test_calls_and_their_refusals(api: Api, live: Live, files: str) -> None:
    await live.phone("8001", True, 600_000)
    await waiting_contact(live, "c9")
    _, secret = await secret_of(api, "read", "agents", "contacts")
    async with owning(live) as owner, page_at(f"{files}/js/") as page:
        await with_client(page, api, secret)
        assert (await page.evaluate("lq.signIn('1001', '8001')"))["state"] == "ready"
        assert [agent["id"] for agent in await page.evaluate("lq.agents()")] == ["1001"]
        assert (await page.evaluate("lq.pickUp('c9', '1001')"))["id"] == "c9"
        refusal = "(error) => ({...error, message: error.message})"
        for call, status, code in (
            ("lq.pause('1001', '')", 422, "invalid"),
            ("lq.ready('1002')", 403, "agent_forbidden"),
            ("lq.monitor('c9', '1001')", 403, "scope_missing"),
            ("lq.contact('nobody')", 404, "not_found"),
        ):
            error = await page.evaluate(f"{call}.catch({refusal})")
            assert (error["status"], error["code"]) == (status, code), call
        owner.refuses = {"status": 409, "error": {"code": "not_ringing", "message": "it does not ring"}}
        error = await page.evaluate(f"lq.pickUp('c9', '1001').catch({refusal})")
        assert (error["status"], error["code"], error["present"]["id"]) == (409, "not_ringing", "c9")
        assert [verb for _, verb, _ in owner.heard] == ["pick_up", "pick_up"]


async def test_what_may_be_said_beside_a_command(api: Api, live: Live, files: str) -> None:
    """As by the client in Python: a leader comes because he is wanted, a recording stops for a reason."""
    await waiting_contact(live, "c9")
    async with api.client() as lq:
        secret = (await lq.add_token("leader", ("read", "contacts", "supervise"))).secret or ""
    async with owning(live) as owner, page_at(f"{files}/js/") as page:
        await with_client(page, api, secret)
        for call in (
            "lq.monitor('c9', '1901')",
            "lq.monitor('c9', '1901', 'whisper', { help: true })",
            "lq.record('c9', 'stop', '1001')",
            "lq.record('c9', 'stop', null, 'customer_refused')",
        ):
            assert (await page.evaluate(call))["id"] == "c9"
        assert [(verb, body) for _, verb, body in owner.heard] == [
            ("monitor", {"agent": "1901", "mode": "listen"}),
            ("monitor", {"agent": "1901", "mode": "whisper", "help": True}),
            ("record", {"agent": "1001", "action": "stop"}),
            ("record", {"action": "stop", "reason": "customer_refused"}),
        ]


async def add(live: Live, *events: Event) -> None:
    for event in events:
        await live._redis.xadd(keys.EVENTS, dict(event.fields()))


LISTEN: Final = """window.stream = lq.events({
    topics: ["agents"], after: "0-0", onEvent: (event) => told.push(event.seq),
    onConnection: (on) => connections.push(on), onEnd: (error) => { ended = error ? error.code : "closed"; } }); 0"""


async def told(page: Page, expected: list[int]) -> None:
    async def are() -> bool:
        return bool(await page.evaluate("told") == expected)

    await eventually(are, f"events {expected}", 15)


@pytest.mark.slow
async def test_events_are_replayed_and_none_is_missed(
    api: Api, live: Live, dsn: str, redis_server: services.Redis, files: str, tmp_path: Path
) -> None:
    id, secret = await secret_of(api, "read", "events")
    async with page_at(f"{files}/js/") as page:
        await with_client(page, api, secret)
        await add(live, agent_event(1, "ready", "signed_out"))
        await page.evaluate(LISTEN)
        await told(page, [1])
        await add(live, agent_event(2, "paused", "ready"))
        await told(page, [1, 2])
        await asyncio.to_thread(api.running.kill)
        await add(live, agent_event(3, "ready", "paused"))
        with services.program("lq.api", api.running.environ, tmp_path / "second.log"):
            await told(page, [1, 2, 3])
            assert await page.evaluate("connections") == [True, False, True]
            async with api.client() as lq:
                await lq.revoke_token(id)

            async def is_over() -> bool:
                return bool(await page.evaluate("ended") == "unauthorized")

            await eventually(is_over, "the end of the stream", 15)


async def test_a_stream_that_is_closed_while_it_begins_is_over(api: Api, live: Live, files: str) -> None:
    """close() while the api is asked, and while the WebSocket opens: no connection stays, and nothing is told."""
    _, secret = await secret_of(api, "read", "events")
    async with page_at(f"{files}/js/") as page:
        sockets: list[WebSocket] = []
        page.on("websocket", lambda socket: sockets.append(socket))
        await with_client(page, api, secret)
        await add(live, agent_event(1, "ready", "signed_out"))
        await page.evaluate(f"{LISTEN}; stream.close(); 0")

        async def is_over() -> bool:
            return bool(await page.evaluate("ended") == "closed")

        await eventually(is_over, "the end of the stream", 15)
        assert sockets == []
        await page.evaluate(
            """ended = null; const Real = WebSocket;
            window.WebSocket = class extends Real {
                constructor(...given) { super(...given); queueMicrotask(() => stream.close()); }
            }; 0"""
        )
        await page.evaluate(LISTEN)
        await eventually(is_over, "the end of the second", 15)
        assert await page.evaluate("[told, connections]") == [[], []]


async def test_a_stream_that_is_refused_says_why(api: Api, live: Live, files: str) -> None:
    _, secret = await secret_of(api, "read")
    async with page_at(f"{files}/js/") as page:
        await with_client(page, api, secret)
        await page.evaluate(LISTEN)

        async def is_over() -> bool:
            return bool(await page.evaluate("ended") == "scope_missing")

        await eventually(is_over, "the refusal", 15)


async def test_the_call_bar(api: Api, live: Live, files: str) -> None:
    """callbar.html"""
    await live.phone("8001", True, 600_000)
    _, secret = await secret_of(api, "read", "agents", "contacts", "events")
    given = f"api={api.url}&agent=1001&phone=8001&token={secret}"
    async with owning(live) as owner, page_at(f"{files}/examples/callbar.html#{given}") as page:
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        await page.wait_for_selector("body[data-state=signed_out]")
        assert await page.inner_text("#state") == "未签入"
        await page.evaluate(
            "window.popped = []; addEventListener('message', ({data}) => popped.push(data.contact.id)); 0"
        )
        assert await page.is_disabled("[data-do=hold]")
        await page.click("[data-do=signIn]")
        await page.wait_for_selector("body[data-state=ready]")
        await page.click("[data-do=pause]")
        await page.wait_for_selector("body[data-state=paused]")
        async with api.client() as lq:
            assert (await lq.agent("1001")).reason in PAUSE_REASONS
        await page.click("[data-do=ready]")
        await page.wait_for_selector("body[data-state=ready]")
        await waiting_contact(live, "c9")
        snapshot = json.loads((await live.contact("c9")).snapshot)  # type: ignore[union-attr]
        await live.commit("c9", node="lq1-00000001", epoch=1, snapshot=json.dumps({**snapshot, "agent": "1001"}))
        await live.ask("c9", "r1", {"sales": 0})
        await page.wait_for_selector("body[data-state=reserved]")
        assert "13800138000" in await page.inner_text("#call")
        assert await page.evaluate("popped") == ["c9"]
        await page.click("[data-do=answer]")
        await page.fill("#to", "1002")
        await page.click("[data-do=consult]")
        await page.click("[data-do=reject]")
        await eventually(lambda: len(owner.heard) == 3, "the commands")
        assert sorted(owner.heard, key=lambda heard: heard[1]) == [
            ("c9", "answer", {"agent": "1001"}),
            ("c9", "reject", {"agent": "1001"}),
            ("c9", "transfer", {"agent": "1001", "to": "1002", "mode": "consult"}),
        ]
        owner.refuses = {"status": 409, "error": {"code": "not_talking", "message": "nobody talks"}}
        await page.click("[data-do=hold]")
        await page.wait_for_function("document.getElementById('error').textContent.includes('nobody talks')")
        assert problems == []


async def looked(page: Page, live: Live, seq: int) -> None:
    """The call bar has heard of something and looked at how things are since: twice, so that once is whole."""
    for n in (seq, seq + 1):
        async with page.expect_response("**/v1/agents/1001"):
            await add(live, agent_event(n, "reserved", "reserved", contact="c9"))


async def test_the_call_bar_while_a_call_rings_that_names_nobody_yet(api: Api, live: Live, files: str) -> None:
    """And what it complains of: a look that failed until one works, a click that failed until the next click."""
    await live.phone("8001", True, 600_000)
    await live.agent("1001", "sign_in", phone="8001")
    _, secret = await secret_of(api, "read", "agents", "contacts", "events")
    given = f"api={api.url}&agent=1001&phone=8001&token={secret}"
    async with owning(live) as owner, page_at(f"{files}/examples/callbar.html#{given}") as page:
        await page.wait_for_selector("body[data-state=ready]")
        await waiting_contact(live, "c9")
        await live.ask("c9", "r1", {"sales": 0})
        await page.wait_for_selector("body[data-state=reserved]")
        assert "13800138000" in await page.inner_text("#call") and await page.inner_text("#error") == ""
        await page.route("**/v1/contacts/c9", lambda route: route.abort())
        await looked(page, live, 1)
        await page.wait_for_function("document.getElementById('error').textContent.includes('unreachable')")
        await page.unroute("**/v1/contacts/c9")
        await looked(page, live, 3)
        await page.wait_for_function("document.getElementById('error').textContent === ''")
        owner.refuses = {"status": 409, "error": {"code": "not_ringing", "message": "it does not ring"}}
        await page.click("[data-do=reject]")
        await page.wait_for_function("document.getElementById('error').textContent.includes('it does not ring')")
        await looked(page, live, 5)
        assert "it does not ring" in await page.inner_text("#error")
        owner.refuses = None
        await page.click("[data-do=reject]")
        await page.wait_for_function("document.getElementById('error').textContent === ''")
