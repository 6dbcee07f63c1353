"""Commands of people and programs (LQ-SDK) on a contact: each is carried out once, however often it is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lq.contacts import effects as do
from lq.contacts import ending, inputs
from lq.contacts.turn import NORMAL, Turn

REMEMBERED: Final = 32


def carry_out(turn: Turn, given: inputs.Command) -> None:
    if given.id in turn.contact.done:
        turn.do(do.Reply(given.id, 200))
        return
    verb = VERBS.get(given.verb)
    if verb is None:
        turn.do(do.Reply(given.id, 400, "unknown_verb", f"a contact does not know {given.verb!r}"))
        return
    turn.set(done=(*turn.contact.done, given.id)[-REMEMBERED:])
    verb(turn, given)


def hang_up(turn: Turn, given: inputs.Command) -> None:
    """End the contact, whoever asks; an agent who talks in it ends it as himself."""
    if turn.contact.state in ("ending", "over"):
        turn.do(do.Reply(given.id, 409, "ended", "the contact has ended"))
        return
    agent = str(given.body.get("agent", ""))
    talked = turn.contact.state == "talking"
    result = "answered" if talked else "ivr" if turn.contact.line is None else "no_agent"
    ending.finish(turn, result, "agent" if talked and agent == turn.contact.agent else "system", NORMAL)
    turn.do(do.Reply(given.id, 200))


VERBS: Final[Mapping[str, Callable[[Turn, inputs.Command], None]]] = {"hang_up": hang_up}
