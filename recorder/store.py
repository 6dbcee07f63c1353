"""The store: a WAV and its sidecar for each recording, by day; written whole or not at all, and read back."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from lq import disk
from recorder import wav
from recorder.spool import Take
from recorder.voices import Voices

DAY_S: Final = 86_400
LONGEST_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Stored:
    """The sidecar: what the store knows of a recording. Also the data of `recording_stored`."""

    recording: str
    contact: str
    path: str  # below the store
    format: str
    channels: int
    duration_ms: int
    started_at: int  # ms of the epoch
    bytes: int
    sha256: str
    gaps: list[dict[str, Any]]

    def event_data(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if key != "recording"}


def keep(store: Path, take: Take, voices: Voices, heard: Sequence[tuple[str, int]] = ()) -> Stored:
    """Write the recording, and beside it which parts it was made of (`heard`: names and bytes).

    Raises OSError (a full disk): then nothing of it stands.
    """
    started = voices.started_at or take.since
    file = store / _day(started) / f"{take.recording}.wav"
    _make(file.parent)
    data = wav.encode(voices.samples)
    must_have_room(file.parent, len(data))
    write(file, data)
    stored = Stored(
        recording=take.recording,
        contact=take.contact,
        path=str(file.relative_to(store)),
        format="wav/alaw",
        channels=2,
        duration_ms=voices.duration_ms,
        started_at=int(started * 1000),
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        gaps=[asdict(gap) for gap in voices.gaps],
    )
    told = asdict(stored) | {"parts": heard}
    write(file.with_suffix(".json"), json.dumps(told, ensure_ascii=False, indent=1).encode())
    return stored


def heard(store: Path, stored: Stored) -> frozenset[tuple[str, int]]:
    """The parts that are in it, as its sidecar tells; none if an earlier release has written that. Raises OSError."""
    document = json.loads((store / stored.path).with_suffix(".json").read_bytes())
    return frozenset((name, length) for name, length in document.get("parts", ()))


def must_have_room(place: Path, more: int = 0) -> None:
    """Raises OSError: the recording waits in the spool."""
    space = disk.space(place)
    if space.free < space.reserve + more:
        raise OSError(errno.ENOSPC, disk.KEPT_FREE)


def verified(store: Path, stored: Stored) -> bool:
    """The file reads back as what was written. Raises OSError, except when there is none."""
    try:
        data = (store / stored.path).read_bytes()
    except FileNotFoundError:
        return False
    return hashlib.sha256(data).hexdigest() == stored.sha256 and wav.decode(data).channels == stored.channels


def find(store: Path, take: Take) -> Stored | None:
    """A recording that is stored already: we were killed before its spool was cleared. A broken sidecar is none."""
    days = max(0, min(round((take.until - take.since) / DAY_S), LONGEST_DAYS))
    for n in range(-1, days + 2):  # the clocks of the machine may have been set meanwhile
        sidecar = store / _day(take.since + n * DAY_S) / f"{take.recording}.json"
        if sidecar.exists():
            try:
                return read(sidecar.read_bytes())
            except (ValueError, KeyError, TypeError):
                return None  # it is written anew
    return None


def _day(time: float) -> str:
    return datetime.fromtimestamp(max(0.0, time), UTC).strftime("%Y/%m/%d")


def read(sidecar: bytes) -> Stored:
    document: Mapping[str, Any] = json.loads(sidecar)
    return Stored(**{name: document[name] for name in Stored.__dataclass_fields__})


def write(file: Path, data: bytes) -> None:
    """Under another name, to the disk, then renamed: what stands under its name is whole, also after a power cut."""
    part = file.with_name(f".{file.name}.part")
    try:
        with part.open("wb") as out:
            os.chmod(part, 0o640)
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        part.rename(file)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    _to_disk(file.parent)


def _make(directory: Path) -> None:
    """With its parents, each of them on the disk: the audio's only other copy is removed soon."""
    if not directory.is_dir():
        _make(directory.parent)
        directory.mkdir(exist_ok=True)
        _to_disk(directory.parent)


def _to_disk(directory: Path) -> None:
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
