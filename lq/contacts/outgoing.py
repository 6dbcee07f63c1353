"""A phone calls a number outside: the gate, a channel, the trunk, early media, the next trunk if this one cannot."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

from lq.config.documents import SERVICE, Phone
from lq.contacts import direct, early, ending, engaging, gate, inbound, inputs, recording, talking
from lq.contacts import effects as do
from lq.contacts.contact import Asking, Contact, Dial, Leg
from lq.contacts.turn import Turn
from lq.trunks import causes
from lq.trunks.causes import (
    BUSY,
    NO_ANSWER,
    NO_CIRCUIT,
    NO_USER,
    NORMAL,
    REJECTED,
    TEMPORARY_FAILURE,
    UNALLOCATED,
)
from lq.trunks.routes import Plan, Refusal

RING_MS: Final = 60_000
_CAUSE_OF_RULE: Final = {  # any other refusal of the gate: call rejected
    "unreadable": UNALLOCATED,
    "not_known": TEMPORARY_FAILURE,
}
_SAID: Final = {  # Q.850 cause -> result, and who ended it
    UNALLOCATED: ("refused", "system"),
    BUSY: ("busy", "caller"),
    NO_USER: ("no_answer", "system"),
    NO_ANSWER: ("no_answer", "system"),
    REJECTED: ("refused", "caller"),
}


def ask_gate(turn: Turn, sdp: str) -> None:
    """The first turn of a call out: its agent is taken, and the gate is asked, before the phone gets media."""
    turn.set_leg(1, pending_sdp=sdp)
    phone = turn.contact.source.removeprefix("phone:")
    decided = gate.ask(turn, 1, turn.contact.called, phone, turn.contact.purpose)
    if not isinstance(decided, Refusal):
        engaging.calls(turn, 1, phone=phone)  # by this commit: he is offered nothing while the gate is asked
    _decided(turn, decided)


def gate_answered(turn: Turn, given: inputs.LookedUp | inputs.Counted) -> None:
    _decided(turn, gate.answered(turn, given))


def gate_due(turn: Turn, given: inputs.Due) -> None:
    _decided(turn, gate.due(turn, given))


def _decided(turn: Turn, decided: Plan | Refusal | None) -> None:
    """Refused, or its phone gets media and then it is dialled."""
    if isinstance(decided, Refusal):
        turn.emit("contact_dial_refused", rule=decided.rule)
        ending.finish(turn, "refused", "system", _CAUSE_OF_RULE.get(decided.rule, REJECTED))
    elif decided is not None:
        passed(turn, decided)
        sdp = turn.leg(1).pending_sdp
        turn.set_leg(1, pending_sdp="")
        turn.do(do.PrepareIncoming(1, sdp) if sdp else do.PrepareOutgoing(1))  # without an offer our 200 makes it


def passed(turn: Turn, plan: Plan) -> None:
    """The gate lets it pass, by these ways."""
    turn.set(dial=Dial(plan.ways, "", plan.recording, plan.emergency))
    turn.set(recording_policy=plan.recording, notice_policy=plan.notice)


def divert(turn: Turn, to: str, phone: Phone) -> str:
    """A call of this phone is to go outside, if the gate lets it: what it says against it; "": nothing."""
    plan = diversion(turn, to, phone)
    if isinstance(plan, str):
        return plan
    number = inbound.dialled(to, turn.book)[0].published
    turn.set(state="dialing", dial=Dial(plan.ways, turn.contact.after, plan.recording, number=number))
    turn.segment("ring")
    turn.deadline("ring", turn.now + RING_MS)
    return ""


def diversion(turn: Turn, to: str, phone: Phone) -> Plan | str:
    """By which ways a call of this phone goes on to a number outside, as one that it makes; or the gate's rule.

    Never to an emergency number: nobody may ring there without knowing. Lists and limits are about customers.
    """
    asking = Asking(1, inbound.dialled(to, turn.book)[0], phone.id, SERVICE.id, listed=())
    decided = gate.decide(asking, turn.now, turn.book, within=True, turn=turn.contact.id)
    if not isinstance(decided, Plan):
        return decided.rule if isinstance(decided, Refusal) else "not_known"
    return "permission" if decided.emergency else decided


def begin(turn: Turn, answer: str) -> None:
    """The phone's media stands; `answer` is what it will be told once there is something to hear ("": it was)."""
    turn.set(state="dialing", dial=replace(_dial(turn.contact), answer=answer))
    turn.segment("ring")
    turn.deadline("ring", turn.now + RING_MS)
    call(turn)


def call(turn: Turn) -> None:
    """Call by the way that is due. Emergencies do not wait for a channel's number: the trunk has the last word."""
    n, dial = max(turn.contact.legs) + 1, _dial(turn.contact)
    turn.set(dial=replace(dial, leg=n, early=False, heard="", invited=False))
    party: Literal["agent", "customer"] = "agent" if dial.number else "customer"
    address = dial.number or turn.contact.number.published
    turn.add_leg(Leg(n, party, "out", address, "inviting", outside=True))
    turn.emit(
        "contact_dialed",
        n=turn.n, leg=turn.contact.leg_id(n), trunk=dial.way.trunk, caller_id=dial.way.caller_id,
    )  # fmt: skip
    turn.do(do.SeizeChannel(n, dial.way.trunk))
    if dial.emergency:
        turn.do(do.PrepareOutgoing(n))


def seized(turn: Turn, given: inputs.ChannelSeized) -> None:
    dial = _dial(turn.contact)
    if given.leg == dial.leg and not dial.emergency:
        turn.do(do.PrepareOutgoing(given.leg))


def channel_refused(turn: Turn, given: inputs.ChannelRefused) -> None:
    dial = _dial(turn.contact)
    if given.leg == dial.leg and not dial.emergency:
        ending.leg_ended(turn, given.leg, "us", NO_CIRCUIT)
        _next_way(turn, NO_CIRCUIT, 503)


def media_ready(turn: Turn, given: inputs.MediaReady) -> None:
    """Prepared: now it is called. Or its early media stands: the phone hears it from here on (183)."""
    dial, leg = _dial(turn.contact), turn.leg(given.leg)
    if given.leg != dial.leg or not leg.alive:
        ending.late_media(turn, given)
        return
    if not dial.invited:
        turn.set_leg(leg.n, media=given.media, codec=given.codec)
        turn.set(dial=replace(dial, invited=True))
        uri = f"sip:{dial.way.digits}@out.lq.internal;trunk={dial.way.trunk}"
        headers = {"X-LQ-Contact": turn.contact.id}
        turn.do(do.Invite(leg.n, uri, given.sdp, dial.way.caller_id or "anonymous", headers, dial.way.trunk))
        return
    early.stands(turn, given, dial)
    if turn.leg(1).codec:
        if turn.leg(1).state != "answered":
            turn.do(do.Ring(1, 183, dial.answer))
        turn.connect(1, leg.n)
    else:
        turn.do(do.Ring(1))  # a phone that has offered nothing hears nothing before its ACK


def media_failed(turn: Turn, given: inputs.MediaFailed) -> None:
    """Without early media it goes on; without any, this way cannot be taken."""
    dial = _dial(turn.contact)
    if given.leg != dial.leg or not turn.leg(given.leg).alive:
        talking.media_failed(turn, given)
        return
    if dial.invited:
        early.failed(turn, given.leg, dial)
        return
    ending.leg_ended(turn, given.leg, "us", TEMPORARY_FAILURE)
    _next_way(turn, TEMPORARY_FAILURE, 500)


def progress(turn: Turn, given: inputs.Progress) -> None:
    dial, leg = _dial(turn.contact), turn.leg(given.leg)
    if given.leg != dial.leg or not leg.alive or given.code < 180:
        return
    turn.set_leg(leg.n, state="ringing")
    if given.sdp and given.sdp != dial.heard:
        turn.set(dial=early.said(turn, leg.n, dial, given.sdp))
    elif not dial.early and not leg.rang:
        turn.set_leg(leg.n, rang=True)
        if turn.leg(1).state == "answered":
            direct.rings(turn)
        else:
            turn.do(do.Ring(1))


def accepted(turn: Turn, given: inputs.Accepted) -> None:
    dial, leg = _dial(turn.contact), turn.leg(given.leg)
    if given.leg != dial.leg or not leg.alive:
        ending.late_answer(turn, given)
        return
    turn.do(do.Ack(leg.n))
    if turn.leg(1).state != "answered":
        turn.do(do.Answer(1, dial.answer))
        turn.set_leg(1, state="answered")
        if turn.leg(1).codec:  # else its ACK brings it
            turn.leg_answered(1)
    turn.deadline("ring", None)
    agent = turn.leg(1).agent
    turn.set(state="talking", answered_at=turn.now, dial=None, agent=agent)
    turn.segment("talk", "answered", agent=agent)
    turn.emit("contact_answered", n=turn.n, agent=agent, leg=turn.contact.leg_id(leg.n))
    engaging.talks(turn, 1)
    turn.set_leg(1, place="talk")
    turn.set_leg(leg.n, state="answered", pending_sdp=given.sdp, place="talk", early=bool(leg.pending_sdp))
    turn.do(do.TakeAnswer(leg.n, given.sdp))  # of early media too: the 200 has the last word
    recording.settle(turn)


def rejected(turn: Turn, given: inputs.Rejected) -> None:
    dial, leg = _dial(turn.contact), turn.leg(given.leg)
    if given.leg != dial.leg or not leg.alive:
        ending.late_end(turn, given)
        return
    cause = causes.cause_of(given.code, given.cause, rang=leg.rang)
    ending.leg_ended(turn, leg.n, "peer", cause, given.code)
    ending.drop_media(turn, leg.n)
    # a gateway that is silent (408) or has no line at all (502) has not asked the called party
    unheard = leg.state == "inviting" and given.code in (408, 502)
    _next_way(turn, cause, given.code, of_the_trunk=unheard or causes.is_of_the_trunk(cause))


def due(turn: Turn, given: inputs.Due) -> None:
    """Nobody answers."""
    if given.name == "ring":
        ending.finish(turn, "no_answer", "system", NO_ANSWER)


def again(turn: Turn) -> None:
    """The node that dialled is gone, and with it who would hear the answer: the same way is taken once more."""
    dial = _dial(turn.contact)
    if dial.leg and turn.leg(dial.leg).alive:
        ending.cancel_leg(turn, dial.leg, NORMAL)
        ending.drop_media(turn, dial.leg)
        turn.do(do.ReleaseChannel(dial.leg, dial.way.trunk))
    call(turn)


def _next_way(turn: Turn, cause: int, sip: int, *, of_the_trunk: bool = True) -> None:
    """What tells of the trunk is not the called party's last word; the last trunk's answer is the phone's."""
    dial = _dial(turn.contact)
    turn.do(do.ReleaseChannel(dial.leg, dial.way.trunk))
    if of_the_trunk and dial.at + 1 < len(dial.ways):
        turn.set(dial=replace(dial, at=dial.at + 1))
        call(turn)
        return
    result, by = _SAID.get(cause, ("failed", "system"))
    by = "agent" if by == "caller" and dial.number else by  # who is called then is not the customer
    ending.finish(turn, result, by, cause, sip)


def _dial(contact: Contact) -> Dial:
    assert contact.dial is not None, "only in state dialing"
    return contact.dial
