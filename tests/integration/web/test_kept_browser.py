"""What was typed stays, and a second click saves it, when the server answered that it could not: in real Chromium."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.chromium import WAIT_MS

from .conftest import Place
from .test_customers import stored, unique
from .test_home_browser import entered
from .test_people import created
from .test_recordings import recorded

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SAVE = "#save"


@pytest.fixture
async def page(place: Place, browser: Browser) -> AsyncIterator[Page]:
    """The administrator's."""
    context = await browser.new_context(locale="zh-CN", viewport={"width": 1366, "height": 768})
    context.set_default_timeout(WAIT_MS)
    faults: list[str] = []
    context.on("weberror", lambda error: faults.append(str(error.error)))
    yield await entered(context, place, "admin")
    assert faults == []


async def refused(route: Route) -> None:
    """What would change something; as the web does while PostgreSQL or the api is away."""
    if route.request.method != "POST":
        return await route.continue_()
    gone = '<main class="page-body" id="main"><div class="empty">503</div></main>'
    return await route.fulfill(status=503, content_type="text/html; charset=utf-8", body=gone)


async def saved_at_last(page: Page, address: str, typed: Sequence[tuple[str, str]], button: str, done: str) -> None:
    """`typed` into these fields; a box has "" and is ticked. `done`: what stands there when it was saved."""
    await page.goto(address)
    for field, text in typed:
        await (page.fill(field, text) if text else page.check(field))
    await page.route("**", refused)
    await page.click(button)
    await expect(page.locator("#told")).to_contain_text("没有保存：系统暂时没有响应")
    await expect(page.locator(button)).to_be_enabled()
    for field, text in typed:
        await (expect(page.locator(field)).to_have_value(text) if text else expect(page.locator(field)).to_be_checked())
    await page.unroute("**", refused)
    await page.click(button)
    await expect(page.locator(done)).to_be_visible()


async def test_settings(place: Place, page: Page) -> None:
    name = unique("kept-")
    async with place.client() as lq:
        agent = await lq.document("agents", "1001")
        await lq.put_document("lists", name, {"kind": "black", "name": name})
        add = f"{place.url}/settings/queues/+"
        await saved_at_last(page, add, [("#f-id", name), ("[name=name]", name)], SAVE, "h2:has-text('成员')")
        members = f"{place.url}/settings/members/{name}"
        await saved_at_last(page, members, [("[name=member][value='1001']", "")], SAVE, ".alert-success")
        assert name in (await lq.document("agents", "1001")).body["queues"]
        entries = f"{place.url}/settings/entries/{name}"
        add = "#add button.btn-primary"
        await saved_at_last(page, entries, [("#numbers", "13912349999"), ("#note", name)], add, ".alert-success")
        await lq.put_document("agents", "1001", agent.body)
        await lq.clear_list(name)
        for kind in ("lists", "queues"):
            await lq.delete_document(kind, name)


async def test_accounts(place: Place, page: Page) -> None:
    id, name = unique("kept-"), unique("新")
    new = [("#id", id), ("#name", name)]
    await saved_at_last(page, f"{place.url}/accounts/new", new, SAVE, "code#password")
    assert await stored(place, "select count(*) from operator where name = $1", name) == 1
    id, _ = await created(place)
    name = unique("改")
    await saved_at_last(page, f"{place.url}/accounts/operators/{id}", [("#name", name)], SAVE, ".lc-done")
    assert await stored(place, "select name from operator where id = $1", id) == name
    for kind, table in (("roles", "role"), ("teams", "team")):
        name = unique("kept-")
        await saved_at_last(page, f"{place.url}/accounts/{kind}/new", [("#name", name)], SAVE, ".lc-done")
        assert await stored(place, f"select count(*) from {table} where name = $1", name) == 1
        await stored(place, f"delete from {table} where name = $1", name)


async def test_a_comment(place: Place, page: Page) -> None:
    recording, _ = await recorded(place)
    text = unique("说得好")
    typed = [(".lc-comment-form [name=at]", "0:02"), (".lc-comment-form [name=text]", text)]
    call = f"{place.url}/calls/{recording.removesuffix('-r1')}"
    await saved_at_last(page, call, typed, ".lc-comment-form button", ".lc-comment")
    await expect(page.locator(".lc-comment")).to_have_count(1)
