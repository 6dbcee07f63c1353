"""Sessions as plain data: what another process needs to carry one on, and the carrying on (DESIGN §5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from lq.sip import events as ev
from lq.sip import refresh, transfer
from lq.sip.message import Request
from lq.sip.session import Session
from lq.sip.transaction import ServerTransaction

if TYPE_CHECKING:
    from lq.sip.core import Core

# what a CANCEL (RFC 3261 §9.1) and a response (§8.2.6.2, §12.1.1, RFC 4028 §9) take from their INVITE
_FOR_CANCEL: Final = ("via", "max-forwards", "from", "to", "call-id", "cseq", "route")
_FOR_ANSWER: Final = (
    "via", "record-route", "from", "to", "call-id", "cseq", "contact", "supported", "require", "session-expires",
    "min-se",
)  # fmt: skip
SEQ_LEAP: Final = 1000  # an adopter's requests are above whatever the dead process sent (gaps are legal, §12.2.1.1)


def document_of(session: Session, epoch: float) -> dict[str, Any]:
    """The dialog, an INVITE of ours to be cancelled, one of the peer's that wants its answer or has not ACKed it."""
    document = session.dialog.to_dict(epoch)
    tx = session.outgoing
    if tx is not None and tx.purpose == "initial":
        document["invite"] = {"uri": tx.request.uri, "headers": _kept(tx.request, _FOR_CANCEL), "by": tx.transport}
    if notified := transfer.unanswered(session):
        document["notified"] = notified
    asked = session.unacked or session.incoming or session.recalled
    if asked is not None and asked.request.method == "INVITE":
        document["asked"] = {
            "uri": asked.request.uri,
            "headers": _kept(asked.request, _FOR_ANSWER),
            "to": list(asked.destination),
            "by": asked.transport,
            "sent_by": list(asked.sent_by or ()),
            "answered": asked is session.unacked,
            "offered": bool(asked.request.sdp),
            "at": "" if asked is session.recalled else session.agent.contact,
        }
        if asked is session.incoming and session.dialog.state == "confirmed":
            document["asked"]["sdp"] = asked.request.sdp  # not the dialog's before our answer
        if session.postponed:
            document["asked"]["postponed"] = list(session.postponed)
    return document


def carry_on(agent: Core, session: Session, document: Mapping[str, Any], now: float) -> None:
    """What the other process has said last is said once more: a 200 until its ACK, the ACK of a 200, how a REFER went.
    A call that waits for its answer is recalled.

    Its BYE may not have left either: a dialog that it was ending can be ended again (a peer that knows answers 481).
    """
    dialog = session.dialog
    dialog.local_seq += SEQ_LEAP
    session.inherited_seq = dialog.remote_seq
    if dialog.state == "terminated":
        dialog.state = "confirmed"
    if invite := document.get("invite"):
        agent.ringing_again(session, _request_of(invite), invite.get("by", "udp"))
        session.inherited = True
    elif dialog.last_invite_seq and dialog.state == "confirmed":
        session.ack("", now)
    if asked := document.get("asked"):
        session.incoming = agent.asked_again(session, _asked(session, asked))
        session.inherited = True
        if asked["answered"]:
            session.accept("", {}, now)
        elif dialog.state == "confirmed":  # hold, for one: it is answered as if it had come to us
            agent.happened(ev.Offer(session.id, "INVITE", session.incoming.request.sdp))
        elif agent.recalls and asked.get("at") != agent.contact:
            session.postponed = [(verb, tuple(arguments)) for verb, arguments in asked.get("postponed", ())]
            agent.recall(session, now)
    for event, state, fragment in document.get("notified", ()):
        transfer.send(session, event, state, fragment, now)
    session.timers |= {f"refer:{id}": max(until, now) for id, until in dialog.refers.items()}
    refresh.arm(session, not_before=now + refresh.GRACE_S)


def _asked(session: Session, document: Mapping[str, Any]) -> ServerTransaction:
    host, port = document["to"]
    tx = ServerTransaction(
        session.id,
        _request_of(document),
        (host, port),
        "proceeding",
        to_tag=session.dialog.local_tag,
        transport=document.get("by", "udp"),
    )
    if sent_by := document.get("sent_by"):
        tx.sent_by = (sent_by[0], sent_by[1])
    if document.get("offered", True):  # whose turn it is to answer; what was offered is the dialog's remote_sdp
        tx.request.put("content-type", "application/sdp")
        tx.request.body = (document.get("sdp") or session.dialog.remote_sdp).encode()
    return tx


def _kept(request: Request, names: tuple[str, ...]) -> dict[str, list[str]]:
    return {name: list(request.all(name)) for name in names if request.all(name)}


def _request_of(document: Mapping[str, Any]) -> Request:
    """The INVITE of another process, as far as an answer or a CANCEL needs it."""
    headers = {name: list(values) for name, values in document["headers"].items()}
    return Request(headers, b"", "INVITE", document["uri"])
