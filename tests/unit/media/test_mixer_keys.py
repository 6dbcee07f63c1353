"""Keys heard in the voice: ITU-T Q.24's limits, and speech that is none."""

from __future__ import annotations

import numpy as np
import pytest

from lq.media.mixer.core import Core
from ops.home import CHECKOUT
from tests.simulator import audio
from tests.simulator.audio import Samples
from tests.unit.media.mixer_lab import Lab, Talker, joined

KEYS = "123A456B789C*0#D"
ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
PROMPTS = CHECKOUT / "lq/media/prompts"


def press(
    key: str, on: float = 0.1, off: float = 0.1, low: float = -13, high: float = -13, off_by: float = 0
) -> Samples:
    """Levels in dBov; `off_by`: how wrong both frequencies are."""
    row, column = divmod(KEYS.index(key), 4)
    tones = audio.mixed(
        audio.tone(ROWS[row] * (1 + off_by), on, low), audio.tone(COLUMNS[column] * (1 + off_by), on, high)
    )
    return joined([tones, audio.silence(off)])


def listening() -> tuple[Lab, Talker]:
    lab = Lab(Core(None, 8))
    leg = lab.leg()
    lab.core.listen_for_keys(leg.slot, True)
    return lab, leg


def heard(samples: Samples) -> str:
    lab, leg = listening()
    leg.says(joined([audio.silence(0.05), samples, audio.silence(0.2)]))
    found = ""
    for _ in range(len(samples) // 8000 + 1):
        lab.run(1000)
        found += "".join(key for _, key, _ in lab.core.digits())
    return found


def test_all_keys_each_once_with_its_length() -> None:
    lab, leg = listening()
    leg.says(joined([press(key, 0.1 + n / 100) for n, key in enumerate(KEYS)]))
    lab.run(6000)
    told = lab.core.digits()
    assert "".join(key for _, key, _ in told) == KEYS
    for n, (slot, _, ms) in enumerate(told):
        assert slot == leg.slot and abs(ms - (100 + 10 * n)) <= 20


@pytest.mark.parametrize("start", range(0, 102, 17))
def test_forty_ms_and_forty_between_wherever_they_begin(start: int) -> None:
    said = joined([audio.silence(start / 8000), *(press(key, 0.04, 0.04) for key in KEYS + "1155")])
    assert heard(said) == KEYS + "1155"


@pytest.mark.parametrize(
    ("how", "is_key"),
    [
        ({"low": -10, "high": -17}, True),  # the high tone 7 dB weaker
        ({"low": -16, "high": -13}, True),  # 3 dB stronger
        ({"low": -8, "high": -19}, False),  # 11 dB weaker
        ({"low": -19, "high": -13}, False),  # 6 dB stronger
        ({"low": -35, "high": -35}, True),
        ({"low": -55, "high": -55}, False),
        ({"off_by": 0.015}, True),
        ({"off_by": -0.015}, True),
        ({"off_by": 0.04}, False),
        ({"on": 0.02}, False),
        ({"low": -80}, False),  # one tone alone
        ({"high": -80}, False),
    ],
)
def test_limits_of_level_twist_frequency_and_length(how: dict[str, float], is_key: bool) -> None:
    for key in "159D*":
        assert heard(press(key, **how)) == (key if is_key else "")


def test_keys_in_noise() -> None:
    rng = np.random.default_rng(1)
    said = joined([press(key, 0.06, 0.06) for key in KEYS * 4])
    noise = rng.normal(0, 10 ** (-35 / 20) * 32768, len(said))  # 22 dB below each tone
    assert heard((said + noise).astype(np.int16)) == KEYS * 4
    assert heard(rng.normal(0, 3000, 60 * 8000).astype(np.int16)) == ""


def test_keys_through_a_network_that_loses() -> None:
    """A lost frame within a key is made up from the key itself: it stays one."""
    lab, leg = listening()
    said = joined([press(key, 0.16, 0.12) for key in KEYS])
    leg.says(said, delay_ms=lambda n: None if n % 14 == 3 else 0)
    lab.run(6000)
    assert "".join(key for _, key, _ in lab.core.digits()) == KEYS


def test_no_prompt_of_ours_is_a_key() -> None:
    files = sorted(PROMPTS.rglob("*.al"))
    assert len(files) > 300
    lab = Lab(Core(None, len(files)))
    legs = lab.legs(len(files))
    longest = 0.0
    for leg, file in zip(legs, files, strict=True):
        lab.core.listen_for_keys(leg.slot, True)
        said = audio.decode(file.read_bytes())
        leg.says(said)
        longest = max(longest, len(said) / 8)
    lab.run(longest + 200)
    assert [(files[slot], key) for slot, key, _ in lab.core.digits()] == []


def test_who_is_not_listened_to_presses_in_vain() -> None:
    lab, leg = listening()
    lab.core.listen_for_keys(leg.slot, False)
    leg.says(press("5"))
    lab.run(500)
    assert lab.core.digits() == []


def test_a_key_is_not_told_of_the_next_leg_in_that_slot() -> None:
    lab, leg = listening()
    leg.says(press("5"))
    lab.run(300)
    lab.core.leave(leg.slot)
    assert lab.core.join("127.9.9.9", 9) == leg.slot
    assert lab.core.digits() == []
