"""Who is woken by what has changed, and for what nobody has to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Set
from typing import Any

import pytest

from lcall_web.board.feed import EACH, READERS, Feed, Name, Reader
from lcall_web.common.failures import Busy

SESSION = b"x"


class Watch:
    """As far as a feed tells it anything here."""


class Page:
    """A room's part that shows one agent, who waits for what becomes of him, and one queue."""

    def concerns(self, changed: Set[Name]) -> bool:
        return not changed.isdisjoint({("agents", "1001"), ("waiting", "sales")})

    def waits_for(self, changed: Set[Name]) -> bool:
        return ("agents", "1001") in changed

    async def news(self, whole: bool, changed: Set[Name]) -> tuple[str, dict[str, Any]] | None:
        return None


@pytest.fixture
def feed() -> Feed:
    return Feed(None, Watch())  # type: ignore[arg-type]


def opened(feed: Feed, *, board: bool = False, desk: bool = False) -> Reader:
    reader = feed.join(SESSION, "1001", board, [Page()] if desk else [])
    assert reader.take() == (True, set()), "all of it, at first"
    return reader


def test_a_page_is_woken_for_what_it_shows(feed: Feed) -> None:
    bare, desk, board = opened(feed), opened(feed, desk=True), opened(feed, board=True)
    for names, woken in (
        ([("agents", "1002")], {board}),
        ([("agents", "1001")], {desk, board}),
        ([("waiting", "sales")], {desk}),
        ([("legs", "c1")], set()),
        ([("waiting", "support"), ("calls", "c1")], {board}),
        ([("problems", "")], {bare, desk, board}),
    ):
        feed.tell(*names)
        assert {reader for reader in (bare, desk, board) if reader.woken.is_set()} == woken, names
        for reader in woken:
            assert reader.take() == (False, set(names)), "also what it does not show: its parts know best"
    feed.tell(whole=True)
    assert [reader.take() for reader in (bare, desk, board)] == [(True, set())] * 3


async def test_what_somebody_waits_for_is_not_gathered(feed: Feed) -> None:
    desk = opened(feed, desk=True)
    feed.tell(("waiting", "sales"))
    gathering = asyncio.create_task(desk.gather(3600))
    await asyncio.sleep(0)
    feed.tell(("waiting", "sales"))
    await asyncio.sleep(0)
    assert not gathering.done(), "the queue can wait"
    feed.tell(("agents", "1001"))
    await gathering
    assert desk.take() == (False, {("waiting", "sales"), ("agents", "1001")})
    await desk.gather(0.001)  # nobody waits for anything: it ends by itself


def test_nobody_opens_so_many_that_others_get_none(feed: Feed) -> None:
    """However often he has logged in."""
    mine = [feed.join(b"%d" % n, "1001") for n in range(EACH)]
    with pytest.raises(Busy):
        feed.join(b"anew", "1001")
    others = [feed.join(b"x", f"2{n}") for n in range(READERS - EACH)]
    with pytest.raises(Busy):
        feed.join(b"x", "3001")
    feed.leave(mine[0])
    assert feed.join(b"anew", "1001") not in (*mine, *others)
