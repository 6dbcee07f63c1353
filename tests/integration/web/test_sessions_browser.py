"""An open page when somebody logs in anew in the same browser, in real Chromium."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.chromium import WAIT_MS

from .conftest import Place
from .test_customers import enter, stored, unique
from .test_home_browser import entered

pytestmark = [pytest.mark.browser, pytest.mark.slow]

AGENT, OTHER = "1046", "1047"
OF_THE_PHONE = "Object.keys(sessionStorage).filter((name) => name.startsWith('browser-phone'))"
STREAM = re.compile(r"/live(\?|$)")
LISTEN_IN = """
window.EventSource = class extends EventSource {
  addEventListener(name, listener) {
    super.addEventListener(name, (event) => {
      if (window.old) sessionStorage.told = `${sessionStorage.told ?? ""} ${name}`;
      listener(event);
    });
  }
};
"""


async def lost(route: Route) -> None:
    await route.abort()


async def logs_in_anew(place: Place, page: Page, id: str) -> None:
    """In another tab, while the page hears nothing; without the logout that would drop what is not saved."""
    await page.route(STREAM, lost)
    await stored(place, "delete from web_session where operator = any ($1)", [AGENT, OTHER])
    await (await entered(page.context, place, id)).close()
    await expect(page.locator("#problems")).to_contain_text("与网页服务器的连接中断")
    await page.evaluate("window.old = true")
    await page.unroute(STREAM, lost)
    await page.wait_for_function("() => !window.old")


async def test_the_browsers_phone_of_who_was_here_before_is_not_the_next_ones(place: Place, browser: Browser) -> None:
    """He has gone out, or his session has ended meanwhile; it is one tab all the time."""
    context = await browser.new_context(locale="zh-CN", viewport={"width": 1366, "height": 768})
    context.set_default_timeout(WAIT_MS)
    page = await entered(context, place, AGENT)

    async def comes(id: str) -> None:
        await page.fill("#id", id)
        await page.fill("#password", f"demo-{id}")
        await page.click("#enter")
        await page.wait_for_url("**/board")

    for goes_out in (True, False):
        await page.evaluate("void browserPhone.start({ phone: '8046', quiet: true }).catch(() => {})")
        await page.reload()
        await page.wait_for_function("() => browserPhone.state === 'denied'")  # still his: there is no microphone here
        if goes_out:
            await page.click(".lc-person")
            await page.click("#logout")
            await page.wait_for_url("**/login")
            assert await page.evaluate(OF_THE_PHONE) == []
        else:
            await stored(place, "delete from web_session where operator = $1", AGENT)
            await page.goto(f"{place.url}/login")
        await comes(OTHER)
        assert (await page.evaluate("browserPhone.state"), await page.evaluate(OF_THE_PHONE)) == ("off", [])
        await stored(place, "delete from web_session where operator = $1", OTHER)
        await page.goto(f"{place.url}/login")
        await comes(AGENT)


async def test_a_page_of_a_session_before(place: Place, browser: Browser) -> None:
    context = await browser.new_context(locale="zh-CN", viewport={"width": 1366, "height": 768})
    context.set_default_timeout(WAIT_MS)
    await context.add_init_script(LISTEN_IN)
    customer = await enter(await place.user("1001"), unique("会话"))
    page = await entered(context, place, AGENT)
    await page.goto(f"{place.url}/customers/{customer}")
    note = page.locator("#notes textarea")
    await note.fill("还没有保存")

    # He himself: what he has written is there again, and can be saved.
    await logs_in_anew(place, page, AGENT)
    await expect(note).to_have_value("还没有保存")
    await page.click("#write")
    await expect(page.locator("#notes .lc-note")).to_contain_text("还没有保存")

    # Somebody else: the page is his now, and nothing else was told to the one of before.
    await page.goto(f"{place.url}/board")
    await expect(page.locator("#board:not(.lc-waiting)")).to_be_visible()
    await page.evaluate("sessionStorage.clear()")
    await logs_in_anew(place, page, OTHER)
    await expect(page.locator(".lc-person-name")).to_contain_text(OTHER)
    assert str(await page.evaluate("sessionStorage.told")).split() == ["problems"]
