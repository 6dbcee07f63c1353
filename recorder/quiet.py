"""Voice-activated recordings: stretches in which nobody can be heard on either side are left out. Pure.

When in doubt it is kept. Heard is what stands ABOVE_DB over the noise of its own side (the quietest parts around it),
never what is fainter than FAINT and always what is louder than LOUD: a waiting tune is heard as a voice is. Where
packets are missing is no silence, for nobody knows what was said there; nor is a pause, which somebody ordered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from recorder.codecs import ALAW, RATE
from recorder.voices import Bytes, Gap, Voices

SILENCE: Final = "silence"
MARGIN_S: Final = 0.5  # of a silence stays before and after what is heard: words begin and end softly
FRAME: Final = 160  # samples
ABOVE_DB: Final = 10.0
FAINT, LOUD = -50.0, -34.0  # dBFS
BLOCK: Final = 50  # frames, for each of which the noise is found
AROUND: Final = 10  # blocks to either side that have a word in it
CHUNK: Final = 3000  # frames that are measured at once: a day's recording must not ask for ten times its memory
_POWER: Final = ((ALAW.astype(np.float32) / 32_768) ** 2).astype(np.float32)
_MARGIN: Final = round(MARGIN_S * RATE)

Flags = npt.NDArray[np.bool_]
Levels = npt.NDArray[np.float32]


def left_out(voices: Voices, silence_s: float) -> Voices:
    """Without silences longer than this (s). Each is told as a gap `silence` of both sides: where it was, in the
    recording as it is now, and how long; the others are told where they are now."""
    cuts = list(_cuts(_quiet(voices), len(voices.samples), silence_s)) if len(voices.samples) else []
    if not cuts:
        return voices
    kept, gaps, end, gone = [], [], 0, 0
    for start, stop in cuts:
        kept.append(voices.samples[end:start])
        gaps.append(Gap(0, round((start - gone) / RATE, 3), round((stop - start) / RATE, 3), SILENCE))
        end, gone = stop, gone + stop - start
    kept.append(voices.samples[end:])
    moved = [Gap(gap.channel, _moved(gap.start_s, cuts), gap.duration_s, gap.reason) for gap in voices.gaps]
    return replace(voices, samples=np.concatenate(kept), gaps=(*moved, *gaps))


def _moved(start_s: float, cuts: Sequence[tuple[int, int]]) -> float:
    before = sum(stop - start for start, stop in cuts if stop <= start_s * RATE + FRAME)
    return round(start_s - before / RATE, 3)


def _cuts(quiet: Flags, length: int, silence_s: float) -> Iterator[tuple[int, int]]:
    """From, to in samples. At its beginning and its end nothing is heard that would need a margin."""
    edges = np.flatnonzero(np.diff(quiet.astype(np.int8), prepend=0, append=0))
    for first, last in edges.reshape(-1, 2) * FRAME:
        if last - first > silence_s * RATE:
            start = first + _MARGIN if first > 0 or last >= length else first
            stop = last - _MARGIN if last < length else length
            if start < stop:
                yield int(start), int(stop)


def _quiet(voices: Voices) -> Flags:
    """For each frame: nobody is heard, and no packets are missing."""
    loud = _heard(voices.samples[:, 0]) | _heard(voices.samples[:, 1])
    for gap in voices.gaps:
        start, stop = gap.start_s * RATE, (gap.start_s + gap.duration_s) * RATE
        loud[int(start // FRAME) : int(-(-stop // FRAME)) + 1] = True
    return ~loud


def _heard(side: Bytes) -> Flags:
    levels = _levels(side)
    heard: Flags = levels > np.clip(_noise(levels) + ABOVE_DB, FAINT, LOUD)
    return heard


def _levels(side: Bytes) -> Levels:
    """dBFS of each frame; the last may be short."""
    found = [np.empty(0, np.float32)]
    for start in range(0, len(side), CHUNK * FRAME):
        power = _POWER[side[start : start + CHUNK * FRAME]]
        frames = np.pad(power, (0, -len(power) % FRAME)).reshape(-1, FRAME)
        found.append(10 * np.log10(frames.mean(axis=1) + 1e-10))
    return np.concatenate(found)


def _noise(levels: Levels) -> Levels:
    """What a side sounds like when nobody speaks: the quiet frames of the quietest block around."""
    padded = np.pad(levels, (0, -len(levels) % BLOCK), mode="edge")
    blocks = np.percentile(padded.reshape(-1, BLOCK), 20, axis=1)
    around = np.pad(blocks, AROUND, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(around, 2 * AROUND + 1)
    return np.repeat(windows.min(axis=1), BLOCK)[: len(levels)].astype(np.float32)
