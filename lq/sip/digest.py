"""Digest as a client (RFC 7616, RFC 8760): what answers a 401 or 407. Pure; the client's nonce is given."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

ALGORITHMS: Final[Mapping[str, str]] = {"md5": "md5", "sha-256": "sha256", "sha-512-256": "sha512_256"}
# the look behind: a long word that is no name is looked at once, not from each of its letters
_PARAMETER: Final = re.compile(r'(?<![\w!%*+.`\'~-])([\w!%*+.`\'~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
# a response's header that challenges -> the request's header that answers
ANSWERED_IN: Final[Mapping[int, tuple[str, str]]] = {
    401: ("www-authenticate", "authorization"),
    407: ("proxy-authenticate", "proxy-authorization"),
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Good in one realm only: another's challenge is not answered."""

    realm: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Challenge:
    realm: str  # as quoted by the server, escapes and all
    nonce: str
    opaque: str | None
    algorithm: str  # as the server spells it, "" if it did not
    qop: str  # auth | auth-int | "" (a server of RFC 2069)
    stale: bool

    @property
    def hash_name(self) -> str:
        return ALGORITHMS[self.algorithm.lower().removesuffix("-sess") or "md5"]


def read(value: str) -> Challenge | None:
    """One challenge; None for another scheme, an algorithm or a quality of protection that we do not know."""
    scheme, _, rest = value.strip().partition(" ")
    given = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(rest)}
    algorithm = given.get("algorithm", "")
    offered = {token.strip().lower() for token in given.get("qop", "").split(",")} - {""}
    qop = next((one for one in ("auth", "auth-int") if one in offered), "")
    known = (algorithm.lower().removesuffix("-sess") or "md5") in ALGORITHMS and bool(qop) == bool(offered)
    if scheme.lower() != "digest" or "nonce" not in given or not known:
        return None
    stale = given.get("stale", "").lower() == "true"
    return Challenge(given.get("realm", ""), given["nonce"], given.get("opaque"), algorithm, qop, stale)


def choose(values: Iterable[str], realm: str) -> Challenge | None:
    """The topmost that we can answer (RFC 8760 §2.4), of this realm."""
    challenges = (read(value) for value in values)
    return next((one for one in challenges if one and re.sub(r"\\(.)", r"\1", one.realm) == realm), None)


def authorization(
    challenge: Challenge, credentials: Credentials, *, method: str, uri: str, body: bytes, cnonce: str, count: int
) -> str:
    """The value of (Proxy-)Authorization; `count` is how often this nonce has been used, this time included."""

    def hashed(*parts: str | bytes) -> str:
        texts = (part if isinstance(part, bytes) else part.encode("utf-8", "surrogateescape") for part in parts)
        return hashlib.new(challenge.hash_name, b":".join(texts)).hexdigest()

    times = f"{count:08x}"
    secret = hashed(credentials.user, challenge.realm, credentials.password)
    if challenge.algorithm.lower().endswith("-sess"):
        secret = hashed(secret, challenge.nonce, cnonce)
    what = hashed(method, uri, *([hashed(body)] if challenge.qop == "auth-int" else []))
    protected = (times, cnonce, challenge.qop) if challenge.qop else ()
    response = hashed(secret, challenge.nonce, *protected, what)
    user = re.sub(r'(["\\])', r"\\\1", credentials.user)
    out = [f'username="{user}"', f'realm="{challenge.realm}"', f'nonce="{challenge.nonce}"', f'uri="{uri}"']
    out.append(f'response="{response}"')
    if challenge.algorithm:
        out.append(f"algorithm={challenge.algorithm}")
    if challenge.opaque is not None:
        out.append(f'opaque="{challenge.opaque}"')
    if challenge.qop:
        out += [f"qop={challenge.qop}", f"nc={times}", f'cnonce="{cnonce}"']
    elif challenge.algorithm.lower().endswith("-sess"):
        out.append(f'cnonce="{cnonce}"')
    return "Digest " + ", ".join(out)
