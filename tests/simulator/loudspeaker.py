"""What comes out of a browser's loudspeaker: a PulseAudio of its own, whose only sink is heard by the test alone.

async with Loudspeaker(directory) as speaker:
    chromium.launch(env=os.environ | speaker.environment, ignore_default_args=["--mute-audio"])
    await speaker.hears(440)

A page's WebAudio is no ear for a call: of a track whose SSRCs nobody announced, as rtpengine's, Chromium gives it the
newest one alone (libwebrtc, WebRtcVoiceReceiveChannel::MaybeCreateDefaultReceiveStream), while it plays all of them.
"""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.simulator import hearing
from tests.simulator.audio import RATE, Samples
from tests.simulator.baresip import ON_DIED
from tests.simulator.hearing import Heard
from tests.simulator.tail import HEADER, Tail

START_S: Final = 15.0
LOOK_EVERY_S: Final = 0.05
SINK: Final = "speaker"


class Loudspeaker:
    def __init__(self, directory: Path) -> None:
        self._directory, self._stack, self.ear = directory, AsyncExitStack(), Tail()

    @property
    def environment(self) -> dict[str, str]:
        """Of who plays at it."""
        return {"PULSE_SERVER": f"unix:{self._directory / 'socket'}", "HOME": str(self._directory)}

    async def __aenter__(self) -> Self:
        """Returns when it is heard."""
        self._directory.mkdir(mode=0o700)
        sink = f"module-null-sink sink_name={SINK} rate=48000 channels=1"
        door = f"module-native-protocol-unix socket={self._directory / 'socket'} auth-anonymous=1"
        wav = self._directory / "heard.wav"
        record = ("parec", f"--device={SINK}.monitor", f"--rate={RATE}", "--channels=1", "--latency-msec=20")
        try:
            quiet = ("-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm")
            await self._run("pulseaudio", *quiet, f"--load={sink}", f"--load={door}")
            await self._until(lambda: (self._directory / "socket").exists())
            await self._run(*record, "--format=s16le", "--file-format=wav", str(wav))
            await self._until(lambda: wav.exists() and wav.stat().st_size > HEADER)
        except BaseException:
            await self._stack.aclose()
            raise
        self.ear.open(wav)
        following = asyncio.create_task(self.ear.follow())
        self._stack.callback(following.cancel)
        self._stack.callback(self.ear.finish)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def hears(self, known: Samples | int, within_s: float = 20.0) -> Heard:
        """Waits until it says it from now on, by content. Raises hearing.NotHeard."""
        return await hearing.hears(self.ear, known, within_s, since=self.ear.length / RATE)

    async def _run(self, *command: str) -> None:
        log = (self._directory / f"{command[0]}.log").open("wb")
        with log:
            process = await asyncio.create_subprocess_exec(
                *(*ON_DIED, *command), env=os.environ | self.environment, stdout=log, stderr=log
            )
        self._stack.push_async_callback(_end, process)

    async def _until(self, is_so: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(START_S):
                while not is_so():  # noqa: ASYNC110 - a file of another process
                    await asyncio.sleep(LOOK_EVERY_S)
        except TimeoutError:
            said = {log.name: log.read_text() for log in self._directory.glob("*.log")}
            raise AssertionError(f"the loudspeaker does not work: {said}") from None


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()
