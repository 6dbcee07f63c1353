"""Rooms through rtpengine: what a supervisor whispers never reaches the customer."""

from __future__ import annotations

from lq.media.leg import At, MediaLeg
from tests.integration.media.conftest import Studio
from tests.integration.media.endpoint import Endpoint
from tests.simulator import audio


async def into(studio: Studio, room: str, tone: int, *, talk: bool = True) -> tuple[Endpoint, MediaLeg]:
    """A party that calls, says this tone, and is in the room."""
    party = await studio.party()
    leg, _ = await studio.calls(party)
    party.say(audio.tone(tone, 0.2))
    await studio.mixer.join(leg.id, leg.x_address)
    leg = await studio.engine.point(leg, At(*studio.mixer.rtp))
    await studio.mixer.room(leg.id, room, talk=talk)
    return party, leg


async def test_monitor_whisper_barge_and_back(studio: Studio) -> None:
    room = studio.name()
    customer, _ = await into(studio, room, 540)
    agent, agents = await into(studio, room, 640)
    boss, bosss = await into(studio, room, 740, talk=False)
    await customer.hears(640)
    await agent.hears(540)
    await boss.hears(540, 640)
    await studio.mixer.room(bosss.id, room, talk=False, whisper=[agents.id])
    await agent.hears(540, 740)
    await customer.hears(640)
    assert 740 not in audio.tones(customer.heard())
    await studio.mixer.room(bosss.id, room)
    await customer.hears(640, 740)
    await studio.mixer.room(bosss.id, room, talk=False, whisper=[agents.id])
    await agent.hears(540, 740)
    await customer.hears(640)
    figures = (await studio.mixer.stats(room=room))["legs"]
    assert all(each["lost"] == 0 and each["level_dbov"] > -25 for each in figures.values())
    await studio.mixer.leave(bosss.id)


async def test_a_conference_with_other_packet_lengths_and_laws(studio: Studio) -> None:
    room = studio.name()
    for n, (law, ptime) in enumerate((("PCMA", 20), ("PCMU", 20), ("PCMA", 40))):
        party = await studio.party(law, ptime_ms=ptime)  # type: ignore[arg-type]
        leg, _ = await studio.calls(party)
        party.say(audio.tone((540, 640, 740)[n], 0.2))
        await studio.mixer.join(leg.id, leg.x_address)
        await studio.engine.point(leg, At(*studio.mixer.rtp))
        await studio.mixer.room(leg.id, room)
    first, second, third = studio.parties[-3:]
    await first.hears(640, 740)
    await second.hears(540, 740)
    await third.hears(540, 640)
