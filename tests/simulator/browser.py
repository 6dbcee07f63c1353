"""A phone in a real browser: Chromium with JsSIP on WSS and WebRTC.

async with Browser("8001", "demo-8001", wss=("127.0.0.1", 8443)) as phone:
    await phone.until("remote session")
    await phone.answer()
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from playwright.async_api import Page, async_playwright

from tests.chromium import CHROMIUM

PAGE: Final = Path(__file__).parent / "browser.html"
# no device is asked for, nobody has to click; the certificate is checked where a test says so, with its authority
FLAGS: Final = (
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
    "--ignore-certificate-errors",
    "--allow-file-access-from-files",
)


class Browser:
    def __init__(self, ext: str, password: str, *, wss: tuple[str, int], timers: bool = False) -> None:
        """`timers`: it asks for session timers (RFC 4028), each 90 s, as JsSIP does when nobody tells it otherwise."""
        self.ext, self._password, self._timers = ext, password, str(timers).lower()
        self._url = f"wss://{wss[0]}:{wss[1]}/"
        self._stack = AsyncExitStack()
        self._page: Page | None = None

    async def __aenter__(self) -> Self:
        """Returns when it is registered."""
        try:
            playwright = await self._stack.enter_async_context(async_playwright())
            chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
            self._stack.push_async_callback(chromium.close)
            context = await chromium.new_context(permissions=["microphone"])
            self._page = await context.new_page()
            await self._page.goto(PAGE.as_uri())
            await self.run(f"start({self._url!r}, {self.ext!r}, {self._password!r}, {self._timers})")
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def run(self, script: str) -> Any:
        assert self._page is not None, "the browser is not open"
        return await self._page.evaluate(script)

    async def told(self) -> list[str]:
        """What has happened, in order: "remote session", "progress", "accepted", "track", "ended …"."""
        found: list[str] = await self.run("told")
        return found

    async def until(self, what: str, within_s: float = 15.0) -> None:
        """Until it has told something that begins so."""
        async with asyncio.timeout(within_s):
            while not any(said.startswith(what) for said in await self.told()):  # noqa: ASYNC110 - the page is asked
                await asyncio.sleep(0.05)

    async def dial(self, number: str) -> None:
        await self.run(f"call({number!r})")

    async def answer(self) -> None:
        await self.run("answer()")

    async def hang_up(self) -> None:
        await self.run("hangUp()")

    async def stop(self) -> None:
        """Unregisters and closes its connection."""
        await self.run("stop()")

    async def heard(self) -> dict[str, Any]:
        """packets and energy received, state of DTLS."""
        found: dict[str, Any] = await self.run("heard()")
        return found
