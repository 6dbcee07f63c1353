"""An agent hands the contact on, asks somebody back or has him join. The customer always ends somewhere defined.

consult: the customer waits, the agent talks aside with whom he called; then `complete` (they talk, he leaves), `cancel`
(he goes back), or `conference` (all talk). blind: the agent leaves at once, the customer hears music until somebody
answers; nobody does: back to the head of the queue that he came from, else to the agent who sent him. An agent who
hangs up while he consults has completed; while it still rings, he has sent the customer on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from lq.config.book import Book
from lq.contacts import (
    calling,
    conversation,
    ending,
    having,
    inbound,
    inputs,
    monitor,
    picking,
    queueing,
    recording,
    remaining,
)
from lq.contacts import effects as do
from lq.contacts.contact import Call, Leg
from lq.contacts.turn import Turn
from lq.trunks import numbers
from lq.trunks.causes import NORMAL
from lq.trunks.routes import Rule

Error = tuple[int, str, str]
LEAVES_MS: Final = 3_000  # so long a phone may stay once it has heard that its REFER was carried out
NOT_TALKING: Final = (409, "not_talking", "nobody talks in this contact")
NOT_IN_IT: Final = (409, "not_in_contact", "this agent does not talk in this contact")
NO_CUSTOMER: Final = (409, "no_customer", "the customer has left, or there is none")
BUSY: Final = (409, "busy", "somebody is being called into this contact already")
HANDED_ON: Final = "transferred"  # why the segment ends that went on until somebody had the customer
_SIP_OF: Final = {
    "busy": 486,
    "no_answer": 480,
    "refused": 603,
    "unreachable": 480,
    "taken_back": 487,
    "forwarded": 486,
}


def own_leg(turn: Turn, agent: str) -> Leg | None:
    """The leg on which this agent takes part."""
    legs = (leg for leg in turn.contact.legs.values() if leg.state == "answered" and not leg.asked)
    return next((leg for leg in legs if leg.agent == agent and agent), None)


def command(turn: Turn, given: inputs.Command) -> None:
    """transfer {to, mode}; `to`: see `target`."""
    leg = own_leg(turn, str(given.body.get("agent", "")))
    to, mode = target(turn, str(given.body.get("to", ""))), str(given.body.get("mode", "blind"))
    answer(turn, given, begin(turn, leg, to, mode) if leg else NOT_IN_IT)


def due(turn: Turn, given: inputs.Due) -> bool:
    """Whether this deadline was ours: a phone whose REFER has been carried out does not hang up."""
    n = given.name.removeprefix(having.LEAVES)
    if n == given.name:
        return False
    leg = turn.contact.legs.get(int(n))
    if leg is not None and leg.state == "answered" and not leg.place:
        dismiss(turn, leg.n)
    return True


def referred(turn: Turn, given: inputs.Referred) -> None:
    """The phone transfers by REFER: to what it would have dialled, or to whom it talks with on its other line."""
    to = f"{calling.JOIN}:{given.replaces}" if given.contact else target(turn, given.to)
    leg = turn.leg(given.leg)
    ours = turn.phone_at(leg) is not None  # nobody outside sends our calls anywhere (DESIGN §13)
    error = begin(turn, leg, to, "blind", given.id) if ours else (403, "outside", "only a phone of ours transfers")
    if error is not None and given.id:
        turn.do(do.TellReferrer(given.leg, given.id, {422: 404}.get(error[0], 603)))


def answer(turn: Turn, given: inputs.Command, error: Error | None) -> None:
    turn.do(do.Reply(given.id, *error) if error else do.Reply(given.id, 200))


def target(turn: Turn, to: str) -> str:
    """What `to` of LQ-SDK means: agent:…, phone:…, queue:…, ivr:…, conference:…, what answers at an access number of
    ours, or out:<digits>; "" for nothing that there is."""
    return target_in(turn.book, to)


def target_in(book: Book, to: str) -> str:
    kind, _, id = to.partition(":")
    known = {
        "queue": book.queues, "ivr": book.flows, "agent": book.agents, "phone": book.phones,
        "conference": book.conferences,
    }  # fmt: skip
    if kind in known:
        return to if id in known[kind] else ""
    if to in book.agents:
        return f"agent:{to}"
    if to in book.phones:
        return f"phone:{to}"
    if access := book.numbers.get(numbers.dialled(to, book.home, book.settings.outside_prefix).published):
        return access.target if access.target.partition(":")[0] in known else ""
    if to in book.conferences:
        return f"conference:{to}"
    return f"{calling.OUTSIDE}:{to}" if to and len(to) <= 32 and all(c in "+*#0123456789" for c in to) else ""


def begin(turn: Turn, leg: Leg, to: str, mode: str, refer: str = "") -> Error | None:
    """Leg's agent transfers to `to`. What is wrong with it, None for nothing."""
    if not to:
        return (422, "unknown_target", "there is no such agent, phone, queue, flow, conference or number")
    if turn.contact.state != "talking" or leg.place not in ("talk", "aside"):
        return NOT_TALKING
    if calling.busy_with(turn.contact) or conversation.together(turn.contact, "aside"):
        return BUSY
    if to == f"agent:{leg.agent}" or to == f"phone:{leg.address}":
        return (422, "itself", "a contact cannot be transferred to who has it")
    kind, _, id = to.partition(":")
    if kind in calling.SERVICES:
        return _to_service(turn, leg, kind, id, mode, refer)
    rule = calling.against(turn, leg, id) if kind == calling.OUTSIDE else None
    if rule and not refer:
        turn.emit("contact_dial_refused", rule=rule)
        return _refused(rule)
    if mode == "blind":
        _blind(turn, leg, to, refer, rule)
    elif mode == "add":
        calling.start(turn, Call("add", to, leg.n, refer=refer), leg.agent)
    else:
        _consult(turn, leg, to, refer)
    return None


def _refused(rule: Rule) -> Error:
    """By the gate, as LQ-SDK says it."""
    if rule == "unreadable":
        return (422, "unknown_target", "it is no number that can be dialled")
    return (403, rule, f"the gate refuses this call: {rule}")


def _consult(turn: Turn, leg: Leg, to: str, refer: str) -> None:
    talking = conversation.others(turn.contact, leg.n)
    if len(talking) == 1:  # more than one have each other
        conversation.place(turn, talking[0].n, "waits")
    turn.set_leg(leg.n, consulted=False)
    conversation.place(turn, leg.n, "aside")
    if n := calling.start(turn, Call("consult", to, leg.n, refer=refer), leg.agent):
        conversation.place(turn, n, "aside")
        conversation.changed(turn, leg.n)


def _blind(turn: Turn, leg: Leg, to: str, refer: str, rule: Rule | None = None) -> None:
    """`rule`: what the gate has against it. The phone hears so, and he who sits at it by the call that was refused."""
    joined, who = to.startswith(calling.JOIN), {"from_agent": leg.agent} if leg.agent else {}
    said = {"to": calling.JOIN, "mode": "consult"} if joined else {"to": to, "mode": "blind"}
    if not rule:
        turn.emit("contact_transferred", n=turn.n, **said, **who)
    for other in conversation.others(turn.contact, leg.n):
        conversation.place(turn, other.n, "waits")
    if calling.start(turn, Call("blind", to, leg.n, refer=refer), leg.agent):
        if refer:  # its phone hears how it goes, and hangs up itself (RFC 3515)
            conversation.place(turn, leg.n, "")
        else:
            dismiss(turn, leg.n)
        conversation.changed(turn, leg.n)


def _to_service(turn: Turn, leg: Leg, kind: str, id: str, mode: str, refer: str) -> Error | None:
    if mode != "blind":
        return (422, "mode", "a queue or a flow can only be transferred to at once (mode blind)")
    if len(conversation.together(turn.contact, "talk")) > 2:
        return (409, "conference", "more than two talk: end the conference first")
    customer = turn.contact.customer
    if not customer.alive or customer.n == leg.n:
        return NO_CUSTOMER
    if not customer.codec:  # he has answered this very moment
        return NOT_TALKING
    who = {"from_agent": leg.agent} if leg.agent else {}
    turn.emit("contact_transferred", n=turn.n, to=f"{kind}:{id}", mode="blind", **who)
    turn.tell_referrer(Call("blind", "", leg.n, refer=refer), 200)
    only(turn, customer.n)
    turn.end_segments("transferred")
    inbound.go_to(turn, f"{kind}:{id}")
    return None


def only(turn: Turn, n: int) -> None:
    """Leg n goes on alone: agents and leaders leave, also those on hold, and whoever is still called is not wanted."""
    for called in list(turn.contact.calls):
        calling.take_back(turn, called)
    for leg in list(turn.contact.legs.values()):
        if leg.n != n and leg.state == "answered":
            dismiss(turn, leg.n)
    conversation.place(turn, n, "")


def dismiss(turn: Turn, n: int) -> None:
    """Leg n is done: its dialog is ended by us, its agent goes into wrap-up, and needs no leader any more."""
    if turn.leg(n).alive:
        turn.do(do.Bye(n, NORMAL))
        ending.leg_ended(turn, n, "us", NORMAL)
    conversation.place(turn, n, "")
    ending.release(turn, n)
    ending.drop_media(turn, n)
    if turn.contact.help and own_leg(turn, turn.contact.help) is None:
        monitor.helped(turn, "")


# -- how the call went -------------------------------------------------------------------------------------------------
def answered(turn: Turn, n: int, call: Call) -> None:
    turn.tell_referrer(call, 200)
    match call.verb:
        case "consult":
            turn.set_leg(n, consulted=True)
            conversation.place(turn, n, "aside")
        case "add":
            join(turn, n)
        case "blind":
            takes(turn, n)
            if call.refer:
                turn.deadline(f"{having.LEAVES}{call.by}", turn.now + LEAVES_MS)
        case "pick_up":
            picking.picked_up(turn, n)


def takes(turn: Turn, n: int) -> None:
    """Leg n has the customer from now on."""
    leg, customer = turn.leg(n), turn.contact.customer
    conversation.place(turn, n, "talk")
    for other in conversation.together(turn.contact, "waits"):
        conversation.place(turn, other.n, "talk")
    turn.set(agent=leg.agent or turn.contact.agent)
    turn.segment("talk", HANDED_ON, queue=turn.contact.queue, agent=leg.agent)
    turn.emit("contact_answered", n=turn.n, queue=turn.contact.queue, agent=leg.agent, leg=turn.contact.leg_id(n))
    recording.settle(turn)
    if customer.codec:
        conversation.arrange(turn)


def join(turn: Turn, n: int) -> None:
    """Leg n joins; whoever waited or talked aside is with the customer again."""
    conversation.place(turn, n, "talk")
    for leg in conversation.together(turn.contact, "aside", "waits"):
        conversation.place(turn, leg.n, "talk")
    conversation.changed(turn, n)


def failed(turn: Turn, call: Call, outcome: str) -> None:
    """Whom we called is not there: the customer goes back to who had him, or where he came from."""
    turn.tell_referrer(call, _SIP_OF.get(outcome, 480))
    by = turn.contact.legs.get(call.by)
    if call.verb in ("pick_up", "add") or turn.contact.state != "talking":
        return  # an agent who has called somebody to join talks on, or has on hold whom he had
    if by is not None and by.alive:
        back(turn, by.n)
    elif remaining.goes_on(turn.contact):
        remaining.settle(turn)
    elif call.verb == "blind":
        _homeless(turn, by.agent if by is not None else "")


def hand_on(turn: Turn, call: Call, target: str) -> None:
    """The phone of whom he was sent to sends its calls to a queue, a flow or a conference: the customer goes there."""
    turn.tell_referrer(call, 200)
    contact = turn.contact
    if not contact.customer.alive:  # he who called has left, and who remains was only called
        ending.finish(turn, "answered", "system", NORMAL)
        return
    only(turn, contact.customer.n)
    turn.end_segments("forwarded")
    inbound.go_to(turn, target)


def back(turn: Turn, n: int) -> None:
    """Leg n is with the customer again."""
    conversation.place(turn, n, "talk")
    for leg in conversation.together(turn.contact, "waits"):
        conversation.place(turn, leg.n, "talk")
    conversation.changed(turn, n)


def not_joined(turn: Turn, leg: Leg) -> bool:
    """Whether this leg has just been handed the customer: its media cannot be joined, and it is let go without him."""
    customer, last = turn.contact.customer, next((s for s in reversed(turn.contact.segments) if s.ended_at), None)
    if last is None or last.reason != HANDED_ON or leg.n == customer.n or not (customer.alive and customer.codec):
        return False
    dismiss(turn, leg.n)
    _homeless(turn, last.agent if last.agent != leg.agent else "")
    return True


def _homeless(turn: Turn, by: str) -> None:
    """Nobody has the customer: the queue takes him back, at its head, or `by`, who sent him on."""
    contact = turn.contact
    if not contact.customer.alive:  # he who called has left, and who remains was only called
        ending.finish(turn, "answered", "system", NORMAL)
        return
    only(turn, contact.customer.n)
    turn.end_segments("failed")
    if contact.queue in turn.book.queues:
        queueing.enter_queue(turn, contact.queue, since=contact.started_at)
    elif by:
        queueing.enter_agent_line(turn, by)
    else:
        inbound.announce(turn, (turn.prompt("transfer_failed"),), f"end:answered:{NORMAL}")


# -- the agent decides -------------------------------------------------------------------------------------------------
def complete(turn: Turn, given: inputs.Command) -> None:
    leg = own_leg(turn, str(given.body.get("agent", "")))
    answer(turn, given, completed(turn, leg) if leg else NOT_IN_IT)


def completed(turn: Turn, leg: Leg) -> Error | None:
    """The customer and whom the agent asked talk; he himself leaves."""
    asked = _asked(turn, leg)
    ringing = [n for n, call in turn.contact.calls.items() if call.verb == "consult" and call.by == leg.n]
    if asked is None and not ringing:
        return (409, "no_consult", "nobody is being consulted")
    to = asked.agent or asked.address if asked else turn.contact.calls[ringing[0]].to
    who = {"from_agent": leg.agent} if leg.agent else {}
    turn.emit("contact_transferred", n=turn.n, to=to, mode="consult", **who)
    if asked is not None:
        dismiss(turn, leg.n)
        takes(turn, asked.n)
    else:
        send_on(turn, leg.n, ringing[0])
        dismiss(turn, leg.n)
        conversation.arrange(turn)
    return None


def send_on(turn: Turn, by: int, n: int) -> None:
    """Who is still being called gets the customer when he answers."""
    call = turn.contact.calls[n]
    conversation.place(turn, n, "")
    turn.set(calls={**turn.contact.calls, n: replace(call, verb="blind", by=by)})


def _asked(turn: Turn, leg: Leg) -> Leg | None:
    """Whom the agent talks with aside."""
    if leg.place != "aside":
        return None
    return next((one for one in conversation.others(turn.contact, leg.n) if one.state == "answered"), None)


def cancel(turn: Turn, given: inputs.Command) -> None:
    """Whoever is called or asked goes, the agent is with the customer again."""
    leg = own_leg(turn, str(given.body.get("agent", "")))
    if leg is None:
        answer(turn, given, NOT_IN_IT)
        return
    asked = _asked(turn, leg)
    ringing = [n for n, call in turn.contact.calls.items() if call.by == leg.n and call.verb in ("consult", "add")]
    if asked is not None:
        dismiss(turn, asked.n)
        back(turn, leg.n)
    for n in ringing:
        calling.take_back(turn, n)
    answer(turn, given, None if asked or ringing else (409, "no_consult", "nobody is being consulted"))


def conference(turn: Turn, given: inputs.Command) -> None:
    """All talk: whom the agent consults joins, or (`to`) somebody is called to join."""
    leg = own_leg(turn, str(given.body.get("agent", "")))
    if leg is None:
        answer(turn, given, NOT_IN_IT)
    elif to := str(given.body.get("to", "")):
        answer(turn, given, begin(turn, leg, target(turn, to), "add"))
    elif asked := _asked(turn, leg):
        join(turn, asked.n)
        answer(turn, given, None)
    else:
        answer(turn, given, (409, "no_consult", "nobody is being consulted, or he has not answered yet"))
