"""`python -m lq.worker`: does the work of the outbox, and throws away what is past its time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import asyncpg
import structlog

from lq import process
from lq.media.prompts import spoken
from lq.media.tts.cache import SpokenTexts
from lq.media.tts.engine import Espeak
from lq.worker import outbox, retention

log = structlog.get_logger()

NAME: Final = "worker"
LOOK_EVERY_S: Final = 1.0
RETENTION_EVERY_S: Final = 3600.0
BACK_OFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)


async def ping(body: Mapping[str, Any]) -> None:
    """Proves that the outbox is worked on."""
    log.info("ping", **{key: str(value) for key, value in body.items()})


def handlers(home: Path) -> Mapping[str, outbox.Handler]:
    """Each kind of work and who does it."""
    texts = SpokenTexts(home / "prompts", Espeak())

    async def speak(body: Mapping[str, Any]) -> None:
        rendered = await texts.render(body["text"], body["language"])
        log.info("text spoken", item=spoken(body["text"], body["language"]), rendered=rendered)

    return {"ping": ping, "speak": speak}


class Worker:
    def __init__(self, dsn: str, handlers: Mapping[str, outbox.Handler]) -> None:
        self._dsn, self._handlers = dsn, handlers
        self._cleaned_at = -RETENTION_EVERY_S
        self._failures = 0

    async def run(self) -> None:
        """Until cancelled; a PostgreSQL that is away is waited for."""
        while True:
            try:
                connection = await asyncpg.connect(self._dsn, timeout=5, command_timeout=60)
                try:
                    await self._work(connection)
                finally:
                    connection.terminate()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if self._failures == 0:
                    log.warning("the worker waits for PostgreSQL", error=repr(error))
            await asyncio.sleep(BACK_OFF_S[min(self._failures, len(BACK_OFF_S) - 1)])
            self._failures += 1

    async def _work(self, connection: asyncpg.Connection) -> None:
        while True:
            found = await outbox.claim(connection)
            self._failures = 0
            for work in found:
                await outbox.do(connection, work, self._handlers)
            if time.monotonic() >= self._cleaned_at + RETENTION_EVERY_S:
                deleted = await retention.apply(connection)
                self._cleaned_at = time.monotonic()
                log.info("what was past its time is deleted", rows=deleted)
            if not found:
                await asyncio.sleep(LOOK_EVERY_S)


async def main() -> None:
    process.log_to_stderr(NAME)
    asked_to_leave = process.end_signal()
    worker = Worker(process.variable("LCALL_POSTGRES_DSN"), handlers(Path(process.variable("LCALL_HOME"))))
    running = asyncio.create_task(worker.run())
    process.say_ready(NAME)
    leaving = asyncio.create_task(asked_to_leave.wait())
    await asyncio.wait({running, leaving}, return_when=asyncio.FIRST_COMPLETED)
    for task in (running, leaving):
        task.cancel()
    results = await asyncio.gather(running, leaving, return_exceptions=True)
    if isinstance(results[0], Exception):
        raise results[0]


if __name__ == "__main__":
    asyncio.run(main())
