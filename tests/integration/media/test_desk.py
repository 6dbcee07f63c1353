"""MediaDesk: the effects of a contact as they are heard, on real rtpengine and mixer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import pytest

from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.contact import Contact, Leg, Play
from lq.contacts.media_desk import MediaDesk
from lq.media.engines import Engines
from lq.media.mixer.client import Mixer
from lq.media.sdp import audio as description
from lq.trunks.numbers import Number
from tests.center import Center
from tests.contract.mixer.conftest import PROMPTS, write_prompts
from tests.integration.media.conftest import Studio, engine_of, sdp
from tests.integration.media.endpoint import Endpoint, Packet
from tests.simulator import audio

CUSTOMER, AGENT = 440, 540
NOBODY = Number("", "", "", "anonymous")
Input = TypeVar("Input")


@dataclass
class Desk:
    """One contact at a desk; what it is told arrives in `told`."""

    desk: MediaDesk
    contact: Contact
    told: list[inputs.Input] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        self.desk.deliver = self._deliver
        await self.desk.start()

    def _deliver(self, contact: str, given: inputs.Input) -> bool:
        if contact != self.contact.id:
            return False
        self.told.append(given)
        if isinstance(given, inputs.MediaReady | inputs.MediaReoffered):
            self.leg(given.leg, media=given.media)
        self.news.set()
        return True

    def leg(self, n: int, **changes: Any) -> None:
        old = self.contact.legs.get(n) or Leg(n, "customer" if n == 1 else "agent", "in", "", "answered")
        self.contact = replace(self.contact, legs={**self.contact.legs, n: replace(old, **changes)})

    def do(self, *effects: do.Effect) -> None:
        """As the owner does after a commit: the contact as it is now, and what it wants."""
        for effect in effects:
            match effect:
                case do.StartPlay(n, play, items, repeat):
                    self.leg(n, peer="mixer", play=Play(play, items, repeat, int(time.time() * 1000)))
                case do.Connect(a, b):
                    self.leg(a, peer=f"leg:{b}", play=None)
                    self.leg(b, peer=f"leg:{a}", play=None)
                case do.Echo(n):
                    self.leg(n, peer="echo", play=None)
                case do.PrepareIncoming(n) | do.PrepareOutgoing(n):
                    self.leg(n)
        self.desk.perform(self.contact, effects)

    async def gets(self, kind: type[Input]) -> Input:
        """The next input of this kind; others before it are dropped."""
        async with asyncio.timeout(15):
            while True:
                while self.told:
                    given = self.told.pop(0)
                    if isinstance(given, kind):
                        return given
                self.news.clear()
                await self.news.wait()

    async def takes(self, n: int, party: Endpoint) -> inputs.MediaReady:
        """The party calls as leg n."""
        self.do(do.PrepareIncoming(n, sdp(party)))
        ready = await self.gets(inputs.MediaReady)
        party.talk(description(ready.sdp).port)
        return ready

    async def calls(self, n: int, party: Endpoint) -> None:
        """Leg n is the party's phone, which answers."""
        self.do(do.PrepareOutgoing(n))
        offer = await self.gets(inputs.MediaReady)
        self.do(do.TakeAnswer(n, sdp(party)))
        await self.gets(inputs.MediaReady)
        party.talk(description(offer.sdp).port)


async def seated(center: Center) -> Desk:
    write_prompts(center.home.prompts)
    contact = Contact(f"desk{time.time_ns():x}", "ivr", "in", 0, NOBODY, NOBODY, "trunk:gw1", "ivr:main")
    desk = MediaDesk(Engines([engine_of(center)]), Mixer(str(center.home.run / "mixer.sock")))
    new = Desk(desk, contact)
    await new.start()
    return new


@pytest.fixture
async def desk(studio: Studio) -> AsyncIterator[Desk]:
    new = await seated(studio.center)
    yield new
    await new.desk.close()


@pytest.fixture
async def own_desk(own_studio: Studio) -> AsyncIterator[Desk]:
    new = await seated(own_studio.center)
    yield new
    await new.desk.close()


def tone(frequency: int) -> audio.Samples:
    return audio.tone(frequency, 1.0)


def sound(packets: list[Packet]) -> bytes:
    return b"".join(packet.payload for packet in packets).strip(b"\xd5")


def place_in_chirp(packets: list[Packet]) -> float:
    """Second of the chirp at which these packets begin to be it."""
    heard = sound(packets)[:1600]
    return audio.encode(PROMPTS["t/chirp"]).index(heard) / audio.RATE


async def test_a_prompt_is_heard_from_its_first_sample_to_its_last(desk: Desk, studio: Studio) -> None:
    phone = await studio.party()
    ready = await desk.takes(1, phone)
    assert ready.codec == "PCMA/8000"
    desk.do(do.StartPlay(1, "p1", ("t/odd", "t/540")))
    assert await desk.gets(inputs.Played) == inputs.Played(1, "p1", True)
    await phone.until(lambda: sound(phone.packets) == audio.encode(PROMPTS["t/odd"]) + audio.encode(PROMPTS["t/540"]))


async def test_a_call_from_menu_to_talk_to_end(desk: Desk, studio: Studio) -> None:
    customer, agent = await studio.party(), await studio.party()
    others = (await studio.mixer.stats())["legs"]
    await desk.takes(1, customer)
    desk.do(do.StartPlay(1, "p1", ("t/music",), 0))
    await customer.hears(890)
    customer.press("2")
    assert await desk.gets(inputs.Digit) == inputs.Digit(1, "2")
    await desk.calls(2, agent)
    customer.say(tone(CUSTOMER))
    agent.say(tone(AGENT))
    desk.do(do.Connect(1, 2))
    await customer.hears(AGENT)
    await agent.hears(CUSTOMER)
    desk.do(do.DeleteMedia(1), do.DeleteMedia(2))
    assert [await desk.gets(inputs.MediaDeleted) for _ in range(2)] == [inputs.MediaDeleted(1), inputs.MediaDeleted(2)]
    assert (await studio.mixer.stats())["legs"] == others


async def test_who_is_held_hears_music_alone_whatever_the_holding_phone_sends(desk: Desk, studio: Studio) -> None:
    """Some phones send music of their own while they hold; two streams at once would be noise."""
    customer, agent = await studio.party(), await studio.party()
    await desk.takes(1, customer)
    await desk.calls(2, agent)
    customer.say(tone(CUSTOMER))
    agent.say(tone(AGENT))
    desk.do(do.Connect(1, 2))
    await customer.hears(AGENT)
    desk.do(do.TakeOffer(2, sdp(agent, direction="sendonly")))
    reoffered = await desk.gets(inputs.MediaReoffered)
    assert reoffered.held and description(reoffered.sdp).direction == "recvonly"
    desk.do(do.StartPlay(1, "p1", ("t/music",), 0))
    await customer.hears(890)
    since = len(customer.packets)
    await customer.until(lambda: len(customer.packets) > since + 50)
    assert len({packet.ssrc for packet in customer.packets[since:]}) == 1
    assert audio.tones(customer.heard(since)) == {890}
    heard = len(agent.packets)
    await customer.until(lambda: len(customer.packets) > since + 75)
    assert len(agent.packets) - heard <= 2  # and the holding party hears nobody
    desk.do(do.TakeOffer(2, sdp(agent)))
    assert not (await desk.gets(inputs.MediaReoffered)).held
    desk.do(do.Connect(1, 2))
    await customer.hears(AGENT)
    await agent.hears(CUSTOMER)


async def test_the_agent_is_offered_the_callers_type_of_keys(desk: Desk, studio: Studio) -> None:
    customer, agent = await studio.party(event_type=97), await studio.party(event_type=97)
    await desk.takes(1, customer)
    desk.do(do.PrepareOutgoing(2))
    offer = description((await desk.gets(inputs.MediaReady)).sdp)
    assert offer.event is not None and offer.event.payload == 97
    desk.do(do.TakeAnswer(2, sdp(agent)))
    await desk.gets(inputs.MediaReady)
    agent.talk(offer.port, tone(AGENT))
    desk.do(do.Connect(1, 2))
    await customer.hears(AGENT)
    customer.press("9")
    await agent.until(lambda: agent.keys == "9")
    assert await desk.gets(inputs.Digit) == inputs.Digit(1, "9")


async def test_a_key_said_by_sip_is_heard_by_the_other_once(desk: Desk, studio: Studio) -> None:
    """INFO has no packets that rtpengine could pass on; an event has, and is not put in a second time."""
    customer, agent = await studio.party(), await studio.party()
    await desk.takes(1, customer)
    await desk.calls(2, agent)
    agent.say(tone(AGENT))
    desk.do(do.Connect(1, 2))
    await customer.hears(AGENT)
    desk.do(do.PassKey(1, 2, "5", 120, "info"))
    await agent.until(lambda: agent.keys == "5")
    customer.press("6")
    assert await desk.gets(inputs.Digit) == inputs.Digit(1, "6", "rtp", 100)
    desk.do(do.PassKey(1, 2, "6", 100, "rtp"), do.PassKey(1, 2, "7", 100, "inband"))
    await agent.until(lambda: agent.keys == "56")
    await agent.has_sent(25)
    assert agent.keys == "56"


async def test_a_key_in_the_voice_of_a_phone_that_could_say_it_better_is_told_by_the_mixer(
    desk: Desk, studio: Studio
) -> None:
    phone = await studio.party()
    await desk.takes(1, phone)
    desk.do(do.StartPlay(1, "p1", ("t/music",), 0))
    await phone.hears(890)
    phone.say(np.concatenate([audio.silence(0.1), audio.key("8", 0.12), audio.silence(0.2)]), once=True)
    told = await desk.gets(inputs.Digit)
    assert isinstance(told, inputs.Digit) and (told.leg, told.key, told.method) == (1, "8", "inband")


@pytest.mark.parametrize(
    ("change", "why"),
    [(("PCMA/8000", "AMR/8000"), "no_codec"), (("RTP/AVP 8", "RTP/SAVP 8"), "no_codec"), (("v=0", "v=9"), "no_codec")],
)
async def test_media_that_cannot_be_had_is_told(desk: Desk, studio: Studio, change: tuple[str, str], why: str) -> None:
    phone = await studio.party()
    desk.do(do.PrepareIncoming(1, sdp(phone).replace(*change)))
    assert await desk.gets(inputs.MediaFailed) == inputs.MediaFailed(1, why)


async def test_a_prompt_that_is_missing_ends_at_once_and_says_so(desk: Desk, studio: Studio) -> None:
    phone = await studio.party()
    await desk.takes(1, phone)
    desk.do(do.StartPlay(1, "p1", ("t/absent",)))
    assert await desk.gets(inputs.Played) == inputs.Played(1, "p1", complete=False)


async def test_keys_of_calls_that_are_not_ours_are_nothing_to_us(desk: Desk, studio: Studio) -> None:
    phone = await studio.party()
    leg, _ = await studio.calls(phone, f"a foreign call {time.time_ns()}")
    await desk.takes(1, await studio.party())
    phone.press("5")
    await studio.keys_are((leg.id, "5"))
    assert not any(isinstance(given, inputs.Digit) for given in desk.told)
    await studio.engine.delete(leg.id)


async def test_another_desk_carries_the_legs_on(desk: Desk, studio: Studio) -> None:
    """What the snapshot says of the legs is enough (R8)."""
    customer, agent = await studio.party(), await studio.party()
    await desk.takes(1, customer)
    await desk.calls(2, agent)
    agent.say(tone(AGENT))
    heir = await seated(studio.center)
    heir.contact = Contact.from_json(desk.contact.to_json())
    heir.do(do.Connect(1, 2))
    await customer.hears(AGENT)
    heir.do(do.StartPlay(1, "p9", ("t/music",), 0))
    await customer.hears(890)
    await heir.desk.close()


# -- the mixer dies ----------------------------------------------------------------------------------------------------


@pytest.mark.kills
async def test_prompt_music_and_echo_go_on_after_the_mixer_was_killed(own_desk: Desk, own_studio: Studio) -> None:
    desk, studio = own_desk, own_studio
    phones = [await studio.party() for _ in range(4)]
    for n, phone in enumerate(phones, start=1):
        await desk.takes(n, phone)
    prompt, music, echo, agent = phones
    began = time.time()
    desk.do(do.StartPlay(1, "p1", ("t/chirp",)), do.StartPlay(2, "p2", ("t/music",), 0), do.Echo(3))
    echo.say(tone(740))
    await prompt.until(lambda: len(sound(prompt.packets)) > 8000)
    asked = time.time()
    assert sound(prompt.packets) in audio.encode(PROMPTS["t/chirp"])
    await music.hears(890)
    await echo.hears(740)

    killed = studio.center.kill("mixer")
    await studio.center.back("mixer", killed)
    heard = [len(phone.packets) for phone in phones]
    await prompt.until(lambda: len(sound(prompt.packets[heard[0] :])) > 3200)
    now = time.time()
    place = place_in_chirp(prompt.packets[heard[0] + 2 :])
    assert asked - began < place < now - began  # the words that nobody could hear are gone, none is heard twice
    await music.hears(890)
    await echo.hears(740)

    # One that was connected meanwhile is not pulled back to the mixer.
    desk.do(do.Connect(2, 4))
    agent.say(tone(AGENT))
    killed = studio.center.kill("mixer")
    await studio.center.back("mixer", killed)
    await prompt.until(lambda: len(sound(prompt.packets[-10:])) > 1000)
    await music.hears(AGENT)
    assert sum(isinstance(given, inputs.Played) for given in desk.told) == 0


@pytest.mark.kills
async def test_a_play_that_is_asked_for_while_the_mixer_is_away_is_heard_whole(
    own_desk: Desk, own_studio: Studio
) -> None:
    desk, studio = own_desk, own_studio
    phone = await studio.party()
    await desk.takes(1, phone)
    killed = studio.center.kill("mixer")
    desk.do(do.StartPlay(1, "p1", ("t/440", "t/540")))
    await studio.center.back("mixer", killed)
    assert await desk.gets(inputs.Played) == inputs.Played(1, "p1", True)
    await phone.until(
        lambda: sound(phone.packets) == audio.encode(PROMPTS["t/440"]) + audio.encode(PROMPTS["t/540"]),
        what=f"{len(sound(phone.packets))} samples",
    )


@pytest.mark.kills
async def test_a_play_that_ended_while_the_mixer_was_away_is_told_as_ended(own_desk: Desk, own_studio: Studio) -> None:
    desk, studio = own_desk, own_studio
    phone = await studio.party()
    await desk.takes(1, phone)
    desk.do(do.StartPlay(1, "p1", ("t/440",)))
    await phone.hears(440)
    studio.center.kill("mixer")
    assert await desk.gets(inputs.Played) == inputs.Played(1, "p1", True)


@pytest.mark.kills
@pytest.mark.parametrize("wanted", ["hold", "mute"])
async def test_who_holds_or_mutes_is_not_heard_while_the_mixer_hangs(
    own_desk: Desk, own_studio: Studio, wanted: str
) -> None:
    """rtpengine alone parts them; music and room come when the mixer answers, long after it was asked."""
    desk, studio = own_desk, own_studio
    customer, agent = await studio.party(), await studio.party()
    await desk.takes(1, customer)
    await desk.calls(2, agent)
    customer.say(tone(CUSTOMER))
    agent.say(tone(AGENT))
    desk.do(do.Connect(1, 2))
    await customer.hears(AGENT)
    await agent.hears(CUSTOMER)
    studio.center.freeze("mixer")
    if wanted == "hold":
        desk.do(do.StartPlay(1, "p1", ("t/music",), 0), do.Park(2))
    else:
        desk.do(do.Confer(1, "r", talk=True, hear=True), do.Confer(2, "r", talk=False, hear=True))
    await customer.has_sent(50)
    since = len(customer.packets)
    await customer.has_sent(100)  # by then nobody waits for the mixer any more
    studio.center.thaw("mixer")
    await (customer.hears(890) if wanted == "hold" else agent.hears(CUSTOMER))
    assert AGENT not in audio.tones(customer.heard(since))
    desk.do(do.Connect(1, 2))
    await customer.hears(AGENT)


# -- rtpengine dies ----------------------------------------------------------------------------------------------------


@pytest.mark.kills
async def test_a_talk_survives_rtpengine(own_desk: Desk, own_studio: Studio) -> None:
    """Killed, restored from its Redis: same ports, audio both ways, keys, and everything that can be done to a leg."""
    desk, studio = own_desk, own_studio
    customer, agent = await studio.party(), await studio.party("u")
    await desk.takes(1, customer)
    await desk.calls(2, agent)
    customer.say(tone(CUSTOMER))
    agent.say(tone(AGENT))
    desk.do(do.Connect(1, 2))
    await customer.hears(AGENT)
    ports = await _ports(studio, desk)

    killed = studio.center.kill("rtpengine")
    await studio.center.back("rtpengine", killed)
    await customer.hears(AGENT)
    await agent.until(lambda: audio.tones(audio.decode([p.payload for p in agent.voice[-5:]], "u")) == {CUSTOMER})
    assert await _ports(studio, desk) == ports

    await studio.hears_keys()  # by then the desk's connection stands as well: both try each 0.1 s
    customer.press("3")
    assert await desk.gets(inputs.Digit) == inputs.Digit(1, "3")
    desk.do(do.StartPlay(1, "p1", ("t/music",), 0))
    await customer.hears(890)
    desk.do(do.Connect(1, 2))
    await customer.hears(AGENT)
    desk.do(do.DeleteMedia(1), do.DeleteMedia(2))
    await desk.gets(inputs.MediaDeleted)
    await desk.gets(inputs.MediaDeleted)
    assert (await studio.engine._ng("list", limit="10"))["calls"] == []


async def _ports(studio: Studio, desk: Desk) -> list[int]:
    found = []
    for n in (1, 2):
        told = await studio.engine.query(desk.contact.leg_id(n))
        for tag in sorted(told["tags"]):
            found += [stream["local port"] for media in told["tags"][tag]["medias"] for stream in media["streams"]]
    return found


@pytest.mark.kills
@pytest.mark.slow
async def test_what_is_wanted_while_rtpengine_hangs_is_done_afterwards(own_desk: Desk, own_studio: Studio) -> None:
    desk, studio = own_desk, own_studio
    customer, agent = await studio.party(), await studio.party()
    await desk.takes(1, customer)
    await desk.calls(2, agent)
    customer.say(tone(CUSTOMER))
    agent.say(tone(AGENT))
    studio.center.freeze("rtpengine")
    desk.do(do.Connect(1, 2), do.PrepareIncoming(3, sdp(agent)))
    await customer.has_sent(60)
    studio.center.thaw("rtpengine")
    await customer.hears(AGENT)
    await agent.hears(CUSTOMER)
    await desk.gets(inputs.MediaReady)


@pytest.mark.kills
@pytest.mark.slow
async def test_rtpengine_that_stays_silent_is_told_in_bounded_time(own_desk: Desk, own_studio: Studio) -> None:
    desk, studio = own_desk, own_studio
    studio.center.freeze("rtpengine")
    desk.do(do.PrepareIncoming(1, sdp(await studio.party())))
    assert await desk.gets(inputs.MediaFailed) == inputs.MediaFailed(1, "unavailable")
    desk.do(do.DeleteMedia(1))
    assert await desk.gets(inputs.MediaDeleted) == inputs.MediaDeleted(1)
    studio.center.thaw("rtpengine")


@pytest.mark.kills
async def test_calls_go_on_and_new_ones_come_while_rtpengines_redis_is_dead(own_desk: Desk, own_studio: Studio) -> None:
    desk, studio = own_desk, own_studio
    customer, agent = await studio.party(), await studio.party()
    await desk.takes(1, customer)
    studio.center.freeze("redis-rtpengine")
    await desk.calls(2, agent)
    customer.say(tone(CUSTOMER))
    agent.say(tone(AGENT))
    desk.do(do.Connect(1, 2))
    await customer.hears(AGENT)
    await agent.hears(CUSTOMER)
    studio.center.thaw("redis-rtpengine")
    killed = studio.center.kill("redis-rtpengine")
    desk.do(do.StartPlay(1, "p1", ("t/music",), 0))
    await customer.hears(890)
    await studio.center.back("redis-rtpengine", killed)
    desk.do(do.Connect(1, 2))
    await customer.hears(AGENT)
