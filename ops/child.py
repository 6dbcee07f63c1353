"""A program under its guard (ops/guard.py), as the runner sees it."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

DEAF_S: Final = 2.0
GUARD: Final = str(Path(__file__).with_name("guard.py"))


class Child:
    """Started by `start`; `ended` is done with the exit status, or minus the signal, once nothing of it is left."""

    def __init__(self, guard: asyncio.subprocess.Process, pid: int) -> None:
        self.pid = pid
        self._guard = guard
        self.ended: asyncio.Task[int] = asyncio.create_task(self._until_ended())

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        output: int,
        lock: int,
        cwd: Path,
        user: str = "",
        heard: Path = Path(os.devnull),
        stop: signal.Signals = signal.SIGTERM,
        grace_s: float = 10.0,
        again_s: float = math.inf,
    ) -> Child:
        """Starts the program; `heard` is its stdin, `output` takes what it says, `lock` is held until it has gone."""
        guard = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-I",
                "-S",
                GUARD,
                "--stop",
                stop.name,
                "--grace",
                str(grace_s),
                "--again",
                str(again_s),
                "--user",
                user,
            ),
            *("--input", str(heard), "--", *argv),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=output,
            cwd=cwd,
            env=dict(environment),
            start_new_session=True,
            pass_fds=(lock,),
        )
        assert guard.stdout is not None
        _, _, pid = (await guard.stdout.readline()).decode().partition(" ")
        return cls(guard, int(pid or 0))

    @property
    def running(self) -> bool:
        return not self.ended.done()

    def stop(self) -> None:
        """Asks it to leave; after its grace it is ended."""
        self._tell(b"stop\n")

    def kill(self) -> None:
        """Ends it now; a guard that does not hear is ended too."""
        self._tell(b"kill\n")
        asyncio.get_running_loop().call_later(DEAF_S, self._end_the_guard)

    def _end_the_guard(self) -> None:
        if self._guard.returncode is None:
            self._guard.kill()

    def _tell(self, word: bytes) -> None:
        assert self._guard.stdin is not None
        if not self._guard.stdin.is_closing():
            self._guard.stdin.write(word)

    async def _until_ended(self) -> int:
        assert self._guard.stdout is not None
        word, _, status = (await self._guard.stdout.readline()).decode().partition(" ")
        await self._guard.wait()
        if word == "ended":
            return int(status)
        if self.pid:
            _end_group(self.pid)
        return -signal.SIGKILL


def _end_group(pid: int) -> None:
    """The guard itself was killed, and its program with it (PR_SET_PDEATHSIG), but not what that had forked."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # nothing was left
