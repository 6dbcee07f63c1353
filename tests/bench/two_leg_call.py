"""Processor time of a two-leg call (13 datagrams) through our user agent, beside sippy's B2BUA.

    python -m tests.bench.two_leg_call [rounds [calls a second …]]

No media, no log, no live state: SIP alone. The same sipp calls (tests/bench/scenarios) go through a B2BUA of a few
lines on lq.sip (tests/bench/_two_legs.py) and through sippy's b2bua_simple, in turn, each in a process of its own.
Median of the rounds; calls that failed and retransmissions (of sipp: it waited 0.5 s) are summed.
"""

from __future__ import annotations

import asyncio
import csv
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from tests.bench.edge_door import TICKS
from tests.simulator.baresip import ON_DIED
from tests.unit.sip.end import free_port

ROUNDS: Final = 2
RATES: Final = (50, 100, 150)
SECONDS: Final = 3.0  # of calls, each round
SCENARIOS: Final = Path(__file__).parent / "scenarios"
B2BUA: Final = str(Path(sys.executable).parent / "b2bua_simple")
NAMES: Final = ("lq.sip", "sippy")


@dataclass(frozen=True, slots=True)
class Took:
    ms: float  # of processor, a call
    failed: int
    repeated: int


async def measured(name: str, calls: int, rate: float, place: Path) -> Took:
    place.mkdir()
    here, there, caller = (free_port()[1] for _ in range(3))
    words = {
        "lq.sip": (sys.executable, "-m", "tests.bench._two_legs", str(here), str(there)),
        "sippy": (B2BUA, "-f", "-l", "127.0.0.1", "-p", str(here), "-n", f"127.0.0.1:{there}"),
    }[name]
    b2bua = await run(words, place, name)
    try:
        await listening(here)
        called = await sipp("called", there, there, calls, rate, place)
        before = processor_s(b2bua.pid)
        caller_ = await sipp("carrier", caller, here, calls, rate, place)
        async with asyncio.timeout(calls / rate + 40):
            await caller_.wait()
        took = processor_s(b2bua.pid) - before
        called.kill()
        await called.wait()
    finally:
        b2bua.kill()
        await b2bua.wait()
    counts = counted(place / "carrier.csv")
    return Took(took / calls * 1e3, counts["FailedCall(C)"], counts["Retransmissions(C)"])


async def run(words: Sequence[str], place: Path, name: str) -> asyncio.subprocess.Process:
    """It ends with us at the latest."""
    environment = {**os.environ, "SIPLOG_BEND": "none"}
    with (place / f"{name}.log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            *ON_DIED, *words, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=environment
        )


async def sipp(
    scenario: str, own: int, to: int, calls: int, rate: float, place: Path, *more: str
) -> asyncio.subprocess.Process:
    words = (
        *("sipp", f"127.0.0.1:{to}", "-sf", str(SCENARIOS / f"{scenario}.xml"), "-i", "127.0.0.1", "-p", str(own)),
        *("-s", "40012345", "-m", str(calls), "-r", str(rate), "-l", "2000", "-nostdin", "-nd"),
        *("-recv_timeout", "20000", "-trace_stat", "-stf", str(place / f"{scenario}.csv"), "-fd", "1", *more),
    )
    return await run(words, place, scenario)


def counted(file: Path) -> dict[str, int]:
    """sipp's last word, of what it counts."""
    with file.open(newline="") as lines:
        last = list(csv.DictReader(lines, delimiter=";"))[-1]
    return {name: int(value) for name, value in last.items() if name and name.endswith("(C)") and value.isdigit()}


def processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def listening(port: int) -> None:
    """Bound, as the kernel says (it speaks to nobody)."""
    wanted = f":{port:04X} "
    async with asyncio.timeout(20):
        while wanted not in Path("/proc/net/udp").read_text():  # noqa: ASYNC110 - another process is waited for
            await asyncio.sleep(0.05)


async def main(rounds: int, rates: Sequence[float]) -> None:
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; sippy {version('sippy')}")
    print("calls/s     lq.sip ms  failed  repeated     sippy ms  failed  repeated    ratio")
    with tempfile.TemporaryDirectory(prefix="lcall-bench-") as directory:
        for rate in rates:
            took: dict[str, list[Took]] = {name: [] for name in NAMES}
            for n in range(rounds):
                for name in NAMES:
                    place = Path(directory) / f"{name}-{rate}-{n}"
                    took[name].append(await measured(name, int(rate * SECONDS), rate, place))
            ms = {name: statistics.median(each.ms for each in took[name]) for name in NAMES}
            columns = "".join(
                f"{ms[name]:13.2f} {sum(each.failed for each in took[name]):7}"
                f" {sum(each.repeated for each in took[name]):9}"
                for name in NAMES
            )
            print(f"{rate:7g} {columns} {ms['lq.sip'] / ms['sippy']:8.2f}", flush=True)


if __name__ == "__main__":
    numbers = [float(word) for word in sys.argv[1:]]
    asyncio.run(main(int(numbers[0]) if numbers else ROUNDS, numbers[1:] or RATES))
