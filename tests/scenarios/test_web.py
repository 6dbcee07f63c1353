"""The web as a person meets it: real Chromium on a real center, with a real call from the gateway to a phone."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from tests.center import Center
from tests.chromium import CHROMIUM, FLAGS, WAIT_MS, WATCH_POLICY
from tests.conftest import OwnCenter
from tests.scenarios.conftest import Scene, line, new_number

pytestmark = pytest.mark.browser

LINE = line(2)


@dataclass
class Visit:
    """A page, and everything that its browser complained about."""

    page: Page
    web: str
    faults: list[str] = field(default_factory=list)
    requests: list[tuple[str, int]] = field(default_factory=list)

    async def log_in(self, id: str) -> None:
        await self.page.goto(f"{self.web}/login")
        await self.page.fill("#id", id)
        await self.page.fill("#password", f"demo-{id}")
        await self.page.click("#enter")
        await self.page.wait_for_url("**/board")

    async def board(self) -> None:
        """Its first snapshot is drawn."""
        await expect(self.page.locator("#board:not(.lc-waiting)")).to_be_visible(timeout=WAIT_MS)

    def agent(self, id: str) -> Any:
        return self.page.locator(f".lc-agent[data-id='{id}']")


Visiting = Callable[..., Awaitable[Visit]]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield started
        await started.close()


def complaint(said: ConsoleMessage) -> str:
    return f"{said.text} {said.location['url']}"


@pytest.fixture
async def visiting(browser: Browser) -> AsyncIterator[Visiting]:
    """`await visiting(web, locale="zh-CN")`; afterwards no page may have complained."""
    visits: list[Visit] = []

    async def visit(web: str, locale: str = "zh-CN") -> Visit:
        context = await browser.new_context(locale=locale, viewport={"width": 1366, "height": 768})
        await context.add_init_script(WATCH_POLICY)
        new = Visit(await context.new_page(), web)
        new.page.set_default_timeout(WAIT_MS)
        new.page.on("pageerror", lambda error: new.faults.append(f"exception: {error}"))
        new.page.on("console", lambda said: new.faults.append(complaint(said)) if said.type == "error" else None)
        new.page.on("response", lambda answer: new.requests.append((answer.url, answer.status)))
        visits.append(new)
        return new

    yield visit
    assert [fault for each in visits for fault in each.faults] == []


@pytest.mark.parametrize(
    ("locale", "title", "wrong", "board", "ready"),
    [
        ("zh-CN", "登录", "工号或密码不对。", "实时看板", "空闲 / 签入坐席"),
        ("en-US", "Log in", "Operator number or password is wrong.", "Live board", "Ready / signed in"),
    ],
)
async def test_coming_in(
    center: Center, visiting: Visiting, locale: str, title: str, wrong: str, board: str, ready: str
) -> None:
    visit = await visiting(center.web, locale)
    page = visit.page
    await page.goto(center.web)
    await expect(page).to_have_title(re.compile(title))
    await expect(page.locator(".lc-demo-note")).to_contain_text("demo-admin")
    await page.fill("#id", "1901")
    await page.fill("#password", "nonsense")
    await page.click("#enter")
    await expect(page.locator("#message")).to_have_text(wrong)
    assert [fault for fault in visit.faults if "401" not in fault] == []
    visit.faults.clear()  # Chromium reports the 401 itself
    await visit.log_in("1901")
    await visit.board()
    await expect(page).to_have_title(re.compile(board))
    await expect(page.locator(".lc-totals")).to_contain_text(ready)
    other = "en" if locale == "zh-CN" else "zh"
    await page.click(f".lc-language [value='{other}']")
    await expect(page.locator("html")).to_have_attribute("lang", "en" if other == "en" else "zh-CN")
    await page.click(".lc-person")
    await page.click("#logout")
    await page.wait_for_url("**/login")


async def test_a_call_on_the_board_in_the_list_and_in_the_ears(
    scene: Scene, center: Center, visiting: Visiting
) -> None:
    visit = await visiting(center.web)
    page, agent = visit.page, LINE.agents[0]
    await visit.log_in("1901")
    await visit.board()
    await page.evaluate("window.unreloaded = true")

    # An agent signs in through LQ-SDK: his card is there, and his clock runs.
    await expect(visit.agent(agent)).to_be_hidden()
    phone = await scene.agent(agent)
    card = visit.agent(agent)
    await expect(card).to_have_attribute("data-state", "ready")
    await expect(card).to_contain_text("空闲")
    clock = await card.locator("time").inner_text()
    await expect(card.locator("time")).not_to_have_text(clock)

    # A call comes in, rings at him, is answered.
    number = new_number()
    call = await scene.dial(LINE.number, number)
    talk = await phone.rings()
    contact = await scene.contact(call)
    row = page.locator(f"#calls tr[data-id='{contact}']")
    masked = f"139****{number[-4:]}"
    await expect(row).to_contain_text(masked)
    await expect(card).to_have_attribute("data-state", "ringing")
    await talk.answer()
    call.say(440)
    await talk.say(1090)
    await expect(card).to_have_attribute("data-state", "talking")
    await expect(card).to_contain_text(masked)
    await expect(row.locator(".lc-state")).to_have_text("通话中")
    await call.hears(1090)
    await talk.hears(440)
    await call.hears(1090, since=call.stream.length / 8000 + 4)  # a recording long enough to seek in
    await call.hang_up()
    await expect(row).to_have_count(0)
    await expect(card).to_have_attribute("data-state", "wrap_up")
    assert await page.evaluate("window.unreloaded") is True, "all of it without reloading"
    assert number not in await page.content()

    # It stands in the call list: found by its number, opened by a click.
    await scene.cdr(contact)
    await scene.recording(contact)
    await page.click(".lc-menu a[href='/calls/']")
    await page.fill("#number", number)
    await page.press("#number", "Enter")
    await expect(page.locator("tr.lc-row")).to_have_count(1)
    await expect(page.locator("tr.lc-row")).to_contain_text("已接听")
    await page.click("tr.lc-row")
    await page.wait_for_url(f"**/calls/{contact}")
    await expect(page.locator(".lc-number")).to_have_text(masked)
    await expect(page.locator(".lc-bar-talk")).to_have_count(1)
    await page.click("#reveal")
    await expect(page.locator(".lc-number")).to_have_text(number)

    await _listen(visit, contact)


async def _listen(visit: Visit, contact: str) -> None:
    """Plays the recording, seeks in it by a click, hears one voice alone, faster."""
    page = visit.page
    player, wave = page.locator("[data-player]"), "document.querySelector('[data-player]').wave"
    at = player.locator("[data-at]")
    await expect(player).to_have_class(re.compile("lc-drawn"))
    assert not [url for url, _ in visit.requests if url.endswith("/audio")], "nothing is fetched before one listens"
    seconds = float(await player.get_attribute("data-seconds") or 0)
    await player.locator("[data-play]").click()
    await expect(at).not_to_have_text("0:00")
    assert (f"{visit.web}/recordings/{contact}-r1/audio", 206) in visit.requests
    await player.locator("[data-play]").click()
    box = await player.locator("[data-wave]").bounding_box()
    assert box is not None
    await page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.25)
    assert abs(await page.evaluate(f"{wave}.getCurrentTime()") - seconds / 2) < seconds * 0.02
    half = await at.inner_text()
    await player.locator("[data-hear=left]").click()
    await player.locator("[data-speed]").select_option("2")
    await player.locator("[data-play]").click()
    await expect(at).not_to_have_text(half)
    assert await page.evaluate(f"{wave}.getCurrentTime()") > seconds / 2
    assert await page.evaluate(f"{wave}.getPlaybackRate()") == 2
    await expect(player.locator("[data-trouble]")).to_be_hidden()


@pytest.mark.slow
@pytest.mark.kills
async def test_the_web_is_killed_and_the_open_page_finds_it_again(own_center: OwnCenter, visiting: Visiting) -> None:
    center = own_center(LCALL_ONLY="postgres,redis,migrate,seed,api,journal,web")
    visit = await visiting(center.web)
    await visit.log_in("1902")
    await visit.board()
    page = visit.page
    await page.evaluate("window.unreloaded = true")
    await expect(page.locator(".lc-problem")).to_have_count(0)
    center.freeze("api")
    await expect(page.locator(".lc-problem")).to_contain_text("LQ-SDK")
    center.thaw("api")
    await expect(page.locator(".lc-problem")).to_have_count(0, timeout=30_000)
    killed = center.kill("web")
    await expect(page.locator(".lc-problem")).to_contain_text("正在重新连接")
    await center.back("web", killed)
    await expect(page.locator(".lc-problem")).to_have_count(0, timeout=30_000)
    await expect(page.locator("[data-count='signed_out']")).not_to_have_text("0")
    assert await page.evaluate("window.unreloaded") is True
    unreachable = (
        "ERR_CONNECTION_REFUSED",
        "ERR_INCOMPLETE_CHUNKED_ENCODING",
        "ERR_EMPTY_RESPONSE",
        "ERR_CONNECTION_RESET",
    )
    visit.faults[:] = [fault for fault in visit.faults if not any(reason in fault for reason in unreachable)]
