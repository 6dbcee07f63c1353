"""Customers in real Chromium, beside the soft phone: entered, found, changed, merged, deleted and back, brought in."""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import dataclass, field

import pytest
from playwright.async_api import Browser, Dialog, FilePayload, Locator, Page, expect

from tests.chromium import WAIT_MS, WATCH_POLICY
from tests.unit.web.test_customer_rules import sheet

from .conftest import Place
from .test_customers import NAUGHTY, some_number, some_numbers, stored, unique

pytestmark = [pytest.mark.browser, pytest.mark.slow]

AGENT = "1046"
SOUGHT = "new URLSearchParams(location.search).get('q')"
CARD = re.compile(r"/customers/\d+$")


@dataclass
class Visit:
    """A page, what its browser complained of, and what it was asked."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @property
    def main(self) -> Locator:
        """Beside it stand soft phone and screen pop, with fields of their own."""
        return self.page.locator("#main")

    @property
    def rows(self) -> Locator:
        return self.main.locator(".lc-customers tbody tr.lc-row")

    async def goes_to(self, path: str) -> None:
        await self.page.goto(self.url + path)

    async def saves(self) -> None:
        """Impatiently."""
        await self.main.locator("#save").dblclick()

    async def is_at_a_card(self, name: str) -> int:
        await expect(self.main.locator(".lc-person-title")).to_contain_text(name)
        await expect(self.page).to_have_url(CARD)
        return int(self.page.url.rpartition("/")[2])

    async def enters(self, name: str, number: str = "") -> None:
        await self.goes_to("/customers/")
        await self.main.locator("#new").click()
        await self.main.locator("#f-name").fill(name)
        await self.main.locator("[name='number-0']").fill(number)
        await self.saves()

    async def seeks(self, text: str) -> None:
        await self.main.locator("#q").fill(text)

    async def finds(self, text: str, name: str) -> None:
        await self.seeks(text)
        async with asyncio.timeout(WAIT_MS / 1000):
            while await self.page.evaluate(SOUGHT) != text:  # noqa: ASYNC110 - the page is asked
                await asyncio.sleep(0.05)
        await expect(self.rows.filter(has_text=name)).to_have_count(1)


async def visit(browser: Browser, place: Place, id: str) -> Visit:
    context = await browser.new_context(locale="zh-CN", viewport={"width": 1366, "height": 768})
    await context.add_init_script(WATCH_POLICY)
    new = Visit(await context.new_page(), place.url)
    new.page.set_default_timeout(WAIT_MS)

    async def answer(dialog: Dialog) -> None:
        new.asked.append(f"{dialog.type}: {dialog.message}")
        await dialog.accept()

    new.page.on("dialog", answer)
    new.page.on("pageerror", lambda error: new.faults.append(f"exception: {error}"))
    new.page.on("console", lambda said: new.faults.append(said.text) if said.type == "error" else None)
    await new.goes_to("/login")
    await new.page.fill("#id", id)
    await new.page.fill("#password", f"demo-{id}")
    await new.page.click("#enter")
    await new.page.wait_for_url("**/board")
    await new.page.evaluate("window.unreloaded = true")
    return new


def unforeseen(visit: Visit) -> list[str]:
    """What the browser complained of, beyond its word of each answer that refuses and of what a new page broke off."""
    expected = re.compile(r"status of (409|422)|^htmx:(afterRequest|sendAbort|sendError)")
    return [fault for fault in visit.faults if not expected.search(fault)]


def chinese(length: int) -> str:
    """A word that nobody else has."""
    return "".join(chr(random.randrange(0x4E00, 0x9FA5)) for _ in range(length))


async def test_a_customers_life(place: Place, browser: Browser) -> None:
    his = await visit(browser, place, AGENT)
    page, main = his.page, his.main
    name, number = chinese(8), some_number()

    # Entered with a number that cannot be read: said beside it, and nothing is lost; then once, by a double click.
    await page.click(".lc-menu a[href='/customers/']")
    await main.locator("#new").click()
    await main.locator("#f-name").fill(name)
    await main.locator("#f-tags").fill("老客户，茶")
    await main.locator("[name='number-0']").fill("12")
    await his.saves()
    await expect(main.locator(".lc-phone-row .invalid-feedback")).to_contain_text("号码无法识别")
    await expect(main.locator("#f-name")).to_have_value(name)
    await main.locator("[name='number-0']").fill(number)
    await his.saves()
    id = await his.is_at_a_card(name)
    assert await stored(place, "select count(*) from customer where name = $1", name) == 1
    await expect(main.locator(".lc-tel-number")).to_have_text([f"139****{number[-4:]}"])
    await expect(main.locator(".lc-dial")).to_be_enabled()
    assert await page.evaluate("window.unreloaded") is True, "the soft phone has lived on"

    # Changed: another number, an address; what is whole to nobody cannot be overwritten.
    second = some_number()
    await main.locator("#edit").click()
    await expect(main.locator("[name='number-0']")).not_to_be_editable()
    await main.locator("#f-address").fill("西湖区龙井路 1 号")
    await main.get_by_role("button", name="添加号码").click()
    rows = main.locator(".lc-phone-row [name^='number-']")
    await expect(rows).to_have_count(2)
    await rows.last.fill(second)
    await his.saves()
    await his.is_at_a_card(name)
    await expect(main.locator(".lc-tel-number")).to_have_count(2)
    await expect(main.locator(".lc-facts")).to_contain_text("龙井路")

    # Somebody else with the same number: told who has it, and a customer of his own if it is so.
    other = chinese(8)
    await his.enters(other, number)
    told = main.locator(".alert-warning")
    await expect(told).to_contain_text(name)
    await expect(main.locator("#f-name")).to_have_value(other)
    assert await stored(place, "select count(*) from customer where name = $1", other) == 0
    await main.locator("#anyway").check()
    await main.locator("#f-address").fill("西湖区虎跑路 2 号")
    await his.saves()
    gone = await his.is_at_a_card(other)
    assert gone != id

    # Found by a part of the name, of the address, the last digits, the whole number, with blanks in it.
    await his.goes_to("/customers/")
    for text in (name[3:5], name[6:], "井路 1", number[-4:], f"{number[:3]} {number[3:7]} {number[7:]}"):
        await his.finds(text, name)
    await his.seeks(name[5] + name[2])
    await expect(main.locator("#found .empty-title")).to_have_text("没有找到客户")
    await his.finds(name[2:4], name)
    await his.rows.locator(".lc-open").click()
    await his.is_at_a_card(name)
    await page.go_back()
    await expect(main.locator("#q")).to_have_value(name[2:4])
    await expect(his.rows).to_have_count(1)

    # The two are one.
    await his.rows.locator(".lc-open").click()
    await main.locator("#merge").click()
    await main.locator("#candidates .lc-row").filter(has_text=other).locator(".lc-open").click()
    await main.locator("[name='take-address'][value='other']").check()
    await main.locator("#merge-now").dblclick()
    await his.is_at_a_card(name)
    await expect(main.locator(".lc-facts")).to_contain_text("虎跑路")
    assert await stored(place, "select merged_into from customer where id = $1", gone) == id

    # Into the recycle bin, and back.
    await main.locator("#delete").click()
    await expect(main.locator("#q")).to_be_visible()
    assert his.asked == ["confirm: 删除后可以在回收站里恢复。确定删除？"]
    await his.seeks(name[2:5])
    await expect(main.locator("#found .empty-title")).to_have_text("没有找到客户")
    await main.locator("a[href='/customers/bin']").click()
    line = main.locator("tbody tr").filter(has=page.locator(f"a[href='/customers/{id}']")).filter(has_text="恢复")
    await line.get_by_role("button", name="恢复").click()
    assert await his.is_at_a_card(name) == id
    await expect(main.locator("#edit")).to_be_visible()
    await his.goes_to("/customers/")
    await his.finds(name[2:5], name)
    assert unforeseen(his) == []


async def test_two_change_the_same_customer(place: Place, browser: Browser) -> None:
    his, hers = await visit(browser, place, AGENT), await visit(browser, place, "1047")
    name = chinese(6)
    await his.enters(name)
    id = await his.is_at_a_card(name)
    for each in (his, hers):
        await each.goes_to(f"/customers/{id}/edit")
    await hers.main.locator("#f-address").fill("她写的")
    await hers.saves()
    await hers.is_at_a_card(name)
    await his.main.locator("#f-address").fill("他写的")
    await his.saves()
    await expect(his.main.locator(".alert-warning")).to_contain_text("您写的内容都还在")
    await expect(his.main.locator(".lc-theirs q")).to_have_text(["她写的"])
    await expect(his.main.locator("#f-address")).to_have_value("他写的")
    await his.saves()
    await his.is_at_a_card(name)
    assert await stored(place, "select address from customer where id = $1", id) == "他写的"
    assert unforeseen(his) == unforeseen(hers) == []


async def test_a_file_is_brought_in(place: Place, browser: Browser) -> None:
    her = await visit(browser, place, "admin")
    main, mark, number = her.main, unique("导入"), some_number()
    await her.page.click(".lc-menu a[href='/customers/']")
    await main.locator("a[href='/customers/import']").click()
    for content, told in ((b"nothing", "这不是 Excel 工作簿"), (sheet(("a",), ("b",)), "没有“名称”一列")):
        await main.locator("#file").set_input_files(_file(content))
        await main.locator("#look").click()
        await expect(main.locator(".invalid-feedback")).to_contain_text(told)
    good = [(f"{mark}{n}", each, "VIP 客户") for n, each in enumerate([number, *some_numbers(59)])]
    rows = (("名称", "号码", "等级"), *good, ("", "12", "国王"), ("<b>粗体</b>", "", ""))
    await main.locator("#file").set_input_files(_file(sheet(*rows)))
    await main.locator("#look").click()
    await expect(main.locator("#start")).to_contain_text("导入 61 行")
    await expect(main.locator("td.lc-wrong")).to_have_count(3)
    await main.locator("#start").dblclick()
    await expect(main.locator("#import-done")).to_be_visible()
    await expect(main.locator("#taken")).to_have_text("61")
    assert await stored(place, "select count(*) from customer where name like $1", f"{mark}%") == 60

    # All of it is found, by any digits of a number too; and again nobody comes twice.
    await main.locator("#import-done a").click()
    await her.finds(number[3:9], f"{mark}0")
    await her.finds(f"{mark}59", f"{mark}59")
    await her.goes_to("/customers/import")
    await main.locator("#file").set_input_files(_file(sheet(*rows[:-2])))
    await main.locator("#look").click()
    await main.locator("#start").click()
    await expect(main.locator("#known")).to_have_text("60")
    await expect(main.locator("#import-done")).to_be_visible()
    assert await stored(place, "select count(*) from customer where name like $1", f"{mark}%") == 60
    assert unforeseen(her) == []


def _file(content: bytes) -> FilePayload:
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return FilePayload(name="客户 '; <b>.xlsx", mimeType=kind, buffer=content)


async def test_hostile_and_very_long_names_are_names(place: Place, browser: Browser) -> None:
    his = await visit(browser, place, AGENT)
    long = ("W" * 70, chinese(70), "very long words of many letters " * 2)
    for text in (*NAUGHTY, *long):
        mark = unique("标")
        name = f"{text.strip()} {mark}"
        await his.enters(name)
        await expect(his.main.locator(".lc-person-title")).to_contain_text(mark)
        written = await stored(place, "select name from customer where name like $1", f"%{mark}")
        await expect(his.main.locator(".lc-person-title")).to_have_text(written)
        await his.goes_to("/customers/")
        await his.finds(mark, mark)
        await expect(his.rows).to_have_count(1)
        await expect(his.rows.locator(".lc-open")).to_have_text(written)
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await his.page.evaluate(width) == 0, f"the page is wider than the screen: {written}"
    assert his.asked == [] and unforeseen(his) == []
