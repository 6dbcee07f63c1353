"""A node follows the wall clock of its host: what its contacts compare with it moves in the same moment."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from lq.live.clock import RedisClock
from lq.live.values import Renewal
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


@dataclass
class Renewing(House):
    """… and a Redis that is `ahead_ms` of us, which has sent a call to begin."""

    ahead_ms: int = 0
    load: int = 0
    placed: list[str] = field(default_factory=list)
    redis_clock: RedisClock = field(default_factory=RedisClock)

    async def renew(self, *args: Any, **said: Any) -> Renewal:
        return Renewal(int(time.time() * 1000) + self.ahead_ms, 1, 1)

    def renewed(self, *args: Any) -> bool:
        return True

    def place(self, message: Any) -> None:
        self.placed.append(message["id"])


@pytest.mark.parametrize("ahead_ms", [0, 5_000, -5_000])
async def test_a_call_that_is_ordered_is_placed_while_somebody_waits_for_it(ahead_ms: int) -> None:
    """By the time of Redis, which dated it, and which each renewal tells."""
    house = Renewing(ahead_ms=ahead_ms)
    asked = node(house)
    asked.leased, asked.config_version, asked.remembering = True, 1, cast(Any, house)
    await asked._renew_once(time.monotonic())
    redis_ms = int(time.time() * 1000) + ahead_ms
    for id, left_ms in (("waits", 2_000), ("gone", -1_000)):
        asked._message({"type": "place", "id": id, "contact": "c1", "expires_at": redis_ms + left_ms})
    assert house.placed == ["waits"]
