"""Every page of the web as people see it, on a center of its own that works: pictures to look at, and those of docs/.

    python -m tests.screenshots DIRECTORY [word …]      all of them, or those whose name holds one of the words
    python -m tests.screenshots --docs                  docs/screenshots/ anew (ffmpeg makes them small)

First with nobody there; then while agents talk, hold, tidy up and ask for help: each link once for each kind of
address, as administrator, leader and agent; what a click and a mistake show; and with PostgreSQL and LQ-SDK hung.
In Chinese and English, at 1366×768 and 1920×1080, in the light and in the dark.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from playwright.async_api import Browser, BrowserContext, Error, Page, async_playwright

from ops.home import CHECKOUT
from tests.center import Center, reserve
from tests.chromium import CHROMIUM, FLAGS
from tests.screenshots import pages
from tests.screenshots.floor import Floor
from tests.screenshots.pages import Shot

SETTLED_MS: Final = 1000  # the stream's first news, pictures drawn: a page with a stream is never done
PATIENCE_MS: Final = 120_000
AWAY_MS: Final = 9000  # until it is told that something hangs
PEOPLE: Final = ("admin", "1901", "1001")
DOCS: Final = CHECKOUT / "docs" / "screenshots"
PICTURES: Final[Mapping[str, str]] = {  # of docs/screenshots -> which shot
    "board": "full-zh-1366-1901-board",
    "desk": "full-zh-1366-desk-known",
    "desk_en": "full-en-1366-desk-known",
    "ringing": "full-zh-1366-dark-desk-ringing",
    "wrap_up": "full-zh-1366-desk-wrap-up",
    "transfer": "full-zh-1366-desk-transfer",
    "team": "full-zh-1366-team-listening",
    "wall": "full-zh-1920-1901-wall",
    "customers": "full-zh-1366-1001-customers",
    "calls": "full-zh-1366-1901-calls",
    "call": "full-zh-1366-call",
    "settings": "full-en-1366-admin-settings-queues-x",
    "accounts": "full-zh-1366-admin-accounts-roles",
    "login": "nothing-zh-1366-login",
}


@dataclass(frozen=True, slots=True)
class Look:
    locale: str
    width: int
    height: int
    colors: Literal["light", "dark"] = "light"

    @property
    def name(self) -> str:
        return f"{self.locale[:2]}-{self.width}" + ("-dark" if self.colors == "dark" else "")


LOOKS: Final = (
    *(Look(locale, *size) for locale in ("zh-CN", "en-US") for size in ((1366, 768), (1920, 1080))),
    Look("zh-CN", 1366, 768, "dark"),
)
SOME_LOOKS: Final = (LOOKS[0], LOOKS[2])


@dataclass
class Photographer:
    browser: Browser
    web: str
    into: Path
    words: Sequence[str]
    taken: int = 0
    _pages: dict[tuple[str, Look], Page] = field(default_factory=dict)

    def wants(self, name: str) -> bool:
        return not self.words or any(word in name for word in self.words)

    def may_want(self, beginning: str) -> bool:
        """Whether a name that begins so could be wanted: a word that names a look wants no other."""
        looks = [word for word in self.words if any(look.name in word for look in LOOKS)]
        return len(looks) < len(self.words) or not self.words or any(w in beginning or beginning in w for w in looks)

    async def take(self, state: str, *shots: Shot, looks: Sequence[Look] = LOOKS, settled_ms: int = SETTLED_MS) -> None:
        """Person by person: few pages are open at once."""
        for look in looks:
            for who in dict.fromkeys(shot.who for shot in shots):
                for shot in (one for one in shots if one.who == who):
                    if self.wants(name := f"{state}-{look.name}-{shot.name}"):
                        await self._take(name, shot, await self.page(who, look), settled_ms)
                await self.closes(who, look)

    async def _take(self, name: str, shot: Shot, page: Page, settled_ms: int) -> None:
        await page.goto(self.web + shot.path)
        if shot.act is not None:
            await page.wait_for_timeout(SETTLED_MS)
            try:
                await shot.act(page)
            except Error as error:
                print(f"{name}: {error.message}", flush=True)  # the picture shows what was there instead
        await self._shoot(page, name, settled_ms)

    async def take_without(self, center: Center, service: str, *shots: Shot) -> None:
        """While it hangs. Everybody is in before: nobody comes in then."""
        for look in SOME_LOOKS:
            for shot in shots:
                await self.page(shot.who, look)
            center.freeze(service)
            try:
                await self.take(f"{service}-away", *shots, looks=(look,), settled_ms=AWAY_MS)
            finally:
                center.thaw(service)

    async def walk(self, state: str) -> None:
        """From the menu every link, each kind of address once."""
        for look in LOOKS:
            for who in [one for one in PEOPLE if self.may_want(f"{state}-{look.name}-{one}")]:
                seen, open_ = set[str](), list(pages.BEGIN)
                while open_ and len(seen) < pages.DEEP:
                    path = open_.pop(0)
                    if (kind := pages.kind_of(path)) in seen:
                        continue
                    seen.add(kind)
                    page = await self.page(who, look)
                    await page.goto(self.web + path)
                    open_ += await pages.links(page, self.web)
                    if self.wants(name := f"{state}-{look.name}-{who}-{kind}"):
                        await self._shoot(page, name)
                await self.closes(who, look)

    async def _shoot(self, page: Page, name: str, settled_ms: int = SETTLED_MS) -> None:
        await page.wait_for_timeout(settled_ms)
        await page.screenshot(path=self.into / f"{name}.png", animations="disabled")
        self.taken += 1

    async def page(self, who: str, look: Look) -> Page:
        """His, in that look; he is in."""
        if (who, look) not in self._pages:
            page = self._pages[who, look] = await (await self._context(look)).new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.on("pageerror", lambda error: print(f"{who} {page.url}: {error}", flush=True))
            if who:
                await page.goto(f"{self.web}/login")
                await page.fill("#id", who)
                await page.fill("#password", f"demo-{who}")
                await page.click("#enter")
                await page.wait_for_url("**/board")
        return self._pages[who, look]

    async def _context(self, look: Look) -> BrowserContext:
        size = {"width": look.width, "height": look.height}
        context = await self.browser.new_context(locale=look.locale, viewport=size)  # type: ignore[arg-type]
        await context.add_init_script(f"localStorage.setItem('theme', '{look.colors}')")
        return context

    async def closes(self, who: str, look: Look) -> None:
        if page := self._pages.pop((who, look), None):
            await page.context.close()


async def photograph(center: Center, into: Path, words: Sequence[str]) -> int:
    into.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        stack.push_async_callback(browser.close)
        photographer = Photographer(browser, center.web, into, words)
        await photographer.take("nothing", *pages.NOTHING_YET)
        floor = await Floor.open(center, stack)
        await floor.fill()
        await floor.rings_at("1009")
        await photographer.take("full", pages.RINGING)
        call = Shot("call", "1901", f"/calls/{floor.contacts['1006']}")
        await photographer.take("full", *pages.BY_HAND, call)
        await photographer.walk("full")
        await photographer.take("wrong", *pages.MISTAKES)
        if not words or any("away" in word for word in words):
            await photographer.take_without(center, "postgres", *pages.DATABASE_AWAY)
            await photographer.take_without(center, "api", *pages.API_AWAY)
        return photographer.taken


async def renew_docs(center: Center, directory: Path) -> int:
    await photograph(center, directory, tuple(PICTURES.values()))
    small = "split[a][b];[a]palettegen=max_colors=200:stats_mode=full[p];[b][p]paletteuse=dither=none"
    for name, shot in PICTURES.items():
        said = ["ffmpeg", "-v", "error", "-y", "-i", str(directory / f"{shot}.png")]
        subprocess.run(
            [*said, "-vf", small, "-compression_level", "100", "-pred", "mixed", str(DOCS / f"{name}.png")], check=True
        )
    return len(PICTURES)


def main(arguments: Sequence[str]) -> None:
    if not arguments:
        sys.exit(__doc__)
    docs = arguments[0] == "--docs"
    directory = Path(tempfile.mkdtemp(prefix="lcall-shots-"))
    directory.chmod(0o755)
    center = reserve(directory / "center")
    try:
        center.start(together_with=os.getpid())
        if docs:
            taken, into = asyncio.run(renew_docs(center, directory / "shots")), DOCS
        else:
            into = Path(arguments[0])
            taken = asyncio.run(photograph(center, into, arguments[1:]))
    finally:
        center.stop()
        shutil.rmtree(directory)
    print(f"{taken} pictures in {into}")


if __name__ == "__main__":
    main(sys.argv[1:])
