"""What a node knows of the clock of Redis."""

from __future__ import annotations

import pytest

from lq.live.clock import APART, RedisClock

NOW = 1_764_000_000_000


def is_void(clock: RedisClock, expires_at: int) -> bool:
    return clock.is_void({"type": "place", "contact": "c1", "id": "k1", "expires_at": expires_at})


@pytest.mark.parametrize("ahead", [0, 3_600_000, -3_600_000])
def test_what_redis_dates_is_void_by_its_time(ahead: int) -> None:
    clock = RedisClock(lambda: NOW)
    clock.told(NOW + ahead, 0.0)
    assert not is_void(clock, NOW + ahead + 1) and is_void(clock, NOW + ahead)
    assert APART._value.get() == abs(ahead) / 1000


def test_its_answer_was_on_its_way() -> None:
    clock = RedisClock(lambda: NOW)
    clock.told(NOW - 200, 0.4)
    assert not is_void(clock, NOW + 1) and is_void(clock, NOW)


def test_one_that_took_too_long_tells_nothing() -> None:
    clock = RedisClock(lambda: NOW)
    clock.told(NOW - 30_000, 30.0)
    assert not is_void(clock, NOW + 1) and is_void(clock, NOW)
