"""The spools of the rtpengines of this machine: plans of recordings are written there, and a full one is noticed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from lq import disk
from lq.disk import Space

log = structlog.get_logger()

DISK_S: Final = 0.3  # for a line in the spool; a disk that takes longer is left alone for a while
DISK_AGAIN_S: Final = 10.0
LOOK_S: Final = 1.0
FULL_BYTES: Final = 4 << 20  # of free space, or …
FULL_SHARE: Final = 0.02  # … of the disk: the less of the two


class Spools:
    def __init__(self, places: Sequence[Path], on_free: Callable[[Path], None]) -> None:
        """`on_free(spool)`: there is room again in one that was full."""
        self._places, self._on_free = places, on_free
        self._not_before: dict[Path, float] = {}
        self._full = dict.fromkeys(places, False)
        self._short = dict.fromkeys(places, False)

    def short(self, spool: Path) -> bool:
        """Nothing shall begin to be written there."""
        return self._short.get(spool, False)

    async def planned(self, spool: Path, write: Callable[..., None], *arguments: object) -> None:
        """A call waits for no disk: from a full or slow one the recorder gets no plan, and has to do without."""
        if time.monotonic() < self._not_before.get(spool, 0.0):
            log.error("recording without a plan in the spool: it is slow", alarm=True)
            return
        try:
            async with asyncio.timeout(DISK_S):
                await asyncio.to_thread(write, spool, *arguments)
        except OSError as error:
            if isinstance(error, TimeoutError):
                self._not_before[spool] = time.monotonic() + DISK_AGAIN_S
            log.error("recording without a plan in the spool", error=str(error) or "too slow", alarm=True)

    async def watch(self) -> None:
        """Until cancelled. rtpengine writes no more into a file once the disk was full (libpcap, pcap_dump): when there
        is room again, what is being recorded gets another file."""
        while True:
            await asyncio.sleep(LOOK_S)
            for spool in self._places:
                try:
                    async with asyncio.timeout(DISK_S):
                        self._look(spool, await asyncio.to_thread(disk.space, spool))
                except OSError as error:
                    log.error("the spool does not answer", error=repr(error), alarm=True)

    def _look(self, spool: Path, space: Space) -> None:
        was_short, was_full = self._short[spool], self._full[spool]
        self._short[spool], self._full[spool] = space.short(was_short), _is_full(space, was_full)
        if self._short[spool] and not was_short:
            log.error("no recording is begun: " + disk.KEPT_FREE, spool=str(spool), free_bytes=space.free, alarm=True)
        elif was_short and not self._short[spool]:
            log.warning("recordings are begun again", spool=str(spool), free_bytes=space.free)
        if was_full and not self._full[spool]:
            log.warning("the spool was full: recordings begin anew", spool=str(spool))
            self._on_free(spool)


def _is_full(space: Space, was: bool) -> bool:
    """Whether a write may have failed there; to be free again takes twice as much."""
    return space.free < min(FULL_BYTES, FULL_SHARE * space.size) * (2 if was else 1)
