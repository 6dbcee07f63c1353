"""Speech made fit for telephones: band, level, margins, A-law."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

from lq.media.tts import sound
from lq.media.tts.sound import Samples


def tone(hertz: float, rate: int, seconds: float = 1.0, level: float = 0.5) -> Samples:
    return level * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


def level_of(samples: Samples) -> float:
    return float(10 * np.log10((samples**2).mean() + 1e-12))


def test_alaw_is_what_others_mean_by_it() -> None:
    every = bytes(range(256))
    argv = ["ffmpeg", "-v", "error", "-f", "alaw", "-ar", "8000", "-i", "pipe:0", "-f", "s16le", "pipe:1"]
    known = subprocess.run(argv, input=every, capture_output=True, check=True).stdout
    assert list(sound.decode(every) * 32768) == list(np.frombuffer(known, "<i2"))
    assert sound.encode(sound.decode(every)) == every
    assert sound.encode(np.array([2.0, -2.0, 0.0])) == b"\xaa\x2a\xd5"


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 48_000])
def test_a_tone_in_the_band_is_the_same_tone_at_8_khz(rate: int) -> None:
    found, wanted = sound.telephone(tone(1000, rate), rate), tone(1000, 8000)
    assert len(found) == 8000
    assert np.abs(found - wanted)[400:-400].max() < 1e-3


@pytest.mark.parametrize("hertz", [50, 60, 3950, 5000, 9000])
def test_what_a_telephone_does_not_carry_is_gone(hertz: float) -> None:
    middle = sound.telephone(tone(hertz, 24_000), 24_000)[800:-800]
    assert level_of(middle) < -60  # mains hum, and what would fold down into the band


@pytest.mark.parametrize("given", [0.003, 0.05, 0.5])
def test_a_piece_has_its_level_and_its_margins(given: float) -> None:
    words = np.concatenate([tone(400, 8000, 0.3, given), np.zeros(800), tone(700, 8000, 0.3, given)])
    samples = np.concatenate([np.zeros(5000), words, np.zeros(9000)])
    piece = sound.finish(samples, 80, 200)
    assert sound.speech_level(piece) == pytest.approx(sound.SPEECH_DBOV, abs=0.3)
    begin, end = sound.heard(piece)
    assert begin / 8 == pytest.approx(90, abs=6) and (len(piece) - end) / 8 == pytest.approx(210, abs=6)
    assert len(piece) / 8 == pytest.approx(80 + 10 + 700 + 10 + 200, abs=6)
    assert not piece[: 80 * 8].any() and not piece[-200 * 8 :].any()


def test_a_peaky_piece_is_rather_softer_than_clipped() -> None:
    samples = tone(400, 8000, 1.0, 0.01)
    samples[4000:4004] = 0.9
    assert np.abs(sound.finish(samples, 0, 0)).max() <= sound.PEAK + 1e-9


def test_a_piece_begins_and_ends_without_a_click() -> None:
    piece = sound.finish(np.cos(2 * np.pi * 300 * np.arange(8000) / 8000), 0, 0)
    assert abs(piece[0]) < 0.01 and abs(piece[-1]) < 0.01


def test_silence_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to hear"):
        sound.finish(np.zeros(8000), 0, 0)
