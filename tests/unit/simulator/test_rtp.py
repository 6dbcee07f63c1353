"""Where what is heard stands in time: by its timestamps, unless they jump."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.simulator import audio
from tests.simulator.rtp import CALM_TICKS, HEADER, PCMA, TICK, Halt, Stream

FRAME = 160
TONE = [bytes(piece) for piece in [audio.encode(audio.tone(440, 0.02))] * 200]


@pytest.fixture
async def heard() -> AsyncIterator[tuple[Stream, Halt]]:
    halt = Halt()
    stream = Stream("127.0.0.1", asyncio.get_running_loop(), halt)
    yield stream, halt
    stream.socket.close()


def come(stream: Stream, first: int, many: int, at: float, apart: float = 0.02) -> None:
    for n in range(many):
        packet = HEADER.pack(0x80, PCMA, first + n, (first + n) * FRAME, 7) + TONE[n]
        stream.packet(packet, at + n * apart)


def gaps(stream: Stream) -> list[tuple[float, float]]:
    return audio.gaps(stream.heard, longer_than=0.1)


async def test_what_comes_at_once_after_a_halt_of_ours_keeps_its_place(heard: tuple[Stream, Halt]) -> None:
    stream, halt = heard
    come(stream, 0, 50, 1000.0)
    halt.tick(1.7)  # from second 1 on nothing was sent, nor read
    come(stream, 50, 85, 1002.7, apart=0.0)
    come(stream, 135, 50, 1002.7)
    assert gaps(stream) == []


async def test_what_the_platform_holds_back_for_longer_than_a_second_is_a_gap(heard: tuple[Stream, Halt]) -> None:
    stream, halt = heard
    halt.tick(1.7)
    for _ in range(CALM_TICKS + 1):
        halt.tick(-TICK / 2)
    come(stream, 0, 50, 1000.0)
    come(stream, 50, 85, 1002.7, apart=0.0)
    ((start, duration),) = gaps(stream)
    assert start == pytest.approx(1.0, abs=0.02) and duration == pytest.approx(1.7, abs=0.05)
