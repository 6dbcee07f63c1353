"""The spools of the rtpengines of this machine: plans of recordings are written there, and a full one is noticed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from lq.media import plan

log = structlog.get_logger()

DISK_S: Final = 0.3  # for a line in the spool; a disk that takes longer is left alone for a while
DISK_AGAIN_S: Final = 10.0
LOOK_S: Final = 1.0


class Spools:
    def __init__(self, places: Sequence[Path], on_free: Callable[[Path], None]) -> None:
        """`on_free(spool)`: there is room again in one that was full."""
        self._places, self._on_free = places, on_free
        self._not_before: dict[Path, float] = {}

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
        full = dict.fromkeys(self._places, False)
        while True:
            await asyncio.sleep(LOOK_S)
            for spool, was in full.items():
                try:
                    async with asyncio.timeout(DISK_S):
                        full[spool] = await asyncio.to_thread(plan.is_full, spool, was)
                except OSError as error:
                    log.error("the spool does not answer", error=repr(error), alarm=True)
                    continue
                if was and not full[spool]:
                    log.warning("the spool was full: recordings begin anew", spool=str(spool))
                    self._on_free(spool)
