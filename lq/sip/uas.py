"""What the peer asks inside a dialog."""

from __future__ import annotations

from typing import Final

from lq.sip import events as ev
from lq.sip import refresh, reliable, takeover, transfer
from lq.sip.message import Request
from lq.sip.session import ALLOW, Session
from lq.sip.transaction import ServerTransaction

HEARD_BEFORE: Final = frozenset({"REFER", "INFO", "NOTIFY", "MESSAGE"})  # not to be carried out twice
TRYING_S: Final = 0.2  # §17.2.1; without a 100 the edge takes us for dead after 1.5 s and asks another node


def receive(session: Session, tx: ServerTransaction, request: Request, now: float) -> None:
    seq, dialog = request.cseq[0], session.dialog
    if dialog.remote_seq and seq < dialog.remote_seq:
        session.respond(tx, 500, "", {"Retry-After": "1"}, now)  # §12.2.2: out of order
        return
    dialog.remote_seq = seq
    if dialog.state == "terminated" and request.method != "BYE":
        session.respond(tx, 481, "", {}, now)
        return
    if seq == session.inherited_seq and request.method in HEARD_BEFORE:
        session.respond(tx, 202 if request.method == "REFER" else 200, "", transfer.accepting(session, request), now)
        return
    match request.method:
        case "BYE":
            _bye(session, tx, request, now)
        case "INVITE" | "UPDATE":
            _offer(session, tx, request, now)
        case "OPTIONS":
            session.respond(tx, 200, "", {"Allow": ALLOW}, now)
        case "INFO" | "NOTIFY" | "MESSAGE":
            session.respond(tx, 200, "", {}, now)
            _inform(session, request)
        case "REFER":
            transfer.received(session, tx, request, now)
        case "PRACK":
            session.respond(tx, 200 if reliable.acknowledged(session, request) else 481, "", {}, now)
        case _:
            session.respond(tx, 405, "", {"Allow": ALLOW}, now)


def acked(session: Session, request: Request, now: float) -> None:
    tx = session.unacked
    if tx is None or tx.request.cseq[0] != request.cseq[0]:
        return
    session.acknowledged()
    if request.sdp:
        session.dialog.remote_sdp = request.sdp
    if session.bye_headers is not None:
        session.send_bye(session.bye_headers, now)
    else:
        session.tell(ev.Confirmed(session.id, request.sdp, owed=not tx.request.sdp))


def cancel_received(session: Session, invite: ServerTransaction, request: Request, now: float) -> None:
    """The peer takes its INVITE back, the first or a later one; one that was answered stays answered (§9.2)."""
    if session.incoming is not invite:
        return
    unsaid = takeover.document_of(session, session.agent.epoch)
    session.incoming = None
    session.respond(invite, 487, "", {}, now)
    if session.dialog.state == "early":
        session.tell(ev.Cancelled(session.id, _reason(request), unsaid))
        session.over(now)


def _bye(session: Session, tx: ServerTransaction, request: Request, now: float) -> None:
    session.respond(tx, 200, "", {}, now)
    if session.dialog.state == "early" and session.outgoing is not None:
        session.left = True
        session.cancel("", now)  # his 200 was lost, late or never sent: our INVITE still wants its end
        return
    reason = _reason(request)
    early = session.dialog.state == "early"
    session.tell(ev.Cancelled(session.id, reason) if early else ev.Ended(session.id, reason, "bye"))
    session.over(now)


def _reason(request: Request) -> str:
    """All that its Reason headers say (RFC 3326; RFC 3261 §7.3.1)."""
    return ", ".join(request.all("reason"))


def _offer(session: Session, tx: ServerTransaction, request: Request, now: float) -> None:
    carries_offer = request.method == "INVITE" or bool(request.sdp)
    if session.inherited and _is_the_same(session.unacked or session.incoming, request):
        _answer_here(session, tx, now)
        return
    if carries_offer and session.unacked is not None and _is_acked(session, session.unacked):
        session.acknowledged()
        session.tell(ev.Confirmed(session.id, ""))
    if refresh.too_small(request):
        session.respond(tx, 422, "", {"Min-SE": str(refresh.MIN_S)}, now)
    elif request.body and not request.sdp:
        session.respond(tx, 415, "", {"Accept": "application/sdp"}, now)
    elif carries_offer and (session.outgoing or session.update or session.asked_offer):
        session.respond(tx, 491, "", {}, now)
    elif carries_offer and (session.incoming is not None or session.unacked is not None):
        # §14.2: a second one before the first is done; after our 2xx the ACK may still carry the answer
        session.respond(tx, 500, "", {"Retry-After": str(session.agent.rng.randint(0, 10))}, now)
    elif carries_offer:
        session.incoming = tx
        if request.method == "INVITE":
            session.timers["trying"] = now + TRYING_S
        if "allow" in request.headers:
            session.dialog.peer_allow = sorted(request.tokens("allow"))
        session.tell(ev.Offer(session.id, request.method, request.sdp))
    else:  # UPDATE without SDP: a session refresh (RFC 4028) or a new Contact
        session.dialog.refresh_target(request)
        timer = refresh.granted(session, request, now) if session.dialog.state == "confirmed" else {}
        session.respond(tx, 200, "", timer, now)


def _is_acked(session: Session, answered: ServerTransaction) -> bool:
    """Whether who offers anew has taken our 200: he sent its ACK, which another way overtook, or which went to a
    process that died (RFC 5407 §3.1.4). Not if the ACK had an answer to bring, or a BYE of ours waits for it."""
    return session.inherited or (bool(answered.request.sdp) and session.bye_headers is None)


def _is_the_same(held: ServerTransaction | None, request: Request) -> bool:
    return held is not None and held.request.method == "INVITE" and held.request.cseq == request.cseq


def _answer_here(session: Session, tx: ServerTransaction, now: float) -> None:
    """The edge asks us what it asked the dead process: the answer goes where it was asked last."""
    answered, session.incoming = session.unacked is not None, tx
    if answered:
        session.accept("", {}, now)


def _inform(session: Session, request: Request) -> None:
    kind = request.get("content-type")
    if request.method == "INFO":
        session.tell(ev.Info(session.id, kind, request.body))
    elif request.method == "MESSAGE":
        session.tell(ev.Text(session.id, kind, request.body))
    else:
        state = request.get("subscription-state")
        session.tell(ev.Notify(session.id, request.get("event"), request.body, state))
