"""The settings in a real browser: what is typed is not lost, a year is edited by click, a double click does it once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Dialog, Page, async_playwright, expect

from tests.chromium import CHROMIUM

from .conftest import Place

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
async def page(place: Place) -> AsyncIterator[Page]:
    """An administrator's, without a fault in its console."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        shown = await browser.new_page(locale="zh-CN", viewport={"width": 1366, "height": 768})
        shown.set_default_timeout(60_000)
        faults: list[str] = []
        shown.on("pageerror", lambda error: faults.append(str(error)))
        await shown.goto(f"{place.url}/login")
        await shown.fill("#id", "admin")
        await shown.fill("#password", "demo-admin")
        await shown.click("#enter")
        await shown.wait_for_url("**/board")
        yield shown
        await browser.close()
        assert faults == []


async def test_a_queue_is_made_and_changed(place: Place, page: Page) -> None:
    await work_on_a_queue(place, page)


async def test_back_asks_before_it_takes_what_was_typed(place: Place, page: Page) -> None:
    asked: list[str] = []

    async def stay_once(dialog: Dialog) -> None:
        asked.append(dialog.type)
        await (dialog.dismiss() if len(asked) == 1 else dialog.accept())

    page.on("dialog", stay_once)
    rows, form = f"{place.url}/settings/queues/", f"{place.url}/settings/queues/sales"
    await page.goto(rows)
    await page.click("#rows a[href='/settings/queues/sales']")
    ring = page.locator("[name='ring_s']")
    before = await ring.input_value()
    await page.go_back()
    await expect(page.locator("#rows")).to_be_visible()  # nothing was changed: nothing is asked
    await page.go_forward()
    await expect(ring).to_have_value(before)
    await ring.fill("77")
    await page.go_back()
    await expect(page).to_have_url(form)
    await expect(ring).to_have_value("77")
    assert asked == ["confirm"]
    await page.go_back()
    await expect(page).to_have_url(rows)
    await expect(page.locator("#rows")).to_be_visible()
    await expect(ring).to_have_count(0)
    assert asked == ["confirm", "confirm"]


async def work_on_a_queue(place: Place, page: Page) -> None:
    dialogs: list[Dialog] = []

    async def stay(dialog: Dialog) -> None:
        dialogs.append(dialog)
        await dialog.dismiss()

    page.on("dialog", stay)
    await page.click('.lc-menu a[href="/settings/"]')
    await page.click('.lc-sections a[href="/settings/queues/"]')
    await page.click('#new[href="/settings/queues/+"]')  # the page before may have one of its own
    await page.fill("#f-id", "bar")
    await page.fill('[name="name"]', "吧台")
    await page.fill('[name="ring_s"]', "1")
    await page.click("#save")
    await expect(page.locator("#refused")).to_contain_text("1 处")
    await expect(page.locator('[name="name"]')).to_have_value("吧台")
    await expect(page.locator('[name="ring_s"]')).to_be_focused()
    await page.fill('[name="ring_s"]', "15")
    await page.dblclick("#save")
    await expect(page.locator("h2")).to_contain_text("成员")
    await page.fill("[data-pick-filter]", "1001")
    await expect(page.locator(".lc-pick:visible")).to_have_count(1)
    await page.click(".lc-pick:visible")
    await expect(page.locator(".lc-savebar-note")).to_contain_text("已修改")
    await page.click('.lc-sections a[href="/settings/phones/"]')
    await expect(page.locator("h2")).to_contain_text("成员")
    assert "未保存" in dialogs[0].message, "it is asked before what was ticked is lost"
    await page.click("#save")
    await expect(page.locator(".alert-success")).to_contain_text("bar")
    await page.fill("#q", "吧台")
    await expect(page.locator("#rows tbody tr")).to_have_count(1)
    await page.click("#rows tbody a.lc-open")
    await expect(page.locator(".lc-effects")).to_contain_text("1001")
    await page.click("#delete")
    await expect(page.locator("#in-use")).to_be_visible()
    async with place.client() as lq:
        agent = await lq.document("agents", "1001")
        queues = [queue for queue in agent.body["queues"] if queue != "bar"]
        await lq.put_document("agents", "1001", {**agent.body, "queues": queues})
        await page.reload()
        await page.click("#really")
        await page.wait_for_url("**/settings/queues/")
        assert "bar" not in {one.id for one in await lq.documents("queues")}
    assert len(dialogs) == 1


async def test_a_year_is_edited_by_click(place: Place, page: Page) -> None:
    await work_on_a_year(place, page)


async def work_on_a_year(place: Place, page: Page) -> None:
    async with place.client() as lq:
        await lq.put_document("calendars", "clicked", {"name": "点选", "holidays": ["2026-10-01/2026-10-02"]})
        await page.goto(f"{place.url}/settings/calendars/clicked")
        await page.click('[data-year="2026"]')
        for day, clicks in (
            ("2026-10-02", 1),
            ("2026-10-03", 1),
            ("2026-10-04", 1),
            ("2026-10-10", 2),
            ("2026-10-01", 3),
        ):
            for _ in range(clicks):
                await page.click(f'[data-day="{day}"]')
        await expect(page.locator(".lc-savebar-note")).to_contain_text("节假日")
        await page.click("#save")
        await page.wait_for_url("**/settings/calendars/?done=clicked")
        saved = (await lq.document("calendars", "clicked")).body
        assert saved["holidays"] == ["2026-10-01", "2026-10-03/2026-10-04"], saved
        assert saved["workdays"] == ["2026-10-02", "2026-10-10"], saved
        await lq.delete_document("calendars", "clicked")
