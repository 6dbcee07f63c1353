"""What the desk stands on goes away in a call: it says so, comes back by itself, and nothing is done twice."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Locator, expect

from tests.center import CALL_PATH, Center
from tests.conftest import OwnCenter
from tests.scenarios.conftest import Scene
from tests.scenarios.desks import TALKING, Desk, hear, sits_down
from tests.scenarios.stage import AGENT, CUSTOMER, TONES
from tests.scenarios.test_web import Visiting, browser, visiting
from tests.simulator.call import Call
from tests.simulator.events import Events
from tests.simulator.matrix import MUSIC
from tests.simulator.place import Place
from tests.simulator.rtp import Media

__all__ = ["browser", "visiting"]

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.kills]

CUSTOMER_NAMED: Final = {"张伟": "13816550021", "刘敏": "13761220034"}  # of the demo world
BACK_S: Final = 60.0
BACK_MS: Final = 60_000
UNREACHABLE: Final = ("ERR_", "status of 503", "htmx:afterRequest", "htmx:sendError")  # in the browser's console


@dataclass
class Ground:
    center: Center
    scene: Scene

    async def dials(self, customer: str) -> Call:
        call = await self.scene.dial("4008001001", CUSTOMER_NAMED[customer])
        call.say(TONES[CUSTOMER])
        return call

    async def dies(self, service: str, desk: Desk) -> None:
        """Killed; it is back when the desk complains of nothing any more."""
        await self.is_back(service, self.center.kill(service), desk)

    async def is_back(self, service: str, killed: int, desk: Desk) -> None:
        await self.center.back(service, killed, BACK_S)
        await expect(problems(desk)).to_have_count(0, timeout=BACK_MS)


@pytest.fixture
async def ground(own_center: OwnCenter, tmp_path: Path) -> AsyncIterator[Ground]:
    center = own_center(LCALL_ONLY=f"{CALL_PATH},web")
    place, media = Place.of(center), Media()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, media.close)
        lq = await stack.enter_async_context(place.client())
        events = await stack.enter_async_context(Events(lq))
        gateway = await stack.enter_async_context(place.gateway(media=media))
        yield Ground(center, Scene(place, lq, events, gateway, media, tmp_path, stack))
        assert '"level": "error"' not in center.log("web"), "the web's log tells of a fault of ours"


def problems(desk: Desk) -> Locator:
    return desk.page.locator(".lc-problem")


def told(desk: Desk) -> Locator:
    return desk.page.locator(".lc-told")


def forgive(desk: Desk) -> None:
    """What the browser said itself while nobody answered."""
    desk.visit.faults[:] = [fault for fault in desk.visit.faults if not any(why in fault for why in UNREACHABLE)]


async def test_everything_dies_in_one_call(ground: Ground, visiting: Visiting) -> None:
    center, scene = ground.center, ground.scene
    desk = await sits_down(scene, visiting, center.web, "1001", AGENT)
    await desk.signs_in()
    caller = await ground.dials("张伟")
    talk = await desk.answers()
    contact = await scene.contact(caller)
    both = {CUSTOMER: caller, AGENT: talk}
    await hear(scene, both, TALKING)
    await expect(desk.card.locator(".lc-person-title")).to_contain_text("张伟")

    # The web, with a note half sent: what he wrote stays, and is saved once.
    writing = desk.card.locator(".lc-write textarea")
    await writing.fill("网页断线")
    killed = center.kill("web")
    await desk.page.click("#pop-write")
    await expect(told(desk)).to_contain_text("网页服务器没有响应")
    await expect(writing).to_have_value("网页断线")
    await expect(problems(desk)).to_contain_text("正在重新连接")
    await ground.is_back("web", killed, desk)
    await desk.page.dblclick("#pop-write")
    await expect(desk.notes.filter(has_text="网页断线")).to_have_count(1)
    await hear(scene, both, TALKING)

    # A web that hangs ends no connection: its silence is noticed.
    center.freeze("web")
    await expect(problems(desk)).to_contain_text("正在重新连接", timeout=BACK_MS)
    center.thaw("web")
    await expect(problems(desk)).to_have_count(0, timeout=BACK_MS)
    await desk.is_("talking")

    # The api: no order reaches the call, and he is told; then the same button does it.
    center.freeze("api")
    await expect(problems(desk)).to_contain_text("LQ-SDK")
    await desk.does("hold")
    await expect(told(desk)).to_contain_text("操作没有完成", timeout=BACK_MS)
    await ground.dies("api", desk)
    if await desk.button("hold").is_visible():  # the hung api may have carried it out before it died
        await desk.does("hold")
    await expect(desk.call.locator("[data-c='label']")).to_have_text("保持中")
    await hear(scene, {CUSTOMER: caller}, {CUSTOMER: {MUSIC}})
    await desk.does("resume")
    await hear(scene, both, TALKING)

    # Redis: hung, then killed.
    center.freeze("redis")
    await expect(problems(desk)).to_contain_text(re.compile("Redis|LQ-SDK"))
    await ground.dies("redis", desk)
    await desk.is_("talking")
    await desk.does("mute")
    await expect(desk.call.locator("[data-mark='muted']")).to_be_visible()
    await hear(scene, both, {CUSTOMER: frozenset(), AGENT: {CUSTOMER}})
    await desk.does("unmute")
    await hear(scene, both, TALKING)

    # PostgreSQL: the call does not need it, the note does.
    center.freeze("postgres")
    await expect(problems(desk)).to_contain_text("数据库")
    await writing.fill("数据库断线")
    await desk.page.click("#pop-write")
    await expect(told(desk)).to_contain_text("没有保存", timeout=BACK_MS)
    await expect(writing).to_have_value("数据库断线")
    center.thaw("postgres")
    await expect(problems(desk)).to_have_count(0, timeout=BACK_MS)
    await desk.page.dblclick("#pop-write")
    await expect(desk.notes.first).to_have_text("数据库断线")
    await expect(desk.notes.filter(has_text="断线")).to_have_text(["数据库断线", "网页断线"])

    await desk.does("hang-up")
    await caller.ended()
    await desk.says_what_it_was_about("price")
    assert await desk.page.evaluate("window.unreloaded") is True
    cdr = await scene.cdr(contact, 30)
    assert (cdr.result, cdr.agent, cdr.ended_by) == ("answered", "1001", "agent")
    assert scene.story(contact).count("contact_held") == 1
    forgive(desk)


async def test_the_card_of_a_call_that_comes_meanwhile(ground: Ground, visiting: Visiting) -> None:
    center, scene = ground.center, ground.scene
    desk = await sits_down(scene, visiting, center.web, "1001", AGENT)
    await desk.signs_in()
    who = desk.card.locator(".lc-person-title")

    # While PostgreSQL is away: the call is there, and the customer as soon as it is back.
    center.freeze("postgres")
    await expect(problems(desk)).to_contain_text("数据库")
    caller = await ground.dials("张伟")
    talk = await desk.answers()
    await hear(scene, {CUSTOMER: caller, AGENT: talk}, TALKING)
    await expect(desk.page.locator("#pop [role='alert']")).to_be_visible(timeout=BACK_MS)
    center.thaw("postgres")
    await expect(who).to_contain_text("张伟", timeout=BACK_MS)
    await expect(desk.card).to_have_count(1)
    await caller.hang_up()
    await desk.says_what_it_was_about("price")

    # While the web is: the page finds the call that rings, and its card.
    killed = center.kill("web")
    caller = await ground.dials("刘敏")
    assert desk.phone is not None
    rings = await desk.phone.rings(20)
    await ground.is_back("web", killed, desk)
    await desk.is_("ringing")
    await expect(desk.card).to_have_attribute("data-contact", await scene.contact(caller))
    await expect(who).to_contain_text("刘敏")
    await desk.does("answer")
    await rings.answered()
    rings.say(TONES[AGENT])
    await hear(scene, {CUSTOMER: caller, AGENT: rings}, TALKING)
    await caller.hang_up()
    await desk.is_("wrap_up")
    assert await desk.page.evaluate("window.unreloaded") is True
    forgive(desk)
