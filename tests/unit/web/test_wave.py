from __future__ import annotations

import itertools
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcall_web.recordings.wave import NoWave, Outline
from tests.integration.web import sound

FILE = sound.wav(
    np.concatenate([sound.tone(440, 1.0), sound.silence(1.0)]),
    np.concatenate([sound.silence(1.0), sound.tone(300, 1.0, 0.25)]),
)


def outline(pieces: list[bytes]) -> list[list[float]]:
    drawn = Outline()
    for piece in pieces:
        drawn.feed(piece)
    return drawn.peaks()


def test_the_loudness_of_each_voice() -> None:
    left, right = (np.array(channel) for channel in outline([FILE]))
    assert len(left) == 1200
    assert abs(left[:598].max() - 0.6) < 0.02 and left[602:].max() < 0.001
    assert abs(right[602:].max() - 0.25) < 0.02 and right[:598].max() < 0.001


@given(st.lists(st.integers(1, len(FILE) - 1), max_size=12))
def test_however_the_file_is_cut_it_is_the_same(cuts: list[int]) -> None:
    places = [0, *sorted(set(cuts)), len(FILE)]
    pieces = [FILE[a:b] for a, b in itertools.pairwise(places)]
    assert outline(pieces) == outline([FILE])


def test_linear_samples_are_drawn_too() -> None:
    samples = (np.array([[0, 16384], [-32768, 0]] * 2000, dtype="<i2")).tobytes()
    form = struct.pack("<HHIIHH", 1, 2, 8000, 32000, 4, 16)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(samples)) + samples
    left, right = outline([b"RIFF" + struct.pack("<I", len(body)) + body])
    assert set(left) == {1.0} and set(right) == {0.5}


@pytest.mark.parametrize("bad", [b"OggS" + bytes(100), b"RIFF....AVI " + bytes(50), FILE[:20] + bytes(9000)])
def test_what_is_no_wave_is_refused(bad: bytes) -> None:
    with pytest.raises(NoWave):
        outline([bad])


def test_a_file_that_breaks_off_or_is_empty_harms_nobody() -> None:
    assert outline([]) == [] and outline([FILE[:30]]) == []
    half = outline([FILE[: len(FILE) // 2]])
    assert max(half[0][:590]) > 0.5 and max(half[0][610:]) == 0
    empty = sound.wav(sound.silence(0), sound.silence(0))
    assert outline([empty]) == [[], []]
