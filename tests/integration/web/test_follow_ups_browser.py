"""Follow-ups in real Chromium: noted down in the card, told on whatever page is open, done in every tab at once."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from .conftest import Place
from .test_customers import enter, some_number, stored, unique
from .test_customers_browser import unforeseen, visit
from .test_follow_ups import due

pytestmark = [pytest.mark.browser, pytest.mark.slow]

AGENT = "1084"
EVIL = "'; <script>alert(1)</script>"


async def test_a_reminder_on_whatever_page_in_every_tab_until_it_is_done(place: Place, browser: Browser) -> None:
    customer = await enter(await place.user(AGENT), unique("客"), some_number())
    his = await visit(browser, place, AGENT)
    page, main = his.page, his.main
    count = page.locator('.lc-menu [data-count="follow-ups"]')
    reminders = page.locator("#reminders .lc-reminder")
    await expect(count).to_be_hidden()

    # Noted down in the card, impatiently, after a mistake; another moment takes the place of the button.
    await his.goes_to(f"/customers/{customer}")
    form = main.locator(".lc-follow-form")
    await form.locator('[name="due"]').fill("2020-01-01T09:00")
    await expect(form.locator('[name="when"]:checked')).to_have_count(0)
    await form.locator('[name="what"]').fill(EVIL)
    await form.locator(".btn-primary").click()
    await expect(form.locator(".invalid-feedback")).to_contain_text("已经过去")
    await expect(form.locator('[name="what"]')).to_have_value(EVIL)
    await form.get_by_text("1 小时后").click()
    await expect(form.locator('[name="due"]')).to_have_value("")
    await form.locator(".btn-primary").dblclick()
    lines = main.locator(".lc-follow-line")
    await expect(lines).to_have_count(1)
    await expect(lines).to_contain_text(EVIL)
    assert await stored(place, "select count(*) from follow_up where customer = $1", customer) == 1

    # Due in a moment: told at a page that has nothing to do with it, in both tabs, and after a reload.
    id = await due(place, AGENT, customer, 2, EVIL)
    other = await page.context.new_page()
    await other.goto(f"{place.url}/calls/")
    await his.goes_to("/board")
    for tab in (page, other):
        await expect(tab.locator("#reminders .lc-reminder")).to_have_count(1)
        await expect(tab.locator("#reminders [data-f=text]")).to_have_text(EVIL)
    await expect(count).to_be_visible()
    await page.reload()
    await expect(reminders).to_have_count(1)
    await expect(reminders.locator("[data-reminder-dial]")).to_be_enabled()

    # In ten minutes; and another one, done by a double click: gone from both.
    await reminders.locator("[data-follow=snooze]").click()
    for tab in (page, other):
        await expect(tab.locator("#reminders .lc-reminder")).to_have_count(0)
    assert await stored(place, "select remind_at > due_at from follow_up where id = $1", id) is True
    second = await due(place, AGENT, customer, 0, EVIL)
    await his.goes_to("/follow-ups/")
    await other.reload()
    for tab in (page, other):
        await expect(tab.locator("#reminders .lc-reminder")).to_have_count(1)
    await reminders.hover()  # where they all stand anyway it is one line
    await reminders.locator("[data-follow=done]").dblclick()
    for tab in (page, other):
        await expect(tab.locator("#reminders .lc-reminder")).to_have_count(0)
    await expect(main.locator("[data-group=done] tr")).to_have_count(1)
    async with place.rows() as rows:
        found = await rows.fetchrow("select done_by, version from follow_up where id = $1", second)
    assert tuple(found) == (AGENT, 2)

    # On its page: put off to Monday by its menu, and done.
    overdue = main.locator("[data-group=overdue] tr")
    await expect(overdue).to_have_count(1)
    await overdue.get_by_role("button", name="推迟").click()
    await overdue.locator("[data-when=monday]").click()
    await expect(overdue).to_have_count(0)
    to_do = main.locator("[data-group] [data-follow=done]")
    for left in (1, 0):
        await to_do.first.click()
        await expect(to_do).to_have_count(left)
    await expect(main.locator("[data-group=done] tr")).to_have_count(3)
    await expect(main.locator("#follow-list .empty-title")).to_have_text("没有要跟进的事")
    await expect(count).to_be_hidden()
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await page.evaluate(width) == 0
    assert his.asked == [] and unforeseen(his) == []
