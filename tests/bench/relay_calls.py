"""What rtpengine costs a two-party call: ours (a relay a leg, so two), recorded and not, beside one call of its own.

    python -m tests.bench.relay_calls [rounds [calls …]]

Percent of a processor a call, both parties talking, 20 ms packets of PCMA; `through` is how much of what was said was
heard. `one call` is an offer and an answer as a plain SIP proxy would have them: what a settled call of ours might
collapse into. `forwarder` is the floor: a loop of recv and sendto (relay_calls.c). In turn, medians of the rounds; what
rtpengine uses when idle is taken off.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lq.media.ng import Ng
from lq.media.rtpengine import RtpEngine
from lq.media.sdp import audio as description
from tests.bench import mixer_legs
from tests.center import Center, reserve
from tests.simulator import processors
from tests.unit.sip.end import free_port

ROUNDS: Final = 2
CALLS: Final = (20, 40, 60)
SECONDS: Final = 3
PER_S: Final = 50
FLAGS: Final = {"replace": ["origin"], "ICE": "remove", "flags": ["trust address"]}
FIRST: Final = 9000  # the forwarder's ports: below those that Linux gives away
SOURCE: Final = Path(__file__).with_suffix(".c")


@dataclass(frozen=True, slots=True)
class Took:
    percent: float  # of a processor, a call
    through: float


@dataclass
class Scene:
    center: Center
    engine: RtpEngine
    ng: Ng
    place: Path
    idle: float = 0.0  # rtpengine's share of a processor
    made: int = 0

    # -- each makes a call of two parties, and says where each of them sends
    async def ours(self, one: int, two: int, port: int, recorded: bool = False) -> list[int]:
        ports, legs = [], []
        for party in (one, two):
            leg, answer = await self.engine.incoming(self._new_id(), sdp(party, port))
            legs.append(leg)
            ports.append(description(answer).port)
        if recorded:
            await self.engine.record(legs[0], f"r.{legs[0].id}", "bench")
        await self.engine.connect(*legs)
        return ports

    async def recorded(self, one: int, two: int, port: int) -> list[int]:
        return await self.ours(one, two, port, recorded=True)

    async def single(self, one: int, two: int, port: int) -> list[int]:
        asked = {"call-id": self._new_id(), "from-tag": "a", **FLAGS}
        offer = await self.ng("offer", **asked, sdp=sdp(one, port))
        answer = await self.ng("answer", **asked, **{"to-tag": "b"}, sdp=sdp(two, port))
        return [description(str(text["sdp"])).port for text in (answer, offer)]

    def _new_id(self) -> str:
        self.made += 1
        return f"relay.{self.made}"

    # -- measured
    async def relayed(self, calls: int, make: Callable[[int, int, int], Awaitable[list[int]]]) -> Took:
        port = free_port()[1]
        ports = [each for n in range(calls) for each in await make(2 * n, 2 * n + 1, port)]
        before, began = self._used(), time.monotonic()
        heard = await self._talk(calls, port, ports)
        took = self._used() - before - self.idle * (time.monotonic() - began)
        for id in await self.engine.calls():
            await self.engine.delete(id)
        return Took(took / SECONDS / calls * 100, heard)

    async def forwarded(self, calls: int) -> Took:
        port = free_port()[1]
        words = [str(self.place / "forwarder"), str(2 * calls), str(port), str(FIRST), str(SECONDS + 2)]
        forwarder = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
        assert forwarder.stdout is not None
        await forwarder.stdout.readline()
        heard = await self._talk(calls, port, range(FIRST, FIRST + 2 * calls))
        used = int(await forwarder.stdout.readline())
        await forwarder.wait()
        return Took(used / 1e6 / SECONDS / calls * 100, heard)

    async def _talk(self, calls: int, port: int, ports: Sequence[int]) -> float:
        """Both parties of each call; the share that was heard."""
        (self.place / "ports").write_text("".join(f"{each}\n" for each in ports))
        words = [str(self.place / "ends"), "peer", str(2 * calls), str(port), "0", str(SECONDS)]
        ends = await asyncio.create_subprocess_exec(*words, str(self.place / "ports"), stdout=asyncio.subprocess.PIPE)
        said, _ = await ends.communicate()
        return int(said) / (2 * calls * PER_S * SECONDS)

    def _used(self) -> float:
        return processors.used(self.center.home)["rtpengine"]

    async def rest(self) -> None:
        before, began = self._used(), time.monotonic()
        await asyncio.sleep(SECONDS)
        self.idle = (self._used() - before) / (time.monotonic() - began)


def sdp(party: int, port: int) -> str:
    [(host, _)] = mixer_legs.addresses(party + 1, port)[party:]
    lines = (
        "v=0", f"o=phone 1 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0", f"m=audio {port} RTP/AVP 8 101",
        "a=rtpmap:8 PCMA/8000", "a=rtpmap:101 telephone-event/8000", "a=ptime:20", "a=sendrecv", "",
    )  # fmt: skip
    return "\r\n".join(lines)


async def measured(scene: Scene, rounds: int, sizes: Sequence[int]) -> None:
    await scene.rest()
    print(f"rtpengine idle: {scene.idle:.1%} of a processor")
    print("calls   ours, two relays   ours, recorded   one call of rtpengine   forwarder   ours / one call")
    for calls in sizes:
        took: dict[str, list[Took]] = {}
        for _ in range(rounds):
            for make in (scene.ours, scene.recorded, scene.single):
                took.setdefault(make.__name__, []).append(await scene.relayed(calls, make))
            took.setdefault("forwarder", []).append(await scene.forwarded(calls))
        percent = {name: statistics.median(each.percent for each in found) for name, found in took.items()}
        through = min(each.through for found in took.values() for each in found)
        print(
            f"{calls:5} {percent['ours']:16.2f} % {percent['recorded']:14.2f} % {percent['single']:21.2f} %"
            f" {percent['forwarder']:9.2f} % {percent['ours'] / percent['single']:17.2f}   through {through:.1%}",
            flush=True,
        )


async def main(rounds: int, sizes: Sequence[int]) -> None:
    directory = Path(tempfile.mkdtemp(prefix="bench-relay-", dir="/tmp"))
    directory.chmod(0o755)
    for source, program in ((SOURCE, "forwarder"), (mixer_legs.SOURCE, "ends")):
        subprocess.run(["gcc", "-O2", "-Wall", "-o", str(directory / program), str(source)], check=True)
    center = reserve(directory / "center", {"LCALL_ONLY": "redis-rtpengine,rtpengine"})
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    try:
        await asyncio.to_thread(center.start, together_with=os.getpid())
        engine = RtpEngine(ng=("127.0.0.1", center.ports.ng), ng_tcp=("127.0.0.1", center.ports.ng_tcp))
        ng = Ng(("127.0.0.1", center.ports.ng))
        await ng.start()
        await engine.start(lambda leg, key, ms: None)
        await measured(Scene(center, engine, ng, directory), rounds, sizes)
        await engine.close()
        await ng.close()
    finally:
        await asyncio.to_thread(center.stop)
        shutil.rmtree(directory)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    asyncio.run(main(numbers[0] if numbers else ROUNDS, numbers[1:] or CALLS))
