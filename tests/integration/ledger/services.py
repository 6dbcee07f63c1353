"""Real PostgreSQL and Redis of a test's own: a temporary directory, a free port, ended by their process group."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from tests.center import signal_tree, tree

CHECKOUT = Path(__file__).resolve().parents[3]
POSTGRES_BIN = Path("/usr/lib/postgresql/15/bin")
PORTS = range(24500, 25300)


def free_port() -> int:
    """A port of our range on which nothing listens now; workers start at different places of it."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for n in range(len(PORTS)):
        port = PORTS[(worker * 200 + os.getpid() + n) % len(PORTS)]
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port in our range")


@contextlib.contextmanager
def temporary_directory(name: str) -> Iterator[Path]:
    """One that another user (postgres) may walk through."""
    path = Path(tempfile.mkdtemp(prefix=f"lcall-{name}-", dir="/tmp"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def until(condition: Callable[[], bool], process: subprocess.Popen[bytes], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None:
            raise RuntimeError(f"{what} ended with {process.returncode} before it was ready")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} was not ready after {seconds} s")
        time.sleep(0.02)


@dataclass
class Service:
    """A running program; `freeze` and `thaw` are SIGSTOP and SIGCONT of all its processes."""

    process: subprocess.Popen[bytes]

    def pids(self) -> list[int]:
        return tree(self.process.pid)

    def freeze(self) -> None:
        signal_tree(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        signal_tree(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class Postgres(Service):
    directory: Path
    port: int

    def dsn(self, database: str = "postgres") -> str:
        return f"postgresql://lcall@127.0.0.1:{self.port}/{database}"

    async def run(self, sql: str, database: str = "postgres") -> None:
        connection = await asyncpg.connect(self.dsn(database))
        try:
            await connection.execute(sql)
        finally:
            await connection.close()


def _as_postgres() -> dict[str, object]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextlib.contextmanager
def postgres(*settings: str) -> Iterator[Postgres]:
    """`settings`: name=value, beyond ours."""
    with temporary_directory("pg") as home:
        if os.geteuid() == 0:
            shutil.chown(home, "postgres", "postgres")
        initdb = [
            POSTGRES_BIN / "initdb",
            "-D",
            home / "data",
            "-U",
            "lcall",
            "--no-sync",
            "--auth=trust",
            "-E",
            "UTF8",
        ]
        subprocess.run([*initdb, "--locale=C.UTF-8"], check=True, capture_output=True, **_as_postgres())  # type: ignore[call-overload]
        port = free_port()
        argv = [POSTGRES_BIN / "postgres", "-D", home / "data", "-k", home, "-p", str(port), "-h", "127.0.0.1"]
        for setting in ("fsync=off", "shared_buffers=32MB", *settings):
            argv += ["-c", setting]
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True, **_as_postgres())  # type: ignore[call-overload]
        server = Postgres(process, home, port)
        ready = [POSTGRES_BIN / "pg_isready", "-q", "-h", home, "-p", str(port)]
        try:
            until(lambda: subprocess.run(ready, check=False).returncode == 0, process, "PostgreSQL")
            yield server
        finally:
            with contextlib.suppress(ProcessLookupError):
                server.thaw()
            server.kill()


@dataclass
class Redis(Service):
    directory: Path
    port: int

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def restart(self) -> None:
        """Killed, and started again on what it had written."""
        self.kill()
        self.process = start_redis(self.directory, self.port).process


def start_redis(home: Path, port: int) -> Redis:
    argv = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(home), "--save", ""]
    argv += ["--appendonly", "yes", "--appendfsync", "everysec"]
    with (home / "redis.log").open("ab") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
    server = Redis(process, home, port)
    ping = ["redis-cli", "-p", str(port), "ping"]
    until(lambda: subprocess.run(ping, capture_output=True, check=False).stdout == b"PONG\n", process, "Redis")
    return server


@contextlib.contextmanager
def redis() -> Iterator[Redis]:
    with temporary_directory("redis") as home:
        server = start_redis(home, free_port())
        try:
            yield server
        finally:
            with contextlib.suppress(ProcessLookupError):
                server.thaw()
            server.kill()


@dataclass
class Program(Service):
    """A `python -m …` of the project, its log in a file."""

    log: Path
    environ: dict[str, str]

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


@contextlib.contextmanager
def program(module: str, environ: dict[str, str], log: Path) -> Iterator[Program]:
    python = CHECKOUT / ".venv/bin/python"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [python, "-m", module],
            cwd=CHECKOUT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), **environ},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    running = Program(process, log, environ)
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.thaw()
        running.kill()


async def eventually(condition: Callable[[], object], what: str, seconds: float = 30) -> object:
    """The first true answer of `condition` (sync or async), or an AssertionError that says what did not come."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        await asyncio.sleep(0.02)
