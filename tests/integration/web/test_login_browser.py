"""Coming in with a second factor, in real Chromium: from the handed-over password to the code of the app."""

from __future__ import annotations

import re

import pyotp
import pytest
from playwright.async_api import async_playwright, expect

from tests.chromium import CHROMIUM, FLAGS, WAIT_MS, WATCH_POLICY

from .conftest import Place
from .test_people import GOOD, created

pytestmark = pytest.mark.browser


@pytest.mark.slow
async def test_the_first_day_of_a_careful_person(place: Place) -> None:
    id, first = await created(place, name="新人")
    faults: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        context = await browser.new_context(locale="zh-CN", viewport={"width": 1366, "height": 768})
        await context.add_init_script(WATCH_POLICY)
        page = await context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: faults.append(f"exception: {error}"))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)

        async def log_in(password: str) -> None:
            await page.goto(f"{place.url}/login")
            await page.fill("#id", id)
            await page.fill("#password", password)
            await page.click("#enter")

        await log_in(first)
        await page.wait_for_url("**/login/password*")
        await page.fill("#password", GOOD)
        await page.fill("#again", GOOD)
        await page.click("#enter")
        await page.wait_for_url("**/board")

        # The second factor, on his own page, whose links and forms change the content alone.
        await page.evaluate("window.unreloaded = true")
        await page.click(".lc-person")
        await page.click("#me")
        await page.fill("#totp-password", GOOD)
        await page.click("#totp button")
        await expect(page.locator(".lc-qr")).to_be_visible(timeout=WAIT_MS)
        otp = pyotp.TOTP(await page.locator("#secret").inner_text())
        await page.fill("#code", otp.now())
        await page.click("#totp button")
        codes = page.locator("#codes code")
        await expect(codes).to_have_count(10, timeout=WAIT_MS)
        recovery = await codes.first.inner_text()
        await expect(page.locator("#totp .lc-result")).to_have_text("已开启")
        assert await page.evaluate("window.unreloaded") is True

        async with place.rows() as rows:
            await rows.execute("update operator set totp_step = 0 where id = $1", id)  # as if minutes had passed
        for code in (otp.now(), recovery):
            await page.click(".lc-person")
            await page.click("#logout")
            await page.wait_for_url("**/login")
            await log_in(GOOD)
            await page.wait_for_url("**/login/code*")
            await page.fill("#code", code)
            await page.click("#enter")
            await page.wait_for_url("**/board")
        await page.goto(f"{place.url}/me/")
        await expect(page.locator("#totp")).to_contain_text(re.compile("还有 9 个恢复码"))
        await browser.close()
    assert faults == []
