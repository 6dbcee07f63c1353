"""What is written and not saved outlives a reload, a crashed tab and a wrong click, in real Chromium."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, BrowserContext, Error, Locator, Page, expect

from lq.live.redis import Live
from tests.chromium import WAIT_MS

from .calls import LiveCall
from .conftest import Place
from .test_board import sign_in, sign_out
from .test_customers import enter, some_number, unique

pytestmark = [pytest.mark.browser, pytest.mark.slow]

AGENT, OTHER = "1041", "1042"
KEPT = """
Object.entries(localStorage).filter(([name]) => name.startsWith("draft:")).map(([, kept]) => JSON.parse(kept).text)
"""


@pytest.fixture
async def context(browser: Browser) -> BrowserContext:
    made = await browser.new_context(locale="zh-CN", viewport={"width": 1366, "height": 768})
    made.set_default_timeout(WAIT_MS)
    return made


async def log_in(page: Page, place: Place, id: str) -> None:
    await page.goto(f"{place.url}/login")
    await page.fill("#id", id)
    await page.fill("#password", f"demo-{id}")
    await page.click("#enter")
    await page.wait_for_url("**/board")


async def restored(note: Locator, text: str) -> None:
    await expect(note.locator("textarea")).to_have_value(text)
    await expect(note.locator("[data-draft-mark]")).to_be_visible()


async def empty(note: Locator) -> None:
    await expect(note.locator("textarea")).to_have_value("")
    await expect(note.locator("[data-draft-mark]")).to_be_hidden()


async def test_the_note_of_a_call(place: Place, live: Live, context: BrowserContext) -> None:
    page = await context.new_page()
    await log_in(page, place, AGENT)
    await sign_in(place, live, AGENT)
    call = await (await (await LiveCall(live, unique("draft-"), some_number()).start()).queue()).answer()
    assert call.agent == AGENT
    note = page.locator("#pop .lc-pop-notes")
    await note.locator("textarea").fill("要改送货地址，\n'; <script>")
    await page.reload()
    await restored(note, "要改送货地址，\n'; <script>")

    # The tab crashes.
    await note.locator("textarea").fill("要改送货地址")
    with pytest.raises(Error):
        await page.goto("chrome://crash")
    page = await context.new_page()
    await page.goto(f"{place.url}/calls/")
    note = page.locator("#pop .lc-pop-notes")
    await restored(note, "要改送货地址")

    # Saved, it is kept no longer, and the next one begins empty.
    await page.click("#pop-write")
    await expect(note.locator(".lc-note p")).to_have_text(["要改送货地址"])
    await empty(note)
    assert await page.evaluate(KEPT) == []
    await page.reload()
    await expect(note.locator(".lc-note p")).to_have_text(["要改送货地址"])
    await empty(note)

    # Its answer was lost: what stands among the notes is not offered again. What is thrown away is gone.
    await note.locator("textarea").fill("要改送货地址")
    await page.reload()
    await expect(note.locator(".lc-note p")).to_have_count(1)
    await empty(note)
    await note.locator("textarea").fill("写错了")
    await page.reload()
    await restored(note, "写错了")
    await note.locator("[data-draft-drop]").click()
    await empty(note)
    assert await page.evaluate(KEPT) == []

    # A card that is closed over what was written says where it is; logged out, nothing of it stays in this browser.
    await note.locator("textarea").fill("还没写完")
    await page.click("[data-pop-close]")
    left = page.locator(".lc-draft-left")
    await expect(left.locator("q")).to_have_text("还没写完")
    await left.locator("a").click()
    await restored(page.locator("#main .lc-pop-notes"), "还没写完")
    await expect(left).to_have_count(0)
    await page.click(".lc-person")
    await page.click("#logout")
    await page.wait_for_url("**/login")
    assert await page.evaluate(KEPT) == []
    await call.end()
    await sign_out(place, AGENT)


async def test_the_note_of_a_customer(place: Place, context: BrowserContext) -> None:
    who = await place.user(AGENT)
    id = await enter(who, unique("草稿"), some_number())
    page = await context.new_page()
    await log_in(page, place, AGENT)
    await page.goto(f"{place.url}/customers/{id}")
    note = page.locator("#notes")
    await note.locator("textarea").fill("喜欢龙井")
    await page.click(".lc-menu a[href='/calls/']")
    left = page.locator(".lc-draft-left")
    await expect(left.locator("q")).to_have_text("喜欢龙井")
    await page.reload()
    await left.locator("a").click()
    await page.wait_for_url(f"**/customers/{id}")
    await restored(note, "喜欢龙井")

    # What the server does not take is not lost either.
    await note.locator("textarea").evaluate("field => { field.value = '长'.repeat(4001); }")
    await note.locator("textarea").dispatch_event("input")
    await page.click("#write")
    await expect(note.locator(".invalid-feedback")).to_be_visible()
    assert [len(text) for text in await page.evaluate(KEPT)] == [4001]
    await note.locator("textarea").fill("喜欢龙井")
    await page.dblclick("#write")
    await expect(note.locator(".lc-note p")).to_have_text(["喜欢龙井"])
    await empty(note)
    assert await page.evaluate(KEPT) == []

    # A browser that several use: nobody finds another's, and nothing is kept for longer than a shift.
    await note.locator("textarea").fill("给下一位")
    await context.clear_cookies()  # as when his session was ended elsewhere
    await log_in(page, place, OTHER)
    assert await page.evaluate(KEPT) == []
    old = "JSON.stringify({ text: '很久以前', at: Date.now() - 13 * 3600_000 })"
    await page.evaluate(f"localStorage.setItem('draft:{OTHER}:/customers/{id}', {old})")
    await page.goto(f"{place.url}/customers/{id}")
    await empty(note)
    await expect(page.locator(".lc-draft-left")).to_have_count(0)
    assert await page.evaluate(KEPT) == []
