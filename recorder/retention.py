"""Recordings whose time is over are deleted: the WAV, what lies beside it, and what was set aside; the ledger is told.

How many days one is kept, the published configuration says (`settings.center.keep_recordings_days`; 0: for ever). When
in doubt it is kept: a recording is as old as the day it lies under or its file, whichever is younger, and after a clock
that was set nothing is deleted for a day.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from lq import telemetry
from recorder import spool
from recorder.letters import Letters
from recorder.store import DAY_S

log = structlog.get_logger()

SETTINGS: Final = "{lcall}:config:settings"
AT_ONCE: Final = 300  # recordings of a sweep
LEAP_S: Final = 60.0  # a clock that moved so far against the monotonic one was set
FIRST_S: Final = 3600.0  # after the start: a machine that has just begun may have a wrong clock
DELETED: Final = telemetry.counter("recordings_deleted", "recordings that were deleted, for their time was over")


class Retention:
    def __init__(self, spools: Sequence[Path], store_dir: Path, letters: Letters, redis: Redis) -> None:
        self._spools, self._store, self._letters, self._redis = spools, store_dir, letters, redis
        self._ahead = time.time() - time.monotonic()
        self._not_before = time.monotonic() + FIRST_S

    async def round(self) -> None:
        steady = self.steady(time.time(), time.monotonic())
        days = await self._days()
        if steady and days:
            await asyncio.to_thread(self.sweep, time.time(), days)

    def steady(self, now: float, ticks: float) -> bool:
        """Whether the clock is to be believed."""
        leap = now - ticks - self._ahead
        if abs(leap) > LEAP_S:
            self._ahead, self._not_before = now - ticks, ticks + DAY_S
            log.error("the clock was set: no recording is deleted for a day", by_s=round(leap), alarm=True)
        return ticks >= self._not_before

    async def _days(self) -> int:
        """0: for ever, or nobody says."""
        try:
            document = json.loads(await self._redis.hget(SETTINGS, "center") or b"{}")
            return int(document.get("keep_recordings_days", 0))
        except (RedisError, OSError, ValueError, TypeError, AttributeError) as error:
            log.warning("how long recordings are kept is not known", error=repr(error))
            return 0

    def sweep(self, now: float, days: int) -> None:
        """Some of what is due; never raises because of a file."""
        before = now - days * DAY_S
        try:
            if due := list(islice(self._due(before), AT_ONCE)):
                self._delete(due, days)
            for place in (*self._spools, self._store):
                for aside in (spool.ASIDE, spool.ASIDE_BEFORE):
                    _delete_aside(place / aside, before)
        except OSError as error:
            log.error("what is past its time cannot be deleted", error=str(error), alarm=True)

    def _due(self, before: float) -> Iterator[Path]:
        """Recordings, the oldest first: their paths without what says the kind."""
        for day in sorted(self._store.glob("[0-9]" * 4 + "/[0-9][0-9]/[0-9][0-9]")):
            if _end_of(day) > before:
                continue
            files: dict[str, list[Path]] = {}
            for file in day.iterdir():
                if file.suffix in (".wav", ".json") and not file.name.startswith("."):
                    files.setdefault(file.stem, []).append(file)
            _remove_if_empty(day)
            for name in sorted(files):
                if all(file.stat().st_mtime < before for file in files[name]):
                    yield day / name

    def _delete(self, due: Sequence[Path], days: int) -> None:
        """The audio first: a full disk has room for the letter then. The sidecar last: until then it is done again."""
        for each in due:
            _beside(each, ".wav").unlink(missing_ok=True)
        self._letters.deleted({each.name: _contact(each) for each in due}, days)
        for each in due:
            _beside(each, ".json").unlink(missing_ok=True)
        for day in {each.parent for each in due}:
            _remove_if_empty(day)
        DELETED.inc(len(due))
        log.info("recordings deleted, for their time was over", count=len(due), oldest=due[0].name, kept_days=days)


def _beside(recording: Path, kind: str) -> Path:
    return recording.with_name(recording.name + kind)


def _contact(recording: Path) -> str:
    """As its sidecar says; its id says the same."""
    try:
        return str(json.loads(_beside(recording, ".json").read_bytes())["contact"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return recording.name.rpartition("-r")[0]


def _end_of(day: Path) -> float:
    try:
        return datetime.strptime("/".join(day.parts[-3:]), "%Y/%m/%d").replace(tzinfo=UTC).timestamp() + DAY_S
    except ValueError:
        return float("inf")  # it is no day


def _remove_if_empty(day: Path) -> None:
    """With its month and year."""
    for directory in (day, *day.parents[:2]):
        if any(directory.iterdir()):
            return
        directory.rmdir()


def _delete_aside(place: Path, before: float) -> None:
    """Since it was set aside: a rename is a change of the inode. What is not ours is e2fsck's."""
    if not place.is_dir() or place.stat().st_uid != os.geteuid():
        return
    for file in place.iterdir():
        stat = file.stat()
        if file.is_file() and max(stat.st_mtime, stat.st_ctime) < before:
            file.unlink()
            log.info("deleted, for its time was over", file=f"{place.name}/{file.name}")
