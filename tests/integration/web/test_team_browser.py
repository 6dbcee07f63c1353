"""The leader's page in real Chromium: what a second click is meant for, which limits are passed, whose calls."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
import redis
from playwright.async_api import Browser, Page, Route, expect

from lq.live import keys
from lq.live.redis import Live

from .calls import LiveCall, now_ms
from .conftest import Place
from .test_board import sign_in, sign_out
from .test_customers import enter, some_number, unique
from .test_customers_browser import visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

AGENT, LEADER = "1094", "1901"


@pytest.fixture
async def page(place: Place, live: Live, browser: Browser) -> AsyncIterator[Page]:
    """The leader's, with one agent who is ready."""
    await sign_in(place, live, AGENT)
    hers = await visit(browser, place, LEADER)
    await hers.goes_to("/team")
    await hers.page.locator(f".lc-tile[data-id='{AGENT}']").click()
    yield hers.page
    assert hers.faults == []
    await sign_out(place, AGENT)


async def talking(live: Live, page: Page, number: str) -> LiveCall:
    call = await LiveCall(live, f"team-{uuid.uuid4().hex[:8]}", number).start()
    await call.queue("support")
    assert call.agent == AGENT
    await call.answer()
    await expect(page.locator("#chosen [data-f=number]")).to_contain_text(number[-4:])
    return call


async def test_a_second_click_is_no_second_click_at_the_next_call(page: Page, live: Live) -> None:
    sent: list[str] = []

    async def released(route: Route) -> None:
        sent.append(route.request.post_data or "")
        await route.fulfill(status=200, content_type="application/json", body='{"message": "ok"}')

    await page.route("**/team/agents/*/release", released)
    release = page.locator("#chosen [data-do=release]")
    first = await talking(live, page, "13911110001")
    await release.click()
    await expect(release).to_have_text("再点一次确认")
    await first.end()
    second = await talking(live, page, "13911110002")
    await expect(release).to_have_text("强拆")
    await release.click()
    await expect(release).to_have_text("再点一次确认")
    assert sent == []
    await release.click()
    await expect(release).to_have_text("强拆")
    assert len(sent) == 1 and f"contact={second.id}&" in sent[0]
    await second.end()


async def test_the_customers_names_stand_where_their_calls_are(place: Place, page: Page, live: Live) -> None:
    number, name = some_number(), unique("客户")
    await enter(await place.user("admin"), name, number)
    call = await talking(live, page, number)
    tile = page.locator(f".lc-tile[data-id='{AGENT}']")
    await expect(tile.locator("[data-f=note]")).to_have_text(f"{name} {number[:3]}****{number[-4:]}")
    await expect(page.locator("#chosen [data-f=customer]")).to_have_text(name)
    waits = await LiveCall(live, f"team-{uuid.uuid4().hex[:8]}", number).start()
    await waits.queue()
    await expect(page.locator(f".lc-team-call[data-id='{waits.id}'] [data-f=number]")).to_contain_text(name)
    await waits.end("abandoned")
    await call.end()
    await expect(page.locator("#chosen [data-f=customer]")).to_be_hidden()


async def test_a_pause_longer_than_its_reason_allows_stands_out(place: Place, page: Page) -> None:
    tile, panel = page.locator(f".lc-tile[data-id='{AGENT}']"), page.locator("#chosen .lc-overlong")
    async with place.client() as lq:
        await lq.pause(AGENT, "meal")
        await expect(tile).to_have_attribute("data-state", "paused")
        await expect(tile.locator(".lc-overlong")).to_be_hidden()
        with redis.Redis.from_url(place.redis_url) as plain:
            plain.hset(keys.agent(AGENT), "since", now_ms() - 61 * 60_000)  # his meal may take 60 minutes
        await lq.put_document("pause_reasons", "team-browser", {"id": "team-browser", "name": "x"})  # all is read anew
        await expect(tile.locator(".lc-overlong")).to_be_visible()
        await expect(panel).to_be_visible()
        await lq.ready(AGENT)
        await expect(tile.locator(".lc-overlong")).to_be_hidden()
        await lq.delete_document("pause_reasons", "team-browser")
