"""The player in real Chromium: what is left is silent, what cannot be had is said."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.chromium import WAIT_MS

from .conftest import Place
from .test_home_browser import entered
from .test_recordings import recorded

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LISTEN_IN = """
window.heard = { audios: [], contexts: [] };
for (const [name, found] of [["Audio", heard.audios], ["AudioContext", heard.contexts]]) {
  const original = window[name];
  window[name] = function (...given) {
    found.push(new original(...given));
    return found.at(-1);
  };
}
"""
SOUNDS = "() => heard.audios.some((each) => !each.paused && each.currentTime > 0)"
STATES = "() => [heard.audios.map((each) => each.paused && !each.src), heard.contexts.map((each) => each.state)]"


async def opened(browser: Browser, place: Place) -> Page:
    """The page of a leader, who sees all that his team has recorded."""
    context = await browser.new_context(locale="zh-CN", viewport={"width": 1366, "height": 768})
    context.set_default_timeout(WAIT_MS)
    await context.add_init_script(LISTEN_IN)
    return await entered(context, place, "1901")


async def test_a_recording_is_silent_when_its_page_is_left(place: Place, browser: Browser) -> None:
    recording, _ = await recorded(place, seconds=600)
    page = await opened(browser, place)
    await page.goto(f"{place.url}/calls/{recording.removesuffix('-r1')}")
    await expect(page.locator("[data-player].lc-drawn")).to_be_visible()
    await page.click("[data-play]")
    await page.wait_for_function(SOUNDS)
    await page.click(".lc-menu a[href='/board']")
    await expect(page.locator("#board")).to_be_visible()
    await page.wait_for_function(f"() => JSON.stringify(({STATES})()) === '[[true],[\"closed\"]]'")


async def test_a_comment_that_is_being_written_outlives_another_that_is_deleted(place: Place, browser: Browser) -> None:
    recording, _ = await recorded(place)
    page = await opened(browser, place)
    await page.goto(f"{place.url}/calls/{recording.removesuffix('-r1')}")
    at, text = page.locator(".lc-comment-form [name=at]"), page.locator(".lc-comment-form [name=text]")
    comments, marks = page.locator(".lc-comment"), page.locator(".lc-marks line")
    for n, written in enumerate(("问候", "道别"), 1):
        await at.fill(f"0:0{n}")
        await text.fill(written)
        await page.click(".lc-comment-form button")
        await expect(comments).to_have_count(n)
    await at.fill("0:03")
    await text.fill("说得好，但是")
    await comments.filter(has_text="问候").get_by_role("button", name="删除批注").click()
    await expect(comments).to_have_count(1)
    await expect(comments).to_contain_text("道别")
    await expect(marks).to_have_count(1)
    await expect(at).to_have_value("0:03")
    await expect(text).to_have_value("说得好，但是")
    await page.click(".lc-comment-form button")
    await expect(comments).to_have_count(2)


async def test_an_outline_that_does_not_come_is_told_and_had_by_the_next_click(place: Place, browser: Browser) -> None:
    recording, _ = await recorded(place)
    page = await opened(browser, place)

    async def lost(route: Route) -> None:
        await route.abort()

    await page.route("**/peaks", lost)
    await page.goto(f"{place.url}/calls/{recording.removesuffix('-r1')}")
    await expect(page.locator("[data-player] [data-trouble]")).to_have_text("录音暂时不能播放，请稍后再试。")
    await expect(page.locator("[data-player] [data-trouble]")).to_be_visible()
    await page.unroute("**/peaks", lost)
    await page.click("[data-play]")
    await page.wait_for_function(SOUNDS)
    await expect(page.locator("[data-player].lc-drawn [data-trouble]")).to_be_hidden()
