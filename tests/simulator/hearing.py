"""Waiting for what is heard: a tone, a prompt, a sentence. By content, wherever in the call it comes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

from tests.simulator import audio
from tests.simulator.audio import FRAME, RATE, Samples

LOOK_EVERY_S: Final = 0.05
ENOUGH_S: Final = 1.5  # of a sentence, to know it
ALIKE: Final = 0.7  # similarity(): two different sentences stay below 0.3
TONE_S: Final = 0.2
FAINTEST: Final = -45.0  # dBov
MIXED: Final = 4.0  # dB below the whole


class Ear(Protocol):
    """A party of a call: what it has heard, 8 kHz, and when each second of it came."""

    @property
    def length(self) -> int: ...
    def heard_since(self, sample: int) -> Samples: ...
    def time_of(self, second: float) -> float: ...


@dataclass(frozen=True, slots=True)
class Heard:
    second: float  # of what the ear has heard, where it begins
    at: float  # when that came, seconds of the epoch


class NotHeard(AssertionError):
    """It did not come in time; says what came instead."""


async def hears(ear: Ear, known: Samples | int, within_s: float, *, since: float = 0.0, name: str = "") -> Heard:
    """Waits until `ear` has heard the beginning of `known` (samples, or the frequency of a tone), after second `since`.

    Raises NotHeard.
    """
    wanted = known if isinstance(known, int) else beginning(known)
    span = round(TONE_S * RATE) if isinstance(wanted, int) else len(wanted)
    looked = round(since * RATE)
    try:
        async with asyncio.timeout(within_s):
            while True:
                start, end = looked, ear.length
                if end - start >= span:
                    found = _found(ear.heard_since(start), wanted)
                    if found is not None:
                        second = start / RATE + found
                        return Heard(second, ear.time_of(second))
                    looked = end - span
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError:
        what = name or (f"{known} Hz" if isinstance(known, int) else "the sentence")
        raise NotHeard(f"{what} was not heard within {within_s:g} s; heard was {described(ear)}") from None


def beginning(known: Samples) -> Samples:
    """The first ENOUGH_S of it from where it sounds: who has heard that has heard it begin."""
    start = round((audio.onset(known) or 0.0) * RATE)
    return known[start : start + round(ENOUGH_S * RATE)]


def _found(samples: Samples, wanted: Samples | int) -> float | None:
    if not isinstance(wanted, int):
        match = audio.similarity(samples, wanted)
        return match.start if match.score > ALIKE else None
    span = round(TONE_S * RATE)
    for start in range(0, len(samples) - span + 1, FRAME):
        piece = samples[start : start + span]
        if _is_tone(piece, wanted):
            return start / RATE + float(audio.onset(piece, wanted) or 0.0)
    return None


def _is_tone(piece: Samples, frequency: int) -> bool:
    """Nearly all that is heard: a voice has every frequency for a moment. Two tones of the same level both count."""
    strength = audio.goertzel(piece, frequency)
    return strength > FAINTEST and strength > audio.level(piece) - MIXED


def described(ear: Ear) -> str:
    """In a few words, for a failure."""
    samples = ear.heard_since(max(0, ear.length - 3 * RATE))
    if not len(samples):
        return "nothing at all"
    return f"{ear.length / RATE:.1f} s, the last 3 s at {audio.level(samples):.0f} dBov, tones {audio.tones(samples)}"
