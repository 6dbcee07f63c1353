"""Who hears whom, by content: each party says a tone of its own, and what an ear has heard is the set of their names.

`MUSIC` is the music on hold, `SOUND` anything else that is neither silence nor the parties' tones.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tests.simulator import audio
from tests.simulator.audio import RATE, Samples
from tests.simulator.hearing import Ear

MUSIC: Final = "music"
SOUND: Final = "sound"
PIECE: Final = RATE // 5  # what is looked at: 200 ms
STEP: Final = RATE // 20
QUIET: Final = -50.0  # dBov
TONE: Final = -40.0  # of one party, among up to four
SHARE: Final = 0.7  # of the power that the parties' tones have, when nothing else is heard
ALIKE: Final = 0.8
LOOK_EVERY_S: Final = 0.05
HOLDS_S: Final = 1.0
LATE_S: Final = 4.0  # a busy machine's audio comes later, but it comes

Names = AbstractSet[str]
Matrix = Mapping[str, Names]
ANYTHING: Final = frozenset({"anything"})  # wanted where it does not matter, such as a ring tone with its pauses


@dataclass(frozen=True, slots=True)
class Voices:
    """The tone of each party, and what the music is."""

    tones: Mapping[str, int]
    music: Samples
    _known: dict[bytes, frozenset[str]] = field(default_factory=dict)

    def heard(self, samples: Samples) -> frozenset[str]:
        """Names of whom these samples hold; 100 ms at least, or it is silence."""
        if len(samples) < PIECE // 2 or audio.level(samples) < QUIET:
            return frozenset()
        key = samples.tobytes()
        if key not in self._known:
            self._known[key] = self._of_sound(samples)
        return self._known[key]

    def _of_sound(self, samples: Samples) -> frozenset[str]:
        found = {name for name, tone in self.tones.items() if _power(samples, tone) > 10 ** (TONE / 10)}
        share = sum(_power(samples, self.tones[name]) for name in found) / 10 ** (audio.level(samples) / 10)
        if share > SHARE:
            return frozenset(found)
        again = np.concatenate([self.music, self.music[:RATE]])  # it goes round
        return frozenset({MUSIC if audio.similarity(again, samples).score > ALIKE else SOUND})


def _power(samples: Samples, frequency: int) -> float:
    """Of this one tone, as a share of a square wave at full scale; in steps of 50 ms, for a lost packet breaks it."""
    steps = samples[: len(samples) // STEP * STEP].reshape(-1, STEP)
    window = np.hanning(STEP + 2)[1:-1]
    turn = np.exp(-2j * np.pi * frequency / RATE * np.arange(STEP))
    amplitudes = 2 * np.abs((steps * window) @ turn) / np.sum(window) / 32768
    return float(np.mean(amplitudes**2) / 2)


class NotSo(AssertionError):
    """They hear other than they should; the text shows both."""


async def hear(ears: Mapping[str, Ear], wanted: Matrix, voices: Voices, within_s: float) -> None:
    """Waits until everybody hears exactly these, and then for one more second of it. Raises NotSo."""
    ears = {name: ear for name, ear in ears.items() if wanted[name] != ANYTHING}
    wanted = {name: wanted[name] for name in ears}
    marks = {name: _Mark(ear) for name, ear in ears.items()}
    found: Matrix = {}
    until = time.monotonic() + within_s
    while (found := {name: voices.heard(mark.latest()) for name, mark in marks.items()}) != wanted:
        if time.monotonic() > until:
            raise NotSo(table(wanted, found, f"within {within_s:g} s"))
        await asyncio.sleep(LOOK_EVERY_S)
    starts = {name: ear.length for name, ear in ears.items()}
    await asyncio.sleep(HOLDS_S)
    await _all_came({name: ear for name, ear in ears.items() if wanted[name]}, starts)
    for name, ear in ears.items():
        for piece in _pieces(ear.heard_since(starts[name])):
            if (heard := voices.heard(piece)) != wanted[name]:
                shown = table(wanted, {**wanted, name: heard}, "so for a moment, but not for a second")
                raise NotSo(f"{shown}\n{name} heard {described(piece)}")


def described(samples: Samples) -> str:
    """What it sounds like, in numbers."""
    strongest = np.argsort(np.abs(np.fft.rfft(samples * np.hanning(len(samples)))))[::-1][:12]
    hertz = sorted({round(float(one) * RATE / len(samples) / 10) * 10 for one in strongest})
    holes = [(round(at, 3), round(length, 3)) for at, length in audio.gaps(samples, 0.01)]
    return f"{audio.level(samples):.0f} dBov, strongest at {hertz} Hz, silent at {holes}"


async def _all_came(ears: Mapping[str, Ear], starts: Mapping[str, int]) -> None:
    until = time.monotonic() + LATE_S
    while time.monotonic() < until and any(ear.length < starts[name] + RATE for name, ear in ears.items()):  # noqa: ASYNC110 - time is waited for
        await asyncio.sleep(LOOK_EVERY_S)


class _Mark:
    """What an ear has heard within the last 200 ms on the clock: nothing may come at all."""

    def __init__(self, ear: Ear) -> None:
        self._ear = ear
        self._lengths: list[tuple[float, int]] = []

    def latest(self) -> Samples:
        now, length = time.monotonic(), self._ear.length
        self._lengths.append((now, length))
        while len(self._lengths) > 1 and self._lengths[1][0] <= now - PIECE / RATE:
            del self._lengths[0]
        return self._ear.heard_since(max(self._lengths[0][1], length - PIECE))


def _pieces(samples: Samples) -> Iterator[Samples]:
    """One second."""
    for start in range(0, min(len(samples), RATE) - PIECE + 1, PIECE):
        yield samples[start : start + PIECE]


def table(wanted: Matrix, found: Matrix, why: str) -> str:
    """Both, side by side."""
    names = sorted({*wanted, *found})
    rows = [("", "should hear", "heard")]
    rows += [(name, said(wanted.get(name, frozenset())), said(found.get(name, frozenset()))) for name in names]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)) for row in rows]
    marked = [
        f"{'*' if n and wanted.get(rows[n][0]) != found.get(rows[n][0]) else ' '} {line}"
        for n, line in enumerate(lines)
    ]
    return "\n".join([f"not {why}:", *marked])


def said(names: Names) -> str:
    return " + ".join(sorted(names)) or "nothing"


def sections(
    channels: Sequence[Samples], voices: Voices, longer_than_s: float = 0.6
) -> list[tuple[frozenset[str], ...]]:
    """A recording as the order of what was heard on its channels; changes are not looked at closely."""
    found: list[tuple[frozenset[str], ...]] = []
    pieces = [[voices.heard(piece) for piece in _all_pieces(channel)] for channel in channels]
    run: list[tuple[frozenset[str], ...]] = []
    for at in [*zip(*pieces, strict=False), None]:
        if at is not None and (not run or run[-1] == at):
            run.append(at)
            continue
        if len(run) * PIECE / RATE > longer_than_s and (not found or found[-1] != run[-1]):
            found.append(run[-1])
        run = [at] if at is not None else []
    return found


def _all_pieces(samples: Samples) -> Iterator[Samples]:
    for start in range(0, len(samples) - PIECE + 1, PIECE):
        yield samples[start : start + PIECE]
