"""Commands of people and programs (LQ-SDK) on a contact: each is carried out once, however often it is sent,
and a repeat hears the first answer, also from another node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lq.contacts import (
    at_the_phone,
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
from lq.contacts.turn import NORMAL, Turn


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
    """An agent who talks in it hangs up, as by his phone; anybody else ends the contact."""
    if turn.contact.state in ("ending", "over"):
        turn.do(do.Reply(given.id, 409, "ended", "the contact has ended"))
        return
    agent = str(given.body.get("agent", ""))
    talked = turn.contact.state == "talking"
    leg = transfer.own_leg(turn, agent) if talked else None
    if leg is not None:
        leaving.shown_out(turn, leg)
        turn.do(do.Reply(given.id, 200))
        return
    result = "answered" if talked else "ivr" if turn.contact.line is None else "no_agent"
    if turn.contact.state in ("placing", "calling", "dialing"):
        result = "abandoned"
    if turn.contact.state == "conference":
        result = conferring.result(turn)
    ending.finish(turn, result, "system", NORMAL)
    turn.do(do.Reply(given.id, 200))


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
