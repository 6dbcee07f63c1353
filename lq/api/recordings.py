"""/v1/recordings: from history, and from the store's own sidecar files while history is away; the audio in any part."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import structlog
from sanic import Request

from lq.api import access, contacts, context, listening
from lq.api.errors import Refusal, history_away, not_found
from lq.api.history import HistoryAway
from lq.ledger.projection import ms
from lq.ledger.shown import rfc3339_or_none

log = structlog.get_logger()

Json = dict[str, Any]

ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-]{0,99}")
UUID7: Final = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-")
RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
CHUNK: Final = 65_536

ROW: Final = """
select id, contact_id, kind, state, started_at, duration_ms, channels, format, sha256, gaps, reason, path
from recording where id = $1"""
NOTED: Final = """
insert into audit (operator, action, object, address)
select $1, $2, $3, $4 where not exists (
    select from audit where object = $3 and operator = $1 and action = $2 and at > now() - interval '5 minutes')"""


async def one(request: Request, recording: str) -> Json:
    found, _ = await _find(request, recording)
    await _allowed(request, found["contact_id"])
    return found


async def audio(request: Request, recording: str) -> None:
    """The WAV file, whole or in the part that Range asks for (RFC 9110 §14); with `live=1` what is being said now."""
    with context.of(request).downloads.one(access.of(request).token.id):
        await _sent(request, recording)


async def _sent(request: Request, recording: str) -> None:
    if request.args.get("live") == "1":
        await _allowed(request, recording.rpartition("-r")[0])
        await listening.listen(request, recording, lambda: _noted(request, recording, "recording_listened_live"))
        return
    found, path = await _find(request, recording)
    await _allowed(request, found["contact_id"])
    file = _inside(context.of(request).places.recordings, path)
    if file is None or not await asyncio.to_thread(file.is_file):
        raise Refusal(404, "no_audio", f"recording {recording} has no audio: it is {found['state']}")
    await _noted(request, recording, "recording_played")
    size = (await asyncio.to_thread(file.stat)).st_size
    part = byte_range(request.headers.get("range", ""), size)
    start, end = part or (0, size)
    headers = {"Accept-Ranges": "bytes", "Cache-Control": "private, max-age=3600", "Content-Length": str(end - start)}
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    response = await request.respond(status=206 if part else 200, headers=headers, content_type="audio/wav")
    with await asyncio.to_thread(file.open, "rb") as opened:
        await asyncio.to_thread(opened.seek, start)
        while start < end and (chunk := await asyncio.to_thread(opened.read, min(CHUNK, end - start))):
            await response.send(chunk)
            start += len(chunk)
    await response.eof()


async def _noted(request: Request, recording: str, action: str) -> None:
    """In the audit log, by the token's name, once in five minutes; the web, which has the house's, notes it of people.
    While there is no history the log of the process has it: nobody is kept from hearing by that."""
    token = access.of(request).token
    if access.of(request).has("admin"):
        return
    try:
        about = f"recording:{recording}", request.ip
        await context.of(request).history.fetch(NOTED, f"token:{token.id}", action, *about)
    except HistoryAway as away:
        log.warning("not in the audit log", action=action, token=token.id, recording=recording, error=str(away))


async def _allowed(request: Request, contact: str) -> None:
    if access.of(request).restricted:
        access.of(request).need_contact(await contacts.found(request, contact))


def byte_range(asked: str, size: int) -> tuple[int, int] | None:
    """First byte and end of the part asked for; None: the whole. Several ranges at once, or what is no byte range, may
    be ignored (RFC 9110 §14.2). Refused with 416 when it lies outside."""
    found = RANGE.fullmatch(asked.replace(" ", ""))
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, end = max(0, size - int(found[2])), size
    else:
        start, end = int(found[1]), min(size, int(found[2]) + 1) if found[2] else size
    if found[1] and found[2] and int(found[2]) < int(found[1]):
        return None
    if start >= end:
        raise Refusal(416, "range", f"the recording has {size} bytes")
    return start, end


async def _find(request: Request, recording: str) -> tuple[Json, str]:
    """The recording as shown, and the path of its file below the store."""
    if not ID.fullmatch(recording):
        raise not_found("such recording")
    here = context.of(request)
    try:
        row = await here.history.fetchrow(ROW, recording)
    except HistoryAway as away:
        sidecar = await asyncio.to_thread(_sidecar, here.places.recordings, recording)
        if sidecar is None:
            raise history_away(str(away)) from away
        return sidecar
    if row is None or row["path"] is None:
        # Stored a moment ago: the journal may not be there yet.
        sidecar = await asyncio.to_thread(_sidecar, here.places.recordings, recording)
        if sidecar is not None:
            shown, path = sidecar
            known = {} if row is None else {"kind": row["kind"], "reason": row["reason"]}
            return {**shown, **known}, path
    if row is None:
        raise not_found(f"recording {recording}")
    started_at = None if row["started_at"] is None else ms(row["started_at"])
    return recording_json({**row, "started_at": started_at, "gaps": json.loads(row["gaps"])}), row["path"] or ""


def recording_json(known: Mapping[str, Any]) -> Json:
    duration_ms = known.get("duration_ms")
    return {
        "id": known["id"],
        "contact_id": known["contact_id"],
        "kind": known.get("kind") or "whole",
        "state": known["state"],
        "started_at": rfc3339_or_none(known.get("started_at") or 0),
        "duration_s": None if duration_ms is None else duration_ms / 1000,
        "channels": known.get("channels"),
        "format": known.get("format"),
        "sha256": known.get("sha256"),
        "gaps": list(known.get("gaps") or ()),
        "reason": known.get("reason") or None,
    }


def _sidecar(store: Path, recording: str) -> tuple[Json, str] | None:
    """What the recorder wrote beside the audio: <store>/YYYY/MM/DD/<id>.json."""
    for day in _days(recording):
        file = store / day / f"{recording}.json"
        if file.is_file():
            known = json.loads(file.read_text(encoding="utf-8"))
            contact = known.get("contact") or recording.rpartition("-r")[0]
            shown = recording_json({**known, "id": recording, "contact_id": contact, "state": "stored"})
            return shown, f"{day}/{recording}.wav"
    return None


def _days(recording: str) -> list[str]:
    """The days on which it may have begun: its contact's id says when that started (UUIDv7, RFC 9562 §5.7)."""
    found = UUID7.match(recording)
    if found is None:
        return []
    day = datetime.fromtimestamp(int(found[1] + found[2], 16) / 1000, UTC)
    return [f"{day + timedelta(days=n):%Y/%m/%d}" for n in (0, 1, -1)]


def _inside(store: Path, path: str) -> Path | None:
    """The file, unless the path is empty or leads out of the store."""
    file = (store / path).resolve()
    return file if path and file.is_relative_to(store.resolve()) else None
