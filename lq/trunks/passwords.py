"""A SIP password for a while: what a page of a browser phone is given instead of the phone's own. Pure.

As TURN servers do it (draft-uberti-behave-turn-rest): the user name says until when it is good, the password is an HMAC
over that name. Its key is the phone's HA1, which the edge and the api have and nobody else: nothing more need be kept
or told, and a phone whose password is changed, or that is disabled, takes with it all that were given.
"""

from __future__ import annotations

import hashlib
import hmac
import re

_NAME = re.compile(r"([1-9][0-9]{9})\.(.+)", re.ASCII)


def temporary(ext: str, ha1: str, until_s: int) -> tuple[str, str]:
    """User name and password of a digest (RFC 7616), good until that second of the epoch."""
    user = f"{until_s}.{ext}"
    return user, _password(user, ha1)


def read(user: str) -> tuple[str, int]:
    """Of a digest's user name: the extension, and until when it is good in seconds of the epoch; 0: for ever."""
    found = _NAME.fullmatch(user)
    return (found[2], int(found[1])) if found else (user, 0)


def temporary_ha1(user: str, ha1: str, realm: str) -> str:
    """HA1 of a name that `temporary` made for the phone with that HA1."""
    return hashlib.md5(f"{user}:{realm}:{_password(user, ha1)}".encode(), usedforsecurity=False).hexdigest()


def _password(user: str, ha1: str) -> str:
    return hmac.new(ha1.encode(), user.encode(), hashlib.sha256).hexdigest()
