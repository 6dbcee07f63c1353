"""Stereo A-law WAV: RIFF with format 6 (Multimedia Programming Interface 1.0), a fact chunk, the samples."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

ALAW: Final = 6
RATE: Final = 8000
HEADER: Final = 58
ENDLESS: Final = 0x7FFFFF00


class BadWav(ValueError):
    """Not a WAV of ours."""


@dataclass(frozen=True, slots=True)
class Sound:
    channels: int
    samples: npt.NDArray[np.uint8]  # shape (n, channels), A-law


def encode(samples: npt.NDArray[np.uint8]) -> bytes:
    """The file of samples of shape (n, channels)."""
    count, channels = samples.shape
    data = np.ascontiguousarray(samples).tobytes()
    return _header(count, channels) + data + b"\0" * (len(data) & 1)


def endless(channels: int) -> bytes:
    """The beginning of a stream of which nobody knows the length: it says the longest that all players take."""
    return _header(ENDLESS // channels, channels)


def _header(count: int, channels: int) -> bytes:
    size = count * channels
    form = struct.pack("<HHIIHHH", ALAW, channels, RATE, RATE * channels, channels, 8, 0)
    body = b"WAVE" + b"fmt " + struct.pack("<I", len(form)) + form + b"fact" + struct.pack("<II", 4, count)
    body += b"data" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", len(body) + size + (size & 1)) + body


def decode(data: bytes) -> Sound:
    """The samples of a file that encode() wrote. Raises BadWav."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE" or len(data) < HEADER:
        raise BadWav("no RIFF WAVE header")
    form, channels, rate = struct.unpack_from("<HHI", data, 20)
    (size,) = struct.unpack_from("<I", data, HEADER - 4)
    if form != ALAW or rate != RATE or channels not in (1, 2) or data[HEADER - 8 : HEADER - 4] != b"data":
        raise BadWav(f"format {form}, {rate} Hz, {channels} channels")
    if HEADER + size > len(data) or size % channels:
        raise BadWav("cut off")
    return Sound(channels, np.frombuffer(data, np.uint8, size, HEADER).reshape(-1, channels))
