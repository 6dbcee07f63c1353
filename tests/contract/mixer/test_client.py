"""lq's side of the mixer's socket: verbs as methods, and a connection that comes back by itself."""

from __future__ import annotations

import asyncio
import json
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


async def killed_and_back(node: Node, mixer: MixerProcess) -> None:
    await mixer.kill()
    with pytest.raises(MixerUnavailable):
        while True:  # until the client has seen it
            await node.mixer.stats()
    eager = asyncio.create_task(first_answer(node.mixer))
    await mixer.start()
    await eager


async def test_a_killed_mixer_comes_back_and_the_play_goes_on_where_it_would_be(
    node: Node, mixer: MixerProcess, endpoint: Endpoints
) -> None:
    leg = await endpoint()
    asked = time.time()
    await node.mixer.join("c.1", leg.address)
    await node.mixer.play("c.1", "p1", ["t/chirp"])
    answered = time.time()
    await leg.until(lambda: len(leg.packets) > 20)
    await killed_and_back(node, mixer)
    await leg.until(lambda: len(streams(leg.packets)) > 1)
    came = time.time()
    assert (await node.mixer.stats())["legs"] == 1
    assert await node.mixer.play("c.1", "p1", ["t/chirp"]) == 30_000  # asked again for what plays: it goes on
    await leg.until(lambda: len(list(streams(leg.packets).values())[1]) >= 15)
    old, new = streams(leg.packets).values()  # another SSRC: to the phone it is a new source
    voice = b"".join(packet.payload for packet in new).lstrip(b"\xd5")[:1600]
    place = audio.encode(PROMPTS["t/chirp"]).index(voice) / audio.RATE
    assert old[-1].at - old[0].at <= place <= came - asked  # the words that nobody could hear are gone
    assert audio.chirp_position(audio.decode(voice)) == pytest.approx(place, abs=0.02)
    print(f"mixer killed: {new[0].at - old[-1].at:.3f} s without audio, {came - answered:.2f} s since the play")


async def test_a_new_mixer_has_every_room_as_it_was(node: Node, mixer: MixerProcess, endpoint: Endpoints) -> None:
    customer, agent, boss, waiting = [await endpoint() for _ in range(4)]
    for name, leg, tone in (("c", customer, 540), ("a", agent, 640), ("b", boss, 740), ("w", waiting, 1090)):
        await node.mixer.join(name, leg.address)
        leg.talk(mixer.port, audio.tone(tone, 0.2))
    await node.mixer.room("c", "call")
    await node.mixer.room("a", "call")
    await node.mixer.room("b", "call", talk=False, whisper=["a"])
    await node.mixer.room("w", "call", talk=False, hear=False)
    await node.mixer.play("w", "hold", ["t/music"], repeat=0)
    await node.mixer.play_into("call", "beep", ["t/440"], repeat=0)

    async def as_it_was() -> None:
        await customer.hears(640, 440)
        await agent.hears(540, 740, 440)
        await boss.hears(540, 640, 440)
        await waiting.hears(890)

    await as_it_was()
    await killed_and_back(node, mixer)
    await as_it_was()
    assert not audio.tones(customer.heard(), [740, 890, 1090])  # not for one moment
    await node.mixer.stop_in("call")
    await node.mixer.room("b", None)
    await node.mixer.leave("a")
    await killed_and_back(node, mixer)
    await customer.hears()
    await waiting.hears(890)
    assert (await node.mixer.stats())["legs"] == 3


async def test_a_play_that_a_new_mixer_cannot_play_is_told(
    node: Node, mixer: MixerProcess, endpoint: Endpoints
) -> None:
    leg = await endpoint()
    await node.mixer.join("c.1", leg.address)
    with pytest.raises(MixerError, match="no prompt"):
        await node.mixer.play("c.1", "p0", ["t/absent"])
    await node.mixer.play("c.1", "p1", ["t/music"], repeat=0)
    (mixer.prompts / "t/music.al").unlink()
    await killed_and_back(node, mixer)
    assert await asyncio.wait_for(node.played.get(), 10) == ("c.1", "p1", False)
    assert node.played.empty()


async def test_keys_in_the_voice_are_told_before_and_after_a_restart(mixer: MixerProcess, endpoint: Endpoints) -> None:
    keys: asyncio.Queue[tuple[str, str, int]] = asyncio.Queue()
    client, back = Mixer(str(mixer.socket)), asyncio.Event()
    await client.start(lambda *told: None, back.set, lambda *told: keys.put_nowait(told))
    await asyncio.wait_for(back.wait(), 10)
    leg, deaf = await endpoint(), await endpoint()
    await client.join("c.1", leg.address, dtmf=True)
    await client.join("c.2", deaf.address)
    pressed = audio.mixed(audio.tone(770, 0.1, -13), audio.tone(1336, 0.1, -13))
    for again in (False, True):
        for each in (leg, deaf):
            each.talk(mixer.port)
            each.say(pressed, once=True)
        name, key, ms = await asyncio.wait_for(keys.get(), 10)
        assert (name, key) == ("c.1", "5") and 80 <= ms <= 120
        if not again:
            await mixer.kill()
            back.clear()
            await mixer.start()
            await asyncio.wait_for(back.wait(), 10)
    assert keys.empty()
    await client.close()


async def test_two_nodes_share_a_mixer_and_its_rooms(node: Node, mixer: MixerProcess, endpoint: Endpoints) -> None:
    """A conference of legs of two nodes; each sets only its own again, in whatever order they come back."""
    other = Node(Mixer(str(mixer.socket)))
    await other.start()
    mine, theirs = await endpoint(), await endpoint()
    mine.talk(mixer.port, audio.tone(540, 0.2))
    theirs.talk(mixer.port, audio.tone(640, 0.2))
    await node.mixer.join("n.1", mine.address)
    await node.mixer.room("n.1", "conf", talk=False, whisper=["o.1"])  # who is not there yet
    await other.mixer.join("o.1", theirs.address)
    await other.mixer.room("o.1", "conf")
    for _ in range(2):
        await mine.hears(640)
        await theirs.hears(540)
        await killed_and_back(node, mixer)
        await first_answer(other.mixer)
    await other.mixer.close()


async def test_another_node_takes_a_leg_over_and_the_music_goes_on_without_a_seam(
    node: Node, mixer: MixerProcess, endpoint: Endpoints
) -> None:
    leg = await endpoint()
    began = int(time.time() * 1000)
    await node.mixer.join("c.1", leg.address)
    await node.mixer.play("c.1", "p1", ["t/chirp"])
    await leg.until(lambda: len(leg.packets) > 10)
    await node.mixer.close()
    heir = Node(Mixer(str(mixer.socket)))
    await heir.start()
    await heir.mixer.join("c.1", leg.address)
    await heir.mixer.play("c.1", "p1", ["t/chirp"], started_at=began)
    heard = len(leg.packets)
    await leg.until(lambda: len(leg.packets) > heard + 10)
    assert b"".join(packet.payload for packet in leg.packets).strip(b"\xd5") in audio.encode(PROMPTS["t/chirp"])
    await heir.mixer.play("c.1", "p2", ["t/blip"])
    assert await asyncio.wait_for(heir.played.get(), 10) == ("c.1", "p2", True)
    await heir.mixer.close()


async def test_a_leg_that_another_node_has_is_that_nodes_in_a_new_mixer(
    node: Node, mixer: MixerProcess, endpoint: Endpoints
) -> None:
    leg = await endpoint()
    await node.mixer.join("c.1", leg.address)
    await node.mixer.play("c.1", "p1", ["t/440"], repeat=0)
    heir = Node(Mixer(str(mixer.socket)))
    await heir.start()
    await heir.mixer.join("c.1", leg.address)
    await heir.mixer.play("c.1", "p2", ["t/540"], repeat=0)
    node.mixer.let_go("c.1")
    await leg.hears(540)
    before = len(leg.packets)
    await killed_and_back(node, mixer)
    await first_answer(heir.mixer)
    await leg.hears(540)
    assert 440 not in audio.tones(leg.heard(before))
    await heir.mixer.close()


async def legs_are(node: Node, wanted: int) -> None:
    async with asyncio.timeout(10):
        while (await node.mixer.stats())["legs"] != wanted:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.02)


async def test_no_leg_is_left_in_a_mixer_that_did_not_answer(
    node: Node, mixer: MixerProcess, endpoint: Endpoints
) -> None:
    """One that was given up while it came, and one that went while nobody could be told."""
    went, stays = await endpoint(), await endpoint()
    await node.mixer.join("went", went.address)
    await node.mixer.join("stays", stays.address)
    mixer.signal(signal.SIGSTOP)
    for asked in (
        node.mixer.join("came", "127.0.0.1:9"),
        node.mixer.leave("went"),
        node.mixer.join("again", "127.0.0.1:11"),
    ):
        with pytest.raises(MixerUnavailable):
            await asked
    retried = asyncio.create_task(node.mixer.join("again", "127.0.0.1:11"))
    mixer.signal(signal.SIGCONT)
    await retried
    await legs_are(node, 2)
    await node.mixer.play("again", "p1", ["t/440"])
    await node.mixer.play("stays", "p1", ["t/440"])
    await killed_and_back(node, mixer)
    await legs_are(node, 2)


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


async def test_a_mixer_that_says_what_nobody_knows_is_listened_to_further(tmp_path: Path) -> None:
    """A newer one, or one with a fault: neither may end the connection for ever."""
    path, answers = tmp_path / "mixer.sock", 0

    async def newer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answers
        answers += 1
        writer.write(b'{"event": "of tomorrow", "leg": "c.1"}\n{"neither": "answer nor event"}\n')
        while line := await reader.readline():
            # the first that it answers is garbage
            said = {"rtp": "127.0.0.1:9"} if answers > 1 else {"rtp": "no address"}
            writer.write(json.dumps({"id": json.loads(line)["id"], "ok": True, **said}).encode() + b"\n")
        writer.close()

    async with await asyncio.start_unix_server(newer, path):
        new = Node(Mixer(str(path)))
        await new.start()
        assert new.mixer.rtp == ("127.0.0.1", 9) and answers == 2
        await new.mixer.close()
