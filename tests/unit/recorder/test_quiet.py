"""Silence is left out of a recording by voice: what is said stays, sample by sample, and the times stay true."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lq.media import plan
from lq.media.leg import MediaLeg
from recorder import quiet, spool
from recorder.codecs import RATE
from recorder.quiet import MARGIN_S, left_out
from recorder.voices import Gap, Voices
from tests.simulator import audio
from tests.simulator.audio import Samples

WORDS = audio.decode((Path(plan.__file__).parent / "prompts/zh/menu_main.al").read_bytes())  # a real voice
NOISE = np.random.default_rng(7)


def noise(seconds: float, level: float) -> Samples:
    return (NOISE.standard_normal(round(seconds * RATE)) * 10 ** (level / 20) * 32_768).astype(np.int16)


def quieter(samples: Samples, db: float) -> Samples:
    return (samples * 10 ** (-db / 20)).astype(np.int16)


def voices(left: Sequence[Samples], right: Sequence[Samples] = (), gaps: tuple[Gap, ...] = ()) -> Voices:
    sides = [np.concatenate([np.zeros(0, np.int16), *each]) for each in (left, right)]
    length = max(map(len, sides))
    codes = [np.frombuffer(audio.encode(np.pad(side, (0, length - len(side)))), np.uint8) for side in sides]
    return Voices(1000.0, np.stack(codes, axis=1), gaps)


def original(cut: Voices, at: int) -> int:
    """Where a sample of the shortened recording was: what any player does with the gaps."""
    return at + round(
        sum(g.duration_s for g in cut.gaps if g.reason == quiet.SILENCE and round(g.start_s * RATE) <= at) * RATE
    )


SPOKEN_S = len(WORDS) / RATE


@pytest.mark.parametrize(("floor", "below"), [(-90, 0), (-90, 15), (-60, 0), (-60, 15), (-48, 0)])
def test_what_is_said_stays_and_silence_goes(floor: float, below: float) -> None:
    """A loud speaker and a soft one, on lines from quiet to bad."""
    words = quieter(WORDS, below)
    line = noise(2 * SPOKEN_S + 8 + 12 + 10, floor)
    said = np.concatenate([audio.silence(8), words, audio.silence(12), words, audio.silence(10)])
    whole = voices([audio.mixed(line[: len(said)], said)], [noise(len(said) / RATE, floor)])
    cut = left_out(whole, 3)
    gone = [(gap.start_s, gap.duration_s) for gap in cut.gaps]
    assert [round(seconds) for _, seconds in gone] == [8, 11, 10] or [int(s) for _, s in gone] == [7, 11, 9], gone
    assert cut.started_at == whole.started_at
    assert len(whole.samples) - len(cut.samples) == sum(round(seconds * RATE) for _, seconds in gone)
    for at in range(0, len(cut.samples), 997):
        assert (cut.samples[at] == whole.samples[original(cut, at)]).all()
    for start in (8, 8 + SPOKEN_S + 12):
        loud = whole.samples[round(start * RATE) : round((start + SPOKEN_S) * RATE)]
        assert loud.tobytes() in cut.samples.tobytes(), "no word is cut into"


def test_either_side_is_enough_and_short_silences_stay() -> None:
    left = [WORDS, audio.silence(SPOKEN_S), audio.silence(2.5), WORDS]
    right = [audio.silence(SPOKEN_S), WORDS]
    whole = voices(left, right)
    assert left_out(whole, 3) == whole
    assert [gap.reason for gap in left_out(whole, 2).gaps] == ["silence"]


def test_a_tune_and_a_tone_are_heard_and_keys_too() -> None:
    for sound in (audio.tone(440, 20.0, -30), np.concatenate([audio.key("5", 0.1, -20), audio.silence(2)] * 8)):
        whole = voices([sound])
        assert left_out(whole, 3) == whole


def test_who_says_nothing_leaves_a_moment() -> None:
    cut = left_out(voices([audio.silence(60)]), 3)
    assert cut.duration_ms == MARGIN_S * 1000
    assert cut.gaps == (Gap(0, MARGIN_S, 60 - MARGIN_S, "silence"),)
    assert left_out(voices([]), 3).duration_ms == 0


@pytest.mark.parametrize("reason", ["no packets", "paused", "codec not decoded"])
def test_what_is_missing_or_paused_is_no_silence(reason: str) -> None:
    """Nobody knows what was said there; the gap is told where it is now."""
    gap = Gap(1, 30.0, 20.0, reason)
    whole = voices([WORDS[: 2 * RATE], audio.silence(88)], gaps=(gap,))
    cut = left_out(whole, 3)
    (moved,) = [each for each in cut.gaps if each.reason == reason]
    first, second = [each for each in cut.gaps if each.reason == "silence"]
    assert moved.duration_s == gap.duration_s and moved.start_s == pytest.approx(30 - first.duration_s, abs=0.001)
    assert first.start_s < moved.start_s and second.start_s >= moved.start_s + moved.duration_s
    assert original(cut, round((moved.start_s + 1) * RATE)) == 31 * RATE


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0.02, 6)), max_size=8), st.floats(1, 6))
def test_times_stay_true_whoever_speaks_when(stretches: list[tuple[bool, bool, float]], silence_s: float) -> None:
    sides = [
        [audio.tone(440, s, -25) if of[side] else audio.silence(s) for *of, s in stretches] for side in (False, True)
    ]
    whole = voices(*sides)
    cut = left_out(whole, silence_s)
    gone = sum(gap.duration_s for gap in cut.gaps)
    assert (len(whole.samples) - len(cut.samples)) / RATE == pytest.approx(gone, abs=0.01)
    sounding = [len(np.flatnonzero(each.samples != 0xD5)) for each in (whole, cut)]
    assert sounding[0] == sounding[1], "nothing that sounds is lost"
    for at in range(0, len(cut.samples), 499):
        before = original(cut, at)
        assert abs(before - len(whole.samples)) < 2 or (cut.samples[at] == whole.samples[before]).all()


def test_the_plan_tells_how_long_a_silence_may_be(tmp_path: Path) -> None:
    """Whatever else is written into it before and after."""
    leg = MediaLeg("c1.1", "in")
    for order in ("before", "after"):
        plan.leave_out_silence(tmp_path, leg, order, "c1", 5, 4) if order == "before" else None
        plan.write(tmp_path, leg, order, "c1", 5)
        plan.leave_out_silence(tmp_path, leg, order, "c1", 5, 4) if order == "after" else None
        plan.pause(tmp_path, leg, order, "c1", 6)
        plan.resume(tmp_path, order, 7)
        plan.over(tmp_path, order)
        file = tmp_path / "planned" / f"{order}.json"
        assert spool.read_plan(file, [spool.look(tmp_path)]).silence_s == 4
        file.write_text(json.dumps({**json.loads(file.read_text()), "silence_s": "long"}))
        assert spool.read_plan(file, [spool.look(tmp_path)]).silence_s == 0
