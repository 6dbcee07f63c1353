"""A double click on a page that changes between its halves, in real Chromium."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Locator, expect

from .conftest import Place
from .test_customers_browser import visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]


async def half(where: Locator, number: int) -> None:
    """That click of a double click."""
    box = await where.bounding_box()
    assert box
    mouse = where.page.mouse
    await mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await mouse.down(click_count=number)
    await mouse.up(click_count=number)


async def test_the_second_half_hits_nothing_of_the_next_page(place: Place, browser: Browser) -> None:
    her = await visit(browser, place, "admin")
    await her.goes_to("/customers/")
    begin, name = her.main.locator("#new"), her.main.locator("#f-name")
    back = her.main.locator("a[href='/customers/']").first
    await half(begin, 1)
    await expect(name).to_be_visible()
    await half(back, 2)
    await half(back, 3)
    await her.main.locator("#f-kind").select_option("company")  # by then a click of before would have led away
    await expect(name).to_be_visible()
    await half(back, 1)
    await expect(begin).to_be_visible()


async def test_both_halves_hit_what_stays(place: Place, browser: Browser) -> None:
    her = await visit(browser, place, "admin")
    await her.goes_to("/customers/new")
    heard = "window.heard = []; addEventListener('click', (event) => heard.push(event.detail))"
    await her.page.evaluate(heard)
    await her.main.locator("#f-name").dblclick()
    assert await her.page.evaluate("heard") == [1, 2]
