"""What the edge decides about a request. Pure: no SIP stack, no Redis, no clock; kemi.py asks and does."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kamailio.replies import FORBIDDEN, Reply
from lq.acd.lanes import from_header

INTERNAL: Final = "lq.internal"
ACD: Final = "acd.lq.internal"
PHONES: Final = "phones.lq.internal"
OUT: Final = "out.lq.internal"

EMERGENCY: Final = frozenset({"110", "119", "120", "122"})

NODE_MS: Final = 1_500  # an lq that lives answers 100 at once
HEIR_MS: Final = 5_000  # one that must adopt first: a lease, and the adoption
HOPS: Final = 4  # nodes asked for one request: the owner, and where each of them sends it
GATEWAY_MS: Final = 2_500
PHONE_MS: Final = 5_000
DIALOG_MS: Final = 32_000  # 64*T1 (RFC 3261 §17.1.2.2): until the final answer of whatever is no INVITE
FLOW_TIMER_S: Final = 25  # less than the 30 s after which the quickest routers forget
RINGING_MS: Final = 180_000  # lq ends ringing itself; this only collects what it left behind

_INCARNATION: Final = re.compile(r"@lq\.internal;i=([A-Za-z0-9-]+)")
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
    domain: str = ""  # of the carrier where we register; calls go to it by way of the address


@dataclass(frozen=True, slots=True)
class Registration:
    """What Kamailio's uac module registers. Its Contact has the trunk's id as user: so calls from there are known."""

    trunk: str
    user: str
    domain: str
    realm: str
    auth_user: str
    ha1: str
    proxy: str  # host:port
    expires_s: int


# -- who sends, and may he


def is_emergency(number: str) -> bool:
    """110 police, 119 fire, 120 ambulance, 122 traffic accidents."""
    return number.partition(";")[0] in EMERGENCY


def is_internal(host: str) -> bool:
    """Hosts that only lq may name in an initial request."""
    host = host.lower().rstrip(".")
    return host == INTERNAL or host.endswith("." + INTERNAL)


def trunk_of(trunks: Mapping[str, Trunk], address: str, contact: str = "") -> Trunk | None:
    """The trunk whose source address this is; of several that register there, the one called by its Contact's user."""
    there = [trunk for trunk in trunks.values() if trunk.address == address]
    return next((trunk for trunk in there if trunk.domain and trunk.id == contact), there[0] if there else None)


def called_number(trunk: Trunk, user: str, called_party: str, to: str) -> str:
    """What was dialled: the R-URI's user, or where that is our Contact's, P-Called-Party-ID (RFC 7315 §4.2) or To."""
    if not trunk.domain or user != trunk.id:
        return user
    named = re.sub(r'"(?:\\.?|[^"\\])*(?:"|$)', "", called_party)  # without its display name
    found = re.search(r"(?:sips?|tel):([^@;>\s]+)", named, re.IGNORECASE)
    return found[1] if found else to


def may_call_in(trunk: Trunk) -> bool:
    return trunk.direction in ("in", "both")


@dataclass(frozen=True, slots=True)
class Challenge:
    stale: bool  # the password may be right, the nonce is not: RFC 7616 §3.3


ANOTHER_USER: Final = -8  # not the user that From or To names; found before the password is looked at


def credentials_answer(code: int) -> Challenge | Reply:
    """What to answer when the auth module did not accept credentials; the same for known and unknown users."""
    match code:
        case -4 | -6:  # nonce expired, nonce used before
            return Challenge(stale=True)
        case -2 | -3 | -8:  # wrong password, invalid user, ANOTHER_USER
            return FORBIDDEN
        case _:
            return Challenge(stale=False)


# -- to which lq


def pick(nodes: Nodes, tried: Collection[str] = (), *, emergency: bool = False) -> str | None:
    """Address of the node for a new contact: the least loaded that is not draining, for an emergency call any."""
    fit = [node for node in nodes.alive if node.address not in tried and (emergency or not node.draining)]
    return min(fit, key=lambda node: (node.draining, node.load, node.incarnation)).address if fit else None


Heirs = Callable[[str], str | None]  # what adopters have told this edge: gone incarnation -> its heir


def is_known(nodes: Nodes, incarnation: str, told: Heirs = lambda _: None) -> bool:
    """Whether this `i` was ever ours. Who guesses one has no dialog here."""
    return (
        any(node.incarnation == incarnation for node in nodes.alive)
        or incarnation in nodes.adopted
        or incarnation in nodes.seen
        or told(incarnation) is not None
    )


def owner(nodes: Nodes, incarnation: str, tried: Collection[str] = (), told: Heirs = lambda _: None) -> str | None:
    """Address for a request inside a dialog with `i`: who holds it, else any who may adopt it."""
    if address := holder(nodes, incarnation, tried, told):
        return address
    left = sorted(nodes.alive, key=lambda node: (node.draining, node.load, node.incarnation))
    return next((node.address for node in left if node.address not in tried), None)


def holder(nodes: Nodes, incarnation: str, tried: Collection[str] = (), told: Heirs = lambda _: None) -> str | None:
    """Address of the incarnation, else of its adopter; None when that is not known (yet).

    An adopter that has told us is believed at once; leases and `adopted` are known half a second later.
    """
    passed: set[str] = set()
    while incarnation and incarnation not in passed:  # an adopter may have been adopted in turn
        passed.add(incarnation)
        heir = told(incarnation)
        if heir is None:
            if (address := address_of(nodes, incarnation)) and address not in tried:
                return address
            heir = nodes.adopted.get(incarnation, "")
        incarnation = heir
    return None


def address_of(nodes: Nodes, incarnation: str) -> str | None:
    """Of an incarnation that lives."""
    return next((node.address for node in nodes.alive if node.incarnation == incarnation), None)


def redirected(code: int, contact: str) -> str:
    """The incarnation that a node's 302 names (`<sip:lq@lq.internal;i=…>`); "" if this is none."""
    found = _INCARNATION.search(contact) if code == 302 else None
    return found[1] if found else ""


def heir(told: str) -> tuple[str, str] | None:
    """X-LQ-Adopted of a node: `<gone incarnation>;<its heir>`; None if it cannot be read."""
    gone, _, adopter = told.replace(" ", "").partition(";")
    return (gone, adopter) if gone and adopter and gone != adopter else None


def try_next(code: int, silent: bool, reason: str = "") -> bool:
    """Whether another node shall be asked: this one is dead (no answer at all) or full.

    A 503 with a cause of the telephone network (`reason`: its Reason header) is no word about the node: it is what
    became of the call, and the last word.
    """
    return silent or (code == 503 and not is_of_the_call(reason))


def is_of_the_call(reason: str) -> bool:
    return reason.lstrip().upper().startswith("Q.850")


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


def reserved(agent: str, phone: str, reservation: int, lane: str, media: str) -> Reply:
    """`media` of the phone's binding: rtp, srtp or webrtc."""
    shown = lane if _TOKEN.fullmatch(lane) else f'"{lane}"'
    contact = f"<sip:{phone}@{PHONES}>;agent={agent};reservation={reservation};lane={shown}"
    if media != "rtp":
        contact += f";media={media}"
    return Reply(302, "Reserved", (f"Contact: {contact}",))


def media_of(binding: str, srtp: bool) -> str:
    """What a phone with this Contact takes: webrtc over a WebSocket (RFC 7118), srtp if it is configured so."""
    if re.search(r";\s*transport=wss?\b", binding, re.IGNORECASE):
        return "webrtc"
    return "srtp" if srtp else "rtp"


def waiting(position: int, signed_in: int, ready: int) -> Reply:
    counts = (f"X-LQ-Position: {position}", f"X-LQ-Signed-In: {signed_in}", f"X-LQ-Ready: {ready}")
    return Reply(480, "Waiting", ("Retry-After: 10", *counts))


UNKNOWN_CONTACT: Final = Reply(404, "Unknown Contact")
NO_DECISION: Final = Reply(503, "Live State Away", ("Retry-After: 1",))


def reachable(media: str) -> Reply:
    return Reply(200, "OK", (f"X-LQ-Phone: media={media}",))


def moved(target: str, way: str, bound: str, received: str) -> str:
    """Where a request inside a dialog goes when the phone has registered from another place since; "" when it has not.

    `target`: its Contact in the dialog, `way` to it; `bound`: its Contact as registered, `received` from where. A phone
    that is where its Contact says is asked there: another of the same extension may have registered meanwhile.
    """
    if target_of(way) == target_of(target.strip("<>").partition(";")[0]):
        return ""
    same = bound != "" and _contact(target) == _contact(bound)
    return received if same and received and target_of(way) != target_of(received) else ""


def _contact(uri: str) -> str:
    """Scheme, user and host of a Contact: a phone names another port with each connection."""
    return re.sub(r":\d+$", "", uri.strip("<>").partition(";")[0])


RENEWS: Final = "X-LCall-Renews"  # in a REGISTER: only while nobody else has registered as this extension
TAKEN: Final = Reply(412, "Registered Elsewhere")


def is_taken(contact: str, bound: str) -> bool:
    """Whether another Contact than this is registered, both as URIs; "" for none.

    The newest binding replaces the one before. Two pages that both keep the same extension alive would take it from
    each other for ever, and calls would ring now here, now there: a page that was registered says that it only renews.
    """
    return bound not in ("", contact)


def flow(transport: str, supported: str, contact: str) -> tuple[str, ...]:
    """Headers of a 200 that keep a phone's connection alive (RFC 5626 §4.4.1, §5.4): CRLF CRLF from it, CRLF from us.

    Without them a phone whose router has forgotten its connection finds out when it next registers. A datagram has no
    pong of ours (that would be STUN): there the edge asks by OPTIONS.
    """
    asked = "outbound" in {option.strip().lower() for option in supported.split(",")} and "reg-id" in contact.lower()
    kept = transport.lower() in ("tcp", "tls")
    return ("Require: outbound", f"Flow-Timer: {FLOW_TIMER_S}") if asked and kept else ()


NOT_REGISTERED: Final = Reply(480, "Not Registered", ("X-LQ-Cause: not-registered",))
NO_TRUNK: Final = Reply(404, "No Such Trunk", ("X-LQ-Cause: no-trunk",))


# -- to a device


def target_of(uri: str) -> str:
    """host:port that a SIP URI leads to, without DNS; "" if it cannot be read."""
    found = re.fullmatch(r"sips?:(?:[^@]*@)?(\[[^\]]*\]|[^:;?>]+)(?::(\d+))?(?:[;?].*)?", uri, re.IGNORECASE)
    return f"{found[1]}:{found[2] or 5060}".lower() if found else ""


def patience_ms(method: str, event: str) -> int:
    """How long a device is waited for inside a dialog: as long as its network may be away, for a 408 ends a call, and
    a BYE that nobody hears leaves one. Not if that is the question (OPTIONS), or an order has another way (NOTIFY)."""
    is_order = method == "NOTIFY" and event.strip().lower() in ("talk", "hold")
    return PHONE_MS if method == "OPTIONS" or is_order else DIALOG_MS


def is_ours(target: str, internal: str, nodes: Nodes) -> bool:
    """Whether a device's address leads into the house: then it is no device's."""
    return target == internal or any(node.address == target for node in nodes.alive)


# -- to a gateway


def trunk_uri(trunk: Trunk, number: str) -> str:
    return f"sip:{number}@{trunk.domain or address_of_trunk(trunk)}"


def address_of_trunk(trunk: Trunk) -> str:
    return f"{trunk.address}:{trunk.port}"


# -- what the published configuration means here


def trunks(documents: Mapping[str, Mapping[str, Any]]) -> dict[str, Trunk]:
    """The enabled trunks, by id."""
    return {
        id: Trunk(
            id, str(body["address"]), int(body.get("port", 5060)), str(body.get("direction", "both")), _domain(body)
        )
        for id, body in documents.items()
        if body.get("enabled", True)
    }


def _domain(body: Mapping[str, Any]) -> str:
    register = body.get("register") or {}
    return str(register.get("domain", "")) if register.get("user") else ""


def registrations(documents: Mapping[str, Mapping[str, Any]]) -> dict[str, Registration]:
    """The enabled trunks that want to be registered at, by id."""
    found = {}
    for trunk in trunks(documents).values():
        if trunk.domain:
            given = documents[trunk.id]["register"]
            user, realm = given.get("auth_user") or given["user"], given.get("realm") or trunk.domain
            secret = f"{user}:{realm}:{given['password']}"
            found[trunk.id] = Registration(
                trunk.id, given["user"], trunk.domain, realm, user,
                hashlib.md5(secret.encode(), usedforsecurity=False).hexdigest(),
                address_of_trunk(trunk), int(given.get("expires_s", 600)),
            )  # fmt: skip
    return found


def credentials(documents: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Extension -> HA1."""
    return {id: str(body["ha1"]) for id, body in documents.items()}


def disabled_phones(documents: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """The extensions whose phones may call emergency numbers, and do nothing else."""
    return frozenset(id for id, body in documents.items() if not body.get("enabled", True))


def srtp_phones(documents: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """The extensions whose phones are called by SRTP."""
    return frozenset(id for id, body in documents.items() if body.get("srtp"))


def dispatcher_list(trunks: Mapping[str, Trunk], socket: str) -> str:
    """The gateways to probe, in the dispatcher module's format; flags 10: asked, and neither up nor down until then."""
    lines = (
        f"1 sip:{trunk.address}:{trunk.port} 10 0 id={trunk.id};socket=udp:{socket}"
        for trunk in sorted(trunks.values(), key=lambda trunk: trunk.id)
        if not trunk.domain  # there the registration tells
    )
    return "".join(f"{line}\n" for line in lines)
