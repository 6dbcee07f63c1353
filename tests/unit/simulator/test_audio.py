"""The tests' own ears: they hear what is there, and do not hear what is not."""

from __future__ import annotations

import subprocess
from itertools import pairwise

import numpy as np
import pytest

from tests.simulator import audio
from tests.simulator.audio import RATE, TONES, Law


def noise(seconds: float, level: float, seed: int = 1) -> audio.Samples:
    return np.random.default_rng(seed).normal(0, 32768 * 10 ** (level / 20), round(seconds * RATE)).astype(np.int16)


@pytest.mark.parametrize(("law", "name"), [("a", "alaw"), ("u", "mulaw")])
def test_the_codec_is_that_of_g711(law: Law, name: str) -> None:
    """Against ffmpeg's, which nobody here wrote."""
    codes = bytes(range(256))
    told = subprocess.run(
        ["ffmpeg", "-v", "error", "-f", name, "-ar", "8000", "-i", "-", "-f", "s16le", "-"],
        input=codes, capture_output=True, check=True,
    )  # fmt: skip
    assert np.array_equal(np.frombuffer(told.stdout, "<i2"), audio.decode(codes, law))
    again = audio.decode(audio.encode(audio.decode(codes, law), law), law)
    assert np.array_equal(again, audio.decode(codes, law))


@pytest.mark.parametrize("law", ["a", "u"])
def test_encoding_takes_the_nearest_code(law: Law) -> None:
    samples = np.arange(-32768, 32768, 7, dtype=np.int32).astype(np.int16)
    levels = audio.decode(bytes(range(256)), law).astype(np.int32)
    nearest = np.abs(levels[None, :] - samples.astype(np.int32)[:, None]).min(axis=1)
    chosen = np.abs(audio.decode(audio.encode(samples, law), law).astype(np.int32) - samples)
    assert np.array_equal(chosen, nearest)


def through_alaw(samples: audio.Samples) -> audio.Samples:
    return audio.decode(audio.encode(samples))


def test_the_tones_cannot_be_taken_for_one_another() -> None:
    keys = (697, 770, 852, 941, 1209, 1336, 1477, 1633)
    assert all(b - a >= 100 for a, b in pairwise(TONES))
    assert all(abs(tone - key) >= 30 for tone in TONES for key in keys)
    assert all(abs(b - n * a) >= 10 for a in TONES for b in TONES for n in range(2, 8))


@pytest.mark.parametrize("frequency", TONES)
def test_a_tone_is_heard_as_itself_and_as_no_other(frequency: int) -> None:
    for loud in (-10.0, -20.0, -35.0):
        assert audio.tones(through_alaw(audio.tone(frequency, 0.1, loud))) == {frequency}
    assert audio.goertzel(audio.tone(frequency, 0.5), frequency) == pytest.approx(-20, abs=0.1)


def test_two_tones_are_both_heard_and_noise_and_silence_are_none() -> None:
    both = audio.tone(440, 0.5) + audio.tone(990, 0.5, level=-38)
    assert audio.tones(through_alaw(both)) == {440, 990}
    assert audio.tones(noise(0.5, -30)) == set()
    assert audio.tones(audio.silence(0.5)) == audio.tones(audio.silence(0)) == set()


@pytest.mark.parametrize("at", [0.0, 0.0513, 0.2, 1.01])
def test_the_onset_of_a_tone(at: float) -> None:
    heard = np.concatenate([audio.silence(at), audio.tone(890, 0.5)])
    assert audio.onset(heard, 890) == pytest.approx(at, abs=0.005 if at == 0 else 0.002)
    assert audio.onset(heard) == pytest.approx(at, abs=0.005)
    assert audio.onset(heard, 1510) is None
    other = np.concatenate([audio.tone(440, at), audio.tone(890, 0.5)])
    assert audio.onset(other, 890) == pytest.approx(at, abs=0.005)


def test_silence_has_no_onset() -> None:
    assert audio.onset(audio.silence(1)) is None and audio.onset(audio.silence(0)) is None


def test_gaps_are_found_where_they_are() -> None:
    heard = np.concatenate([audio.tone(440, 0.5), audio.silence(0.1), audio.tone(440, 0.3), audio.silence(0.02)])
    assert audio.gaps(heard) == [(pytest.approx(0.5, abs=0.006), pytest.approx(0.1, abs=0.006))]
    assert audio.gaps(audio.silence(1.0)) == [(0.0, 1.0)]
    assert audio.gaps(audio.tone(440, 1.0)) == []


def test_a_known_sound_is_recognised_wherever_it_stands() -> None:
    prompt = noise(1.0, -25)
    heard = np.concatenate([noise(0.7, -40, seed=2), through_alaw(prompt), audio.tone(440, 1.0)])
    found = audio.similarity(heard, prompt)
    assert found.score > 0.95 and found.start == pytest.approx(0.7, abs=1e-3)
    assert audio.similarity(heard, noise(1.0, -25, seed=3)).score < 0.3
    assert audio.similarity(prompt[:100], prompt).score == 0.0


@pytest.mark.parametrize("at", [0.0, 1.0, 7.123, 29.8])
def test_a_chirp_tells_where_it_is(at: float) -> None:
    whole = through_alaw(audio.chirp(30))
    piece = whole[round(at * RATE) : round((at + 0.1) * RATE)]
    assert audio.chirp_position(piece) == pytest.approx(at, abs=0.01)


def test_what_is_no_chirp_has_no_position() -> None:
    for heard in (audio.silence(0.1), noise(0.1, -20), audio.tone(440, 0.1) + audio.tone(890, 0.1)):
        with pytest.raises(ValueError, match="no chirp"):
            audio.chirp_position(heard)


def test_frames_are_20_ms_each() -> None:
    assert [len(frame) for frame in audio.frames(audio.tone(440, 0.05))] == [160, 160, 160]
    assert audio.level(audio.silence(0)) == audio.level(audio.silence(1)) == -np.inf
    assert audio.level(audio.tone(440, 1.0, level=-13)) == pytest.approx(-13, abs=0.05)
