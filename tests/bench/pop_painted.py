"""From the INVITE that leaves for an agent's phone to the painted card of who calls, with many desktops open.

    python -m tests.bench.pop_painted [calls [desktops]]

One desktop is a real Chromium, the others' streams are held and read by a process of their own; all agents are signed
in to the web and in the queue, one of them at a phone. Callers are known customers. Painted: the frame after the one in
which the card came into the page (Chromium's clock and the phone's are this machine's). In the same run the parts of
it, and the floor: a bare page that is sent a word by a bare server's events, and paints it.
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

from lq.config.documents import Agent
from lq.config.validation import to_json
from lq.sdk import Client
from ops.home import read_secrets
from ops.services import DATABASE
from tests.bench._desktops import opened, tokens
from tests.bench.setup import AGENT, PHONE, QUEUE, Figures, configured
from tests.center import Center, reserve
from tests.chromium import CHROMIUM, FLAGS
from tests.scenarios.conftest import is_read
from tests.simulator.events import Events
from tests.simulator.gateway import Answer
from tests.simulator.place import Place
from tests.simulator.rtp import Media

CALLS: Final = 100
DESKTOPS: Final = 200
CALLERS: Final = 50  # customers who call
AGENTS: Final = [str(n) for n in range(1002, 1101)]  # of the demo world, whose desktops nobody looks at
WAIT_S: Final = 20.0
PAINTED: Final = """
window.painted = {};
const now = () => performance.timeOrigin + performance.now();
const after = (then) => requestAnimationFrame(() => {
  const next = new MessageChannel();
  next.port1.onmessage = () => then(now());
  next.port2.postMessage(0);
});
window.paint = (id) => {
  if (!id || window.painted[id]) return;
  window.painted[id] = 1;
  after((at) => { window.painted[id] = at; });
};
new MutationObserver(() => {
  window.paint(document.querySelector("#pop .lc-pop")?.dataset.contact);
  if (document.querySelector("#soft-phone .lc-ringing")) window.rang ||= now();
}).observe(document, { attributes: true, childList: true, subtree: true });
"""
BARE: Final = b"""<!doctype html><title>bare</title><p>nothing</p><script>
new EventSource("/events").onmessage = (event) => {
  document.querySelector("p").textContent = event.data;
  window.paint(event.data);
};
</script>"""


@dataclass
class Bare:
    """A page that paints what its server sends it."""

    port: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    page: Page | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        if b"GET /events" in asked:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            self.writers.append(writer)
            return
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(BARE)}\r\n\r\n"
        writer.write(head.encode() + BARE)
        writer.close()

    async def painted(self, word: str) -> float:
        """Seconds from the word's leaving to the frame."""
        assert self.page is not None
        sent = time.time()
        for writer in self.writers:
            writer.write(f"data: {word}\n\n".encode())
        return await when(self.page, f"window.painted[{word!r}]") - sent


async def when(page: Page, noted: str) -> float:
    """In seconds of the epoch, once it is noted in the page; asked again and again, for a page of ours forbids eval."""
    async with asyncio.timeout(WAIT_S):
        while (at := float(await page.evaluate(f"{noted} || 0"))) <= 1:  # noqa: ASYNC110 - the page tells nobody
            await asyncio.sleep(0.1)
    return at / 1000


async def customers(dsn: str) -> list[str]:
    """Numbers whose customers the web knows."""
    numbers = [f"1390013{n:04}" for n in range(CALLERS)]
    rows = await asyncpg.connect(dsn)
    for n, number in enumerate(numbers):
        made = "insert into customer (key, kind, name) values (gen_random_uuid(), 'person', $1) returning id"
        id = await rows.fetchval(made, f"客户{n}")
        await rows.execute("insert into customer_phone (customer, number) values ($1, $2)", id, f"+86{number}")
    await rows.close()
    return numbers


@asynccontextmanager
async def pages(center: Center, bare: Bare) -> AsyncIterator[Page]:
    """The desk of the agent who is called; and the bare page, of another window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        found = []
        for _ in range(2):
            context = await browser.new_context(locale="zh-CN", viewport={"width": 1366, "height": 768})
            await context.add_init_script(PAINTED)
            found.append(await context.new_page())
        page, bare.page = found
        await page.goto(f"{center.web}/login")
        await page.fill("#id", AGENT)
        await page.fill("#password", f"demo-{AGENT}")
        await page.click("#enter")
        await page.wait_for_url("**/board")
        await page.goto(f"{center.web}/customers/")
        await page.wait_for_selector("#soft-phone[data-known='yes']")
        await bare.page.goto(f"http://127.0.0.1:{bare.port}/")
        while not bare.writers:  # noqa: ASYNC110 - the page tells nobody
            await asyncio.sleep(0.05)
        yield page
        await browser.close()


async def in_its_queue(center: Center, lq: Client) -> None:
    """Whoever waits is shown on every desktop, as in a queue of a hundred."""
    for agent in AGENTS:
        await lq.put_document("agents", agent, to_json(Agent(agent, agent, ("bench",))))
    await is_read(center, (await lq.health()).config_version)


async def ready(lq: Client) -> None:
    async with asyncio.timeout(20):
        while (await lq.agent(AGENT)).state != "ready":  # noqa: ASYNC110 - his wrap-up ends by itself
            await asyncio.sleep(0.05)


async def measured(center: Center, directory: Path, calls: int, desktops: int) -> tuple[Figures, str]:
    place, figures, bare = Place.of(center), Figures(), Bare()
    dsn = f"postgresql://lcall:{read_secrets(center.home).postgres}@127.0.0.1:{center.ports.postgres}/{DATABASE}"
    numbers, given = await customers(dsn), await tokens(dsn, [AGENTS[n % len(AGENTS)] for n in range(desktops)])
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        lq = await enter(place.client())
        await configured(center, lq)
        await in_its_queue(center, lq)
        events = await enter(Events(lq))
        media = Media()
        stack.push_async_callback(asyncio.to_thread, media.close)
        gateway = await enter(place.gateway("gw1", media=media))
        phone = await enter(place.softphone(PHONE, media, Answer(1.0)))
        await events.first("phone_changed", 20, subject=f"phone:{PHONE}", registered=True)
        server = await enter(await asyncio.start_server(bare.serve, "127.0.0.1"))
        bare.port = server.sockets[0].getsockname()[1]
        others = await enter(opened(directory, "127.0.0.1", center.ports.web, "/live", given))
        page = await enter(pages(center, bare))
        await lq.sign_in(AGENT, PHONE)
        for n in range(calls + 1):
            await ready(lq)
            await page.bring_to_front()
            await page.evaluate("window.rang = 0")
            call = await gateway.dial(numbers[n % CALLERS], QUEUE)
            rings = await phone.rings(30)
            contact = await events.contact_of(call.caller, 20)
            invited = rings.times["invite"]
            figures.add(
                "INVITE at the phone → the card is painted", await when(page, f"window.painted[{contact!r}]") - invited
            )
            figures.add("  of it: → the soft phone rings", await when(page, "window.rang") - invited)
            await rings.answered(20)
            began = time.time()
            await page.evaluate(f"fetch('/pop/{contact}').then((answer) => answer.text())")
            figures.add("  the card asked for alone", time.time() - began)
            await call.hang_up()
            await rings.ended()
            await bare.page.bring_to_front()
            figures.add("  floor: a bare page paints a word that it is sent", await bare.painted(f"word {n}"))
            if n == 0:
                figures.ms.clear()  # to warm up
        heard = await others.so_far()
    return figures, f"{desktops} desktops heard {heard.messages} news, {heard.lost} were lost"


def main(calls: int, desktops: int) -> None:
    directory = Path(tempfile.mkdtemp(prefix="lcall-bench-"))
    directory.chmod(0o755)
    center = reserve(directory / "center")
    try:
        center.start(together_with=os.getpid())
        before = os.getloadavg()[0]
        figures, heard = asyncio.run(measured(center, directory, calls, desktops))
    finally:
        center.stop()
        shutil.rmtree(directory)
    print(f"{os.cpu_count()} processors, load {before:.1f} to {os.getloadavg()[0]:.1f}; {calls} calls; {heard}")
    print(figures.told())


if __name__ == "__main__":
    wanted = [int(word) for word in sys.argv[1:]]
    main(wanted[0] if wanted else CALLS, wanted[1] if len(wanted) > 1 else DESKTOPS)
