"""What a talker's packets become: in virtual time, by what is heard. Each leg here hears its own echo."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lq.media.mixer.core import Core
from ops.home import CHECKOUT
from tests.integration.media.endpoint import HEADER
from tests.simulator import audio
from tests.unit.media.mixer_lab import Lab, Talker, clicks, longest_silence

CHIRP = audio.chirp(6)
SINE = audio.tone(440, 20)
SPEECH = CHECKOUT / "lq/media/prompts/zh/menu_main.al"


def echoing() -> tuple[Lab, Talker]:
    lab = Lab(Core(None, 64))
    leg = lab.leg()
    lab.core.echo(leg.slot)
    return lab, leg


def heard_whole(leg: Talker, samples: audio.Samples, edge: int = 800) -> bool:
    return audio.encode(samples)[:-edge] in b"".join(leg.heard)


def delay_ms(leg: Talker, samples: audio.Samples, since_ms: float = 0.0) -> float:
    """How long after its first packet was sent a chirp's beginning is heard, by its place now."""
    at = len(leg.heard) * 20 - 200
    place = audio.chirp_position(leg.sound[at * 8 : (at + 100) * 8])
    return at - since_ms - place * 1000


# -- a calm network ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ptime", [10, 20, 30, 40, 60])
def test_packets_of_any_length_are_heard_whole_and_at_the_next_tick(ptime: int) -> None:
    lab, leg = echoing()
    leg.says(CHIRP, ptime=ptime)
    lab.run(6200)
    assert heard_whole(leg, CHIRP)
    beginning = b"".join(leg.heard).index(audio.encode(CHIRP)[:800])
    assert beginning / 8 < ptime + 20  # its own length, and to the next tick
    told = leg.figures
    assert (told.lost, told.late, told.resets, told.stretched_ms, told.squeezed_ms) == (0, 0, 0, 0, 0)


def test_what_is_loudest_and_what_is_softest_come_back_bit_by_bit() -> None:
    lab, leg = echoing()
    codes = audio.decode(bytes(range(256)) * 10)
    leg.says(codes)
    lab.run(500)
    assert heard_whole(leg, codes, 0)


# -- a bad one ---------------------------------------------------------------------------------------------------------


def test_doubled_packets_and_those_out_of_order_cost_no_word() -> None:
    """The first one that overtakes another costs a concealed frame; from then on there is as much delay as it takes."""
    lab, leg = echoing()
    leg.says(CHIRP, delay_ms=lambda n: 25 if n % 7 == 3 else 0, twice=lambda n: n % 3 == 0)
    lab.run(6200)
    told = leg.figures
    assert told.doubled == 100 and told.late == 1 and told.lost == 0
    assert told.concealed_ms <= 20 + 60  # … and 60 when he has ended
    whole = b"".join(leg.heard)
    assert audio.encode(CHIRP)[4000:-800] in whole


def test_the_delay_grows_at_once_and_shrinks_slowly() -> None:
    lab, leg = echoing()
    rng = random.Random(1)
    leg.says(audio.chirp(30), delay_ms=lambda n: rng.uniform(0, 60) if 100 <= n < 400 else 0)
    lab.run(2000)
    assert delay_ms(leg, CHIRP) < 45
    lab.run(1000)
    grown = delay_ms(leg, CHIRP)
    assert 55 < grown < 120
    lab.run(8000)
    assert leg.figures.late <= 2 and leg.figures.squeezed_ms < 20  # no to and fro
    assert delay_ms(leg, CHIRP) > 55  # seconds without it are not enough
    lab.run(15000)
    assert delay_ms(leg, CHIRP) < 45
    assert leg.figures.buffer_ms < 40


@pytest.mark.parametrize("most", [15.0, 40.0, 100.0, 400.0])
def test_the_delay_is_bounded_however_bad_it_is(most: float) -> None:
    lab, leg = echoing()
    rng = random.Random(2)
    leg.says(SINE, delay_ms=lambda n: rng.uniform(0, most))
    for _ in range(90):
        lab.run(200)
        assert leg.figures.buffer_ms <= 120 + 20
    assert longest_silence(leg.sound[4000:-4000]) < 0.15
    if most <= 100:
        assert leg.figures.concealed_ms < 400
        assert clicks(leg.sound[4000:-4000], 440) == []


def test_a_network_that_stood_still_and_lets_go_at_once() -> None:
    lab, leg = echoing()
    leg.says(audio.chirp(10), delay_ms=lambda n: max(0, 120 - n) * 20 if 70 <= n < 120 else 0)
    lab.run(9900)
    assert delay_ms(leg, CHIRP) < 120  # nobody talks to the past
    assert longest_silence(leg.sound[1600:-1600]) < 1.1
    assert leg.figures.resets <= 1


# -- loss --------------------------------------------------------------------------------------------------------------


def lossy(share: float, seed: int = 5) -> Callable[[int], float | None]:
    rng = random.Random(seed)
    lost = {n for n in range(10, 5000) if rng.random() < share}
    return lambda n: None if n in lost else 0.0


def test_what_is_lost_is_made_up_and_the_clock_goes_on() -> None:
    lab, leg = echoing()
    leg.says(SINE, delay_ms=lossy(0.07))
    lab.run(19_900)
    sound = leg.sound[1600:-1600]
    assert clicks(sound, 440) == [] and longest_silence(sound) == 0
    frames = sound[: len(sound) // 160 * 160].reshape(-1, 160)
    levels = [audio.level(frame) for frame in frames]
    assert min(levels) > -26  # -20 dBov was said; two in a row are fading already
    told = leg.figures
    assert told.lost > 40 and told.late == 0 and told.buffer_ms == 20  # loss is no lateness
    assert told.concealed_ms == pytest.approx(told.lost * 20, abs=100)


def test_speech_with_loss_is_nearer_to_what_was_said_than_with_holes() -> None:
    """Made-up frames against silence, on a shipped prompt: the spectrum of each lost frame, and where its energy is."""
    said = audio.decode(SPEECH.read_bytes())
    lab, leg = echoing()
    network = lossy(0.07)
    leg.says(said, delay_ms=network)
    lab.run(len(said) / 8 + 100)
    first = b"".join(leg.heard).index(audio.encode(said)[800:1600]) - 800
    heard = leg.sound[first : first + len(said)]
    made_up = silent = 0.0
    for n in range(len(said) // 160):
        true = said[n * 160 : n * 160 + 160].astype(np.float64)
        if network(n) is None and audio.level(true.astype(np.int16)) > -40:
            got = heard[n * 160 : n * 160 + 160].astype(np.float64)
            spectra = [np.abs(np.fft.rfft(each * np.hanning(160))) for each in (true, got)]
            made_up += float(np.sum((spectra[0] - spectra[1]) ** 2))
            silent += float(np.sum(spectra[0] ** 2))
    assert silent > 0 and made_up < 0.5 * silent


def test_a_long_loss_fades_to_silence_within_60_ms() -> None:
    lab, leg = echoing()
    leg.says(SINE, delay_ms=lambda n: None if 100 <= n < 150 else 0)
    lab.run(6000)
    holes = [each for each in audio.gaps(leg.sound[1600:-1600]) if each[1] > 0.1]
    assert len(holes) == 1 and 0.92 < holes[0][1] < 0.97
    assert clicks(leg.sound[1600:-1600], 440) == []


# -- clocks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ppm", [100, -100, 400, -400])
def test_minutes_with_a_clock_that_drifts(ppm: int) -> None:
    lab, leg = echoing()
    rng = random.Random(3)
    leg.says(audio.tone(440, 300), ppm=ppm, delay_ms=lambda n: rng.uniform(0, 2))
    for _ in range(290):
        lab.run(1000)
        assert leg.figures.buffer_ms <= 45
    told = leg.figures
    assert clicks(leg.sound[1600:], 440) == [] and longest_silence(leg.sound[1600:]) == 0
    assert told.late == told.lost == told.resets == 0
    assert told.concealed_ms + told.squeezed_ms < 300_000 * abs(ppm) / 1e6 * 2 + 40


def test_a_pause_without_packets_is_silence_and_the_next_word_is_heard_whole() -> None:
    """Silence suppression: the timestamps go on meanwhile, or, with senders that do not know better, stand still."""
    for stands_still in (False, True):
        lab, leg = echoing()
        leg.says(CHIRP[:8000])
        if not stands_still:
            leg.timestamp = leg.timestamp + 40_000 & 0xFFFFFFFF
        leg.says(CHIRP[8000:], start_ms=6000)
        lab.run(12_000)
        whole = b"".join(leg.heard)
        assert audio.encode(CHIRP[:8000])[:-400] in whole
        assert audio.encode(CHIRP[8100:])[:-800] in whole
        assert longest_silence(leg.sound[1600:-8000]) > 4.5
        assert leg.figures.resets == stands_still


# -- streams that begin anew -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["ssrc", "timestamp", "sequence", "all"])
def test_a_stream_that_begins_anew_is_followed_at_once(what: str) -> None:
    lab, leg = echoing()
    leg.says(SINE[:16_000])
    if what in ("ssrc", "all"):
        leg.ssrc = 2
    if what in ("timestamp", "all"):
        leg.timestamp = 123_456
    if what in ("sequence", "all"):
        leg.sequence = 9
    leg.says(SINE[16_000:32_000], start_ms=2000)
    lab.run(3900)
    sound = leg.sound[1600:]
    assert audio.tones(sound[-8000:]) == {440}
    assert longest_silence(sound) == 0 and clicks(sound, 440) == []
    assert leg.figures.lost == 0 and leg.figures.resets == (what != "sequence")


def test_latecomers_of_a_stream_that_is_over_do_not_bring_it_back() -> None:
    lab, leg = echoing()
    leg.says(SINE[:16_000], delay_ms=lambda n: 90 if n > 96 else 0)
    leg.ssrc, leg.timestamp = 2, 99
    leg.says(SINE[16_000:32_000], start_ms=1990)
    lab.run(3900)
    assert leg.figures.resets == 1


def test_one_packet_that_lies_far_off_moves_nothing() -> None:
    lab, leg = echoing()
    leg.says(CHIRP)
    for n, stamp in enumerate((7, 2**31, 2**32 - 1)):
        lab.later(1000 + 500 * n, leg, HEADER.pack(0x80, 8, 20_000, stamp, 1) + b"\x11" * 160)
    lab.run(6200)
    assert heard_whole(leg, CHIRP) and leg.figures.resets == 0


def test_keys_and_comfort_noise_are_no_audio() -> None:
    lab, leg = echoing()
    leg.says(CHIRP[:8000])
    for n in range(10):  # a key in the place of the voice: RFC 4733 packets share its sequence
        packet = HEADER.pack(0x80, 101, leg.sequence, leg.timestamp, 1) + b"\x05\x0a\x00\xa0"
        lab.later(1000 + 20 * n, leg, packet)
        leg.sequence = leg.sequence + 1 & 0xFFFF
    lab.later(1190, leg, HEADER.pack(0x80, 13, leg.sequence, leg.timestamp, 1) + b"\x40")
    leg.sequence, leg.timestamp = leg.sequence + 1 & 0xFFFF, leg.timestamp + 1600 & 0xFFFFFFFF
    leg.says(CHIRP[9600:], start_ms=1200)
    lab.run(6200)
    assert audio.encode(CHIRP[9700:])[:-800] in b"".join(leg.heard)
    told = leg.figures
    assert told.ignored == 11 and told.lost == 0 and told.resets == 0


# -- hostile -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=300), max_size=60), st.randoms())
@settings(deadline=None, max_examples=200)
def test_whatever_comes_the_next_talker_is_heard(junk: list[bytes], rng: random.Random) -> None:
    lab, leg = echoing()
    for data in junk:
        valid = bytes([0x80 | rng.randrange(64), rng.choice([8, 136, rng.randrange(256)])]) + data
        lab.later(rng.uniform(0, 400), leg, rng.choice([data, valid]))
    lab.run(500)
    leg.ssrc, leg.timestamp = 77, 5
    leg.says(audio.tone(990, 2), start_ms=500)
    lab.run(1800)
    assert audio.tones(leg.sound[-4000:]) == {990}
    assert leg.figures.buffer_ms <= 140


def test_one_leg_that_floods_takes_nothing_from_another() -> None:
    lab = Lab(Core(None, 64))
    loud, other = lab.legs(2)
    lab.core.echo(other.slot)
    other.says(CHIRP)
    for n in range(100_000):
        lab.later(n * 0.05, loud, HEADER.pack(0x80, 8, n & 0xFFFF, n * 160, 9) + b"\x11" * 160)
    lab.run(6200)
    assert heard_whole(other, CHIRP)
    assert loud.figures.flooded > 80_000 and loud.figures.buffer_ms <= 140


def test_levels_are_metered() -> None:
    lab, leg = echoing()
    assert leg.figures.level_dbov == -127
    leg.says(audio.tone(440, 2, level=-33))
    lab.run(1900)
    assert leg.figures.level_dbov == pytest.approx(-33, abs=0.5)
    lab.run(2000)
    assert leg.figures.level_dbov < -80
