"""Processor time of Kamailio a call: our routes in Python (KEMI) beside the same routes in its own language.

    python -m tests.bench.kemi [rounds [calls a second …]]

Both have the same rendered modules, parameters and gate (kamailio.cfg); tests/bench/_native_edge.cfg does with a
trunk's call what kamailio/kemi.py does, but for the checks of malformed messages that no module has. sipp is the trunk
and the node: INVITE by source address, X-LQ-Source, Record-Route, node, 100, 180, 200, ACK and BYE to the node that its
Contact names. Then the ACD's decisions through Kamailio (INVITE → 480 with a place in line, by Redis), beside the same
question put to Redis by Python alone. Median of the rounds; what both use when idle is taken off.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from kamailio.render import render
from lq.live.kemi import Caller
from lq.live.redis import Live
from tests.bench.edge_door import idle_share, processor_s
from tests.bench.two_leg_call import counted, sipp
from tests.integration.kamailio.edge import LQ1, Edge, edge
from tests.integration.live.center import documents, free_port

ROUNDS: Final = 3
RATES: Final = (50, 100)  # the gate lets 200 new requests a second of a trunk pass
SECONDS: Final = 3.0
WAITING: Final = 100  # contacts in line
DECISIONS: Final = 3_000
AT_ONCE: Final = 16  # questions; there are four workers
NATIVE: Final = Path(__file__).parent / "_native_edge.cfg"
TRUNK: Final = "127.0.1.1"


def native(own: Edge) -> None:
    """Start it with the rendered configuration, Python out and the same routes in."""
    render(own.directory, own.environ)
    file = own.directory / "kamailio.cfg"
    text = re.sub(r"^(loadmodule \"app_python3|modparam\(\"(app_python3|rtimer)|kemi\.|cfgengine).*$", "",
                  file.read_text(), flags=re.MULTILINE)  # fmt: skip
    host, port = own.internal
    address = f"127.0.0.1:{own.nodes[LQ1]}"
    marks = {"NODE": LQ1, "NODE_ADDRESS": address, "INTERNAL_HOST": host, "INTERNAL_PORT": str(port)}
    routes = NATIVE.read_text()
    for name, value in marks.items():
        routes = routes.replace(f"@{name}@", value)
    file.write_text(text + "\n" + routes)
    own.run()


async def call_us(own: Edge, rate: float, idle: float, place: Path) -> tuple[float, int]:
    """Microseconds of processor a call, and how many calls failed."""
    assert own.process is not None
    place.mkdir()
    calls = int(rate * SECONDS)
    node = await sipp("node", own.nodes[LQ1], own.internal[1], calls, rate, place, "-key", "i", LQ1)
    before, began = processor_s(own.process.pid), time.monotonic()
    trunk = await sipp("carrier", free_port(), own.outside[1], calls, rate, place, "-i", TRUNK)
    async with asyncio.timeout(calls / rate + 40):
        await trunk.wait()
    used = processor_s(own.process.pid) - before - idle * (time.monotonic() - began)
    node.kill()
    await node.wait()
    return used / calls * 1e6, counted(place / "carrier.csv")["FailedCall(C)"]


async def calls(rounds: int, rates: Sequence[float], edges: dict[str, Edge], idle: dict[str, float], at: Path) -> None:
    print("calls/s     KEMI µs  failed   native µs  failed    ratio")
    for rate in rates:
        took: dict[str, list[tuple[float, int]]] = {name: [] for name in edges}
        for n in range(rounds):
            for name, own in edges.items():
                took[name].append(await call_us(own, rate, idle[name], at / f"{name}-{rate}-{n}"))
        us = {name: statistics.median(each for each, _ in took[name]) for name in edges}
        columns = "  ".join(f"{us[name]:10.0f} {sum(failed for _, failed in took[name]):7}" for name in edges)
        print(f"{rate:7g} {columns} {us['KEMI'] / us['native']:8.2f}", flush=True)


async def decisions(own: Edge, idle: float, place: Path) -> None:
    assert own.process is not None
    place.mkdir()
    ids = [f"waiting-{n:04}" for n in range(WAITING)]
    live = Live(own.redis_url)
    for id in ids:
        await live.commit(id, node=LQ1, epoch=1, snapshot='{"v":1}')
    await live.close()
    (place / "ids").write_text("SEQUENTIAL\n" + "".join(f"{id};\n" for id in ids))
    words = ("-inf", str(place / "ids"), "-l", str(AT_ONCE))
    before, began = (processor_s(own.process.pid), redis_s(own)), time.monotonic()
    node = await sipp("question", own.nodes[LQ1], own.internal[1], DECISIONS, 5_000, place, *words)
    async with asyncio.timeout(60):
        await node.wait()
    took = time.monotonic() - began
    edge_us = (processor_s(own.process.pid) - before[0] - idle * took) / DECISIONS * 1e6
    redis_us = (redis_s(own) - before[1]) / DECISIONS * 1e6
    print(
        f"ACD through Kamailio, {AT_ONCE} at once, {WAITING} in line: {DECISIONS / took:.0f} decisions a second,"
        f" {counted(place / 'question.csv')['FailedCall(C)']} failed; processor time each:"
        f" Kamailio {edge_us:.0f} µs, Redis {redis_us:.0f} µs"
    )
    alone(own, ids)


def alone(own: Edge, ids: Sequence[str]) -> None:
    caller = Caller(own.redis_url)
    before, began, redis = time.process_time(), time.monotonic(), redis_s(own)
    for n in range(DECISIONS):
        caller.ask(ids[n % WAITING], f"{ids[n % WAITING]}:a{n}", {"sales": 1}, 20_000)
    took, own_us = time.monotonic() - began, (time.process_time() - before) / DECISIONS * 1e6
    print(
        f"  floor: asked by Python alone, one at a time: {DECISIONS / took:.0f} a second; Python {own_us:.0f} µs, Redis"
        f" {(redis_s(own) - redis) / DECISIONS * 1e6:.0f} µs"
    )


def redis_s(own: Edge) -> float:
    fields = Path(f"/proc/{own.redis.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measured(rounds: int, rates: Sequence[float], directory: Path) -> None:
    with ExitStack() as stack:
        edges: dict[str, Edge] = {}
        for name in ("KEMI", "native"):
            (directory / name).mkdir()
            edges[name] = stack.enter_context(
                edge(directory / name, KAMAILIO_PROBE_S="60", KAMAILIO_TLS="", KAMAILIO_WSS="")
            )
            await edges[name].publish(documents())
        await asyncio.to_thread(edges["KEMI"].start)
        await asyncio.to_thread(native, edges["native"])
        idle = {}
        for name, own in edges.items():
            assert own.process is not None
            idle[name] = await asyncio.to_thread(idle_share, own.process.pid, 3.0)
        print("idle: " + ", ".join(f"{name} {share:.1%} of a processor" for name, share in idle.items()))
        await calls(rounds, rates, edges, idle, directory)
        await decisions(edges["KEMI"], idle["KEMI"], directory / "acd")


def main(rounds: int, rates: Sequence[float]) -> None:
    said = subprocess.run(["kamailio", "-v"], capture_output=True, text=True, check=True).stdout
    print(
        f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; {said.split(' (')[0].removeprefix('version: ')}"
    )
    directory = Path(tempfile.mkdtemp(prefix="lcall-bench-"))
    try:
        asyncio.run(measured(rounds, rates, directory))
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    numbers = [float(word) for word in sys.argv[1:]]
    main(int(numbers[0]) if numbers else ROUNDS, numbers[1:] or RATES)
