"""A mixer process of the test's own, with prompts that tell what and where they are."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from ops.home import CHECKOUT
from tests.integration.media.endpoint import Endpoint
from tests.simulator import audio


def audible(samples: audio.Samples) -> audio.Samples:
    """Its first and last sample are none of silence: so where it begins and ends can be told."""
    samples[[0, -1]] = 1000
    return samples


PROMPTS: Final = {
    "t/chirp": audible(audio.chirp(30)),
    "t/440": audible(audio.tone(440, 0.4)),
    "t/540": audible(audio.tone(540, 0.4)),
    "t/odd": audible(audio.tone(640, 0.1235)),  # no whole number of frames
    "t/blip": audible(audio.tone(740, 0.02)),
    "t/empty": np.zeros(0, np.int16),
    "t/music": audible(audio.tone(890, 1.0)),
}


def write_prompts(directory: Path) -> Path:
    for name, samples in PROMPTS.items():
        file = directory / f"{name}.al"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(audio.encode(samples))
    return directory


@dataclass
class Control:
    """The socket as bytes: whatever one likes to send."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    events: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0

    async def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        self.count += 1
        return await self.say(json.dumps({"id": self.count, "do": do, **fields}).encode())

    async def ok(self, do: str, **fields: Any) -> dict[str, Any]:
        answer = await self.ask(do, **fields)
        assert answer["ok"], answer
        return answer

    async def say(self, line: bytes) -> dict[str, Any]:
        self.writer.write(line + b"\n")
        while True:
            message = await self._next()
            if "event" not in message:
                return message
            self.events.append(message)

    async def event(self) -> dict[str, Any]:
        return self.events.pop(0) if self.events else await self._next()

    async def _next(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            line = await self.reader.readline()
        assert line, "the mixer closed the connection"
        return dict(json.loads(line))

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            return  # the mixer was killed


@dataclass
class MixerProcess:
    socket: Path
    prompts: Path
    port: int
    controls: list[Control] = field(default_factory=list)
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns when it answers."""
        self.process = await self.spawn()
        assert (await (await self.control()).ask("ping"))["ok"]

    async def spawn(self) -> asyncio.subprocess.Process:
        own = {
            "LQ_MIXER": str(self.socket),
            "LQ_MIXER_RTP": f"127.0.0.1:{self.port}",
            "LQ_PROMPTS": f"{self.prompts}:/nowhere",
        }
        words = (sys.executable, "-m", "lq.media.mixer")
        with (self.socket.parent / "mixer.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(*words, cwd=CHECKOUT, env={**os.environ, **own}, stderr=log)

    async def control(self) -> Control:
        """A connection, as soon as there is one to have."""
        async with asyncio.timeout(10):
            while True:
                try:
                    reader, writer = await asyncio.open_unix_connection(str(self.socket))
                except OSError:
                    assert self.process and self.process.returncode is None, self.log
                    await asyncio.sleep(0.02)
                else:
                    self.controls.append(Control(reader, writer))
                    return self.controls[-1]

    @property
    def log(self) -> str:
        return (self.socket.parent / "mixer.log").read_text()

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self.process is not None
        await self.process.wait()

    async def stop(self) -> None:
        """As the runner does; it must leave with 0, whatever was done to it."""
        for control in self.controls:
            await control.close()
        if self.process is not None and self.process.returncode is None:
            self.signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                assert await self.process.wait() == 0, self.log


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def mixer(tmp_path: Path) -> AsyncIterator[MixerProcess]:
    new = MixerProcess(tmp_path / "mixer.sock", write_prompts(tmp_path / "prompts"), free_port())
    await new.start()
    yield new
    await new.stop()


@pytest.fixture
async def control(mixer: MixerProcess) -> Control:
    return await mixer.control()


@pytest.fixture
async def endpoint() -> AsyncIterator[Callable[[], Awaitable[Endpoint]]]:
    """`await endpoint()`: a leg's place in rtpengine, as the mixer sees it."""
    opened: list[Endpoint] = []

    async def new() -> Endpoint:
        opened.append(await Endpoint.open())
        return opened[-1]

    yield new
    for one in opened:
        await one.close()
