"""Speech as telephones carry it: 8 kHz, the telephone band, one loudness, even margins, G.711 A-law. Pure.

Samples are float, full scale 1.0. Levels are dBov: the mean square against a square wave at full scale (ITU-T G.711).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

RATE: Final = 8000
SPEECH_DBOV: Final = -19.0  # where people who speak on telephones are, measured while they speak
PEAK: Final = 0.84  # -1.5 dBov; louder peaks make the whole piece softer
FRAME: Final = RATE // 200  # 5 ms
FADE_MS: Final = 5
CLOSURE_DB: Final = 20.0  # below the loud part: the mouth is closed
LONGEST_CLOSURE: Final = 12  # frames
_HEARD_DB: Final = 38.0  # below the loud part: silence. Soft consonants lie 30 dB below vowels
_LOW_HZ: Final = (90.0, 160.0)  # the high-pass rises between these
_HIGH_HZ: Final = (3450.0, 3900.0)  # the low-pass falls between these

Samples = npt.NDArray[np.float64]


def _alaw_values() -> npt.NDArray[np.float64]:
    """The 256 codes of G.711 A-law as samples."""
    value = np.arange(256) ^ 0x55
    segment, step = (value >> 4) & 7, (value & 15) << 4
    level = np.where(segment == 0, step + 8, (step + 0x108) << np.maximum(segment - 1, 0))
    return np.where(value & 0x80, level, -level) / 32768.0


_VALUES: Final = _alaw_values()
_ORDER: Final = np.argsort(_VALUES)
_BETWEEN: Final = (_VALUES[_ORDER][1:] + _VALUES[_ORDER][:-1]) / 2


def encode(samples: Samples) -> bytes:
    """A-law, each sample as the nearest code; zero is 0xD5."""
    return bytes(_ORDER[np.searchsorted(_BETWEEN, samples, "right")].astype(np.uint8))


def decode(alaw: bytes) -> Samples:
    found: Samples = _VALUES[np.frombuffer(alaw, np.uint8)]
    return found


def resample(samples: Samples, rate: int, to: int, low: tuple[float, float] | None = None) -> Samples:
    """The same sound at another rate, by its whole spectrum; with `low` what lies below is taken away."""
    pad = rate // 10  # the transform is cyclic: the end must not ring into the beginning
    padded = np.concatenate([np.zeros(pad), samples, np.zeros(pad)])
    length = round(len(padded) * to / rate)
    spectrum = np.fft.rfft(padded)
    hertz = np.arange(len(spectrum)) * rate / len(padded)
    if to < rate:
        high = _HIGH_HZ[0] * to / RATE, _HIGH_HZ[1] * to / RATE
        spectrum = spectrum * (1 - _rise(hertz, *high))
    if low:
        spectrum = spectrum * _rise(hertz, *low)
    bins = np.zeros(length // 2 + 1, complex)
    shared = min(len(bins), len(spectrum))
    bins[:shared] = spectrum[:shared]
    out = np.fft.irfft(bins, length) * (length / len(padded))
    cut = round(pad * to / rate)
    return out[cut : cut + round(len(samples) * to / rate)]


def _rise(hertz: Samples, low: float, high: float) -> Samples:
    """0 below, 1 above, half a cosine between."""
    rise: Samples = (1 - np.cos(np.pi * np.clip((hertz - low) / (high - low), 0, 1))) / 2
    return rise


def telephone(samples: Samples, rate: int) -> Samples:
    """At 8 kHz in the telephone band."""
    return resample(samples, rate, RATE, low=_LOW_HZ)


def frame_levels(samples: Samples) -> Samples:
    """dBov of each 5 ms."""
    whole = len(samples) // FRAME * FRAME
    power = (samples[:whole].reshape(-1, FRAME) ** 2).mean(1)
    levels: Samples = 10 * np.log10(power + 1e-12)
    return levels


def heard(samples: Samples) -> tuple[int, int]:
    """From which to which sample something is heard; (0, 0) for silence."""
    levels = frame_levels(samples)
    if not len(levels) or levels.max() < -70:
        return 0, 0
    loud = np.flatnonzero(levels > np.percentile(levels[levels > levels.max() - 30], 90) - _HEARD_DB)
    return int(loud[0]) * FRAME, int(loud[-1] + 1) * FRAME


def before_closure(samples: Samples) -> Samples:
    """What is said before the last syllable, which begins with a stop such as g, d, b: its closure is silent.

    Raises ValueError if there is no closure.
    """
    levels = frame_levels(samples)
    loud, quiet = levels > levels.max() - 12, levels < levels.max() - CLOSURE_DB
    closures = np.flatnonzero(quiet[: int(np.flatnonzero(loud)[-1])])
    if not len(closures) or not loud[: closures[-1]].any():
        raise ValueError("the last syllable begins without a closure")
    first = max(0, int(closures[-1]) - LONGEST_CLOSURE)
    return samples[: (first + int(levels[first : closures[-1] + 1].argmin())) * FRAME]


def speech_level(samples: Samples) -> float:
    """dBov while somebody speaks: over the frames that are at most 16 dB below the mean of all that is heard."""
    levels = frame_levels(samples)
    mean = 10 * np.log10((10 ** (levels / 10)).mean())
    active = levels[levels > mean - 16]
    return float(10 * np.log10((10 ** (active / 10)).mean()))


def finish(samples: Samples, lead_ms: int, tail_ms: int, level_dbov: float = SPEECH_DBOV) -> Samples:
    """One piece as it is shipped: silence cut to even margins, one loudness, no click at its ends.

    Raises ValueError if nothing is heard.
    """
    begin, end = heard(samples)
    if begin == end:
        raise ValueError("there is nothing to hear")
    margin = FRAME * 2  # the attack lies before the first frame that counts
    spoken = samples[max(0, begin - margin) : end + margin].copy()
    fade = FADE_MS * RATE // 1000
    ramp = (1 - np.cos(np.pi * (np.arange(fade) + 0.5) / fade)) / 2
    spoken[:fade] *= ramp
    spoken[-fade:] *= ramp[::-1]
    gain = min(10 ** ((level_dbov - speech_level(spoken)) / 20), PEAK / float(np.abs(spoken).max()))
    silence = (np.zeros(lead_ms * RATE // 1000), np.zeros(tail_ms * RATE // 1000))
    return np.concatenate([silence[0], spoken * gain, silence[1]])
