"""Spool → WAV → store → events, one recording at a time, beside one or several rtpengines of this machine.

A recording leaves the spool only when its WAV is stored, read back and its events lie in the store's outbox. So a full
disk, a store or a Redis that is away delays a recording and never loses one. Calls wait for none of this.
"""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from lq import telemetry
from recorder import quiet, spool, store
from recorder.letters import Letters
from recorder.pcap import HEADER, BadPcap, begins_at, rtp_file
from recorder.spool import Look, Part, Take, Unreadable
from recorder.store import Stored
from recorder.voices import Assembler, Voices

log = structlog.get_logger()

AT_ONCE: Final = 16  # recordings between two looks at the spool
AGAIN_S: Final = 5.0  # after a disk or store that failed
FAULT_AGAIN_S: Final = 600.0
LOST_EVERY_S: Final = 60.0
WAITING: Final = telemetry.gauge("spool_waiting", "closed recordings that are not stored yet")
STORED: Final = telemetry.counter("recordings_stored", "recordings that were stored")
SECONDS: Final = telemetry.counter("recorded_seconds", "their length")
# The space that is left on the store's disk is the watch's to tell (store_full), also when a recording found its room.
TROUBLE: Final = {"recorder_disk_full": "store_failing", "recorder_store_away": "store_away"}
FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Recorder:
    def __init__(self, spools: Sequence[Path], store_dir: Path, letters: Letters) -> None:
        self._spools, self._store, self._letters = spools, store_dir, letters
        self._not_before: dict[Path, float] = {}  # of a recording that failed: when to try again
        self._lost_at = 0.0
        self._failing = ""  # the alarm that stands
        self._going_on: set[Path] = set()  # metadata of parts of recordings that are not over
        self._oldest = 0.0  # when the recording was closed that waits longest; 0: none waits
        telemetry.gauge("spool_age_seconds", "since when the oldest closed recording waits").set_function(self._age)

    async def round(self) -> None:
        """Whatever is over now, a few of them; never raises because of a file."""
        looks = await asyncio.to_thread(self._look)
        done = 0
        for here in looks:
            for metadata in here.metadata:
                done += await self._one(here, metadata, lambda paper: spool.read(paper, looks, time.time()))
                if done >= AT_ONCE:
                    return
        if time.monotonic() >= self._lost_at:
            self._lost_at = time.monotonic() + LOST_EVERY_S
            for plan in spool.lost(looks, time.time()):
                log.warning("the recording of a call that rtpengine has lost", plan=plan.name)
                here = next(each for each in looks if plan.is_relative_to(each.spool))
                await self._one(here, plan, lambda paper: spool.read_plan(paper, looks))

    def _look(self) -> list[Look]:
        looks = [spool.look(place) for place in self._spools]
        waiting = {paper for here in looks for paper in here.metadata}
        self._going_on &= waiting
        self._oldest = min(map(_closed_at, waiting - self._going_on), default=0.0)
        WAITING.set(len(waiting - self._going_on))
        return looks

    def _age(self) -> float:
        return max(0.0, time.time() - self._oldest) if self._oldest else 0.0

    async def _one(self, here: Look, paper: Path, read: Callable[[Path], Take | None]) -> bool:
        """Whether a recording was made of it."""
        if self._not_before.get(paper, 0.0) > time.monotonic():
            return False
        try:
            made = await asyncio.to_thread(self._convert, paper, read)
        except Unreadable as error:
            self._aside(here, paper, str(error))
            return False
        except OSError as error:
            self._failed(paper, error)
            return False
        except Exception:
            log.exception("a fault of ours; it stays in the spool", file=paper.name, alarm=True)
            self._not_before[paper] = time.monotonic() + FAULT_AGAIN_S
            return False
        self._not_before.pop(paper, None)
        if made and self._failing:
            self._recovered()
        return made

    def _aside(self, here: Look, paper: Path, why: str) -> None:
        try:
            spool.aside(here.spool, paper, why)
        except OSError as error:  # its disk is full, too
            self._not_before[paper] = time.monotonic() + AGAIN_S
            log.error("not set aside; it stays in the spool", file=paper.name, error=str(error), alarm=True)
            return
        self._letters.alarm("recorder_debris", file=paper.name, reason=why)

    def _failed(self, paper: Path, error: OSError) -> None:
        """It stays in the spool and is tried again. Told once until something is stored again."""
        self._not_before[paper] = time.monotonic() + AGAIN_S
        log.error("recording not stored; it stays in the spool", file=paper.name, error=str(error), alarm=True)
        if not self._failing:
            self._failing = "recorder_disk_full" if error.errno in FULL else "recorder_store_away"
            self._letters.alarm(self._failing, trouble=TROUBLE[self._failing], place="store", error=str(error))

    def _recovered(self) -> None:
        trouble = TROUBLE[self._failing]
        if self._failing == "recorder_disk_full":
            self._letters.over("recorder_disk_free", trouble=trouble, place="store")
        else:
            self._letters.over("recorder_store_back", trouble=trouble)
        self._failing = ""

    def _convert(self, paper: Path, read: Callable[[Path], Take | None]) -> bool:
        if not paper.exists():
            return False  # it was another's part, and is done
        take = read(paper)
        if take is None:
            self._going_on.add(paper)
            return False
        self._going_on.discard(paper)
        stored = store.find(self._store, take)
        if stored is None or not store.verified(self._store, stored):
            store.must_have_room(self._store)  # before the work
            heard = spool.lengths(take.parts)  # before they are read: what is written later may not be in it
            stored = store.keep(self._store, take, self._voices(take), heard)
            STORED.inc()
            SECONDS.inc(stored.duration_ms / 1000)
            log.info("recording stored", contact=take.contact, recording=take.recording, duration_ms=stored.duration_ms)
        if not store.verified(self._store, stored):
            raise OSError(f"{stored.path} does not read back as it was written")
        self._late(take, stored)
        self._letters.post(stored)
        for file in (*take.pcaps, *take.papers):  # the paper that told of it last: until then it is done again
            file.unlink(missing_ok=True)
        return True

    def _late(self, take: Take, stored: Stored) -> None:
        """Parts that came, or grew, when the recording had been stored: never thrown away unheard.

        Which were heard its sidecar says, not when they were captured: a pause may be shorter than clocks are sure.
        """
        heard = store.heard(self._store, stored)
        for part in take.parts:
            if not part.pcap.exists() or heard.issuperset(spool.lengths([part])):
                continue
            if begins_at(part.pcap) < float("inf"):  # there is something to hear
                why = f"a part of {stored.recording} that came, or went on, after it had been stored"
                self._letters.alarm("recorder_debris", file=part.pcap.name, reason=why)
                spool.aside(part.pcap.parent.parent, part.pcap, why)

    def _voices(self, take: Take) -> Voices:
        """No audio at all is an empty recording, said so; never none. Raises OSError."""
        assembler = Assembler(take.heard_from)
        if not take.parts:
            self._letters.alarm("recorder_debris", file=take.papers[-1].name, reason="there is no pcap of it")
        before: Part | None = None
        for part in spool.in_order(take.parts):
            beside = before is not None and before.spool != part.spool
            assembler.part(part.left, part.right, part.codecs, beside=beside)
            why = _fed(assembler, part)
            if why and (part.pcap.stat().st_size <= HEADER or spool.keep(part.pcap, why)):
                self._letters.alarm("recorder_debris", file=part.pcap.name, reason=why)
            before = part
        voices = assembler.voices(take.pauses)
        if assembler.strangers:
            log.warning("packets of strangers left out", recording=take.recording, packets=assembler.strangers)
        if not len(voices.samples):
            log.error("recording without audio", contact=take.contact, recording=take.recording, alarm=True)
        return quiet.left_out(voices, take.silence_s) if take.silence_s else voices


def _fed(assembler: Assembler, part: Part) -> str:
    """Why not all of it is in the recording; "": it is."""
    before = assembler.left_out
    try:
        for packet in rtp_file(part.pcap):
            assembler.feed(packet)
    except BadPcap as error:
        return f"unreadable pcap: {error}"
    left_out = assembler.left_out - before
    return f"{left_out} packets that have no place in the recording" if left_out else ""


def _closed_at(metadata: Path) -> float:
    try:
        return metadata.stat().st_mtime
    except FileNotFoundError:
        return time.time()
