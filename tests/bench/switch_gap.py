"""The gap at each switch of a talking contact: for how long a listener hears neither whom he heard nor whom he shall.

    python -m tests.bench.switch_gap [rounds]

Everybody says a tone all the time, and the music on hold is one. Measured at the listeners' phones, by content, to some
3 ms: a voice that he hears before and after must not break off; else the new one must follow on the old one. Packets
are placed as they came, and none is made up; between two that do not follow on each other lie up to 20 ms, as a phone
without a jitter buffer would hear it. Floors in the same run: two who talk and are left alone, and one who is pointed
from one voice to another by rtpengine alone, without the platform.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from lq.media.leg import MediaLeg
from lq.media.rtpengine import RtpEngine
from lq.media.sdp import audio as description
from lq.sdk.client import Client
from tests.center import Center, reserve
from tests.scenarios.conftest import Scene, is_read
from tests.scenarios.stage import AGENT, COLLEAGUE, CUSTOMER, LEADER, TONES, Stage, documents
from tests.simulator import audio, sdp
from tests.simulator.audio import RATE, Samples
from tests.simulator.events import Events
from tests.simulator.matrix import ANYTHING, MUSIC, Matrix, Voices
from tests.simulator.place import Place
from tests.simulator.rtp import Media, Stream

ROUNDS: Final = 6
MUSIC_HZ: Final = 1970
WINDOW: Final = 40  # samples: 5 ms, in which the tones are told from each other
SURE: Final = RATE // 10
SETTLED_S: Final = 0.5
HERE: Final = "127.0.0.1"
ALL_TONES: Final = TONES | {MUSIC: MUSIC_HZ}
TALKING: Final[Matrix] = {CUSTOMER: {AGENT}, AGENT: {CUSTOMER}}
LISTENED: Final[Matrix] = TALKING | {LEADER: {CUSTOMER, AGENT}}


@dataclass
class Figures:
    ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, what: str, seconds: float) -> None:
        self.ms[what].append(seconds * 1000)

    def told(self) -> str:
        lines = [f"{'':58}{'median':>8}{'max':>8} ms"]
        for what, found in self.ms.items():
            lines.append(f"{what:58}{statistics.median(found):8.1f}{max(found):8.1f}  ({len(found)})")
        return "\n".join(lines)


def gap(heard: Samples, before: set[str], after: set[str]) -> float:
    """Seconds, the longest, for somebody who hears these voices before and those after."""
    there = {name: _is_there(heard, ALL_TONES[name]) for name in before | after}
    if stay := before & after:
        return max(_longest(~there[name]) for name in stay)
    return _longest(~np.any(list(there.values()), axis=0))


def _is_there(heard: Samples, tone: int) -> np.ndarray:
    """At each sample, whether it lies within this tone: of a window that is half in it there is half the strength."""
    turn = np.exp(-2j * np.pi * tone / RATE * np.arange(len(heard)))
    strength = 2 * np.abs(np.convolve(heard * turn, np.ones(WINDOW) / WINDOW, "valid"))
    return np.asarray(strength > np.max(np.abs(audio.tone(tone, 0.1))) / 2)


def _longest(lacks: np.ndarray) -> float:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], lacks, [False]])))
    return float(max(np.diff(edges)[::2], default=0)) / RATE


@dataclass
class Talk:
    """One contact after the other, switched in every way."""

    stage: Stage
    figures: Figures
    now: Matrix = field(default_factory=dict)

    async def opens(self) -> None:
        await self.stage.opens("in")
        self.now = TALKING

    async def switch(self, name: str, act: Awaitable[object], after: Matrix) -> None:
        stage, before = self.stage, self.now
        begins = {role: stage.cast[role].stream.length - SURE for role in before}
        await act
        for role in before.keys() - after.keys():
            await stage.ends(role, 10)
        await stage.hears(after, 10)
        self.now = after
        for role, heard in before.items():
            shall = after.get(role, set())
            if heard and shall and ANYTHING not in (heard, shall):
                samples = stage.cast[role].stream.heard_since(begins[role])
                self.figures.add(
                    f"{name}: {role}, {_said(heard)} → {_said(shall)}", gap(samples, set(heard), set(shall))
                )

    async def closes(self) -> None:
        stage = self.stage
        await stage.closes(by=next(role for role in (CUSTOMER, COLLEAGUE, AGENT) if stage.cast[role].is_up))
        for role in stage.phones:
            await stage.is_ready_again(role)
        stage.cast.clear()

    # -- what is done -------------------------------------------------------------------------------------------------
    async def held(self) -> None:
        does = self.stage.does
        await self.opens()
        await self.switch("mute", does("mute"), {CUSTOMER: set(), AGENT: {CUSTOMER}})
        await self.switch("unmute", does("unmute"), TALKING)
        await self.switch("hold", does("hold"), {CUSTOMER: {MUSIC}, AGENT: set()})
        await self.switch("resume", does("resume"), TALKING)
        await self.closes()

    async def _consults(self) -> None:
        rings: Matrix = {CUSTOMER: {MUSIC}, AGENT: ANYTHING}
        await self.switch("consult", self.stage.does("transfer", to=COLLEAGUE, mode="consult"), rings)
        asked: Matrix = {CUSTOMER: {MUSIC}, AGENT: {COLLEAGUE}, COLLEAGUE: {AGENT}}
        await self.switch("consult answered", self.stage.answers(COLLEAGUE), asked)

    async def consulted(self) -> None:
        does, free = self.stage.does, self.stage.is_ready_again
        await self.opens()
        await self._consults()
        await self.switch("back to the customer", does("transfer/cancel"), TALKING)
        await free(COLLEAGUE)
        await self._consults()
        handed_on: Matrix = {CUSTOMER: {COLLEAGUE}, COLLEAGUE: {CUSTOMER}}
        await self.switch("transfer complete", does("transfer/complete"), handed_on)
        await self.closes()

    async def three(self) -> None:
        await self.opens()
        await self._consults()
        all_three = {CUSTOMER, AGENT, COLLEAGUE}
        await self.switch(
            "three-way", self.stage.does("transfer/conference"), {role: all_three - {role} for role in all_three}
        )
        two: Matrix = {CUSTOMER: {COLLEAGUE}, COLLEAGUE: {CUSTOMER}}
        await self.switch("one of three leaves", self.stage.hangs_up(AGENT), two)
        await self.closes()

    async def monitored(self) -> None:
        stage, does = self.stage, self.stage.does
        await self.opens()
        await does("monitor", by=LEADER, mode="listen")
        await self.switch("monitor, listen", stage.answers(LEADER), LISTENED)
        whispered = LISTENED | {AGENT: {CUSTOMER, LEADER}}
        await self.switch("listen → whisper", does("monitor", by=LEADER, mode="whisper"), whispered)
        all_three = whispered | {CUSTOMER: {AGENT, LEADER}}
        await self.switch("whisper → barge-in", does("monitor", by=LEADER, mode="barge"), all_three)
        taken: Matrix = {CUSTOMER: {LEADER}, LEADER: {CUSTOMER}}
        await self.switch("barge-in → take-over", does("monitor", by=LEADER, mode="take-over"), taken)
        await self.closes()

    async def listened(self) -> None:
        stage, does = self.stage, self.stage.does
        await self.opens()
        await does("monitor", by=LEADER, mode="listen")
        await self.switch("monitor, listen", stage.answers(LEADER), LISTENED)
        await self.switch("monitor ends", does("monitor/end", by=LEADER), TALKING)
        await self.closes()

    async def sent_on(self) -> None:
        stage = self.stage
        await self.opens()
        await self.switch("blind transfer", stage.does("transfer", to=COLLEAGUE, mode="blind"), {CUSTOMER: {MUSIC}})
        has: Matrix = {CUSTOMER: {COLLEAGUE}, COLLEAGUE: {CUSTOMER}}
        await self.switch("blind transfer answered", stage.answers(COLLEAGUE), has)
        await self.closes()


def _said(names: object) -> str:
    return " and ".join(sorted(names))  # type: ignore[call-overload]


@dataclass
class Bare:
    """Three phones and rtpengine, nobody else."""

    engine: RtpEngine
    media: Media
    figures: Figures
    made: int = 0

    async def measured(self) -> None:
        names = CUSTOMER, AGENT, COLLEAGUE
        streams = {name: self.media.stream(HERE) for name in names}
        legs = [await self._leg(streams[name], TONES[name]) for name in names]
        ear = streams[CUSTOMER]
        legs[:2] = await self.engine.connect(*legs[:2])
        begins = await self._settled(ear)
        self.figures.add("floor: two who talk", gap(ear.heard_since(begins), {AGENT}, {AGENT}))
        begins = ear.length - SURE
        await self.engine.connect(legs[0], legs[2])
        await self._settled(ear)
        self.figures.add(
            "floor: rtpengine alone, agent → colleague", gap(ear.heard_since(begins), {AGENT}, {COLLEAGUE})
        )
        for leg in legs:
            await self.engine.delete(leg.id)
        for stream in streams.values():
            self.media.remove(stream)

    async def _leg(self, stream: Stream, tone: int) -> MediaLeg:
        self.made += 1
        offer = sdp.write("bare", sdp.Description(HERE, stream.port, ("PCMA",), 101), session=1, version=1)
        leg, answer = await self.engine.incoming(f"bare.{self.made}", offer)
        stream.say(audio.tone(tone, 1.0), repeat=True)
        stream.send_to((HERE, description(answer).port))
        return leg

    async def _settled(self, ear: Stream) -> int:
        """What is heard from then on for SETTLED_S has come."""
        await asyncio.sleep(SETTLED_S)
        begins = ear.length
        await asyncio.sleep(SETTLED_S)
        return begins


@asynccontextmanager
async def scene(center: Center, figures: Figures) -> AsyncIterator[tuple[Talk, Bare]]:
    place = Place.of(center)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        lq = await enter(place.client())
        await configured(center, lq)
        events = await enter(Events(lq))
        media = Media()
        stack.push_async_callback(asyncio.to_thread, media.close)
        gateway = await enter(place.gateway(media=media))
        stage = Stage(Scene(place, lq, events, gateway, media, center.path, stack), 0, stack)
        stage._voices = Voices(ALL_TONES, audio.silence(1))
        await stage.comes(AGENT, COLLEAGUE, LEADER)
        engine = RtpEngine(ng=(HERE, center.ports.ng), ng_tcp=(HERE, center.ports.ng_tcp))
        await engine.start(lambda leg, key, ms: None)
        stack.push_async_callback(engine.close)
        yield Talk(stage, figures), Bare(engine, media, figures)


async def configured(center: Center, lq: Client) -> None:
    """The stage's documents, and a tone for music."""
    file = center.home.path / "prompts" / "bench" / "music.al"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(audio.encode(audio.tone(MUSIC_HZ, 1.0)))
    for kind, id, body in documents():
        await lq.put_document(kind, id, {**body, "music": "bench/music"} if kind == "queues" else body)
    await is_read(center, (await lq.health()).config_version or 0)


async def measured(center: Center, rounds: int) -> Figures:
    figures = Figures()
    async with scene(center, figures) as (talk, bare):
        for n in range(rounds + 1):
            if n == 1:
                figures.ms.clear()  # the first was to warm up
            await bare.measured()
            for each in (talk.held, talk.consulted, talk.three, talk.monitored, talk.listened, talk.sent_on):
                await each()
    return figures


def main(rounds: int) -> None:
    directory = Path(tempfile.mkdtemp(prefix="lcall-bench-", dir="/tmp"))
    directory.chmod(0o755)
    center = reserve(directory / "center")
    try:
        center.start(together_with=os.getpid())
        before = os.getloadavg()[0]
        figures = asyncio.run(measured(center, rounds))
    finally:
        center.stop()
        shutil.rmtree(directory)
    print(f"{os.cpu_count()} processors, load {before:.1f} to {os.getloadavg()[0]:.1f}; {rounds} rounds")
    print(figures.told())


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
