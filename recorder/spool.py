"""What rtpengine leaves in its recording directory: metadata/ gets a file when a recording is closed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,99}")
_START: Final = re.compile(r"call start time: (\S+)")


class Unreadable(ValueError):
    """A metadata file that says nothing we can use."""


@dataclass(frozen=True, slots=True)
class Take:
    """One closed recording in the spool."""

    recording: str
    contact: str
    left: int  # rtpengine's port that the leg's phone sends to
    right: int
    pcap: Path
    metadata: Path
    started_at: float  # s of the epoch, to the second; rtpengine knows no better


def read(metadata: Path) -> Take:
    """Raises Unreadable; OSError when the file cannot be read."""
    text = metadata.read_text("utf-8", "replace")
    lines = text.splitlines()
    told = next((line for line in reversed(lines) if line.startswith("recording=")), "")
    fields = dict(part.partition("=")[::2] for part in told.split("|"))
    try:
        recording, contact = fields["recording"], fields["contact"]
        left, right = int(fields["left"]), int(fields["right"])
    except (KeyError, ValueError) as error:
        raise Unreadable(f"{metadata.name}: {error!r}") from error
    if not _ID.fullmatch(recording) or not lines:
        raise Unreadable(f"{metadata.name}: recording id {recording!r}")
    pcap = metadata.parent.parent / "pcaps" / Path(lines[0].strip()).name
    return Take(recording, contact, left, right, pcap, metadata, _started(text))


def _started(text: str) -> float:
    found = _START.search(text)
    if not found:
        return 0.0
    try:
        return datetime.fromisoformat(found[1]).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


def closed(spool: Path) -> list[Path]:
    """Metadata files of closed recordings, oldest first."""
    return sorted((spool / "metadata").glob("*.txt"), key=lambda path: path.name)
