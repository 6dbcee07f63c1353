"""From a command of LQ-SDK to what is seen of it on the wire, at a hundred talking calls.

    python -m tests.bench.command_to_wire [commands [calls]]

By the clock, from the moment at which the client begins to send the POST: what of it is HTTP, and the delay of this
process, is in the floors. hold and resume need no SIP: the first packet with the music (the voice) is waited for, and
packets leave each 20 ms; `breaks off` is the last packet of what was heard before, so that the switch lies between the
two. transfer: the INVITE at the colleague's phone. hang_up: the BYE at both phones. A few lanes do all this one after
another; the other calls only talk (_crowd.py).
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import numpy as np

from lq.sdk.client import Client
from tests.bench import _crowd, mixer_legs, switch_gap
from tests.bench.setup import SURE_S, Figures, began
from tests.center import CHECKOUT, Center, reserve
from tests.scenarios.conftest import Scene, is_read
from tests.scenarios.stage import AGENT, COLLEAGUE, CUSTOMER, TONES, Stage
from tests.simulator import audio
from tests.simulator.audio import RATE
from tests.simulator.call import Call
from tests.simulator.events import Events
from tests.simulator.place import Place
from tests.simulator.rtp import Media

COMMANDS: Final = 100  # of each verb
CALLS: Final = 100
LANES: Final = 5
PAUSE_S: Final = (0.3, 0.5)  # before each command: what goes before it has settled
TALKING_S: Final = 300.0


class Echo(asyncio.DatagramProtocol):
    """Both ends: what comes is noted."""

    def __init__(self) -> None:
        self.came: asyncio.Queue[float] = asyncio.Queue()

    def datagram_received(self, data: bytes, address: object) -> None:
        self.came.put_nowait(time.time())


class Lane:
    """One contact after another."""

    def __init__(self, stage: Stage, figures: Figures, lq: Client) -> None:
        self.stage, self.figures, self.lq = stage, figures, lq

    async def commanded(self) -> None:
        stage = self.stage
        await stage.calls_in()
        await stage.answers(AGENT, 20)
        customer, agent = stage.cast[CUSTOMER], stage.cast[AGENT]
        await asyncio.gather(customer.hears(TONES[AGENT], 20), agent.hears(TONES[CUSTOMER], 20))
        await self._heard("hold", customer, TONES[AGENT], switch_gap.MUSIC_HZ)
        await self._heard("resume", customer, switch_gap.MUSIC_HZ, TONES[AGENT])
        asked = await self._does("transfer", to=COLLEAGUE, mode="blind")
        colleague = await stage.answers(COLLEAGUE, 20)
        self.figures.add("transfer, blind: POST → INVITE at the colleague's phone", colleague.times["invite"] - asked)
        await customer.hears(TONES[COLLEAGUE], 20)
        asked = await self._does("hang-up", by=COLLEAGUE)
        await asyncio.gather(customer.ended(20), colleague.ended(20))
        for who, call in (("the agent's phone", colleague), ("the customer", customer)):
            self.figures.add(f"hang_up: POST → BYE at {who}", call.times["ended"] - asked)
        await self._floors()
        for role in (AGENT, COLLEAGUE):
            await stage.is_ready_again(role)
        stage.cast.clear()

    async def _does(self, verb: str, by: str = AGENT, **body: str) -> float:
        """When it was asked."""
        await asyncio.sleep(random.uniform(*PAUSE_S))
        asked = time.time()
        await self.stage.does(verb, by, **body)
        self.figures.add(f"  {verb}: POST → its answer", time.time() - asked)
        return asked

    async def _heard(self, verb: str, ear: Call, before: int, after: int) -> None:
        since = max(0.0, ear.heard_s - 0.2)
        asked = await self._does(verb)
        found = await ear.hears(after, 20, since=since)
        await asyncio.sleep(SURE_S + 0.1)
        self.figures.add(f"{verb}: POST → the customer hears it", began(ear, after, found.second) - asked)
        self.figures.add(f"  {verb}: POST → what he heard breaks off", broke_off(ear, before, since) - asked)

    async def _floors(self) -> None:
        began_at = time.time()
        await self.lq._http.get("/v1/nothing")
        self.figures.add("floor: a GET of nothing, answered by the api", time.time() - began_at)
        loop = asyncio.get_running_loop()
        transport, echo = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
        began_at = time.time()
        transport.sendto(b"?" * 400, transport.get_extra_info("sockname"))
        self.figures.add("floor: a datagram to this process", await echo.came.get() - began_at)
        transport.close()


def broke_off(ear: Call, tone: int, since: float) -> float:
    """When the last packet came in which this tone was heard, of a tone that was heard then."""
    first = round(since * RATE)
    samples = ear.stream.heard_since(first)
    turn = np.exp(-2j * np.pi * tone / RATE * np.arange(len(samples)))
    strength = 2 * np.abs(np.convolve(samples * turn, np.ones(80) / 80, "valid"))
    last = np.flatnonzero(strength > np.max(np.abs(audio.tone(tone, 0.1))) / 2)[-1]
    return ear.stream.time_of((first + last) / RATE)


@asynccontextmanager
async def lanes(center: Center, calls: int) -> AsyncIterator[list[Lane]]:
    place, figures = Place.of(center), Figures()
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        lq = await enter(place.client())
        await switch_gap.configured(center, lq)
        for kind, id, body in _crowd.documents(calls):
            await lq.put_document(kind, id, body)
        trunk = await lq.document("trunks", "gw1")
        await lq.put_document("trunks", "gw1", {**trunk.body, "channels": 2 * calls})
        await is_read(center, (await lq.health()).config_version or 0)
        events = await enter(Events(lq))
        media = Media()
        stack.push_async_callback(asyncio.to_thread, media.close)
        gateway = await enter(place.gateway(media=media))
        made = []
        for n in range(LANES):
            stage = Stage(Scene(place, lq, events, gateway, media, center.path, stack), n, stack)
            await stage.comes(AGENT, COLLEAGUE)
            made.append(Lane(stage, figures, lq))
        yield made


async def measured(center: Center, commands: int, calls: int, program: Path) -> Figures:
    async with lanes(center, calls - LANES) as made:
        words = [sys.executable, "-m", "tests.bench._crowd", str(calls - LANES), str(program)]
        crowd = await asyncio.create_subprocess_exec(
            *words, stdout=subprocess.PIPE, env=center.environment, cwd=CHECKOUT
        )
        try:
            assert crowd.stdout is not None
            assert await asyncio.wait_for(crowd.stdout.readline(), TALKING_S) == b"talking\n"
            await asyncio.gather(*(lane.commanded() for lane in made))  # to warm up
            made[0].figures.ms.clear()
            await asyncio.gather(*(rounds(lane, commands // LANES) for lane in made))
        finally:
            if crowd.returncode is None:
                crowd.terminate()
            await crowd.wait()
        return made[0].figures


async def rounds(lane: Lane, count: int) -> None:
    for _ in range(count):
        await lane.commanded()


def main(commands: int, calls: int) -> None:
    directory = Path(tempfile.mkdtemp(prefix="lcall-bench-", dir="/tmp"))
    directory.chmod(0o755)
    program = directory / "ends"
    subprocess.run(["gcc", "-O2", "-Wall", "-o", str(program), str(mixer_legs.SOURCE)], check=True)
    center = reserve(directory / "center")
    try:
        center.start(together_with=os.getpid())
        before = os.getloadavg()[0]
        figures = asyncio.run(measured(center, commands, calls, program))
    finally:
        center.stop()
        shutil.rmtree(directory)
    print(f"{os.cpu_count()} processors, load {before:.1f} to {os.getloadavg()[0]:.1f}; {calls} talking calls")
    print(figures.told())


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    main(numbers[0] if numbers else COMMANDS, numbers[1] if len(numbers) > 1 else CALLS)
