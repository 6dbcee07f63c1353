"""An rtpengine hangs and stays away: its legs are made anew on another, their phones follow, the talk goes on (P45)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from lq.sdk.client import Client
from tests.center import Center
from tests.conftest import OwnCenter
from tests.integration.recorder.test_pause import payloads
from tests.scenarios.conftest import is_read
from tests.simulator import audio, speech
from tests.simulator.audio import RATE
from tests.simulator.baresip import Baresip
from tests.simulator.call import Call
from tests.simulator.events import Events
from tests.simulator.gateway import Answer, Gateway
from tests.simulator.place import Place
from tests.simulator.rtp import Media
from tests.simulator.softphone import Softphone

pytestmark = pytest.mark.kills

PARTS = "postgres,redis,redis-rtpengine,rtpengine,rtpengine2,mixer,migrate,seed,kamailio,lq1,lq2,api,journal,recorder"
CALLER, AGENT, SECRET = 440, 990, 1240


@dataclass
class Scene:
    center: Center
    place: Place
    gateway: Gateway
    lq: Client
    events: Events
    media: Media
    directory: Path

    def softphone(self, ext: str) -> Softphone:
        return self.place.softphone(ext, self.media, Answer(0.1))

    def baresip(self, ext: str) -> Baresip:
        return self.place.phone(ext, self.directory, answer_after_s=0.1)

    async def dial(self, called: str) -> tuple[Call, str]:
        """A caller of the queue or of the menu, answered; his contact."""
        call = await self.gateway.dial("13800138001", called)
        await call.answered()
        return call, await self.events.contact_of(call.caller)

    async def moved(self, contact: str) -> None:
        """Every leg that was lost has been restored."""
        await self.events.first("leg_media_lost", subject=contact)

        def all_back() -> bool:
            lost, back = (self.events.of(contact, f"leg_media_{what}") for what in ("lost", "restored"))
            return len(lost) == len(back)

        await self.events.until(all_back, 15)


@asynccontextmanager
async def opened(center: Center, directory: Path) -> AsyncIterator[Scene]:
    place = Place.of(center)
    async with place.client() as lq, Events(lq) as events:
        media = Media()
        async with place.gateway(media=media) as gateway:
            yield Scene(center, place, gateway, lq, events, media, directory)
        await asyncio.to_thread(media.close)


@pytest.fixture
async def scene(own_center: OwnCenter, tmp_path: Path) -> AsyncIterator[Scene]:
    center = await asyncio.to_thread(own_center, LCALL_ONLY=PARTS, LCALL_RTPENGINES="2")
    async with opened(center, tmp_path) as scene:
        yield scene


@pytest.fixture
async def with_one(own_center: OwnCenter, tmp_path: Path) -> AsyncIterator[Scene]:
    """As a center is unless somebody wants more."""
    center = await asyncio.to_thread(own_center, LCALL_ONLY=PARTS.replace("rtpengine2,", ""))
    async with opened(center, tmp_path) as scene:
        yield scene


@pytest.mark.slow
@pytest.mark.parametrize("dead", ["rtpengine", "rtpengine2"])
async def test_a_talk_goes_on_with_another_rtpengine(scene: Scene, dead: str) -> None:
    """Two legs on two engines, one of which hangs: both ends hear each other again, and it is recorded on."""
    async with scene.softphone("8001") as phone:
        await scene.lq.sign_in("1001", "8001")
        call, contact = await scene.dial("4008001001")
        talk = await phone.rings(20)
        await talk.answered()
        call.say(CALLER)
        talk.say(AGENT)
        await call.hears(AGENT)
        await talk.hears(CALLER)
        scene.center.freeze(dead)
        await scene.moved(contact)
        since = call.heard_s, talk.heard_s
        await call.hears(AGENT, since=since[0])
        await talk.hears(CALLER, since=since[1])
        heard = (await call.hears(AGENT, since=call.heard_s + 1)).second
        assert audio.tones(call.stream.heard_since(round(heard * RATE))) == {AGENT}
        assert len(scene.events.of(contact, "leg_media_lost")) == 1  # they were shared out
        await talk.hang_up()
        await call.ended()
        assert (call.cause, talk.gateway.wire.faults, scene.gateway.wire.faults) == (16, [], [])
        scene.center.thaw(dead)
        stored = await scene.events.first("recording_stored", contact=contact, within_s=30)
        left, right = await speech.read_wav(scene.center.home.recordings / stored.data["path"])
        for said, side in ((CALLER, left), (AGENT, right)):  # both parts, with the hole between
            heard = [
                audio.tones(side[at : at + RATE // 5]) == {said} for at in range(0, len(side) - RATE // 5, RATE // 5)
            ]
            first, last = heard.index(True), len(heard) - 1 - heard[::-1].index(True)
            assert last > len(heard) - 10 and (said == CALLER or not all(heard[first:last]))
            assert sum(heard[first:last]) >= 5


@pytest.mark.slow
async def test_who_waits_hears_the_music_again_and_a_menu_is_played_on(scene: Scene) -> None:
    await scene.lq.sign_in("1002", "8002")  # somebody is there, though his phone is not
    waiting, contact = await scene.dial("4008001001")
    music = scene.place.prompt("music/hold")
    await waiting.hears(music[:RATE], 20)
    echo, other = await scene.dial("4008001009")
    echo.say(CALLER)
    await echo.hears(CALLER)
    scene.center.freeze("rtpengine")
    scene.center.freeze("rtpengine2")  # both: one of them comes back
    await asyncio.gather(*(scene.events.first("leg_media_lost", subject=each) for each in (contact, other)))
    scene.center.thaw("rtpengine2")
    await asyncio.gather(*(scene.moved(each) for each in (contact, other)))
    await echo.hears(CALLER, since=echo.heard_s)
    heard = (await waiting.hears(music[RATE : 2 * RATE], 30, since=waiting.heard_s)).second
    assert heard
    for call in (waiting, echo):
        await call.hang_up()
    scene.center.thaw("rtpengine")


@pytest.mark.slow
async def test_one_that_is_back_at_once_has_restored_its_calls_or_they_are_made_anew(scene: Scene) -> None:
    """kill -9: with its Redis nothing is to be done; without, phones follow to wherever there is room."""
    echo, contact = await scene.dial("4008001009")
    echo.say(CALLER)
    await echo.hears(CALLER)
    killed = scene.center.kill("rtpengine")
    await scene.center.back("rtpengine", killed)
    await echo.hears(CALLER, since=echo.heard_s)
    assert scene.events.of(contact, "leg_media_lost") == []
    scene.center.kill("redis-rtpengine")
    for service in ("rtpengine", "rtpengine2"):
        killed = scene.center.kill(service)
        await scene.center.back(service, killed)
    await scene.moved(contact)
    await echo.hears(CALLER, since=echo.heard_s)
    await echo.hang_up()


@pytest.mark.slow
async def test_a_pause_that_is_ordered_while_the_customers_rtpengine_dies_holds_on_the_next(scene: Scene) -> None:
    """PCI: before, it failed with that engine, nobody was told, and the card's number was recorded on the next."""
    before = dict((await scene.lq.document("settings", "center")).body)
    await scene.lq.put_document("settings", "center", {**before, "recording_keys": {"pause": "*3", "resume": "*3"}})
    await is_read(scene.center, (await scene.lq.health()).config_version or 0)
    async with scene.softphone("8001") as phone:
        await scene.lq.sign_in("1001", "8001")
        call, contact = await scene.dial("4008001001")
        talk = await phone.rings(20)
        await talk.answered()
        call.say(CALLER)
        talk.say(AGENT)
        await call.hears(AGENT)
        await scene.events.first("recording_active", contact=contact)
        assert holds(scene.center, payloads(CALLER))  # so it would be found
        scene.center.freeze("rtpengine")
        talk.send_digits("*3")
        paused = await scene.events.first("contact_recording_paused", 15, subject=contact)
        assert paused.data["by"] == "1001"
        await scene.moved(contact)
        assert [event.data["leg"] for event in scene.events.of(contact, "leg_media_lost")] == [f"{contact}.1"]
        since = talk.heard_s
        call.say(SECRET)
        await talk.hears(SECRET, since=since)
        await talk.hears(SECRET, since=talk.heard_s + 1)
        scene.center.thaw("rtpengine")
        call.say(CALLER)
        await talk.hears(CALLER, since=talk.heard_s)
        talk.send_digits("*3")
        await scene.events.first("contact_recording_resumed", subject=contact)
        await talk.hears(CALLER, since=talk.heard_s + 1)
        await call.hang_up()
    stored = await scene.events.first("recording_stored", contact=contact, within_s=30)
    assert holds(scene.center, payloads(SECRET)) == []
    left, _ = await speech.read_wav(scene.center.home.recordings / stored.data["path"])
    parts = [audio.tones(left[at : at + RATE // 5]) for at in range(0, len(left) - RATE // 5, RATE // 5)]
    assert parts.count({CALLER}) > 5 and audio.tones(left[-RATE // 2 : -400]) == {CALLER}


def holds(center: Center, sound: Sequence[bytes]) -> list[str]:
    """Files in spools and store with a packet of it."""
    home = center.home
    places = (home.spool_of(1), home.spool_of(2), home.recordings)
    files = [file for place in places for file in place.rglob("*") if file.is_file()]
    return [str(file) for file in files if any(payload in file.read_bytes() for payload in sound)]


@pytest.mark.slow
async def test_a_hang_of_the_only_rtpengine_ends_neither_a_call_nor_its_recording(with_one: Scene) -> None:
    """Its legs are made anew where they were: what it has recorded before and after is one recording."""
    scene, home = with_one, with_one.center.home
    async with scene.softphone("8001") as phone:
        await scene.lq.sign_in("1001", "8001")
        call, contact = await scene.dial("4008001001")
        talk = await phone.rings(20)
        await talk.answered()
        call.say(CALLER)
        talk.say(AGENT)
        await call.hears(AGENT)
        await talk.hears(CALLER, since=talk.heard_s + 1)
        scene.center.freeze("rtpengine")
        await asyncio.sleep(6)  # legs are tried to be moved once more meanwhile
        assert len(scene.events.of(contact, "leg_media_lost")) == 2
        scene.center.thaw("rtpengine")
        await scene.moved(contact)
        since = call.heard_s, talk.heard_s
        await call.hears(AGENT, since=since[0] + 5)
        await talk.hears(CALLER, since=since[1] + 5)
        await talk.hang_up()
        await call.ended()
        assert (call.cause, talk.gateway.wire.faults, scene.gateway.wire.faults) == (16, [], [])
    stored = await scene.events.first("recording_stored", contact=contact, within_s=30)
    assert [event.type for event in scene.events.seen if event.type in ("recorder_debris", "recording_failed")] == []
    assert not list(home.spool.glob("aside/*"))
    left, right = await speech.read_wav(home.recordings / stored.data["path"])
    for said, side in ((CALLER, left), (AGENT, right)):  # both parts
        heard = [audio.tones(side[at : at + RATE // 5]) == {said} for at in range(0, len(side) - RATE // 5, RATE // 5)]
        first, last = heard.index(True), len(heard) - 1 - heard[::-1].index(True)
        assert last > len(heard) - 10 and sum(heard) > 25
        assert len(heard) - first > (1 + 6 + 5) * 5 - 5  # it begins before the hang and ends after it
