"""A phone sends its calls on (呼叫转移): always, when it is busy, when nobody answers, when it is not there.

Calls to the phone itself, and to one certain agent who is called at it, also those that a transfer or a consultation
makes (calling.py); an offer of a queue goes to the next agent.
"""

from __future__ import annotations

from typing import Final

from lq.config.documents import Phone
from lq.contacts import direct, ending, inbound, inputs, outgoing
from lq.contacts.turn import Turn
from lq.trunks.causes import BUSY, NORMAL

MOST: Final = 3  # times that one call is sent on
WHY: Final = {"busy": "busy", "refused": "busy", "no_answer": "no_answer", "unreachable": "offline"}  # by outcome


def forward(phone: Phone | None, why: str) -> str:
    """Where calls of this phone go; why: always | busy | no_answer | offline. "": nowhere."""
    return str(getattr(phone.forward, why, "")) if phone is not None else ""


def ring_ms(phone: Phone | None, otherwise: int) -> int:
    """How long it rings before its calls go on."""
    return phone.forward.no_answer_s * 1000 if phone is not None and phone.forward.no_answer else otherwise


def diverted(turn: Turn, phone: str) -> bool:
    """Its calls never ring there: this one has gone on, or, where it cannot, is refused as if it were busy."""
    if not forward(turn.book.phones.get(phone), "always"):
        return False
    if not forwarded(turn, phone, "always"):
        ending.finish(turn, "busy", "system", BUSY)
    return True


def agent_diverted(turn: Turn, given: inputs.Reserved | inputs.Engaged) -> bool:
    """As `diverted`, for one certain agent: he does not get the contact, and keeps his place."""
    if not forward(turn.book.phones.get(given.phone), "always"):
        return False
    turn.agent_op("release", given.agent, given.reservation, "caller_gone")
    if isinstance(given, inputs.Engaged):
        ending.leg_ended(turn, given.leg, "us", NORMAL)
    return diverted(turn, given.phone)


def not_taken(turn: Turn, phone: str, outcome: str) -> bool:
    """It was called and did not take the call. False: that is the end of it."""
    return forwarded(turn, phone, WHY.get(outcome, ""))


def forwarded(turn: Turn, phone: str, why: str) -> bool:
    to = forward(turn.book.phones.get(phone), why)
    if not to:
        return False
    sent, target = turn.contact.forwards, target_of(turn, to)
    refused = bound(phone, sent, target)
    if not refused and target == inbound.OUT:
        refused = outgoing.divert(turn, to, turn.book.phones[phone])
    tell(turn, phone, to, why, refused)
    if refused:
        return False
    turn.set(forwards=(*sent, phone), target=target)
    _go(turn, target)
    return True


def bound(phone: str, sent: tuple[str, ...], target: str) -> str:
    """What is against it that this phone sends a call on which `sent` have sent on before: "" | loop | hops."""
    loop = phone in sent or any(target == f"phone:{one}" for one in (*sent, phone))
    return "loop" if loop else "hops" if len(sent) >= MOST else ""


def tell(turn: Turn, phone: str, to: str, why: str, refused: str) -> None:
    turn.emit("contact_forwarded", phone=phone, to=to, why=why, **({"refused": refused} if refused else {}))


def target_of(turn: Turn, to: str) -> str:
    """agent:…, phone:…, queue:…, what an access number reaches, or out."""
    return to if ":" in to else inbound.dialled(to, turn.book)[1]


def _go(turn: Turn, target: str) -> None:
    ending.left_line(turn, "forwarded")
    turn.deadline("engage", None)
    kind, _, _ = target.partition(":")
    if target == inbound.OUT:
        outgoing.call(turn)
    elif kind == "phone" or (kind == "agent" and turn.contact.customer.state != "answered"):
        direct.call(turn, target)
    else:
        inbound.answer_and_go(turn, target)
