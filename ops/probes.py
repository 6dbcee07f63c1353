"""Is this service ready? One question for each kind, to its own instance and without a library."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ops import resp
from ops.owners import holds

TIMEOUT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Postgres:
    socket_dir: Path  # its own, so that no other instance can answer
    port: int
    user: str
    database: str


@dataclass(frozen=True, slots=True)
class Redis:
    port: int
    user: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Ng:
    """rtpengine's control protocol over UDP."""

    port: int


@dataclass(frozen=True, slots=True)
class Sip:
    """OPTIONS over UDP."""

    port: int
    host: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Http:
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class Mixer:
    socket: Path


@dataclass(frozen=True, slots=True)
class Touched:
    """A file that the process makes when it is ready; removed before its start."""

    file: Path


Probe = Postgres | Redis | Ng | Sip | Http | Mixer | Touched


async def answers(probe: Probe, pid: int) -> bool:
    """Whether this process serves now, not another in its place; never raises, never takes longer than a second."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return not _is_stopped(pid) and await _ask(probe, pid)
    except (OSError, TimeoutError, EOFError, ValueError, resp.Refused):
        return False


async def hangs(probe: Probe, pid: int) -> bool:
    """Whether this process runs and does not answer. Who was stopped does not run, nor who has ended."""
    try:
        return not (_is_stopped(pid) or await answers(probe, pid))
    except OSError:
        return False


async def _ask(probe: Probe, pid: int) -> bool:
    match probe:
        case Postgres():
            return await _postgres(probe)
        case Redis():
            return await _redis(probe, pid)
        case Ng(port):
            pong = b"pong" in await _datagram(port, lambda _: f"{os.urandom(8).hex()} d7:command4:pinge".encode())
            return pong and holds(pid, ("udp", port))
        case Sip(port, host):
            ok = (await _datagram(port, _options, host)).startswith(b"SIP/2.0 200")
            return ok and holds(pid, ("udp", port))
        case Http(port, path):
            return await _http(port, path) and holds(pid, ("tcp", port))
        case Mixer(path):
            return await _mixer(path)
        case Touched(file):
            return file.exists()


def _is_stopped(pid: int) -> bool:
    """By SIGSTOP or a debugger: what its files and sockets say is no longer its word."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    return stat.rpartition(")")[2].split()[0] in "Tt"


async def _postgres(probe: Postgres) -> bool:
    """A start-up packet (protocol 3.0); an authentication request is the answer of a server that takes connections."""
    reader, writer = await asyncio.open_unix_connection(str(probe.socket_dir / f".s.PGSQL.{probe.port}"))
    try:
        body = f"user\0{probe.user}\0database\0{probe.database}\0\0".encode()
        writer.write(struct.pack("!ii", len(body) + 8, 3 << 16) + body)
        return await reader.readexactly(1) == b"R"
    finally:
        writer.close()


async def _redis(probe: Redis, pid: int) -> bool:
    async with resp.connect("127.0.0.1", probe.port, probe.user, probe.password) as redis:
        info = str(await redis.call("INFO"))
    facts = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    return facts.get("loading") == "0" and facts.get("process_id") == str(pid)


async def _http(port: int, path: str) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        return b" 200 " in await reader.readline()
    finally:
        writer.close()


async def _mixer(path: Path) -> bool:
    reader, writer = await asyncio.open_unix_connection(str(path))
    try:
        writer.write(b'{"id": 1, "do": "ping"}\n')
        return json.loads(await reader.readline()).get("ok") is True
    finally:
        writer.close()


def _options(port: int) -> bytes:
    branch = f"{os.getpid()}{os.urandom(6).hex()}"
    lines = (
        "OPTIONS sip:ready@127.0.0.1 SIP/2.0",
        f"Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{branch};rport",
        f"From: <sip:ops@127.0.0.1>;tag={branch}",
        "To: <sip:ready@127.0.0.1>",
        f"Call-ID: {branch}@ops",
        "CSeq: 1 OPTIONS",
        f"Contact: <sip:ops@127.0.0.1:{port}>",
        "Max-Forwards: 5",
        "Content-Length: 0",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _datagram(port: int, question: Callable[[int], bytes], host: str = "127.0.0.1") -> bytes:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setblocking(False)
        udp.connect((host, port))
        await loop.sock_sendall(udp, question(udp.getsockname()[1]))
        async with asyncio.timeout(0.3):  # it is asked again soon; a lost datagram must not cost a second
            return await loop.sock_recv(udp, 4096)
