"""An agent at the web with the browser's phone: real Chromium, the real page, a microphone that says a file, a
loudspeaker that is listened to.

async with WebPhone(center.web, "1001", microphone=wav) as own:
    await own.start("8001")
    await own.is_("ringing")
    await own.answer()
    await own.hears(440)
"""

from __future__ import annotations

import asyncio
import json
import os
import wave
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from playwright.async_api import Page, async_playwright

from tests.chromium import CHROMIUM
from tests.simulator.loudspeaker import Loudspeaker

FLAGS: Final = (
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
)
WAIT_MS: Final = 90_000
TOLD: Final = """
  window.told = [];
  document.addEventListener("browser-phone", ({ detail }) => window.told.push({ ...detail }));
"""
# A pure tone is noise to a browser's noise suppression; what is listened for here is one.
PLAIN: Final = """
  const real = navigator.mediaDevices && navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  if (real) navigator.mediaDevices.getUserMedia = ({ audio }) => real({
    audio: { ...audio, noiseSuppression: false, echoCancellation: false, autoGainControl: false },
  });
"""


# `window.ua`: its SIP user agent (JsSIP), for what a page does in its own time.
CAUGHT: Final = """
  let library;
  Object.defineProperty(window, "JsSIP", {
    get: () => library,
    set: (given) => {
      library = { ...given, UA: class extends given.UA { constructor(...all) { super(...all); window.ua = this; } } };
    },
  });
"""


class WebPhone:
    def __init__(self, web: str, agent: str, *, microphone: Path | None = None, allowed: bool = True) -> None:
        """`microphone`: the WAV that it says over and over (beside it the loudspeaker has its files; without one it is
        deaf); `allowed`: the browser lets the page have it."""
        self._web, self._agent, self._microphone, self._allowed = web, agent, microphone, allowed
        self._stack = AsyncExitStack()
        self._page: Page | None = None
        self._speaker: Loudspeaker | None = None

    async def __aenter__(self) -> Self:
        """Returns when the agent is in."""
        flags, environment = list(FLAGS), dict(os.environ)
        try:
            if self._microphone:
                flags.append(f"--use-file-for-fake-audio-capture={self._microphone}")
                own = self._microphone.parent / f"loudspeaker-{self._agent}"
                self._speaker = await self._stack.enter_async_context(Loudspeaker(own))
                environment |= self._speaker.environment
            playwright = await self._stack.enter_async_context(async_playwright())
            chromium = await playwright.chromium.launch(
                executable_path=CHROMIUM, args=flags, env=environment, ignore_default_args=["--mute-audio"]
            )
            self._stack.push_async_callback(chromium.close)
            context = await chromium.new_context(ignore_https_errors=True, locale="zh-CN")
            if self._allowed:
                await context.grant_permissions(["microphone"])
            for script in (TOLD, PLAIN, CAUGHT):
                await context.add_init_script(script)
            self._page = await context.new_page()
            self._page.set_default_timeout(WAIT_MS)
            await self.page.goto(f"{self._web}/login")
            await self.page.fill("#id", self._agent)
            await self.page.fill("#password", f"demo-{self._agent}")
            await self.page.click("#enter")
            await self.page.wait_for_url("**/board")
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def page(self) -> Page:
        assert self._page is not None, "the browser is not open"
        return self._page

    async def start(self, phone: str = "") -> str:
        """Returns when it is registered, "" then; else why not."""
        asked = json.dumps({"phone": phone})
        reason: str = await self.page.evaluate(f"browserPhone.start({asked}).then(() => '', (error) => error.message)")
        return reason

    async def told(self) -> list[dict[str, Any]]:
        """The details of all events of this page, in their order."""
        found: list[dict[str, Any]] = await self.page.evaluate("window.told")
        return found

    async def is_(self, state: str, within_s: float = 60.0) -> str:
        """Waits for this state; its reason."""
        try:
            async with asyncio.timeout(within_s):
                while await self.page.evaluate("browserPhone.state") != state:  # noqa: ASYNC110 - the page is asked
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"it is not {state}: {await self.told()}") from None
        reason: str = await self.page.evaluate("browserPhone.reason")
        return reason

    async def answer(self) -> None:
        await self.page.evaluate("browserPhone.answer()")

    async def hang_up(self) -> None:
        await self.page.evaluate("browserPhone.hangUp()")

    async def keys(self, digits: str) -> None:
        await self.page.evaluate(f"browserPhone.keys({digits!r})")

    async def hears(self, hertz: int, within_s: float = 60.0) -> None:
        """Waits until this tone comes out of its loudspeaker. Raises hearing.NotHeard."""
        assert self._speaker is not None, "it has no loudspeaker"
        await self._speaker.hears(hertz, within_s)


def tone(file: Path, hertz: int, seconds: int = 4) -> Path:
    """A WAV that can be said over and over without a click."""
    samples = 12_000 * np.sin(2 * np.pi * hertz * np.arange(48_000 * seconds) / 48_000)
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(48_000)
        out.writeframes(samples.astype("<i2").tobytes())
    return file
