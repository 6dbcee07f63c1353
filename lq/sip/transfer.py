"""REFER with its implicit subscription (RFC 3515, 3892, 4488) and Replaces (RFC 3891). What the peer names is data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from lq.sip import events as ev
from lq.sip.message import Request, param, uri_headers, uri_of
from lq.sip.transaction import ServerTransaction

if TYPE_CHECKING:
    from lq.sip.session import Session

LISTENS_S: Final = 180.0  # so long a phone hears of its REFER
MAX_REFERS: Final = 4  # at once in one dialog
_FRAGMENT: Final = re.compile(rb"\s*SIP/2\.0 +(\d{3})\b")


def received(session: Session, tx: ServerTransaction, request: Request, now: float) -> None:
    dialog = session.dialog
    target = uri_of(request.get("refer-to"))
    if len(request.all("refer-to")) != 1 or not target:
        session.respond(tx, 400, "", {}, now)  # RFC 3515 §2.4.2
        return
    if dialog.state != "confirmed":
        session.respond(tx, 491, "", {}, now)  # one call at a time
        return
    if len(dialog.refers) >= MAX_REFERS:
        session.respond(tx, 503, "", {"Retry-After": "10"}, now)
        return
    session.respond(tx, 202, "", accepting(session, request), now)
    id = "" if _quiet(request) else str(request.cseq[0])
    if id:
        dialog.first_refer = dialog.first_refer or id
        dialog.refers[id] = session.timers[f"refer:{id}"] = now + LISTENS_S
        notify(session, id, 100, "Trying", now)
    replaces = uri_headers(target).get("replaces", "")
    session.tell(ev.Refer(session.id, target.partition("?")[0], replaces, id))


def accepting(session: Session, request: Request) -> dict[str, str]:
    """What a 2xx to this request says."""
    if request.method != "REFER":
        return {}
    return {"Contact": session.agent.contact} | ({"Refer-Sub": "false"} if _quiet(request) else {})


def _quiet(request: Request) -> bool:
    return request.get("refer-sub").partition(";")[0].strip().lower() == "false"


def notify(session: Session, id: str, code: int, reason: str, now: float, told: str = "") -> bool:
    """How the REFER goes (§2.4.5); a final code ends the subscription. False if nobody listens."""
    dialog = session.dialog
    until = dialog.refers.get(id)
    if until is None or dialog.state != "confirmed":
        return False
    event = "refer" if id == dialog.first_refer else f"refer;id={id}"
    over = code >= 200
    state = "terminated;reason=noresource" if over else f"active;expires={max(1, round(until - now))}"
    send(session, event, state, f"SIP/2.0 {code} {reason}\r\n", now, told)
    if over:
        forget(session, id)
    return True


def send(session: Session, event: str, state: str, fragment: str, now: float, told: str = "") -> None:
    """One at a time: of two at once the later one may overtake, and its CSeq makes the other one void."""
    session.untold.append((event, state, fragment, told))
    if not _on_their_way(session):
        send_next(session, now)


def send_next(session: Session, now: float) -> None:
    if session.dialog.state != "confirmed":
        session.untold.clear()  # nobody is there to hear it
    if session.untold:
        _send(session, *session.untold.pop(0), now)


def send_all(session: Session, now: float) -> None:
    """The dialog ends: whatever is still to be said of it."""
    while session.untold:
        send_next(session, now)


def _send(session: Session, event: str, state: str, fragment: str, told: str, now: float) -> None:
    request = session.request("NOTIFY", contact=session.agent.contact)
    request.put("event", event)
    request.put("subscription-state", state)
    request.put("content-type", "message/sipfrag;version=2.0")
    request.body = fragment.encode()
    session.agent.client(session, request, "notify", now).request_id = told


def unanswered(session: Session) -> list[list[str]]:
    """The NOTIFYs that may not have left: event, state and fragment of each."""
    left = [[one.get("event"), one.get("subscription-state"), one.body.decode()] for one in _on_their_way(session)]
    return left + [list(each[:3]) for each in session.untold]


def _on_their_way(session: Session) -> list[Request]:
    return [tx.request for tx in session.asked if tx.purpose == "notify" and tx.state in ("trying", "proceeding")]


def expired(session: Session, id: str, now: float) -> None:
    """The owner never said how it went."""
    notify(session, id, 408, "Request Timeout", now)


def unheard(session: Session, request: Request) -> None:
    """A NOTIFY was refused: the subscription is gone, the call is not (RFC 5057 §5.1)."""
    forget(session, param(request.get("event"), "id") or session.dialog.first_refer)


def forget(session: Session, id: str) -> None:
    session.dialog.refers.pop(id, None)
    session.timers.pop(f"refer:{id}", None)


def progress(body: bytes) -> int:
    """The status that a NOTIFY about our own REFER tells, 0 if it tells none."""
    found = _FRAGMENT.match(body)
    return int(found[1]) if found else 0


def read_replaces(value: str) -> ev.Replaces | None:
    """A Replaces header; None if it is none."""
    call_id, _, rest = value.strip().partition(";")
    to_tag, from_tag = param(f";{rest}", "to-tag"), param(f";{rest}", "from-tag")
    if not call_id or not to_tag or not from_tag or not value.isprintable():
        return None  # it comes from a URI too, which may hide a line break
    flags = {part.strip().lower() for part in rest.split(";")}
    return ev.Replaces(call_id.strip(), to_tag, "" if from_tag == "0" else from_tag, "early-only" in flags)


def refusal(wanted: ev.Replaces, held: Session) -> int:
    """Why this session of ours may not be replaced (RFC 3891 §3), 0 if it may."""
    dialog = held.dialog
    if dialog.remote_tag != wanted.from_tag:
        return 481
    if dialog.state == "terminated":
        return 603
    if dialog.state == "confirmed":
        return 486 if wanted.early_only else 0
    return 0 if dialog.role == "uac" else 481  # of early dialogs only those that we have called
