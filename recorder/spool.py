"""What rtpengine leaves in its recording directory, and what of it belongs together.

`pcaps/` holds what is being recorded; `metadata/` gets a file when a recording is closed. Before each start of
rtpengine its pcaps are moved to `rescued/` as `<name>.<n>.pcap`, since it would truncate them: a recording that it goes
on with has those as earlier parts. `planned/` says, from before the first packet, whose recording a call is (lq writes
it), for rtpengine writes that only at the end: so the parts of a call that it lost are a recording all the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

LOST_S: Final = 3600.0  # rtpengine is back within a second and goes on; after its --timeout it has surely lost the call
FORGOTTEN_S: Final = 86_400.0  # a plan of which no packet ever came

_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,99}")
_TIME: Final = re.compile(r"call (?:start|end) time: (\S+)")


class Unreadable(ValueError):
    """A file of the spool that says nothing we can use."""


@dataclass(frozen=True, slots=True)
class Take:
    """One recording in the spool that is over."""

    recording: str
    contact: str
    left: int  # rtpengine's port that the leg's phone sends to
    right: int
    pcaps: tuple[Path, ...]  # in the order of time
    papers: tuple[Path, ...]  # metadata and plan, removed last
    since: float  # s of the epoch, to the second: no packet is older …
    until: float  # … or younger


def closed(spool: Path) -> list[Path]:
    """Metadata files of closed recordings, oldest first."""
    return sorted((spool / "metadata").glob("*.txt"), key=lambda path: path.name)


def read(metadata: Path) -> Take:
    """Raises Unreadable; OSError when the file cannot be read."""
    text = metadata.read_text("utf-8", "replace")
    lines = text.splitlines()
    told = next((line for line in reversed(lines) if line.startswith("recording=")), "")
    spool = metadata.parent.parent
    pcap = spool / "pcaps" / Path(lines[0].strip() if lines else "").name
    pcaps = (*_parts(spool, pcap.stem), pcap)
    times = [_epoch(time) for time in _TIME.findall(text)]
    fields = dict(part.partition("=")[::2] for part in told.split("|"))
    return _take(metadata, fields, pcaps, min(times, default=0.0), max(times, default=0.0))


def lost(spool: Path, now: float) -> list[Path]:
    """Plans of calls that rtpengine has lost, and those of which nothing ever came."""
    live = {_call(path) for path in (spool / "pcaps").glob("*.pcap")}
    live |= {_call(path).removeprefix("rtpengine-meta-") for path in (spool / "metadata").glob("*.txt")}
    rescued = _rescued(spool)
    found = []
    for plan in sorted((spool / "planned").glob("*.json")):
        try:
            call = _plan(plan).get("call")
            parts = rescued.get(str(call), [])
            moved = max((part.stat().st_ctime for part in parts), default=0.0)  # a rename is a change of the inode
            limit = moved + LOST_S if parts else plan.stat().st_mtime + FORGOTTEN_S
        except FileNotFoundError:
            continue  # it came to its end meanwhile
        if call not in live and now > limit:
            found.append(plan)
    return found


def read_plan(plan: Path) -> Take:
    """What there is of a lost call. Raises Unreadable; OSError when the file cannot be read."""
    document = _plan(plan)
    pcaps = tuple(_rescued(plan.parent.parent).get(str(document.get("call")), ()))
    changed = [path.stat().st_mtime for path in (*pcaps, plan)]
    return _take(plan, document, pcaps, min(changed), max(changed))


def aside(spool: Path, paper: Path) -> None:
    """Out of the way, for people to look at, with the pcaps that it may be about."""
    place = spool / "unreadable"
    place.mkdir(exist_ok=True)
    call = _call(paper).removeprefix("rtpengine-meta-")
    for file in (*(spool / "pcaps").glob(f"{call}-*.pcap"), paper):
        file.rename(place / file.name)


def _take(paper: Path, fields: Mapping[str, Any], pcaps: tuple[Path, ...], since: float, until: float) -> Take:
    try:
        recording, contact = str(fields["recording"]), str(fields["contact"])
        left, right = int(fields["left"]), int(fields["right"])
    except (KeyError, ValueError, TypeError) as error:
        raise Unreadable(f"{paper.name}: {error!r}") from error
    if not _ID.fullmatch(recording):
        raise Unreadable(f"{paper.name}: recording id {recording!r}")
    plan = paper.parent.parent / "planned" / f"{recording}.json"
    papers = (paper,) if paper == plan else (plan, paper)
    return Take(recording, contact, left, right, pcaps, papers, since, until)


def _plan(plan: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(plan.read_bytes())
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _call(path: Path) -> str:
    """`<call-id>-<16 hex>.pcap`: the call-id."""
    return path.stem.rpartition("-")[0]


def _rescued(spool: Path) -> dict[str, list[Path]]:
    """By call-id, in the order of time: `<call-id>-<16 hex>.<n>.pcap`."""
    found: dict[str, list[Path]] = {}
    for part in sorted((spool / "rescued").glob("*.pcap"), key=_number):
        found.setdefault(_call(part), []).append(part)
    return found


def _parts(spool: Path, stem: str) -> list[Path]:
    """The earlier parts of this pcap."""
    parts = (spool / "rescued").glob("*.pcap")
    return sorted((part for part in parts if part.stem.rpartition(".")[0] == stem), key=_number)


def _number(part: Path) -> tuple[str, int]:
    name, _, number = part.stem.rpartition(".")
    return name, int(number) if number.isdecimal() else 0


def _epoch(time: str) -> float:
    try:
        return datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0
