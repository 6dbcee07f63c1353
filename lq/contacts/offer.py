"""The offer: an agent is reserved, his phone is called, and he takes it or not. Also a phone called without the ACD."""

from __future__ import annotations

from dataclasses import replace

from lq.contacts import effects as do
from lq.contacts import ending, inputs, recording
from lq.contacts.contact import Leg, Offer
from lq.contacts.queueing import LEASE_MARGIN_MS, RETRY_MS, answered_request, ask, leave
from lq.contacts.turn import BUSY, NO_ANSWER, NORMAL, REJECTED, TEMPORARY_FAILURE, UNALLOCATED, Turn


def reserved(turn: Turn, given: inputs.Reserved) -> None:
    if answered_request(turn, given.request) is None:
        return
    queue, n = turn.queue, max(turn.contact.legs) + 1
    offer = Offer(given.agent, given.phone, given.reservation, n)
    turn.set(state="offering", offer=offer)
    turn.inner_segment("ring", queue=turn.contact.queue, agent=given.agent)
    for name in ("ask", "position"):
        turn.deadline(name, None)
    turn.deadline("ring", turn.now + queue.ring_s * 1000)
    turn.add_leg(Leg(n, "agent", "out", given.phone, "inviting", agent=given.agent))
    turn.emit(
        "contact_offered",
        n=turn.n, queue=turn.contact.queue, agent=given.agent, phone=given.phone, reservation=given.reservation,
        leg=turn.contact.leg_id(n),
    )  # fmt: skip
    turn.do(do.PrepareOutgoing(n))


def call_phone(turn: Turn, phone: str, answer: str) -> None:
    """Phone to phone inside the house: no reservation, no queue."""
    turn.set(state="calling", after=answer)
    turn.segment("ring")
    turn.deadline("ring", turn.now + 60_000)
    n = max(turn.contact.legs) + 1
    turn.add_leg(Leg(n, "agent", "out", phone, "inviting"))
    turn.do(do.PrepareOutgoing(n))


def called_leg(turn: Turn) -> Leg | None:
    """The leg that is being called, if one is."""
    return next((leg for leg in turn.contact.legs.values() if leg.direction == "out" and leg.alive), None)


def media_ready(turn: Turn, given: inputs.MediaReady) -> None:
    leg = turn.leg(given.leg)
    if leg.direction != "out" or not leg.alive:
        ending.late_media(turn, given)
        return
    turn.set_leg(leg.n, media=given.media)
    contact = turn.contact
    headers = {"X-LQ-Contact": contact.id}
    caller = contact.number.published or "anonymous"
    turn.do(do.Invite(leg.n, f"sip:{leg.address}@phones.lq.internal", given.sdp, caller, headers))


def media_failed(turn: Turn, given: inputs.MediaFailed) -> None:
    """No media for the agent's leg before his phone was called: not his fault."""
    if turn.leg(given.leg).direction == "out":
        ending.leg_ended(turn, given.leg, "us", TEMPORARY_FAILURE)
        not_taken(turn, given.leg, "caller_gone", 0, TEMPORARY_FAILURE)


def progress(turn: Turn, given: inputs.Progress) -> None:
    leg = turn.leg(given.leg)
    if given.code < 180 or leg.rang or leg.direction != "out":
        return
    turn.set_leg(leg.n, state="ringing", rang=True)
    if turn.contact.offer:
        turn.emit("contact_ringing", n=turn.n, agent=leg.agent)
        ttl = turn.queue.ring_s * 1000 + LEASE_MARGIN_MS
        turn.agent_op("ringing", turn.contact.offer, ttl_ms=ttl)


def rejected(turn: Turn, given: inputs.Rejected) -> None:
    leg = turn.leg(given.leg)
    if leg.direction != "out":
        return
    cause = given.cause or cause_of(given.code)
    ending.leg_ended(turn, leg.n, "peer", cause, given.code)
    ending.drop_media(turn, leg.n)
    not_taken(turn, leg.n, outcome_of(given, leg.rang), given.code, cause)


def outcome_of(given: inputs.Rejected, rang: bool) -> str:
    """What a refusal says about the agent (contracts.md §2)."""
    if given.code in (486, 600):
        return "busy"
    if given.code in (603, 403, 488, 606):
        return "refused"
    if given.code in (480, 408, 487) and rang:
        return "no_answer"
    return "unreachable"


def cause_of(sip: int) -> int:
    """Q.850 cause of a SIP status without a Reason header (RFC 3398 §7.2.4.1, the ones that phones send)."""
    return {404: UNALLOCATED, 486: BUSY, 600: BUSY, 480: NO_ANSWER, 408: NO_ANSWER, 487: NO_ANSWER, 603: REJECTED}.get(
        sip, TEMPORARY_FAILURE
    )


def due(turn: Turn, given: inputs.Due) -> None:
    leg = called_leg(turn)
    if given.name == "ring" and leg is not None:
        ending.cancel_leg(turn, leg.n, NO_ANSWER)
        ending.drop_media(turn, leg.n)
        not_taken(turn, leg.n, "no_answer" if leg.rang else "unreachable", 0, NO_ANSWER)


def not_taken(turn: Turn, leg: int, outcome: str, sip: int, cause: int) -> None:
    """The offer failed: the agent goes where the outcome sends him, the caller keeps his place and asks again."""
    offer = turn.contact.offer
    if offer is None:
        result = {"busy": "busy", "no_answer": "no_answer"}.get(outcome, "failed")
        ending.finish(turn, result, "agent" if outcome in ("busy", "refused") else "system", cause, sip)
        return
    ending.let_agent_go(turn, outcome, sip, cause)
    turn.set(state="queueing")
    queue = turn.queue
    turn.end_segments(outcome, "ring")
    if queue.position_every_s:
        turn.deadline("position", turn.now + queue.position_every_s * 1000)
    line = turn.contact.line
    if line is not None and turn.now >= line.since + queue.max_wait_s * 1000:
        leave(turn, "no_agent", "all_busy")  # his time ran out while the phone rang
    elif line is not None and line.agent and outcome in ("busy", "refused", "unreachable"):
        leave(turn, "failed", "all_busy")  # one certain agent was asked for and cannot
    elif outcome == "caller_gone":
        turn.deadline("ask", turn.now + RETRY_MS)  # our own fault: not at once again
    else:
        ask(turn)


def offer_lost(turn: Turn, given: inputs.OfferLost) -> None:
    """The fence no longer holds: somebody else may have the agent, so his phone must stop."""
    offer = turn.contact.offer
    if offer is None or offer.reservation != given.reservation or offer.answered:
        return
    leg = turn.leg(offer.leg)
    if leg.alive:
        ending.cancel_leg(turn, leg.n, NORMAL)
        ending.drop_media(turn, leg.n)
    not_taken(turn, leg.n, "caller_gone", 0, NORMAL)


def accepted(turn: Turn, given: inputs.Accepted) -> None:
    """The phone was answered: its owner has the contact before he hears anything (R1)."""
    leg = turn.leg(given.leg)
    if leg.direction != "out" or not leg.alive:
        return
    turn.do(do.Ack(leg.n))
    turn.set_leg(leg.n, state="answered", pending_sdp=given.sdp)
    turn.do(do.TakeAnswer(leg.n, given.sdp))
    turn.deadline("ring", None)
    turn.deadline("max_wait", None)
    offer, contact = turn.contact.offer, turn.contact
    if offer is not None:
        turn.set(offer=replace(offer, answered=True))
        turn.emit("contact_offer_ended", n=turn.n, agent=offer.agent, outcome="answered")
        turn.agent_op("talking", offer)
        ending.left_line(turn, "answered")
    elif contact.customer.state != "answered":
        turn.do(do.Answer(1, contact.after))
        turn.set_leg(1, state="answered")
        turn.emit("leg_answered", leg=contact.leg_id(1), codec=contact.customer.codec)
    turn.set(state="talking", agent=leg.agent, answered_at=turn.now)
    turn.segment("talk", "answered", queue=contact.queue, agent=leg.agent)
    turn.emit("contact_answered", n=turn.n, queue=contact.queue, agent=leg.agent, leg=contact.leg_id(leg.n))
    if contact.recording_policy == "talk" and contact.recording is None:
        recording.start(turn, "talk", 1)
