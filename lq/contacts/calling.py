"""Somebody is called into a contact that lives already: to be asked back, to join, to take it over, to listen.

One `Call` a leg (contact.py). However it ends, what follows is in transfer.py and monitor.py, by the call's verb. A
number outside passes the same gate as every call out, and trunk after trunk is tried as there (outgoing.py). What its
network says before the answer hears who consults it, in place of our ring tone, and who is sent on to it, in place of
music; who talks with the customer meanwhile (add) is not interrupted by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from lq.config.documents import SERVICE
from lq.contacts import (
    at_the_phone,
    conversation,
    early,
    ending,
    forwarding,
    gate,
    inbound,
    inputs,
    inviting,
    mobile,
    monitor,
    offer,
    outgoing,
    picking,
    taking,
    transfer,
)
from lq.contacts import effects as do
from lq.contacts.contact import Asking, Auto, Call, Contact, Dial, Leg, Place
from lq.contacts.turn import LEASE_MARGIN_MS, Turn
from lq.trunks import causes, numbers
from lq.trunks.causes import NO_ANSWER, NO_CIRCUIT, NORMAL, TEMPORARY_FAILURE
from lq.trunks.routes import Plan, Refusal, Rule

RING_MS: Final = 30_000
LEASE_MS: Final = RING_MS + LEASE_MARGIN_MS
DUE: Final = "call:"
OUTSIDE: Final = "out"
SERVICES: Final = ("queue", "ivr", "conference")  # what the customer is sent to at once, and nobody asks back
OWN: Final = ("pick_up", "monitor")  # he himself wants it: whatever state he is in, wherever his phone sends its calls
HEAR: Final = ("consult", "blind")  # somebody waits for who is called, and hears what his network says
JOIN: Final = "join"  # in the place of another leg of ours, named as Replaces names it (replacing.py)


def start(turn: Turn, call: Call, agent: str = "", plan: Plan | None = None) -> int:
    """Call `call.to`; the leg that is being called, 0 if that has failed already.

    `agent`: who wants it, for the ledger. `plan`: the gate has been asked.
    """
    verb, to = call.verb, call.to
    kind, _, id = to.partition(":")
    n = max(turn.contact.legs, default=0) + 1
    customers = verb == "invite" or (kind == OUTSIDE and not call.forwards)
    party: Literal["customer", "agent"] = "customer" if customers else "agent"
    address, whose = "" if kind in ("agent", JOIN) else id, id if kind == "agent" else ""
    said = {"verb": verb, "to": kind if kind == JOIN else to} | ({"by": agent} if agent else {})
    turn.emit("contact_called", n=turn.n, leg=turn.contact.leg_id(n), **said)  # first: it says whose the leg is
    turn.add_leg(Leg(n, party, "out", address, "inviting", agent=whose, outside=kind == OUTSIDE))
    _remember(turn, n, call)
    _ring_for(turn, n)
    match kind:
        case "phone" if _is_sent_on_always(turn, call, id):
            _diverted(turn, n)
        case "agent" | "phone":
            taking.take(turn, n)
        case "join":
            prepare(turn, n)
        case _ if plan is not None:
            _decided(turn, n, plan)
        case _:
            _outside(turn, n, id)
    return next((one for one in turn.contact.calls if one >= n), 0)


def _ring_for(turn: Turn, n: int) -> None:
    """Until its phone sends its calls on, and never longer than its agent is ours."""
    ring_ms = forwarding.ring_ms(turn.book.phones.get(turn.leg(n).address), RING_MS)
    turn.deadline(f"{DUE}{n}", turn.now + min(ring_ms, RING_MS))


def _room(contact: Contact, call: Call) -> str:
    """The conference that calls him; "": somebody else does."""
    return contact.conference.id if contact.conference and call.verb == "invite" else ""


def prepare(turn: Turn, n: int, kind: str = "") -> None:
    turn.begun(201)
    known = turn.book.phones.get(turn.leg(n).address)
    mobile.prepare(turn, n, kind or ("srtp" if known is not None and known.srtp else "rtp"))


def _remember(turn: Turn, n: int, call: Call) -> None:
    turn.set(calls={**turn.contact.calls, n: call})


def hold(turn: Turn, n: int, reservation: int) -> None:
    """The agent who is called, or calls, is ours under this fence."""
    _remember(turn, n, replace(turn.contact.calls[n], reservation=reservation))


def forget(turn: Turn, n: int) -> Call:
    call = turn.contact.calls[n]
    turn.set(calls={leg: one for leg, one in turn.contact.calls.items() if leg != n})
    for due in (DUE, taking.DUE):
        turn.deadline(f"{due}{n}", None)
    gate.forget(turn, n)
    return call


# -- an agent ----------------------------------------------------------------------------------------------------------
def agent_taken(turn: Turn, n: int, kind: str) -> None:
    """He is ours (taking.py): now his phone, unless it sends all its calls on."""
    call, phone = turn.contact.calls[n], turn.leg(n).address
    if call.verb not in OWN:
        if _is_sent_on_always(turn, call, phone):
            _diverted(turn, n)
            return
        _ring_for(turn, n)
    prepare(turn, n, kind)


# -- a number outside --------------------------------------------------------------------------------------------------
def against(turn: Turn, by: Leg, digits: str) -> Rule | None:
    """What the gate has against this number and need not look up."""
    decided = gate.decide(_asking(turn, 0, digits, by), turn.now, turn.book, turn=turn.contact.id)
    return decided.rule if isinstance(decided, Refusal) else None


def _outside(turn: Turn, n: int, digits: str) -> None:
    call = turn.contact.calls[n]
    asking = _asking(turn, n, digits, turn.contact.legs.get(call.by), _room(turn.contact, call))
    _decided(turn, n, gate.pass_through(turn, asking))


def _asking(turn: Turn, n: int, digits: str, by: Leg | None, room: str = "") -> Asking:
    number = numbers.dialled(digits, turn.book.home, turn.book.settings.outside_prefix)
    phone, agent = (by.address, by.agent) if by and not by.outside else ("", "")
    return Asking(n, number, phone, turn.contact.purpose or SERVICE.id, agent, room)


def _gate_answered(turn: Turn, given: inputs.LookedUp | inputs.Counted) -> None:
    _decided(turn, given.leg, gate.answered(turn, given))


def _decided(turn: Turn, n: int, decided: Plan | Refusal | None) -> None:
    if isinstance(decided, Refusal):
        turn.emit("contact_dial_refused", rule=decided.rule)
        ending.leg_ended(turn, n, "us", causes.REJECTED)
        failed(turn, n, "refused", rule=decided.rule)
    elif decided is not None:
        dial = Dial(decided.ways, "", "none", decided.emergency, leg=n)
        _remember(turn, n, replace(turn.contact.calls[n], dial=dial))
        inviting.passed(turn, decided)
        _by_this_way(turn, n, dial)


def _by_this_way(turn: Turn, n: int, dial: Dial) -> None:
    turn.emit(
        "contact_dialed",
        n=turn.n, leg=turn.contact.leg_id(n), trunk=dial.way.trunk, caller_id=dial.way.caller_id,
    )  # fmt: skip
    turn.do(do.SeizeChannel(n, dial.way.trunk))
    if dial.emergency:  # it does not wait for a channel's number: the trunk has the last word
        turn.do(do.PrepareOutgoing(n))


def _seized(turn: Turn, given: inputs.ChannelSeized) -> None:
    if not _is_emergency(turn, given.leg):
        turn.do(do.PrepareOutgoing(given.leg))


def _no_channel(turn: Turn, given: inputs.ChannelRefused) -> None:
    if not _is_emergency(turn, given.leg):
        ending.leg_ended(turn, given.leg, "us", NO_CIRCUIT)
        _next_way(turn, given.leg, "unreachable", 503)


def _is_emergency(turn: Turn, n: int) -> bool:
    dial = turn.contact.calls[n].dial
    return dial is not None and dial.emergency


def _next_way(turn: Turn, n: int, outcome: str, sip: int, *, of_the_trunk: bool = True) -> None:
    call = turn.contact.calls[n]
    dial = call.dial
    if dial is None:
        failed(turn, n, outcome, sip)
        return
    turn.do(do.ReleaseChannel(n, dial.way.trunk))
    if not of_the_trunk or dial.at + 1 >= len(dial.ways):
        failed(turn, n, outcome, sip)
        return
    forget(turn, n)
    again = max(turn.contact.legs) + 1
    dial = replace(dial, at=dial.at + 1, leg=again, early=False, heard="", invited=False)
    _as(turn, again, turn.leg(n))
    _remember(turn, again, replace(call, dial=dial))
    turn.deadline(f"{DUE}{again}", turn.now + RING_MS)
    _by_this_way(turn, again, dial)
    if turn.contact.state == "talking":
        conversation.arrange(turn)  # who heard what that network said hears it ring again


# -- the phone ---------------------------------------------------------------------------------------------------------
def _media_ready(turn: Turn, given: inputs.MediaReady) -> None:
    leg, call = turn.leg(given.leg), turn.contact.calls[given.leg]
    if not leg.alive:
        ending.late_media(turn, given)
        return
    if call.dial is not None and call.dial.invited:
        _early_media(turn, given, call.dial)
        return
    turn.set_leg(leg.n, media=given.media)
    headers = {"X-LQ-Contact": turn.contact.id}
    if call.dial is not None:
        way = call.dial.way
        _remember(turn, leg.n, replace(call, dial=replace(call.dial, invited=True)))
        uri, caller, account = f"sip:{way.digits}@out.lq.internal;trunk={way.trunk}", way.caller_id, way.trunk
        turn.do(do.Invite(leg.n, uri, given.sdp, caller or "anonymous", headers, account))
    elif call.to.startswith(f"{JOIN}:"):
        headers |= {"Replaces": call.to.removeprefix(f"{JOIN}:"), "X-LQ-Source": f"leg;id={turn.contact.leg_id(leg.n)}"}
        turn.do(do.Invite(leg.n, "", given.sdp, turn.contact.number.published or "anonymous", headers))
    else:
        uri = f"sip:{leg.address}@phones.lq.internal"
        caller = _room(turn.contact, call) or turn.contact.number.published
        turn.do(do.Invite(leg.n, uri, given.sdp, caller or "anonymous", at_the_phone.headers(turn, leg)))


def _early_media(turn: Turn, given: inputs.MediaReady, dial: Dial) -> None:
    """Who consults or was sent on hears what the network says; if he has gone meanwhile, nobody does."""
    early.stands(turn, given, dial)
    if turn.contact.state == "talking":
        conversation.arrange(turn)


def _media_failed(turn: Turn, given: inputs.MediaFailed) -> None:
    dial = turn.contact.calls[given.leg].dial
    if dial is not None and dial.invited:
        early.failed(turn, given.leg, dial)
        return
    ending.leg_ended(turn, given.leg, "us", TEMPORARY_FAILURE)
    ending.drop_media(turn, given.leg)
    _next_way(turn, given.leg, "unreachable", 500)


def _progress(turn: Turn, given: inputs.Progress) -> None:
    leg, call = turn.leg(given.leg), turn.contact.calls[given.leg]
    if given.code < 180 or not leg.alive:
        return
    speaks = bool(given.sdp) and call.dial is not None and given.sdp != call.dial.heard and call.verb in HEAR
    if speaks and call.dial is not None:
        call = replace(call, dial=early.said(turn, leg.n, call.dial, given.sdp))
        _remember(turn, leg.n, call)
    if leg.rang:
        return
    turn.set_leg(leg.n, state="ringing", rang=True, talks=given.talks)
    said = {"early_media": True} if speaks else {}
    turn.emit("leg_ringing", leg=turn.contact.leg_id(leg.n), sip=given.code, **said)
    if call.reservation:
        turn.agent_op("ringing", leg.agent, call.reservation, ttl_ms=LEASE_MS)
    turn.tell_referrer(call, 180)


def _accepted(turn: Turn, given: inputs.Accepted) -> None:
    leg = turn.leg(given.leg)
    if not leg.alive:
        ending.late_answer(turn, given)
        return
    turn.do(do.Ack(leg.n))
    turn.set_leg(leg.n, state="answered", pending_sdp=given.sdp, early=bool(leg.pending_sdp))
    turn.do(do.TakeAnswer(leg.n, given.sdp))
    taken(turn, leg.n)


def taken(turn: Turn, n: int) -> None:
    """What the call was for, once the media stands (`transfer.answered`, `monitor.answered`)."""
    call, leg = forget(turn, n), turn.leg(n)
    turn.set_leg(n, reservation=call.reservation)
    if call.reservation:
        turn.agent_op("talking", leg.agent, call.reservation)
    turn.emit("contact_call_ended", leg=turn.contact.leg_id(leg.n), outcome="answered")
    match call.verb:
        case "monitor":
            monitor.answered(turn, leg.n, call)
        case "invite":
            inviting.answered(turn)
        case _:
            transfer.answered(turn, leg.n, call)


def rejected(turn: Turn, given: inputs.Rejected) -> None:
    leg, call = turn.leg(given.leg), turn.contact.calls[given.leg]
    cause = causes.cause_of(given.code, given.cause, rang=leg.rang)
    ending.leg_ended(turn, leg.n, "peer", cause, given.code)
    ending.drop_media(turn, leg.n)
    kind = (leg.media or {}).get("kind", "rtp")
    if at_the_phone.is_called_again(leg, given):
        _once_more(turn, leg, kind, "asked")
        return
    if call.dial is None and kind == "rtp" and not leg.rang and given.code in offer.NOT_THIS_MEDIA:
        _once_more(turn, leg, "webrtc")  # nobody says what the phone speaks: a browser refuses plain RTP at once
        return
    unheard = leg.state == "inviting" and given.code in (408, 502)
    outcome = offer.outcome_of(given, leg.rang)
    _next_way(turn, leg.n, outcome, given.code, of_the_trunk=unheard or causes.is_of_the_trunk(cause))


def _once_more(turn: Turn, leg: Leg, kind: str, auto: Auto = "") -> None:
    """The same phone, called as what it is."""
    prepare(turn, another_leg(turn, leg, auto), kind)


def another_leg(turn: Turn, leg: Leg, auto: Auto = "") -> int:
    """The call of this leg goes on as that of another one, at the same phone; its number."""
    n, call = max(turn.contact.legs) + 1, forget(turn, leg.n)
    _as(turn, n, leg, auto)
    _remember(turn, n, call)
    turn.deadline(f"{DUE}{n}", turn.now + RING_MS)
    return n


def _as(turn: Turn, n: int, former: Leg, auto: Auto = "") -> None:
    """Leg n is called in the place of one that is given up."""
    said, whose = former.address, former.agent
    turn.add_leg(Leg(n, former.party, "out", said, "inviting", agent=whose, auto=auto, outside=former.outside))
    conversation.place(turn, n, former.place)


def _ended(turn: Turn, given: inputs.Ended) -> None:
    ending.leg_ended(turn, given.leg, "peer", given.cause or NORMAL)
    ending.drop_media(turn, given.leg)
    failed(turn, given.leg, "unreachable")


# -- without him -------------------------------------------------------------------------------------------------------
def due(turn: Turn, given: inputs.Due) -> bool:
    """Whether this deadline was ours: he does not answer, or the gate hears nothing of the live state."""
    if (asking := gate.asked_by(turn, given)) in turn.contact.calls:
        _decided(turn, asking, gate.due(turn, given))
        return True
    n = given.name.removeprefix(DUE)
    if n == given.name:
        return False
    if int(n) in turn.contact.calls:
        leg = turn.leg(int(n))
        take_back(turn, leg.n, "no_answer" if leg.rang else "unreachable", NO_ANSWER)
    return True


def take_back(turn: Turn, n: int, outcome: str = "taken_back", cause: int = NORMAL) -> None:
    """Nobody wants him any more, or nobody is there."""
    if turn.leg(n).direction == "in":
        picking.refuse(turn, n, TEMPORARY_FAILURE if cause == NO_ANSWER else NORMAL, outcome)
        return
    dial = turn.contact.calls[n].dial
    if turn.leg(n).alive:
        ending.cancel_leg(turn, n, cause)
        ending.drop_media(turn, n)
    if dial is not None:
        turn.do(do.ReleaseChannel(n, dial.way.trunk))
    failed(turn, n, outcome)


def failed(turn: Turn, n: int, outcome: str, sip: int = 0, rule: Rule | None = None) -> None:
    call, place = forget(turn, n), turn.leg(n).place
    turn.set_leg(n, place="")
    said = ({"sip": sip} if sip else {}) | ({"rule": rule} if rule else {})
    turn.emit("contact_call_ended", leg=turn.contact.leg_id(n), outcome=outcome, **said)
    if call.reservation:
        his_fault = outcome not in ("taken_back", "forwarded") and turn.leg(n).direction == "out"
        colleague = call.verb == "invite" or call.to.startswith(taking.PHONE)  # only calls of queues count
        his_fault = his_fault and not (colleague and outcome == "no_answer")
        gone = outcome if his_fault else "caller_gone"
        turn.agent_op("release", turn.leg(n).agent, call.reservation, gone, max_no_answer=turn.queue.max_no_answer)
    if call.verb == "invite":
        inviting.failed(turn, outcome, sip, rule)
    elif call.verb != "monitor" and not _sent_on(turn, turn.leg(n).address, call, outcome, place):
        transfer.failed(turn, call, outcome)


# -- his phone sends its calls on --------------------------------------------------------------------------------------
def _is_sent_on_always(turn: Turn, call: Call, phone: str) -> bool:
    """It does not ring. (A conference calls this very phone, wherever that sends its calls.)"""
    return call.verb != "invite" and bool(forwarding.forward(turn.book.phones.get(phone), "always"))


def _diverted(turn: Turn, n: int) -> None:
    """Always: it does not ring."""
    ending.leg_ended(turn, n, "us", NORMAL)
    failed(turn, n, "forwarded")


def _sent_on(turn: Turn, phone: str, call: Call, outcome: str, place: Place) -> bool:
    """Whoever it names is called in his place, for the same end. False: it sends nothing on for this reason."""
    why = "always" if outcome == "forwarded" else forwarding.WHY.get(outcome, "")
    to = forwarding.forward(turn.book.phones.get(phone), why) if call.to.startswith(("agent:", "phone:")) else ""
    if not to or call.verb in OWN or turn.contact.state != "talking":
        return False
    target, by = forwarding.target_of(turn, to), turn.contact.legs.get(call.by)
    refused = forwarding.bound(phone, call.forwards, target) or _cannot(call, target, by)
    plan = outgoing.diversion(turn, to, turn.book.phones[phone]) if target == inbound.OUT and not refused else ""
    refused = refused or (plan if isinstance(plan, str) else "")
    forwarding.tell(turn, phone, to, why, refused)
    if refused:
        return False
    if target.partition(":")[0] in SERVICES:
        transfer.hand_on(turn, call, target)
        return True
    again = replace(call, to=target, mode="", reservation=0, forwards=(*call.forwards, phone))
    if not isinstance(plan, str):
        again = replace(again, to=f"{OUTSIDE}:{to}")
    n = start(turn, again, by.agent if by else "", None if isinstance(plan, str) else plan)
    if n and place:
        conversation.place(turn, n, place)
    return True


def _cannot(call: Call, target: str, by: Leg | None) -> str:
    """Nobody asks a queue back, or himself."""
    kind = target.partition(":")[0]
    if kind not in ("agent", "phone", inbound.OUT, *(SERVICES if call.verb == "blind" else ())):
        return "mode"
    himself = by is not None and by.alive and target in (f"agent:{by.agent}", f"phone:{by.address}")
    return "loop" if himself else ""


def again(turn: Turn) -> None:
    """The node that called them is gone, and with it who would hear the answers: each is called once more."""
    for n in list(turn.contact.calls):
        leg = turn.leg(n)
        if taking.waits(turn, n):
            taking.again(turn, n)
        elif not leg.asked:  # else his dialog is ours now, and the prompt goes on
            anew(turn, n)
    if turn.contact.state == "talking":
        conversation.arrange(turn)


def anew(turn: Turn, n: int) -> None:
    """The node that called him is gone, or the rtpengine: his phone is called once more, as another leg."""
    call, leg = turn.contact.calls[n], turn.leg(n)
    turn.do(do.DeleteMedia(n))
    if leg.direction == "in":  # he dials once more
        picking.refuse(turn, n, TEMPORARY_FAILURE, "unreachable")
        return
    ending.cancel_leg(turn, n, NORMAL)
    forget(turn, n)
    if call.dial is not None:
        turn.do(do.ReleaseChannel(n, call.dial.way.trunk))
    new = max(turn.contact.legs) + 1
    _as(turn, new, leg)
    turn.deadline(f"{DUE}{new}", turn.now + RING_MS)
    dial = replace(call.dial, leg=new, early=False, heard="", invited=False) if call.dial else None
    _remember(turn, new, replace(call, dial=dial))
    if dial is not None:
        _by_this_way(turn, new, dial)
    elif call.to.startswith("out:"):
        _outside(turn, new, leg.address)
    else:
        prepare(turn, new)


def busy_with(contact: Contact) -> bool:
    """Whether an agent of the contact has somebody called already: one at a time."""
    return any(call.verb in ("consult", "add", "blind") for call in contact.calls.values())


STEPS: Final[Mapping[type, Callable[[Turn, Any], None]]] = {
    inputs.Engaged: taking.engaged,
    inputs.EngageRefused: taking.refused,
    inputs.LookedUp: _gate_answered,
    inputs.Counted: _gate_answered,
    inputs.ChannelSeized: _seized,
    inputs.ChannelRefused: _no_channel,
    inputs.MediaReady: _media_ready,
    inputs.MediaFailed: _media_failed,
    inputs.Progress: _progress,
    inputs.Accepted: _accepted,
    inputs.Rejected: rejected,
    inputs.Ended: _ended,
}
