"""A leader (班长) in a contact: listens, whispers to the agent, barges in, takes over; switched without a new call.

He is never heard by the customer before he barges in, and a whisper is in no recording: it is heard on the agents' legs
alone (conversation.py).
"""

from __future__ import annotations

from typing import Final

from lq.contacts import calling, conversation, ending, inputs, leaving, queueing, transfer
from lq.contacts.contact import Call, Leg, Place
from lq.contacts.turn import Turn
from lq.trunks.causes import NORMAL

MOST: Final = 4  # leaders in one contact
PLACE: Final[dict[str, Place]] = {"listen": "listens", "whisper": "whispers", "barge": "talk", "take-over": "talk"}


def command(turn: Turn, given: inputs.Command) -> None:
    """monitor {agent: the leader, mode, help: he comes because he is wanted, and only if no other leader does}"""
    contact, leader, mode = turn.contact, str(given.body.get("agent", "")), str(given.body.get("mode", "listen"))
    leg = transfer.own_leg(turn, leader)
    called = [call for call in contact.calls.values() if call.verb == "monitor" and call.to == f"agent:{leader}"]
    error: transfer.Error | None = None
    if mode not in PLACE:
        error = (422, "mode", f"mode is one of {', '.join(PLACE)}")
    elif contact.state != "talking":
        error = transfer.NOT_TALKING
    elif leg is not None and not leg.mode:
        error = (409, "in_contact", "this agent talks in the contact already")
    elif given.body.get("help") and (not contact.help or _comes(turn)):
        error = (409, "help_taken", "another leader comes already, or none is wanted any more")
    elif leg is not None:
        if given.body.get("help"):
            helped(turn, leader)
        switch(turn, leg.n, mode)
    elif called or _leaders(turn) >= MOST:
        error = transfer.BUSY
    elif leader not in turn.book.agents:
        error = (404, "not_found", f"no agent {leader}")
    else:
        calling.start(turn, Call("monitor", f"agent:{leader}", mode=mode), leader)
    transfer.answer(turn, given, error)


def _leaders(turn: Turn) -> int:
    """How many there are, or are being called."""
    there = sum(leg.alive and bool(leg.mode) for leg in turn.contact.legs.values())
    return there + sum(call.verb == "monitor" for call in turn.contact.calls.values())


def _comes(turn: Turn) -> bool:
    return any(call.verb == "monitor" for call in turn.contact.calls.values())


def answered(turn: Turn, n: int, call: Call) -> None:
    if turn.contact.state != "talking":
        transfer.dismiss(turn, n)
    else:
        helped(turn, turn.leg(n).agent)
        switch(turn, n, call.mode)


# -- help (求助) -------------------------------------------------------------------------------------------------------
def ask_help(turn: Turn, given: inputs.Command) -> None:
    """An agent wants a leader: told to all of them, over with the first who comes (monitor, in whatever mode)."""
    agent = str(given.body.get("agent", ""))
    error: transfer.Error | None = None
    if transfer.own_leg(turn, agent) is None:
        error = transfer.NOT_IN_IT
    elif not turn.contact.help:
        turn.set(help=agent)
        turn.emit("contact_help_wanted", n=turn.n, agent=agent)
    transfer.answer(turn, given, error)


def end_help(turn: Turn, given: inputs.Command) -> None:
    helped(turn, "")
    transfer.answer(turn, given, None)


def helped(turn: Turn, leader: str) -> None:
    """By him; "": nobody has to come any more."""
    if turn.contact.help:
        asked = turn.contact.help
        turn.set(help="")
        turn.emit("contact_help_ended", agent=asked, **({"by": leader} if leader else {}))


def switch(turn: Turn, n: int, mode: str) -> None:
    leg = turn.leg(n)
    turn.set_leg(n, mode=mode)
    turn.emit("contact_monitored", agent=leg.agent, mode=mode, leg=turn.contact.leg_id(n))
    conversation.place(turn, n, PLACE[mode])
    if mode == "take-over":
        turn.set_leg(n, mode="")  # he is the agent now
        for other in [one.n for one in turn.contact.legs.values() if _is_relieved(turn, one, n)]:
            transfer.dismiss(turn, other)
        for waiting in conversation.together(turn.contact, "waits"):
            conversation.place(turn, waiting.n, "talk")
        transfer.takes(turn, n)
        for called in [n for n, one in turn.contact.calls.items() if one.verb != "monitor"]:
            calling.take_back(turn, called)
        return
    conversation.changed(turn, n)


def _is_relieved(turn: Turn, leg: Leg, n: int) -> bool:
    """An agent is, wherever he is: on hold, asking somebody, or while his phone waits to hear how its REFER goes."""
    agent = leg.party == "agent" and not leg.mode and leg.n not in (n, turn.contact.customer.n)
    return agent and leg.state == "answered" and not leg.asked


def end(turn: Turn, given: inputs.Command) -> None:
    """monitor_end {agent: the leader}"""
    leader = str(given.body.get("agent", ""))
    leg = transfer.own_leg(turn, leader)
    called = [n for n, c in turn.contact.calls.items() if c.verb == "monitor" and c.to == f"agent:{leader}"]
    for n in called:
        calling.take_back(turn, n)
    if leg is not None and leg.mode:
        turn.emit("contact_monitored", agent=leader, mode="end", leg=turn.contact.leg_id(leg.n))
        leaving.shown_out(turn, leg)
    elif not called:
        transfer.answer(turn, given, (409, "no_monitor", "this agent does not monitor the contact"))
        return
    transfer.answer(turn, given, None)


def release(turn: Turn, given: inputs.Command) -> None:
    """强拆: {agent: the leader, to: "" (the call ends) | queue (the customer goes back to the head of his queue)}"""
    contact, back = turn.contact, str(given.body.get("to", "")) == "queue"
    if back and (contact.state != "talking" or not contact.customer.codec):  # a double click: he waits there already
        transfer.answer(turn, given, transfer.NOT_TALKING)
        return
    to_queue = back and contact.queue in turn.book.queues and contact.customer.alive
    if contact.state != "talking" or not to_queue or contact.customer.party != "customer":
        ending.finish(turn, ending.result(contact), "system", NORMAL)
        transfer.answer(turn, given, None)
        return
    transfer.only(turn, contact.customer.n)
    if turn.contact.state == "talking":  # else he waits there: nobody had him but who was called
        turn.end_segments("released")
        queueing.enter_queue(turn, contact.queue, since=contact.started_at)
    transfer.answer(turn, given, None)
