"""Whose calls a leader is told of: those that he sees, by the name, or one of several."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from lcall_web.board.rules import Call
from lcall_web.common.viewer import CUSTOMERS, TEAM, Reach, Viewer
from lcall_web.desk.callers import Caller
from lcall_web.team import news


def call(id: str, number: str, agent: str = "", queue: str = "") -> Call:
    return Call(id, "in", "talking", number, "", 0, 0, queue, agent)


CALLS = {
    each.id: each
    for each in (
        call("his", "+861", agent="1001"),
        call("waits", "+862", queue="sales"),
        call("nobody's", "+863"),
        call("another's", "+864", agent="1009", queue="support"),
        call("anonymous", "", agent="1001"),
    )
}


def test_only_of_calls_that_are_his_to_see() -> None:
    leader = Viewer("1901", "", "leader", "", b"", "", frozenset(), Reach(frozenset({"1001"}), frozenset({"sales"})))
    assert news.shown(CALLS, leader) == {("his", "+861"), ("waits", "+862"), ("nobody's", "+863")}


def test_of_several_who_have_the_number_one_is_named() -> None:
    known = {("a", "+861"): Caller("王芳", 1), ("b", "+862"): Caller("李娜", 3)}
    assert news.named(known, "zh") == {"a": "王芳", "b": "李娜 等 3 位"}
    assert news.named(known, "en") == {"a": "王芳", "b": "李娜, one of 3"}


class Callers:
    """As far as a page asks it."""

    def __init__(self) -> None:
        self.names: dict[tuple[str, str], Caller] = {}

    def look_after(self, page: object) -> None:
        """Nobody is read for here."""

    def known(self, shows: frozenset[tuple[str, str]]) -> dict[tuple[str, str], Caller]:
        return {asked: caller for asked, caller in self.names.items() if asked in shows}


def request(callers: Callers, *permissions: str, asks: str = "1") -> Any:
    viewer = Viewer("1901", "", "leader", "", b"", "", frozenset(permissions), Reach(None))
    feed = SimpleNamespace(board=SimpleNamespace(calls={"his": CALLS["his"]}))
    app = SimpleNamespace(ctx=SimpleNamespace(callers=callers, feed=feed))
    args = {"callers": asks} if asks else {}
    return SimpleNamespace(app=app, ctx=SimpleNamespace(viewer=viewer, language="zh"), args=args)


async def test_what_is_new_is_told_and_nothing_twice() -> None:
    callers = Callers()
    page = news.begin(request(callers, TEAM, CUSTOMERS))
    assert page is not None
    assert await page.news(True, set()) == ("callers", {"names": {}, "whole": True})
    callers.names["his", "+861"] = Caller("王芳", 1)
    assert page.concerns({("callers", "his")}) and not page.concerns({("callers", "another's"), ("agents", "1001")})
    assert await page.news(False, {("callers", "his")}) == ("callers", {"names": {"his": "王芳"}, "whole": False})
    assert await page.news(False, {("calls", "his")}) is None
    callers.names.clear()
    assert await page.news(False, {("callers", "his")}) == ("callers", {"names": {"his": ""}, "whole": False})
    assert await page.news(True, set()) == ("callers", {"names": {}, "whole": True})


def test_only_the_leaders_page_is_told_and_only_who_may_see_customers() -> None:
    callers = Callers()
    for permissions, asks in (((TEAM,), "1"), ((CUSTOMERS,), "1"), ((TEAM, CUSTOMERS), "")):
        assert news.begin(request(callers, *permissions, asks=asks)) is None
