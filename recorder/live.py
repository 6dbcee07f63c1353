"""Listening to a recording while it runs: the spool is read as rtpengine writes it, and streams as WAV.

A listener connects to the recorder's socket and writes one line, `{"listen": "<recording id>"}`. The answer is a line,
`{"ok": true}` and then a WAV without an end until the recording is over, or `{"ok": false, "error": …}`. He hears what
is said from half a second before he came. Behind the call by: rtpengine's block of 4 kB (0.2 s of two voices, 0.4 s of
one), HOLD and LOOK_S. In a pause nothing comes; what was silent for long is left out, so that he is never behind.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from lq import telemetry
from recorder import spool, wav
from recorder.codecs import RATE
from recorder.pcap import BadPcap, Capture
from recorder.voices import REORDER, Assembler

log = structlog.get_logger()

LOOK_S: Final = 0.05
HOLD: Final = REORDER + 160  # samples: what was overtaken on the way may still come
BEFORE: Final = 16_384  # bytes of the pcap that were written before he came
MOST: Final = 1 << 20  # bytes at a time
BEHIND: Final = 2 * RATE  # samples; more silence than that is left out
LISTENERS: Final = 64
PATIENCE_S: Final = 10.0  # with one who does not take what is sent

COUNT: Final = telemetry.gauge("recorder_listeners", "who listens to a recording that runs")


class NotRunning(Exception):
    """No such recording runs here."""


@dataclass
class Tail:
    """One recording in the spool as it grows. Blocking: for a thread."""

    spools: Sequence[Path]
    recording: str
    _assembler: Assembler = field(default_factory=Assembler)
    _file: BinaryIO | None = None
    _capture: Capture = field(default_factory=Capture)

    def begin(self) -> None:
        """Raises NotRunning."""
        running = spool.running(self.spools, self.recording)
        if running is None:
            raise NotRunning
        if running.pcap is not None:
            self._open(running, before=BEFORE)

    def more(self) -> bytes | None:
        """What can be heard since the last time, stereo A-law; None: the recording is over, and all of it was heard."""
        running = spool.running(self.spools, self.recording)
        self._read()
        if running is None:
            self._assembler.finish()
            return self._give(max(channel.end for channel in self._assembler.channels)) or None
        try:
            if running.pcap is not None and not self._reads(running.pcap):
                self._read()  # what was written before it was moved
                self._open(running)
                self._read()
        except FileNotFoundError:
            pass  # rtpengine is being started again: the next look finds what it writes then
        return self._give(self._assembler.newest - HOLD)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _open(self, running: spool.Running, before: int | None = None) -> None:
        assert running.pcap is not None
        self.close()
        self._file = running.pcap.open("rb")
        self._capture = Capture()
        self._assembler.part(running.left, running.right, running.codecs)
        if before is not None and os.fstat(self._file.fileno()).st_size > before + 24:
            self._feed(self._file.read(24))
            self._file.seek(-before, os.SEEK_END)

    def _reads(self, pcap: Path) -> bool:
        """It is the file that we read: rtpengine begins another of the same name after its restart."""
        return self._file is not None and os.path.samestat(os.fstat(self._file.fileno()), pcap.stat())

    def _read(self) -> None:
        if self._file is not None:
            self._feed(self._file.read(MOST))

    def _feed(self, data: bytes) -> None:
        for packet in self._capture.feed(data):
            self._assembler.feed(packet)

    def _give(self, upto: int) -> bytes:
        left, right = self._assembler.channels
        if upto - left.base > BEHIND:
            for channel in (left, right):
                channel.take(upto - BEHIND // 2)
        if upto <= left.base:
            return b""
        out = bytearray(2 * (upto - left.base))
        out[0::2], out[1::2] = left.take(upto), right.take(upto)
        return bytes(out)


class Listening:
    """The socket: a path, or `host:port` of the inner network."""

    def __init__(self, spools: Sequence[Path], address: str) -> None:
        self._spools, self._address = spools, address
        self._listeners: set[asyncio.Task[None]] = set()

    async def run(self, leave: asyncio.Event) -> None:
        server = await self._server()
        await leave.wait()
        server.close()
        for task in self._listeners:
            task.cancel()
        await asyncio.gather(*self._listeners, return_exceptions=True)

    async def _server(self) -> asyncio.Server:
        if "/" not in self._address:
            host, _, port = self._address.rpartition(":")
            return await asyncio.start_server(self._come, host, int(port))
        Path(self._address).unlink(missing_ok=True)  # noqa: ASYNC240 (once, at the start)
        before = os.umask(0o177)  # who may connect hears calls
        try:
            return await asyncio.start_unix_server(self._come, self._address)
        finally:
            os.umask(before)

    async def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._listeners.add(task)
        COUNT.set(len(self._listeners))
        try:
            await self._serve(reader, writer)
        except (OSError, TimeoutError, asyncio.LimitOverrunError, ValueError, BadPcap) as error:
            log.info("a listener left", error=repr(error))
        finally:
            self._listeners.discard(task)
            COUNT.set(len(self._listeners))
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(PATIENCE_S):
            asked = json.loads(await reader.readline())
        tail = Tail(self._spools, str(asked["listen"]) if isinstance(asked, dict) and "listen" in asked else "")
        try:
            error = "busy" if len(self._listeners) > LISTENERS else ""
            try:
                await asyncio.to_thread(tail.begin)
            except NotRunning:
                error = error or "not_running"
            writer.write(json.dumps({"ok": not error, "error": error}).encode() + b"\n")
            if not error:
                writer.write(wav.endless(2))
                await _stream(tail, writer)
        finally:
            tail.close()


async def _stream(tail: Tail, writer: asyncio.StreamWriter) -> None:
    while (heard := await asyncio.to_thread(tail.more)) is not None:
        writer.write(heard)
        async with asyncio.timeout(PATIENCE_S):
            await writer.drain()
        if writer.is_closing():
            return
        await asyncio.sleep(LOOK_S)
