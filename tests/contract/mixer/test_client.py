"""lq's side of the mixer's socket: verbs as methods, and a connection that comes back by itself."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lq.media.mixer.client import Mixer, MixerError, MixerUnavailable
from tests.contract.mixer.conftest import PROMPTS, MixerProcess
from tests.integration.media.endpoint import Endpoint, streams
from tests.simulator import audio

Endpoints = Callable[[], Awaitable[Endpoint]]


@dataclass
class Node:
    """What an lq node does with its mixer: it joins its legs again when the mixer is back, and repeats the plays."""

    mixer: Mixer
    legs: dict[str, str] = field(default_factory=dict)
    played: asyncio.Queue[tuple[str, str, bool]] = field(default_factory=asyncio.Queue)
    back: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    async def start(self) -> None:
        await self.mixer.start(lambda *told: self.played.put_nowait(told), self._is_back)
        await asyncio.wait_for(self.back.get(), 10)

    def _is_back(self) -> None:
        self.back.put_nowait("{}:{}".format(*self.mixer.rtp))


@pytest.fixture
async def node(mixer: MixerProcess) -> AsyncIterator[Node]:
    new = Node(Mixer(str(mixer.socket)))
    await new.start()
    yield new
    await new.mixer.close()


async def test_the_verbs(node: Node, mixer: MixerProcess, endpoint: Endpoints) -> None:
    assert node.mixer.rtp == ("127.0.0.1", mixer.port)
    leg = await endpoint()
    await node.mixer.join("c.1", leg.address)
    assert await node.mixer.play("c.1", "p1", ["t/440", "t/540"]) == 800
    await leg.hears(540)
    assert await asyncio.wait_for(node.played.get(), 10) == ("c.1", "p1", True)
    await node.mixer.play("c.1", "p2", ["t/music"], repeat=0)
    await leg.hears(890)
    await node.mixer.stop("c.1")
    await leg.hears()
    await node.mixer.echo("c.1")
    leg.talk(mixer.port, audio.tone(990, 0.2))
    await leg.hears(990)
    assert (await node.mixer.stats())["legs"] == 1
    await node.mixer.leave("c.1")
    assert (await node.mixer.stats())["legs"] == 0


async def test_a_refusal_gives_the_mixers_reason(node: Node) -> None:
    with pytest.raises(MixerError, match="no leg 'nobody': join it first"):
        await node.mixer.play("nobody", "p1", ["t/440"])


async def test_without_a_mixer_verbs_fail_at_once(tmp_path: Path) -> None:
    mixer = Mixer(str(tmp_path / "none.sock"))
    await mixer.start(lambda leg, play, complete: None, lambda: None)
    with pytest.raises(MixerUnavailable, match="no mixer at"):
        await mixer.stats()
    await mixer.close()


async def test_many_ask_at_once(node: Node, endpoint: Endpoints) -> None:
    legs = [await endpoint() for _ in range(20)]
    await asyncio.gather(*(node.mixer.join(f"c.{n}", leg.address) for n, leg in enumerate(legs)))
    await asyncio.gather(*(node.mixer.play(f"c.{n}", f"p{n}", ["t/440"]) for n in range(20)))
    told = {await asyncio.wait_for(node.played.get(), 10) for _ in range(20)}
    assert told == {(f"c.{n}", f"p{n}", True) for n in range(20)}


async def first_answer(mixer: Mixer) -> None:
    """Asks again and again until the mixer answers."""
    async with asyncio.timeout(10):
        while True:
            try:
                await mixer.stats()
            except MixerUnavailable:
                await asyncio.sleep(0)
            else:
                return


async def test_a_killed_mixer_comes_back_and_the_play_goes_on_where_it_would_be(
    node: Node, mixer: MixerProcess, endpoint: Endpoints
) -> None:
    leg = await endpoint()
    began = time.time()
    await node.mixer.join("c.1", leg.address)
    await node.mixer.play("c.1", "p1", ["t/chirp"])
    await leg.until(lambda: len(leg.packets) > 20)
    await mixer.kill()
    with pytest.raises(MixerUnavailable):
        while True:  # until the client has seen it
            await node.mixer.stats()
    heard = len(leg.packets)
    eager = asyncio.create_task(first_answer(node.mixer))
    await mixer.start()
    await eager
    assert node.back.qsize() == 1  # no verb goes through before the node knows that all its legs are gone
    with pytest.raises(MixerError, match="join it first"):
        await node.mixer.play("c.1", "p1", ["t/chirp"])
    await node.mixer.join("c.1", leg.address)
    asked = time.time()
    await node.mixer.play("c.1", "p1", ["t/chirp"], started_at=int(began * 1000))
    answered = time.time()
    await leg.until(lambda: len(leg.packets) >= heard + 15)
    new = list(streams(leg.packets).values())[1]  # another SSRC: to the phone it is a new source
    voice = b"".join(packet.payload for packet in new).lstrip(b"\xd5")[:1600]
    place = audio.encode(PROMPTS["t/chirp"]).index(voice) / audio.RATE
    assert asked - began - 0.002 <= place <= answered - began + 0.002  # it counts in whole ms
    assert audio.chirp_position(audio.decode(voice)) == pytest.approx(place, abs=0.02)


async def test_a_mixer_that_hangs_is_unavailable_and_then_carries_out_what_was_asked(
    node: Node, mixer: MixerProcess, endpoint: Endpoints
) -> None:
    leg = await endpoint()
    await node.mixer.join("c.1", leg.address)
    mixer.signal(signal.SIGSTOP)
    with pytest.raises(MixerUnavailable, match="does not answer 'play'"):
        await node.mixer.play("c.1", "p1", ["t/440"])
    mixer.signal(signal.SIGCONT)
    await leg.hears(440)
    await node.mixer.play("c.1", "p2", ["t/540"])  # the late answer of p1 is nobody's
    assert await asyncio.wait_for(node.played.get(), 10) == ("c.1", "p2", True)
