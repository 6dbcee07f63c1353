"""The plan of a recording in the spool: whose it is, when it was paused, that its leg was made anew (`moves`), and that
it is over. The recorder reads it.

rtpengine writes whose a recording is at its end only, and knows no pause: it stops and starts, which makes two files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lq.media.leg import MediaLeg
from lq.media.sdp import BadSdp, audio


def write(spool: Path, leg: MediaLeg, recording: str, contact: str, now: int) -> None:
    """Before its first packet, and again when rtpengine lost the leg and it was made anew. Raises OSError.

    What was written before keeps the ports that it was heard at, its pauses, and what is left out of it.
    """
    file, told = _file(spool, recording), _new(leg, recording, contact, now)
    if file.exists():
        before = _get(file)
        told |= {key: before[key] for key in ("pauses", "silence_s", "moves") if key in before}
        ports = {key: before[key] for key in ("left", "right", "codecs") if key in before}
        told["earlier"] = before.get("earlier", [])
        if (ports.get("left"), ports.get("right")) != (told["left"], told["right"]):
            told["earlier"] = [*told["earlier"], ports]
    _put(file, told)


def pause(spool: Path, leg: MediaLeg, recording: str, contact: str, now: int) -> None:
    """From now (ms) on nothing shall be recorded. Raises OSError."""
    file = _file(spool, recording)
    told = _get(file) if file.exists() else _new(leg, recording, contact, now)  # the disk may have been full
    pauses = told.setdefault("pauses", [])
    if not pauses or pauses[-1][1] is not None:
        pauses.append([now, None])
        _put(file, told)


def resume(spool: Path, recording: str, now: int) -> None:
    """Until now it was paused. Raises OSError."""
    told = _get(_file(spool, recording))
    pauses = told.get("pauses", [])
    if pauses and pauses[-1][1] is None:
        pauses[-1][1] = now
        _put(_file(spool, recording), told)


def leave_out_silence(spool: Path, leg: MediaLeg, recording: str, contact: str, now: int, longer_than_s: float) -> None:
    """Of the whole recording, when it is over. Raises OSError."""
    file = _file(spool, recording)
    told = _get(file) if file.exists() else _new(leg, recording, contact, now)  # the disk may have been full
    _put(file, {**told, "silence_s": longer_than_s})


def moves(spool: Path, leg: MediaLeg, recording: str, contact: str, now: int) -> None:
    """Its leg is about to be made anew: the file that ends by that is not the whole. Raises OSError."""
    file = _file(spool, recording)
    told = _get(file) if file.exists() else _new(leg, recording, contact, now)  # the disk may have been full
    if not told.get("moves"):
        _put(file, {**told, "moves": True})


def over(spool: Path, recording: str, heard_from: str = "") -> None:
    """Nothing more will come. Without a plan there is nothing to say. Raises OSError.

    `heard_from`: where the voice of the leg's party came from, host:port: what others sent to its port is none.
    """
    try:
        told = _get(_file(spool, recording))
    except FileNotFoundError:
        return
    if not told.get("over"):
        _put(_file(spool, recording), {**told, "over": True, **({"from": heard_from} if heard_from else {})})


def _new(leg: MediaLeg, recording: str, contact: str, now: int) -> dict[str, Any]:
    return {
        "recording": recording, "contact": contact, "left": leg.local_port, "right": leg.x_port, "call": leg.id,
        "since": now, "codecs": _codecs(leg.phone_sdp),
    }  # fmt: skip


def _codecs(sdp: str) -> dict[str, str]:
    try:
        return {str(codec.payload): codec.map for codec in audio(sdp).codecs if codec.payload >= 96}
    except BadSdp:
        return {}


def _file(spool: Path, recording: str) -> Path:
    return spool / "planned" / f"{recording}.json"


def _get(file: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(file.read_bytes())
    except ValueError as error:
        raise OSError(f"{file.name} is no plan") from error
    return document


def _put(file: Path, document: dict[str, Any]) -> None:
    """It is whole at any moment."""
    file.parent.mkdir(exist_ok=True)
    part = file.with_suffix(".part")
    try:
        part.write_text(json.dumps(document))
        part.rename(file)
    except OSError:
        part.unlink(missing_ok=True)
        raise
