"""Phones of which nothing comes are found by asking the real rtpengine, and told from those that it does not know."""

from __future__ import annotations

import asyncio

import pytest

from lq.media.engines import Engines
from lq.media.leg import MediaLeg
from lq.media.silence import Silence, last_packet
from tests.integration.media.conftest import Studio
from tests.simulator import audio


async def test_who_falls_silent_is_told_and_who_is_heard_again(studio: Studio) -> None:
    talker, mute = await studio.party(), await studio.party()
    a, _ = await studio.calls(talker)
    b, _ = await studio.calls(mute)
    gone, _ = await studio.calls(await studio.party())
    await studio.engine.delete(gone.id)
    told: asyncio.Queue[tuple[MediaLeg, str]] = asyncio.Queue()
    silence = Silence(
        Engines([studio.engine]), lambda: [a, b], lambda *what: told.put_nowait(what), silent_s=2.5, round_s=0.3
    )
    watch = asyncio.create_task(silence.watch())
    mute.network = lambda n, packet: []  # its network lets nothing out
    async with asyncio.timeout(20):
        assert await told.get() == (b, "silent")
        assert await told.get() == (b, "silent")  # it still is
        mute.network = lambda n, packet: [packet]
        mute.say(audio.tone(440, 1.0))
        while (news := await told.get()) == (b, "silent"):
            continue
        assert news == (b, "heard")
        a, b = gone, gone
        assert await told.get() == (gone, "unknown")
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)


@pytest.mark.parametrize(
    "answer", [{}, {"tags": {}}, {"tags": {"L": {"medias": []}}}, {"tags": 3}, {"tags": {"L": None}}]
)
def test_an_answer_that_says_nothing(answer: dict[str, object]) -> None:
    assert last_packet(answer) is None
