"""Room that recordings leave on a disk: Redis may write to the same one, and without it no call is taken."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RESERVE_BYTES: Final = 1 << 30  # are kept free, or …
RESERVE_SHARE: Final = 0.05  # … this share of the disk, if it is smaller than 20 GiB
AGAIN_FREE: Final = 1.2  # times that: recordings begin again
KEPT_FREE: Final = "the disk is full but for what is kept free for the call path"


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes of a disk, at one moment."""

    free: int
    size: int

    @property
    def reserve(self) -> int:
        return round(min(RESERVE_BYTES, RESERVE_SHARE * self.size))

    def short(self, was: bool = False) -> bool:
        """Nothing but the reserve is left; `was`: so it was before."""
        return self.free < self.reserve * (AGAIN_FREE if was else 1)


def space(place: Path) -> Space:
    """Raises OSError."""
    disk = os.statvfs(place)
    return Space(disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize)
