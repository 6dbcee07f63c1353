"""From an empty LCALL_HOME to ready, beside the floor: initdb, PostgreSQL, Redis and Kamailio started bare.

    python -m tests.bench.start [rounds]

Seconds by the clock, and of the processors (all that was started, to the end of it): a machine that does other work
lengthens the first, not the second.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ops import probes
from ops.home import database_user
from ops.preparation import postgres_bin
from tests.center import Center, reserve

ROUNDS: Final = 3
WITHIN_S: Final = 60.0
KAMAILIO: Final = """\
#!KAMAILIO
log_stderror=yes
auto_aliases=no
listen=udp:127.0.0.1:{port}
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules"
loadmodule "sl.so"
request_route {{ sl_send_reply("200", "OK"); }}
"""


@dataclass(frozen=True, slots=True)
class Took:
    clock_s: float
    processor_s: float


def measured(start: Callable[[], Callable[[], None]]) -> Took:
    """`start` returns when everything is ready, and gives what ends it."""
    before, began = _processor(), time.monotonic()
    end = start()
    clock = time.monotonic() - began
    end()
    return Took(clock, _processor() - before)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def center(directory: Path) -> Took:
    reserved = reserve(directory)

    def start() -> Callable[[], None]:
        reserved.start(together_with=os.getpid())
        return reserved.stop

    return measured(start)


def floor(directory: Path) -> Took:
    """The programs alone, all at once, nothing configured, nobody watching."""
    reserved = reserve(directory)
    try:
        return measured(lambda: _bare(reserved))
    finally:
        reserved.stop()


def _bare(center: Center) -> Callable[[], None]:
    place, ports, bin = center.path, center.ports, postgres_bin(center.path / "none")
    place.mkdir(parents=True)
    user = database_user() or None
    if user:
        os.chown(place, pwd.getpwnam(user).pw_uid, -1)
    with (place / "log").open("ab") as log:

        def run(*words: str, user: str | None = None) -> subprocess.Popen[bytes]:
            return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=place, user=user)

        config = place / "kamailio.cfg"
        config.write_text(KAMAILIO.format(port=ports.sip))
        started = [
            run("redis-server", "--port", str(ports.redis), "--bind", "127.0.0.1", "--save", ""),
            run("kamailio", "-f", str(config), "-DD", "-E", "-Y", str(place), "-w", str(place)),
        ]
        data = str(place / "data")
        run(str(bin / "initdb"), "-D", data, "-U", "postgres", "--no-sync", user=user).wait()
        options = ("-p", str(ports.postgres), "-c", f"unix_socket_directories={place}")
        started.append(run(str(bin / "postgres"), "-D", data, *options, user=user))
    redis, kamailio, postgres = started
    asyncio.run(
        _ready(
            (probes.Redis(ports.redis), redis.pid),
            (probes.Sip(ports.sip), kamailio.pid),
            (probes.Postgres(place, ports.postgres, "postgres", "postgres"), postgres.pid),
        )
    )

    def end() -> None:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()

    return end


async def _ready(*asked: tuple[probes.Probe, int]) -> None:
    async with asyncio.timeout(WITHIN_S):
        for probe, pid in asked:
            while not await probes.answers(probe, pid):  # noqa: ASYNC110 - another process is waited for
                await asyncio.sleep(0.02)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    directory = Path(tempfile.mkdtemp(prefix="lcall-bench-", dir="/tmp"))
    directory.chmod(0o755)
    print(f"{os.cpu_count()} processors, {os.getloadavg()[0]:.1f} processes busy before\n")
    print("round   floor: clock s  processor s   center: clock s  processor s")
    try:
        for n in range(1, rounds + 1):
            bare, whole = floor(directory / f"floor{n}"), center(directory / f"center{n}")
            figures = (bare.clock_s, bare.processor_s, whole.clock_s, whole.processor_s)
            print(f"{n:5} {figures[0]:16.2f} {figures[1]:12.2f} {figures[2]:17.2f} {figures[3]:12.2f}", flush=True)
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
