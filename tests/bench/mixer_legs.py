"""Legs per core of the mixer, beside the floor and beside Janus AudioBridge, in one run.

    python -m tests.bench.mixer_legs [legs ...]

`music`: each leg hears music; `rooms`: three legs a room, all hear and talk. Each leg talks, 50 packets a second each
way as from rtpengine, through its jitter buffer. The floor reads and sends as many packets and does nothing else. Janus
has the same rooms, as many legs as the smallest size (it needs three threads a leg). Processor time, so that a machine
that does other work changes little; medians of a few rounds. `late`: when the last packet of a tick had left.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lq.media.mixer.client import Mixer
from ops.home import CHECKOUT
from tests.bench import _janus
from tests.contract.mixer.conftest import free_port, write_prompts

SIZES: Final = (99, 501, 1500)
ROOM: Final = 3
ROUNDS: Final = 3
ROUND_S: Final = 2.0
SOURCE: Final = Path(__file__).with_suffix(".c")
TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Figures:
    cores: float
    sent: float  # of the packets that should have been
    late_p50_us: int = 0
    late_p99_us: int = 0

    def line(self, what: str, legs: int, floor: float) -> str:
        shares = f"{what:7} {legs:6} {self.cores:8.1%} {floor:8.1%} {self.cores / floor:6.2f} {legs / self.cores:10.0f}"
        return f"{shares} {self.late_p50_us:6} us {self.late_p99_us:5} us {self.sent:7.1%}"


async def main(sizes: Sequence[int]) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-mixer-") as directory:
        place = Path(directory)
        ends = place / "ends"
        subprocess.run(["gcc", "-O2", "-Wall", "-o", str(ends), str(SOURCE)], check=True)
        write_prompts(place / "prompts")
        print("what      legs    cores    floor  ratio  legs/core  late p50      p99    sent")
        in_rooms = {}
        for legs in sizes:
            floor = await floored(ends, legs)
            for what in ("music", "rooms"):
                figures = await measured(place, ends, legs, what)
                print(figures.line(what, legs, floor), flush=True)
                if what == "rooms":
                    in_rooms[legs] = figures.cores
        if not _janus.installed():
            print(_janus.HOW_TO)
            return
        legs = sizes[0]
        cores = await janus(place, ends, legs)
        print(f"janus   {legs:6} {cores.cores:8.1%} {'':15} {legs / cores.cores:10.0f} {'':19} {cores.sent:7.1%}")
        most = max(in_rooms)
        print(f"legs a core in rooms of {ROOM}: {cores.cores / in_rooms[legs]:.1f} times Janus with {legs} legs each")
        print(f"  … and {most / in_rooms[most] / (legs / cores.cores):.1f} times with {most} of ours")


def addresses(legs: int, port: int) -> list[tuple[str, int]]:
    """As mixer_legs.c has them."""
    return [(f"127.1.{(n + 1) >> 8}.{(n + 1) & 255}", port) for n in range(legs)]


async def floored(ends: Path, legs: int) -> float:
    """Cores of the bare loop."""
    port, rtp, used_us = free_port(), free_port(), []
    for _ in range(ROUNDS):
        peer = asyncio.create_task(run(ends, "peer", legs, port, rtp, ROUND_S))
        used_us.append(int(await run(ends, "floor", legs, port, rtp, ROUND_S)))
        await peer
    return statistics.median(used_us) / 1e6 / ROUND_S


async def measured(place: Path, ends: Path, legs: int, what: str) -> Figures:
    port, rtp = free_port(), free_port()
    process = await started(place, rtp)
    back = asyncio.Event()
    mixer = Mixer(str(place / "mixer.sock"))
    await mixer.start(lambda leg, play, complete: None, back.set)
    try:
        await asyncio.wait_for(back.wait(), 10)
        for n, (host, _) in enumerate(addresses(legs, port)):
            await mixer.join(f"leg{n}", f"{host}:{port}")
            if what == "music":
                await mixer.play(f"leg{n}", "p", ["t/music"], repeat=0)
            else:
                await mixer.room(f"leg{n}", f"room{n // ROOM}")
        cores, sent = await rounds(process.pid, lambda: run(ends, "peer", legs, port, rtp, ROUND_S), legs)
        late = (await mixer.stats())["late_us"]
    finally:
        await mixer.close()
        process.terminate()
        await process.wait()
    return Figures(cores, sent, late["p50"], late["p99"])


async def janus(place: Path, ends: Path, legs: int) -> Figures:
    port = free_port()
    peer = _janus.Janus(place / "janus")
    await peer.start()
    try:
        assert peer.process is not None
        await peer.rooms(addresses(legs, port), ROOM)
        ports = place / "ports"
        ports.write_text("\n".join(map(str, peer.ports)))
        words = ("peer", legs, port, 0, ROUND_S, ports)
        return Figures(*await rounds(peer.process.pid, lambda: run(ends, *words), legs))
    finally:
        await peer.stop()


async def rounds(pid: int, peer: Callable[[], Awaitable[bytes]], legs: int) -> tuple[float, float]:
    """Cores, and the share of packets that came."""
    cores, sent = [], []
    for _ in range(ROUNDS):
        before, began = used(pid), time.monotonic()
        came = int(await peer())
        cores.append((used(pid) - before) / (time.monotonic() - began))
        sent.append(came / (legs * 50 * ROUND_S))
    return statistics.median(cores), statistics.median(sent)


async def started(place: Path, rtp: int) -> asyncio.subprocess.Process:
    own = {
        "LQ_MIXER": str(place / "mixer.sock"),
        "LQ_MIXER_RTP": f"127.0.0.1:{rtp}",
        "LQ_PROMPTS": str(place / "prompts"),
    }
    words = (sys.executable, "-m", "lq.media.mixer")
    null = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(*words, cwd=CHECKOUT, env={**os.environ, **own}, stderr=null)


async def run(ends: Path, *words: object) -> bytes:
    process = await asyncio.create_subprocess_exec(str(ends), *map(str, words), stdout=asyncio.subprocess.PIPE)
    answer, _ = await process.communicate()
    assert process.returncode == 0
    return answer


def used(pid: int) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


if __name__ == "__main__":
    asyncio.run(main([int(word) for word in sys.argv[1:]] or SIZES))
