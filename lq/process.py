"""What every process of the center has in common: its variables, its log, its end, its sign of readiness."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import structlog


def variable(name: str) -> str:
    """The value of an environment variable; ends the process with one sentence if it is missing."""
    value = os.environ.get(name, "")
    if not value:
        sys.exit(f"{Path(sys.argv[0]).name}: the environment variable {name} is missing")
    return value


def log_to_stderr(process: str) -> None:
    """One JSON line per event on stderr, each with the name of the process."""
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


def end_signal() -> asyncio.Event:
    """Is set when the process is asked to leave (SIGTERM or SIGINT). Needs a running loop."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    return asked


def say_ready(name: str) -> None:
    """Touches $LCALL_HOME/run/<name>.ready, which the runner waits for."""
    run = Path(variable("LCALL_HOME")) / "run"
    run.mkdir(parents=True, exist_ok=True)
    (run / f"{name}.ready").touch()
