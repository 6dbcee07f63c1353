"""Phones at the end of a bad line, behind a router with NAT: 80 ms each way, 1 % lost, MTU 1400, 512 kbit/s."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from lq.config.documents import AccessNumber, Agent, Queue
from tests.conftest import OwnCenter
from tests.integration.media import codecs
from tests.scenarios.conftest import Line, Scene, _put, is_read, phone_of
from tests.simulator import audio, hearing, speech, tap
from tests.simulator.audio import RATE, Samples
from tests.simulator.baresip import Baresip, PhoneCall
from tests.simulator.call import Call
from tests.simulator.encoders import encoded
from tests.simulator.events import Events
from tests.simulator.network import NoNetwork, ShapedNetwork
from tests.simulator.place import Place
from tests.simulator.rtp import Media
from tests.simulator.sipp import SCENARIOS, Sipp

pytestmark = [pytest.mark.slow, pytest.mark.kills]

CALLER, CALLED_LATER, AGENT, LATER = 440, 640, 990, 1240
ONE, TWO, THREE = Line(1), Line(2), Line(3)
KEYS = ((8.0, "5"), (9.0, "7"))
G729 = 18
T1 = 0.5  # RFC 3261 §17.1.1.1, and more than there and back takes
MAPPING_S = 30  # SETTINGS of tests/simulator/network.py
HEALED_S = 40  # found after 10 to 20 s (lq/media/silence.py)
SPEAKS_S = 16  # then sipp's phone hangs up


@dataclass
class Far:
    """A center of its own with a phone's network far away."""

    scene: Scene
    network: ShapedNetwork

    async def baresip(self, line: Line, **more: object) -> Baresip:
        return await self.scene.phone(phone_of(line.agents[0]), network=self.network, **more)

    async def registered(self, ext: str, within_s: float = 10.0) -> None:
        """Waits until this is the last that was told of the phone."""

        def told() -> bool | None:
            said = self.scene.events.of(f"phone:{ext}", "phone_changed")
            return (bool(said) and said[-1].data["registered"]) or None

        await self.scene.events.until(told, within_s)

    async def talks(self, line: Line, phone: Baresip) -> tuple[Call, PhoneCall]:
        """Somebody calls the line, and its agent and he hear each other's tones."""
        call = await self.scene.dial(line.number)
        talk = await (await phone.rings(20)).answered()
        call.say(CALLER)
        await talk.say(AGENT)
        await call.hears(AGENT)
        await talk.hears(CALLER)
        return call, talk


@pytest.fixture
async def far(own_center: OwnCenter, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Far]:
    async with AsyncExitStack() as stack:
        try:
            network = stack.enter_context(ShapedNetwork(tmp_path / "net", n=request.param))
        except NoNetwork as why:
            pytest.skip(str(why))
        center = await asyncio.to_thread(own_center, LCALL_ADDRESS=network.center, LCALL_DEMO="open")
        place = Place.of(center)
        lq = await stack.enter_async_context(place.client())
        for line in (ONE, TWO, THREE):
            await _put(lq, "queues", line.queue, Queue(line.queue, f"线路{line.n}", wrap_up_s=0, position_every_s=0))
            await _put(lq, "agents", line.agents[0], Agent(line.agents[0], f"坐席{line.n}", (line.queue,)))
            recording = "whole" if line == ONE else "none"
            number = AccessNumber(line.number, f"queue:{line.queue}", recording=recording)
            await _put(lq, "numbers", line.number, number)
        await is_read(center, (await lq.health()).config_version)
        events = await stack.enter_async_context(Events(lq))
        media = Media()
        stack.push_async_callback(asyncio.to_thread, media.close)
        gateway = await stack.enter_async_context(place.gateway(media=media))
        yield Far(Scene(place, lq, events, gateway, media, tmp_path, stack), network)
        assert gateway.wire.faults == []


@pytest.fixture
async def words() -> Samples:
    return await speech.spoken("the number of your order is four seven one, thank you for calling")


async def g729_phone(far: Far, line: Line, said: Samples, port: int = 5070) -> Sipp:
    """sipp over TCP, registered, renewing each 3 s, and again whenever its connection was lost."""
    ext = phone_of(line.agents[0])
    directory = far.scene.directory / ext
    directory.mkdir(exist_ok=True)
    tap.voice(directory / "voice.pcap", encoded(said, "G729"), G729, KEYS)
    options = [
        *("-t", "t1", "-au", ext, "-ap", f"demo-{ext}", "-oocsf", str(SCENARIOS / "far_calls.xml")),
        *("-max_reconnect", "100", "-reconnect_close", "false", "-reconnect_sleep", "200", "-aa"),
    ]
    phone = Sipp(
        "far_phone", (far.network.phone, port), far.scene.place.edge, directory, service=ext, talk_ms=3000,
        options=options, at=far.network.at_phone,
    )  # fmt: skip
    await far.scene.stack.enter_async_context(phone)
    await far.registered(ext)
    return phone


def understood(heard: Samples, words: Samples) -> float:
    """How much of the words was heard: the mean likeness of their half seconds, wherever each of them stands.

    Not of the whole: for every packet lost on the way to it rtpengine 10.5 puts what follows 20 ms earlier.
    """
    half = RATE // 2
    pieces = [words[at : at + half] for at in range(0, len(words) - half + 1, half)]
    return float(np.mean([audio.similarity(heard, piece).score for piece in pieces]))


def through_g729(words: Samples) -> float:
    """What is understood after the codec alone."""
    codec = codecs.speech("G729")
    return understood(codec.decode(codec.frames(words)), words)


async def pressed(call: Call, keys: str) -> None:
    """The caller's network gets these keys, each once."""
    until = time.monotonic() + 5
    while len(call.stream.keys) < len(keys) and time.monotonic() < until:  # noqa: ASYNC110 - a thread tells nobody
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)  # one that comes twice comes now
    assert [heard.key for heard in call.stream.keys] == list(keys)


def followed_by(words: Samples, tone: int) -> Samples:
    """A tone tells that they are over: it is heard over any loss."""
    return np.concatenate([words, audio.silence(0.5), audio.tone(tone, 20)])


@pytest.mark.parametrize("far", [77], indirect=True)
async def test_phones_at_the_end_of_a_bad_line_are_understood(far: Far, words: Samples) -> None:
    await asyncio.gather(_g729_over_tcp(far, words), _opus_over_tls(far, words))
    await _neighbours_over_udp(far, words)
    await asyncio.to_thread(_long_messages, far)


async def _g729_over_tcp(far: Far, words: Samples) -> None:
    scene, floor = far.scene, through_g729(words)
    said = np.concatenate([audio.tone(AGENT, 3), audio.silence(0.5), followed_by(words, LATER)])
    await g729_phone(far, ONE, said)
    ear = tap.Ear(far.network.tap, far.network.router, G729, codecs.speech("G729").decoder())
    scene.stack.push_async_callback(ear.close)
    mouth = tap.Ear(far.network.tap, far.network.center, G729, codecs.speech("G729").decoder())
    scene.stack.push_async_callback(mouth.close)
    await scene.sign_in(ONE.agents[0])
    call = await scene.dial(ONE.number)
    contact = await scene.contact(call)
    call.say(CALLER)
    await call.hears(AGENT, 20)
    await hearing.hears(ear, CALLER, 10)
    saying = call.say(followed_by(words, CALLED_LATER))
    later = await hearing.hears(ear, CALLED_LATER, 15)
    took = later.at - saying.began_at - len(words) / RATE - 0.5
    assert 0.08 < took < 0.6, f"{took:.3f} s from mouth to ear: that is not this line"
    await call.hears(LATER, 15)
    here, there = understood(call.heard, words), understood(ear.heard_since(0), words)
    lost = ear.missing / len(ear.packets)
    print(f"\nG.729 alone {floor:.2f}; caller heard {here:.2f}, phone {there:.2f}, {lost:.1%} lost; {took:.3f} s")
    assert min(here, there) > floor - 0.15
    await pressed(call, "57")
    await call.hang_up()
    cdr = await scene.cdr(contact)
    assert (cdr.result, cdr.ended_by) == ("answered", "caller")
    recording, file = await scene.recording(contact)
    left, right = await speech.read_wav(file)
    tail = slice(-RATE, -RATE // 4)
    assert (audio.tones(left[tail]), audio.tones(right[tail])) == ({CALLED_LATER}, {LATER})
    assert understood(left, words) > 0.95  # he is near: nothing of his is lost
    assert understood(right, words) > floor - 0.15
    begins = mouth.packets[0].at - recording.started_at.timestamp()  # until then he may have heard nobody
    told = [gap for gap in recording.gaps if gap["channel"] == 1 and gap["start_s"] > begins]
    assert mouth.missing and told == []  # rtpengine closes what the line has lost: the customer heard no hole
    await _hangs_up_itself(far)


async def _hangs_up_itself(far: Far) -> None:
    call = await far.scene.dial(ONE.number)
    await call.hears(AGENT, 20)
    await call.ended(SPEAKS_S + 10)
    assert (await far.scene.cdr(await far.scene.contact(call))).ended_by == "agent"


async def _opus_over_tls(far: Far, words: Samples) -> None:
    scene = far.scene
    phone = await far.baresip(TWO, transport="tls", codecs=("opus", "PCMA"), outbound=True)
    await scene.sign_in(TWO.agents[0])
    call = await scene.dial(TWO.number)
    talk = await (await phone.rings(20)).answer()
    contact = await scene.contact(call)
    call.say(followed_by(words, CALLER))
    await talk.say(followed_by(words, AGENT))
    await call.hears(AGENT, 15)
    await talk.hears(CALLER, 15)
    here, there = understood(call.heard, words), understood(talk.heard, words)
    print(f"\nopus: the caller heard {here:.2f}, the phone {there:.2f}")
    assert min(here, there) > 0.7
    await talk.send_digits("42#")
    await pressed(call, "42#")
    await talk.hold()
    await scene.events.first("contact_held", subject=contact, by="agent")
    await call.hears(scene.place.prompt("music/hold"), since=call.heard_s)
    await talk.resume()
    await scene.events.first("contact_resumed", subject=contact, by="agent")
    await call.hears(AGENT, since=call.heard_s)
    await talk.hang_up()
    await call.ended()
    assert (await scene.cdr(contact)).ended_by == "agent"
    await phone.stop()


async def _neighbours_over_udp(far: Far, words: Samples) -> None:
    """Behind one router, without knowing each other's address as the center sees it."""
    one, two = await far.baresip(TWO), await far.baresip(THREE, answer_after_s=0.2)
    calling = await one.dial(two.ext)
    called = await two.rings(10)
    await calling.answered()
    await calling.say(followed_by(words, CALLER))
    await called.say(AGENT)
    await called.hears(CALLER, 15)
    await calling.hears(AGENT)
    heard = understood(called.heard, words)
    print(f"\nG.711 over both ways of the line: {heard:.2f}")
    assert heard > 0.85
    await called.hang_up()
    await calling.ended()


def _long_messages(far: Far) -> None:
    """Longer than the line takes at once: in fragments over UDP, in segments over TCP."""
    asked = "\r\n".join((
        "OPTIONS sip:lcall SIP/2.0", "Via: SIP/2.0/{} 192.168.77.2;branch=z9hG4bK{};rport", "Max-Forwards: 70",
        "From: <sip:8001@lcall>;tag=1", "To: <sip:lcall>", "Call-ID: long-{}", "CSeq: 1 OPTIONS",
        f"Subject: {'x' * 2 * far.network.mtu}", "Content-Length: 0", "", "",
    ))  # fmt: skip
    with far.network.udp() as udp:
        udp.settimeout(T1)
        for n in range(10):  # a fragment may be lost, as any packet
            udp.sendto(asked.format("UDP", n, n).encode(), far.scene.place.edge)
            with contextlib.suppress(TimeoutError):
                assert udp.recv(4096).startswith(b"SIP/2.0 200")
                break
        else:
            raise AssertionError("no answer to a long message over UDP")
    with far.network.connect(far.scene.place.edge) as tcp:
        tcp.sendall(asked.format("TCP", "t", "t").encode())
        assert tcp.recv(4096).startswith(b"SIP/2.0 200")


@pytest.mark.parametrize("far", [78], indirect=True)
async def test_phones_outlive_what_their_router_forgets(far: Far) -> None:
    """All connections at once, of which nobody is told; then UDP for longer than the router keeps a mapping."""
    g729 = await g729_phone(far, ONE, audio.tone(AGENT, 60))
    tls = await far.baresip(TWO, transport="tls", outbound=True, answer_after_s=0.2)
    for line in (ONE, TWO):
        await far.scene.sign_in(line.agents[0])
    in_call = await far.talks(TWO, tls)
    far.network.forget()
    _, _, (call, talk) = await asyncio.gather(
        _dead_connection(far, g729), _kept_connection(far, tls, *in_call), _mapping_kept_open(far)
    )
    await _voice_changes_its_port(far, call, talk)


async def _dead_connection(far: Far, phone: Sipp) -> None:
    """The phone does not notice. The edge does; a caller waits in the queue until there is a phone that rings."""
    ext = phone_of(ONE.agents[0])
    await far.scene.events.first("phone_changed", 70, subject=f"phone:{ext}", registered=False)
    await far.scene.state(ONE.agents[0], "phone_offline")
    call = await far.scene.dial(ONE.number)
    await call.hears(far.scene.place.prompt("music/hold"), 20)
    await phone.stop()  # sipp sends nothing over the connection that it then makes: it is begun anew
    await g729_phone(far, ONE, audio.tone(AGENT, 60), port=5080)  # the old connection lingers at the other
    await call.hears(AGENT, 20)
    await call.hang_up()


async def _kept_connection(far: Far, phone: Baresip, call: Call, talk: PhoneCall) -> None:
    """RFC 5626: the phone misses the edge's pong, and registers over a new one, where its call ends."""
    ext = phone_of(TWO.agents[0])
    await far.scene.events.first("phone_changed", 70, subject=f"phone:{ext}", registered=False)
    await far.registered(ext, 100)
    await call.hears(AGENT, HEALED_S, since=call.heard_s)
    await call.hang_up()
    await talk.ended()
    call, talk = await far.talks(TWO, phone)
    await call.hang_up()
    await talk.ended()


async def _mapping_kept_open(far: Far) -> tuple[Call, PhoneCall]:
    """The edge asks by OPTIONS."""
    phone = await far.baresip(THREE, answer_after_s=0.2)
    await far.scene.sign_in(THREE.agents[0])
    await asyncio.sleep(MAPPING_S + 3)  # the phone itself sends nothing in this time
    return await far.talks(THREE, phone)


async def _voice_changes_its_port(far: Far, call: Call, talk: PhoneCall) -> None:
    """Long after its address was learned: a stranger's packets would not be taken for the phone's."""
    far.network.forget()
    await call.hears(AGENT, HEALED_S, since=call.heard_s + 0.5)
    await talk.hears(CALLER, since=talk.heard_s + 0.5)
    await talk.hang_up()
    await call.ended()
