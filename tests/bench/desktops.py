"""Event streams that one web process holds open while calls go on: its processor time, its memory, how late news are.

    python -m tests.bench.desktops [streams [seconds [calls a second]]]

100 agents are signed in; calls come, ring, are answered and end (on the real api, Redis and PostgreSQL, without SIP).
Streams are those of agents' desks, then of the same agents' boards. Floor, in the same run: a bare Sanic that sends as
many messages of the same size on as many streams, and does nothing else. Late: from the commit with which a phone
begins to ring to the arrival of "it rings" at that agent's desktop.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from sanic import Request, Sanic

from lq.live.redis import Live
from ops.migrate import migrate
from tests.bench._desktops import Desktops, opened, tokens
from tests.integration.ledger import services
from tests.integration.web.calls import LiveCall
from tests.integration.web.conftest import Place, made, serving

STREAMS, SECONDS, CALLS = 200, 20.0, 2.0
AGENTS: Final = [str(n) for n in range(1001, 1101)]
TALK_S: Final = (2.0, 8.0)
TICK: Final = os.sysconf("SC_CLK_TCK")
RING_S: Final = 0.5
SETTLE_S: Final = 3.0


@dataclass(frozen=True)
class Figures:
    processor: float  # % of one
    memory_kb: float  # of each stream
    messages: int
    bytes: int
    read_ms: tuple[float, ...]  # from the sending of each to its arrival
    late_ms: tuple[float, ...] = ()

    def told(self, name: str, streams: int, before: float = 0.0) -> str:
        late = "".join(f"{_p(found, 50)}{_p(found, 99)}" for found in (self.late_ms, self.read_ms))
        own = (self.processor - before) * 100 / streams
        sent = f"{self.messages:8}{self.bytes // 1024:8}"
        return f"{name:36}{self.processor:8.1f}{own:10.2f}{self.memory_kb:8.0f}{late}{sent}"


def _p(found: tuple[float, ...], percent: int) -> str:
    return f"{sorted(found)[len(found) * percent // 100]:8.1f}" if found else f"{'–':>8}"


def processor_s(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICK


def memory_kb(pid: int) -> int:
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0])


# -- what happens in the center ----------------------------------------------------------------------------------------


@dataclass
class Traffic:
    live: Live
    calls_a_second: float
    rang: dict[str, float]
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, name: str) -> None:
        """Until it is over and its calls have ended."""
        async with asyncio.TaskGroup() as calls:
            n = 0
            while not self.over.is_set():
                calls.create_task(self._call(f"{name}-{n}"))
                n += 1
                await asyncio.sleep(random.expovariate(self.calls_a_second))

    async def _call(self, id: str) -> None:
        call = await LiveCall(self.live, id, f"139{random.randrange(10**8):08}").start()
        found = await call.reserve(random.choice(("sales", "support")))
        if found is None:
            await call.end("abandoned")
            return
        self.rang[id] = time.time()
        await call._offer(found)
        await asyncio.sleep(RING_S)
        await call.answer()
        await asyncio.sleep(random.uniform(*TALK_S))
        await call.end()


@asynccontextmanager
async def going_on(traffic: Traffic, name: str) -> AsyncIterator[None]:
    traffic.over.clear()
    task = asyncio.create_task(traffic.run(name))
    await asyncio.sleep(SETTLE_S)
    yield
    assert not task.done(), "the calls have broken off"
    traffic.over.set()
    await task


async def signed_in(place: Place, live: Live) -> None:
    async with place.client() as lq:
        for agent in AGENTS:
            await live.phone(f"8{agent[1:]}", True, 3_600_000)
            await lq.sign_in(agent, f"8{agent[1:]}")


# -- the bare server ---------------------------------------------------------------------------------------------------


def bare(port: int, every_s: float, size: int) -> None:
    app: Sanic[Any, Any] = Sanic("bare", configure_logging=False)
    filling = "x" * max(1, size - 60)

    @app.get("/live")
    async def live(request: Request) -> None:
        stream = await request.respond(content_type="text/event-stream; charset=utf-8")
        await stream.send("retry: 1000\n\n")
        while True:
            now = time.time_ns() // 1_000_000
            await stream.send(f'event: desk\ndata: {{"x": "{filling}", "now": {now}}}\n\n')
            await asyncio.sleep(random.uniform(0.0, 2 * every_s))

    app.run(host="127.0.0.1", port=port, single_process=True, motd=False, access_log=False)


@contextmanager
def bare_server(every_s: float, size: int) -> Iterator[tuple[int, int]]:
    """Its pid and port."""
    port = services.free_port()
    words = (sys.executable, "-m", "tests.bench.desktops", "bare", str(port), str(every_s), str(size))
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
        try:
            yield process.pid, port
        finally:
            process.kill()


async def floor(directory: Path, given: list[str], seconds: float, like: Figures) -> Figures:
    every_s = seconds * len(given) / max(1, like.messages)
    with bare_server(every_s, like.bytes // max(1, like.messages)) as (pid, port):
        await services.eventually(lambda: _listens(port), "the bare server", 60)
        empty = memory_kb(pid)
        async with opened(directory, "127.0.0.1", port, "/live", given) as desktops:
            return await over(desktops, pid, empty, len(given), seconds)


async def over(desktops: Desktops, pid: int, empty_kb: int, streams: int, seconds: float) -> Figures:
    """What so many seconds cost this process."""
    begun, before = await desktops.so_far(), processor_s(pid)
    await asyncio.sleep(seconds)
    used, done = processor_s(pid) - before, await desktops.so_far()
    return Figures(
        processor=100 * used / seconds,
        memory_kb=(memory_kb(pid) - empty_kb) / streams,
        messages=done.messages - begun.messages,
        bytes=done.bytes - begun.bytes,
        read_ms=tuple(done.late_ms[len(begun.late_ms) :]),
    )


def _listens(port: int) -> bool:
    return f":{port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text()


# -- the web -----------------------------------------------------------------------------------------------------------


async def web(place: Place, directory: Path, traffic: Traffic, path: str, given: list[str], seconds: float) -> Figures:
    pid, (host, _, port) = place.web.process.pid, place.url.removeprefix("http://").rpartition(":")
    empty = memory_kb(pid)
    async with (
        opened(directory, host, int(port), path, given) as desktops,
        going_on(traffic, "board" if "board" in path else "desk"),
    ):
        found = await over(desktops, pid, empty, len(given), seconds)
    calls = desktops.heard.calls
    late = tuple(1000 * (calls[call] - at) for call, at in traffic.rang.items() if call in calls)
    return replace(found, late_ms=late)


async def alone(place: Place, traffic: Traffic, seconds: float) -> float:
    """What the calls cost a web that nobody looks at, % of a processor."""
    async with going_on(traffic, "alone"):
        before = processor_s(place.web.process.pid)
        await asyncio.sleep(seconds)
        return 100 * (processor_s(place.web.process.pid) - before) / seconds


async def measured(place: Place, directory: Path, streams: int, seconds: float, calls: float) -> None:
    live = Live(place.redis_url)
    await live.start()
    try:
        await signed_in(place, live)
        traffic = Traffic(live, calls, {})
        given = await tokens(place.dsn, [AGENTS[n % len(AGENTS)] for n in range(streams)])
        nothing = await alone(place, traffic, seconds)
        print(
            f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; {calls} calls a second, {seconds:.0f} s each"
        )
        heads = ("% of a", "of 100", "kB", "rings →", "told", "sent →", "read", "", "")
        units = ("core", "streams", "each", "p50 ms", "p99", "p50 ms", "p99", "news", "kB")
        for names in (heads, units):
            print(f"{'':36}" + "".join(f"{name:>{10 if n == 1 else 8}}" for n, name in enumerate(names)))
        print(f"{'the web, nobody looks':36}{nothing:8.1f}")
        for name, path in (("desks", "/live"), ("boards", "/live?board=1")):
            found = await web(place, directory, traffic, path, given, seconds)
            print(found.told(f"{streams} {name}", streams, nothing), flush=True)
            plain = await floor(directory, given, seconds, found)
            print(plain.told("  floor: as much by a bare Sanic", streams), flush=True)
    finally:
        await live.close()


def main(streams: int, seconds: float, calls: float) -> None:
    with (
        services.postgres() as server,
        services.redis() as store,
        tempfile.TemporaryDirectory(prefix="lcall-bench-") as home,
    ):
        asyncio.run(_prepared(server))
        with serving(made(server, "desktops", "desktops_template", store.url), store.url, Path(home)) as place:
            asyncio.run(measured(place, Path(home), streams, seconds, calls))


async def _prepared(server: services.Postgres) -> None:
    await server.run("create database desktops_template")
    await migrate(server.dsn("desktops_template"))


if __name__ == "__main__":
    if sys.argv[1:2] == ["bare"]:
        bare(int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
    else:
        wanted = [float(word) for word in sys.argv[1:]] + [STREAMS, SECONDS, CALLS][len(sys.argv) - 1 :]
        main(int(wanted[0]), wanted[1], wanted[2])
