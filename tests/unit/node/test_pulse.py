"""A process that was frozen says nothing before it has asked for its lease."""

from __future__ import annotations

import asyncio

import pytest

from lq.pulse import PATIENCE_S, Pulse


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_who_runs_passes_at_once(clock: Clock) -> None:
    pulse = Pulse(1.0, clock)
    for _ in range(5):
        clock.now += 0.9
        assert not pulse.is_frozen
    await pulse.passed()


async def test_after_a_freeze_only_a_renewal_that_began_later_counts(clock: Clock) -> None:
    pulse = Pulse(1.0, clock)
    thawed: list[float] = []
    pulse.on_thaw = lambda: thawed.append(clock.now)
    clock.now += 10  # SIGSTOP, SIGCONT
    began_before = clock.now - 10
    waiting = asyncio.create_task(pulse.passed())
    await asyncio.sleep(0)
    assert pulse.is_frozen and not waiting.done()
    pulse.renewed(began_before)
    assert pulse.is_frozen, "its answer may be of before the freeze"
    clock.now += 0.1
    pulse.renewed(clock.now)
    await waiting
    assert thawed == [clock.now]
    assert not pulse.is_frozen


async def test_whoever_looks_first_notices(clock: Clock) -> None:
    pulse = Pulse(1.0, clock)
    clock.now += 1.5
    pulse.renewed(clock.now - 0.2)
    assert pulse.is_frozen, "the renewal's own answer is what was late"


async def test_frozen_again_while_it_asks(clock: Clock) -> None:
    pulse = Pulse(1.0, clock)
    clock.now += 5
    assert pulse.is_frozen
    clock.now += 0.1
    began = clock.now
    clock.now += 5
    pulse.renewed(began)
    assert pulse.is_frozen


async def test_a_redis_that_answers_nobody_leaves_it_the_owner(clock: Clock) -> None:
    pulse = Pulse(1.0, clock)
    clock.now += 5
    assert pulse.is_frozen
    for _ in range(int(PATIENCE_S / 0.5)):
        clock.now += 0.5
        pulse.not_renewed()
        assert pulse.is_frozen
    clock.now += 0.5
    pulse.not_renewed()
    assert not pulse.is_frozen
