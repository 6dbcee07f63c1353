"""Who hears whom, in virtual time: numpy mixes beside, and knows better than the C what should be heard."""

from __future__ import annotations

import random

import numpy as np
import pytest

from lq.media.mixer.core import NO_ROOM, Core
from tests.simulator import audio
from tests.simulator.audio import Samples
from tests.unit.media.mixer_lab import Lab, Talker, clicks, longest_silence

SECOND = 8000
VOICES = (440, 540, 640, 740, 890, 990, 1090, 1240)


def lab(capacity: int = 256) -> Lab:
    return Lab(Core(None, capacity))


def talking(room: Lab, count: int, seconds: float = 3.0, level: float = -20.0) -> list[Talker]:
    legs = room.legs(count)
    for leg, tone in zip(legs, VOICES, strict=False):
        leg.says(audio.tone(tone, seconds, level))
    return legs


def last(leg: Talker, seconds: float = 0.2) -> set[int]:
    return audio.tones(leg.sound[-round(seconds * SECOND) :])


# -- the matrix --------------------------------------------------------------------------------------------------------


def test_all_hear_all_but_themselves() -> None:
    room = lab()
    legs = talking(room, 4)
    room.room(*legs)
    alone = room.leg()
    room.run(1000)
    for leg, tone in zip(legs, VOICES, strict=False):
        assert last(leg) == set(VOICES[:4]) - {tone}
    assert set(b"".join(alone.heard)) == {0xD5}


def test_the_sum_is_the_sum_sample_by_sample() -> None:
    """Against numpy: every leg's frames, decoded, added, without its own, encoded."""
    rng = np.random.default_rng(1)
    room = lab()
    legs = room.legs(5)
    noises = [rng.normal(0, 1500, 2 * SECOND).astype(np.int16) for _ in legs]
    for leg, noise in zip(legs, noises, strict=True):
        leg.says(noise, start_ms=100)
    room.room(*legs)
    room.run(1900)
    said = [audio.decode(audio.encode(noise)).astype(np.int32) for noise in noises]
    for n, leg in enumerate(legs):
        heard = b"".join(leg.heard)
        total = np.sum([each for other, each in enumerate(said) if other != n], axis=0)
        wanted = audio.encode(((total >> 4 << 4) + 8).astype(np.int16))  # all thresholds of G.711 are multiples of 16
        assert wanted[4000:12_000] in heard


def test_mute_monitor_whisper_barge_and_hold() -> None:
    room = lab()
    customer, agent, boss = talking(room, 3, 10)
    c, a, b = VOICES[:3]
    number = room.room(customer, agent)
    room.run(500)
    assert (last(customer), last(agent), last(boss)) == ({a}, {c}, set())
    for talk, hear, whisper, heard in (
        (False, True, [], ({a}, {c}, {c, a})),  # monitor
        (False, True, [agent.slot], ({a}, {c, b}, {c, a})),  # whisper
        (True, True, [], ({a, b}, {c, b}, {c, a})),  # barge-in
        (False, True, [agent.slot], ({a}, {c, b}, {c, a})),
        (False, False, [], ({a}, {c}, set())),  # on hold
    ):
        room.core.enter(boss.slot, number, talk=talk, hear=hear, whisper=whisper)
        room.run(500)
        assert (last(customer), last(agent), last(boss)) == heard
    room.core.enter(agent.slot, number, talk=False, hear=True)  # mute
    room.run(500)
    assert (last(customer), last(agent)) == (set(), {c})


def test_a_whisper_is_never_heard_by_the_customer_whatever_is_changed() -> None:
    """Monitor, whisper, hold, in and out of the room, agents that change: not one frame of it."""
    room = lab()
    customer, agent, boss, second = talking(room, 4, 40)
    number = room.room(customer, agent)
    other = room.room(second)
    rng = random.Random(4)
    for _ in range(300):
        ears = rng.sample([agent.slot, second.slot], rng.randrange(3))
        place = rng.choice([number, number, other, NO_ROOM])
        room.core.enter(boss.slot, place, talk=False, hear=rng.random() < 0.5, whisper=ears)
        if rng.random() < 0.3:
            for leg in (agent, second):
                room.core.enter(leg.slot, rng.choice([number, other]), talk=True, hear=True)
        room.run(rng.choice([5, 20, 60, 200]))
    sound = customer.sound
    windows = [sound[at : at + 800] for at in range(0, len(sound) - 800, 800)]
    assert max(audio.goertzel(window, VOICES[2]) for window in windows) < -60
    assert any(VOICES[1] in audio.tones(window) for window in windows)  # he hears well


def test_a_whisperers_ear_that_is_gone_is_nobodys_ear() -> None:
    """The slot is somebody else's at once, in the same room."""
    room = lab(4)
    customer, agent, boss = talking(room, 3, 5)
    number = room.room(customer, agent)
    room.core.enter(boss.slot, number, talk=False, hear=True, whisper=[agent.slot])
    room.run(500)
    room.core.leave(agent.slot)
    taken = room.core.join("127.9.9.9", 5)
    assert taken == agent.slot
    room.core.enter(taken, number, talk=True, hear=True)
    agent.heard.clear()
    room.run(1000)
    assert last(agent) == {VOICES[0]}


# -- changes make no click ---------------------------------------------------------------------------------------------


def test_every_change_is_faded() -> None:
    room = lab()
    (loud,) = talking(room, 1, 20, -6)
    ear = room.leg()
    number = room.room(loud, ear)
    room.run(300)
    for talk, hear in ((False, True), (True, True), (True, False), (True, True)):
        room.core.enter(loud.slot, number, talk=talk, hear=True)
        room.core.enter(ear.slot, number, talk=True, hear=hear)
        room.run(300)
    room.out(loud)
    room.run(300)
    room.core.enter(loud.slot, number, talk=True, hear=True)
    room.run(300)
    assert last(ear) == {440}
    room.core.leave(loud.slot)
    loud.heard.clear()
    room.run(300)
    assert last(ear) == set()
    assert clicks(ear.sound, 440, over=0.1) == []  # a tone cut at full level: more than 0.5
    assert len([gap for gap in audio.gaps(ear.sound[:-1600]) if gap[1] > 0.2]) == 3


def test_a_cut_is_a_click_to_the_measure() -> None:
    """The measure of the test above can fail."""
    sound = np.concatenate([audio.tone(440, 0.1005, -6), audio.silence(0.1)])
    assert clicks(sound, 440, over=0.1)


def test_to_another_room_is_fading_out_here_and_in_there() -> None:
    room = lab()
    first, second, guest = talking(room, 3, 5)
    a, b = room.room(first), room.room(second)
    room.core.enter(guest.slot, a, talk=True, hear=True)
    room.run(500)
    assert last(guest) == {VOICES[0]} and last(first) == {VOICES[2]}
    heard = len(guest.heard)
    room.core.enter(guest.slot, b, talk=True, hear=True)
    room.run(500)
    assert last(guest) == {VOICES[1]} and last(first) == set() and last(second) == {VOICES[2]}
    moved = audio.decode(guest.heard[heard : heard + 3])
    assert audio.level(moved[140:180]) < -30  # silence between the two


@pytest.mark.parametrize("between", range(4))
def test_who_is_in_the_room_before_his_voice_comes_is_heard_from_its_first_packet_on(between: int) -> None:
    """He is joined and in the room before rtpengine is pointed here: not a tick of his own, of whatever phase, is to be
    waited for, and he hears the others at the room's next one."""
    room = lab()
    first = room.leg()
    first.says(audio.tone(440, 2.0))
    number = room.room(first)
    room.run(500)
    room.legs(between)  # who have the phases between
    guest = room.leg()
    room.core.enter(guest.slot, number, talk=True, hear=True)
    heard = len(first.heard)
    guest.says(audio.tone(540, 1.0), start_ms=room.now - 15)  # its first packet is here within 5 ms
    room.run(20)  # one tick of the room
    assert len(first.heard) == heard + 1 and len(guest.heard) == 1
    for ear in (first, guest):
        assert audio.level(ear.sound[-160:]) > -24  # faded in over 12 of 20 ms
    room.run(20)
    for ear in (first, guest):
        assert audio.level(ear.sound[-160:]) == pytest.approx(-20, abs=0.5)


def test_a_voice_that_begins_long_after_he_has_entered_is_faded_in() -> None:
    room = lab()
    quiet, ear = room.legs(2)
    room.room(quiet, ear)
    room.run(333)
    quiet.says(audio.tone(440, 0.5, -6, start=0.0006), start_ms=room.now)  # at its peak
    room.run(300)
    assert clicks(ear.sound, 440, over=0.1) == [] and last(ear) == {440}


def test_a_room_that_was_closed_is_not_given_away_while_somebody_fades_out_of_it() -> None:
    room = lab(2)
    a, b = talking(room, 2, 5)
    number = room.room(a, b)
    other = room.core.open_room()
    assert other is not None and room.core.open_room() is None
    room.run(200)
    room.out(a)
    room.out(b)
    room.core.close_room(number)
    assert room.core.open_room() is None
    room.run(40)
    assert room.core.open_room() == number


# -- music and announcements -------------------------------------------------------------------------------------------


def alaw(samples: Samples) -> bytes:
    return audio.encode(samples)


def test_what_plays_into_a_room_is_heard_by_all_who_hear_it_and_its_end_is_told() -> None:
    room = lab()
    a, b, deaf = room.legs(3)
    number = room.room(a, b)
    room.core.enter(deaf.slot, number, talk=True, hear=False)
    a.says(audio.tone(540, 3))
    beep = alaw(audio.tone(1240, 0.5))
    room.run(500)
    room.core.play_into(number, beep, at=0, times=1, serial=7)
    room.run(300)
    assert last(a) == {1240} and last(b) == {1240, 540} and last(deaf) == set()
    room.run(400)
    assert room.core.ended() == [("room", number, 7)]
    assert last(b) == {540}


def test_a_leg_hears_an_announcement_over_its_room_and_music_on_hold_instead_of_it() -> None:
    room = lab()
    a, b = talking(room, 2, 6)
    number = room.room(a, b)
    music = alaw(audio.tone(1240, 1))
    room.run(300)
    room.core.play(a.slot, music, at=0, times=0, serial=1)
    room.run(300)
    assert last(a) == {540, 1240} and last(b) == {440}
    room.core.enter(a.slot, number, talk=False, hear=False)
    room.run(300)
    assert last(a) == {1240} and last(b) == set()
    room.core.silence(a.slot)
    room.core.enter(a.slot, number, talk=True, hear=True)
    room.run(300)
    assert last(a) == {540} and last(b) == {440}  # not one source under the other (P38)


def test_what_is_stopped_or_replaced_fades() -> None:
    room = lab()
    leg = room.leg()
    tone, new = alaw(audio.tone(440, 5, -6)), alaw(audio.tone(440, 5, -6))
    room.core.play(leg.slot, tone, at=0, times=1, serial=1)
    room.run(333)
    room.core.play(leg.slot, new, at=0, times=1, serial=2)
    room.run(333)
    room.core.silence(leg.slot)
    room.run(100)
    assert clicks(leg.sound, 440, over=0.4) == []  # 0.34: a sine that begins
    assert set(leg.heard[-1]) == {0xD5}
    room.core.play(leg.slot, tone, at=0, times=1, serial=3)
    room.core.play(leg.slot, new, at=0, times=1, serial=4)  # of what nobody heard, nothing is heard
    room.run(40)
    assert b"".join(leg.heard[-2:]) == new[:320]


# -- loud, and many ----------------------------------------------------------------------------------------------------


def test_too_loud_is_turned_down_not_clipped() -> None:
    room = lab()
    legs = talking(room, 4, 3, -6)
    room.room(*legs)
    room.run(2000)
    sound = legs[0].sound[SECOND:].astype(np.float64)
    assert np.abs(sound).max() <= 32256
    others = [10 ** (audio.goertzel(legs[0].sound[SECOND:], tone) / 20) for tone in VOICES[1:4]]
    clean = sum(share**2 for share in others)
    assert 10 * np.log10(np.mean(sound**2) / 32768**2 / clean) < 0.3  # nothing but the three: clipped it would be more
    assert last(legs[0]) == set(VOICES[1:4])


def test_a_room_of_a_hundred() -> None:
    room = lab()
    legs = room.legs(100)
    room.room(*legs)
    for leg, tone in zip(legs[::15], VOICES, strict=False):
        leg.says(audio.tone(tone, 2))
    room.run(1500)
    talkers = dict(zip([leg.slot for leg in legs[::15]], VOICES, strict=False))
    for leg in legs:
        assert last(leg) == set(talkers.values()) - {talkers.get(leg.slot, 0)}


def test_rooms_against_a_model() -> None:
    """Legs come, move, mute, listen and go, in any order; after each change everybody hears exactly whom he should."""
    rng = random.Random(11)
    room = lab(32)
    legs = room.legs(len(VOICES))
    for leg, tone in zip(legs, VOICES, strict=True):
        leg.says(audio.tone(tone, 65))
    tone_of = {leg.slot: tone for leg, tone in zip(legs, VOICES, strict=True)}
    rooms = [room.room() for _ in range(3)]
    state: dict[int, tuple[int, bool, bool, list[int]]] = {leg.slot: (NO_ROOM, False, False, []) for leg in legs}
    for _ in range(120):
        for leg in rng.sample(legs, rng.randrange(1, 4)):
            place = rng.choice([*rooms, NO_ROOM])
            ears = rng.sample([other.slot for other in legs if other is not leg], rng.randrange(3))
            state[leg.slot] = place, rng.random() < 0.7, rng.random() < 0.8, ears
            talk, hear = state[leg.slot][1:3]
            room.core.enter(leg.slot, place, talk=talk, hear=hear, whisper=ears)
        room.run(400)
        for leg in legs:
            place, _, hears, _ = state[leg.slot]
            wanted = {
                tone_of[other]
                for other, (there, talks, _, ears) in state.items()
                if other != leg.slot and there == place != NO_ROOM and ((talks and hears) or leg.slot in ears)
            }
            assert last(leg, 0.15) == wanted


@pytest.mark.parametrize("ppm", [100, -100])
def test_two_talk_for_minutes_with_clocks_that_differ(ppm: int) -> None:
    room = lab()
    a, b = room.legs(2)
    a.says(audio.tone(440, 240), ppm=ppm)
    b.says(audio.tone(540, 240), ppm=-ppm)
    room.room(a, b)
    room.run(235_000)
    for ear, tone in ((a, 540), (b, 440)):
        assert clicks(ear.sound[SECOND:], tone) == [] and longest_silence(ear.sound[SECOND:]) == 0
        assert ear.figures.buffer_ms <= 45
