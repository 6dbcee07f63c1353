"""A real rtpengine and a real mixer, started as a center starts them, with plain RTP endpoints around them."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from lq.media.leg import At, MediaLeg
from lq.media.mixer.client import Mixer
from lq.media.rtpengine import RtpEngine
from lq.media.sdp import audio as description
from tests.center import Center, reserve
from tests.conftest import DIRECTORY, OwnCenter
from tests.contract.mixer.conftest import write_prompts
from tests.integration.media.codecs import Name
from tests.integration.media.endpoint import Endpoint
from tests.simulator import audio

CUSTOMER, AGENT, THIRD = 440, 540, 640  # Hz, what each party says
PARTS: Final = "redis-rtpengine,rtpengine,mixer"


@dataclass
class Studio:
    """Media as an lq node has it, and the parties of the test."""

    center: Center
    engine: RtpEngine
    mixer: Mixer
    keys: list[tuple[str, str]] = field(default_factory=list)  # (leg id, key)
    pressed: asyncio.Event = field(default_factory=asyncio.Event)
    played: asyncio.Queue[tuple[str, str, bool]] = field(default_factory=asyncio.Queue)
    back: asyncio.Event = field(default_factory=asyncio.Event)
    parties: list[Endpoint] = field(default_factory=list)
    legs: int = 0
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    async def start(self) -> None:
        await self.engine.start(self._key)
        await self.mixer.start(lambda *told: self.played.put_nowait(told), self.back.set)
        async with asyncio.timeout(10):
            await self.back.wait()
            await self.hears_keys()

    async def close(self) -> None:
        for party in self.parties:
            await party.close()
        await self.engine.close()
        await self.mixer.close()

    def _key(self, leg: str, key: str, duration_ms: int) -> None:
        self.keys.append((leg, key))
        self.pressed.set()

    async def hears_keys(self) -> None:
        """rtpengine has taken our connection: a key that is pressed now will be told."""
        phone = await self.party()
        leg, _ = await self.calls(phone, "keys.1")
        while ("keys.1", "#") not in self.keys:
            self.pressed.clear()
            phone.press("#")
            try:
                await asyncio.wait_for(self.pressed.wait(), 0.3)
            except TimeoutError:
                continue
        await phone.close()
        await self.engine.delete(leg.id)
        self.keys.clear()

    async def keys_are(self, *wanted: tuple[str, str]) -> None:
        """Waits until as many keys have come, then compares."""
        async with asyncio.timeout(10):
            while len(self.keys) < len(wanted):
                self.pressed.clear()
                await self.pressed.wait()
        assert self.keys == list(wanted)

    async def party(self, codec: Name = "PCMA", event_type: int = 101, ptime_ms: int = 20) -> Endpoint:
        self.parties.append(await Endpoint.open(codec, event_type, ptime_ms))
        return self.parties[-1]

    async def calls(self, party: Endpoint, leg_id: str = "") -> tuple[MediaLeg, str]:
        """The party has called us and talks; the leg, and what it was answered."""
        leg, answer = await self.engine.incoming(leg_id or self.name(), sdp(party))
        party.talk(description(answer).port)
        return leg, answer

    async def called(self, party: Endpoint) -> MediaLeg:
        """We have called the party; it has answered and talks."""
        leg, offer = await self.engine.outgoing(self.name())
        party.understand(description(offer))
        leg = await self.engine.answered(leg, sdp(party))
        party.talk(description(offer).port)
        return leg

    def name(self) -> str:
        self.legs += 1
        return f"{self.id}.{self.legs}"


def sdp(party: Endpoint, *, direction: str = "sendrecv", host: str = "127.0.0.1", port: int = 0) -> str:
    """What the party's phone says of itself; event type 0: it knows none."""
    kind, event, ptime = party.speech.payload_type, party.event_type, party.speech.frame // 8
    keys = [f"a=rtpmap:{event} telephone-event/8000", f"a=fmtp:{event} 0-16"] if event else []
    lines = [
        "v=0", f"o=phone 4711 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0",
        f"m=audio {port or party.port} RTP/AVP {kind}" + (f" {event}" if event else ""),
        f"a=rtpmap:{kind} {party.speech.map}", *keys, f"a=ptime:{ptime}", f"a={direction}",
    ]  # fmt: skip
    return "\r\n".join([*lines, ""])


@pytest.fixture(scope="module")
def media_center() -> Iterator[Center]:
    """rtpengine and mixer for the tests of a file that kill nothing; no longer, for bases of ports are few."""
    directory = Path(tempfile.mkdtemp(prefix="media-", dir=os.environ[DIRECTORY]))
    directory.chmod(0o755)
    center = reserve(directory / "center", {"LCALL_ONLY": PARTS})
    center.start(together_with=os.getpid())
    yield center
    center.stop()
    shutil.rmtree(directory)


def engine_of(center: Center, n: int = 1) -> RtpEngine:
    ports = center.ports.rtpengine(n)
    return RtpEngine(ng=("127.0.0.1", ports.ng), ng_tcp=("127.0.0.1", ports.ng_tcp), spool=center.home.spool_of(n))


async def opened(center: Center) -> Studio:
    write_prompts(center.home.prompts)
    engine = engine_of(center)
    studio = Studio(center, engine, Mixer(str(center.home.run / "mixer.sock")))
    await studio.start()
    return studio


@pytest.fixture
async def studio(media_center: Center) -> AsyncIterator[Studio]:
    new = await opened(media_center)
    yield new
    await new.close()


@pytest.fixture
async def own_studio(own_center: OwnCenter) -> AsyncIterator[Studio]:
    """One whose processes the test may kill."""
    new = await opened(own_center(LCALL_ONLY=PARTS))
    yield new
    await new.close()


async def bridged(studio: Studio, customer: Endpoint, agent: Endpoint) -> tuple[MediaLeg, MediaLeg]:
    """A caller and one who was called hear each other: 440 Hz and 540 Hz."""
    a, _ = await studio.calls(customer)
    b = await studio.called(agent)
    customer.say(tone(CUSTOMER))
    agent.say(tone(AGENT))
    return await studio.engine.connect(a, b)


async def at_mixer(studio: Studio, leg: MediaLeg) -> MediaLeg:
    await studio.mixer.join(leg.id, leg.x_address)
    return await studio.engine.point(leg, At(*studio.mixer.rtp))


def tone(frequency: int) -> audio.Samples:
    return audio.tone(frequency, 1.0)  # a whole number of periods: repeated without a click
