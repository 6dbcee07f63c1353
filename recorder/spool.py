"""What rtpengine leaves in its recording directory, and what of it belongs together.

`pcaps/` holds what is being recorded; `metadata/` gets a file when a recording is closed. Before each start of
rtpengine its pcaps are moved to `rescued/` as `<name>.<n>.pcap`, since it would truncate them: a recording that it goes
on with has those as earlier parts. `planned/` says, from before the first packet, whose recording a call is (lq writes
it), for rtpengine writes that only at the end: so the parts of a call that it lost are a recording all the same.

A recording that was paused has a part for each stretch, and so has one whose leg was made anew, in another spool if
that was on another rtpengine. Its plan says so, and when it is over: until then its parts wait. A disk that was full or
slow may have kept the plan from saying it: so they also wait while the same rtpengine records more of their call.
"""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from recorder.pcap import begins_at, first_ports

LOST_S: Final = 3600.0  # rtpengine is back within a second and goes on; after its --timeout it has surely lost the call
OVER_S: Final = 60.0  # lq has said that nothing more will come
FORGOTTEN_S: Final = 86_400.0  # a plan of which no packet ever came, a pause of which nobody said the end

_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,99}")
_TIME: Final = re.compile(r"call (?:start|end) time: (\S+)")
_MAP: Final = re.compile(r"^a=rtpmap:(\d{1,3}) ([\w.-]+)/", re.MULTILINE | re.ASCII)
_META: Final = "rtpengine-meta-"
OPEN_END: Final = float(1 << 40)  # of a pause that goes on
ASIDE: Final = "aside"
ASIDE_BEFORE: Final = "lost+found"  # its name in older releases; on a disk of its own e2fsck's (mke2fs), and root's


class Unreadable(ValueError):
    """A file of the spool that says nothing we can use."""


@dataclass(frozen=True, slots=True)
class Part:
    """One pcap of a recording."""

    pcap: Path
    left: int  # rtpengine's port that the leg's phone sends to
    right: int
    codecs: Mapping[int, str] = field(default_factory=dict)  # of dynamic payload types

    @property
    def spool(self) -> Path:
        return self.pcap.parent.parent

    @property
    def origin(self) -> tuple[Path, str]:
        """Where rtpengine wrote it, and its name, which those have that were rescued before it."""
        stem = self.pcap.stem
        return self.spool, stem.rpartition(".")[0] if self.pcap.parent.name == "rescued" else stem


@dataclass(frozen=True, slots=True)
class Take:
    """One recording in the spool that is over."""

    recording: str
    contact: str
    parts: tuple[Part, ...]
    papers: tuple[Path, ...]  # plans and metadata, removed last
    since: float  # s of the epoch, to the second: no packet is older …
    until: float  # … or younger
    pauses: tuple[tuple[float, float], ...] = ()  # s of the epoch
    silence_s: float = 0.0  # longer silences are left out; 0: none
    heard_from: str = ""  # where the voice of the leg's party came from at the end, host:port; "": not known

    @property
    def pcaps(self) -> tuple[Path, ...]:
        return tuple(part.pcap for part in self.parts)


@dataclass(frozen=True, slots=True)
class Look:
    """The names that lie in a spool at one moment. A pcap's is `<call>-<16 hex>`, and `.<n>` when it was rescued."""

    spool: Path
    metadata: Sequence[Path]  # the oldest first
    pcaps: Mapping[str, Path]  # by name
    rescued: Mapping[str, Sequence[Path]]  # by name, in the order of time
    plans: Mapping[str, Path]  # by recording
    calls: Mapping[str, Sequence[str]]  # names by call
    written: frozenset[str]  # names that rtpengine has closed

    def files(self, name: str) -> list[Path]:
        return [*self.rescued.get(name, ()), *([self.pcaps[name]] if name in self.pcaps else [])]

    def live(self, call: str) -> bool:
        """It is being recorded."""
        return any(name in self.pcaps and name not in self.written for name in self.calls.get(call, ()))


def look(spool: Path) -> Look:
    """What moves to `rescued/` meanwhile is seen twice, never missed."""
    metadata = sorted((spool / "metadata").glob("*.txt"))
    pcaps = {pcap.stem: pcap for pcap in (spool / "pcaps").glob("*.pcap")}
    rescued: dict[str, list[Path]] = {}
    for pcap in sorted((spool / "rescued").glob("*.pcap"), key=_number):
        rescued.setdefault(pcap.stem.rpartition(".")[0], []).append(pcap)
    calls: dict[str, list[str]] = {}
    for name in {**rescued, **pcaps}:
        calls.setdefault(call_of(name), []).append(name)
    plans = {plan.stem: plan for plan in (spool / "planned").glob("*.json")}
    written = frozenset(name_of(paper) for paper in metadata)
    return Look(spool, metadata, pcaps, rescued, plans, calls, written)


def read(metadata: Path, looks: Sequence[Look], now: float) -> Take | None:
    """The recording that rtpengine has closed a part of; None: it goes on.

    Raises Unreadable; OSError when a file cannot be read.
    """
    told = _told_or_planned(metadata, looks)
    plans = _plans(told.recording, looks)
    if _goes_on(plans, metadata, looks, now):
        return None
    return _take(metadata, told, plans, looks)


def lost(looks: Sequence[Look], now: float) -> list[Path]:
    """Plans of calls that rtpengine has lost, and those of which nothing ever came."""
    found = []
    for here in looks:
        for recording, plan in here.plans.items():
            try:
                document = _plan(plan)
                call = str(document.get("call"))
                parts = [part for name in here.calls.get(call, ()) for part in here.rescued.get(name, ())]
                limit = _lost_at(plan, bool(document.get("over")), parts)
            except FileNotFoundError:
                continue  # it came to its end meanwhile
            alive = any(_alive(recording, call, each) for each in looks)
            if not alive and now > limit:
                found.append(plan)
    return found


def _lost_at(plan: Path, over: bool, parts: Sequence[Path]) -> float:
    """When a call that rtpengine does not record surely is lost. Raises FileNotFoundError."""
    written = plan.stat().st_mtime
    moved = max((part.stat().st_ctime for part in parts), default=0.0)  # a rename is a change of the inode
    if over:
        return max(written, moved) + OVER_S
    return moved + LOST_S if parts else written + FORGOTTEN_S


def read_plan(plan: Path, looks: Sequence[Look]) -> Take:
    """What there is of a lost call. Raises Unreadable; OSError when the file cannot be read."""
    told = _Told.of(plan, _plan(plan))
    plans = _plans(told.recording, looks)
    return _take(plan, told, plans, looks)


@dataclass(frozen=True, slots=True)
class Running:
    """A recording that is not over. In a pause, or while rtpengine comes back, it has no pcap."""

    left: int
    right: int
    codecs: Mapping[int, str]
    pcap: Path | None


def running(spools: Iterable[Path], recording: str) -> Running | None:
    """As its newest plan tells; None: no such recording runs here. Looks at a few names only."""
    if not _ID.fullmatch(recording):
        return None
    plans = [(_plan(place / "planned" / f"{recording}.json"), place) for place in spools]
    document, place = max(plans, key=lambda one: _at(one[0], "since"))
    try:
        told = _Told.of(place / "planned" / recording, document)
    except Unreadable:
        return None
    call = glob.escape(str(document.get("call")))
    closed = {name_of(paper) for paper in (place / "metadata").glob(f"{_META}{call}-*.txt")}
    pcaps = [pcap for pcap in (place / "pcaps").glob(f"{call}-*.pcap") if pcap.stem not in closed]
    comes = document.get("moves") or any(pause[1] > OPEN_END - 1 for pause in _pauses([document]))
    if not pcaps and (document.get("over") or (closed and not comes)):
        return None
    return Running(told.left, told.right, told.codecs, pcaps[0] if pcaps else None)


def aside(spool: Path, paper: Path, why: str) -> None:
    """Out of the way, for people to look at: the file, the pcaps that it may be about, and the reason beside it."""
    place = spool / ASIDE
    place.mkdir(exist_ok=True)
    pcaps = look(spool).files(name_of(paper)) if paper.suffix == ".txt" else []
    for file in (*pcaps, paper):
        file.rename(place / file.name)
    (place / f"{paper.name}.reason").write_text(why + "\n")


def keep(pcap: Path, why: str) -> bool:
    """A second name for it there, which stays when the recording is stored. False: it has one already."""
    second = pcap.parent.parent / ASIDE / pcap.name
    if second.exists() and second.samefile(pcap):
        return False
    second.parent.mkdir(exist_ok=True)
    second.with_name(f"{pcap.name}.reason").write_text(why + "\n")
    os.link(pcap, second)
    return True


def lengths(parts: Sequence[Part]) -> list[tuple[str, int]]:
    """The name that rtpengine gave each, which a move to `rescued/` leaves it, and its bytes. Raises OSError."""
    return [(part.origin[1], part.pcap.stat().st_size) for part in parts]


def in_order(parts: Sequence[Part]) -> list[Part]:
    """By the capture times of the first packets; files of one name as they were written, whatever the clock said."""
    begins: dict[tuple[Path, str], float] = {}
    for part in parts:
        begins[part.origin] = min(begins.get(part.origin, float("inf")), begins_at(part.pcap))
    return sorted(parts, key=lambda part: begins[part.origin])


def name_of(metadata: Path) -> str:
    """The name of its pcap."""
    return metadata.stem.removeprefix(_META)


def call_of_plan(plan: Path) -> str:
    """The call that it names; "": none."""
    return str(_plan(plan).get("call") or "")


def call_of(name: str) -> str:
    """`<call-id>-<16 hex>`: the call-id."""
    return name.rpartition("-")[0]


@dataclass(frozen=True, slots=True)
class _Told:
    """What a paper says of a recording."""

    recording: str
    contact: str
    left: int
    right: int
    codecs: Mapping[int, str] = field(default_factory=dict)
    name: str = ""  # of the pcap
    times: tuple[float, ...] = ()

    @classmethod
    def of(cls, paper: Path, fields: Mapping[str, Any], **more: Any) -> _Told:
        try:
            recording, contact = str(fields["recording"]), str(fields["contact"])
            left, right = int(fields["left"]), int(fields["right"])
            codecs = {int(kind): str(codec).partition("/")[0] for kind, codec in fields.get("codecs", {}).items()}
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise Unreadable(f"{paper.name}: {error!r}") from error
        if not _ID.fullmatch(recording):
            raise Unreadable(f"{paper.name}: recording id {recording!r}")
        return cls(recording, contact, left, right, codecs | more.pop("codecs", {}), **more)


def _told(metadata: Path) -> _Told:
    text = metadata.read_text("utf-8", "replace")
    lines = text.splitlines()
    fields = dict(part.partition("=")[::2] for part in _last(lines, "recording=").split("|"))
    return _Told.of(
        metadata,
        fields,
        codecs=_payloads(text, fields),
        name=Path(lines[0].strip() if lines else "").stem,
        times=tuple(_epoch(time) for time in _TIME.findall(text)),
    )


def _told_or_planned(metadata: Path, looks: Iterable[Look]) -> _Told:
    """What the plan of its call says, if it says nothing itself: it is cut off when the disk is full. Raises
    Unreadable."""
    try:
        return _told(metadata)
    except Unreadable:
        call = call_of(name_of(metadata))
        for plan in (plan for here in looks if metadata.is_relative_to(here.spool) for plan in here.plans.values()):
            if call and call_of_plan(plan) == call:
                return _Told.of(plan, _plan(plan))
        raise


def _payloads(text: str, fields: Mapping[str, str]) -> dict[int, str]:
    """What lq says of the phone's payload types; those of rtpengine's descriptions, which number them anew, else."""
    found = {int(kind): name for kind, name in _MAP.findall(text)}
    told = (pair.partition(":") for pair in fields.get("payloads", "").split(","))
    return found | {int(kind): name for kind, _, name in told if kind.isascii() and kind.isdigit() and len(kind) < 4}


def _last(lines: Sequence[str], begin: str) -> str:
    return next((line for line in reversed(lines) if line.startswith(begin)), "")


def _plans(recording: str, looks: Iterable[Look]) -> list[tuple[Look, Path, Mapping[str, Any]]]:
    """In each spool that has one, the newest last."""
    found = [(here, here.plans[recording], _plan(here.plans[recording])) for here in looks if recording in here.plans]
    return sorted(found, key=lambda one: _at(one[2], "since"))


def _goes_on(
    plans: Sequence[tuple[Look, Path, Mapping[str, Any]]], metadata: Path, looks: Sequence[Look], now: float
) -> bool:
    """More may come: it is paused, its leg is made anew, or it goes on in another part.

    That its own rtpengine goes on with it counts whatever its only plan says, or if it has none: a pause is carried out
    though its plan could not be written. What an rtpengine elsewhere left open says nothing: it may never come back.
    """
    if len(plans) < 2 and _goes_on_here(metadata, looks):
        return True
    if not plans or (len(plans) == 1 and not (plans[0][2].get("pauses") or plans[0][2].get("moves"))):
        return False
    here, plan, document = plans[-1]
    if here.live(str(document.get("call"))):
        return True
    return not document.get("over") and now < max(plan.stat().st_mtime, metadata.stat().st_mtime) + FORGOTTEN_S


def _goes_on_here(metadata: Path, looks: Sequence[Look]) -> bool:
    """Another part of its call is being recorded by the rtpengine that has closed this one."""
    call = call_of(name_of(metadata))
    return bool(call) and any(here.live(call) for here in looks if metadata.is_relative_to(here.spool))


def _alive(recording: str, call: str, here: Look) -> bool:
    """It is being recorded there, or what was closed waits there for the recorder."""
    plan = here.plans.get(recording)
    calls = {call} if plan is None else {call, str(_plan(plan).get("call"))}
    return any(here.live(each) for each in calls) or any(call_of(name_of(paper)) in calls for paper in here.metadata)


def _take(
    paper: Path, told: _Told, plans: Sequence[tuple[Look, Path, Mapping[str, Any]]], looks: Sequence[Look]
) -> Take:
    parts: dict[Path, Part] = {}
    papers, times = [], list(told.times)
    for here, each, what in _papers(paper, told, plans, looks):
        papers.append(each)
        times += what.times
        for name in [what.name] if what.name else here.calls.get(str(_plan(each).get("call")), ()):
            for pcap in here.files(name):
                heard = what if what.name else _heard_at(pcap, each, what)
                parts.setdefault(pcap, Part(pcap, heard.left, heard.right, heard.codecs))
    changed = [pcap.stat().st_mtime for pcap in parts] or [paper.stat().st_mtime]
    return Take(
        told.recording,
        told.contact,
        tuple(parts.values()),
        (*(each for each in papers if each != paper), paper),
        min(times or changed),
        max((*times, *changed) if not told.times else times),
        tuple(_pauses(document for _, _, document in plans)),
        _silence_s(document for _, _, document in plans),
        next((str(document["from"]) for _, _, document in reversed(plans) if document.get("from")), ""),
    )


def _heard_at(pcap: Path, plan: Path, told: _Told) -> _Told:
    """The ports of a part of which only the plan tells: a leg that rtpengine lost was made anew, at others."""
    document = _plan(plan)
    earlier = document.get("earlier")
    if not isinstance(earlier, list) or not earlier:
        return told
    ports = first_ports(pcap)
    known = [told, *(_Told.of(plan, {**document, **fields}) for fields in earlier if isinstance(fields, dict))]
    return max(known, key=lambda one: len(ports & {one.left, one.right}))  # the first of equals: the newest


def _papers(
    paper: Path, told: _Told, plans: Sequence[tuple[Look, Path, Mapping[str, Any]]], looks: Sequence[Look]
) -> Iterator[tuple[Look, Path, _Told]]:
    """All that tells of the recording; metadata first, for they name their pcap and its codecs."""
    calls = {str(document.get("call")) for _, _, document in plans} | {call_of(name_of(paper))} - {""}
    for here in looks:
        for each in here.metadata:
            if each == paper:
                yield here, each, told
            elif call_of(name_of(each)) in calls:
                other = _told_of(each, told.recording)
                if other is not None:
                    yield here, each, other
    for here, plan, document in plans:
        yield here, plan, _Told.of(plan, document)


def _told_of(metadata: Path, recording: str) -> _Told | None:
    """None: it is another's, or unreadable, which is told when its own turn comes."""
    try:
        told = _told(metadata)
    except Unreadable:
        return None
    return told if told.recording == recording else None


def _pauses(documents: Iterable[Mapping[str, Any]]) -> Iterator[tuple[float, float]]:
    for document in documents:
        for pause in document.get("pauses") or ():
            if isinstance(pause, list) and len(pause) == 2 and isinstance(pause[0], int | float):
                yield pause[0] / 1000, pause[1] / 1000 if isinstance(pause[1], int | float) else OPEN_END


def _silence_s(documents: Iterable[Mapping[str, Any]]) -> float:
    return min((longest for document in documents if (longest := _at(document, "silence_s")) > 0), default=0.0)


def _plan(plan: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(plan.read_bytes())
    except (ValueError, FileNotFoundError):
        return {}
    return document if isinstance(document, dict) else {}


def _at(document: Mapping[str, Any], key: str) -> float:
    value = document.get(key)
    return float(value) if isinstance(value, int | float) else 0.0


def _number(part: Path) -> tuple[str, int]:
    name, _, number = part.stem.rpartition(".")
    return name, int(number) if number.isdecimal() else 0


def _epoch(time: str) -> float:
    try:
        return datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0
