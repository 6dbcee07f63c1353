"""What the peer answers to our requests."""

from __future__ import annotations

from typing import Final

from lq.sip import digest, refresh, transfer
from lq.sip import events as ev
from lq.sip.message import Request, Response, number, seconds
from lq.sip.session import MAX_RETRIES, Session
from lq.sip.transaction import LIFETIME, ClientTransaction

CROSSED: Final = {"Reason": 'SIP;cause=487;text="Request Terminated"'}
MAX_RSEQ: Final = 2**32 - 1  # RFC 3262 §7.1
EARLY_KEPT: Final = 8  # forks of whom we remember what they said before the 200
INHERITED_S: Final = 4.0  # the answer to another process's INVITE may go to where that was, and be lost
_TIMEOUT: Final = Response({}, b"", 408, "Request Timeout")


def invite_answered(session: Session, tx: ClientTransaction, response: Response, now: float) -> None:
    code = response.code
    if code < 200:
        session.cancel_if_wanted(tx, now)
        if code > 100 and tx is session.outgoing and tx.purpose == "initial":
            _progress(session, response, now)
    elif code < 300:
        _accepted(session, tx, response, now)
    elif tx is session.outgoing:
        _refused(session, tx, response, now)


def _progress(session: Session, response: Response, now: float) -> None:
    dialog = session.dialog
    if response.to_tag and response.to_tag != dialog.remote_tag:
        dialog.learn(response)  # forked: the newest early dialog counts
    if response.sdp:
        session.said_early.pop(response.to_tag, None)
        session.said_early[response.to_tag] = response.sdp
        if len(session.said_early) > EARLY_KEPT:
            del session.said_early[next(iter(session.said_early))]
    if "100rel" in response.tokens("require") and (rseq := number(response.get("rseq"), MAX_RSEQ)) is not None:
        _prack(session, response, rseq, now)
    session.tell(ev.Progress(session.id, response.code, response.reason, response.sdp, response.headers))


def _prack(session: Session, response: Response, rseq: int, now: float) -> None:
    """RFC 3262, as a courtesy to a peer that insists; we never ask for it."""
    rseqs = session.dialog.rseqs
    if rseq > rseqs.get(response.to_tag, 0):
        rseqs[response.to_tag] = rseq
        request = session.request("PRACK")
        request.put("rack", f"{rseq} {response.cseq[0]} {response.cseq[1]}")
        session.agent.client(session, request, "prack", now)


def _accepted(session: Session, tx: ClientTransaction, response: Response, now: float) -> None:
    key = (response.cseq[0], response.to_tag)
    if key in session.acks:  # our ACK was lost
        session.repeat_ack(key)
    elif session.dialog.state != "early" and response.to_tag != session.dialog.remote_tag:
        session.agent.end_fork(tx, response, now)
    elif tx is session.outgoing:
        session.outgoing = None
        # RFC 3261 §13.2.1: a 200 need not say again what a reliable 18x of the same phone has answered
        said = response.sdp or session.said_early.get(response.to_tag, "")
        session.said_early.clear()
        before, session.dialog.remote_sdp = session.dialog.remote_sdp, said or session.dialog.remote_sdp
        session.dialog.local_sdp = tx.request.sdp or session.dialog.local_sdp
        session.invite_authorization = {
            name: tx.request.get(name) for _, name in digest.ANSWERED_IN.values() if tx.request.get(name)
        }
        if tx.purpose == "initial":
            _began(session, response, said, now)
        else:
            _changed(session, tx, response, before, now)
    # else a repeat before the owner's ack(): it will be ACKed


def _began(session: Session, response: Response, sdp: str, now: float) -> None:
    session.timers.pop("give_up", None)
    session.timers.pop("cancelled", None)
    session.dialog.learn(response)
    session.dialog.state = "confirmed"
    if session.silent or session.left:  # given up: the answer crossed our CANCEL, or his own BYE has overtaken it
        session.ack("", now)
        session.tell(ev.Rejected(session.id, 487, "Request Terminated"))
        session.send_bye(CROSSED, now)
        return
    refresh.agreed(session, response, now)
    session.tell(ev.Accepted(session.id, response.code, sdp, response.headers))


def _changed(session: Session, tx: ClientTransaction, response: Response, before: str, now: float) -> None:
    """A re-INVITE of ours is through; `before` is what the peer had said."""
    session.dialog.refresh_target(response)
    refresh.agreed(session, response, now)
    if not tx.request.sdp and response.sdp:  # he makes the offer, our ACK will answer
        session.asked_offer = True
        session.tell(ev.Offer(session.id, "200", response.sdp))
        return
    session.ack("", now)
    if tx.purpose == "reinvite" or response.sdp != before:
        session.tell(ev.OfferAnswered(session.id, response.sdp))


def _refused(session: Session, tx: ClientTransaction, response: Response, now: float) -> None:
    session.outgoing = None
    if tx.cancel_wanted is None and _again(session, tx, response, now):
        return
    code = response.code
    if tx.purpose == "initial":
        session.tell(ev.Rejected(session.id, code, response.reason, response.headers))
        session.over(now)
    elif code in (408, 481):
        session.lost("timeout" if code == 408 else "481", now)
    elif tx.purpose == "refresh":
        refresh.refused(session, code, response.get("min-se"), "INVITE", now)
    elif (pause := _back_off(session, response)) is not None and session.retries < MAX_RETRIES:
        session.timers["retry"] = now + pause
    else:
        session.tell(ev.OfferRefused(session.id, code))


def _back_off(session: Session, response: Response) -> float | None:
    """After how long an offer may be made once more; None: never."""
    if response.code == 491:
        return session.back_off()
    after = seconds(response.get("retry-after"))
    return float(after) if response.code == 500 and after is not None and after <= 10 else None


def answered(session: Session, tx: ClientTransaction, response: Response, now: float) -> None:
    """An answer to a request of ours that is no INVITE."""
    code = response.code
    if code < 200:
        return
    if tx is session.update:
        session.update = None
        if code < 300:
            session.dialog.refresh_target(response)
            session.dialog.local_sdp, session.dialog.remote_sdp = tx.request.sdp, response.sdp
    if tx.purpose != "cancel" and _again(session, tx, response, now):
        return
    match tx.purpose:
        case "bye":
            session.over(now)
        case "cancel" if code == 481:  # nobody knows the INVITE: who relayed it was restarted
            if session.outgoing is not None:
                session.due("cancelled", now)
        case "cancel":  # the INVITE must end within 64*T1 (§9.1)
            if session.outgoing is not None:
                session.timers["cancelled"] = now + (INHERITED_S if session.inherited else LIFETIME)
        case "update":
            _refreshed(session, response, now)
        case "notify":
            if code >= 300:
                transfer.unheard(session, tx.request)
            _done(session, tx, response)
            transfer.send_next(session, now)
        case "control":  # refused, it says nothing of the dialog (RFC 5057 §5.1)
            _done(session, tx, response)
        case "request":
            _done(session, tx, response)
            if code == 481 and session.dialog.state == "confirmed":
                session.lost("481", now)


def _refreshed(session: Session, response: Response, now: float) -> None:
    if session.dialog.state != "confirmed":
        return
    if response.code < 300:
        session.dialog.refresh_target(response)
        refresh.agreed(session, response, now)
    elif response.code in (408, 481):
        session.lost("timeout" if response.code == 408 else "481", now)
    else:
        refresh.refused(session, response.code, response.get("min-se"), "UPDATE", now)


def _done(session: Session, tx: ClientTransaction, response: Response) -> None:
    if tx.request_id:
        done = ev.RequestDone(session.id, tx.request_id, response.code, response.headers, response.body)
        session.tell(done)


def timed_out(session: Session, tx: ClientTransaction, now: float) -> None:
    """No final answer within the transaction's life: as a 408 (§8.1.3.1)."""
    if tx.kind == "INVITE":
        if tx is session.outgoing:
            _refused(session, tx, _TIMEOUT, now)
    elif tx.purpose == "cancel":
        session.due("cancelled", now)
    else:
        answered(session, tx, _TIMEOUT, now)


# -- the same once more, in a way that the peer can take -----------------------------------------------------------
def _again(session: Session, tx: ClientTransaction, response: Response, now: float) -> bool:
    """Whether the request was sent again, with credentials or a longer session timer."""
    if response.code in digest.ANSWERED_IN and _challenged(session, tx, response):
        _send_again(session, tx, (*tx.tried, response.code), now)
        return True
    if (
        response.code == 422
        and tx.purpose in ("initial", "reinvite")
        and refresh.raised(session, response.get("min-se"))
    ):
        session.dialog.interval = max(session.dialog.interval, session.dialog.min_se) if session.dialog.interval else 0
        for name, value in refresh.asked(session).items():
            tx.request.put(name, value)
        _send_again(session, tx, tx.tried, now)
        return True
    return False


def _challenged(session: Session, tx: ClientTransaction, response: Response) -> bool:
    """Whether we have credentials for the challenge's realm that this request has not been refused with yet."""
    asks, answers = digest.ANSWERED_IN[response.code]
    credentials = session.agent.accounts(session.dialog.account) if session.dialog.account else None
    challenge = digest.choose(response.all(asks), credentials.realm) if credentials else None
    times = tx.tried.count(response.code)
    if challenge is None or times > 1 or (times == 1 and not challenge.stale):
        return False
    session.challenges[answers] = (challenge, 0)
    return True


def _send_again(session: Session, tx: ClientTransaction, tried: tuple[int, ...], now: float) -> None:
    """A new transaction in the same dialog (§8.1.3.5)."""
    dialog = session.dialog
    dialog.local_seq += 1
    request = Request(dict(tx.request.headers), tx.request.body, tx.request.method, tx.request.uri)
    request.put("via", session.agent.new_via())
    request.put("cseq", f"{dialog.local_seq} {request.method}")
    if request.method == "INVITE":
        dialog.last_invite_seq = dialog.local_seq
    if dialog.state == "early":  # the refusal's tag makes no dialog
        dialog.remote_tag = ""
    again = session.agent.client(session, request, tx.purpose, now)
    again.request_id, again.tried = tx.request_id, tried
    if request.method == "INVITE":
        session.outgoing = again
    elif tx.purpose == "request" and request.method == "UPDATE" and request.body:
        session.update = again
