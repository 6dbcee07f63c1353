"""The PIN with which an agent signs in at a phone, kept as a hash: nobody reads it by chance. Pure."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

ROUNDS: Final = 10_000  # some milliseconds; whoever has the hash of a few digits finds them however many there are


def hashed(agent: str, pin: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", pin.encode(), f"lcall:{agent}".encode(), ROUNDS).hex()


def fits(agent: str, pin: str, kept: str) -> bool:
    """Whether it is this agent's; nothing fits an agent who has none."""
    return bool(kept) and hmac.compare_digest(hashed(agent, pin), kept)
