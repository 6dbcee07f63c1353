"""The outline of a recording for the screen, made from its bytes as they pass by. Pure.

The page draws it without the audio, which the browser then asks for in the parts that are listened to.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

COLUMNS: Final = 1200
HEADER: Final = 4096  # bytes within which the data must begin
PCM, ALAW, MULAW = 1, 6, 7  # RFC 2361


class NoWave(Exception):
    """It is no WAV file of a kind that can be drawn."""


@dataclass(frozen=True, slots=True)
class Head:
    format: int
    channels: int
    rate: int
    width: int  # bytes of a sample
    begin: int  # of the data
    frames: int


def head(data: bytes) -> Head | None:
    """What the chunks before the audio say; None: more is needed."""
    if len(data) >= 12 and (data[:4] != b"RIFF" or data[8:12] != b"WAVE"):
        raise NoWave("no RIFF WAVE header")
    place, form = 12, b""
    while len(data) >= place + 8:
        name, size = struct.unpack_from("<4sI", data, place)
        if name == b"fmt ":
            form = data[place + 8 : place + 24]
        if name == b"data":
            return _head(form, place + 8, size)
        place += 8 + size + size % 2
    if len(data) > HEADER or place > HEADER:
        raise NoWave("no audio in it")
    return None


def _head(form: bytes, begin: int, size: int) -> Head:
    if len(form) < 16:
        raise NoWave("its format is not told")
    format, channels, rate, _, _, bits = struct.unpack("<HHIIHH", form[:16])
    if (format, bits) not in ((PCM, 16), (ALAW, 8), (MULAW, 8)) or not 1 <= channels <= 2:
        raise NoWave(f"format {format} with {bits} bits and {channels} channels")
    return Head(format, channels, rate, bits // 8, begin, size // (channels * bits // 8))


def _levels(format: int) -> npt.NDArray[np.float32]:
    """Of each A-law or µ-law byte: how loud it is, 0 to 1 (ITU-T G.711)."""
    code = np.arange(256, dtype=np.int32) ^ (0x55 if format == ALAW else 0xFF)
    segment, step = (code >> 4) & 7, code & 15
    if format == ALAW:
        level = np.where(segment == 0, 2 * step + 1, (2 * step + 33) << np.maximum(segment - 1, 0)) / 4032
    else:
        level = (((2 * step + 33) << segment) - 33) / 8031
    return level.astype(np.float32)


LEVELS: Final = {ALAW: _levels(ALAW), MULAW: _levels(MULAW)}


class Outline:
    """Fed with the file piece by piece; holds one loudest sample per column and channel, never the file."""

    def __init__(self) -> None:
        self._head: Head | None = None
        self._rest = b""
        self._frame = 0
        self._loudest = np.zeros((0, 0), dtype=np.float32)

    def feed(self, piece: bytes) -> None:
        """Raises NoWave."""
        data = self._rest + piece
        if self._head is None:
            self._head = head(data)
            if self._head is None:
                self._rest = data
                return
            data = data[self._head.begin :]
            self._loudest = np.zeros((self._head.channels, min(COLUMNS, self._head.frames)), dtype=np.float32)
        size = self._head.channels * self._head.width
        usable = min(len(data) // size, self._head.frames - self._frame)
        self._rest = data[usable * size :] if self._frame + usable < self._head.frames else b""
        if usable:
            self._draw(self._head, data[: usable * size], usable)

    def _draw(self, known: Head, data: bytes, frames: int) -> None:
        level: npt.NDArray[np.float32]
        if known.format == PCM:
            level = (np.abs(np.frombuffer(data, dtype="<i2").astype(np.float32)) / 32768).astype(np.float32)
        else:
            level = LEVELS[known.format][np.frombuffer(data, dtype=np.uint8)]
        columns = (np.arange(self._frame, self._frame + frames) * self._loudest.shape[1]) // known.frames
        for channel, samples in enumerate(level.reshape(frames, known.channels).T):
            np.maximum.at(self._loudest[channel], columns, samples)
        self._frame += frames

    def peaks(self) -> list[list[float]]:
        """For each channel the loudness of each column, 0 to 1; empty for a file without audio."""
        return [[round(float(level), 3) for level in channel] for channel in self._loudest]
