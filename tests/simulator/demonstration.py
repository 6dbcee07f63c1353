"""The demonstration call: what happens in it, and that it was seen and heard (the program is demo.py).

It takes an agent and a phone that nobody uses, rings nobody else, and leaves nothing behind but the call in the books.
"""

from __future__ import annotations

import asyncio
import errno
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lq.sdk import Agent, Cdr, Client
from tests.simulator import audio, hearing, registrar, speech
from tests.simulator.audio import FRAME, RATE, Samples
from tests.simulator.baresip import Baresip, PhoneCall
from tests.simulator.call import Call, CallEnded
from tests.simulator.events import Events
from tests.simulator.gateway import Gateway
from tests.simulator.hearing import Heard
from tests.simulator.place import Place
from tests.simulator.timeline import Timeline

NUMBER: Final = "4008001000"  # the main menu of the demo world
QUEUES: Final = {"sales": ("1", range(1001, 1050)), "support": ("2", range(1061, 1101))}  # key, agents of it alone
ABSENT: Final = ("signed_out", "paused", "phone_offline")  # states in which an agent's phone will not ring now
CALLER_SAYS: Final = "ni3 hao3, wo3 xiang3 zi1 xun2 chan3 pin3"
AGENT_SAYS: Final = "nin2 hao3, hen3 gao1 xing4 wei4 nin2 fu2 wu4"
MUSIC_S: Final = 1.0  # how long he waits with music before the agent comes
RINGING_S: Final = 1.0
PACKET_S: Final = FRAME / RATE  # a voice waits so long in the packet that carries it
DIFFERENT: Final = 0.4  # similarity() of two sentences that are not the same


class DemoError(Exception):
    """One clear sentence, Chinese and English."""


@dataclass(slots=True)
class Story:
    """What the demonstration has to tell."""

    timeline: Timeline = field(default_factory=Timeline)
    caller: str = ""
    agent: str = ""
    phone: str = ""
    queue: str = ""
    contact: str = ""
    latency_ms: dict[str, float] = field(default_factory=dict)
    recording: dict[str, Any] = field(default_factory=dict)
    cdr: dict[str, Any] = field(default_factory=dict)


# -- who takes part ----------------------------------------------------------------------------------------------------


def choose(agents: Sequence[Agent], waiting: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Queue and agent, the best first: of a queue where nobody else's phone could ring and no caller waits. Pure."""
    for queue, (_, own) in QUEUES.items():
        if not waiting.get(queue) and all(agent.state in ABSENT for agent in agents if queue in agent.queues):
            free = {agent.id for agent in agents if agent.state == "signed_out"}
            yield from ((queue, str(n)) for n in own if str(n) in free)


def phone_of(agent: str) -> str:
    return str(int(agent) + 7000)


async def _free_agent(lq: Client, place: Place) -> tuple[str, str, str]:
    """Queue, agent and phone that nobody uses."""
    waiting = {queue.id: queue.waiting for queue in await lq.queues()}
    for queue, agent in choose(await lq.agents(), waiting):
        phone = phone_of(agent)
        if not await registrar.bindings(phone, f"demo-{phone}", edge=place.edge):
            return queue, agent, phone
    raise DemoError(
        "两个技能组都有人在工作，演示会打扰他们 people are at work in both queues: the demonstration would disturb them"
    )


async def demonstrate(place: Place, directory: Path, story: Story) -> None:
    """The whole of it; fills `story` as it goes. Whatever happens, the agent is signed out and the phone is gone."""
    async with AsyncExitStack() as stack:
        lq = await stack.enter_async_context(place.client())
        story.caller = f"139{random.randrange(10**8):08}"
        story.queue, story.agent, story.phone = await _free_agent(lq, place)
        events = await stack.enter_async_context(Events(lq))
        gateway = await _gateway(place, stack)
        await lq.sign_in(story.agent, story.phone)  # before his phone is there, so that nobody is given to him yet
        stack.push_async_callback(lq.sign_out, story.agent)
        await lq.pause(story.agent, "training")
        phone = await stack.enter_async_context(place.phone(story.phone, directory))
        await events.first("phone_changed", subject=f"phone:{story.phone}", registered=True)
        caller_says, agent_says = [await speech.spoken(text, "zh") for text in (CALLER_SAYS, AGENT_SAYS)]
        await Demonstration(place, lq, events, gateway, phone, story, caller_says, agent_says).run()


async def _gateway(place: Place, stack: AsyncExitStack) -> Gateway:
    """At the port where the center probes it, if nobody else has that."""
    try:
        return await stack.enter_async_context(place.gateway(listening=True))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return await stack.enter_async_context(place.gateway())


# -- the call ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Demonstration:
    place: Place
    lq: Client
    events: Events
    gateway: Gateway
    phone: Baresip
    story: Story
    caller_says: Samples
    agent_says: Samples

    async def run(self) -> None:
        call = await self._caller_in_menu()
        await self._caller_waits(call)
        ringing = await self._agent_takes_it(call)
        await self._both_talk(call, ringing)
        await self._caller_hangs_up(call, ringing)
        await self._recording()
        await self._books()

    async def _caller_in_menu(self) -> Call:
        story, line = self.story, self.story.timeline
        call = await self.gateway.dial(story.caller, NUMBER)
        line.add("invite", "来电", "INVITE out", call.times["invite"], f"{story.caller} → {NUMBER}")
        try:
            await call.answered()
        except CallEnded as ended:
            raise DemoError(f"呼叫被拒绝 the center refused the call, cause {ended.cause}, SIP {ended.sip}") from ended
        line.add("trying", "中心收到", "100 Trying", call.times["trying"])
        line.add("answered", "接通", "200 OK", call.times["answered"])
        story.contact = await self.events.contact_of(story.caller)
        for name, zh, en in (
            ("notice_recorded", "听到录音提示", "notice heard"),
            ("menu_main", "听到菜单", "menu heard"),
        ):
            heard = await call.hears(self.place.prompt(f"zh/{name}"), 15, name=f"zh/{name}")
            line.add(name, zh, en, heard.at)
        return call

    async def _caller_waits(self, call: Call) -> None:
        line, key = self.story.timeline, QUEUES[self.story.queue][0]
        since = call.heard_s
        call.send_digits(key)
        line.add("key", f"按键 {key}", "key pressed", time.time())
        queued = await self.events.first("contact_queued", subject=self.story.contact)
        line.add("queued", "排队", "queued", queued.at / 1000, self.story.queue)
        heard = await call.hears(self.place.prompt("music/hold"), 15, since=since, name="music/hold")
        line.add("music", "听到音乐", "music heard", heard.at)
        await asyncio.sleep(MUSIC_S)

    async def _agent_takes_it(self, call: Call) -> PhoneCall:
        story, line = self.story, self.story.timeline
        line.add("ready", "坐席示闲", "agent ready", time.time(), story.agent)
        await self.lq.ready(story.agent)
        ringing = await self.phone.rings()
        line.add("ringing", "话机振铃", "phone ringing", ringing.times["incoming"], story.phone)
        await asyncio.sleep(RINGING_S)
        await ringing.answer()
        line.add("talking", "坐席应答", "answered", ringing.times["answered"])
        return ringing

    async def _both_talk(self, call: Call, ringing: PhoneCall) -> None:
        line, latency = self.story.timeline, self.story.latency_ms
        since, mouth_since = call.heard_s, ringing.mouth.length / RATE
        await ringing.say(self.agent_says)
        heard = await call.hears(self.agent_says, since=since, name="the agent's sentence")
        line.add("caller_hears", "客户听到坐席", "caller hears agent", heard.at)
        said = await ringing.says(self.agent_says, since=mouth_since)
        latency["agent_to_caller"] = _mouth_to_ear(said, heard)

        since = ringing.heard_s
        saying = call.say(self.caller_says)
        heard = await ringing.hears(self.caller_says, since=since, name="the caller's sentence")
        line.add("agent_hears", "坐席听到客户", "agent hears caller", heard.at)
        latency["caller_to_agent"] = _mouth_to_ear(Heard(0.0, saying.began_at), heard)
        async with asyncio.timeout(10):
            await saying.said.wait()
        _only(call.heard, self.caller_says, "客户听到自己 the caller hears himself")
        _only(ringing.heard, self.agent_says, "坐席听到自己 the agent hears himself")

    async def _caller_hangs_up(self, call: Call, ringing: PhoneCall) -> None:
        hanging_up = asyncio.create_task(call.hang_up(cause=16))
        await ringing.ended()
        await hanging_up
        self.story.timeline.add("bye", "客户挂机", "BYE", call.times["bye"])

    async def _recording(self) -> None:
        story = self.story
        stored = await self.events.first("recording_stored", 15, contact=story.contact)
        story.timeline.add("stored", "录音入库", "recording stored", stored.at / 1000)
        file = self.place.home / "recordings" / stored.data["path"]
        sides = await speech.read_wav(file)
        if len(sides) != 2:
            raise DemoError(f"录音不是立体声 the recording {file} has {len(sides)} channels, not 2")
        left, right = sides
        for side, said, who in ((left, self.caller_says, "left, caller"), (right, self.agent_says, "right, agent")):
            if audio.similarity(side, said).score < hearing.ALIKE:
                raise DemoError(f"录音里听不到 the recording lacks a side: {who}")
        _only(left, self.agent_says, "录音左声道有坐席的声音 the agent is on the left side of the recording")
        _only(right, self.caller_says, "录音右声道有客户的声音 the caller is on the right side of the recording")
        story.recording = {
            "id": stored.subject,
            "path": str(file),
            "duration_s": round(len(left) / RATE, 3),
            "channels": 2,
            "format": stored.data["format"],
            "sha256": stored.data["sha256"],
            "gaps": stored.data["gaps"],
        }

    async def _books(self) -> None:
        story = self.story
        cdr = await self._cdr()
        story.timeline.add("cdr", "话单", "CDR", time.time())
        story.cdr = {name: getattr(cdr, name) for name in _CDR}
        wanted: dict[str, Any] = {
            "contact_id": story.contact,
            "agent": story.agent,
            "queue": story.queue,
            "result": "answered",
        }
        wanted |= {"ended_by": "caller", "cause": 16, "recording_id": story.recording["id"]}
        told = story.cdr.items()
        wrong = [f"{name} {value!r}, not {wanted[name]!r}" for name, value in told if value != wanted.get(name, value)]
        if wrong:
            raise DemoError(f"话单不对 the CDR is wrong: {', '.join(wrong)}")

    async def _cdr(self) -> Cdr:
        """Written by the journal soon after the last event."""
        try:
            async with asyncio.timeout(15):
                while True:
                    page = await self.lq.cdrs(number=self.story.caller)
                    found = [cdr for cdr in page.items if cdr.contact_id == self.story.contact and cdr.recording_id]
                    if found:
                        return found[0]
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise DemoError("话单没有出现 the CDR has not appeared within 15 s") from None


_CDR: Final = (
    *("contact_id", "direction", "number", "called", "queue", "agent", "wait_s", "ring_s", "talk_s"),
    *("result", "ended_by", "cause", "recording_id"),
)


def _mouth_to_ear(said: Heard, heard: Heard) -> float:
    return round((heard.at - said.at + PACKET_S) * 1000, 1)


def _only(heard: Samples, unwanted: Samples, sentence: str) -> None:
    if audio.similarity(heard, unwanted).score > DIFFERENT:
        raise DemoError(sentence)
