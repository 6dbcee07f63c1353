"""A center for tests: started by the runner as a person would, in an LCALL_HOME and at a port base of its own."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ops import state
from ops.home import CHECKOUT, Home, locked
from ops.ports import Ports, ports
from ops.services import NODES
from ops.state import Status

# Each takes some of base … base + 3199: below the ports that Linux gives to clients, and none of the demo world's own.
PORT_BASES: Final = (1100, 4300, 8500, 11700, 14900, 18100, 27700)
# of the services: those that calls need, and that write down what became of them (LCALL_ONLY)
CALL_PATH: Final = "postgres,redis,redis-rtpengine,rtpengine,mixer,migrate,seed,kamailio,lq1,lq2,api,journal,recorder"
FREE_WITHIN_S: Final = 300.0  # other tests, and other sessions, end theirs
START_S: Final = 90.0
STOP_S: Final = 45.0


class CenterError(Exception):
    """The center did not do what the test relies on; its last log lines stand in the text."""


@dataclass(slots=True)
class Center:
    """`pid`, `kill`, `freeze` and `log` take a name of the service table: postgres, kamailio, lq1, api …"""

    path: Path  # LCALL_HOME
    port_base: int
    environ: dict[str, str] = field(default_factory=dict)  # beyond ours, e.g. LCALL_ONLY
    prefix: tuple[str, ...] = ()  # words before the runner's, e.g. setpriv
    _runner: subprocess.Popen[bytes] | None = None
    _reservation: int = -1  # the lock file of the port base

    @property
    def home(self) -> Home:
        return Home(self.path)

    @property
    def ports(self) -> Ports:
        return ports({**self.environ, "LCALL_PORT_BASE": str(self.port_base)})

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.ports.api}"

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.ports.web}"

    @property
    def token(self) -> str:
        return self.home.sdk_token.read_text().strip()

    @property
    def environment(self) -> dict[str, str]:
        """For programs that find the center by their environment: `lcall`, the demonstration call."""
        own = {
            "LCALL_HOME": str(self.path),
            "LCALL_PORT_BASE": str(self.port_base),
            "LCALL_API": self.api,
            "LCALL_SDK_TOKEN_FILE": str(self.home.sdk_token),
            "PYTHONPATH": str(CHECKOUT),
        }
        return {**os.environ, **own, **self.environ}

    # -- its life ------------------------------------------------------------------------------------------------------

    def start(self, *, together_with: int) -> None:
        """Returns when everything is ready; the center ends with that process at the latest. Raises CenterError."""
        heard, told = os.pipe()
        try:
            self.begin("--ready-fd", str(told), together_with=together_with, keep_open=(told,))
            os.close(told)
            readable, _, _ = select.select([heard], [], [], START_S)
            ready = bool(readable) and os.read(heard, 16) == b"ready\n"
        finally:
            os.close(heard)
        if not ready:
            said = tail(self.path / "up.log", 40)
            self.stop()
            raise CenterError(f"the center in {self.path} does not start:\n{said}")

    def begin(
        self, *words: str, together_with: int, output: int | None = None, keep_open: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        """The runner, waiting for nothing; what it says goes to up.log unless `output` is given."""
        self.path.mkdir(parents=True, exist_ok=True)
        kept = [*keep_open, *([self._reservation] if self._reservation >= 0 else [])]
        with (self.path / "up.log").open("ab") as log:
            self._runner = subprocess.Popen(
                [
                    *self.prefix,
                    sys.executable,
                    "-m",
                    "ops.cli",
                    "up",
                    "--no-demo",
                    "--while",
                    str(together_with),
                    *words,
                ],
                cwd=CHECKOUT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log if output is None else output,
                stderr=subprocess.STDOUT,
                pass_fds=kept,
                start_new_session=True,
            )
        return self._runner

    def kill_runner(self, number: signal.Signals) -> int:
        """Sends the signal to the runner and waits for its end; returns its status."""
        assert self._runner is not None, "this process has started no runner"
        self._runner.send_signal(number)
        status = self._runner.wait(STOP_S)
        self._runner = None
        return status

    def leave(self) -> None:
        """It goes on when this process ends; whoever is told of its LCALL_HOME stops it."""
        if self._runner is not None:
            self._runner.returncode = 0  # or Popen would warn that nobody has waited for it
            self._runner = None

    def stop(self) -> None:
        """Ends the center and waits until nothing of it is left."""
        found = state.read(self.home)
        if self._runner is not None:
            self._runner.terminate()
            self._runner.wait(STOP_S)
            self._runner = None
        elif found and locked(self.home):  # another process of this session started it
            os.kill(found.runner, signal.SIGTERM)
        until = time.monotonic() + STOP_S
        while locked(self.home):
            if time.monotonic() > until:
                raise CenterError(f"the center in {self.path} has not ended within {STOP_S:.0f} s")
            time.sleep(0.02)
        if self._reservation >= 0:
            os.close(self._reservation)
            self._reservation = -1

    # -- its services --------------------------------------------------------------------------------------------------

    def status(self, service: str) -> Status:
        found = state.read(self.home)
        assert found is not None, f"no center was started in {self.path}"
        return found.of(service)

    @property
    def runner(self) -> int:
        found = state.read(self.home)
        assert found is not None, f"no center was started in {self.path}"
        return found.runner

    def pid(self, service: str) -> int:
        """Raises CenterError while it has no process."""
        pid = self.status(service).pid
        if not pid:
            raise CenterError(f"{service} is not running")
        return pid

    def kill(self, service: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Sends the signal to the service's first process and returns its pid."""
        pid = self.pid(service)
        os.kill(pid, number)
        return pid

    def freeze(self, service: str) -> None:
        """SIGSTOP to all its processes: it keeps its connections and answers nothing."""
        signal_tree(self.pid(service), signal.SIGSTOP)

    def thaw(self, service: str) -> None:
        signal_tree(self.pid(service), signal.SIGCONT)

    async def back(self, service: str, killed: int, within_s: float = 15.0) -> int:
        """Waits until the service is ready with another process than the killed one; returns its pid."""
        async with asyncio.timeout(within_s):
            while True:
                status = self.status(service)
                if status.state == "ready" and status.pid not in (0, killed):
                    return status.pid
                await asyncio.sleep(0.02)

    def node_of(self, incarnation: str) -> str:
        """The service that an `i=` belongs to."""
        return next(node for node in NODES if incarnation.startswith(f"{node}-"))

    def log(self, service: str) -> str:
        return (self.home.log / f"{service}.log").read_text(encoding="utf-8", errors="replace")

    def logs(self, lines: int = 15) -> Mapping[str, str]:
        """The end of every log that is not empty."""
        files = [self.path / "up.log", *sorted(self.home.log.glob("*.log"))]
        return {file.stem: tail(file, lines) for file in files if file.exists() and file.stat().st_size}


def reserve(path: Path, environ: Mapping[str, str] | None = None) -> Center:
    """A center in `path` at ports that nobody uses, ours until it is stopped. Waits while all are in use."""
    until = time.monotonic() + FREE_WITHIN_S
    while time.monotonic() < until:
        if center := _reserved(path, environ):
            return center
        time.sleep(0.2)
    raise CenterError(f"none of the port bases {PORT_BASES} is free")


def _reserved(path: Path, environ: Mapping[str, str] | None) -> Center | None:
    network = os.stat("/proc/self/ns/net").st_ino  # each network namespace has all ports to itself
    for base in PORT_BASES:
        lock = os.open(f"/tmp/lcall-ports-{network}-{base}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        if _free(base):
            return Center(path, base, dict(environ or {}), _reservation=lock)
        os.close(lock)
    return None


def _free(base: int) -> bool:
    for port in range(base, base + 100):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as probe:
                if kind == socket.SOCK_STREAM:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    return False
    return True


def tail(file: Path, lines: int) -> str:
    return "\n".join(file.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def tree(pid: int) -> list[int]:
    """The process and all below it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for each in found:  # it grows as we go
        found += children.get(each, ())
    return found


def signal_tree(pid: int, number: signal.Signals) -> None:
    """From the top, until nobody is there whom another forked while we looked."""
    told: set[int] = set()
    while new := [each for each in tree(pid) if each not in told]:
        told.update(new)
        for each in new:
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                os.kill(each, number)
