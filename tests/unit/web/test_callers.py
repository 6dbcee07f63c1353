"""Customers' names for the soft phones: nobody waits for them, and one query reads them for all pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lcall_web.common.database import DatabaseAway
from lcall_web.desk import callers
from lcall_web.desk.callers import Caller, Callers


class Page:
    def __init__(self, *shows: tuple[str, str]) -> None:
        self.shows = frozenset(shows)


class Database:
    """Customers by number; `away`: it does not answer."""

    def __init__(self, **customers: str) -> None:
        self.customers, self.away = customers, False
        self.asked: asyncio.Queue[list[str]] = asyncio.Queue()  # contacts, query by query

    async def fetch(self, query: str, contacts: list[str], numbers: list[str]) -> list[dict[str, Any]]:
        self.asked.put_nowait(contacts)
        if self.away:
            raise DatabaseAway("away")
        return [
            {"contact": contact, "number": number, "name": self.customers[number], "customers": 1}
            for contact, number in zip(contacts, numbers, strict=True)
            if number in self.customers
        ]


@asynccontextmanager
async def running(database: Database) -> AsyncIterator[tuple[Callers, asyncio.Queue[tuple[tuple[str, str], ...]]]]:
    told: asyncio.Queue[tuple[tuple[str, str], ...]] = asyncio.Queue()
    found = Callers(database, lambda *names: told.put_nowait(names))  # type: ignore[arg-type]
    task = asyncio.create_task(found.run())
    yield found, told
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "AGAIN_S", 0.01)
    monkeypatch.setattr(callers, "TOGETHER_S", 0.0)


async def test_a_page_has_what_is_known_at_once_and_the_rest_when_it_is() -> None:
    database = Database(n1="王芳", n2="李娜")
    one, other = Page(("c1", "n1"), ("c3", "n3")), Page(("c1", "n1"), ("c2", "n2"))
    async with running(database) as (found, told):
        for page in (one, other):
            found.look_after(page)
        assert found.known(one.shows) == {}
        assert await told.get() == (("callers", "c1"), ("callers", "c2"))
        assert await database.asked.get() == ["c1", "c2", "c3"], "one query for both"
        assert found.known(one.shows) == {("c1", "n1"): Caller("王芳", 1)}
        database.customers["n3"] = "新客户"
        assert await told.get() == (("callers", "c3"),), "entered while he calls"
        database.customers["n1"] = "王芳芳"
        assert await told.get() == (("callers", "c1"),), "changed while he calls"


async def test_a_database_that_is_away_takes_no_name_away() -> None:
    database = Database(n1="王芳")
    page = Page(("c1", "n1"))
    async with running(database) as (found, told):
        found.look_after(page)
        found.known(page.shows)
        await told.get()
        database.away = True
        for _ in range(database.asked.qsize() + 3):
            await database.asked.get()
        assert found.known(page.shows) == {("c1", "n1"): Caller("王芳", 1)} and told.empty()
        database.away, page.shows = False, frozenset({("c1", "n1"), ("c2", "n1")})
        assert await told.get() == (("callers", "c2"),), "it is back"


async def test_nobody_asks_for_what_no_page_shows() -> None:
    database = Database(n1="王芳")
    page, other = Page(("c1", "n1")), Page(("c2", "n2"))
    async with running(database) as (found, told):
        found.look_after(page)
        found.known(page.shows)
        assert await told.get() == (("callers", "c1"),)
        del page
        found.look_after(other)
        found.known(other.shows)
        while (asked := await database.asked.get()) != ["c2"]:
            assert asked == ["c1"], "before the other page came"
