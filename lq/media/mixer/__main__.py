"""`python -m lq.media.mixer`: plays prompts and music to many legs, and echoes. One process a host."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import structlog

from lq import process
from lq.media.mixer.core import Core
from lq.media.mixer.server import Server
from lq.media.mixer.shelf import Shelf

log = structlog.get_logger()


async def main() -> None:
    process.log_to_stderr("mixer")
    rtp = process.variable("LQ_MIXER_RTP")
    host, _, port = rtp.rpartition(":")
    core = Core(host, int(port))
    shelf = Shelf([Path(directory) for directory in process.variable("LQ_PROMPTS").split(":")])
    path = Path(process.variable("LQ_MIXER"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # of a predecessor that was killed
    asked_to_leave = process.end_signal()
    core.start()
    gc.freeze()
    log.info("mixer started", rtp=rtp)
    await Server(core, shelf, rtp).serve(path, asked_to_leave)
    core.stop()
    log.info("mixer stopped", realtime=core.realtime)


if __name__ == "__main__":
    asyncio.run(main())
