"""What is due, for the people whose pages are open here: read when the next one is due, and every few seconds.

PostgreSQL is the truth: other processes of the web change it too, and what they do is seen within AGAIN_S. One query
for all open pages; while it is away, what was known stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from weakref import WeakSet

from lcall_web.common.database import Database, DatabaseAway, TooMuch, queries
from lcall_web.followups import rules

SQL: Final = queries(__file__)
NAME: Final = "follow_ups"  # of what a page is woken for, with whose they are
AGAIN_S: Final = 15.0
TOGETHER_S: Final = 0.05
MOST: Final = 20  # of one person's; a page shows a few of them


@dataclass(frozen=True, slots=True)
class Due:
    """One that its owner is told of."""

    id: int
    version: int
    customer: int
    name: str  # the customer's
    kind: str
    body: str
    due_at: datetime
    remind_at: datetime
    phone: int | None  # a number of the customer's, by its id


@dataclass(frozen=True, slots=True)
class Told:
    """What stands on a page of somebody's."""

    count: int = 0  # overdue, or due today
    waiting: int = 0  # that he is told of
    due: tuple[Due, ...] = ()  # … the latest of them


class Showing(Protocol):
    """An open page. Its owner is looked after as long as it lives."""

    owner: str


async def read(database: Database, owners: Sequence[str], tomorrow: datetime) -> tuple[dict[str, Told], float]:
    """Of each of them, and in how many seconds the next one is due, at most AGAIN_S. Raises DatabaseAway, TooMuch."""
    if not owners:
        return {}, AGAIN_S
    async with database.transaction() as connection:
        counts = await connection.fetch(SQL["reminders"], owners, tomorrow)
        rows = await connection.fetch(SQL["due"], owners, MOST) if any(row["waiting"] for row in counts) else []
    due: dict[str, list[Due]] = {owner: [] for owner in owners}
    for row in rows:
        due[row["owner"]].append(Due(**{name: row[name] for name in Due.__slots__}))
    found = dict.fromkeys(owners, Told())
    found |= {row["owner"]: Told(row["count"], row["waiting"], tuple(due[row["owner"]])) for row in counts}
    return found, min([AGAIN_S, *(row["next_s"] for row in counts if row["next_s"] is not None)])


class Reminders:
    """`tell` wakes the pages of these people; `zone`: the center's, whose day is today."""

    def __init__(self, database: Database, tell: Callable[..., None], zone: Callable[[], str]) -> None:
        self._database = database
        self._tell = tell
        self._zone = zone
        self._pages: WeakSet[Showing] = WeakSet()
        self._known: Mapping[str, Told] = {}
        self._wanted = asyncio.Event()
        self._next_s = AGAIN_S

    def look_after(self, page: Showing) -> None:
        self._pages.add(page)

    def known(self, owner: str) -> Told | None:
        """None: not yet; it is told when it is."""
        if owner not in self._known:
            self._wanted.set()
        return self._known.get(owner)

    def again(self) -> None:
        """Something was changed here."""
        self._wanted.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wanted_or_due()
            await asyncio.sleep(TOGETHER_S)
            self._wanted.clear()
            await self._look()

    async def _look(self) -> None:
        owners = sorted({page.owner for page in self._pages})
        before = self._known
        try:
            self._known, self._next_s = await read(
                self._database, owners, rules.midnight(datetime.now(UTC), self._zone())
            )
        except (DatabaseAway, TooMuch):  # told by the watch; what was known stands
            self._next_s = AGAIN_S
            return
        changed = [owner for owner in owners if before.get(owner) != self._known[owner]]
        if changed:
            self._tell(*((NAME, owner) for owner in changed))

    async def _wanted_or_due(self) -> None:
        try:
            async with asyncio.timeout(self._next_s):
                await self._wanted.wait()
        except TimeoutError:
            return


def drawn(told: Told, language: str, now: datetime, zone: str) -> dict[str, Any]:
    """As the page takes it. A reminder is the same one as long as its `key` is."""
    kinds = rules.kinds(language)
    return {
        "count": told.count,
        "waiting": told.waiting,
        "due": [
            {
                "key": f"{each.id}-{each.version}-{round(each.remind_at.timestamp())}",
                "id": each.id,
                "version": each.version,
                "customer": each.customer,
                "name": each.name,
                "kind": kinds[each.kind],
                "text": each.body,
                "at": rules.told(each.due_at, now, zone),
                "phone": each.phone,
            }
            for each in told.due
        ],
    }
