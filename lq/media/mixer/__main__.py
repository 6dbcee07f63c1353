"""`python -m lq.media.mixer`: plays prompts and music to many legs, mixes rooms, echoes. One process a host."""

from __future__ import annotations

import asyncio
import gc
import sys
from pathlib import Path

import structlog

from lq import process, telemetry
from lq.media.mixer.core import Core
from lq.media.mixer.server import Server
from lq.media.mixer.shelf import Shelf

log = structlog.get_logger()


def _make_way(path: Path) -> None:
    """A predecessor that was killed leaves its socket's name; it cannot be alive, for the RTP port is ours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)


def _measured(core: Core) -> None:
    """What its stats verb tells of the whole process, for the watch too."""

    def late() -> float:
        lateness = sorted(core.figures().lateness_us)
        return lateness[int(len(lateness) * 0.99)] / 1e6 if lateness else 0.0

    telemetry.gauge("mixer_late_p99_seconds", "how late a tick's last packet left").set_function(late)
    skipped = telemetry.gauge("mixer_skipped_frames", "frames that nobody heard because the mixer was stopped")
    skipped.set_function(lambda: core.figures().skipped)
    strangers = telemetry.gauge("mixer_strangers", "packets from addresses that no leg has")
    strangers.set_function(lambda: core.figures().strangers)


async def main() -> None:
    process.log_to_stderr("mixer")
    rtp = process.variable("LQ_MIXER_RTP")
    path = Path(process.variable("LQ_MIXER"))
    shelf = Shelf([Path(directory) for directory in process.variable("LQ_PROMPTS").split(":")])
    host, _, port = rtp.rpartition(":")
    try:
        core = Core.at(host, int(port))
    except (OSError, RuntimeError, ValueError) as error:
        sys.exit(f"mixer: {rtp}: {error}")
    _make_way(path)
    _measured(core)
    telemetry.serve()
    beating = asyncio.create_task(telemetry.HEART.beat())
    asked_to_leave = process.end_signal()
    priority, stays = core.start(), core.stay()
    gc.freeze()
    if priority == "realtime" and stays:
        log.info("mixer started", rtp=rtp, priority=priority, memory="locked")
    else:
        memory = "locked" if stays else "may be paged out"
        text = "mixer started without real-time priority or locked memory: a busy machine may be heard"
        log.warning(text, rtp=rtp, priority=priority, memory=memory)
    await Server(core, shelf, rtp, priority=priority).serve(path, asked_to_leave)
    beating.cancel()
    core.stop()
    log.info("mixer stopped")


if __name__ == "__main__":
    asyncio.run(main())
