"""What every process of the center has in common: its variables, its log, its end, its sign of readiness."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog

from lq import telemetry

log = structlog.get_logger()

AGAIN_S: Final = 0.5
COLLECT: Final = (2_000, 10, 50)  # gc.set_threshold(), which counts what stays; Python's own is 700, 10, 10
BEGUN_AGAIN: Final = telemetry.counter(
    "loops_begun_again", "loops of this process that failed and began again", ["loop"]
)


def variable(name: str) -> str:
    """The value of an environment variable; ends the process with one sentence if it is missing."""
    value = os.environ.get(name, "")
    if not value:
        sys.exit(f"{Path(sys.argv[0]).name}: the environment variable {name} is missing")
    return value


def log_to_stderr(process: str) -> None:
    """One JSON line per event on stderr, each with the name of the process; SIGUSR1 adds where each thread stands."""
    faulthandler.register(signal.SIGUSR1)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)


def collect_less() -> None:
    """Look for cyclic garbage more rarely, and never among what exists now: call it when everything is imported.

    A call leaves few cycles and hundreds of objects that live for 32 s (timers of RFC 3261). Looking at all of them
    as they grew in number stopped a busy node for 130 ms (250,000 objects, 120 calls a second); now they are left alone
    until a million have come to stay.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)


def end_signal() -> asyncio.Event:
    """Is set when the process is asked to leave (SIGTERM or SIGINT). Needs a running loop."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    return asked


async def kept_up(name: str, loop: Callable[[], Awaitable[None]]) -> None:
    """Until cancelled, or `loop` ends by itself. A fault in it is told, and it begins again: a loop that has ended
    without a word is a process that lives and does half of its work."""
    while True:
        try:
            return await loop()
        except Exception:
            BEGUN_AGAIN.labels(name).inc()
            log.exception("a loop failed and begins again", loop=name, alarm=True)
            await asyncio.sleep(AGAIN_S)


def say_ready(name: str) -> None:
    """Touches $LCALL_HOME/run/<name>.ready, which the runner waits for."""
    run = Path(variable("LCALL_HOME")) / "run"
    run.mkdir(parents=True, exist_ok=True)
    (run / f"{name}.ready").touch()
