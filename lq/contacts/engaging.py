"""Agents whom no queue gives: who calls himself is shown so and gets no other call. The fence is kept by their leg.

A call never waits for this: refused, or with Redis away, it goes on all the same.
"""

from __future__ import annotations

from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.turn import Turn


def calls(turn: Turn, n: int, *, agent: str = "", phone: str = "") -> None:
    """The agent of this leg calls somebody: named, or whoever is signed in at his phone."""
    turn.do(do.Engage(n, agent, phone, own=True))


def engaged(turn: Turn, given: inputs.Engaged) -> None:
    """He is ours. While Redis was away his leg may have ended, or he may have begun to talk."""
    if turn.contact.state in ("ending", "over") or not turn.leg(given.leg).alive:
        let_go(turn, given)
        return
    turn.set_leg(given.leg, agent=given.agent, reservation=given.reservation, dials=True)
    if turn.contact.state == "talking":
        talks(turn, given.leg)


def let_go(turn: Turn, given: inputs.Engaged) -> None:
    """He comes too late for what he was wanted for."""
    turn.agent_op("release", given.agent, given.reservation, "caller_gone")


def talks(turn: Turn, n: int) -> None:
    """Whom the agent of this leg called has answered."""
    leg = turn.leg(n)
    if leg.reservation and leg.dials:
        turn.set_leg(n, dials=False)
        turn.agent_op("talking", leg.agent, leg.reservation)


def again(turn: Turn) -> None:
    """The answer may have gone to the node that died: the same leg gets the same agent."""
    leg, (kind, _, phone) = turn.leg(1), turn.contact.source.partition(":")
    if kind == "phone" and leg.direction == "in" and leg.alive and not leg.reservation:
        calls(turn, 1, phone=phone)
