"""Our tag of each dialog names its contact and leg: a request that reaches the wrong node says whose it is, and a
phone that names a dialog (Replaces) names a leg, without a table."""

from __future__ import annotations

import re
from typing import Final

_TAG: Final = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-([0-9a-f]{3})[0-9a-f]{5}")
LEGS: Final = 4096  # a phone that rings for a second is a leg, and nobody waits so long


def new_contact(now_ms: int, chance: int) -> str:
    """A contact's id: a UUIDv7 (RFC 9562 §5.7), which sorts by time; 74 bits of `chance`."""
    low = chance & (1 << 62) - 1
    value = (now_ms & (1 << 48) - 1) << 80 | 0x7 << 76 | (chance >> 62 & 0xFFF) << 64 | 0b10 << 62 | low
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def tag_of(contact: str, leg: int, chance: int) -> str:
    """A dialog's tag, told from the contact's others by 20 bits of `chance` (RFC 3261 §19.3; the id has 74 more)."""
    return f"{contact}-{leg % LEGS:03x}{chance & 0xFFFFF:05x}"


def contact_of(tag: str) -> str:
    """The contact that a tag of ours names; "" for any other."""
    found = _TAG.fullmatch(tag)
    return found[1] if found else ""


def leg_of(tag: str) -> int:
    """The leg that a tag of ours names; 0 for any other."""
    found = _TAG.fullmatch(tag)
    return int(found[2], 16) if found else 0
