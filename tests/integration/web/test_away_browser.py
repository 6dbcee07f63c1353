"""What stands on a page while something is away: it stays, says so, and goes on by itself or with the next click."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.chromium import WAIT_MS
from tests.integration.ledger import services

from .conftest import Place
from .test_absence import own_place
from .test_customers import enter, stored, unique
from .test_home_browser import entered
from .test_recordings import recorded

__all__ = ["own_place"]

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HTML = "text/html; charset=utf-8"
PART = """<div class="alert" role="alert"><div data-told>暂时不可用</div><div data-told>数据库没有响应。</div></div>"""
WHOLE = """<main id="main"><p data-told>暂时不可用</p><p data-told>数据库没有响应。</p></main>"""
AWAY = "暂时不可用 数据库没有响应。"


@asynccontextmanager
async def visited(place: Place, browser: Browser, who: str) -> AsyncIterator[Page]:
    context = await browser.new_context(locale="zh-CN", viewport={"width": 1366, "height": 768})
    context.set_default_timeout(WAIT_MS)
    faults: list[str] = []
    context.on("weberror", lambda error: faults.append(str(error.error)))
    page = await entered(context, place, who)
    page.on("dialog", lambda asked: asyncio.ensure_future(asked.accept()))
    yield page
    assert faults == []


@pytest.fixture
async def page(place: Place, browser: Browser) -> AsyncIterator[Page]:
    """The administrator's."""
    async with visited(place, browser, "admin") as found:
        yield found


@dataclass
class Outage:
    """Of what `concerns` says: first it is answered that PostgreSQL is away, then nobody answers, then it is over."""

    concerns: Callable[[str, str], bool]  # method, path with query
    body: str = PART
    refused: int = 1
    lost: int = 0
    seen: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, route: Route) -> None:
        request = route.request
        path = "/" + request.url.split("/", 3)[3]
        if self.over.is_set() or not self.concerns(request.method, path):
            return await route.continue_()
        self.seen.append(path)
        if len(self.seen) <= self.refused:
            return await route.fulfill(status=503, content_type=HTML, body=self.body)
        if len(self.seen) <= self.refused + self.lost:
            return await route.abort()
        self.over.set()
        return await route.continue_()


@pytest.mark.parametrize(
    ("path", "form", "part"),
    [
        ("/customers/", "#q", "#found"),
        ("/settings/queues/", "#q", "#rows"),
        ("/customers/{customer}/merge", "#merge-q", "#candidates"),
    ],
)
async def test_a_search_can_be_made_again(place: Place, page: Page, path: str, form: str, part: str) -> None:
    customer = await enter(await place.user("admin"), unique("客户"))
    await page.goto(place.url + path.format(customer=customer))
    await page.locator(part).evaluate("(part) => { part.dataset.old = 'yes'; }")
    outage = Outage(lambda method, path: method == "GET" and "q=1" in path)
    await page.route("**", outage)
    await page.locator(form).press_sequentially("1")
    await expect(page.locator("#told")).to_contain_text(AWAY)
    await expect(page.locator(f"{part}[data-old]")).to_be_visible()
    await page.locator(form).press_sequentially("2")
    await expect(page.locator(f"{part}:not([data-old])")).to_be_visible()
    assert outage.over.is_set()


async def test_a_list_by_choice_can_be_chosen_again(place: Place, page: Page) -> None:
    await page.goto(f"{place.url}/follow-ups/")
    await page.locator("#follow-list").evaluate("(part) => { part.dataset.old = 'yes'; }")
    await page.route("**", Outage(lambda method, path: path.startswith("/follow-ups/?agent=")))
    async with page.expect_response(lambda answer: "agent=all" in answer.url and answer.status == 503):
        await page.select_option("[name=agent]", "all")
    await expect(page.locator("#follow-list[data-old]")).to_be_attached()
    await page.select_option("[name=agent]", "")
    await expect(page.locator("#follow-list:not([data-old])")).to_be_attached()


async def test_more_can_be_asked_for_again(place: Place, page: Page) -> None:
    object_ = unique("more-")
    async with place.rows() as rows:
        await rows.executemany(
            "insert into audit (at, operator, action, object, address, detail)"
            " values (now() - interval '1 hour', 'admin', 'login', $1, '', '{}')",
            [(object_,)] * 200,
        )
    await page.goto(f"{place.url}/accounts/audit?about={object_}")
    lines = page.locator("main tbody tr")
    shown = await lines.count()
    await page.route("**", Outage(lambda method, path: path.startswith("/accounts/audit?")))
    await page.click("#more a")
    await expect(page.locator("#told")).to_contain_text(AWAY)
    await expect(lines).to_have_count(shown)
    await page.click("#more a")
    await expect(lines.nth(shown + 1)).to_be_attached()
    await stored(place, "delete from audit where object = $1", object_)


async def test_the_people_in_a_conference_come_again(place: Place, page: Page) -> None:
    name = unique("room")
    async with place.client() as lq:
        await lq.put_document("conferences", name, {"name": name})
    await page.goto(f"{place.url}/settings/rooms/{name}")
    await page.locator("#parties").evaluate("(part) => { part.dataset.old = 'yes'; }")
    outage = Outage(lambda method, path: path.endswith("/parties"), refused=2, lost=1)
    await page.route("**", outage)
    await expect(page.locator("#parties:not([data-old])")).to_be_visible()
    assert len(outage.seen) == 4
    async with place.client() as lq:
        await lq.delete_document("conferences", name)


async def test_an_import_is_looked_at_until_it_is_done(place: Place, page: Page) -> None:
    job = uuid.uuid4()
    begin = (
        "insert into customer_import (id, operator, file, total, bad, state) values ($1, 'admin', 'x', 3, 0, 'running')"
    )
    await stored(place, begin, job)
    outage = Outage(lambda method, path: "/customers/import/" in path, refused=2, lost=1)
    await page.goto(f"{place.url}/customers/import/{job}")
    await page.route("**", outage)
    await asyncio.wait_for(outage.over.wait(), WAIT_MS / 1000)
    await stored(place, "update customer_import set state = 'done', done = 3, taken = 3 where id = $1", job)
    await expect(page.locator("#import-done")).to_be_visible()
    await expect(page.locator("#taken")).to_have_text("3")


async def test_a_recording_comes_by_itself(place: Place, page: Page) -> None:
    recording, _ = await recorded(place)
    outage = Outage(lambda method, path: path == f"/recordings/{recording}", refused=1, lost=1)
    await page.route("**", outage)
    await page.goto(f"{place.url}/calls/{recording.removesuffix('-r1')}")
    await expect(page.locator("[data-player].lc-drawn")).to_be_visible()
    assert len(outage.seen) == 3
    await expect(page.locator("[hx-get^='/recordings/']")).to_have_count(0)  # it is asked for no more


async def test_what_was_not_done_is_done_with_the_next_click(place: Place, page: Page) -> None:
    name = unique("客户")
    customer = await enter(await place.user("admin"), name)
    address = f"{place.url}/customers/{customer}"
    deleted = "select deleted_at is not null from customer where id = $1"
    for button, done in (("#delete", True), ("#restore", False)):
        await page.goto(address)
        await page.route("**", outage := Outage(lambda method, path: method == "POST", WHOLE))
        await page.click(button)
        await expect(page.locator("#told")).to_contain_text(AWAY)
        await expect(page).to_have_url(address)
        async with page.expect_response(lambda answer: answer.request.method == "POST" and answer.status == 303):
            await page.click(button)
        await expect(page.locator(button)).to_have_count(0)
        assert await stored(place, deleted, customer) is done
        await page.unroute("**", outage)


async def test_out_in_a_call_of_the_browsers_phone(place: Place, browser: Browser) -> None:
    """The page that he must log in at would end the call: it comes when the call is over."""
    async with visited(place, browser, "1046") as page:
        await page.evaluate("window.unreloaded = true; window.browserPhone = { state: 'talking' }")
        await stored(place, "delete from web_session where operator = '1046'")
        await expect(page.locator("#told")).to_contain_text("登录已失效，请重新登录。")
        async with page.expect_response(lambda answer: answer.status == 401):
            await page.click(".lc-menu a[href='/calls/']")
        assert await page.evaluate("window.unreloaded") is True
        await page.evaluate("browserPhone.state = 'registered'; document.dispatchEvent(new Event('browser-phone'))")
        await expect(page).to_have_url(re.compile(r"/login"))


@pytest.mark.kills
async def test_a_page_that_could_not_be_had_comes_by_itself(
    own_place: tuple[Place, services.Postgres], browser: Browser
) -> None:
    """PostgreSQL hangs, and then the network is away while the page tries again."""
    place, postgres = own_place
    async with visited(place, browser, "1901") as page:
        postgres.freeze()
        await page.click(".lc-menu a[href='/calls/']")
        await expect(page.locator(".lc-failure")).to_contain_text("本页会自动重试")
        await expect(page.locator(".lc-failure a")).to_have_text("立即重试")
        async with page.expect_event("requestfailed", lambda asked: asked.url.endswith("/calls/")):
            await page.context.set_offline(True)
        await page.context.set_offline(False)
        postgres.thaw()
        await expect(page.locator("#main #search")).to_be_visible()
