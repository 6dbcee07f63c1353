"""An agent at his desk: the web in real Chromium, his phone beside it, and his voice, a tone of his own.

anna = await sits_down(scene, visiting, center.web, "1056", AGENT)
await anna.signs_in()
call = await anna.answers()  # at the screen; the phone takes the order
await hear(scene, {CUSTOMER: caller, AGENT: call}, TALKING)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from playwright.async_api import Locator, Page, expect

from tests.scenarios.conftest import Scene, phone_of
from tests.scenarios.stage import AGENT, CUSTOMER, TONES
from tests.scenarios.test_web import Visit, Visiting
from tests.simulator import matrix
from tests.simulator.call import Call
from tests.simulator.matrix import Names, Voices
from tests.simulator.softphone import Softphone

TALKING: Final = {CUSTOMER: {AGENT}, AGENT: {CUSTOMER}}
HEARD_WITHIN_S: Final = 10.0


@dataclass
class Desk:
    scene: Scene
    visit: Visit
    agent: str
    role: str  # whose tone he says (stage.TONES)
    phone: Softphone | None = None  # one of ours

    @property
    def page(self) -> Page:
        return self.visit.page

    @property
    def column(self) -> Locator:
        return self.page.locator("#soft-phone")

    @property
    def call(self) -> Locator:
        """What the column says of his call."""
        return self.page.locator(".lc-desk-call")

    @property
    def card(self) -> Locator:
        """The screen pop."""
        return self.page.locator("#pop .lc-pop")

    @property
    def notes(self) -> Locator:
        return self.card.locator(".lc-note p")

    def button(self, action: str) -> Locator:
        return self.column.locator(f"[data-do='{action}']")

    async def is_(self, state: str) -> None:
        await expect(self.column).to_have_attribute("data-state", state)

    async def does(self, action: str) -> None:
        """Clicks it once it can be used."""
        await expect(self.button(action)).to_be_enabled()
        await self.button(action).click()

    async def signs_in(self) -> None:
        """At the phone that is proposed to him."""
        self.scene.stack.push_async_callback(self.scene.lq.sign_out, self.agent)
        await self.is_("signed_out")
        await expect(self.page.locator("#desk-phone")).to_have_value(phone_of(self.agent))
        await self.does("sign-in")
        await self.is_("ready")

    async def answers(self) -> Call:
        """At the screen."""
        await self.is_("ringing")
        await self.does("answer")
        call = await self._rings()
        await call.answered()
        call.say(TONES[self.role])
        await self.is_("talking")
        return call

    async def lifts(self) -> Call:
        """At the phone, whatever rings there."""
        call = await self._rings()
        call.answer()
        call.say(TONES[self.role])
        return call

    async def _rings(self) -> Call:
        assert self.phone is not None
        return await self.phone.rings(20)

    async def notes_down(self, text: str) -> None:
        """In the card, with a double click: people do."""
        await self.card.locator(".lc-write textarea").fill(text)
        await self.page.dblclick("#pop-write")
        await expect(self.notes.first).to_have_text(text)

    async def says_what_it_was_about(self, *codes: str) -> None:
        """Level by level; then he is free again."""
        await self.is_("wrap_up")
        for level, code in enumerate(codes):
            await self.column.locator("[data-form='done'] select").nth(level).select_option(code)
        await self.does("done")
        await self.is_("ready")


async def sits_down(scene: Scene, visiting: Visiting, web: str, agent: str, role: str) -> Desk:
    """His phone is registered, and he is in at the web."""
    phone = await scene.softphone(agent, orders=True)
    visit: Visit = await visiting(web)
    await visit.log_in(agent)
    await visit.page.evaluate("window.unreloaded = true")
    return Desk(scene, visit, agent, role, phone)


async def hear(
    scene: Scene, calls: Mapping[str, Call], wanted: Mapping[str, Names], within_s: float = HEARD_WITHIN_S
) -> None:
    """Waits until it is exactly so on every leg (the silent named too), and so for one more second."""
    ears = {role: call.stream for role, call in calls.items()}
    await matrix.hear(ears, {role: frozenset(names) for role, names in wanted.items()}, voices(scene), within_s)


def voices(scene: Scene) -> Voices:
    return Voices(TONES, scene.place.prompt("music/hold"))
