"""Commands of people and programs (LQ-SDK) on a contact: each is carried out once, however often it is sent,
and a repeat hears the first answer, also from another node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lq.contacts import (
    at_the_phone,
    calling,
    conferring,
    ending,
    inputs,
    leaving,
    monitor,
    picking,
    recording,
    talking,
    transfer,
)
from lq.contacts import effects as do
from lq.contacts.contact import Leg
from lq.contacts.turn import Turn
from lq.trunks.causes import NORMAL


def carry_out(turn: Turn, given: inputs.Command) -> None:
    if turn.answered_before(given.id):
        return
    verb = VERBS.get(given.verb)
    if verb is None:
        turn.do(do.Reply(given.id, 400, "unknown_verb", f"a contact does not know {given.verb!r}"))
        return
    verb(turn, given)
    if given.verb not in AWAITED:
        turn.remember_answer(given.id)


def hang_up(turn: Turn, given: inputs.Command) -> None:
    """An agent hangs up as by his phone: the call in which he talks, or that rings at him. Who names no agent ends the
    contact. One who is not in it any more (a double click, or he has just sent it on) ends nobody's call."""
    contact, agent = turn.contact, str(given.body.get("agent", ""))
    if contact.state in ("ending", "over"):
        turn.do(do.Reply(given.id, 409, "ended", "the contact has ended"))
        return
    own = transfer.own_leg(turn, agent)
    his = own or next((leg for leg in contact.legs.values() if agent and leg.agent == agent and leg.alive), None)
    if agent and his is None:
        transfer.answer(turn, given, transfer.NOT_IN_IT)
    elif own is not None and contact.state == "talking":
        leaving.shown_out(turn, own)
        turn.do(do.Reply(given.id, 200))
    elif own is None and his is not None and his.direction == "out" and (his.n != 1 or his.n in contact.calls):
        at_the_phone.reject(turn, given)
    elif his is not None and his.n not in (1, contact.customer.n):
        _steps_out(turn, his)
        turn.do(do.Reply(given.id, 200))
    else:
        ending.finish(turn, ending.result(contact), "system", NORMAL)
        turn.do(do.Reply(given.id, 200))


def _steps_out(turn: Turn, leg: Leg) -> None:
    """The contact is not his: it goes on."""
    if leg.n in turn.contact.calls:
        calling.take_back(turn, leg.n)
    elif leg.state == "answered":
        transfer.dismiss(turn, leg.n)


VERBS: Final[Mapping[str, Callable[[Turn, inputs.Command], None]]] = {
    "answer": at_the_phone.answer,
    "reject": at_the_phone.reject,
    "hang_up": hang_up,
    "hold": talking.hold,
    "resume": talking.resume,
    "mute": talking.mute,
    "unmute": talking.unmute,
    "send_dtmf": talking.send_dtmf,
    "transfer": transfer.command,
    "transfer_complete": transfer.complete,
    "transfer_cancel": transfer.cancel,
    "transfer_conference": transfer.conference,
    "pick_up": picking.command,
    "mute_party": conferring.mute,
    "unmute_party": conferring.unmute,
    "make_host": conferring.make_host,
    "monitor": monitor.command,
    "monitor_end": monitor.end,
    "release": monitor.release,
    "help": monitor.ask_help,
    "help_end": monitor.end_help,
    "record": recording.command,
}
# Answered when they have come true, and harmless to repeat: a repeat must not be told that they have before they did.
AWAITED: Final = ("answer", "record")
