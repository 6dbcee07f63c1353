"""Events on disk, for as long as PostgreSQL is away and Redis may not hold more of them.

Redis keeps the stream until the journal has carried it over, but a full Redis would stop calls. Beyond half of its
memory the journal writes the entries here, each as it came, and lets Redis forget them; when PostgreSQL is back they go
before the rest of the stream. A line that a kill cut in half is in Redis still: the file is synced before it forgets.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

Entry = tuple[bytes, Mapping[bytes, bytes]]

NAME: Final = "spilled.jsonl"
LATIN: Final = "latin-1"  # any bytes, there and back


class Spill:
    """One file below `directory`. Raises OSError when it cannot be written; what was written then stays."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME

    def write(self, entries: Sequence[Entry]) -> None:
        """Appended, and on the disk when this returns."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = b"".join(_line(id, fields) for id, fields in entries)
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            while text:
                text = text[os.write(file, text) :]
            os.fsync(file)
        finally:
            os.close(file)

    def batches(self, most: int) -> Iterator[list[Entry]]:
        """Everything in it, in order."""
        batch: list[Entry] = []
        for line in self._lines():
            try:
                id, fields = json.loads(line)
            except ValueError:  # the half of a line: a kill while it was written, so it is in the stream still
                continue
            batch.append((id.encode(), {k.encode(LATIN): v.encode(LATIN) for k, v in fields.items()}))
            if len(batch) == most:
                yield batch
                batch = []
        if batch:
            yield batch

    def size(self) -> int:
        """Bytes on the disk; 0: there is nothing."""
        return self._path.stat().st_size if self._path.exists() else 0

    def clear(self) -> None:
        self._path.unlink(missing_ok=True)

    def _lines(self) -> Iterator[bytes]:
        if self._path.exists():
            with self._path.open("rb") as file:
                yield from file


def _line(id: bytes, fields: Mapping[bytes, bytes]) -> bytes:
    """Begins with a line break, so that it stands alone also behind the half of one."""
    text = {name.decode(LATIN): value.decode(LATIN) for name, value in fields.items()}
    return b"\n" + json.dumps([id.decode(), text], separators=(",", ":")).encode()
