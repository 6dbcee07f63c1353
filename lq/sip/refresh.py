"""Session timers (RFC 4028): who refreshes a session, when, and what happens when nobody does.

We propose them to whoever supports them, so that a phone that vanished without a word ends its call. We refresh by
UPDATE without SDP where the peer allows it, else by re-INVITE with what we last said. A refusal proves that the peer
lives: only 408 and 481 end a call (facts: phones that answer 488 to every re-INVITE). Where it is ours to say, we are
the one who refreshes: we go on trying, JsSIP tries once, and a node that dies at that moment must not cost the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lq.sip.message import Request, Response, param, seconds

if TYPE_CHECKING:
    from lq.sip.session import Session

DEFAULT_S: Final = 1800  # recommended by §4
MIN_S: Final = 90  # nobody may ask for less (§5)
LONGEST_S: Final = 86_400
AGAIN_S: Final = 5.0  # a refresh that meets another exchange waits for its end
GRACE_S: Final = 10.0  # for a refresh that a dead node did not live to answer


def supported(request: Request) -> bool:
    return "timer" in request.tokens("supported") | request.tokens("require")


def too_small(request: Request) -> bool:
    """Whether 422 is due; a caller that knows no timers would not understand it (§9)."""
    wanted = seconds(request.get("session-expires"))
    return wanted is not None and wanted < MIN_S and supported(request)


def asked(session: Session) -> dict[str, str]:
    """What our INVITE or UPDATE says: a proposal at first, then only of a session that has agreed on it."""
    dialog = session.dialog
    if dialog.state == "early":
        wanted = f"{max(DEFAULT_S, dialog.min_se)};refresher=uac"
    elif dialog.interval:
        wanted = f"{dialog.interval};refresher={'uac' if dialog.refresher == 'us' else 'uas'}"
    else:
        return {}
    return {"Session-Expires": wanted} | ({"Min-SE": str(max(MIN_S, dialog.min_se))} if dialog.min_se else {})


def granted(session: Session, request: Request, now: float) -> dict[str, str]:
    """What our 2xx says to the peer's INVITE or UPDATE (§9); the timer runs from here."""
    dialog = session.dialog
    wanted, knows = seconds(request.get("session-expires")), supported(request)
    if wanted is None and not knows:
        agree(session, 0, "us", now)
        return {}
    least = max(MIN_S, seconds(request.get("min-se")) or 0)
    interval = min(max(wanted or dialog.interval or DEFAULT_S, least), LONGEST_S)
    refresher = param(request.get("session-expires"), "refresher").lower()
    if refresher not in ("uac", "uas") or not knows:  # (who does not know timers: a proxy asks for it)
        refresher = "uas"
    agree(session, interval, "peer" if refresher == "uac" else "us", now)
    return {"Session-Expires": f"{interval};refresher={refresher}"} | ({"Require": "timer"} if knows else {})


def agreed(session: Session, response: Response, now: float) -> None:
    """What the peer's 2xx to our INVITE or UPDATE says (§7.2)."""
    interval = seconds(response.get("session-expires"))
    peer = param(response.get("session-expires"), "refresher").lower() == "uas"
    least = max(MIN_S, session.dialog.min_se)
    agree(session, min(max(interval, least), LONGEST_S) if interval else 0, "peer" if peer else "us", now)


def agree(session: Session, interval: int, refresher: str, now: float) -> None:
    dialog = session.dialog
    dialog.interval = interval
    dialog.refresher = "peer" if refresher == "peer" else "us"
    dialog.expires_at = now + interval if interval else 0.0
    arm(session)


def arm(session: Session, not_before: float = 0.0) -> None:
    """The next refresh at half the time, or the end a little before the session expires (§10).

    §10 recommends a third of a short interval. Browsers' phones ask for 90 s and their timers are late in tabs that
    nobody looks at: a call is worth more than the time that a BYE may take.
    """
    dialog = session.dialog
    session.timers.pop("refresh", None)
    session.timers.pop("expired", None)
    if not dialog.interval or dialog.state != "confirmed":
        return
    if dialog.refresher == "us":
        session.timers["refresh"] = max(not_before, dialog.expires_at - dialog.interval / 2)
    else:
        session.timers["expired"] = max(not_before, dialog.expires_at - min(32.0, dialog.interval / 10))


def send(session: Session, now: float) -> None:
    """Refresh now, unless an offer is on its way: that refreshes the session, too."""
    dialog = session.dialog
    if dialog.state != "confirmed":
        return
    if session.exchange:
        session.timers["refresh"] = now + AGAIN_S
    elif "update" in dialog.peer_allow:
        request = session.request("UPDATE", contact=session.agent.contact)
        for name, value in ({"Supported": "timer"} | asked(session)).items():
            request.put(name, value)
        session.agent.client(session, request, "update", now)
    else:
        session.invite(dialog.local_sdp, {}, "refresh", now)


def refused(session: Session, response_code: int, min_se: str, method: str, now: float) -> None:
    """Our refresh was refused: again, in a way or at a time that suits the peer better."""
    dialog = session.dialog
    if response_code == 422 and raised(session, min_se):
        dialog.interval = max(dialog.interval, dialog.min_se)
        send(session, now)
    elif response_code == 491:
        session.timers["refresh"] = now + session.back_off()
    elif response_code != 422 and method == "UPDATE" and "update" in dialog.peer_allow:
        dialog.peer_allow.remove("update")  # whatever he says of it (facts: 488, 500, 403): his INVITE may work
        send(session, now)
    else:
        session.timers["refresh"] = now + max(MIN_S, dialog.interval) / 4


def raised(session: Session, min_se: str) -> bool:
    """Whether the peer's Min-SE asks for more than we had offered; then it is remembered."""
    least = seconds(min_se)
    if least is None or not max(MIN_S, session.dialog.min_se) < least <= LONGEST_S:
        return False
    session.dialog.min_se = least
    return True
