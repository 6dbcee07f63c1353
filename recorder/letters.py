"""What the recorder tells the ledger: events of recordings, which outlive it and Redis, and alarms about itself."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from lq import telemetry
from lq.ledger.append import append
from lq.ledger.events import RECORDING_SEQ, Event
from recorder import store
from recorder.store import Stored

log = structlog.get_logger()

AGAIN_S: Final = 1.0
TROUBLE: Final = telemetry.gauge("recorder_trouble", "1 while this keeps recordings from being stored", ["trouble"])
FOUND: Final = telemetry.counter("recorder_found", "things that were set aside, mended or found damaged", ["what"])
FOUND_LATELY: Final = telemetry.LastHour("recorder_found", "of these", "what")
ALARMS: Final = 200  # that wait while Redis is away; the log has all


class Letters:
    """Events of recordings wait as files in the store's outbox; alarms in memory: the disk may be what they tell of."""

    def __init__(self, outbox: Path, redis: Redis, name: str) -> None:
        self._outbox, self._redis, self._name = outbox, redis, name
        self._not_before = 0.0
        self._alarms: deque[Event] = deque(maxlen=ALARMS)
        self._seq = 0

    def post(self, stored: Stored) -> None:
        """On the disk when this returns. Raises OSError."""
        now = int(time.time() * 1000)
        told = {
            "recording_stored": stored.event_data(),
            "recording_verified": {"contact": stored.contact, "sha256": stored.sha256},
        }
        events = [
            {"type": type, "at": now, "subject": stored.recording, "seq": RECORDING_SEQ[type], "data": data}
            for type, data in told.items()
        ]
        store.write(self._outbox / f"{stored.recording}.json", json.dumps(events, ensure_ascii=False).encode())

    def deleted(self, recordings: Mapping[str, str], kept_days: int) -> None:
        """Recording → contact. On the disk when this returns. Raises OSError."""
        now, type = int(time.time() * 1000), "recording_deleted"
        events = [
            {"type": type, "at": now, "subject": recording, "seq": RECORDING_SEQ[type],
             "data": {"contact": contact, "kept_days": kept_days}}
            for recording, contact in recordings.items()
        ]  # fmt: skip
        store.write(self._outbox / f"deleted-{now}.json", json.dumps(events, ensure_ascii=False).encode())

    def alarm(self, type: str, *, trouble: str = "", **data: Any) -> None:
        """An event `recorder_…` and a line of the log; safe from any thread.

        `trouble`: what goes on until it is over, named by whoever alone says so; "": something that was found.
        """
        log.error(type.replace("_", " "), alarm=True, **data)
        if trouble:
            TROUBLE.labels(trouble).set(1)
        else:
            FOUND.labels(what := type.removeprefix("recorder_")).inc()
            FOUND_LATELY.add(what)
        self._tell(type, data)

    def over(self, type: str, *, trouble: str, **data: Any) -> None:
        """That an alarm is over."""
        log.info(type.replace("_", " "), **data)
        TROUBLE.labels(trouble).set(0)
        self._tell(type, data)

    def _tell(self, type: str, data: Mapping[str, Any]) -> None:
        now = int(time.time() * 1000)
        self._seq = max(self._seq + 1, now)
        self._alarms.append(Event(type, now, f"recorder:{self._name}", self._seq, {"recorder": self._name, **data}))

    async def send(self) -> None:
        """Letters in order of their names; the first that Redis does not take stays, and those behind it."""
        if time.monotonic() < self._not_before:
            return
        try:
            while self._alarms:
                await append(self._redis, [self._alarms[0]])
                self._alarms.popleft()
            for letter in sorted(self._outbox.glob("*.json")):
                await self._one(letter)
        except (RedisError, OSError) as error:
            if not self._not_before:
                log.warning("events wait for the ledger", error=str(error))
            self._not_before = time.monotonic() + AGAIN_S
            return
        if self._not_before:
            log.info("events are delivered again")
            self._not_before = 0.0

    async def _one(self, letter: Path) -> None:
        events = await asyncio.to_thread(_opened, letter)
        if events is not None:
            await append(self._redis, events)
            await asyncio.to_thread(letter.unlink)


def _opened(letter: Path) -> list[Event] | None:
    """What it says; None: nothing that anybody could read, it was set aside."""
    try:
        return [Event(**document) for document in json.loads(letter.read_text())]
    except (ValueError, TypeError) as error:
        log.error("letter set aside: it is no list of events", file=letter.name, error=str(error), alarm=True)
        letter.rename(letter.with_suffix(".unreadable"))
        return None
