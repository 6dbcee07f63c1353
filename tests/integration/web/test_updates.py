"""The web is updated while pages stand open, of whose files a template alone has changed: in real Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.chromium import WAIT_MS
from tests.integration.ledger import services
from tests.integration.ledger.services import CHECKOUT

from .conftest import Place

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CHANGED = "已经更新"
MARKED = "document.documentElement.dataset.unreloaded = 'yes'"  # gone with the page


class Web:
    """One of its own at one port: the present version, and one with another word in two templates."""

    def __init__(self, place: Place, directory: Path) -> None:
        self.port = services.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environ = {**place.web.environ, "LCALL_WEB_LISTEN": f"127.0.0.1:{self.port}"}
        self._directory = directory

    @contextmanager
    def running(self, **environ: str) -> Iterator[None]:
        with services.program("lcall_web", {**self._environ, **environ}, self._directory / "web.log") as web:
            services.until(self._answers, web.process, self.url)
            yield
            assert '"level": "error"' not in web.text() and "Traceback" not in web.text()

    @contextmanager
    def updated(self) -> Iterator[None]:
        copy = self._directory / "updated"
        shutil.copytree(CHECKOUT / "lcall_web", copy / "lcall_web", ignore=shutil.ignore_patterns("__pycache__"))
        for template, before in (
            ("team/templates/wall.html", "{{ brand }}"),
            ("board/templates/board.html", "坐席一览"),
        ):
            file = copy / "lcall_web" / template
            text = file.read_text()
            assert before in text
            file.write_text(text.replace(before, CHANGED))
        with self.running(PYTHONSAFEPATH="1", PYTHONPATH=os.pathsep.join((str(copy), str(CHECKOUT)))):
            yield

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture
def web(place: Place, tmp_path: Path) -> Web:
    return Web(place, tmp_path)


async def open_page(browser: Browser, web: Web, id: str, path: str, *, clock: bool = False) -> Page:
    """In a browser of its own; `clock`: its time can be put forward."""
    page = await browser.new_page(locale="zh-CN", viewport={"width": 1366, "height": 768})
    page.set_default_timeout(WAIT_MS)
    await page.goto(f"{web.url}/login")
    await page.fill("#id", id)
    await page.fill("#password", f"demo-{id}")
    await page.click("#enter")
    await page.wait_for_url("**/board")
    if clock:
        await page.clock.install()
    await page.goto(web.url + path)
    await page.evaluate(MARKED)
    return page


async def reloads(page: Page) -> None:
    await expect(page.locator("html[data-unreloaded]")).to_have_count(0, timeout=WAIT_MS)


async def stands(page: Page) -> None:
    await expect(page.locator("html")).to_have_attribute("data-unreloaded", "yes")


async def test_open_pages_of_the_old_version(web: Web, browser: Browser) -> None:
    with web.running():
        wall = await open_page(browser, web, "1901", "/wall")
        await expect(wall.locator("#wall-board:not(.lc-waiting)")).to_be_visible(timeout=WAIT_MS)
        writing = await open_page(browser, web, "1902", "/board")
        await writing.fill("#find", "林")
        alone = await open_page(browser, web, "admin", "/board", clock=True)
        for page in (writing, alone):
            await expect(page.locator("#board:not(.lc-waiting)")).to_be_visible(timeout=WAIT_MS)
            await expect(page.locator("#update")).to_be_hidden()

    with web.updated():
        # The wall: at once.
        await reloads(wall)
        await expect(wall.locator("h1")).to_have_text(CHANGED, timeout=WAIT_MS)

        # Who writes is asked.
        await expect(writing.locator("#update")).to_be_visible(timeout=WAIT_MS)
        await stands(writing)
        await expect(writing.locator("#find")).to_have_value("林")
        await writing.click("[data-renew]")
        await reloads(writing)
        await expect(writing.locator("#board .lc-agents .card-title")).to_have_text(CHANGED)
        await expect(writing.locator("#update")).to_be_hidden()

        # A page that nobody touches: after a while.
        await expect(alone.locator("#update")).to_be_visible(timeout=WAIT_MS)
        await stands(alone)
        await alone.clock.fast_forward("05:30")
        await reloads(alone)
        await expect(alone.locator("#board .lc-agents .card-title")).to_have_text(CHANGED, timeout=WAIT_MS)


async def test_a_link_loads_the_whole_page_of_the_new_version(web: Web, browser: Browser) -> None:
    with web.running():
        page = await open_page(browser, web, "admin", "/calls/")
    with web.updated():
        await expect(page.locator("#update")).to_be_visible(timeout=WAIT_MS)
        await page.click(".lc-menu a[href='/board']")
        await reloads(page)
        await expect(page.locator("#board .lc-agents .card-title")).to_have_text(CHANGED, timeout=WAIT_MS)
        await expect(page.locator("#update")).to_be_hidden()
        await page.evaluate(MARKED)
        await page.click(".lc-menu a[href='/calls/']")
        await expect(page.locator("#search")).to_be_visible()
        await stands(page)  # the same version: the content alone
