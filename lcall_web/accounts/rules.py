"""Logging in: what is compared, how often it may be tried. Pure but for the time that a hash takes."""

from __future__ import annotations

from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# RFC 9106 §4 has the reasons; the figures are OWASP's for argon2id with little memory. 46 ms here.
HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
NOBODY: Final = HASHER.hash("")
LONGEST: Final = 200

WINDOW_MIN: Final = 15
PER_ACCOUNT: Final = 10  # attempts in the window; a right password begins anew
PER_ADDRESS: Final = 50


def matches(stored: str | None, password: str) -> bool:
    """Whether it is the password. Takes as long for an account that is unknown as for one that is."""
    cheap = stored is None or needs_rehash(stored)
    if cheap:
        _verify(NOBODY, password)
    return stored is not None and _verify(stored, password) and len(password) <= LONGEST


def needs_rehash(stored: str) -> bool:
    try:
        return HASHER.check_needs_rehash(stored)
    except InvalidHashError:
        return True


def _verify(stored: str, password: str) -> bool:
    try:
        return HASHER.verify(stored, password[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False


def too_often(account: int, address: int) -> bool:
    """Of the attempts within the window, this one among them."""
    return account > PER_ACCOUNT or address > PER_ADDRESS


def readable(id: str) -> str:
    """An operator number as it may be looked for; what cannot be one is nobody's."""
    id = id.strip()
    return id if id.isprintable() and len(id) <= 64 else ""


def local(path: str) -> str:
    """Where to go after logging in: a page of ours, never another site."""
    good = path.startswith("/") and not path.startswith("//") and path.isprintable() and "\\" not in path
    return path if good and len(path) <= 2000 else "/board"
