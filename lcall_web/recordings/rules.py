"""What is written at a moment of a recording. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lcall_web.common.i18n import mark

LONGEST: Final = 500
KEY: Final = re.compile(r"[A-Za-z0-9-]{8,64}")
MOMENT: Final = mark("请填录音里的时间，如 0:12。")
BEYOND: Final = mark("录音没有这么长。")
EMPTY: Final = mark("请写下批注。")
TOO_LONG: Final = mark("批注最多 500 个字。")


@dataclass(frozen=True, slots=True)
class Written:
    at_s: float
    text: str


def read(given: Mapping[str, str], seconds: float) -> tuple[Written | None, dict[str, str]]:
    """The comment, or what is wrong with each field. `seconds`: how long the recording is."""
    errors: dict[str, str] = {}
    at_s = moment(given.get("at", "").strip())
    text = given.get("text", "").strip()
    if at_s is None:
        errors["at"] = MOMENT
    elif at_s > seconds:
        errors["at"] = BEYOND
    if not text:
        errors["text"] = EMPTY
    elif len(text) > LONGEST or "\x00" in text:
        errors["text"] = TOO_LONG
    return (None if errors or at_s is None else Written(at_s, text)), errors


def moment(text: str) -> float | None:
    """65, 1:05 and 0:01:05 as seconds; None for what is no time."""
    parts = text.split(":")
    if len(parts) > 3 or not all(part.isascii() and part.isdigit() and len(part) <= 5 for part in parts):
        return None
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + int(part)
    return float(seconds)
