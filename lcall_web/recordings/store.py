"""Recordings as a person may hear them: of calls that are his to see, and each listening is written down first."""

from __future__ import annotations

import secrets
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
from sanic.exceptions import Forbidden, NotFound

from lcall_web.common.context import Context
from lcall_web.common.database import queries
from lcall_web.common.failures import Busy
from lcall_web.common.viewer import EXPORT, LISTEN, Viewer
from lcall_web.recordings.rules import Written
from lcall_web.recordings.wave import NoWave, Outline
from lq.sdk import ApiError
from lq.sdk.client import Audio

SQL: Final = queries(__file__)
AT_REST: Final = ("stored", "verified")
OUTLINES: Final = 200
EACH: Final = 8  # recordings at the same time, of all that the web has room for (Context.audio)
SILENCE: Final = "silence"

_listening: Counter[str] = Counter()  # person -> to how many


@dataclass(frozen=True, slots=True)
class Gap:
    channel: int
    start_s: float
    duration_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Recording:
    id: str
    contact_id: str
    state: str
    duration_s: float | None
    sha256: str
    gaps: tuple[Gap, ...]  # of which no packets came, or which somebody paused
    left_out_s: float  # of a recording by voice: silence that it does not hold
    reason: str  # why it was stopped, or failed

    @property
    def audible(self) -> bool:
        return self.state in AT_REST and bool(self.duration_s)


async def recording(here: Context, viewer: Viewer, id: str) -> Recording:
    """Raises Forbidden for one who may hear none, NotFound for a call that is not his to see."""
    if not viewer.may(LISTEN):
        raise Forbidden
    row = await here.database.row(SQL["contact"], id)
    if row is None or not (viewer.reach.everything or (row["known"] and _his(viewer, row))):
        raise NotFound(id)
    found = await here.lq.recording(id)
    gaps = [
        Gap(int(g["channel"]), float(g["start_s"]), float(g["duration_s"]), str(g.get("reason", "")))
        for g in found.gaps
    ]
    return Recording(
        id=id,
        contact_id=row["contact_id"],
        state=found.state,
        duration_s=found.duration_s,
        sha256=found.sha256 or "",
        gaps=tuple(gap for gap in gaps if gap.reason != SILENCE),
        left_out_s=sum(gap.duration_s for gap in gaps if gap.reason == SILENCE),
        reason=row["reason"] or "",
    )


def _his(viewer: Viewer, row: asyncpg.Record) -> bool:
    return viewer.reach.holds_call(row["talked"], row["waited"])


@dataclass(frozen=True, slots=True)
class Comment:
    """What somebody wrote at a moment of a recording."""

    id: int
    at_s: float
    operator: str
    name: str
    text: str
    created_at: datetime
    own: bool


async def comments(here: Context, viewer: Viewer, found: Recording) -> tuple[Comment, ...]:
    rows = await here.database.fetch(SQL["comments"], found.id)
    return tuple(
        Comment(
            *(row["id"], row["at_ms"] / 1000, row["operator"], row["name"] or row["operator"], row["text"]),
            *(row["created_at"], row["operator"] == viewer.id),
        )
        for row in rows
    )


async def comment(here: Context, viewer: Viewer, found: Recording, written: Written, key: str) -> None:
    """Kept once, however often the form comes."""
    at_ms = round(written.at_s * 1000)
    await here.database.fetch(SQL["comment"], found.id, at_ms, viewer.id, written.text, key or secrets.token_hex(16))


async def remove_comment(here: Context, viewer: Viewer, found: Recording, id: int) -> None:
    await here.database.fetch(SQL["remove_comment"], id, found.id, viewer.id)


@asynccontextmanager
async def audio(
    here: Context, viewer: Viewer, id: str, range: str | None, address: str, *, keep: bool = False
) -> AsyncIterator[Audio]:
    """The WAV, or the part that `range` asks for, as it comes from the api; to `keep` it is a right of its own."""
    await recording(here, viewer, id)
    if keep and not viewer.may(EXPORT):
        raise Forbidden
    if here.audio.locked():
        raise Busy
    with _ears(viewer.id):
        await here.database.fetch(SQL["downloaded" if keep else "played"], viewer.id, f"recording:{id}", address)
        async with here.audio, here.sound.recording_audio(id, range) as found:
            yield found


@contextmanager
def _ears(who: str) -> Iterator[None]:
    """One more for him, until it is over. Raises Busy: others want to hear something, too."""
    if _listening[who] >= EACH:
        raise Busy
    _listening[who] += 1
    try:
        yield
    finally:
        _listening[who] -= 1
        if not _listening[who]:
            del _listening[who]


class Outlines:
    """Of the recordings looked at lately."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, list[list[float]]] = OrderedDict()

    async def of(self, here: Context, viewer: Viewer, id: str) -> list[list[float]]:
        """Empty for a file that cannot be drawn."""
        found = await recording(here, viewer, id)
        if not found.audible:
            raise NotFound(id)
        if found.sha256 not in self._known:
            if here.audio.locked():
                raise Busy
            async with here.audio:
                self._known[found.sha256] = await _drawn(here, id)
            if len(self._known) > OUTLINES:
                self._known.popitem(last=False)
        self._known.move_to_end(found.sha256)
        return self._known[found.sha256]


async def _drawn(here: Context, id: str) -> list[list[float]]:
    outline = Outline()
    try:
        async with here.sound.recording_audio(id) as audio:
            async for piece in audio.chunks:
                outline.feed(piece)
    except NoWave:
        return []
    except ApiError as error:
        if error.status == 404:
            raise NotFound(id) from error
        raise
    return outline.peaks()
