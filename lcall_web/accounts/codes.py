"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and codes for one who has lost it.

Pure but for chance; the time is an argument, in seconds of the epoch.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import unicodedata
from typing import Final

import pyotp
import segno

STEP_S: Final = 30
RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 10
LONGEST: Final = 64


def secret() -> str:
    """160 bits in base32 (RFC 4226 §4)."""
    return pyotp.random_base32()


def step_of(secret: str, written: str, now: float) -> int | None:
    """The step whose code this is: the present one or a neighbour, for clocks differ (RFC 6238 §5.2).

    The caller accepts each step once.
    """
    code, present = _plain(written), int(now) // STEP_S
    known = pyotp.TOTP(secret)
    found = None
    for step in (present - 1, present + 1, present):
        if hmac.compare_digest(known.generate_otp(step).encode(), code.encode()):
            found = step
    return found


def address(secret: str, id: str, center: str) -> str:
    """What the app reads out of the picture."""
    return pyotp.TOTP(secret).provisioning_uri(name=id, issuer_name=center)


def picture(address: str) -> str:
    """A QR code as SVG without styles or scripts, for the strict CSP."""
    return segno.make(address, error="m", micro=False).svg_inline(omitsize=True, svgclass="lc-qr", lineclass=None)


def recovery_codes() -> list[str]:
    """80 bits each, in groups of four."""
    found = []
    for _ in range(RECOVERY_CODES):
        letters = secrets.token_hex(RECOVERY_BYTES)
        found.append("-".join(letters[n : n + 4] for n in range(0, len(letters), 4)))
    return found


def hashed(written: str) -> bytes:
    """A recovery code as it is stored."""
    return hashlib.sha256(_plain(written).encode()).digest()


def _plain(written: str) -> str:
    text = unicodedata.normalize("NFKC", written[:LONGEST]).casefold()
    return "".join(letter for letter in text if letter.isalnum())
