"""What is written in a search while its answer is on the way, in real Chromium."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import quote

import pytest
from playwright.async_api import Browser, Page, Route, expect

from .calls import now_ms, past_call
from .conftest import Place
from .test_customers import enter, some_number, unique
from .test_customers_browser import Visit, unforeseen, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MORE = ".lc-more .lc-fields"


class Late:
    """Holds up whatever is asked for with this in its address."""

    def __init__(self, part: str) -> None:
        self.part, self.asked, self.goes_on = part, asyncio.Event(), asyncio.Event()

    async def __call__(self, route: Route) -> None:
        if self.part in route.request.url:
            self.asked.set()
            await self.goes_on.wait()
        await route.continue_()


async def late(page: Page, part: str) -> Late:
    found = Late(part)
    await page.route("**", found)
    return found


@pytest.mark.parametrize(
    ("path", "choice", "value", "field", "typed"),
    [
        ("/calls/", "direction", "in", "number", "138"),
        ("/accounts/", "state", "on", "q", "王"),
        ("/accounts/audit", "action", "login", "about", "operator:1001"),
    ],
)
async def test_its_answer_leaves_alone_what_is_typed_meanwhile(
    place: Place, browser: Browser, path: str, choice: str, value: str, field: str, typed: str
) -> None:
    her = await visit(browser, place, "admin")
    await her.goes_to(path)
    found, written = her.main.locator("#found"), her.main.locator(f"#{field}")
    await her.main.evaluate("(main) => { (main.querySelector('#found') || main).dataset.old = 'yes'; }")
    answer = await late(her.page, f"{choice}={value}")
    await her.main.locator(f"#{choice}").select_option(value)
    await answer.asked.wait()
    await written.press_sequentially(typed)
    answer.goes_on.set()
    await expect(her.page).to_have_url(re.compile(rf"[?&]{choice}={value}(&|$)"))
    await expect(found).not_to_have_attribute("data-old", "yes")
    await expect(written).to_have_value(typed)
    await expect(written).to_be_focused()
    await expect(her.main.locator(f"#{choice}")).to_have_value(value)
    await her.main.get_by_role("link", name="清空").click()
    await expect(written).to_have_value("")
    await expect(her.main.locator(f"#{choice}")).to_have_value("")
    assert unforeseen(her) == []


async def test_more_conditions_stay_open_and_what_is_wrong_is_said_beside_its_field(
    place: Place, browser: Browser
) -> None:
    her = await visit(browser, place, "admin")
    await her.goes_to("/calls/")
    main = her.main
    await main.locator(".lc-more summary").click()
    await main.locator("#queue").select_option("sales")
    await expect(her.page).to_have_url(re.compile("queue=sales"))
    await expect(main.locator(MORE)).to_be_visible()
    await wrong(her, "abc", "号码只能包含数字。")
    await main.locator("#least").fill("x")
    await main.locator("#least").press("Enter")
    await expect(main.locator("#wrong-least")).to_have_text("请填秒数，或 1:30 这样的时长。")
    await main.locator("#least").fill("")
    await main.locator("#number").fill("1390000")
    await main.locator("#number").press("Enter")
    await expect(main.locator(".invalid-feedback")).to_have_count(0)
    await expect(main.locator("#least")).to_have_value("")
    await expect(main.locator("#queue")).to_have_value("sales")
    assert unforeseen(her) == []


async def test_a_chinese_word_is_sought_when_it_is_one(place: Place, browser: Browser) -> None:
    """Its letters are not; a text that is kept while it is written has them."""
    customer = await enter(await place.user("1001"), unique("拼音"))
    her = await visit(browser, place, "admin")
    await her.goes_to("/customers/")
    keyboard = await her.page.context.new_cdp_session(her.page)
    sought: list[str] = []
    her.page.on("request", lambda asked: sought.append(asked.url) if "/customers/?" in asked.url else None)
    field = her.main.locator("#q")
    await field.evaluate(
        "(field) => { window.heard = []; field.addEventListener('input', () => heard.push(field.value)); }"
    )

    async def types(*letters: str) -> None:
        for each in letters:
            place = {"selectionStart": len(each), "selectionEnd": len(each)}
            await keyboard.send("Input.imeSetComposition", {"text": each, **place})

    await field.focus()
    await types("z", "zh", "zhang")
    await expect(field).to_have_value("zhang")
    assert await her.page.evaluate("heard") == []
    await keyboard.send("Input.insertText", {"text": "张"})
    await expect(her.page).to_have_url(re.compile(f"[?&]q={quote('张')}"))
    assert set(await her.page.evaluate("heard")) == {"张"}
    assert [url.count(quote("张")) for url in sought] == [1]

    await her.goes_to(f"/customers/{customer}")
    await her.main.locator("#notes textarea").focus()
    await types("zh")
    await her.page.wait_for_function("() => JSON.stringify(localStorage).includes('zh')")
    await keyboard.send("Input.insertText", {"text": ""})
    assert unforeseen(her) == []


async def wrong(her: Visit, number: str, message: str) -> None:
    field = her.main.locator("#number")
    await field.fill(number)
    await field.press("Enter")
    await expect(her.main.locator("#wrong-number")).to_have_text(message)
    await expect(field).to_have_value(number)


async def test_days_and_the_file_are_those_of_the_search(place: Place, browser: Browser) -> None:
    await place.store(past_call(unique("search-"), now_ms(), some_number()).events)
    her = await visit(browser, place, "admin")
    await her.goes_to("/calls/")
    await her.page.evaluate("window.unreloaded = true")
    main = her.main
    active = main.locator(".lc-chip.active")
    await expect(active).to_have_text("今天")
    today = await main.locator("#from").input_value()
    await main.locator("#from").fill("2020-01-01")
    await main.locator("#from").press("Enter")
    await expect(active).to_have_count(0)
    await expect(main.locator("#export")).to_have_attribute("href", re.compile("from=2020-01-01"))
    await main.locator("#to").fill("2020-01-02")
    await main.locator("#to").press("Enter")
    await expect(main.locator("#export")).to_have_count(0)  # of nothing there is no file
    await main.get_by_role("link", name="今天").click()
    await expect(main.locator("#from")).to_have_value(today)
    await expect(active).to_have_text("今天")
    assert await her.page.evaluate("window.unreloaded") is True, "the soft phone has lived on"
    assert unforeseen(her) == []
