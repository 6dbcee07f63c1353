"""What people write into forms, before anybody looks at what it says. Pure."""

from __future__ import annotations

import re
import unicodedata
import uuid
from datetime import date
from typing import Final

BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: str, lines: bool = False) -> str:
    """Without control characters, and without those that turn the direction of what follows them."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = "".join(
        letter
        for letter in text
        if (unicodedata.category(letter) not in ("Cc", "Cs", "Zl", "Zp") or (lines and letter in "\n\t"))
        and letter not in BIDI
    )
    return kept.strip()


JOINERS: Final = str.maketrans("", "", "\u200c\u200d")  # parts of letters and pictures in many scripts


def printable(text: str) -> bool:
    """Blanks of all scripts and joiners are in what people write, too."""
    return "".join(sign for sign in text.translate(JOINERS) if unicodedata.category(sign) != "Zs").isprintable()


DAY: Final = re.compile(r"(\d{4})(?:[-/.年](\d{1,2})[-/.月](\d{1,2})日?|(\d\d)(\d\d))", re.ASCII)


def day(text: str) -> date:
    """2026-10-01 as people and their programs write it: 2026/10/1, 2026.10.1, 20261001, 2026 年 10 月 1 日. Raises
    ValueError."""
    found = DAY.fullmatch(re.sub(r"\s", "", unicodedata.normalize("NFKC", text)))
    if not found:
        raise ValueError(text)
    year, month, day = (int(part) for part in found.groups() if part)
    return date(year, month, day)


def key_of(text: str) -> uuid.UUID | None:
    """Of a form; None for what no page of ours has sent."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
