"""Tables in a terminal, where a Chinese character is two columns wide."""

from __future__ import annotations

import io
from typing import get_args

from ops import screen
from ops.screen import Screen
from ops.state import State, Status
from tests.unit.ops.example import example


def test_columns_stand_below_each_other() -> None:
    lines = screen.table(("状态 state", "b"), [("就绪", "1"), ("ready", "22")]).splitlines()
    assert lines == ["状态 state  b", "就绪        1", "ready       22"]
    assert {screen.width(line[: line.index(last)]) for line, last in zip(lines, ("b", "1", "22"), strict=True)} == {12}


def test_every_state_has_a_word() -> None:
    for word in (*get_args(State), "silent"):
        assert word in screen.WORDS
    for given in get_args(State):
        text = screen.services([Status("lq1", 12, "127.0.0.1:1", given, "/log", 0)])
        assert (screen.WORDS[given] in text) is (given != "done")


def test_a_service_without_process_or_address() -> None:
    line = screen.services([Status("journal", 0, "", "failed", "/log", 3)]).splitlines()[1]
    assert line.split() == ["journal", "失败", "failed", "-", "-", "3", "/log"]


def test_a_center_without_the_demo_world_says_how_the_first_one_comes_in() -> None:
    place = example()
    with_it, without = (screen.welcome(place.home, place.ports, demo=demo) for demo in (True, False))
    assert "demo-admin" in with_it and "4008001000" in with_it
    assert "lcall admin" in without and "demo" not in without and "4008001000" not in without


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_terminal_that_has_gone_is_no_fault() -> None:
    Screen(Closed()).progress("lq1", "ready")
