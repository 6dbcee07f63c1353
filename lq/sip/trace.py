"""The SIP trace of a node: every message with its contact and leg, in bounded files and, if wanted, to a HEP server.

The loop only appends to a bounded list. 20 ms later what came is given its contact (which a first INVITE has
only by then) and handed to a thread, which redacts and writes. Whoever is behind loses messages and counts them; calls
never wait. A file is JSON lines, one message each (docs/contracts.md §4); keep-alives (OPTIONS of no contact) are left
out.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import re
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

import structlog

from lq import telemetry
from lq.sip import hep
from lq.sip.events import Address

log = structlog.get_logger()
LOST: Final = telemetry.counter("sip_trace_lost", "SIP messages that were not traced, for the disk was behind")

HAND_OVER_S: Final = 0.02  # what a kill takes with it
WAITING: Final = 250  # messages between two hand-overs
BATCHES: Final = 200  # in front of the thread: a disk may pause for some seconds
CALLS: Final = 20_000  # Call-IDs whose contact is remembered
FILE_BYTES: Final = 8 << 20
FILE_S: Final = 3600.0
KEEP_BYTES: Final = 256 << 20  # of a node
KEEP_S: Final = 72 * 3600.0
HEP_MOST: Final = 60_000  # bytes of a message
SUFFIX: Final = ".sip.jsonl"

Place = tuple[str, str]  # contact id, leg id or "acd"
_Waiting = tuple[int, Literal["in", "out"], bytes, Address, str | None, str, Place | None]
NOWHERE: Final[Place] = ("", "")

_CALL_ID: Final = re.compile(rb"^(?:call-id|i)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_ACD: Final = re.compile(rb"INVITE sip:[^\s@]+@acd\.lq\.internal[ ;]")
_CONTACT: Final = re.compile(rb"^X-LQ-Contact[ \t]*:[ \t]*([^\s;]+)", re.IGNORECASE | re.MULTILINE)
_KEEP_ALIVE: Final = re.compile(rb"^CSeq[ \t]*:[ \t]*\d+[ \t]+OPTIONS\b", re.IGNORECASE | re.MULTILINE)
_TRANSPORT: Final = re.compile(rb"SIP/2\.0/(TCP|UDP|TLS|WSS?)\b")

# What nobody may read in a trace: answers to challenges, SRTP keys (RFC 4568), keys that a caller pressed (SIP INFO).
_SECRETS: Final = (
    (
        re.compile(rb"^((?:Proxy-)?Authorization[ \t]*:[ \t]*\w+)[^\r\n]*(?:\r?\n[ \t]+[^\r\n]*)*", re.I | re.M),
        rb"\1 ***",
    ),
    (re.compile(rb"(\binline:)[^\s|;]+", re.I), rb"\1***"),
    (re.compile(rb"^(a=ice-pwd:)\S+", re.M), rb"\1***"),
    (re.compile(rb"^(Signal[ \t]*=[ \t]*)\S+", re.I | re.M), rb"\1*"),
)
_DTMF: Final = re.compile(rb"\r\n(?:Content-Type|c)[ \t]*:[ \t]*application/dtmf(?!-)[^\r\n]*(?=\r\n)", re.I)


def redacted(message: bytes) -> bytes:
    """The message without credentials, media keys and pressed keys."""
    for pattern, instead in _SECRETS:
        message = pattern.sub(instead, message)
    found = _DTMF.search(message)
    end = message.find(b"\r\n\r\n", found.end()) + 4 if found else 0
    return message[:end] + b"*" if 4 <= end < len(message) else message


@dataclass(frozen=True, slots=True)
class Message:
    at_us: int  # of the epoch
    direction: Literal["in", "out"]
    local: Address
    peer: Address
    data: bytes
    place: Place
    call: str


def line(node: str, message: Message) -> bytes:
    """As it stands in a file; `data` without secrets."""
    contact, leg = message.place
    document = {
        **{"at": message.at_us // 1000, "node": node, "direction": message.direction},
        **{"local": "{}:{}".format(*message.local), "peer": "{}:{}".format(*message.peer[:2])},
        **{"contact": contact, "leg": leg, "call": message.call},
        "data": redacted(message.data).decode("utf-8", "backslashreplace"),
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class Sink(Protocol):
    """Where traced messages go; called in the thread, also with none, so that it may tidy up."""

    def put(self, node: str, batch: Sequence[Message]) -> None: ...

    def close(self) -> None: ...


class Trace:
    """`Shell.trace`. `where` says whose a session is now; it is asked in the loop."""

    def __init__(self, node: str, local: Address, where: Callable[[str], Place | None], sinks: Sequence[Sink]) -> None:
        self._local, self._where = local, where
        self._waiting: list[_Waiting] = []
        self._calls: OrderedDict[str, Place] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._writer = Writer(node, sinks)
        self.dropped = 0  # messages lost because the disk or this process was behind

    def __call__(self, direction: Literal["in", "out"], data: bytes, peer: Address, session: str | None) -> None:
        if len(self._waiting) >= WAITING:
            self._lose(1)
            return
        found = _CALL_ID.search(data)
        call = found[1].rstrip(b" \t").decode("utf-8", "replace") if found else ""
        place = self._learn(call, session, data)
        self._waiting.append((time.time_ns() // 1000, direction, data, peer, session, call, place))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(HAND_OVER_S, self._hand_over)

    async def close(self) -> None:
        """Writes what waits; takes a second at most."""
        if self._timer is not None:
            self._timer.cancel()
            self._hand_over()
        await asyncio.to_thread(self._writer.close)

    def _learn(self, call: str, session: str | None, data: bytes) -> Place | None:
        """Whose it is, if its session says so; remembered for what comes without one. Two contacts that this node has
        may talk with each other (Replaces): one Call-ID, and a session of each."""
        place = (self._where(session) if session else None) or _asked(data)
        if place is not None and call:
            self._calls[call] = place
            if len(self._calls) > CALLS:
                self._calls.popitem(last=False)
        return place

    def _hand_over(self) -> None:
        self._timer = None
        waiting, self._waiting = self._waiting, []
        batch = []
        for at_us, direction, data, peer, session, call, known in waiting:
            # of a first INVITE the contact was made since it came
            place = known or self._learn(call, session, data) or self._calls.get(call, NOWHERE)
            if place != NOWHERE or not _KEEP_ALIVE.search(data):
                batch.append(Message(at_us, direction, self._local, peer, data, place, call))
        if not self._writer.take(batch):
            self._lose(len(batch))

    def _lose(self, count: int) -> None:
        self.dropped += count
        LOST.inc(count)


def _asked(data: bytes) -> Place | None:
    """A question to the ACD names its contact."""
    found = _CONTACT.search(data) if _ACD.match(data) else None
    return (found[1].decode("utf-8", "replace"), "acd") if found else None


class Writer:
    """The thread in front of the disk. What cannot be written is lost, said once, and tried anew with the next."""

    def __init__(self, node: str, sinks: Sequence[Sink]) -> None:
        self._node, self._sinks = node, sinks
        self._batches: queue.Queue[list[Message] | None] = queue.Queue(BATCHES)
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="sip trace", daemon=True)
        self._thread.start()

    def take(self, batch: list[Message]) -> bool:
        try:
            self._batches.put_nowait(batch)
        except queue.Full:
            return False
        return True

    def close(self) -> None:
        if self.take([]):
            self._batches.put(None)
        self._thread.join(1.0)

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            for sink in self._sinks:
                try:
                    sink.put(self._node, batch)
                except (OSError, ValueError) as error:  # HEP takes no message whose peer has no IP address
                    self._failed(error)
                else:
                    self._failing = False
        for sink in self._sinks:
            sink.close()

    def _failed(self, error: Exception) -> None:
        if not self._failing:
            log.warning("SIP messages cannot be traced", error=str(error))
        self._failing = True


class Files:
    """`<directory>/<node>-<ms>.sip.jsonl`, readable by their owner only; at most `keep_bytes` a node, none older than
    `keep_s`."""

    def __init__(
        self, directory: Path, *, file_bytes: int = FILE_BYTES, keep_bytes: int = KEEP_BYTES, keep_s: float = KEEP_S
    ) -> None:
        self._directory, self._file_bytes, self._keep_bytes, self._keep_s = directory, file_bytes, keep_bytes, keep_s
        self._file = -1
        self._size = 0
        self._until = 0.0

    def put(self, node: str, batch: Sequence[Message]) -> None:
        if self._size >= self._file_bytes or time.monotonic() >= self._until:
            self._end()
            self._sweep(node)
        if batch:
            if self._file < 0:
                self._begin(node)
            self._size += os.write(self._file, b"".join(line(node, message) for message in batch))

    def close(self) -> None:
        self._end()

    def _end(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file, self._size, self._until = -1, 0, time.monotonic() + FILE_S

    def _begin(self, node: str) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{node}-{time.time_ns() // 1_000_000}{SUFFIX}"
        self._file = os.open(self._directory / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _sweep(self, node: str) -> None:
        """Everybody's files that are too old, and our own oldest while they are too many."""
        oldest = time.time() - self._keep_s
        room = self._keep_bytes - self._file_bytes
        for path in sorted(self._directory.glob(f"*{SUFFIX}"), reverse=True):
            state = path.stat()
            ours = path.name.rpartition("-")[0] == node
            room -= state.st_size if ours else 0
            if state.st_mtime < oldest or (ours and room < 0):
                path.unlink(missing_ok=True)


class Hep:
    """To a capture server by UDP, without waiting; correlation id = contact id."""

    def __init__(self, server: Address) -> None:
        self._server = server
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def put(self, node: str, batch: Sequence[Message]) -> None:
        for message in batch:
            self._socket.sendto(datagram(message), self._server)

    def close(self) -> None:
        self._socket.close()


def datagram(message: Message) -> bytes:
    ends = (message.peer, message.local) if message.direction == "in" else (message.local, message.peer)
    found = _TRANSPORT.search(message.data)
    return hep.encode(
        message.at_us,
        *ends,
        redacted(message.data)[:HEP_MOST],
        correlation=message.place[0],
        transport=found[1].decode() if found else "UDP",
    )
