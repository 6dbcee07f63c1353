"""What the open pages are told of notices: read once for all of them, when something was written, read, begun or over.

Each process of the web looks at one row every two seconds, and at once after it has written itself. PostgreSQL away:
what was known is told on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol
from weakref import WeakSet

import asyncpg
from sanic import Request

from lcall_web.common import door
from lcall_web.common.database import Database, DatabaseAway, TooMuch, queries
from lcall_web.common.viewer import NOTICES
from lcall_web.home import rules

SQL: Final = queries(__file__)
EVENT: Final = "notices"
PERSON: Final = "notices"  # names of the feed: what one operator is told of has changed …
NEWS: Final = ("notice-news", "")  # … and for those who write: somebody has written, or read
LOOK_EVERY_S: Final = 2.0
TOGETHER_S: Final = 0.05  # pages that come at once are read for at once
ANYWAY_S: Final = 60.0  # somebody may have come into a team, or into a queue
BARS: Final = 2  # shown at once
LETTERS: Final = 240
LINES: Final = 4

Told = tuple[int, int, bool]  # a notice, its version, whether he still has to read it


class Page(Protocol):
    operator: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A notice that must be confirmed."""

    id: int
    edition: int
    title: str
    writer: str
    body: str


class Bulletin:
    """`tell` wakes the pages that show something of it."""

    def __init__(self, database: Database, tell: Callable[..., None]) -> None:
        self._database = database
        self._tell = tell
        self._pages: WeakSet[Page] = WeakSet()
        self._told: Mapping[str, tuple[Told, ...]] = {}
        self._bars: Mapping[int, Bar] = {}
        self._next: datetime | None = None  # something begins or ends
        self._read_at = float("-inf")
        self._wanted = asyncio.Event()
        self.version = -1

    def look_after(self, page: Page) -> None:
        """As long as it lives."""
        self._pages.add(page)
        if page.operator not in self._told:
            self._wanted.set()

    def told(self, operator: str) -> tuple[Told, ...] | None:
        """What concerns him now; None: that is not known yet."""
        return self._told.get(operator)

    def bars(self, told: Iterable[Told]) -> list[Bar]:
        return [self._bars[id] for id, _, unread in told if unread and id in self._bars]

    def again(self) -> None:
        """Something was written here."""
        self._wanted.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wanted_or_later()
            self._wanted.clear()
            try:
                await self._look()
            except (DatabaseAway, TooMuch):  # told by the watch
                continue

    async def _wanted_or_later(self) -> None:
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._wanted.wait()
        except TimeoutError:
            return
        await asyncio.sleep(TOGETHER_S)

    async def _look(self) -> None:
        here = frozenset(page.operator for page in self._pages)
        if not here:
            return
        row = await self._database.row(SQL["version"])
        if row is None or not self._is_news(row, here):
            return
        fresh = row["version"] != self.version
        bars = await self._database.fetch(SQL["to_confirm"])
        told = await self._database.fetch(SQL["told"], sorted(here))
        next = await self._database.row(SQL["next"], row["now"])  # what begins after it is told by the next look
        self.version, self._next, self._read_at = row["version"], next["at"] if next else None, time.monotonic()
        self._bars = {each["id"]: _bar(each) for each in bars}
        before, self._told = self._told, _by_operator(here, told)
        changed = [operator for operator in sorted(here) if before.get(operator) != self._told[operator]]
        self._tell(*((PERSON, operator) for operator in changed), *([NEWS] if fresh else []))

    def _is_news(self, row: asyncpg.Record, here: Set[str]) -> bool:
        begun = self._next is not None and self._next <= row["now"]
        old = time.monotonic() - self._read_at > ANYWAY_S
        return row["version"] != self.version or begun or old or not here <= self._told.keys()


def _by_operator(operators: Iterable[str], rows: Iterable[asyncpg.Record]) -> dict[str, tuple[Told, ...]]:
    found: dict[str, list[Told]] = {operator: [] for operator in operators}
    for row in rows:
        found[row["operator"]].append((row["id"], row["version"], row["unread"]))
    return {operator: tuple(told) for operator, told in found.items()}


def _bar(row: asyncpg.Record) -> Bar:
    return Bar(row["id"], row["edition"], row["title"], row["writer"], row["body"])


class News:
    """Of one open page."""

    def __init__(self, request: Request) -> None:
        viewer = door.viewer(request)
        self.operator = viewer.id
        self._writes = viewer.may(NOTICES)
        self._bulletin: Bulletin = request.app.ctx.notices
        self._bulletin.look_after(self)
        self._said: dict[str, Any] | None = None

    def concerns(self, changed: Set[tuple[str, str]]) -> bool:
        return (PERSON, self.operator) in changed or (self._writes and NEWS in changed)

    def waits_for(self, changed: Set[tuple[str, str]]) -> bool:
        return False

    async def news(self, whole: bool, changed: Set[tuple[str, str]]) -> tuple[str, dict[str, Any]] | None:
        if not whole and not self.concerns(changed):
            return None
        told = self._bulletin.told(self.operator)
        if told is None:
            return None
        said = self._picture(told)
        if said == self._said and not whole:
            return None
        self._said = said
        return EVENT, said

    def _picture(self, told: tuple[Told, ...]) -> dict[str, Any]:
        bars = self._bulletin.bars(told)
        return {
            "unread": sum(unread for _, _, unread in told),
            "mark": rules.shown_mark(told),
            "bars": [_drawn(bar) for bar in bars[:BARS]],
            "more": max(0, len(bars) - BARS),
            "written": self._bulletin.version if self._writes else 0,
        }


def _drawn(bar: Bar) -> dict[str, Any]:
    shown, cut = rules.beginning(bar.body, LETTERS, LINES)
    text = [[piece.text, piece.link] for piece in shown]
    return {
        **{"id": bar.id, "edition": bar.edition, "title": bar.title, "writer": bar.writer},
        "text": text,
        "cut": cut,
    }


def begin(request: Request) -> News:
    return News(request)


def written(request: Request) -> None:
    """All pages of this process hear of it at once, those of others when they look."""
    bulletin: Bulletin = request.app.ctx.notices
    bulletin.again()
