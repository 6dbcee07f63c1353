"""Legs per core of the mixer, beside the floor: a bare loop that reads and sends as many packets and does nothing else.

    python -m tests.bench.mixer_legs [legs ...]

Each leg hears music and talks, 50 packets a second each way, as from rtpengine. Processor time, so that a machine that
does other work changes little; medians of a few rounds. `late`: when the last packet of a tick had left.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lq.media.mixer.client import Mixer
from ops.home import CHECKOUT
from tests.contract.mixer.conftest import free_port, write_prompts

SIZES: Final = (100, 500, 1500)
ROUNDS: Final = 3
ROUND_S: Final = 2.0
SOURCE: Final = Path(__file__).with_suffix(".c")
TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Round:
    mixer: float  # cores
    floor: float
    sent: float  # of the packets that should have been


async def main(sizes: Sequence[int]) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-mixer-") as directory:
        place = Path(directory)
        ends = place / "ends"
        subprocess.run(["gcc", "-O2", "-Wall", "-o", str(ends), str(SOURCE)], check=True)
        write_prompts(place / "prompts")
        print("  legs    mixer    floor  ratio  legs/core  late p50      p99    sent")
        for legs in sizes:
            rounds, late = await measured(place, ends, legs)
            mixer = statistics.median(each.mixer for each in rounds)
            floor = statistics.median(each.floor for each in rounds)
            sent = statistics.median(each.sent for each in rounds)
            shares = f"{legs:6} {mixer:8.1%} {floor:8.1%} {mixer / floor:6.2f} {legs / mixer:10.0f}"
            print(f"{shares} {late['p50']:6} us {late['p99']:5} us {sent:7.1%}", flush=True)


async def measured(place: Path, ends: Path, legs: int) -> tuple[list[Round], dict[str, int]]:
    port, rtp = free_port(), free_port()
    process = await started(place, rtp)
    back = asyncio.Event()
    mixer = Mixer(str(place / "mixer.sock"))
    await mixer.start(lambda leg, play, complete: None, back.set)
    try:
        await asyncio.wait_for(back.wait(), 10)
        for n in range(legs):
            host = f"127.1.{(n + 1) >> 8}.{(n + 1) & 255}"
            await mixer.join(f"leg{n}", f"{host}:{port}")
            await mixer.play(f"leg{n}", "p", ["t/music"], repeat=0)
        rounds = []
        for _ in range(ROUNDS):
            before = used(process.pid)
            came = int(await run(ends, "peer", legs, port, rtp))
            took = used(process.pid) - before
            rounds.append((took / ROUND_S, came / (legs * 50 * ROUND_S)))
        late: dict[str, int] = (await mixer.stats())["late_us"]
    finally:
        await mixer.close()
        process.terminate()
        await process.wait()
    floors = []
    for _ in range(ROUNDS):
        peer = asyncio.create_task(run(ends, "peer", legs, port, rtp))
        floors.append(int(await run(ends, "floor", legs, port, rtp)) / 1e6 / ROUND_S)
        await peer
    return [Round(cores, floor, sent) for (cores, sent), floor in zip(rounds, floors, strict=True)], late


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
    process = await asyncio.create_subprocess_exec(
        str(ends), *map(str, words), str(ROUND_S), stdout=asyncio.subprocess.PIPE
    )
    answer, _ = await process.communicate()
    assert process.returncode == 0
    return answer


def used(pid: int) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


if __name__ == "__main__":
    asyncio.run(main([int(word) for word in sys.argv[1:]] or SIZES))
