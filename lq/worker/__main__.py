"""`python -m lq.worker`: does the work of the outbox, tells webhooks, throws away what is past its time, and makes the
folds of the past anew after a release that changed them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import asyncpg
import structlog

from lq import process, telemetry
from lq.ledger.refold import Refolding
from lq.media.prompts import spoken
from lq.media.tts.cache import SpokenTexts
from lq.media.tts.engine import Espeak
from lq.worker import outbox, retention
from lq.worker.patience import again_and_again
from lq.worker.webhooks import Webhooks

log = structlog.get_logger()

NAME: Final = "worker"
LOOK_EVERY_S: Final = 1.0
RETENTION_EVERY_S: Final = 3600.0
OUTBOX_AGE: Final = telemetry.gauge("outbox_age_seconds", "how long the oldest work that is due has waited")


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

    async def run(self) -> None:
        """Until cancelled; a PostgreSQL that is away is waited for."""
        await again_and_again(self._dsn, "outbox", self._work)

    async def _work(self, connection: asyncpg.Connection) -> None:
        OUTBOX_AGE.set(await outbox.age(connection))
        found = await outbox.claim(connection)
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
    dsn = process.variable("LCALL_POSTGRES_DSN")
    worker = Worker(dsn, handlers(Path(process.variable("LCALL_HOME"))))
    telemetry.serve()
    folds = again_and_again(dsn, "folds", Refolding().work)
    works = (worker.run(), Webhooks(dsn).run(), folds, telemetry.HEART.beat(), asked_to_leave.wait())
    tasks = [asyncio.create_task(work) for work in works]
    process.say_ready(NAME)
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


if __name__ == "__main__":
    asyncio.run(main())
