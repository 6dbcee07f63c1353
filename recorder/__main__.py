"""The recorder beside the rtpengines of one machine. Knows no database; may be killed at any point."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from lq import process, telemetry
from lq.redis_connection import Connection
from recorder.letters import Letters
from recorder.live import Listening
from recorder.recorder import Recorder
from recorder.retention import Retention
from recorder.watch import Watch

LOOK_S: Final = 0.2
WATCH_S: Final = 1.0
RETENTION_S: Final = 60.0


async def run(
    spools: list[Path], recordings: Path, redis: Redis, asked_to_leave: asyncio.Event, listen: str = ""
) -> None:
    """Its works go on beside one another: a store that hangs holds up neither events nor listeners."""
    outbox = recordings / ".outbox"
    outbox.mkdir(parents=True, exist_ok=True)
    letters = Letters(outbox, redis, socket.gethostname())
    recorder = Recorder(spools, recordings, letters)
    watch = Watch(spools, recordings, letters)
    retention = Retention(spools, recordings, letters, redis)
    async with asyncio.TaskGroup() as works:
        for name, work, every_s in (
            ("convert", recorder.round, LOOK_S),
            ("letters", letters.send, LOOK_S),
            ("watch", watch.round, WATCH_S),
            ("retention", retention.round, RETENTION_S),
        ):
            works.create_task(_again_and_again(work, every_s, asked_to_leave), name=name)
        if listen:
            works.create_task(Listening(spools, listen).run(asked_to_leave), name="listening")
    await letters.send()


async def _again_and_again(work: Callable[[], Awaitable[None]], every_s: float, leave: asyncio.Event) -> None:
    while not leave.is_set():
        await work()
        try:
            async with asyncio.timeout(every_s):
                await leave.wait()
        except TimeoutError:
            continue


async def main() -> None:
    process.log_to_stderr("recorder")
    redis = Redis.from_url(
        process.variable("LCALL_REDIS_URL"),
        connection_class=Connection,
        socket_timeout=2,
        socket_connect_timeout=2,
        retry=Retry(NoBackoff(), 0),
    )
    spools = [Path(place) for place in process.variable("LCALL_SPOOL").split(":") if place]
    recordings = Path(process.variable("LCALL_RECORDINGS"))
    asked_to_leave = process.end_signal()
    telemetry.serve()
    beating = asyncio.create_task(telemetry.HEART.beat())
    process.say_ready("recorder")
    listen = os.environ.get("LCALL_RECORDER_LISTEN") or f"{process.variable('LCALL_HOME')}/run/recorder.sock"
    await run(spools, recordings, redis, asked_to_leave, listen)
    beating.cancel()
    await redis.aclose()


if __name__ == "__main__":
    asyncio.run(main())
