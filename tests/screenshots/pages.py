"""What is photographed: every page that a link leads to, and by hand what only a click, a mistake or a fault shows."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from playwright.async_api import Page

Act = Callable[[Page], Awaitable[object]]

BEGIN: Final = (
    "/home",
    "/board",
    "/team",
    "/wall",
    "/calls/",
    "/customers/",
    "/follow-ups/",
    "/settings/",
    "/accounts/",
    "/me/",
    "/ca",
)
DEEP: Final = 90  # pages of one person
AWAY: Final = re.compile(
    r"/(logout|ca/|static|logo|.*\.(xlsx|wav|csv|svg|png|crt|mobileconfig)|.*/(template|file|audio|export)$)"
)


@dataclass(frozen=True, slots=True)
class Shot:
    name: str
    who: str  # "": nobody is in
    path: str
    act: Act | None = None


def clicks(*selectors: str) -> Act:
    async def act(page: Page) -> None:
        for selector in selectors:
            await page.locator(selector).first.click()

    return act


def fills(button: str, **fields: str) -> Act:
    """Fields by their names, then that button."""

    async def act(page: Page) -> None:
        for name, text in fields.items():
            await page.locator(f'#main [name="{name}"], .lc-form [name="{name}"]').first.fill(text)
        await page.locator(button).first.click()

    return act


def runs(script: str) -> Act:
    return lambda page: page.evaluate(script)


NOTHING_YET: Final = (
    Shot("login", "", "/login"),
    *(Shot(f"{who}-board", who, "/board") for who in ("1001", "1901")),
    Shot("home", "1001", "/home"),
    Shot("team", "1901", "/team"),
    Shot("wall", "1901", "/wall"),
    Shot("calls", "admin", "/calls/"),
    Shot("bin", "admin", "/customers/bin"),
    Shot("sessions", "admin", "/accounts/sessions?q=nobody"),
    *(Shot(f"settings-{kind}", "admin", f"/settings/{kind}/") for kind in ("conferences", "lists", "pause_reasons")),
)
RINGING: Final = Shot("desk-ringing", "1009", "/board")
BY_HAND: Final = (
    Shot("desk-known", "1001", "/board"),
    Shot("desk-unknown", "1002", "/calls/"),
    Shot("desk-held", "1003", "/customers/"),
    Shot("desk-wrap-up", "1006", "/board"),
    Shot("desk-paused", "1007", "/board"),
    Shot("desk-signed-out", "1010", "/customers/"),
    Shot("desk-transfer", "1001", "/calls/", clicks("#soft-phone [data-do=transfer]")),
    Shot("desk-keypad", "1001", "/calls/", clicks("#soft-phone [data-do=keypad]")),
    Shot("desk-shortcuts", "1001", "/calls/", clicks("#soft-phone [data-do=shortcuts]")),
    Shot("desk-phone", "1010", "/calls/", runs("browserPhone.settings()")),
    Shot("team-help", "1902", "/team"),
    Shot("team-listening", "1901", "/team", clicks(".lc-tile[data-id='1005']")),
    Shot("wall-light", "1901", "/wall?theme=light"),
    Shot("customer-new", "1010", "/customers/new"),
)
MISTAKES: Final = (
    Shot("login", "", "/login", fills("#enter", id="1001", password="wrong")),
    Shot("not-found", "admin", "/calls/none"),
    Shot("forbidden", "1010", "/accounts/"),
    Shot("calls", "admin", "/calls/?from=x&to=2026-01-01&number=abc&least=x&most=1"),
    Shot("calls-none", "admin", "/calls/?number=99999999"),
    Shot("customers-none", "1010", "/customers/?q=没有这样的人"),
    Shot("customer", "1010", "/customers/new", fills("#save", name="张三", **{"number-0": "12", "email": "x"})),
    Shot("customer-known", "1010", "/customers/new", fills("#save", name="张三", **{"number-0": "13800138000"})),
    Shot("customers-import", "admin", "/customers/import", clicks("#look")),
    Shot("account", "admin", "/accounts/new", fills("#save", id="x y", name="王")),
    Shot("setting", "admin", "/settings/queues/+", fills("#save", id="a b", name="甲", ring_s="1")),
    Shot("setting-used", "admin", "/settings/delete/queues/sales"),
    Shot("list-entries", "admin", "/settings/entries/black", fills("#add button", numbers="12\nabc\n13800138000")),
)
DATABASE_AWAY: Final = (
    Shot("board", "1901", "/board"),
    Shot("calls", "admin", "/calls/"),
    Shot("desk", "1001", "/board"),
)
API_AWAY: Final = (Shot("team", "1901", "/team"), Shot("desk", "1001", "/calls/"), Shot("wall", "1901", "/wall"))


def kind_of(path: str) -> str:
    """One name for all pages of a kind: ids away."""
    plain = re.sub(r"/[0-9a-f]{8}-[0-9a-f-]+|/\d+(?=/|$)|(?<=/operators)/[^/]+", "/x", path)
    plain = re.sub(r"(?<=^/settings/)(members|entries|rooms|delete/\w+)/[^/]+", r"\1/x", plain)
    plain = re.sub(
        r"^/settings/(?!members|entries|rooms|delete|import|logo|settings)(\w+)/[^/+]+$", r"/settings/\1/x", plain
    )
    return plain.strip("/").replace("/", "-").replace("+", "new") or "home"


async def links(page: Page, web: str) -> Iterable[str]:
    """Addresses of ours that this page leads to."""
    found = await page.eval_on_selector_all("a[href]", "all => all.map((each) => each.href)")
    paths = (urlsplit(url).path for url in found if url.startswith(web))
    return [path for path in paths if not AWAY.match(path)]
