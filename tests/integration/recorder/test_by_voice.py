"""A recording by voice, from rtpengine's packets to the WAV: what is said is there, silence is not, times stay true."""

from __future__ import annotations

import pytest

from lq.contacts import effects as do
from tests.integration.media.conftest import Studio
from tests.integration.recorder.conftest import Books, recorded
from tests.integration.recorder.test_pause import recording_desk
from tests.simulator import audio


@pytest.mark.slow
async def test_silence_is_left_out_and_what_is_said_stays(studio: Studio, books: Books) -> None:
    """He hears himself, so both sides are silent together: 5 s, of which one stays."""
    desk = await recording_desk(studio)
    desk.desk.perform(desk.contact, [do.LeaveOutSilence(1, desk.recording, 2), do.Echo(1)])
    await desk.says(440, 75)
    desk.phone.say(audio.silence(0.02))
    await desk.phone.has_sent(250)
    await desk.says(990, 75)
    await desk.hang_up()
    await books.verified(desk.recording)
    result = recorded(studio.center.home.recordings, desk.recording)
    (cut,) = [gap for gap in result.stored.gaps if gap["reason"] == "silence"]
    assert 3.5 < cut["duration_s"] < 4.3
    left = audio.decode(result.left)
    at = round(cut["start_s"] * audio.RATE)
    assert audio.tones(left[:4000]) == {440} and audio.tones(left[-4000:]) == {990}
    assert audio.gaps(left[at - 4000 : at + 4000], longer_than=0.7), "what is left of it"
    assert result.stored.duration_ms / 1000 + cut["duration_s"] == pytest.approx(8.0, abs=0.5)
    assert (result.stored.bytes - 200) // 2 <= result.stored.duration_ms * 8, "no more is on the disk"
    desk.desk.forget(desk.contact.id)
