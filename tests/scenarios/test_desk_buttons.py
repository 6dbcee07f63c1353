"""The buttons of the desk and of the leader's page that no working day needs often, in real Chromium, by ear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import asyncpg
import pytest
from playwright.async_api import Locator, expect

from ops.home import read_secrets
from ops.services import DATABASE
from tests.center import Center
from tests.scenarios.conftest import Scene, is_read, line
from tests.scenarios.desks import TALKING, Desk, hear
from tests.scenarios.stage import AGENT, COLLEAGUE, CUSTOMER, LEADER
from tests.scenarios.test_desk import Sitting, dials, sitting
from tests.scenarios.test_web import browser, visiting
from tests.simulator.matrix import MUSIC
from tests.simulator.rtp import HeardKey

__all__ = ["browser", "sitting", "visiting"]

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LINE, OTHER = line(24), line(25)
WITH_LEADER: Final = {CUSTOMER: {LEADER}, LEADER: {CUSTOMER}}


class Team:
    """The leader's page with one agent chosen."""

    def __init__(self, leader: Desk, agent: Desk) -> None:
        self.page, self.agent = leader.page, agent
        self.chosen = leader.page.locator("#chosen .lc-chosen")

    async def opens(self) -> None:
        await self.page.click(".lc-menu a[href='/team']")
        await expect(self.page.locator("#team:not(.lc-waiting)")).to_be_visible()
        await self.page.locator(f".lc-tile[data-id='{self.agent.agent}']").click()

    def button(self, action: str) -> Locator:
        return self.chosen.locator(f"[data-do='{action}']")

    async def does(self, action: str, *, sure: bool = False) -> None:
        """`sure`: what is hard asks to be clicked once more."""
        await expect(self.button(action)).to_be_enabled()
        await self.button(action).click()
        if sure:
            await expect(self.button(action)).to_have_text("再点一次确认")
            await self.button(action).click()


async def leads(center: Center, leader: str, queue: str) -> None:
    """What waits in this queue is his team's."""
    rows = await asyncpg.connect(
        f"postgresql://lcall:{read_secrets(center.home).postgres}@127.0.0.1:{center.ports.postgres}/{DATABASE}"
    )
    try:
        await rows.execute(
            "update team set queues = array_append(array_remove(queues, $2), $2)"
            " where id = (select team from operator where id = $1)",
            *(leader, queue),
        )
    finally:
        await rows.close()


async def test_a_leader_takes_over_sends_back_picks_up_and_releases(
    scene: Scene, center: Center, sitting: Sitting
) -> None:
    await leads(center, "1901", OTHER.queue)
    anna, leader = await sitting(OTHER.agents[0], AGENT), await sitting("1901", LEADER)
    team = Team(leader, anna)
    await leader.signs_in()
    await anna.signs_in()
    await team.opens()

    # 拦截: the customer is the leader's now, and the agent wraps up.
    caller, contact = await dials(scene, OTHER)
    talk = await anna.answers()
    await hear(scene, {CUSTOMER: caller, AGENT: talk}, TALKING)
    await team.does("take-over", sure=True)
    ear = await leader.lifts()
    await talk.ended()
    await hear(scene, {CUSTOMER: caller, LEADER: ear}, WITH_LEADER)
    await anna.is_("wrap_up")
    await leader.does("hang-up")
    await caller.ended()
    await leader.says_what_it_was_about()
    cdr = await scene.cdr(contact)
    assert (cdr.result, cdr.agent, cdr.ended_by) == ("answered", "1901", "agent")

    # 强制示闲, and the next call. 拆回队列: it waits again, at the head; 抢接: the leader takes what waits.
    await team.does("ready")
    await anna.is_("ready")
    caller, contact = await dials(scene, OTHER)
    talk = await anna.answers()
    await hear(scene, {CUSTOMER: caller, AGENT: talk}, TALKING)
    await team.does("release-back", sure=True)
    await talk.ended()
    await anna.is_("wrap_up")
    await hear(scene, {CUSTOMER: caller}, {CUSTOMER: {MUSIC}})
    waiting = team.page.locator(f".lc-team-call[data-id='{contact}']")
    await waiting.locator("[data-pick]").click()
    ear = await leader.lifts()
    await hear(scene, {CUSTOMER: caller, LEADER: ear}, WITH_LEADER)
    await expect(waiting).to_have_count(0)
    await caller.hang_up()
    await ear.ended()
    await leader.says_what_it_was_about()
    assert (await scene.cdr(contact)).agent == "1901"

    # 强拆: the call is over. 强制示忙, 强制签出.
    await team.does("ready")
    await anna.is_("ready")
    caller, contact = await dials(scene, OTHER)
    await anna.answers()
    await team.does("release", sure=True)
    await caller.ended()
    assert (await scene.cdr(contact)).result == "answered"
    await anna.is_("wrap_up")
    await team.page.locator("#team-reason").select_option("training")
    await team.does("pause")
    await anna.is_("paused")
    await team.does("sign-out", sure=True)
    await anna.is_("signed_out")


@pytest.fixture
async def on_demand(scene: Scene, center: Center, sitting: Sitting) -> AsyncIterator[None]:
    """Calls of the line are recorded when an agent says so."""
    wanted = {
        ("numbers", LINE.number): {"recording": "whole", "notice": "none"},
        ("queues", LINE.queue): {"recording": "on_demand"},
    }
    before = {key: dict((await scene.lq.document(*key)).body) for key in wanted}
    for key, more in wanted.items():
        await scene.lq.put_document(*key, before[key] | more)
    await is_read(center, (await scene.lq.health()).config_version)
    yield
    for key, body in before.items():
        await scene.lq.put_document(*key, body)


@pytest.mark.usefixtures("on_demand")
async def test_an_agent_adds_a_colleague_cancels_records_and_presses_keys(scene: Scene, sitting: Sitting) -> None:
    anna, ben = await sitting(LINE.agents[0], AGENT), await sitting(LINE.agents[1], COLLEAGUE)
    await anna.signs_in()
    caller, contact = await dials(scene, LINE)
    talk = await anna.answers()
    await ben.signs_in()
    await hear(scene, {CUSTOMER: caller, AGENT: talk}, TALKING)

    # A consultation that is cancelled: the colleague is let go, the customer is back.
    await anna.does("transfer")
    await anna.page.locator(f".lc-who [data-to='{ben.agent}']").click()
    await anna.does("consult")
    second = await ben.answers()
    await hear(
        scene,
        {CUSTOMER: caller, AGENT: talk, COLLEAGUE: second},
        {CUSTOMER: {MUSIC}, AGENT: {COLLEAGUE}, COLLEAGUE: {AGENT}},
    )
    await anna.does("cancel")
    await second.ended()
    await hear(scene, {CUSTOMER: caller, AGENT: talk}, TALKING)
    await ben.says_what_it_was_about("other")

    # 三方: he is called into the talk, refuses once, then comes; the agent leaves.
    for takes in (False, True):
        await anna.does("add")
        await anna.page.locator(f".lc-who [data-to='{ben.agent}']").click()
        await anna.does("add-to")
        await ben.is_("ringing")
        if not takes:
            assert ben.phone is not None
            refused = await ben.phone.rings()
            await ben.does("reject")
            await refused.ended()
            await ben.is_("ready")
            await hear(scene, {CUSTOMER: caller, AGENT: talk}, TALKING)
    second = await ben.answers()
    three = {CUSTOMER: caller, AGENT: talk, COLLEAGUE: second}
    await hear(scene, three, {role: set(three) - {role} for role in three})

    # Recording by the screen: the page says what goes on, the books what there is of it.
    for action, label in (("start", "正在录音"), ("pause", "录音暂停"), ("resume", "正在录音"), ("stop", "录音停止")):
        await anna.page.click("[data-menu='record']")
        await anna.does(f"record-{action}")
        mark = anna.call.locator("[data-mark='recording']")
        await expect(mark).to_contain_text(label)
    story = scene.story(contact)
    assert [story.count(f"contact_recording_{what}") for what in ("paused", "resumed", "stopped")] == [1, 1, 1]

    # Keys are heard at the customer's.
    await anna.does("keypad")
    for key in "19#":
        await anna.page.locator(f"#desk-pad [data-digit='{key}']").click()
    async with asyncio.timeout(15):
        while pressed(caller.stream.keys) != "19#":  # noqa: ASYNC110 - another thread hears them
            await asyncio.sleep(0.05)
    await anna.does("hang-up")
    await hear(scene, {CUSTOMER: caller, COLLEAGUE: second}, {CUSTOMER: {COLLEAGUE}, COLLEAGUE: {CUSTOMER}})
    await caller.hang_up()
    await second.ended()
    _, file = await scene.recording(contact)
    assert file.stat().st_size > 1000

    # He calls a colleague from the number field, by the keyboard.
    for each in (anna, ben):
        await each.says_what_it_was_about("other")
    await anna.page.fill(".lc-desk-dial [name='to'], [data-form='dial'] [name='to']", ben.agent)
    await anna.page.keyboard.press("Enter")
    own = await anna.lifts()
    theirs = await ben.answers()
    await hear(scene, {AGENT: own, COLLEAGUE: theirs}, {AGENT: {COLLEAGUE}, COLLEAGUE: {AGENT}})
    await anna.does("hang-up")
    await theirs.ended()


def pressed(keys: list[HeardKey]) -> str:
    return "".join(each.key for each in keys)
