"""Phones of every codec beside a real rtpengine: both voices are in the WAV, each on its side."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.integration.media.conftest import Studio, sdp
from tests.integration.media.endpoint import Endpoint
from tests.integration.recorder.conftest import Books, recorded
from tests.integration.recorder.test_calls import at_mixer
from tests.simulator import audio
from tests.simulator.encoders import STEP, encoded

CUSTOMER, AGENT = 440, 540
PHONES = {"G722": (9, "G722/8000"), "G729": (18, "G729/8000"), "opus": (111, "opus/48000/2")}


@asynccontextmanager
async def talking(phone: Endpoint, port: int, codec: str) -> AsyncIterator[None]:
    """It says 440 Hz in that codec."""
    phone.to = ("127.0.0.1", port)

    async def talk() -> None:
        due = time.monotonic()
        while True:
            for payload in encoded(audio.tone(CUSTOMER, 1.0), codec):
                phone.packet(payload, payload_type=PHONES[codec][0])
                phone.timestamp += STEP[codec]
                due += 0.02
                await asyncio.sleep(due - time.monotonic())

    task = asyncio.create_task(talk())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("codec", PHONES)
async def test_both_voices_are_recorded(studio: Studio, books: Books, codec: str) -> None:
    customer, agent = await studio.party(), await studio.party()
    payload, rtpmap = PHONES[codec]
    text = sdp(customer).replace("RTP/AVP 8 ", f"RTP/AVP {payload} ")
    text = text.replace("a=rtpmap:8 PCMA/8000", f"a=rtpmap:{payload} {rtpmap}")
    name = studio.name()
    leg, _ = await studio.engine.incoming(name, text)
    assert leg.codec == rtpmap
    await studio.engine.record(leg, f"{name}-r1", name)
    async with talking(customer, leg.local_port, codec):
        leg = await at_mixer(studio, leg)
        await studio.mixer.play(leg.id, "p1", ["t/odd"])
        await studio.played.get()
        other = await studio.called(agent)
        agent.say(audio.tone(AGENT, 1.0))
        await studio.mixer.leave(leg.id)
        leg, other = await studio.engine.connect(leg, other)
        await agent.hears(CUSTOMER)  # so rtpengine has understood the phone, too
        await agent.has_sent(60)
    await studio.engine.delete(leg.id)
    await books.verified(f"{name}-r1")
    result = recorded(studio.center.home.recordings, f"{name}-r1")
    left, right = audio.decode(result.left), audio.decode(result.right)
    assert result.gaps(0) == []
    assert audio.tones(left[800:-800]) == {CUSTOMER}
    assert audio.tones(right[-6400:-800]) == {AGENT}
