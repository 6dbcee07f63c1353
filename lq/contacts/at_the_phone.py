"""An agent takes or refuses at his screen what rings at his phone (F24, F58). What his phone can do says its model.

A phone that knows `talk` is told to answer. One that only answers certain INVITEs by itself is called once more with
their headers, for the same offer, once the CANCEL of the first call is through; if he lifts his handset meanwhile, that
was the answer. Any other rings on: he is told to lift it, and so he is where his own call began with those headers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from lq.contacts import calling, ending, inputs, mobile, offer, placing
from lq.contacts import effects as do
from lq.contacts.contact import Leg
from lq.contacts.turn import Turn
from lq.trunks import causes, phones
from lq.trunks.causes import NORMAL, REJECTED

ELSEWHERE: Final = 'SIP;cause=200;text="Call completed elsewhere"'  # no missed call in the phone's list (RFC 3326)


def answer(turn: Turn, given: inputs.Command) -> None:
    leg = _called(turn, given)
    if leg is None:
        _nothing_rings(turn, given.id)
    elif leg.is_mobile_called:
        turn.do(do.Reply(given.id, 409, "cannot_be_answered", "a number outside: answer it, and press 1 there"))
    elif leg.state == "answered" or leg.auto == "wanted" or (leg.auto and leg.state == "inviting"):
        turn.do(do.Reply(given.id, 200))  # asked before, and on its way
    elif leg.state != "ringing":
        _nothing_rings(turn, given.id)
    elif leg.talks or _model(turn, leg).talk:
        turn.do(do.AnswerPhone(leg.n, given.id))
    else:
        _answer_by_calling(turn, leg, given.id)


def told(turn: Turn, given: inputs.PhoneTold) -> None:
    """What the phone said to AnswerPhone; that it has answered, its 200 to our INVITE says."""
    leg = turn.leg(given.leg)
    if leg.state == "answered" or 200 <= given.code < 300:
        turn.do(do.Reply(given.command, 200))
    elif leg.state == "ringing":
        _answer_by_calling(turn, leg, given.command)
    else:
        _nothing_rings(turn, given.command)


def reject(turn: Turn, given: inputs.Command) -> None:
    """As if his phone had said 603."""
    leg = _called(turn, given)
    if leg is not None and leg.is_mobile_called:
        mobile.turned_down(turn, leg.n)
        turn.do(do.Reply(given.id, 200))
        return
    if leg is None or leg.state == "answered":
        _nothing_rings(turn, given.id)
        return
    turn.do(do.Cancel(leg.n, causes.reason(REJECTED)))
    placed = placing.rejected if turn.contact.state == "placing" else offer.rejected
    rejected = calling.rejected if leg.n in turn.contact.calls else placed
    rejected(turn, inputs.Rejected(leg.n, 603, REJECTED))
    turn.do(do.Reply(given.id, 200))


def _called(turn: Turn, given: inputs.Command) -> Leg | None:
    """The agent's leg that we call or have called."""
    agent, legs = str(given.body.get("agent") or ""), turn.contact.legs.values()
    his = [leg for leg in legs if agent and leg.agent == agent and leg.direction == "out" and leg.alive]
    return next((leg for leg in his if leg.state != "answered" or leg.asked), his[0] if his else None)


def _model(turn: Turn, leg: Leg) -> phones.Model:
    return phones.model_of(turn.phone_at(leg))


def _nothing_rings(turn: Turn, command: str) -> None:
    turn.do(do.Reply(command, 409, "not_ringing", "nothing rings at this agent's phone"))


# -- the same phone once more ------------------------------------------------------------------------------------------
def _answer_by_calling(turn: Turn, leg: Leg, command: str) -> None:
    if leg.auto or not _model(turn, leg).alone:
        turn.do(do.Reply(command, 409, "cannot_be_answered", "this phone takes no orders: lift its handset"))
        return
    turn.set_leg(leg.n, auto="wanted")
    turn.do(do.Cancel(leg.n, ELSEWHERE))
    turn.do(do.Reply(command, 200))


def is_called_again(leg: Leg, given: inputs.Rejected) -> bool:
    """Whether our CANCEL is through, and the phone shall now be asked to answer by itself."""
    return leg.auto == "wanted" and given.code == 487


def called_again(turn: Turn, given: inputs.Rejected) -> bool:
    """The phone is called again, for the same offer or by the same caller. False: that was not why it ended."""
    leg, contact = turn.leg(given.leg), turn.contact
    if not is_called_again(leg, given):
        return False
    n = max(contact.legs) + 1
    ending.leg_ended(turn, leg.n, "us", NORMAL)
    ending.drop_media(turn, leg.n)
    turn.add_leg(Leg(n, leg.party, "out", leg.address, "inviting", agent=leg.agent, auto="asked"))
    if contact.offer is not None and contact.offer.leg == leg.n:
        turn.set(offer=replace(contact.offer, leg=n))
    turn.do(do.PrepareOutgoing(n, (leg.media or {}).get("kind", "rtp")))
    return True


def headers(turn: Turn, leg: Leg) -> Mapping[str, str]:
    """What the INVITE to an agent's phone says beside its offer."""
    return {"X-LQ-Contact": turn.contact.id} | (dict(_model(turn, leg).alone) if leg.auto else {})
