"""The prompts and music on disk: raw A-law, 8 kHz, by item name; read once and kept."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_ITEM: Final = re.compile(r"[a-z0-9_]+(/[A-Za-z0-9_-]+)+")
RATE: Final = 8  # samples a millisecond
KEPT: Final = 64 << 20  # bytes of joined sequences; single files stay


class NoSuchItem(LookupError):
    """An item that no directory holds, or that is no item's name."""


class Shelf:
    """Items are paths below any of the directories, without suffix; the first directory that has one wins."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self._directories = directories
        self._files: dict[str, tuple[int, bytes]] = {}
        self._joined: OrderedDict[tuple[str, ...], bytes] = OrderedDict()
        self._size = 0

    def item(self, name: str) -> bytes:
        if not _ITEM.fullmatch(name):
            raise NoSuchItem(f"{name!r} is no name of an item")
        for directory in self._directories:
            file = directory / f"{name}.al"
            if not file.is_file():
                continue
            changed = file.stat().st_mtime_ns
            kept = self._files.get(name)
            if kept is None or kept[0] != changed:
                self._files[name] = kept = (changed, file.read_bytes())
                self._joined.clear()
                self._size = 0
            return kept[1]
        raise NoSuchItem(f"no prompt {name!r}")

    def sequence(self, names: Sequence[str]) -> bytes:
        """Items one after another without a gap; the same bytes object for the same names."""
        key = tuple(names)
        parts = [self.item(name) for name in key]
        if len(parts) == 1:
            return parts[0]
        audio = self._joined.get(key)
        if audio is None:
            audio = self._joined[key] = b"".join(parts)
            self._size += len(audio)
            while self._size > KEPT:
                self._size -= len(self._joined.popitem(last=False)[1])
        self._joined.move_to_end(key) if key in self._joined else None
        return audio
