"""An agent's phone may be a number outside (外线坐席): his mobile. Called over a trunk; whoever answers has to press 1.

For voicemail answers too, and so does a lift. Until he has pressed 1 an answered mobile is a phone that rings: the
customer hears music, the agent is not held by his leg, and what ends it is an offer that was not taken. Whoever called
him (offer.py, calling.py, placing.py) hears of it what a phone would say: taken, or why not.
`Leg.address` is the number in E.164, by whose + it is known; `Leg.mobile` how far it has come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from lq.config.documents import SERVICE
from lq.contacts import calling, conversation, ending, gate, inputs, inviting, keys, offer, placing
from lq.contacts import effects as do
from lq.contacts.contact import Asking, Contact, Leg, Mobile
from lq.contacts.turn import LEASE_MARGIN_MS, Turn
from lq.trunks import causes, numbers
from lq.trunks.causes import NO_ANSWER, NO_CIRCUIT, NO_COMMON_CODEC, NORMAL, REJECTED
from lq.trunks.causes import TEMPORARY_FAILURE as FAILURE
from lq.trunks.routes import Plan

ACCEPT_MS: Final = 15_000  # from his answer on; the prompt is said about three times
TAKES, TURNS_DOWN = "1", "2"  # keys, as the prompt says them
PROMPT: Final = "accept_call"
_DUE: Final = "accept:"


def is_outside(phone: str) -> bool:
    """Whether an agent's phone is a number outside: extensions have no +."""
    return phone.startswith("+")


# -- his mobile is called ----------------------------------------------------------------------------------------------
def prepare(turn: Turn, n: int, kind: str = "rtp") -> None:
    """What comes before the INVITE to an agent's phone: media of this kind, and for a number outside a channel first.

    The gate is asked as for a forwarded call: lists, hours and limits are about customers, and where the agent may be
    reached his document says.
    """
    if not is_outside(turn.leg(n).address):
        turn.do(do.PrepareOutgoing(n, kind))
        return
    leg = _where_he_is_now(turn, n)
    number = numbers.dialled(leg.address, turn.book.home)
    asking = Asking(n, number, leg.address, SERVICE.id, leg.agent, listed=())
    decided = gate.decide(asking, turn.now, turn.book, within=True, turn=turn.contact.id)
    if isinstance(decided, Plan) and not decided.emergency:
        _by_this_way(turn, n, Mobile(decided.ways))
        return
    turn.emit("contact_dial_refused", rule=getattr(decided, "rule", "permission"))
    ending.leg_ended(turn, n, "us", REJECTED)
    _not_taken(turn, n, "unreachable", REJECTED)


def _where_he_is_now(turn: Turn, n: int) -> Leg:
    """He may have been given another number since he signed in, and is not at the old one any more."""
    agent = turn.book.agents.get(turn.leg(n).agent)
    if agent is not None and agent.mobile:
        turn.set_leg(n, address=agent.mobile)
    return turn.leg(n)


def _by_this_way(turn: Turn, n: int, mobile: Mobile) -> None:
    way = mobile.way
    turn.set_leg(n, mobile=mobile)
    turn.emit("leg_dialed", leg=turn.contact.leg_id(n), trunk=way.trunk, caller_id=way.caller_id)
    turn.do(do.SeizeChannel(n, way.trunk))


def _seized(turn: Turn, given: inputs.ChannelSeized) -> None:
    turn.do(do.PrepareOutgoing(given.leg))


def _no_channel(turn: Turn, given: inputs.ChannelRefused) -> None:
    _unreached(turn, given.leg, "unreachable", "us", NO_CIRCUIT, 503)


def _media_ready(turn: Turn, given: inputs.MediaReady) -> None:
    """Prepared: he is called. Or he has answered, and hears what it is about."""
    n, leg = given.leg, turn.leg(given.leg)
    if leg.state == "answered":
        turn.set_leg(n, media=given.media, codec=given.codec, pending_sdp="")
        turn.leg_answered(n)
        turn.play(n, (turn.prompt(PROMPT),), repeat=0)
        return
    turn.set_leg(n, media=given.media, state="inviting", rang=False)
    way = _mobile(leg).way
    uri, headers = f"sip:{way.digits}@out.lq.internal;trunk={way.trunk}", {"X-LQ-Contact": turn.contact.id}
    turn.do(do.Invite(n, uri, given.sdp, way.caller_id or "anonymous", headers, way.trunk))


def _media_failed(turn: Turn, given: inputs.MediaFailed) -> None:
    if turn.leg(given.leg).state == "answered":
        _let_go(turn, given.leg, "unreachable", NO_COMMON_CODEC)
    else:
        _unreached(turn, given.leg, "unreachable", "us", FAILURE, 500)


def _rejected(turn: Turn, given: inputs.Rejected) -> None:
    leg = turn.leg(given.leg)
    if not leg.alive:  # it was cancelled, and is called anew
        placing.rejected(turn, given)
        return
    cause = causes.cause_of(given.code, given.cause, rang=leg.rang)
    unheard = leg.state == "inviting" and given.code in (408, 502)
    outcome = offer.outcome_of(given, leg.rang)
    of_the_trunk = unheard or causes.is_of_the_trunk(cause)
    _unreached(turn, leg.n, outcome, "peer", cause, given.code, of_the_trunk=of_the_trunk)


def _unreached(turn: Turn, n: int, outcome: str, by: str, cause: int, sip: int, *, of_the_trunk: bool = True) -> None:
    """By this way; what tells of the trunk leads to the next one."""
    leg, mobile = turn.leg(n), _mobile(turn.leg(n))
    last = not of_the_trunk or mobile.at + 1 >= len(mobile.ways)
    mobile = replace(mobile, at=mobile.at + 1)
    if not last and turn.contact.state == "placing":  # he is leg 1 whatever becomes of his phone
        turn.do(do.ReleaseChannel(n, _mobile(leg).way.trunk))
        ending.drop_media(turn, n)
        turn.set_leg(n, state="inviting")
        _by_this_way(turn, n, mobile)
        return
    ending.leg_ended(turn, n, by, cause, sip)
    ending.drop_media(turn, n)
    if last:
        _not_taken(turn, n, outcome, cause, sip)
    else:
        _by_this_way(turn, _another_leg(turn, leg), mobile)


def _another_leg(turn: Turn, leg: Leg) -> int:
    """For the same offer, or the same call."""
    if leg.n in turn.contact.calls:
        return calling.another_leg(turn, leg)
    n, offered = max(turn.contact.legs) + 1, turn.contact.offer
    turn.add_leg(Leg(n, leg.party, "out", leg.address, "inviting", agent=leg.agent))
    if offered is not None:
        turn.set(offer=replace(offered, leg=n))
    return n


# -- whether it is he --------------------------------------------------------------------------------------------------
def _accepted(turn: Turn, given: inputs.Accepted) -> None:
    """Something has answered: he is asked."""
    n, leg, contact = given.leg, turn.leg(given.leg), turn.contact
    if not leg.alive:
        placing.accepted(turn, given)
        return
    turn.do(do.Ack(n))
    turn.set_leg(n, state="answered", rang=True, pending_sdp=given.sdp, mobile=replace(_mobile(leg), step="asked"))
    turn.do(do.TakeAnswer(n, given.sdp))
    turn.deadline(f"{calling.DUE}{n}" if n in contact.calls else "ring", None)
    turn.deadline(f"{_DUE}{n}", turn.now + ACCEPT_MS)
    call, offered = contact.calls.get(n), contact.offer
    fence = call.reservation if call else offered.reservation if offered and offered.leg == n else 0
    if fence:
        turn.agent_op("ringing", leg.agent, fence, ttl_ms=ACCEPT_MS + LEASE_MARGIN_MS)


def _pressed(turn: Turn, given: inputs.Digit) -> None:
    if not keys.is_new(turn, given):
        return
    n = given.leg
    turn.emit("leg_key", leg=turn.contact.leg_id(n), method=given.method)
    if given.key == TAKES and turn.leg(n).asked:
        _taken(turn, n)
    elif given.key == TURNS_DOWN and turn.leg(n).asked:
        turned_down(turn, n)


def _taken(turn: Turn, n: int) -> None:
    leg, contact = turn.leg(n), turn.contact
    turn.set_leg(n, mobile=replace(_mobile(leg), step="taken"))
    turn.deadline(f"{_DUE}{n}", None)
    if contact.state == "placing":
        placing.taken(turn)
        return
    (calling if n in contact.calls else offer).taken(turn, n)
    if not leg.codec:
        return  # his media is joined when it stands
    if turn.contact.state == "talking":
        conversation.changed(turn, n)
    elif turn.contact.state == "conference":
        inviting.comes_in(turn)


def _ended(turn: Turn, given: inputs.Ended) -> None:
    """He hung up, or what had answered did."""
    ending.leg_ended(turn, given.leg, "peer", given.cause or NORMAL)
    ending.drop_media(turn, given.leg)
    _not_taken(turn, given.leg, "no_answer", given.cause or NORMAL)


def due(turn: Turn, given: inputs.Due) -> bool:
    """Whether this deadline was ours: nobody has pressed 1."""
    n = given.name.removeprefix(_DUE)
    if n == given.name:
        return False
    leg = turn.contact.legs.get(int(n))
    if leg is not None and leg.asked and leg.alive:
        _let_go(turn, leg.n, "no_answer", NO_ANSWER)
    return True


def turned_down(turn: Turn, n: int) -> None:
    """By key, or at his screen while it rings."""
    _let_go(turn, n, "refused", REJECTED)


def _let_go(turn: Turn, n: int, outcome: str, cause: int) -> None:
    ending.cancel_leg(turn, n, cause)
    ending.drop_media(turn, n)
    _not_taken(turn, n, outcome, cause)


def _not_taken(turn: Turn, n: int, outcome: str, cause: int, sip: int = 0) -> None:
    """Whoever called him hears so."""
    if n in turn.contact.calls:
        calling.failed(turn, n, outcome, sip)
    elif turn.contact.state == "placing":
        placing.not_taken(turn, outcome, cause)
    else:
        offer.not_taken(turn, n, outcome, sip, cause)


def over(turn: Turn, n: int) -> None:
    """The leg ends, and with it what is held for it."""
    mobile = turn.leg(n).mobile
    if mobile is not None:
        turn.set_leg(n, mobile=None)
        turn.deadline(f"{_DUE}{n}", None)
        turn.do(do.ReleaseChannel(n, mobile.way.trunk))


def _mobile(leg: Leg) -> Mobile:
    assert leg.mobile is not None, "only of a leg that calls a mobile"
    return leg.mobile


_STEPS: Final[Mapping[type, Callable[[Turn, Any], None]]] = {
    inputs.ChannelSeized: _seized,
    inputs.ChannelRefused: _no_channel,
    inputs.MediaReady: _media_ready,
    inputs.MediaFailed: _media_failed,
    inputs.Accepted: _accepted,
    inputs.Rejected: _rejected,
    inputs.Digit: _pressed,
    inputs.Ended: _ended,
}


def steps(contact: Contact, leg: Leg) -> Mapping[type, Callable[[Turn, Any], None]]:
    """What is done otherwise while a mobile is being called: until he has pressed 1, or it is over."""
    return _STEPS if leg.is_mobile_called and contact.state not in ("ending", "over") else {}
