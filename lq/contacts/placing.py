"""A call that an agent wants from his desk (click to dial): his own phone first, then whom he wants. He is leg 1.

He is shown as dialing from the start. Nobody else is rung before he has answered; if he does not, nobody ever is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lq.config.book import Book
from lq.config.documents import SERVICE, Phone
from lq.contacts import direct, ending, engaging, gate, inbound, inputs, mobile, offer, outgoing
from lq.contacts import effects as do
from lq.contacts.contact import Contact, Leg
from lq.contacts.turn import Turn
from lq.trunks import causes, numbers, phones
from lq.trunks.causes import NO_ANSWER, NORMAL, REJECTED, TEMPORARY_FAILURE
from lq.trunks.routes import Plan, Refusal

RING_MS: Final = 30_000
ENGAGE_MS: Final = 2_000
_RESULT: Final = {  # what his phone said -> result, who ended it
    "busy": ("busy", "agent"),
    "refused": ("refused", "agent"),
    "no_answer": ("no_answer", "system"),
    "unreachable": ("failed", "system"),
}


@dataclass(frozen=True, slots=True)
class Refused:
    """No contact begins; as LQ-SDK says it."""

    status: int
    code: str
    message: str
    field: str = ""

    @property
    def error(self) -> Mapping[str, str]:
        return {"code": self.code, "message": self.message, "field": self.field}


def begin(given: inputs.Wanted, now: int, book: Book) -> Turn | Refused:
    if given.agent not in book.agents:
        return Refused(404, "not_found", f"there is no agent {given.agent}")
    called = numbers.dialled(given.to, book.home, book.settings.outside_prefix)
    target = _target(given.to, called, book)
    if target in ("", f"agent:{given.agent}", f"phone:{given.phone}") or called.e164 == given.phone:
        return Refused(422, "invalid", "nobody can be called so", "to")
    return _begun(given, called, target, now, book)


def _target(to: str, called: numbers.Number, book: Book) -> str:
    """ "" for one that is not there."""
    kind, colon, id = to.partition(":")
    if not colon:
        access = book.numbers.get(called.published)
        return access.target if access else inbound.direct_target("phone", called.published, book)
    known = {
        "queue": book.queues, "ivr": book.flows, "agent": book.agents, "phone": book.phones,
        "conference": book.conferences,
    }  # fmt: skip
    return to if id in known.get(kind, {}) else ""


def _begun(given: inputs.Wanted, called: numbers.Number, target: str, now: int, book: Book) -> Turn | Refused:
    phone = book.phones.get(given.phone)
    contact = Contact(
        id=given.contact,
        state="placing",
        direction="out" if target == inbound.OUT else "internal",
        started_at=now,
        number=called,
        called=called,
        source=f"phone:{given.phone}",
        target=target,
        recording_policy=phone.recording if phone else "",  # of a call out: the route's, once it is dialled
        config_version=book.version,
        agent=given.agent,
        command=given.command,
        purpose=(given.purpose or SERVICE.id) if target == inbound.OUT else "",
    )
    turn = Turn(contact, now, book)
    turn.emit(
        "contact_started",
        direction=contact.direction,
        number_raw=called.raw, number=called.e164, number_published=called.published,
        called_raw=called.raw, called=called.e164, called_published=called.published,
        node=given.node, phone=given.phone, agent=given.agent,
        **({"purpose": contact.purpose} if contact.purpose else {}),
    )  # fmt: skip
    turn.add_leg(Leg(1, "agent", "out", given.phone, "inviting", agent=given.agent))
    if target != inbound.OUT:
        _engage(turn)
        return turn
    decided = _ask_gate(turn)
    if isinstance(decided, Refusal):  # by what needs no question: no contact begins
        return refusal(decided)
    _decided(turn, decided)
    return turn


def _engage(turn: Turn) -> None:
    turn.deadline("engage", turn.now + ENGAGE_MS)
    engaging.calls(turn, 1, agent=turn.leg(1).agent)


# -- the gate, before his phone rings ------------------------------------------------------------------------------
def _ask_gate(turn: Turn) -> Plan | Refusal | None:
    contact = turn.contact
    phone = contact.source.removeprefix("phone:")
    return gate.ask(turn, 1, contact.called, phone, contact.purpose, turn.leg(1).agent)


def gate_answered(turn: Turn, given: inputs.LookedUp | inputs.Counted) -> None:
    _decided(turn, gate.answered(turn, given))


def _decided(turn: Turn, decided: Plan | Refusal | None) -> None:
    if isinstance(decided, Refusal):
        turn.emit("contact_dial_refused", rule=decided.rule)
        said = refusal(decided)
        turn.begun(said.status, said.code, said.message)
        _over(turn, "refused", "system", REJECTED)
    elif decided is not None:
        outgoing.passed(turn, decided)
        _engage(turn)


def refusal(refused: Refusal) -> Refused:
    """What the gate says, as LQ-SDK says it."""
    match refused.rule:
        case "unreadable":
            return Refused(422, "invalid", "it is no number that can be dialled", "to")
        case "purpose":
            return Refused(422, "invalid", "there is no such purpose", "purpose")
        case "not_known":
            return Refused(503, "live_unavailable", "lists and limits cannot be looked at")
        case rule:
            return Refused(403, rule, f"the gate refuses this call: {rule}", "to")


# -- his phone -----------------------------------------------------------------------------------------------------
def engaged(turn: Turn, given: inputs.Engaged) -> None:
    """Whoever asked hears that it has begun; now his phone is called."""
    turn.deadline("engage", None)
    turn.deadline("ring", turn.now + RING_MS)
    turn.set_leg(1, address=given.phone, reservation=given.reservation, dials=True)
    turn.set(source=f"phone:{given.phone}")
    turn.begun(201)
    mobile.prepare(turn, 1, given.media)


def refused(turn: Turn, given: inputs.EngageRefused) -> None:
    if given.state == "settling":
        turn.begun(503, "live_unavailable", "the live state is being restored")
    else:
        turn.begun(409, "conflict", f"agent {given.agent} is {given.state}")
    _over(turn, "refused", "system", REJECTED)


def _over(turn: Turn, result: str, by: str, cause: int) -> None:
    """Before his leg was anything: nothing of it has to be cleared."""
    ending.leg_ended(turn, 1, "us", cause)
    ending.finish(turn, result, by, cause)


def media_ready(turn: Turn, given: inputs.MediaReady) -> None:
    """Prepared: his phone is called. Or it has answered, and its media stands: now whom he wants."""
    leg = turn.leg(1)
    turn.set_leg(1, media=given.media, codec=given.codec, pending_sdp="")
    if leg.state == "answered":
        turn.leg_answered(1)
        _go_on(turn)
        return
    alone = _answers_alone(turn.book.phones.get(leg.address))
    turn.set_leg(1, state="inviting", rang=False, auto="asked" if alone else "")
    caller = turn.contact.called.published or "anonymous"
    headers = {"X-LQ-Contact": turn.contact.id, **alone}
    turn.do(do.Invite(1, f"sip:{leg.address}@phones.lq.internal", given.sdp, caller, headers))


def _answers_alone(phone: Phone | None) -> Mapping[str, str]:
    """He has asked for this call: his phone may answer by itself. To a model that we do not know both are said."""
    model = phones.model_of(phone)
    return phones.MODELS["fanvil"].alone if model is phones.UNKNOWN else model.alone


def _go_on(turn: Turn) -> None:
    target = turn.contact.target
    if target == inbound.OUT:
        outgoing.begin(turn, "")
    elif target.startswith(("agent:", "phone:")):
        direct.call(turn, target)
    else:
        inbound.go_to(turn, target)


def media_failed(turn: Turn, given: inputs.MediaFailed) -> None:
    ending.finish(turn, "failed", "system", TEMPORARY_FAILURE)


def progress(turn: Turn, given: inputs.Progress) -> None:
    leg = turn.leg(1)
    if given.code >= 180 and not leg.rang and leg.alive:
        turn.set_leg(1, state="ringing", rang=True, talks=given.talks)
        turn.emit("leg_ringing", leg=turn.contact.leg_id(1), sip=given.code)


def accepted(turn: Turn, given: inputs.Accepted) -> None:
    if not turn.leg(1).alive:  # it crossed the CANCEL with which an adopter began anew
        turn.do(do.Ack(1))
        turn.do(do.Bye(1, NORMAL))
        turn.set_leg(1, state="inviting")
        return
    turn.do(do.Ack(1))
    turn.set_leg(1, state="answered", pending_sdp=given.sdp)
    turn.do(do.TakeAnswer(1, given.sdp))
    turn.deadline("ring", None)


def rejected(turn: Turn, given: inputs.Rejected) -> None:
    leg = turn.leg(1)
    if not leg.alive:
        turn.set_leg(1, state="inviting")  # what was cancelled is gone; it is called anew
        return
    if given.code in offer.NOT_THIS_MEDIA and not leg.rang and (leg.media or {}).get("kind", "rtp") == "rtp":
        _call_anew(turn, "webrtc")  # a browser that nobody knew for one
        return
    outcome, cause = offer.outcome_of(given, leg.rang), causes.cause_of(given.code, given.cause, rang=leg.rang)
    ending.leg_ended(turn, 1, "peer", cause, given.code)
    not_taken(turn, outcome, cause)


def not_taken(turn: Turn, outcome: str, cause: int) -> None:
    """His own phone does not answer: nobody is called."""
    ending.release(turn, 1, outcome if outcome in ("busy", "unreachable") else "caller_gone")
    ending.finish(turn, *_RESULT[outcome], cause)


def taken(turn: Turn) -> None:
    """It is he who has answered his mobile."""
    turn.deadline("ring", None)
    turn.set_leg(1, play=None, peer="park")
    turn.do(do.Park(1))
    if turn.leg(1).codec:  # else as soon as its media stands
        _go_on(turn)


def due(turn: Turn, given: inputs.Due) -> None:
    if gate.asked_by(turn, given):
        _decided(turn, gate.due(turn, given))
    elif given.name == "engage":
        turn.begun(503, "live_unavailable", "the live state does not answer")
        _over(turn, "failed", "system", TEMPORARY_FAILURE)
    elif given.name == "ring":
        ending.finish(turn, "no_answer", "system", NO_ANSWER)


# -- once more -----------------------------------------------------------------------------------------------------
def again(turn: Turn) -> None:
    """The node that called him, or the rtpengine, is gone. His answer is taken on where it stands (adoption.point)."""
    leg = turn.leg(1)
    if turn.contact.target == inbound.OUT and turn.contact.dial is None:
        _decided(turn, _ask_gate(turn))
    elif not leg.reservation:
        engaging.calls(turn, 1, agent=leg.agent)
    elif leg.state != "answered":
        if leg.alive:
            turn.do(do.Cancel(1, causes.reason(NORMAL)))
        _call_anew(turn, str((leg.media or {}).get("kind", "rtp")))


def _call_anew(turn: Turn, kind: str) -> None:
    """As the same leg: he is leg 1 of this contact whatever becomes of his phone."""
    if turn.leg(1).media is not None:
        turn.do(do.DeleteMedia(1))
    turn.set_leg(1, state="cancelling")
    mobile.prepare(turn, 1, kind)
