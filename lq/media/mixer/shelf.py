"""The prompts and music on disk: raw A-law, 8 kHz, by item name. What is heard often stays in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lq.media.prompts import ITEM

RATE: Final = 8  # samples a millisecond
KEPT: Final = 64 << 20  # bytes: more than two hours
LONGEST: Final = 3600 * 1000 * RATE  # of one sequence


class NoSuchItem(LookupError):
    """An item that no directory holds, or that is no item's name."""


class TooLong(ValueError):
    """More than anybody would hear at once."""


class Shelf:
    """Items are paths below any of the directories, without suffix; the first directory that has one wins.

    A file is read again when it was changed, so a newly rendered prompt is heard at its next play.
    """

    def __init__(self, directories: Sequence[Path], kept: int = KEPT) -> None:
        self._directories, self._most = directories, kept
        self._files: OrderedDict[Path, tuple[int, bytes]] = OrderedDict()  # by last use
        self._size = 0

    def sequence(self, names: Sequence[str]) -> bytes:
        """Items one after another without a gap. All who hear one item share its bytes. Raises NoSuchItem, TooLong."""
        parts = [self.item(name) for name in names]
        if sum(map(len, parts)) > LONGEST:
            raise TooLong("more than an hour")
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def item(self, name: str) -> bytes:
        if not ITEM.fullmatch(name):
            raise NoSuchItem(f"{name!r} is no name of an item")
        for directory in self._directories:
            try:
                return self._read(directory / f"{name}.al")
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise NoSuchItem(f"prompt {name!r} cannot be read: {error}") from error
        raise NoSuchItem(f"no prompt {name!r}")

    def _read(self, file: Path) -> bytes:
        changed = file.stat().st_mtime_ns
        kept = self._files.pop(file, None)
        if kept is None or kept[0] != changed:
            self._size -= len(kept[1]) if kept else 0
            kept = changed, file.read_bytes()
            self._size += len(kept[1])
        self._files[file] = kept
        while self._size > self._most:
            self._size -= len(self._files.popitem(last=False)[1][1])
        return kept[1]
