"""The board is drawn once for all who see the same, and nobody is shown what another sees."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from lcall_web.board import store
from lcall_web.board.feed import Board, Feed, Name
from lcall_web.board.rules import Call
from lcall_web.common.viewer import NUMBERS, TEAM, Reach, Viewer
from lq.sdk import Agent, Queue

AGENTS = ("1001", "1002")
NAMES: tuple[Name, ...] = (*(("agents", id) for id in AGENTS), ("queues", "sales"), ("calls", "c1"), ("calls", "gone"))
EVERYTHING = Reach(None)


class Watch:
    """As far as a feed tells it anything here."""


def viewer(id: str, reach: Reach, *permissions: str) -> Viewer:
    return Viewer(id, id, "x", "x", b"", "", frozenset(permissions), reach)


VIEWERS = {
    "himself": viewer("1001", Reach(frozenset({"1001"}))),
    "a colleague": viewer("1002", Reach(frozenset({"1002"}))),
    "his leader": viewer("1901", Reach(frozenset({"1001"}), frozenset({"support"})), TEAM),
    "another leader": viewer("1902", Reach(frozenset({"1903"}), frozenset({"support"})), TEAM),
    "a leader who sees numbers": viewer("1903", EVERYTHING, TEAM, NUMBERS),
    "an administrator": viewer("admin", EVERYTHING, NUMBERS),
}


def center() -> Feed:
    feed = Feed(None, Watch())  # type: ignore[arg-type]
    talks = Agent("1001", "王芳", "talking", queues=("sales",), phone="8001", contact="c1")
    feed.board = Board({id: replace(talks, id=id, contact="c1" if id == "1001" else None) for id in AGENTS})
    feed.board.queues["sales"] = Queue("sales", "销售", 0, 0, 1)
    feed.board.put("c1", Call("c1", "in", "talking", "+8613800138000", "4008001001", 1000, 2000, "sales", "1001"))
    return feed


def shown(board: Board, who: Viewer, language: str) -> Any:
    return json.loads(store.changes(board, NAMES, who, language))


def test_whoever_looked_before_each_is_shown_what_is_his() -> None:
    together = center()
    for _ in range(2):
        for who in VIEWERS.values():
            for language in ("zh", "en"):
                alone = center()
                assert shown(together.board, who, language) == shown(alone.board, who, language)
    numbers = {name: shown(together.board, who, "zh")["calls"] for name, who in VIEWERS.items()}
    assert numbers["himself"][0]["number"] == "138****8000"
    assert numbers["an administrator"][0]["number"] == "13800138000"
    assert numbers["a colleague"] == [], "not for his eyes"


def test_the_mobile_of_an_agent_is_private_and_a_phone_of_the_center_is_not() -> None:
    board = center().board
    board.agents["1002"] = replace(board.agents["1002"], phone="+8613900139000")
    told = {name: [each["phone"] for each in shown(board, who, "zh")["agents"]] for name, who in VIEWERS.items()}
    assert told.pop("an administrator") == told.pop("a leader who sees numbers") == ["8001", "+8613900139000"]
    assert all(phones == ["8001", "139****9000"] for phones in told.values()), told


def test_a_leader_is_told_how_long_a_pause_may_be() -> None:
    board = center().board
    board.documents["pause_reasons"] = {"meal": {"longest_min": 45}, "break": {}}

    def longest(state: str, reason: str | None, who: str = "his leader") -> object:
        board.agents["1001"] = replace(board.agents["1001"], state=state, reason=reason, contact=None)
        board.forget({("agents", "1001")})
        return shown(board, VIEWERS[who], "zh")["agents"][0].get("longest_s")

    assert longest("paused", "meal") == 2700
    assert [longest("paused", reason) for reason in ("break", "training", None)] == [0, 0, 0]
    assert longest("ready", "meal") == 0
    assert longest("paused", "meal", "himself") is None


def test_only_who_sees_numbers_is_given_one_to_call() -> None:
    told = {name: shown(center().board, who, "zh")["agents"][0].get("dial") for name, who in VIEWERS.items()}
    assert told.pop("a leader who sees numbers") == "+8613800138000"
    assert not any(told.values())


def test_what_has_changed_is_drawn_anew() -> None:
    feed = center()
    himself = VIEWERS["himself"]
    before = shown(feed.board, himself, "zh")
    feed.board.agents["1001"] = replace(feed.board.agents["1001"], state="ready")
    assert shown(feed.board, himself, "zh") == before, "nobody has been told"
    feed.board.put("c1", None)
    feed.tell(("agents", "1001"), ("calls", "c1"))
    after = shown(feed.board, himself, "zh")
    assert (after["agents"][0]["label"], after["gone"]) == ("空闲", ["c1", "gone"])
    assert (before["totals"]["ready"], after["totals"]["ready"]) == (0, 1)


def test_all_of_it_is_said_to_be_all() -> None:
    whole = json.loads(store.whole(center().board, VIEWERS["an administrator"], "zh"))
    assert whole["whole"] is True and len(whole["agents"]) == 2 and whole["calls"][0]["id"] == "c1"
