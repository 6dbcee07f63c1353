"""Fields of one's own in real Chromium: defined by the administrator, filled in by an agent, retired and back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from .conftest import Place
from .test_customers import stored
from .test_customers_browser import AGENT, Visit, chinese, unforeseen, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOSTILE = "'; <script>"
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
async def fields(place: Place) -> AsyncIterator[None]:
    yield
    async with place.rows() as rows:
        await rows.execute("delete from customer_field")


async def defines(her: Visit, name: str, kind: str, *choices: str, whose: str = "both", required: bool = False) -> None:
    """By hand; with one line more than there are at first."""
    main = her.main
    await main.locator("#new").click()
    await main.locator("#d-name").fill(name)
    await expect(main.locator(".lc-choices")).to_be_hidden()
    await main.locator("#d-kind").select_option(kind)
    await main.locator("#d-whose").select_option(whose)
    await main.locator("#d-required").set_checked(required)
    for n, choice in enumerate(choices):
        lines = main.locator("#choice-rows input")
        if n == await lines.count():
            await main.get_by_role("button", name="添加选项").click()
            await expect(lines).to_have_count(n + 1)
        await lines.nth(n).fill(choice)
    await her.saves()
    await expect(main.locator("#fields .lc-open").filter(has_text=name)).to_have_count(1)


async def test_fields_of_ones_own(place: Place, browser: Browser, fields: None) -> None:
    her, his = await visit(browser, place, "admin"), await visit(browser, place, AGENT)
    name = chinese(6)
    await her.goes_to("/settings/")
    await her.main.locator(".lc-sections a[href='/customers/fields/']").click()
    await expect(her.main.locator(".empty-title")).to_have_text("还没有自己的字段")
    await defines(her, "来源", "choice", "展会", "网站", "朋友介绍", HOSTILE, required=True)
    await defines(her, HOSTILE, "text")
    await defines(her, "生日", "date", whose="person")
    await defines(her, "员工人数", "number", whose="company")
    for n in range(6):
        await defines(her, f"字段{n}", ("text", "number", "date", "flag", "lines", "text")[n])
    assert await stored(place, "select count(*) from customer_field") == 10, "impatient clicks made none twice"
    first = her.main.locator("#fields .lc-open").first
    await her.main.get_by_role("button", name="下移 来源").dblclick()
    await expect(first).to_have_text(HOSTILE)
    await her.main.get_by_role("button", name="上移 来源").click()
    await expect(first).to_have_text("来源")
    assert await her.page.evaluate(WIDER) == 0

    # An agent fills them in: those of persons alone for a person; what is missing is said, and nothing is lost.
    main = his.main
    await his.goes_to("/customers/new")
    await main.locator("#f-name").fill(name)
    hostile, born, staff = (main.get_by_label(label, exact=True) for label in (HOSTILE, "生日", "员工人数"))
    await expect(born).to_be_visible()
    await expect(staff).to_be_hidden()
    await main.locator("#f-kind").select_option("company")
    await expect(born).to_be_hidden()
    await staff.fill("很多")
    await hostile.fill(f"银{HOSTILE}")
    assert await his.page.evaluate(WIDER) == 0, "ten fields fit at 1366"
    await his.saves()
    await expect(main.locator(".invalid-feedback")).to_have_text(["请填写这一项。", "请填写数字，例如 1280.5。"])
    await expect(hostile).to_have_value(f"银{HOSTILE}")
    await expect(staff).to_have_value("很多")
    await staff.fill("1,200")
    await main.get_by_label("来源").select_option(label=HOSTILE)
    await his.saves()
    id = await his.is_at_a_card(name)
    await expect(main.locator(".lc-facts dd").filter(has_text="1200")).to_have_count(1)
    own = json.loads(await stored(place, "select own from customer where id = $1", id))
    assert sorted(own.values()) == sorted(["4", f"银{HOSTILE}", "1200"])

    # Found by a word of it, and by the choice.
    await his.goes_to("/customers/")
    await his.finds(f"银{HOSTILE} {name[:2]}", name)
    await main.locator("#own").select_option(label="网站")
    await expect(main.locator("#found .empty-title")).to_have_text("没有找到客户")
    await main.locator("#own").select_option(label=HOSTILE)
    await expect(his.rows.filter(has_text=name)).to_have_count(1)
    assert await his.page.evaluate(WIDER) == 0

    # Renamed with its values; retired after a question, which says how many have it; and back.
    await first.click()
    await expect(her.main.locator("#filled")).to_have_text("1 位客户")
    await her.main.locator("#d-name").fill("客户来源")
    await her.main.locator("#choice-rows input[type=checkbox]").last.check()
    await her.saves()
    await expect(first).to_have_text("客户来源")
    await his.goes_to(f"/customers/{id}")
    await expect(main.locator(".lc-facts div").filter(has_text="客户来源").locator("dd")).to_have_text(
        f"{HOSTILE}（已停用）"
    )
    await first.click()
    await her.main.locator("#retire").click()
    await expect(her.main.locator("#retired")).to_contain_text("客户来源")
    assert her.asked == ["confirm: 停用后不再显示和填写；已填写的内容保留，可以随时恢复。确定停用？"]
    await his.page.reload()
    await his.is_at_a_card(name)
    await expect(main.locator(".lc-facts")).not_to_contain_text("客户来源")
    await her.main.locator("#retired").get_by_role("button", name="重新启用").click()
    await expect(her.main.locator("#fields .lc-open").last).to_have_text("客户来源")
    await his.page.reload()
    await expect(main.locator(".lc-facts div").filter(has_text="客户来源").locator("dd")).to_have_text(
        f"{HOSTILE}（已停用）"
    )
    assert unforeseen(her) == unforeseen(his) == []
