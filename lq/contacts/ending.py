"""The end of a contact: decided once, written, then everything that it holds is let go (pains P05, P06)."""

from __future__ import annotations

from lq.contacts import effects as do
from lq.contacts import inputs, recording
from lq.contacts.contact import Leg
from lq.contacts.turn import NORMAL, SIP_OF_CAUSE, Turn

CLEARING_MS = 40_000  # longer than any SIP transaction (64*T1 = 32 s): then the contact is over whatever is missing


def finish(turn: Turn, result: str, ended_by: str, cause: int, sip: int = 0) -> None:
    """The contact has this end; agent, place in line, legs, recording and media are let go."""
    if turn.contact.state in ("ending", "over"):
        return
    let_agent_go(turn)
    left_line(turn, "abandoned" if ended_by == "caller" else result)
    turn.end_segments(ended_by)
    turn.set(state="ending", result=result, ended_by=ended_by, cause=cause, ended_at=turn.now, menu=None)
    turn.set(deadlines={"cleared": turn.now + CLEARING_MS})
    for leg in turn.contact.legs.values():
        _clear(turn, leg, cause, sip)
    recording.close(turn)
    for leg in turn.contact.legs.values():
        drop_media(turn, leg.n)
    turn.emit("contact_ended", result=result, ended_by=ended_by, cause=cause, **({"sip": sip} if sip else {}))
    settle(turn)


def caller_gone(turn: Turn, given: inputs.Ended | inputs.Cancelled) -> None:
    """The customer hung up, whatever was going on."""
    contact, cause = turn.contact, given.cause or NORMAL
    leg_ended(turn, 1, "peer", cause)
    if contact.state == "talking":
        result = "answered"
    elif contact.after.startswith("end:"):
        result = contact.after.split(":")[1]  # he was only being told why
    elif contact.line is not None or contact.state in ("arriving", "calling"):
        result = "abandoned"
    else:
        result = "ivr"
    if contact.menu is not None:
        turn.emit("contact_ivr_left", n=turn.n, reason="hang_up")
    finish(turn, result, "caller", cause)


def agent_gone(turn: Turn, given: inputs.Ended) -> None:
    """The agent's phone hung up while they talked."""
    leg_ended(turn, given.leg, "peer", given.cause or NORMAL)
    finish(turn, "answered", "agent", given.cause or NORMAL)


def let_agent_go(turn: Turn, outcome: str = "", sip: int = 0, cause: int = 0) -> None:
    """Release the agent whom the contact holds: after a talk into wrap-up, else where the outcome sends him."""
    offer = turn.contact.offer
    if offer is None:
        return
    turn.deadline("ring", None)
    outcome = "answered" if offer.answered else outcome or "caller_gone"
    if not offer.answered:
        extra = {key: value for key, value in (("sip", sip), ("cause", cause)) if value}
        turn.emit("contact_offer_ended", n=turn.n, agent=offer.agent, outcome=outcome, **extra)
    queue = turn.queue
    wrap_up = queue.wrap_up_s * 1000 if offer.answered else 0
    turn.agent_op("release", offer, outcome, wrap_up_ms=wrap_up, max_no_answer=queue.max_no_answer)
    turn.set(offer=None)


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
        turn.do(do.Reject(leg.n, sip or SIP_OF_CAUSE.get(cause, 480), cause))
    else:
        cancel_leg(turn, leg.n, cause)
        return
    leg_ended(turn, leg.n, "us", cause, sip)


def cancel_leg(turn: Turn, n: int, cause: int) -> None:
    """Give up a leg that we are calling. Its INVITE may not have left yet; then nothing has to be taken back."""
    turn.do(do.Cancel(n, f"Q.850;cause={cause}"))
    turn.set_leg(n, state="cancelling")


def leg_ended(turn: Turn, n: int, by: str, cause: int, sip: int = 0) -> None:
    if turn.leg(n).state == "ended":
        return
    turn.set_leg(n, state="ended", play=None)
    turn.emit("leg_ended", leg=turn.contact.leg_id(n), by=by, cause=cause, **({"sip": sip} if sip else {}))


def drop_media(turn: Turn, n: int) -> None:
    if turn.leg(n).media is not None:
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
    """Prepared for a leg that is no longer wanted."""
    turn.set_leg(given.leg, media=given.media)
    turn.do(do.DeleteMedia(given.leg))


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
