"""Who is told that something is due: when it is, once, and whatever becomes of PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from lcall_web.common.database import DatabaseAway
from lcall_web.followups import reminders
from lcall_web.followups.reminders import SQL, Reminders, Told, drawn

THEN = datetime(2026, 11, 28, 2, 30, tzinfo=UTC)
LONG = 3600.0


class Page:
    def __init__(self, owner: str) -> None:
        self.owner = owner


class Database:
    """`due`: of each owner, the texts that he is told of; `next_s`: when another one will be."""

    def __init__(self) -> None:
        self.due: dict[str, list[str]] = {}
        self.next_s: float | None = None
        self.away = False
        self.asked: asyncio.Queue[list[str]] = asyncio.Queue()  # whose, look by look

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Database]:
        if self.away:
            self.asked.put_nowait([])
            raise DatabaseAway("away")
        yield self

    async def fetch(self, query: str, owners: list[str], _: object) -> list[dict[str, Any]]:
        found = {owner: self.due[owner] for owner in owners if owner in self.due}
        if query == SQL["reminders"]:
            self.asked.put_nowait(owners)
            return [
                {"owner": owner, "count": len(texts), "waiting": len(texts), "next_s": self.next_s}
                for owner, texts in found.items()
            ]
        about = {"version": 1, "customer": 7, "name": "客户", "kind": "call_back", "due_at": THEN, "remind_at": THEN}
        return [
            {**about, "id": n, "owner": owner, "body": text, "phone": None}
            for owner, texts in found.items()
            for n, text in enumerate(texts)
        ]


@asynccontextmanager
async def running(database: Database) -> AsyncIterator[tuple[Reminders, asyncio.Queue[Any]]]:
    told: asyncio.Queue[Any] = asyncio.Queue()
    found = Reminders(database, lambda *names: told.put_nowait(names), lambda: "Asia/Shanghai")  # type: ignore[arg-type]
    task = asyncio.create_task(found.run())
    yield found, told
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reminders, "TOGETHER_S", 0.0)
    monkeypatch.setattr(reminders, "AGAIN_S", LONG)


def texts(told: Told | None) -> list[str]:
    return [each.body for each in told.due] if told else []


async def test_a_page_is_told_at_once_and_when_the_next_one_is_due() -> None:
    database = Database()
    database.due, database.next_s = {"1001": ["一"]}, 0.01
    page, other = Page("1001"), Page("1002")
    async with running(database) as (found, told):
        for each in (page, other):
            found.look_after(each)
        assert found.known("1001") is None
        assert await told.get() == (("follow_ups", "1001"), ("follow_ups", "1002"))
        assert await database.asked.get() == ["1001", "1002"], "one query for both"
        assert texts(found.known("1001")) == ["一"] and found.known("1002") == Told()
        database.due = {"1001": ["二", "一"]}
        assert await told.get() == (("follow_ups", "1001"),), "without being asked, and nobody else is woken"
        assert texts(found.known("1001")) == ["二", "一"]


async def test_what_is_changed_here_is_seen_at_once() -> None:
    database = Database()
    database.due = {"1001": ["一"]}
    page = Page("1001")
    async with running(database) as (found, told):
        found.look_after(page)
        found.known("1001")
        await told.get()
        database.due = {}
        found.again()
        assert await told.get() == (("follow_ups", "1001"),)
        assert found.known("1001") == Told()


async def test_a_database_that_is_away_takes_nothing_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reminders, "AGAIN_S", 0.01)
    database = Database()
    database.due = {"1001": ["一"]}
    page = Page("1001")
    async with running(database) as (found, told):
        found.look_after(page)
        found.known("1001")
        await told.get()
        database.away = True
        for _ in range(database.asked.qsize() + 3):
            await database.asked.get()
        assert texts(found.known("1001")) == ["一"] and told.empty()
        database.away, database.due = False, {"1001": ["二"]}
        assert await told.get() == (("follow_ups", "1001"),), "it is back"


async def test_nobody_asks_for_whom_no_page_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reminders, "AGAIN_S", 0.01)
    database = Database()
    page, other = Page("1001"), Page("1002")
    async with running(database) as (found, told):
        found.look_after(page)
        found.known("1001")
        await told.get()
        del page
        found.look_after(other)
        while (asked := await database.asked.get()) != ["1002"]:
            assert asked in (["1001"], ["1001", "1002"]), "before the page went"


def test_as_a_page_takes_it() -> None:
    due = reminders.Due(3, 2, 7, "<b>客户", "appointment", "看货", THEN, THEN, 9)
    assert drawn(Told(4, 1, (due,)), "en", THEN, "Asia/Shanghai") == {
        "count": 4,
        "waiting": 1,
        "due": [
            {
                "key": f"3-2-{round(THEN.timestamp())}",
                "id": 3,
                "version": 2,
                "customer": 7,
                "name": "<b>客户",
                "kind": "Appointment",
                "text": "看货",
                "at": "10:30",
                "phone": 9,
            }
        ],
    }
