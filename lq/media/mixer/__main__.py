"""`python -m lq.media.mixer`: plays prompts and music to many legs, and echoes. One process a host."""

from __future__ import annotations

import asyncio
import gc
import sys
from pathlib import Path

import structlog

from lq import process
from lq.media.mixer.core import Core
from lq.media.mixer.server import Server
from lq.media.mixer.shelf import Shelf

log = structlog.get_logger()


def _make_way(path: Path) -> None:
    """A predecessor that was killed leaves its socket's name; it cannot be alive, for the RTP port is ours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)


async def main() -> None:
    process.log_to_stderr("mixer")
    rtp = process.variable("LQ_MIXER_RTP")
    path = Path(process.variable("LQ_MIXER"))
    shelf = Shelf([Path(directory) for directory in process.variable("LQ_PROMPTS").split(":")])
    host, _, port = rtp.rpartition(":")
    try:
        core = Core(host, int(port))
    except (OSError, RuntimeError, ValueError) as error:
        sys.exit(f"mixer: {rtp}: {error}")
    _make_way(path)
    asked_to_leave = process.end_signal()
    priority = core.start()
    gc.freeze()
    if priority == "realtime":
        log.info("mixer started", rtp=rtp, priority=priority)
    else:
        log.warning("mixer started without real-time priority: a busy machine may be heard", rtp=rtp, priority=priority)
    await Server(core, shelf, rtp).serve(path, asked_to_leave)
    core.stop()
    log.info("mixer stopped")


if __name__ == "__main__":
    asyncio.run(main())
