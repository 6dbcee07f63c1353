"""The offer: an agent is reserved, his phone is called, and he takes it or not. A colleague too (direct.py)."""

from __future__ import annotations

from lq.contacts import (
    at_the_phone,
    calling,
    direct,
    ending,
    engaging,
    forwarding,
    inputs,
    mobile,
    queueing,
    recording,
    talking,
)
from lq.contacts import effects as do
from lq.contacts.contact import Leg, Offer
from lq.contacts.turn import LEASE_MARGIN_MS, Turn
from lq.trunks import causes
from lq.trunks.causes import NO_ANSWER, NORMAL, TEMPORARY_FAILURE

NOT_THIS_MEDIA = (415, 488, 606)  # what a phone says of an offer that it cannot take (RFC 3261 §13.3.1.3)


def reserved(turn: Turn, given: inputs.Reserved) -> None:
    line = queueing.answered_request(turn, given.request)
    if line is None or (line.agent and forwarding.agent_diverted(turn, given)):
        return
    queue, n = turn.queue, max(turn.contact.legs) + 1
    ring_ms = queue.ring_s * 1000
    if line.agent:  # never longer than he is reserved
        ring_ms = min(ring_ms, forwarding.ring_ms(turn.book.phones.get(given.phone), ring_ms))
    offer = Offer(given.agent, given.phone, given.reservation, n)
    turn.set(state="offering", offer=offer)
    turn.inner_segment("ring", queue=turn.contact.queue, agent=given.agent)
    for name in ("ask", "position"):
        turn.deadline(name, None)
    turn.deadline("ring", turn.now + ring_ms)
    turn.add_leg(Leg(n, "agent", "out", given.phone, "inviting", agent=given.agent))
    turn.emit(
        "contact_offered",
        n=turn.n, queue=turn.contact.queue, agent=given.agent, phone=given.phone, reservation=given.reservation,
        leg=turn.contact.leg_id(n),
    )  # fmt: skip
    mobile.prepare(turn, n, given.media)


def media_ready(turn: Turn, given: inputs.MediaReady) -> None:
    leg = turn.leg(given.leg)
    if leg.direction != "out" or not leg.alive:
        ending.late_media(turn, given)
        return
    turn.set_leg(leg.n, media=given.media)
    caller, headers = turn.contact.number.published or "anonymous", at_the_phone.headers(turn, leg)
    turn.do(do.Invite(leg.n, f"sip:{leg.address}@phones.lq.internal", given.sdp, caller, headers))


def media_failed(turn: Turn, given: inputs.MediaFailed) -> None:
    """No media for the agent's leg before his phone was called: not his fault."""
    called = direct.called(turn)
    if called is None or called.n != given.leg:  # of somebody who is on the line, or is not wanted any more
        talking.media_failed(turn, given)
        return
    ending.leg_ended(turn, given.leg, "us", TEMPORARY_FAILURE)
    not_taken(turn, given.leg, "caller_gone", 0, TEMPORARY_FAILURE)


def progress(turn: Turn, given: inputs.Progress) -> None:
    leg = turn.leg(given.leg)
    if given.code < 180 or leg.rang or leg.direction != "out" or not leg.alive:
        return
    turn.set_leg(leg.n, state="ringing", rang=True, talks=given.talks)
    early = {"early_media": True} if given.sdp else {}
    turn.emit("leg_ringing", leg=turn.contact.leg_id(leg.n), sip=given.code, **early)
    if turn.contact.offer:
        turn.emit("contact_ringing", n=turn.n, agent=leg.agent)
        least_ms = direct.LEASE_MS if turn.contact.state == "calling" else turn.queue.ring_s * 1000 + LEASE_MARGIN_MS
        ttl_ms = direct.lease_ms(turn, least_ms)
        turn.agent_op("ringing", leg.agent, turn.contact.offer.reservation, ttl_ms=ttl_ms)
    if turn.contact.state == "calling":
        direct.rings(turn)


def rejected(turn: Turn, given: inputs.Rejected) -> None:
    leg = turn.leg(given.leg)
    if leg.direction != "out" or at_the_phone.called_again(turn, given):
        return
    cause = causes.cause_of(given.code, given.cause, rang=leg.rang)
    ending.leg_ended(turn, leg.n, "peer", cause, given.code)
    ending.drop_media(turn, leg.n)
    plain = (leg.media or {}).get("kind", "rtp") == "rtp"
    if turn.contact.state == "calling" and plain and not leg.rang and given.code in NOT_THIS_MEDIA:
        direct.next_leg(turn, leg, "webrtc")
        return
    not_taken(turn, leg.n, outcome_of(given, leg.rang), given.code, cause)


def outcome_of(given: inputs.Rejected, rang: bool) -> str:
    """What a refusal says about the agent (contracts.md §2)."""
    if given.code in (486, 600):
        return "busy"
    if given.code in (603, 403, 488, 606):
        return "refused"
    if given.code in (480, 408, 487) and rang:
        return "no_answer"
    if 300 <= given.code < 400:  # forwarded at the phone itself: nobody takes calls there, and the n-th pauses him
        return "no_answer"
    return "unreachable"


def due(turn: Turn, given: inputs.Due) -> None:
    leg = direct.called(turn)
    if given.name == "engage" and leg is not None:
        direct.due(turn, leg)
    if given.name == "ring" and leg is not None:
        ending.cancel_leg(turn, leg.n, NO_ANSWER)
        ending.drop_media(turn, leg.n)
        not_taken(turn, leg.n, "no_answer" if leg.rang else "unreachable", 0, NO_ANSWER)


def not_taken(turn: Turn, leg: int, outcome: str, sip: int, cause: int) -> None:
    """The offer failed: the agent goes where the outcome sends him, the caller keeps his place and asks again."""
    offer = turn.contact.offer
    if turn.contact.state == "calling" or offer is None:
        ending.let_agent_go(turn, outcome, sip, cause)
        if forwarding.not_taken(turn, turn.leg(leg).address, outcome):
            return
        result = {"busy": "busy", "no_answer": "no_answer"}.get(outcome, "failed")
        ending.finish(turn, result, "agent" if outcome in ("busy", "refused") else "system", cause, sip)
        return
    ending.let_agent_go(turn, outcome, sip, cause)
    turn.set(state="queueing")
    queue = turn.queue
    turn.end_segments(outcome, "ring")
    if queue.position_every_s:
        turn.deadline("position", turn.now + queue.position_every_s * 1000)
    line, calls_himself = turn.contact.line, turn.contact.customer.n == 1
    if line is not None and line.agent and calls_himself and forwarding.not_taken(turn, offer.phone, outcome):
        return
    if line is not None and turn.now >= line.since + queue.max_wait_s * 1000:
        queueing.leave(turn, "no_agent", "all_busy")  # his time ran out while the phone rang
    elif line is not None and line.agent and outcome in ("busy", "refused", "unreachable"):
        queueing.leave(turn, "failed", "all_busy")  # one certain agent was asked for and cannot
    elif outcome == "caller_gone":
        turn.deadline("ask", turn.now + queueing.RETRY_MS)  # our own fault: not at once again
    else:
        queueing.ask(turn)


def offer_lost(turn: Turn, given: inputs.OfferLost) -> None:
    """The fence no longer holds: somebody else may have the agent, so his phone must stop."""
    offer = turn.contact.offer
    if offer is None or offer.reservation != given.reservation:
        return
    leg = turn.leg(offer.leg)
    if leg.alive:
        ending.cancel_leg(turn, leg.n, NORMAL)
        ending.drop_media(turn, leg.n)
    not_taken(turn, leg.n, "caller_gone", 0, NORMAL)


def accepted(turn: Turn, given: inputs.Accepted) -> None:
    leg = turn.leg(given.leg)
    if leg.direction != "out" or not leg.alive:
        return
    turn.do(do.Ack(leg.n))
    turn.set_leg(leg.n, state="answered", pending_sdp=given.sdp)
    turn.do(do.TakeAnswer(leg.n, given.sdp))
    taken(turn, leg.n)


def taken(turn: Turn, n: int) -> None:
    """The phone was answered: its owner has the contact before he hears anything (R1)."""
    turn.deadline("ring", None)
    turn.deadline("max_wait", None)
    leg, offer, contact = turn.leg(n), turn.contact.offer, turn.contact
    if offer is not None:
        turn.set(offer=None)
        turn.set_leg(leg.n, reservation=offer.reservation)
        turn.emit("contact_offer_ended", n=turn.n, agent=offer.agent, outcome="answered")
        turn.agent_op("talking", offer.agent, offer.reservation)
        ending.left_line(turn, "answered")
    direct.answer_caller(turn)
    for called in list(turn.contact.calls):
        calling.take_back(turn, called)  # who wanted to pick it up was slower
    turn.set(state="talking", agent=leg.agent or contact.agent, answered_at=contact.answered_at or turn.now)
    for one in (contact.customer.n, n):
        turn.set_leg(one, place="talk")
    engaging.talks(turn, 1)
    turn.segment("talk", "answered", queue=contact.queue, agent=leg.agent)
    turn.emit("contact_answered", n=turn.n, queue=contact.queue, agent=leg.agent, leg=contact.leg_id(leg.n))
    recording.settle(turn)
