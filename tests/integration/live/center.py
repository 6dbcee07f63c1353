"""Things that the tests of the live state are set in: a Redis, a clock, a small center."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from lq.live import keys, library
from lq.live.redis import Live

FIRST_PORT, PORTS = 23500, 900
REALM = "lcall"
KEPT: set[int] = set()  # given once and for all, though nobody may listen there just now


def _range() -> range:
    """This test process's own part of the room's ports: workers side by side never meet."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    size = PORTS // workers
    return range(FIRST_PORT + number * size, FIRST_PORT + (number + 1) * size)


def free_port(*, keep: bool = False) -> int:
    """A port of ours that nobody listens on; with `keep` nobody else will be given it."""
    ports = _range()
    start = time.monotonic_ns() // 1000
    for n in range(len(ports)):
        port = ports[(start + n) % len(ports)]
        if port in KEPT:
            continue
        try:
            with (
                socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            ):
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
        except OSError:
            continue
        if keep:
            KEPT.add(port)
        return port
    raise RuntimeError("no free port")


def start_redis(directory: Path, port: int | None = None) -> tuple[subprocess.Popen[bytes], str]:
    port = port or free_port()
    arguments = [
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--dir",
        str(directory),
        "--save",
        "",
        "--appendonly",
        "no",
    ]
    process = subprocess.Popen(["redis-server", *arguments], stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    wait_for_redis(url)
    open_at_once(url)
    return process, url


def stop(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def open_at_once(url: str) -> None:
    """A Redis that a test has begun or emptied pairs and adopts at once: nobody has anything to say again to it."""
    with Redis.from_url(url, decode_responses=True) as client:
        client.function_load(library.render(), replace=True)
        client.fcall("tick", 1, keys.TAG, '{"now": 1}')
        client.hdel(f"{keys.TAG}:counters", "closed_until", "up_since")
        client.function_flush("SYNC")


def wait_for_redis(url: str, timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    with Redis.from_url(url) as client:
        while True:
            try:
                client.ping()
                return
            except RedisError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)  # a process that starts offers nothing to wait on


class Clock:
    """Milliseconds that pass when a test says so."""

    def __init__(self, start: int = 1_764_000_000_000) -> None:
        self.now = start

    def __call__(self) -> int:
        return self.now

    def pass_ms(self, ms: int) -> None:
        self.now += ms


def ha1(user: str, password: str) -> str:
    return hashlib.md5(f"{user}:{REALM}:{password}".encode()).hexdigest()


def documents() -> dict[str, dict[str, dict[str, Any]]]:
    """Two queues; 1001–1003 serve sales, 1003–1005 support; phones 8001–8005; gw1."""
    agents = {}
    for n in range(1, 6):
        queues = [q for q, members in (("sales", (1, 2, 3)), ("support", (3, 4, 5))) if n in members]
        agents[f"100{n}"] = {"id": f"100{n}", "name": f"坐席{n}", "queues": queues}
    return {
        "agents": agents,
        "queues": {q: {"id": q, "name": name} for q, name in (("sales", "销售"), ("support", "服务"))},
        "phones": {f"800{n}": {"id": f"800{n}", "ha1": ha1(f"800{n}", f"demo-800{n}")} for n in range(1, 6)},
        "trunks": {"gw1": {"id": "gw1", "address": "127.0.1.1", "port": 5080, "name": "E1 gateway 1"}},
        "settings": {"center": {"id": "center", "realm": REALM}},
    }


async def sign_in(live: Live, agent: str) -> None:
    """The agent's phone registers for an hour and he signs in there."""
    phone = f"8{agent[1:]}"
    await live.phone(phone, True, 3_600_000)
    assert (await live.agent(agent, "sign_in", phone=phone)).state == "ready"


async def contact(live: Live, id: str, node: str = "lq1-aaaaaaaa") -> str:
    await live.commit(id, node=node, epoch=1, snapshot='{"v":1}')
    return id
