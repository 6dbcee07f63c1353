"""Who calls, and whom, as an INVITE from the edge says it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import unquote

from lq.config.book import Book
from lq.contacts import inbound
from lq.trunks.routes import is_emergency

_DISPLAY_NAME: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^"<])*<')  # RFC 3261 §20.10; in it may stand anything
_USER: Final = re.compile(r"\s*(?:sips?:([^@;:>]*)(?:[;:][^@>]*)?@|tel:([^;>]*))", re.IGNORECASE)


def user_of(value: str) -> str:
    """The user part of a SIP or tel URI, or of the one that a header's value names; "" if there is none.

    Without its parameters and its password, as the edge reads it: what is 110 to it may be nothing else here.
    """
    name = _DISPLAY_NAME.match(value)
    found = _USER.match(value, name.end() if name else 0)
    user = (found[1] or found[2] or "") if found else ""
    read = unquote(user)  # `#` of a feature code is %23 there (RFC 3261 §25.1)
    return read if read.isprintable() else user.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def is_misused(headers: Mapping[str, Sequence[str]], called: str, book: Book) -> bool:
    """Whether the edge took it for an emergency call, past locks and bans and from a disabled phone, and it is none."""
    return "x-lq-emergency" in headers and not is_emergency(inbound.dialled(called, book)[0])


def caller_of(headers: Mapping[str, Sequence[str]], from_: str) -> str:
    """Who calls: the identity that the network vouches for, else From; "anonymous" when he withholds it.

    `headers` by lower-case name. `Privacy: id` lets the network know and nobody be shown (RFC 3325 §9.3).
    """
    privacy = {token.strip().lower() for value in headers.get("privacy", ()) for token in value.split(";")}
    if privacy & {"id", "user", "header"}:
        return "anonymous"
    named = (user_of(value) for value in (*headers.get("p-asserted-identity", ()), from_))  # or a gateway's
    return next((user for user in named if user), "")
