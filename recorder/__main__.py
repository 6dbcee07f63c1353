"""The recorder beside one rtpengine: spool → WAV → store → events. Knows no database; may be killed at any point.

A recording leaves the spool only when its WAV is stored, read back and its events lie in the store's outbox; the outbox
is emptied into the ledger. So a full disk or a Redis that is away delays a recording and never loses one.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from lq import process
from lq.ledger.append import append
from lq.ledger.events import RECORDING_SEQ, Event
from recorder import spool, store
from recorder.pcap import BadPcap, rtp_packets
from recorder.spool import Take, Unreadable
from recorder.store import Stored
from recorder.voices import Voices, assemble

log = structlog.get_logger()

LOOK_S: Final = 0.2
AGAIN_S: Final = 5.0  # after a disk or store that failed


class Recorder:
    def __init__(self, spool_dir: Path, store_dir: Path, redis: Redis) -> None:
        self._spool, self._store, self._redis = spool_dir, store_dir, redis
        self._outbox = store_dir / ".outbox"
        self._not_before: dict[Path, float] = {}  # of a recording that failed: when to try again

    async def run(self, asked_to_leave: asyncio.Event) -> None:
        self._outbox.mkdir(parents=True, exist_ok=True)
        while not asked_to_leave.is_set():
            for metadata in spool.closed(self._spool):
                if self._not_before.get(metadata, 0.0) <= time.monotonic():
                    await self._one(metadata)
            await self._empty_outbox()
            try:
                await asyncio.wait_for(asked_to_leave.wait(), LOOK_S)
            except TimeoutError:
                continue

    async def _one(self, metadata: Path) -> None:
        try:
            await asyncio.to_thread(self._convert, metadata)
        except Unreadable as error:
            log.error("spool entry set aside", error=str(error))
            self._set_aside(metadata)
        except OSError as error:
            log.error("recording not stored; it stays in the spool", file=metadata.name, error=str(error), alarm=True)
            self._not_before[metadata] = time.monotonic() + AGAIN_S
        else:
            self._not_before.pop(metadata, None)

    def _convert(self, metadata: Path) -> None:
        take = spool.read(metadata)
        stored = store.find(self._store, take.recording)
        if stored is None:
            stored = store.keep(self._store, take, self._voices(take))
            log.info("recording stored", contact=take.contact, recording=take.recording, duration_ms=stored.duration_ms)
        if not store.verified(self._store, stored):
            raise OSError(f"{stored.path} does not read back as it was written")
        self._post(stored)
        take.pcap.unlink(missing_ok=True)
        metadata.unlink()

    def _voices(self, take: Take) -> Voices:
        """A pcap that is missing or unreadable is an empty recording, said so; never none."""
        try:
            return assemble(rtp_packets(take.pcap.read_bytes()), take.left, take.right)
        except (FileNotFoundError, BadPcap) as error:
            log.error("recording without audio", recording=take.recording, error=str(error), alarm=True)
            return assemble((), take.left, take.right)

    def _set_aside(self, metadata: Path) -> None:
        aside = self._spool / "unreadable"
        aside.mkdir(exist_ok=True)
        metadata.rename(aside / metadata.name)

    def _post(self, stored: Stored) -> None:
        letter = self._outbox / f"{stored.recording}.json"
        part = letter.with_suffix(".part")
        part.write_text(json.dumps(_events(stored, int(time.time() * 1000)), ensure_ascii=False))
        part.rename(letter)

    async def _empty_outbox(self) -> None:
        for letter in sorted(self._outbox.glob("*.json")):
            events = [Event(**document) for document in json.loads(letter.read_text())]
            try:
                await append(self._redis, events)
            except (RedisError, OSError) as error:
                log.warning("events wait for the ledger", waiting=letter.name, error=str(error))
                return
            letter.unlink()


def _events(stored: Stored, now: int) -> list[dict[str, Any]]:
    told = {
        "recording_stored": stored.event_data(),
        "recording_verified": {"contact": stored.contact, "sha256": stored.sha256},
    }
    return [
        {"type": type, "at": now, "subject": stored.recording, "seq": RECORDING_SEQ[type], "data": data}
        for type, data in told.items()
    ]


async def main() -> None:
    process.log_to_stderr("recorder")
    redis = Redis.from_url(process.variable("LCALL_REDIS_URL"), socket_timeout=2, socket_connect_timeout=2)
    recorder = Recorder(Path(process.variable("LCALL_SPOOL")), Path(process.variable("LCALL_RECORDINGS")), redis)
    asked_to_leave = process.end_signal()
    process.say_ready("recorder")
    await recorder.run(asked_to_leave)
    await redis.aclose()


if __name__ == "__main__":
    asyncio.run(main())
