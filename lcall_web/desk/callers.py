"""Whose numbers the soft phones show: customers' names, read beside the stream, so that no call waits for them.

A page is told at once what is known, and again when it is: one query for all that all open pages show, and again every
few seconds, for a customer may be entered or chosen while his call goes on. PostgreSQL away: numbers without names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol
from weakref import WeakSet

from lcall_web.common.database import Database, DatabaseAway, TooMuch, queries

SQL: Final = queries(__file__)
AGAIN_S: Final = 5.0
TOGETHER_S: Final = 0.05
MOST: Final = 2000  # of one query; what is more has no names

Asked = tuple[str, str]  # a contact, and the number of whom it is with (E.164)


@dataclass(frozen=True, slots=True)
class Caller:
    name: str = ""
    customers: int = 0  # that may be meant: several have the number, and none was chosen in the pop


Known = Mapping[Asked, Caller]


class Showing(Protocol):
    """An open page. Its calls are looked after as long as it lives."""

    shows: frozenset[Asked]


async def read(database: Database, asked: Iterable[Asked]) -> dict[Asked, Caller]:
    """Those that are known. Raises DatabaseAway, TooMuch."""
    wanted = sorted(set(asked))[:MOST]
    if not wanted:
        return {}
    contacts, numbers = zip(*wanted, strict=True)
    rows = await database.fetch(SQL["callers"], list(contacts), list(numbers))
    return {(row["contact"], row["number"]): Caller(row["name"], row["customers"]) for row in rows}


class Callers:
    """`tell` wakes the pages that show one of these contacts."""

    def __init__(self, database: Database, tell: Callable[..., None]) -> None:
        self._database = database
        self._tell = tell
        self._pages: WeakSet[Showing] = WeakSet()
        self._known: Known = {}
        self._asked: frozenset[Asked] = frozenset()  # … of which more may not be known
        self._wanted = asyncio.Event()

    def look_after(self, page: Showing) -> None:
        self._pages.add(page)

    def known(self, shows: frozenset[Asked]) -> Known:
        """What is known by now of what a page shows; the rest is told when it is."""
        if not shows <= self._asked:
            self._wanted.set()
        return {asked: self._known[asked] for asked in shows if asked in self._known}

    def again(self) -> None:
        """Somebody has said who a caller is."""
        self._wanted.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wanted_or_again()
            await asyncio.sleep(TOGETHER_S)
            self._wanted.clear()
            asked = frozenset[Asked]().union(*(page.shows for page in self._pages))
            before, self._asked = self._known, asked
            try:
                self._known = await read(self._database, asked)
            except (DatabaseAway, TooMuch):  # told by the watch; what was known is shown on
                continue
            changed = {each[0] for each in asked if before.get(each) != self._known.get(each)}
            if changed:
                self._tell(*(("callers", contact) for contact in sorted(changed)))

    async def _wanted_or_again(self) -> None:
        try:
            async with asyncio.timeout(AGAIN_S):
                await self._wanted.wait()
        except TimeoutError:
            return
