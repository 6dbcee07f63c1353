"""From the INVITE that leaves for an agent's phone to the painted card of who calls, with many desktops open.

    python -m tests.bench.pop_painted [calls [desktops]]

One desktop is a real Chromium, the others hold their stream and read all of it. Callers are known customers, each with
a history of calls. Painted: the frame after the one in which the card came into the page (Chromium's clock and the
phone's are this machine's). Floors in the same run: the page asks the web for nothing and paints a word; and the card
is asked for alone.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import asyncpg
from playwright.async_api import Page, async_playwright

from ops.home import read_secrets
from ops.services import DATABASE
from tests.bench.setup import AGENT, PHONE, QUEUE, Figures, configured
from tests.center import Center, reserve
from tests.integration.web.conftest import Visitor
from tests.scenarios.test_web import CHROMIUM, FLAGS
from tests.simulator.events import Events
from tests.simulator.gateway import Answer
from tests.simulator.place import Place
from tests.simulator.rtp import Media

CALLS: Final = 100
DESKTOPS: Final = 200
CALLERS: Final = 50  # customers who call
WIDTH, HEIGHT = 1366, 768
PAINTED: Final = """
window.painted = {};
const after = (then) => requestAnimationFrame(() => {
  const next = new MessageChannel();
  next.port1.onmessage = () => then(performance.timeOrigin + performance.now());
  next.port2.postMessage(0);
});
window.paints = after;
new MutationObserver(() => {
  const id = document.querySelector("#pop .lc-pop")?.dataset.contact;
  if (!id || window.painted[id]) return;
  window.painted[id] = 1;
  after((at) => { window.painted[id] = at; });
}).observe(document, { childList: true, subtree: true });
"""
NOTHING: Final = """async () => {
  const began = performance.now();
  await (await fetch("/healthz")).text();
  document.querySelector("#problems").dataset.bench = String(began);
  const at = await new Promise(window.paints);
  return at - performance.timeOrigin - began;
}"""


@dataclass
class Desktops:
    """Streams of pages that nobody looks at."""

    visitors: list[Visitor]
    heard: int = 0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def open(self, count: int) -> None:
        for n in range(count):
            self.tasks.append(asyncio.create_task(self._reads(self.visitors[n % len(self.visitors)])))
        async with asyncio.timeout(60):
            while self.heard < count:  # noqa: ASYNC110 - each has had its first news
                await asyncio.sleep(0.05)

    async def _reads(self, visitor: Visitor) -> None:
        async with visitor.http.stream("GET", "/live", timeout=None) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                self.heard += line == "event: desk"


async def customers(center: Center) -> list[str]:
    """Numbers whose customers the web knows."""
    numbers = [f"1390013{n:04}" for n in range(CALLERS)]
    secret = read_secrets(center.home).postgres
    rows = await asyncpg.connect(f"postgresql://lcall:{secret}@127.0.0.1:{center.ports.postgres}/{DATABASE}")
    for n, number in enumerate(numbers):
        made = "insert into customer (key, kind, name) values (gen_random_uuid(), 'person', $1) returning id"
        id = await rows.fetchval(made, f"客户{n}")
        await rows.execute("insert into customer_phone (customer, number) values ($1, $2)", id, f"+86{number}")
    await rows.close()
    return numbers


@asynccontextmanager
async def desktop(center: Center) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        context = await browser.new_context(locale="zh-CN", viewport={"width": WIDTH, "height": HEIGHT})
        await context.add_init_script(PAINTED)
        page = await context.new_page()
        await page.goto(f"{center.web}/login")
        await page.fill("#id", AGENT)
        await page.fill("#password", f"demo-{AGENT}")
        await page.click("#enter")
        await page.wait_for_selector("#soft-phone[data-known='yes']")
        yield page
        await browser.close()


async def measured(center: Center, calls: int, desktops: int) -> tuple[Figures, int]:
    place, figures = Place.of(center), Figures()
    numbers = await customers(center)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        lq = await enter(place.client())
        await configured(center, lq)
        events = await enter(Events(lq))
        media = Media()
        stack.push_async_callback(asyncio.to_thread, media.close)
        gateway = await enter(place.gateway("gw1", media=media))
        phone = await enter(place.softphone(PHONE, media, Answer(0.5)))
        await events.first("phone_changed", 20, subject=f"phone:{PHONE}", registered=True)
        others = Desktops([Visitor(center.web) for _ in range(min(desktops, 99))])
        for n, visitor in enumerate(others.visitors):
            assert (await visitor.log_in(str(1002 + n))).status_code == 303
            stack.push_async_callback(visitor.http.aclose)
        await others.open(desktops)
        page = await enter(desktop(center))
        await lq.sign_in(AGENT, PHONE)
        for n in range(calls + 1):
            call = await gateway.dial(numbers[n % CALLERS], QUEUE)
            rings = await phone.rings(30)
            contact = await events.contact_of(call.caller, 20)
            at = f"window.painted[{contact!r}]"
            await page.wait_for_function(f"{at} > 1", timeout=20_000)
            figures.add(
                "INVITE at the phone → the card is painted", await page.evaluate(at) / 1000 - rings.times["invite"]
            )
            await rings.answered(20)
            await call.hang_up()
            await rings.ended()
            began = time.time()
            await page.evaluate(f"fetch('/pop/{contact}').then((answer) => answer.text())")
            figures.add("  of it: the card asked for alone", time.time() - began)
            figures.add("  floor: the page asks for nothing, and paints", await page.evaluate(NOTHING) / 1000)
            await lq.wrap_up(AGENT, done=True)
            if n == 0:
                figures.ms.clear()  # to warm up
        for task in others.tasks:
            assert not task.done(), "a desktop has lost its stream"
            task.cancel()
        await asyncio.gather(*others.tasks, return_exceptions=True)
        return figures, others.heard


def main(calls: int, desktops: int) -> None:
    directory = Path(tempfile.mkdtemp(prefix="lcall-bench-", dir="/tmp"))
    directory.chmod(0o755)
    center = reserve(directory / "center")
    try:
        center.start(together_with=os.getpid())
        before = os.getloadavg()[0]
        figures, heard = asyncio.run(measured(center, calls, desktops))
    finally:
        center.stop()
        shutil.rmtree(directory)
    print(
        f"{os.cpu_count()} processors, load {before:.1f} to {os.getloadavg()[0]:.1f}; "
        f"{desktops} desktops heard {heard} news"
    )
    print(figures.told())


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(given[0] if given else CALLS, given[1] if len(given) > 1 else DESKTOPS)
