"""The recorder beside one rtpengine: spool → WAV → store → events. Knows no database; may be killed at any point.

A recording leaves the spool only when its WAV is stored, read back and its events lie in the store's outbox; the outbox
is emptied into the ledger. So a full disk or a Redis that is away delays a recording and never loses one.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from lq import process
from lq.ledger.append import append
from lq.ledger.events import RECORDING_SEQ, Event
from recorder import spool, store
from recorder.pcap import BadPcap, RtpPacket, rtp_packets
from recorder.spool import Take, Unreadable
from recorder.store import Stored
from recorder.voices import Voices, assemble

log = structlog.get_logger()

LOOK_S: Final = 0.2
AGAIN_S: Final = 5.0  # after a disk or store that failed
SWEEP_S: Final = 60.0
REDIS_AGAIN_S: Final = 1.0


class Recorder:
    def __init__(self, spool_dir: Path, store_dir: Path, redis: Redis) -> None:
        self._spool, self._store, self._redis = spool_dir, store_dir, redis
        self._outbox = store_dir / ".outbox"
        self._not_before: dict[Path, float] = {}  # of a recording that failed: when to try again
        self._sweep_at = self._redis_at = 0.0  # not before then

    async def run(self, asked_to_leave: asyncio.Event) -> None:
        self._outbox.mkdir(parents=True, exist_ok=True)
        while not asked_to_leave.is_set():
            for metadata in spool.closed(self._spool):
                await self._one(metadata, spool.read)
            if time.monotonic() >= self._sweep_at:
                self._sweep_at = time.monotonic() + SWEEP_S
                for plan in spool.lost(self._spool, time.time()):
                    log.warning("the recording of a call that rtpengine has lost", plan=plan.name)
                    await self._one(plan, spool.read_plan)
            await self._empty_outbox()
            try:
                await asyncio.wait_for(asked_to_leave.wait(), LOOK_S)
            except TimeoutError:
                continue

    async def _one(self, paper: Path, read: Callable[[Path], Take]) -> None:
        if self._not_before.get(paper, 0.0) > time.monotonic():
            return
        try:
            await asyncio.to_thread(self._convert, paper, read)
        except Unreadable as error:
            log.error("spool entry set aside", error=str(error), alarm=True)
            spool.aside(self._spool, paper)
        except OSError as error:
            log.error("recording not stored; it stays in the spool", file=paper.name, error=str(error), alarm=True)
            self._not_before[paper] = time.monotonic() + AGAIN_S
        else:
            self._not_before.pop(paper, None)

    def _convert(self, paper: Path, read: Callable[[Path], Take]) -> None:
        take = read(paper)
        stored = store.find(self._store, take)
        if stored is None:
            stored = store.keep(self._store, take, self._voices(take))
            log.info("recording stored", contact=take.contact, recording=take.recording, duration_ms=stored.duration_ms)
        if not store.verified(self._store, stored):
            raise OSError(f"{stored.path} does not read back as it was written")
        self._post(stored)
        for file in (*take.pcaps, *take.papers):  # the paper that told of it last: until then it is done again
            file.unlink(missing_ok=True)

    def _voices(self, take: Take) -> Voices:
        """No audio at all is an empty recording, said so; never none."""
        voices = assemble(chain.from_iterable(map(_packets, take.pcaps)), take.left, take.right)
        if not len(voices.samples):
            log.error("recording without audio", contact=take.contact, recording=take.recording, alarm=True)
        return voices

    def _post(self, stored: Stored) -> None:
        letter = self._outbox / f"{stored.recording}.json"
        store.write(letter, json.dumps(_events(stored, int(time.time() * 1000)), ensure_ascii=False).encode())

    async def _empty_outbox(self) -> None:
        """Letters in order of their names; the first that Redis does not take stays, and those behind it."""
        if time.monotonic() < self._redis_at:
            return
        for letter in sorted(self._outbox.glob("*.json")):
            try:
                events = [Event(**document) for document in json.loads(letter.read_text())]
                await append(self._redis, events)
            except (RedisError, OSError) as error:
                if not self._redis_at:
                    log.warning("events wait for the ledger", waiting=letter.name, error=str(error))
                self._redis_at = time.monotonic() + REDIS_AGAIN_S
                return
            except (ValueError, TypeError) as error:
                log.error("letter set aside: it is no list of events", file=letter.name, error=str(error), alarm=True)
                letter.rename(letter.with_suffix(".unreadable"))
            else:
                letter.unlink()
        if self._redis_at:
            log.info("events are delivered again")
            self._redis_at = 0.0


def _packets(pcap: Path) -> Iterator[RtpPacket]:
    try:
        yield from rtp_packets(pcap.read_bytes())
    except FileNotFoundError:
        log.info("no such pcap", file=pcap.name)  # it was moved to rescued/, or there never was one
    except BadPcap as error:
        log.error("unreadable pcap", file=pcap.name, error=str(error), alarm=True)


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
    redis = Redis.from_url(
        process.variable("LCALL_REDIS_URL"), socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
    )
    recorder = Recorder(Path(process.variable("LCALL_SPOOL")), Path(process.variable("LCALL_RECORDINGS")), redis)
    asked_to_leave = process.end_signal()
    process.say_ready("recorder")
    await recorder.run(asked_to_leave)
    await redis.aclose()


if __name__ == "__main__":
    asyncio.run(main())
