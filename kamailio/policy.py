"""What the edge decides about a request. Pure: no SIP stack, no Redis, no clock; kemi.py asks and does."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lq.acd.lanes import from_header

INTERNAL: Final = "lq.internal"
ACD: Final = "acd.lq.internal"
PHONES: Final = "phones.lq.internal"
OUT: Final = "out.lq.internal"

NODE_MS: Final = 1_500  # an lq that lives answers 100 at once
GATEWAY_MS: Final = 2_500
PHONE_MS: Final = 5_000
RINGING_MS: Final = 180_000  # lq ends ringing itself; this only collects what it left behind

# tools that scan the Internet for open exchanges name themselves
SCANNERS: Final = (
    "friendly-scanner",
    "sipvicious",
    "sipsak",
    "sipcli",
    "vaxsipuseragent",
    "sundayddr",
    "sip-scan",
    "pplsip",
)
_TOKEN: Final = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+")  # RFC 3261 §25.1; anything else is quoted


@dataclass(frozen=True, slots=True)
class Node:
    incarnation: str
    address: str  # host:port
    load: int = 0
    draining: bool = False


@dataclass(frozen=True, slots=True)
class Nodes:
    """The lq nodes as the leases tell, and whose contacts went where."""

    alive: tuple[Node, ...] = ()
    adopted: Mapping[str, str] = field(default_factory=dict)  # dead incarnation -> adopter
    seen: tuple[str, ...] = ()  # incarnations that lived lately


@dataclass(frozen=True, slots=True)
class Trunk:
    id: str
    address: str
    port: int
    direction: str = "both"


@dataclass(frozen=True, slots=True)
class Reply:
    code: int
    reason: str
    headers: tuple[str, ...] = ()


BUSY: Final = Reply(503, "Service Unavailable", ("Retry-After: 5",))


# -- who sends, and may he


def is_scanner(user_agent: str) -> bool:
    lowered = user_agent.lower()
    return any(name in lowered for name in SCANNERS)


def is_internal(host: str) -> bool:
    """Hosts that only lq may name in an initial request."""
    host = host.lower().rstrip(".")
    return host == INTERNAL or host.endswith("." + INTERNAL)


def trunk_of(trunks: Mapping[str, Trunk], address: str) -> Trunk | None:
    """The trunk whose source address this is."""
    return next((trunk for trunk in trunks.values() if trunk.address == address), None)


def may_call_in(trunk: Trunk) -> bool:
    return trunk.direction in ("in", "both")


@dataclass(frozen=True, slots=True)
class Challenge:
    stale: bool  # the password may be right, the nonce is not: RFC 7616 §3.3


def credentials_answer(code: int) -> Challenge | Reply:
    """What to answer when the auth module did not accept credentials; the same for known and unknown users."""
    match code:
        case -4 | -6:  # nonce expired, nonce used before
            return Challenge(stale=True)
        case -2 | -3 | -8:  # wrong password, invalid user, not the user that From or To names
            return Reply(403, "Forbidden")
        case _:
            return Challenge(stale=False)


# -- to which lq


def pick(nodes: Nodes, tried: Collection[str] = ()) -> str | None:
    """Address of the node for a new contact: the least loaded that is not draining."""
    fit = [node for node in nodes.alive if node.address not in tried and not node.draining]
    return min(fit, key=lambda node: (node.load, node.incarnation)).address if fit else None


def is_known(nodes: Nodes, incarnation: str) -> bool:
    """Whether this `i` was ever ours. Who guesses one has no dialog here."""
    return (
        any(node.incarnation == incarnation for node in nodes.alive)
        or incarnation in nodes.adopted
        or incarnation in nodes.seen
    )


def owner(nodes: Nodes, incarnation: str, tried: Collection[str] = ()) -> str | None:
    """Address for a request inside a dialog with `i`: the incarnation, else its adopter, else any who may adopt it."""
    heir = incarnation
    for _ in range(len(nodes.adopted) + 1):  # an adopter may have been adopted in turn
        for node in nodes.alive:
            if node.incarnation == heir and node.address not in tried:
                return node.address
        heir = nodes.adopted.get(heir, "")
    left = sorted(nodes.alive, key=lambda node: (node.draining, node.load, node.incarnation))
    return next((node.address for node in left if node.address not in tried), None)


def try_next(code: int, silent: bool) -> bool:
    """Whether another node shall be asked: this one is dead (no answer at all) or full."""
    return silent or code == 503


# -- the ACD as a redirect server


@dataclass(frozen=True, slots=True)
class Ask:
    contact: str
    request: str
    lanes: Mapping[str, int]
    lease_ms: int


def ask(contact: str | None, request: str | None, lanes: str | None, lease: str | None) -> Ask:
    """The question in X-LQ-Contact, -Request, -Lanes, -Lease. Raises ValueError."""
    if not contact or not request or not lanes:
        raise ValueError("X-LQ-Contact, X-LQ-Request and X-LQ-Lanes are needed")
    lease_ms = int(lease or 20_000)
    if not 1_000 <= lease_ms <= 600_000:
        raise ValueError(f"X-LQ-Lease: {lease_ms} ms")
    return Ask(contact, request, from_header(lanes), lease_ms)


def reserved(agent: str, phone: str, reservation: int, lane: str, webrtc: bool) -> Reply:
    media = ";media=webrtc" if webrtc else ""
    shown = lane if _TOKEN.fullmatch(lane) else f'"{lane}"'
    contact = f"<sip:{phone}@{PHONES}>;agent={agent};reservation={reservation};lane={shown}{media}"
    return Reply(302, "Reserved", (f"Contact: {contact}",))


def waiting(position: int, signed_in: int, ready: int) -> Reply:
    counts = (f"X-LQ-Position: {position}", f"X-LQ-Signed-In: {signed_in}", f"X-LQ-Ready: {ready}")
    return Reply(480, "Waiting", ("Retry-After: 10", *counts))


UNKNOWN_CONTACT: Final = Reply(404, "Unknown Contact")
NO_DECISION: Final = Reply(503, "Live State Away", ("Retry-After: 1",))
NOT_REGISTERED: Final = Reply(480, "Not Registered", ("X-LQ-Cause: not-registered",))
NO_TRUNK: Final = Reply(404, "No Such Trunk", ("X-LQ-Cause: no-trunk",))


# -- to a gateway


def trunk_uri(trunk: Trunk, number: str) -> str:
    return f"sip:{number}@{trunk.address}:{trunk.port}"


# -- what the published configuration means here


def trunks(documents: Mapping[str, Mapping[str, Any]]) -> dict[str, Trunk]:
    """The enabled trunks, by id."""
    return {
        id: Trunk(id, str(body["address"]), int(body.get("port", 5060)), str(body.get("direction", "both")))
        for id, body in documents.items()
        if body.get("enabled", True)
    }


def credentials(documents: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Extension -> HA1 of the enabled phones."""
    return {id: str(body["ha1"]) for id, body in documents.items() if body.get("enabled", True)}


def dispatcher_list(trunks: Mapping[str, Trunk], socket: str) -> str:
    """The gateways to probe, in the dispatcher module's format; flags 10: asked, and neither up nor down until then."""
    lines = (
        f"1 sip:{trunk.address}:{trunk.port} 10 0 id={trunk.id};socket=udp:{socket}"
        for trunk in sorted(trunks.values(), key=lambda trunk: trunk.id)
    )
    return "".join(f"{line}\n" for line in lines)
