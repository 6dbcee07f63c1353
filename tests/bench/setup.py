"""How long a caller, a phone and an agent wait for the center: by the clock, one call after another, on a whole center.

    python -m tests.bench.setup [calls]

A trunk's INVITE to its 200 (a number that answers at once); a phone's INVITE to its first 18x, the outside ringing at
once, from the INVITE that carries the phone's credentials; an agent's POST /ready, and the event that tells of it, to
the INVITE at his phone while a caller waits; the agent's 200 to the first sound of the other at both ends (each says
a tone all the time, so a packet of 20 ms is in it). Floors: the same gateways straight to each other; peer: sippy's
B2BUA alone between them. Caller, phones and gateways live in this process, whose own delay is in every figure.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lq.config.documents import AccessNumber, Agent, Queue
from lq.config.validation import to_json
from lq.sdk.client import Client
from tests.bench.two_leg_call import B2BUA, listening, run
from tests.center import Center, reserve
from tests.scenarios.conftest import is_read
from tests.simulator import audio
from tests.simulator.audio import RATE
from tests.simulator.call import Call
from tests.simulator.events import Events
from tests.simulator.gateway import Answer, Gateway, Ring
from tests.simulator.place import Place
from tests.simulator.rtp import Media
from tests.simulator.softphone import Softphone
from tests.unit.sip.end import free_port

CALLS: Final = 25
ECHO, QUEUE, AGENT, PHONE, CALLER = "4008001009", "4008009999", "1001", "8001", "8002"
CUSTOMER, SPEAKER = 1670, 990  # Hz
SURE_S: Final = 0.2
WINDOW: Final = 80  # samples: 10 ms


@dataclass
class Figures:
    ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, what: str, seconds: float) -> None:
        self.ms[what].append(seconds * 1000)

    def told(self) -> str:
        lines = [f"{'':66}{'p50':>8}{'p99':>8} ms"]
        for what, found in self.ms.items():
            found.sort()
            lines.append(
                f"{what:66}{statistics.median(found):8.1f}{found[len(found) * 99 // 100]:8.1f}  ({len(found)})"
            )
        return "\n".join(lines)


@dataclass
class Scene:
    center: Center
    place: Place
    lq: Client
    events: Events
    gateway: Gateway
    outside: Gateway
    phone: Softphone
    caller: Softphone
    straight: Gateway
    through_sippy: Gateway
    figures: Figures
    post_s: float = 0.0  # of the last POST /ready when nobody waited

    async def answered_at_once(self) -> None:
        call = await self.gateway.dial(number(), ECHO)
        await call.answered(20)
        self.figures.add("trunk: INVITE → 200", took(call, "invite", "answered"))
        await call.hang_up()

    async def first_ringing(self) -> None:
        called = number()
        call = await self.caller.dial("9" + called)
        asked = await self.outside.called(called, 20)
        await call.ringing(20)
        self.figures.add("phone: INVITE → first 18x, the outside rings at once", took(call, "challenged", "ringing"))
        self.figures.add(
            "  of it: to the INVITE at the outside gateway", asked.times["invite"] - call.times["challenged"]
        )
        await call.hang_up()
        await asked.ended()

    async def peers(self) -> None:
        for name, gateway in (("floor, gateway to gateway", self.straight), ("sippy's B2BUA", self.through_sippy)):
            called = number()
            call = await gateway.dial(number(), called)
            asked = await self.outside.called(called, 20)
            await call.ringing(20)
            self.figures.add(f"  {name}: INVITE → 180", took(call, "invite", "ringing"))
            asked.answer()
            await call.answered(20)
            self.figures.add(f"  {name}: 200 → 200", call.times["answered"] - asked.times["answered"])
            await call.hang_up()

    async def served(self) -> None:
        """A caller waits; the agent becomes ready, is called, answers."""
        call = await self.gateway.dial(number(), QUEUE)
        await call.answered(20)
        contact = await self.events.contact_of(call.caller, 20)
        await self.events.first("contact_queued", 20, subject=contact)
        call.say(CUSTOMER)
        await asyncio.sleep(random.uniform(0.3, 0.4))  # what becoming one who waits has begun is done; music plays
        seen, asked = len(self.events.seen), time.time()
        await self.lq.ready(AGENT)
        told = time.time()
        rings = await self.phone.rings(20)
        rings.say(SPEAKER)
        self._offered(rings, asked, told, await self._ready_event(seen))
        await rings.answered(20)
        await self._heard(call, rings)
        await self.lq.pause(AGENT, "bench")  # after this call
        await rings.hang_up()
        await call.ended(20)
        await self._away()

    def _offered(self, rings: Call, asked: float, told: float, event_at: float) -> None:
        invited = rings.times["invite"]
        self.figures.add("ready: POST sent → INVITE at the agent's phone", invited - asked)
        self.figures.add("  POST answered → INVITE (less than 0: the INVITE was there before)", invited - told)
        self.figures.add("  the agent's event → INVITE", invited - event_at)
        self.figures.add("  floor, POST of an agent without a caller", self.post_s)

    async def _heard(self, call: Call, rings: Call) -> None:
        answered = rings.times["answered"]
        for what, ear, tone in (
            ("answer: agent's 200 → he hears the caller", rings, CUSTOMER),
            ("  agent's 200 → the caller hears him", call, SPEAKER),
        ):
            found = await ear.hears(tone, 20)
            await asyncio.sleep(SURE_S)
            self.figures.add(what, began(ear, tone, found.second) - answered)

    async def _ready_event(self, seen: int) -> float:
        """Of the epoch."""

        def found() -> float | None:
            mine = (
                e for e in self.events.seen[seen:] if e.subject == f"agent:{AGENT}" and e.data.get("state") == "ready"
            )
            return next((event.at / 1000 for event in mine), None)

        return await self.events.until(found, 20)

    async def _away(self) -> None:
        """Nothing is left of the call, and the agent is on his pause."""
        async with asyncio.timeout(20):
            while (agent := await self.lq.agent(AGENT)).state != "paused":
                if agent.state == "wrap_up":
                    await self.lq.wrap_up(AGENT, done=True)
                elif agent.state == "ready":
                    await self.lq.pause(AGENT, "bench")
        began = time.time()
        await self.lq.ready(AGENT)
        self.post_s = time.time() - began
        await self.lq.pause(AGENT, "bench")


def began(ear: Call, tone: int, about: float) -> float:
    """When the packet came in which nothing but this tone is heard from then on, for a while; music went before."""
    first = max(0, round((about - SURE_S) * RATE))
    samples = ear.stream.heard_since(first)
    pure = [
        audio.goertzel(piece, tone) > audio.level(piece) - 1.0 if (piece := samples[at : at + WINDOW]).any() else False
        for at in range(0, len(samples) - WINDOW, WINDOW)
    ]
    steady = round(SURE_S * RATE) // WINDOW // 2
    start = next(n for n in range(len(pure)) if all(pure[n : n + steady]))
    return ear.stream.time_of((first + start * WINDOW) / RATE)


def number() -> str:
    return f"139{random.randrange(10**8):08}"


def took(call: Call, begun: str, done: str) -> float:
    return call.times[done] - call.times[begun]


async def configured(center: Center, lq: Client) -> None:
    """A queue of one agent, with neither notice nor announcements."""
    for kind, document in (
        ("queues", Queue("bench", "bench", wrap_up_s=1, position_every_s=0)),
        ("numbers", AccessNumber(QUEUE, "queue:bench", recording="none")),
        ("agents", Agent(AGENT, "bench", ("bench",))),
    ):
        await lq.put_document(kind, document.id, to_json(document))
    await is_read(center, (await lq.health()).config_version)


@asynccontextmanager
async def scene(center: Center, directory: Path) -> AsyncIterator[Scene]:
    place = Place.of(center)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        lq = await enter(place.client())
        await configured(center, lq)
        events = await enter(Events(lq))
        media = Media()
        stack.push_async_callback(asyncio.to_thread, media.close)
        outside = await enter(place.gateway("gw1", media=media, listening=True))
        outside.rule = lambda called: Ring()
        sippy = free_port()
        there = f"{outside.address}:{outside.port}"
        process = await run((B2BUA, "-f", "-l", sippy[0], "-p", str(sippy[1]), "-n", there), directory, "sippy")
        stack.callback(process.kill)
        await listening(sippy[1])
        phones = [await enter(place.softphone(ext, media, Answer(0.0))) for ext in (PHONE, CALLER)]
        gateways = [
            await enter(Gateway("127.0.0.1", edge=edge, media=media))
            for edge in ((outside.address, outside.port), sippy)
        ]
        for ext in (PHONE, CALLER):
            await events.first("phone_changed", 20, subject=f"phone:{ext}", registered=True)
        await lq.sign_in(AGENT, PHONE)
        gateway = await enter(place.gateway("gw1", media=media))
        made = Scene(center, place, lq, events, gateway, outside, *phones, *gateways, Figures())
        await made._away()
        yield made


async def measured(center: Center, calls: int, directory: Path) -> Figures:
    async with scene(center, directory) as made:
        for n in range(calls + 1):
            if n == 1:
                made.figures.ms.clear()  # the first was to warm up
            await made.answered_at_once()
            await made.first_ringing()
            await made.peers()
            await made.served()
        return made.figures


def main(calls: int) -> None:
    directory = Path(tempfile.mkdtemp(prefix="lcall-bench-", dir="/tmp"))
    directory.chmod(0o755)
    center = reserve(directory / "center")
    try:
        center.start(together_with=os.getpid())
        before = os.getloadavg()[0]
        figures = asyncio.run(measured(center, calls, directory))
    finally:
        center.stop()
        shutil.rmtree(directory)
    print(f"{os.cpu_count()} processors, load {before:.1f} to {os.getloadavg()[0]:.1f}; {calls} calls each")
    print(figures.told())


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS)
