"""A node follows the wall clock of its host: what its contacts compare with it moves in the same moment."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from lq.config.book import Book
from lq.config.calendars import day_began
from lq.config.documents import Settings
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
    book: Book = field(default_factory=lambda: Book(settings=Settings(time_zone="America/St_Johns")))
    days: list[int] = field(default_factory=list)

    async def renew(self, *args: Any, **said: Any) -> Renewal:
        self.days.append(said["day"])
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


async def test_each_renewal_tells_when_the_centers_day_began_once_its_time_zone_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noon = 1_764_000_000
    monkeypatch.setattr(time, "time", lambda: noon)
    house = Renewing()
    asked = node(house)
    asked.leased, asked.remembering = True, cast(Any, house)
    asked.config_version = 0
    with monkeypatch.context() as unread:
        unread.setattr(Node, "_read_config", _nothing)
        await asked._renew_once(time.monotonic())
    asked.config_version = 1
    await asked._renew_once(time.monotonic())
    assert house.days == [0, day_began(noon * 1000, "America/St_Johns")]


async def _nothing(node: Node, version: int) -> None:
    """It has not been read yet."""
