"""The wall's figures over several queues: in real Chromium, beside what the board says."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime

import pytest
from playwright.async_api import Browser, Route, expect

from lq.live.redis import Live
from tests.unit.ledger.lives import Life

from .calls import LiveCall, now_ms, past_call, today_ms
from .conftest import Place
from .stream import following
from .test_home import LEADER
from .test_home_browser import entered, made

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MISDIALLED = 6


def ago(ms: int) -> int:
    """So long ago, but today."""
    return max(now_ms() - ms, today_ms())


def life(ago_ms: int) -> Life:
    return Life(f"wall-{uuid.uuid4().hex}", ago(ago_ms)).start()


@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_the_hour_after_midnight_is_zero(browser: Browser, place: Place, language: str) -> None:
    """Where it is that hour now."""
    hour = datetime.now(UTC).hour
    zone = f"Etc/GMT+{hour}" if hour <= 12 else f"Etc/GMT-{24 - hour}"

    async def elsewhere(route: Route) -> None:
        answer = await route.fetch()
        page = re.sub('data-zone="[^"]+"', f'data-zone="{zone}"', await answer.text())
        await route.fulfill(response=answer, body=re.sub('data-language="[^"]+"', f'data-language="{language}"', page))

    wall = await entered(await made(browser, []), place, LEADER)
    await wall.route("**/wall", elsewhere)
    await wall.goto(f"{place.url}/wall")
    await expect(wall.locator(".lc-wall-clock")).to_have_text(re.compile(r"^0[01]:\d\d:\d\d$"))


async def test_who_misdialled_weighs_nothing_in_the_service_level_of_the_day(
    browser: Browser, place: Place, live: Live
) -> None:
    faults: list[str] = []
    leader = await place.user(LEADER)
    async with following(leader.http) as stream:
        await stream.until(lambda s: s.totals.get("answered") is not None, "today")
        async with place.client() as lq:  # the board's may be of a minute ago, before what other tests have stored
            today = {queue.id: queue for queue in await lq.queues() if queue.id in stream.queues}
        answered, abandoned = (
            sum(getattr(each, name) for each in today.values()) for name in ("answered", "abandoned")
        )
        in_time = past_call(f"wall-{uuid.uuid4().hex}", ago(60_000), "13800130000")
        late = life(120_000).queue("support").wait(90_000).offer().answer(queue="support").wait(1000).end("answered")
        for each in (in_time, late, *(life(5000).queue().wait(900).end("abandoned") for _ in range(MISDIALLED))):
            await place.store(each.events)
        wall = await entered(await made(browser, faults), place, LEADER)
        await wall.goto(f"{place.url}/wall")
        moves = await LiveCall(live, f"wall-{uuid.uuid4().hex}").start()  # something moves: the figures are read again
        await moves.queue("support")
        await moves.end("abandoned")
        await stream.until(
            lambda s: s.totals["answered"] == answered + 2 and s.totals["abandoned"] == abandoned + MISDIALLED,
            "all of them",
        )
        shown = list(stream.queues.values())
        level = sum(queue["in_time"] for queue in shown) / sum(queue["counted"] for queue in shown)
        assert stream.totals["level"] == pytest.approx(level)
        assert stream.queues["sales"]["counted"] == today["sales"].counted + 1
        await expect(wall.locator('[data-figure="level"] strong')).to_have_text(f"{int(level * 100 + 0.5)}%")
    assert faults == []
