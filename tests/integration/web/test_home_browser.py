"""A notice comes to an open page and is confirmed; sticky notes in two tabs and with the web away: in real Chromium."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Route, expect

from tests.chromium import WAIT_MS, WATCH_POLICY

from .conftest import Place
from .test_customers import stored, unique
from .test_home import AGENT, LEADER, nothing_left

__all__ = ["nothing_left"]

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.usefixtures("nothing_left")]

FOCUSED = "document.activeElement.id"
KEPT = "Object.keys(localStorage).filter((name) => name.startsWith('draft:'))"


async def entered(context: BrowserContext, place: Place, id: str) -> Page:
    page = await context.new_page()
    await page.goto(f"{place.url}/login")
    await page.fill("#id", id)
    await page.fill("#password", f"demo-{id}")
    await page.click("#enter")
    await page.wait_for_url("**/board")
    return page


async def made(browser: Browser, faults: list[str]) -> BrowserContext:
    context = await browser.new_context(locale="zh-CN", viewport={"width": 1366, "height": 768})
    context.set_default_timeout(WAIT_MS)
    await context.add_init_script(WATCH_POLICY)
    context.on("weberror", lambda error: faults.append(str(error.error)))
    context.on("console", lambda said: faults.append(said.text) if said.text.startswith("CSP") else None)
    return context


@pytest.fixture
async def people(browser: Browser, place: Place) -> AsyncIterator[tuple[Page, Page]]:
    """A leader and an agent, each in a browser of his own."""
    faults: list[str] = []
    yield (
        await entered(await made(browser, faults), place, LEADER),
        await entered(await made(browser, faults), place, AGENT),
    )
    assert faults == []
    async with place.rows() as rows:
        await rows.execute("delete from sticky_note where operator = $1", AGENT)


async def test_a_notice_is_read_where_one_works(place: Place, people: tuple[Page, Page]) -> None:
    leader, agent = people
    title = unique("test-")
    await agent.locator("#find").focus()
    await leader.click(".lc-menu a[href='/home']")
    await leader.click("#write")
    await leader.fill("#f-title", title)
    await leader.fill("#f-body", "今天 18:00 系统升级\n详见 https://wiki.example/upgrade")
    await leader.check("[name=confirm]")
    await leader.dblclick("#save")
    await expect(leader.locator("#notice h2")).to_have_text(title)
    await expect(leader.locator("#unread li").filter(has_text=AGENT)).to_have_count(1)

    # At his open page at once: beside the soft phone, and what he writes goes on.
    bar = agent.locator(".lc-notice-bar").filter(has_text=title)
    await expect(bar).to_be_visible()
    await expect(bar.locator("[data-text] a")).to_have_attribute("rel", "noopener noreferrer")
    await expect(agent.locator("#bell b")).to_be_visible()
    assert await agent.evaluate(FOCUSED) == "find"
    phone, box = await agent.locator("#desk").bounding_box(), await bar.bounding_box()
    assert phone and box and box["x"] >= phone["x"] + phone["width"]

    await agent.click(".lc-menu a[href='/calls/']")
    await expect(agent.locator("#search")).to_be_visible()
    await expect(bar).to_be_visible()
    await agent.click("#bell")
    item = agent.locator("#notice-list article").filter(has_text=title)
    await expect(item).to_have_class(re.compile("lc-unread"))
    await bar.get_by_role("button", name="已阅").click()
    await expect(bar).to_have_count(0)
    await expect(item).not_to_have_class(re.compile("lc-unread"))

    # The leader's open page shows it.
    await expect(leader.locator("#read li").filter(has_text=AGENT)).to_have_count(1)
    await expect(leader.locator("#unread li").filter(has_text=AGENT)).to_have_count(0)
    leader.on("dialog", lambda dialog: dialog.accept())
    await leader.click("#delete")
    await expect(leader.locator(".lc-managed, .lc-none")).to_be_visible()
    await expect(item).to_have_count(0)


async def test_sticky_notes(place: Place, people: tuple[Page, Page]) -> None:
    _, page = people
    await page.click(".lc-menu a[href='/home']")
    first = page.locator(".lc-sticky").first
    await first.locator("textarea").fill("给王总回电\n'; <script>")
    await expect(first.locator("[data-said]")).to_have_text("已保存")
    await first.locator("[data-paint=blue]").click()
    await expect(first.locator("[data-said]")).to_have_text("已保存")
    assert await page.evaluate(KEPT) == []
    await page.reload()
    note = page.locator(".lc-sticky[data-colour=blue]")
    await expect(note.locator("textarea")).to_have_value("给王总回电\n'; <script>")

    # A second tab writes in the same one: neither text is lost.
    other = await page.context.new_page()
    await other.goto(f"{place.url}/home")
    theirs = other.locator(".lc-sticky[data-colour=blue]")
    await theirs.locator("textarea").fill("另一页")
    await expect(theirs.locator("[data-said]")).to_have_text("已保存")
    await note.locator("textarea").fill("这一页")
    await expect(note.locator(".lc-sticky-theirs q")).to_have_text("另一页")
    await note.locator("[data-keep=both]").click()
    await expect(note.locator("[data-said]")).to_have_text("已保存")
    await expect(note.locator("textarea")).to_have_value("这一页\n另一页")

    # The web is away: the text stays in the browser, also over a reload, and is saved when it is back.
    async def lost(route: Route) -> None:
        await route.abort()

    await page.route("**/notes/**", lost)
    await note.locator("textarea").fill("断网时写的")
    await expect(note.locator("[data-said]")).to_contain_text("没有保存")
    await page.locator(".lc-sticky").first.locator("textarea").fill("断网时新写的")
    await page.reload()
    await expect(page.locator(".lc-sticky[data-colour=blue] textarea")).to_have_value("断网时写的")
    await page.unroute("**/notes/**", lost)
    await expect(page.locator("[data-said]").filter(has_text="已保存")).to_have_count(2)
    assert await page.evaluate(KEPT) == []
    texts = "select array_agg(body) from sticky_note where operator = $1 and deleted_at is null"
    assert sorted(await stored(place, texts, AGENT)) == sorted(["断网时写的", "断网时新写的"])

    # Deleted and back.
    await note.locator("[data-drop]").click()
    await note.locator("[data-undo]").click()
    await expect(note.locator("textarea")).to_be_visible()
    await note.locator("[data-drop]").click()
    await expect(note.locator(".lc-sticky-gone")).to_be_visible()
    await page.reload()
    await expect(page.locator(".lc-sticky[data-colour=blue]")).to_have_count(0)
