"""The end of a contact: decided once, written, then everything that it holds is let go (pains P05, P06)."""

from __future__ import annotations

from typing import Final

from lq.contacts import effects as do
from lq.contacts import inputs, mobile, recording
from lq.contacts.contact import Contact, Leg
from lq.contacts.turn import Turn
from lq.trunks import causes
from lq.trunks.causes import NORMAL

CLEARING_MS = 40_000  # longer than any SIP transaction (64*T1 = 32 s): then the contact is over whatever is missing

BY: Final = {"customer": "caller", "agent": "agent"}  # which party ended it


def finish(turn: Turn, result: str, ended_by: str, cause: int, sip: int = 0) -> None:
    """The contact has this end; agent, place in line, legs, recording and media are let go.

    `result` is how what went on last has ended: it stays the reason why a line was left. Of the whole contact it may
    be another (`_of_all`).
    """
    if turn.contact.state in ("ending", "over"):
        return
    let_agent_go(turn)
    _let_called_go(turn)
    for n in turn.contact.legs:
        release(turn, n)
    left_line(turn, "abandoned" if ended_by == "caller" else result)
    turn.end_segments(ended_by)
    result = _of_all(turn.contact, result)
    turn.set(state="ending", result=result, ended_by=ended_by, cause=cause, ended_at=turn.now, menu=None, dial=None)
    turn.set(deadlines={"cleared": turn.now + CLEARING_MS})
    for leg in turn.contact.legs.values():
        _clear(turn, leg, cause, sip)
    recording.close(turn)
    for leg in turn.contact.legs.values():
        drop_media(turn, leg.n)
    turn.emit("contact_ended", result=result, ended_by=ended_by, cause=cause, **({"sip": sip} if sip else {}))
    settle(turn)


def _of_all(contact: Contact, last: str) -> str:
    """Who has talked with an agent was answered (lq.ledger.events.RESULTS), whatever became of him where he was sent
    afterwards; only a fault of ours is said as one."""
    return "answered" if contact.answered_at and last != "failed" else last


def result(contact: Contact) -> str:
    """What has become of it, if it ends now by somebody else than who is in it."""
    match contact.state:
        case "talking":
            return "answered"
        case "placing" | "calling" | "dialing":
            return "abandoned"
        case "conference" if contact.answered_at:
            return "answered"
        case "conference" if contact.conference and contact.conference.phase == "called":
            return "abandoned"
    return "ivr" if contact.line is None else "no_agent"


def caller_gone(turn: Turn, given: inputs.Ended | inputs.Cancelled) -> None:
    """The customer hung up before anybody talked, or the agent who was calling him."""
    contact, cause = turn.contact, given.cause or NORMAL
    leg_ended(turn, given.leg, "peer", cause)
    if contact.state == "talking" or contact.answered_at:
        result = "answered"
    elif contact.after.startswith("end:"):
        result = contact.after.split(":")[1]  # he was only being told why
    elif contact.line is not None or contact.state in ("arriving", "placing", "calling", "dialing"):
        result = "abandoned"
    else:
        result = "ivr"
    if contact.menu is not None:
        turn.emit("contact_ivr_left", n=turn.n, reason="hang_up")
    finish(turn, result, BY[turn.leg(given.leg).party], cause)


def let_agent_go(turn: Turn, outcome: str = "caller_gone", sip: int = 0, cause: int = 0) -> None:
    """The agent who is offered the contact does not get it: he goes where the outcome sends him."""
    offer = turn.contact.offer
    if offer is None:
        return
    turn.deadline("ring", None)
    extra = {key: value for key, value in (("sip", sip), ("cause", cause)) if value}
    turn.emit("contact_offer_ended", n=turn.n, agent=offer.agent, outcome=outcome, **extra)
    if turn.contact.state == "calling" and outcome == "no_answer":
        outcome = "caller_gone"  # a colleague's call: only those of queues count
    turn.agent_op("release", offer.agent, offer.reservation, outcome, max_no_answer=turn.queue.max_no_answer)
    turn.set(offer=None)


def _let_called_go(turn: Turn) -> None:
    """Whoever is being called into the contact is not wanted any more. Their legs are cleared with the others."""
    for n, call in turn.contact.calls.items():
        if call.reservation:
            turn.agent_op("release", turn.leg(n).agent, call.reservation, "caller_gone")
        turn.tell_referrer(call, 487)
    turn.set(calls={})


def release(turn: Turn, n: int, untalked: str = "caller_gone") -> None:
    """The agent of this leg is done: into wrap-up if he has talked, else where `untalked` leaves him."""
    leg = turn.leg(n)
    if not leg.reservation:
        return
    turn.set_leg(n, reservation=0, dials=False)
    if leg.dials:
        turn.agent_op("release", leg.agent, leg.reservation, untalked)
        return
    queue = turn.queue_of(leg.agent)
    more = {"wrap_up_ms": queue.wrap_up_s * 1000, "max_no_answer": queue.max_no_answer}
    turn.agent_op("release", leg.agent, leg.reservation, "answered", **more)


def left_line(turn: Turn, reason: str) -> None:
    """Out of every lane; the ledger learns why."""
    if turn.contact.line is None:
        return
    if turn.contact.queue:
        turn.emit("contact_dequeued", n=turn.n, queue=turn.contact.queue, reason=reason)
    turn.do(do.Dequeue())
    turn.set(line=None)
    for name in ("ask", "max_wait", "position"):
        turn.deadline(name, None)


def _clear(turn: Turn, leg: Leg, cause: int, sip: int) -> None:
    if not leg.alive:
        return
    if leg.state == "answered":
        turn.do(do.Bye(leg.n, cause))
    elif leg.direction == "in":
        turn.do(do.Reject(leg.n, sip or causes.status_of(cause), cause))
    else:
        cancel_leg(turn, leg.n, cause)
        return
    leg_ended(turn, leg.n, "us", cause, sip)


def cancel_leg(turn: Turn, n: int, cause: int, reason: str = "") -> None:
    """Give up a leg that we are calling. Its INVITE may not have left yet; then nothing has to be taken back.

    `reason`: what its phone is told, if not the cause (RFC 3326). A mobile may have been answered, but not by the
    agent as far as we know.
    """
    if turn.leg(n).state == "answered":
        turn.do(do.Bye(n, cause))
        leg_ended(turn, n, "us", cause)
        return
    turn.do(do.Cancel(n, reason or causes.reason(cause)))
    turn.set_leg(n, state="cancelling")
    mobile.over(turn, n)


def leg_ended(turn: Turn, n: int, by: str, cause: int, sip: int = 0) -> None:
    if turn.leg(n).state == "ended":
        return
    turn.set_leg(n, state="ended", play=None)
    mobile.over(turn, n)
    turn.emit("leg_ended", leg=turn.contact.leg_id(n), by=by, cause=cause, **({"sip": sip} if sip else {}))


def drop_media(turn: Turn, n: int) -> None:
    if turn.leg(n).media is not None:
        recording.close(turn, n)
        turn.do(do.DeleteMedia(n))


def settle(turn: Turn) -> None:
    """Over once nothing is left to clear."""
    if turn.contact.state == "ending" and all(
        leg.media is None and leg.state == "ended" for leg in turn.contact.legs.values()
    ):
        turn.set(state="over", deadlines={})


# -- inputs that every state knows -----------------------------------------------------------------------------------
def media_deleted(turn: Turn, given: inputs.MediaDeleted) -> None:
    turn.set_leg(given.leg, media=None)
    settle(turn)


def late_media(turn: Turn, given: inputs.MediaReady) -> None:
    """Prepared for a leg that is no longer wanted. One that called to take another's place is refused."""
    leg = turn.leg(given.leg)
    turn.set_leg(leg.n, media=given.media)
    turn.do(do.DeleteMedia(leg.n))
    if leg.state == "arriving" and leg.instead_of:
        turn.do(do.Reject(leg.n, 481, NORMAL))
        leg_ended(turn, leg.n, "us", NORMAL, 481)


def late_answer(turn: Turn, given: inputs.Accepted) -> None:
    """The 200 crossed our CANCEL (RFC 3261 §9.1): take the dialog, then end it."""
    turn.do(do.Ack(given.leg))
    turn.do(do.Bye(given.leg, NORMAL))
    leg_ended(turn, given.leg, "us", NORMAL)
    settle(turn)


def late_end(turn: Turn, given: inputs.Rejected | inputs.Ended | inputs.Cancelled) -> None:
    """The last word of a leg that was being cleared."""
    leg_ended(turn, given.leg, "peer", given.cause or NORMAL)
    settle(turn)


def cleared(turn: Turn, given: inputs.Due) -> None:
    """Whatever is still missing is given up; rtpengine and SIP let go by their own timers."""
    if given.name != "cleared":
        return
    turn.set(state="over", deadlines={})
