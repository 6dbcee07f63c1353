"""What nobody else would see: a disk that fills, and what lies about in spool and store. Everything found is told.

Debris of the spool goes to its `aside` with the reason beside it, never away: audio may be in it. Half-written
files of a crash are removed, for what they were made of is still in the spool.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from lq import disk
from recorder import spool, store
from recorder.letters import Letters
from recorder.spool import Look
from recorder.store import Stored

log = structlog.get_logger()

SWEEP_S: Final = 60.0
ALONE_S: Final = 3600.0  # rtpengine and lq would have said something of it by then
HALF_WRITTEN_S: Final = 3600.0
AFTER_S: Final = 5.0  # the recorder reads what it has stored itself first
DAYS: Final = 2  # of the store, back from today
READ_AT_ONCE: Final = 20  # recordings of a sweep that are read whole
REMEMBERED: Final = 100_000


class Watch:
    def __init__(self, spools: Sequence[Path], store_dir: Path, letters: Letters) -> None:
        self._spools, self._store, self._letters = spools, store_dir, letters
        self._places = {spool: f"spool{n}" if n > 1 else "spool" for n, spool in enumerate(spools, start=1)}
        self._places[store_dir] = "store"
        self._full: set[Path] = set()
        self._sweep_at = 0.0
        self._seen: OrderedDict[str, None] = OrderedDict()  # recordings that were read, and damage that was told

    async def round(self) -> None:
        await asyncio.to_thread(self._space)
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + SWEEP_S
            await asyncio.to_thread(self.sweep, time.time())

    # -- space ------------------------------------------------------------------------------------------------------
    def _space(self) -> None:
        for place, name in self._places.items():
            try:
                space = disk.space(place)
            except OSError as error:
                log.error("a disk does not answer", place=str(place), error=str(error), alarm=True)
                continue
            was = place in self._full
            short = space.short(was)
            if short and not was:
                self._full.add(place)
                self._letters.alarm("recorder_disk_full", trouble=f"{name}_full", place=name, free_bytes=space.free)
            elif was and not short:
                self._full.discard(place)
                self._letters.over("recorder_disk_free", trouble=f"{name}_full", place=name, free_bytes=space.free)

    # -- debris -----------------------------------------------------------------------------------------------------
    def sweep(self, now: float) -> None:
        """Never raises because of a file."""
        for place in self._spools:
            try:
                for file, why in debris(spool.look(place), now):
                    self._letters.alarm("recorder_debris", file=file.name, reason=why)
                    spool.aside(place, file, why)
            except OSError as error:
                log.error("the spool cannot be swept", place=str(place), error=str(error), alarm=True)
        try:
            self._sweep_store(now)
        except OSError as error:
            log.error("the store cannot be swept", error=str(error), alarm=True)

    def _sweep_store(self, now: float) -> None:
        for part in _half_written((*self._days(now), self._store / ".outbox", *(s / "planned" for s in self._spools))):
            if now - part.stat().st_mtime > HALF_WRITTEN_S:
                log.warning("a half-written file is removed", file=part.name)
                part.unlink()
        self._unreadable_letters()
        read = 0
        for day in self._days(now):
            names = {file.name for file in day.iterdir()}
            for name in sorted(names):
                stem, _, kind = name.rpartition(".")
                if kind == "wav" and f"{stem}.json" not in names:
                    self._alone(day / name, now)
                elif kind == "json" and stem not in self._seen and read < READ_AT_ONCE:
                    read += 1
                    self._check(day / name, now)

    def _days(self, now: float) -> list[Path]:
        today = datetime.fromtimestamp(now, UTC)
        days = [self._store / f"{today - timedelta(days=n):%Y/%m/%d}" for n in range(DAYS)]
        return [day for day in days if day.is_dir()]

    def _check(self, sidecar: Path, now: float) -> None:
        """A recording is what its sidecar says of it. It stays where it is: it may be good for something."""
        if now - sidecar.stat().st_mtime < AFTER_S:
            return
        self._remember(sidecar.stem)
        why = _damage(self._store, sidecar)
        if why:
            self._letters.alarm("recorder_damaged", file=str(sidecar.relative_to(self._store)), reason=why)

    def _alone(self, file: Path, now: float) -> None:
        """The recorder writes the sidecar at once after it; if it died between the two, it has done both again."""
        if now - file.stat().st_mtime < ALONE_S:
            return
        place = self._store / spool.ASIDE
        place.mkdir(exist_ok=True)
        why = "a WAV without a sidecar, of which nothing is in the spool"
        self._letters.alarm("recorder_debris", file=file.name, reason=why)
        file.rename(place / file.name)
        (place / f"{file.name}.reason").write_text(why + "\n")

    def _unreadable_letters(self) -> None:
        """Stored, and nobody was told: the sidecar says the same once more."""
        for letter in (self._store / ".outbox").glob("*.unreadable"):
            for sidecar in self._store.glob(f"????/??/??/{letter.stem}.json"):
                stored = _read(sidecar)
                if stored is not None:
                    self._letters.alarm("recorder_debris", file=letter.name, reason="unreadable letter, written anew")
                    self._letters.post(stored)
                    letter.unlink()

    def _remember(self, recording: str) -> None:
        self._seen[recording] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)


def debris(here: Look, now: float) -> Iterator[tuple[Path, str]]:
    """Files of the spool that belong to nothing, and why."""
    planned = {call for call in map(spool.call_of_plan, here.plans.values()) if call}
    noted = {file.stem.removeprefix("rtpengine-meta-"): file for file in (here.spool / "tmp").glob("*.tmp")}

    def known(name: str) -> bool:
        return name in here.written or name in noted or spool.call_of(name) in planned

    for pcap in (pcap for name, pcap in here.pcaps.items() if not known(name)):
        if _age(pcap, now) > ALONE_S:
            yield pcap, "a pcap that nobody planned and of which rtpengine knows nothing"
    for part in (part for name, parts in here.rescued.items() if not known(name) for part in parts):
        if _age(part, now) > ALONE_S:
            yield part, "a part of a recording that nobody planned"
    for name, file in noted.items():
        if not here.files(name) and _age(file, now) > spool.FORGOTTEN_S:
            yield file, "rtpengine began to tell of a recording of which there is no pcap"


def _age(file: Path, now: float) -> float:
    """Since it was written or moved; 0: it is gone."""
    try:
        stat = file.stat()
    except FileNotFoundError:
        return 0.0
    return now - max(stat.st_mtime, stat.st_ctime)


def _half_written(places: Sequence[Path]) -> Iterator[Path]:
    for place in places:
        yield from place.glob("*.part")


def _damage(store_dir: Path, sidecar: Path) -> str:
    stored = _read(sidecar)
    if stored is None:
        return "the sidecar cannot be read"
    file = store_dir / stored.path
    if not file.is_file():
        return "its WAV is missing"
    return "" if store.verified(store_dir, stored) else "its WAV is not what was stored (SHA-256)"


def _read(sidecar: Path) -> Stored | None:
    try:
        return store.read(sidecar.read_bytes())
    except (ValueError, KeyError, TypeError):
        return None
