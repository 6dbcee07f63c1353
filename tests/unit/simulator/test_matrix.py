"""What the ear of a test takes for what."""

from __future__ import annotations

import numpy as np

from tests.simulator import audio, matrix
from tests.simulator.matrix import MUSIC, SOUND, Voices
from tests.simulator.place import CHECKOUT
from tests.simulator.speech import prompt

MUSIC_ON_HOLD = prompt("music/hold", (CHECKOUT / "lq" / "media" / "prompts",))
VOICES = Voices({"customer": 440, "agent": 640, "colleague": 890, "leader": 1090}, MUSIC_ON_HOLD)


def test_each_set_of_voices_is_told_from_each_other() -> None:
    names = list(VOICES.tones)
    for chosen in range(1 << len(names)):
        said = [name for n, name in enumerate(names) if chosen >> n & 1]
        mixed = audio.mixed(audio.silence(0.2), *(audio.tone(VOICES.tones[name], 0.2) for name in said))
        heard = audio.decode(audio.encode(mixed))
        assert VOICES.heard(heard) == set(said)


def test_a_lost_packet_changes_nothing() -> None:
    broken = np.concatenate([audio.tone(440, 0.06), audio.silence(0.04), audio.tone(440, 0.1, start=0.0501)])
    assert VOICES.heard(broken) == {"customer"}


def test_music_is_music_wherever_it_is_and_nothing_else() -> None:
    for start in (0, 3.3, 40, 71.9):
        piece = np.concatenate([MUSIC_ON_HOLD, MUSIC_ON_HOLD])[round(start * audio.RATE) :][: matrix.PIECE]
        assert VOICES.heard(piece) == {MUSIC}
    assert VOICES.heard(audio.chirp(2)[-matrix.PIECE :]) == {SOUND}
    over = audio.mixed(piece, audio.tone(440, 0.2))
    assert VOICES.heard(over) & {SOUND, MUSIC}


def test_a_recording_is_the_order_of_what_was_heard() -> None:
    customer, agent = audio.tone(440, 2), audio.tone(640, 2)
    left = np.concatenate([customer, customer, customer])
    right = np.concatenate([agent, MUSIC_ON_HOLD[: 2 * audio.RATE], agent])
    assert matrix.sections([left, right], VOICES) == [
        ({"customer"}, {"agent"}),
        ({"customer"}, {MUSIC}),
        ({"customer"}, {"agent"}),
    ]


def test_a_failure_shows_both() -> None:
    shown = matrix.table(
        {"customer": {"agent"}, "agent": {"customer"}}, {"customer": {MUSIC}, "agent": {"customer"}}, "so"
    )
    assert "* customer  agent        music" in shown
