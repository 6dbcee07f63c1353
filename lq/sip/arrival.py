"""A request that begins something: whether it is refused at once, and where its answers go."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Final

from lq.sip import events as ev
from lq.sip import refresh
from lq.sip.message import Request, number, sendable_uri, uri_of
from lq.sip.transaction import ServerTransaction

EXTENSIONS: Final = frozenset({"replaces", "timer", "norefersub", "100rel"})  # that a peer may require of us


def refusal(request: Request, replaces: list[ev.Replaces | None], merged: bool) -> tuple[int, Mapping[str, str] | None]:
    """Why an initial INVITE is answered at once, 0: it is not."""
    unknown = request.tokens("require") - EXTENSIONS
    if merged:
        return 482, None  # §8.2.2.2
    if unknown:
        return 420, {"Unsupported": ", ".join(sorted(unknown))}
    if not sendable_uri(uri_of(request.get("contact"))) or len(replaces) > 1 or None in replaces:
        return 400, None  # §8.1.1.8; RFC 3891 §3
    if refresh.too_small(request):
        return 422, {"Min-SE": str(refresh.MIN_S)}
    if request.body and not request.sdp:
        return 415, {"Accept": "application/sdp"}
    return 0, None


def answer_to(tx: ServerTransaction, source: ev.Address) -> None:
    """Where responses go (§18.2.2, RFC 3581 §4): to the source, by TCP on its connection, else to the port in the Via.

    Never to a name or another host than the source's: looking one up would hold everybody up.
    """
    request = tx.request
    via = request.get("via")
    head, *parameters = via.split(";")
    host, port = _host_port(head.rpartition(" ")[2])
    rport = any(part.strip().lower() == "rport" for part in parameters)
    if rport:
        kept = [part for part in parameters if part.strip().lower() not in ("rport", "received")]
        told = [head, *kept, f"received={source[0]}", f"rport={source[1]}"]
        request.headers["via"] = [";".join(told), *request.all("via")[1:]]
    if tx.transport == "tcp":
        tx.sent_by = (host if _numeric(host) else source[0], port)
    elif not rport and "rport=" not in via.lower():
        tx.destination = (source[0], port)


def _host_port(sent_by: str) -> ev.Address:
    host, colon, port = sent_by.rpartition(":")
    if not colon:
        return sent_by, 5060
    stated = number(port)
    return host, stated if stated and stated < 65536 else 5060


def _numeric(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True
