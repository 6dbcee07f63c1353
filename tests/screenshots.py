"""Every page of the web as people see it, on a center that works: pictures to look at.

    python -m tests.screenshots DIRECTORY [word …]

Six agents talk, one tidies up, one is away, three callers wait, some calls are over, customers are known. From the
menu each link is followed once for each kind of address, as administrator, leader and agent; in Chinese at 1366×768,
in English at 1920×1080, and in the dark. With words only pages whose name holds one of them.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import asyncpg
from playwright.async_api import Browser, Page, async_playwright

from lq.live.redis import Live
from ops.home import read_secrets
from ops.services import DATABASE
from tests.center import Center, reserve
from tests.scenarios.faults import Scene
from tests.scenarios.test_web import CHROMIUM, FLAGS
from tests.simulator.gateway import Answer
from tests.simulator.place import Place
from tests.simulator.rtp import Media

PEOPLE: Final = {"admin": "admin", "leader": "1901", "agent": "1001"}
DEEP: Final = 60  # pages of one person
SETTLED_MS: Final = 1500  # the stream's first news, pictures drawn
AWAY: Final = re.compile(
    r"/(logout|ca/|static|.*\.(xlsx|wav|csv|svg|png|crt|mobileconfig)|.*/(template|file|audio|export))"
)
CUSTOMERS: Final = (
    ("person", "王秀英", "13800100000", "vip", "杭州市西湖区文三路 90 号"),
    ("person", "李建国", "13800000001", "important", "上海市浦东新区世纪大道 1 号"),
    ("company", "苏州春雨茶业有限公司", "051288880000", "normal", "苏州市姑苏区平江路 12 号"),
    ("person", "'; <script>alert(1)</script>", "13900139000", "normal", ""),
)


@dataclass(frozen=True, slots=True)
class Look:
    name: str
    locale: str
    width: int
    height: int
    colors: Literal["light", "dark"]


LOOKS: Final = (
    Look("zh", "zh-CN", 1366, 768, "light"),
    Look("en", "en-US", 1920, 1080, "light"),
    Look("dark", "zh-CN", 1920, 1080, "dark"),
)


async def known(center: Center) -> None:
    secret = read_secrets(center.home).postgres
    rows = await asyncpg.connect(f"postgresql://lcall:{secret}@127.0.0.1:{center.ports.postgres}/{DATABASE}")
    for kind, name, number, level, address in CUSTOMERS:
        made = """insert into customer (key, kind, name, level, address, tags)
                  values (gen_random_uuid(), $1, $2, $3, $4, array['老客户']) returning id"""
        id = await rows.fetchval(made, kind, name, level, address)
        number = f"+86{number.removeprefix('0')}"
        await rows.execute("insert into customer_phone (customer, number) values ($1, $2)", id, number)
    await rows.close()


async def live(center: Center, stack: AsyncExitStack, directory: Path) -> None:
    """What goes on while somebody looks."""
    place = Place.of(center)
    secrets = read_secrets(center.home).redis
    state = Live(f"redis://ops:{secrets['ops']}@127.0.0.1:{center.ports.redis}/0")
    media = Media()
    stack.push_async_callback(asyncio.to_thread, media.close)
    stack.push_async_callback(state.close)
    gateway = await stack.enter_async_context(place.gateway(media=media))
    lq = await stack.enter_async_context(place.client())
    scene = Scene(center, place, gateway, lq, state, None, directory, stack, media)  # type: ignore[arg-type]
    pairs = await scene.pairs(8)
    await pairs[6].call.hang_up()
    await pairs[7].call.hang_up()
    await asyncio.gather(*(scene.cdr(pair.contact) for pair in pairs[6:]))
    await lq.wrap_up("1007", done=True)
    await lq.pause("1007", "meal")
    await lq.hold(pairs[2].contact, "1003")
    for ext, agent in (("8061", "1061"), ("8062", "1062")):
        await stack.enter_async_context(place.softphone(ext, media, Answer(0.2)))
        await scene.lq.sign_in(agent, ext)
    for n in range(3):
        await scene.in_queue(f"1390013900{n}")
    await lq.ask_help(pairs[1].contact, "1002")


def kind_of(path: str) -> str:
    """One name for all pages of a kind: ids away."""
    plain = re.sub(r"/[0-9a-f]{8}-[0-9a-f-]+|/\d+(?=/|$)|(?<=/operators)/[^/]+", "/x", path)
    return plain.strip("/").replace("/", "-") or "home"


async def links(page: Page, web: str) -> Iterator[str]:
    found = await page.eval_on_selector_all("a[href]", "all => all.map((each) => each.href)")
    rows = await page.eval_on_selector_all("[data-href]", "all => all.map((each) => each.dataset.href)")
    paths = (urlsplit(url).path for url in (*found, *rows) if url.startswith((web, "/")))
    return (path for path in paths if not AWAY.match(path))


async def walk(browser: Browser, center: Center, who: str, look: Look, into: Path, words: list[str]) -> None:
    context = await browser.new_context(
        locale=look.locale, viewport={"width": look.width, "height": look.height}, color_scheme=look.colors
    )
    page = await context.new_page()
    page.on("pageerror", lambda error: print(f"{who} {page.url}: {error}", flush=True))
    page.on(
        "console", lambda said: print(f"{who} {page.url}: {said.text}", flush=True) if said.type == "error" else None
    )
    await page.goto(f"{center.web}/login")
    await shot(page, into / f"{look.name}-login.png", words)
    await page.fill("#id", PEOPLE[who])
    await page.fill("#password", f"demo-{PEOPLE[who]}")
    await page.click("#enter")
    await page.wait_for_url("**/board")
    seen, open_ = (
        {"login", "home"},
        ["/board", "/team", "/wall", "/calls/", "/customers/", "/settings/", "/accounts/", "/ca"],
    )
    while open_ and len(seen) < DEEP:
        path = open_.pop(0)
        if (kind := kind_of(path)) in seen:
            continue
        seen.add(kind)
        await page.goto(center.web + path)
        await shot(page, into / f"{look.name}-{who}-{kind}.png", words)
        open_ += await links(page, center.web)
    await context.close()


async def shot(page: Page, file: Path, words: list[str]) -> None:
    if words and not any(word in file.name for word in words):
        return
    await page.wait_for_timeout(SETTLED_MS)  # pages hold a stream open: there is no moment at which they are done
    await page.screenshot(path=file)


async def main(into: Path, words: list[str]) -> None:
    into.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="lcall-shots-", dir="/tmp"))
    directory.chmod(0o755)
    center = reserve(directory / "center")
    try:
        center.start(together_with=os.getpid())
        async with AsyncExitStack() as stack:
            await known(center)
            await live(center, stack, directory)
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
                for look in LOOKS:
                    for who in PEOPLE if look.name != "dark" else ("admin",):
                        await walk(browser, center, who, look, into, words)
                await browser.close()
    finally:
        center.stop()
        shutil.rmtree(directory)
    print(f"{len(list(into.glob('*.png')))} pictures in {into}")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
