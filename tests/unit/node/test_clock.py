"""A node follows the wall clock of its host: what its contacts compare with it moves in the same moment."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from lq.node import Node, followed


@dataclass
class House:
    """A shell that follows the clock, and the contacts' owner."""

    epoch: float = 0.0
    told: list[int] = field(default_factory=list)

    def follow_clock(self) -> float:
        epoch = time.time() - time.monotonic()
        by, self.epoch = epoch - self.epoch, epoch
        return by

    def clock_set(self, by_ms: int) -> None:
        self.told.append(by_ms)


@pytest.fixture
def house() -> House:
    found = House()
    found.follow_clock()
    return found


def node(house: House) -> Node:
    parts = cast(Any, house)
    return Node("lq1", "lq1-1", ("127.0.0.1", 1), ("127.0.0.1", 2), *[parts] * 10)


@pytest.mark.parametrize("by", [3_600, -3_600])
def test_contacts_are_told_by_how_much_it_was_set(house: House, by: int, monkeypatch: pytest.MonkeyPatch) -> None:
    wall, asked = time.time, node(house)
    asked._follow_clock()
    assert house.told == []
    monkeypatch.setattr(time, "time", lambda: wall() + by)
    assert abs(followed(cast(Any, house)) / 1000 - wall()) < 1, "until then they have the time of before"
    asked._follow_clock()
    assert [round(ms / 1000) for ms in house.told] == [by]
    assert abs(followed(cast(Any, house)) / 1000 - time.time()) < 1
    asked._follow_clock()
    assert len(house.told) == 1, "once"
