"""Who is called into a contact is taken before his phone rings (R1): an agent who is named, or whoever is signed in at
the extension that is called, as where it is dialled (direct.py).

An extension at which nobody is signed in just rings, and so does one of which the live state says nothing in time. One
whose agent is with a contact is busy; one who only gets no calls of queues now is called there, and shown so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from lq.acd.agent import BOUND, PHONE_OFFLINE, SIGNED_OUT
from lq.contacts import calling, direct, ending, inputs
from lq.contacts import effects as do
from lq.contacts.contact import Call
from lq.contacts.turn import Turn
from lq.trunks.causes import BUSY

DUE: Final = "take:"
PHONE: Final = "phone:"
_SETTLING: Final = "settling"
_STATE_SAYS: Final = {SIGNED_OUT: "unreachable", PHONE_OFFLINE: "unreachable"}  # of one who is named; else he is busy


def take(turn: Turn, n: int) -> None:
    """His phone is rung once he is ours."""
    if turn.contact.calls[n].to.startswith(PHONE):
        turn.deadline(f"{DUE}{n}", turn.now + direct.ENGAGE_MS)
    again(turn, n)


def again(turn: Turn, n: int) -> None:
    """The same leg gets the same agent, however often it is said."""
    call = turn.contact.calls[n]
    kind, _, id = call.to.partition(":")
    own = call.verb in calling.OWN or call.mode == "own"
    agent, phone = (id, "") if kind == "agent" else ("", id)
    turn.do(do.Engage(n, agent, phone, own, calling.LEASE_MS))


def waits(turn: Turn, n: int) -> bool:
    """Nothing rings yet: whether he is to be had is not said."""
    call = turn.contact.calls[n]
    named = call.to.startswith("agent:") and turn.leg(n).direction == "out"
    return (named and not call.reservation) or f"{DUE}{n}" in turn.contact.deadlines


def engaged(turn: Turn, given: inputs.Engaged) -> None:
    n, awaited = given.leg, waits(turn, given.leg)
    turn.deadline(f"{DUE}{n}", None)
    turn.set_leg(n, agent=given.agent, address=given.phone)
    calling.hold(turn, n, given.reservation)
    if awaited:
        calling.agent_taken(turn, n, "" if given.media == "rtp" else given.media)
    elif turn.leg(n).rang:
        turn.agent_op("ringing", given.agent, given.reservation, ttl_ms=calling.LEASE_MS)


def refused(turn: Turn, given: inputs.EngageRefused) -> None:
    n, call = given.leg, turn.contact.calls[given.leg]
    if not waits(turn, n):
        return
    if _may_be_called_still(call, given.state):
        turn.set(calls={**turn.contact.calls, n: replace(call, mode="own")})
        again(turn, n)  # he gets no calls of queues now, but his phone is free
        return
    turn.deadline(f"{DUE}{n}", None)
    named = not call.to.startswith(PHONE)
    if not named and given.state in (SIGNED_OUT, _SETTLING):
        calling.prepare(turn, n)
        return
    if given.state in BOUND:  # one who is not there has no phone that would send it on
        turn.set_leg(n, address=given.phone or turn.leg(n).address)
    ending.leg_ended(turn, n, "us", BUSY)
    calling.failed(turn, n, _STATE_SAYS.get(given.state, "busy") if named else "busy")


def _may_be_called_still(call: Call, state: str) -> bool:
    """At an extension, and by a conference, as himself."""
    if call.mode or state in (*BOUND, SIGNED_OUT, _SETTLING):
        return False
    return call.to.startswith(PHONE) or (call.verb == "invite" and state != PHONE_OFFLINE)


def due(turn: Turn, given: inputs.Due) -> bool:
    """Whether this deadline was ours: nobody says who is signed in at this extension, and it rings."""
    n = given.name.removeprefix(DUE)
    if n == given.name:
        return False
    if int(n) in turn.contact.calls:
        calling.prepare(turn, int(n))
    return True
