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
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from redis.asyncio.client import Pipeline

from ops.home import CHECKOUT

STEPS: Final = ("fsync", "rename", "unlink", "mkdir", "chmod")  # of os; and opening to write, and telling Redis


async def recorder(
    spool: Path, recordings: Path, redis: str, *, dies_at: int | None = None, limit: str = ""
) -> asyncio.subprocess.Process:
    """`limit`: options of prlimit(1)."""
    home = recordings.parent
    own = {
        "LCALL_HOME": str(home),
        "LCALL_SPOOL": str(spool),
        "LCALL_RECORDINGS": str(recordings),
        "LCALL_REDIS_URL": redis,
    }
    module = ("recorder",) if dies_at is None else (__name__, str(dies_at))
    words = (*(("prlimit", *limit.split()) if limit else ()), sys.executable, "-m", *module)
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


if __name__ == "__main__":
    _die_at(int(sys.argv[1]))
    runpy.run_module("recorder", run_name="__main__")
