"""Audio by content: which tone, which prompt, from when, how loud, with which holes. Everything is 8 kHz mono.

Samples are numpy int16; `encode`/`decode` make A-law of them (G.711), `law="u"` µ-law. Times are seconds, levels dBov
(0 dB: a square wave at full scale; a sine of amplitude 32767 is -3 dB). TONES are frequencies that tests give to the
parties of a call: at least 100 Hz apart, none a key's, none a multiple of another, so `tones()` can tell them apart.

    heard = decode(payloads)
    assert tones(heard) == {440}                 # that one and no other: no cross-talk
    assert onset(heard, 440) < 1.2
    assert similarity(heard, prompt).score > 0.9  # this sentence, wherever it begins
    assert chirp_position(heard[-800:]) ...      # where in a prompt made by chirp() we are
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

RATE: Final = 8000
FRAME: Final = 160  # 20 ms
TONES: Final = (440, 540, 640, 740, 890, 990, 1090, 1240, 1370, 1510, 1670, 1770, 1870, 1970)
KEY_ROWS: Final = (697, 770, 852, 941)
KEY_COLUMNS: Final = (1209, 1336, 1477, 1633)
CHIRP: Final = (300.0, 100.0)  # Hz at its start, Hz more each second: 30 s fit below 3.4 kHz

Samples = npt.NDArray[np.int16]
Law = Literal["a", "u"]


# -- G.711 -------------------------------------------------------------------------------------------------------------


def _alaw() -> list[int]:
    values = []
    for code in range(256):
        bits = code ^ 0x55
        segment, low = bits >> 4 & 7, (bits & 15) * 16 + 8
        level = low if segment == 0 else (low + 256) << (segment - 1)
        values.append(level if bits & 0x80 else -level)
    return values


def _ulaw() -> list[int]:
    values = []
    for code in range(256):
        bits = code ^ 0xFF
        level = (((bits & 15) * 8 + 132) << (bits >> 4 & 7)) - 132
        values.append(-level if bits & 0x80 else level)
    return values


_DECODED: Final[dict[Law, Samples]] = {"a": np.array(_alaw(), np.int16), "u": np.array(_ulaw(), np.int16)}


def decode(data: bytes | Iterable[bytes], law: Law = "a") -> Samples:
    """Samples of G.711 bytes, or of many payloads one after another."""
    joined = data if isinstance(data, bytes) else b"".join(data)
    return _DECODED[law][np.frombuffer(joined, np.uint8)]


def encode(samples: Samples, law: Law = "a") -> bytes:
    """Each sample's nearest code."""
    order = np.argsort(_DECODED[law], kind="stable")
    levels = _DECODED[law][order].astype(np.int32)
    middle = (levels[1:] + levels[:-1] + 1) // 2
    return order.astype(np.uint8)[np.searchsorted(middle, samples.astype(np.int32), side="right")].tobytes()


# -- made --------------------------------------------------------------------------------------------------------------


def tone(frequency: float, seconds: float, level: float = -20.0, start: float = 0.0) -> Samples:
    """A sine; `start` is the time on its own axis at which it begins, so that pieces join without a click."""
    at = np.arange(round(seconds * RATE)) / RATE + start
    return _scaled(np.sin(2 * np.pi * frequency * at), level)


def chirp(seconds: float, level: float = -20.0) -> Samples:
    """A sine whose frequency tells the time since its start: up to 30 s."""
    at = np.arange(round(seconds * RATE)) / RATE
    first, rise = CHIRP
    return _scaled(np.sin(2 * np.pi * (first * at + rise * at * at / 2)), level)


def key(name: str, seconds: float = 0.1, level: float = -10.0) -> Samples:
    """The tone of a key (ITU-T Q.23)."""
    at = "123A456B789C*0#D".index(name)
    return tone(KEY_ROWS[at // 4], seconds, level) + tone(KEY_COLUMNS[at % 4], seconds, level)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.int16)


def mixed(*together: Samples) -> Samples:
    """All at once; as long as the longest."""
    wide = np.zeros(max(map(len, together)), np.int32)
    for samples in together:
        wide[: len(samples)] += samples
    return np.clip(wide, -32768, 32767).astype(np.int16)


def frames(samples: Samples, law: Law = "a") -> list[bytes]:
    """Payloads of 20 ms; the last one is filled up with silence."""
    data = encode(np.concatenate([samples, np.zeros(-len(samples) % FRAME, np.int16)]), law)
    return [data[at : at + FRAME] for at in range(0, len(data), FRAME)]


def _scaled(sine: npt.NDArray[np.float64], level: float) -> Samples:
    return np.round(sine * np.sqrt(2) * 32767 * 10 ** (level / 20)).astype(np.int16)


# -- heard -------------------------------------------------------------------------------------------------------------


def level(samples: Samples) -> float:
    """dBov of the whole; -inf for nothing but zeros."""
    power = float(np.mean(samples.astype(np.float64) ** 2)) if len(samples) else 0.0
    return 10 * np.log10(power) - 20 * np.log10(32768) if power else -np.inf


def goertzel(samples: Samples, frequency: float) -> float:
    """dBov of this one frequency. Seen through a Hann window, which keeps loud neighbours out."""
    if not len(samples):
        return -np.inf
    window = np.hanning(len(samples) + 2)[1:-1]
    turn = np.exp(-2j * np.pi * frequency / RATE * np.arange(len(samples)))
    amplitude = 2 * abs(np.sum(samples * window * turn)) / np.sum(window)
    return 20 * np.log10(amplitude / np.sqrt(2) / 32768) if amplitude else -np.inf


def tones(samples: Samples, among: Iterable[int] = TONES, above: float = -45.0) -> set[int]:
    """Which of these frequencies are heard, louder than `above`. Give it 50 ms at least."""
    return {frequency for frequency in among if goertzel(samples, frequency) > above}


def onset(samples: Samples, frequency: float | None = None, above: float = -40.0) -> float | None:
    """Second at which a tone (None: any sound) begins, to about 2 ms; None if it never does."""
    span = 80  # 10 ms
    if len(samples) < span:
        return None
    wave = samples.astype(np.complex128)
    if frequency is not None:
        wave *= np.exp(-2j * np.pi * frequency / RATE * np.arange(len(samples)))
    else:
        wave = np.abs(wave) ** 2
    summed = np.abs(np.convolve(wave, np.ones(span) / span, "valid"))
    strength = 2 * summed if frequency is not None else np.sqrt(2 * summed)  # an amplitude, both
    floor = np.sqrt(2) * 32768 * 10 ** (above / 20)
    found = np.flatnonzero(strength > floor)
    if not len(found):
        return None
    # Half of the strength that it then has: there half of the window lies within the tone.
    settled = strength[found[0] : found[0] + 2 * span].max()
    half = found[0] + int(np.argmax(strength[found[0] :] >= settled / 2))
    return (half + span / 2) / RATE


def gaps(samples: Samples, longer_than: float = 0.03, below: float = -50.0) -> list[tuple[float, float]]:
    """(start, duration) of the silences, the ones at both ends too, to about 5 ms."""
    step = 40  # 5 ms
    count = len(samples) // step
    power = np.mean(samples[: count * step].reshape(count, step).astype(np.float64) ** 2, axis=1)
    quiet = np.concatenate([[False], power < 32768**2 * 10 ** (below / 10), [False]])
    edges = np.flatnonzero(quiet[1:] != quiet[:-1])
    found = [(start * step / RATE, (end - start) * step / RATE) for start, end in edges.reshape(-1, 2).tolist()]
    return [(start, duration) for start, duration in found if duration > longer_than]


@dataclass(frozen=True, slots=True)
class Similarity:
    score: float  # 1: the very same; two different sentences stay below 0.3
    start: float  # second of `heard` at which the known one begins


def similarity(heard: Samples, known: Samples) -> Similarity:
    """Where in `heard` the known prompt stands whole, and how well it matches (normalised cross-correlation)."""
    if len(heard) < len(known) or not known.any():
        return Similarity(0.0, 0.0)
    size = 1 << (len(heard) + len(known)).bit_length()
    wide, template = heard.astype(np.float64), known.astype(np.float64)
    product = np.fft.irfft(np.fft.rfft(wide, size) * np.conj(np.fft.rfft(template, size)), size)
    product = product[: len(heard) - len(known) + 1]
    energy = np.concatenate([[0.0], np.cumsum(wide**2)])
    under = energy[len(known) :] - energy[: -len(known)]
    score: Any = product / np.sqrt(np.maximum(under, 1e-3 * under.max() + 1.0) * np.sum(template**2))
    best = int(np.argmax(score))
    return Similarity(float(score[best]), best / RATE)


def chirp_position(samples: Samples) -> float:
    """Second of a chirp() at which this piece of it begins (give it 50 to 200 ms; right to some 10 ms).

    Raises ValueError when no single tone is heard.
    """
    size = 1 << 16
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), size)) ** 2
    peak = int(np.argmax(spectrum))
    near = 4 * size // max(len(samples), 1)
    if level(samples) < -50 or np.sum(spectrum[max(0, peak - near) : peak + near]) < 0.8 * np.sum(spectrum):
        raise ValueError(f"no chirp: level {level(samples):.0f} dBov")
    first, rise = CHIRP
    return (peak * RATE / size - first) / rise - len(samples) / RATE / 2
