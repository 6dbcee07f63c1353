"""A recorder of the test's own, as a process; `python -m tests.integration.recorder.process <n>` dies at step n.

That wrapper counts what the recorder does to files and to Redis, and kills itself (SIGKILL) before the n-th of these
steps, so that a test can walk through all of them. The product knows nothing of it.
"""

from __future__ import annotations

import asyncio
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from redis.asyncio.client import Pipeline

from ops.home import CHECKOUT

STEPS: Final = ("fsync", "rename", "unlink", "mkdir", "chmod")  # of os; and opening to write, and telling Redis


async def recorder(
    spool: Path,
    recordings: Path,
    redis: str,
    *,
    dies_at: int | None = None,
    limit: str = "",
    stuck: Path | None = None,
    inside: Sequence[str] = (),
) -> asyncio.subprocess.Process:
    """`limit`: options of prlimit(1); `stuck`: the disk hangs until that file exists; `inside`: words before them."""
    home = recordings.parent
    own = {
        "LCALL_HOME": str(home),
        "LCALL_SPOOL": str(spool),
        "LCALL_RECORDINGS": str(recordings),
        "LCALL_REDIS_URL": redis,
    }
    module: tuple[str, ...] = ("recorder",) if dies_at is None else (__name__, str(dies_at))
    if stuck is not None:
        module = (__name__, str(stuck))
    words = (*inside, *(("prlimit", *limit.split()) if limit else ()), sys.executable, "-m", *module)
    with (home / "recorder.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(*words, cwd=CHECKOUT, env={**os.environ, **own}, stderr=log)


async def ended(process: asyncio.subprocess.Process) -> int:
    """Asked to leave, if it still runs."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    return await asyncio.wait_for(process.wait(), 15)


def _die_at(n: int) -> None:
    """Before the n-th step, counted over all kinds."""
    count = 0

    def counted(act: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            if count == n:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1
            return act(*arguments, **named)

        return step

    # pathlib and the store reach these through their modules, at each call.
    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))
    Pipeline.execute = counted(Pipeline.execute)  # type: ignore[method-assign]
    opens = Path.open

    def opened(self: Path, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        if "w" in mode:
            counted(len)("")
        return opens(self, mode, *arguments, **named)

    Path.open = opened  # type: ignore[assignment, method-assign]


def _stuck_until(file: Path) -> None:
    """What is written reaches the disk only when that file exists."""
    fsync = os.fsync

    def slow(descriptor: int) -> None:
        while not file.exists():
            time.sleep(0.02)
        fsync(descriptor)

    os.fsync = slow  # type: ignore[assignment]


if __name__ == "__main__":
    if sys.argv[1].isdecimal():
        _die_at(int(sys.argv[1]))
    else:
        _stuck_until(Path(sys.argv[1]))
    runpy.run_module("recorder", run_name="__main__")
