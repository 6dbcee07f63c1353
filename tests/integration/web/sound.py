"""Recordings for tests: stereo A-law WAV files as the recorder writes them, whose content is known."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

RATE: Final = 8000
Samples = npt.NDArray[np.float64]


def tone(hertz: float, seconds: float, level: float = 0.6) -> Samples:
    return level * np.sin(2 * np.pi * hertz * np.arange(int(RATE * seconds)) / RATE)


def silence(seconds: float) -> Samples:
    return np.zeros(int(RATE * seconds))


def alaw(samples: Samples) -> bytes:
    """ITU-T G.711, written from its definition."""
    value = np.clip(np.round(samples * 32767), -32768, 32767).astype(np.int32) >> 3
    negative = value < 0
    magnitude = np.where(negative, -value - 1, value)
    segment = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 4, 0)
    step = np.where(segment < 2, magnitude >> 1, magnitude >> segment) & 15
    code = ((segment << 4) | step) ^ np.where(negative, 0x55, 0xD5)
    return code.astype(np.uint8).tobytes()


def wav(left: Samples, right: Samples) -> bytes:
    data = np.stack([np.frombuffer(alaw(left), np.uint8), np.frombuffer(alaw(right), np.uint8)], axis=1).tobytes()
    form = struct.pack("<HHIIHHH", 6, 2, RATE, RATE * 2, 2, 8, 0)
    fact = struct.pack("<I", len(left))
    body = b"WAVE" + b"fmt " + struct.pack("<I", 18) + form + b"fact" + struct.pack("<I", 4) + fact
    body += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def write(store: Path, path: str, left: Samples, right: Samples) -> int:
    """Below the store of recordings; returns the file's size."""
    content = wav(left, right)
    file = store / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return len(content)
