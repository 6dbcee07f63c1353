"""Waiting for an agent, of a queue or one certain agent: the question to the ACD, its answers, what is heard."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from lq.acd import lanes
from lq.config.documents import Queue
from lq.contacts import effects as do
from lq.contacts import ending, inbound, inputs, recording
from lq.contacts.contact import Line
from lq.contacts.turn import LEASE_MARGIN_MS, ONE_AGENT, Turn
from lq.media.prompts import position
from lq.trunks.causes import NORMAL, TEMPORARY_FAILURE

ASK_AGAIN_MS: Final = 10_000  # the safety net beside the notice
RETRY_MS: Final = 1_000  # Redis away


# -- into the line ------------------------------------------------------------------------------------------------
def enter_queue(turn: Turn, id: str, since: int = 0) -> None:
    """`since`: he stands as one who has waited since then; 0: since now."""
    queue = turn.book.queues.get(id)
    if queue is None:
        inbound.announce(turn, (turn.prompt("technical_error"),), f"end:failed:{TEMPORARY_FAILURE}")
        return
    queue = replace(queue, priority=queue.priority + turn.contact.priority)
    turn.segment("queue", queue=id)
    turn.emit("contact_queued", n=turn.n, queue=id, priority=queue.priority)
    _wait(turn, Line(id, lanes.lanes_of_contact(queue, since or turn.now), turn.now), queue)


def enter_agent_line(turn: Turn, agent: str) -> None:
    turn.segment("queue", agent=agent)
    _wait(turn, Line("", lanes.lanes_for_agent(agent, turn.now), turn.now, agent=agent), ONE_AGENT)


def _wait(turn: Turn, line: Line, queue: Queue) -> None:
    turn.set(state="queueing", line=line, queue=line.queue)
    recording.settle(turn)
    turn.deadline("max_wait", turn.now + queue.max_wait_s * 1000)
    if queue.position_every_s:
        turn.deadline("position", turn.now + queue.position_every_s * 1000)
    turn.play(turn.contact.customer.n, (turn.prompt("queue_welcome"),))
    ask(turn)


def noticed(turn: Turn, given: inputs.Notice) -> None:
    """An agent has been reserved for us: the ACD's answer says who."""
    ask(turn)


def ask(turn: Turn) -> None:
    """Ask the ACD; while one question is out, a second only makes it asked again."""
    line = turn.contact.line
    if line is None or turn.contact.state != "queueing":
        return
    if line.pending:
        turn.set(line=replace(line, again=True))
        return
    line = replace(line, request=line.request + 1, pending=True, again=False)
    turn.set(line=line)
    turn.deadline("ask", None)
    lease_ms = turn.queue.ring_s * 1000 + LEASE_MARGIN_MS
    turn.do(do.Ask(line.request, line.queue or f"agent-{line.agent}", line.lanes, lease_ms))


def answered_request(turn: Turn, request: int) -> Line | None:
    """The line, if this is the answer to its last question; the question is no longer out."""
    line = turn.contact.line
    if line is None or line.request != request:
        return None
    turn.set(line=replace(line, pending=False, again=False))
    return line


def waiting(turn: Turn, given: inputs.Waiting) -> None:
    line = answered_request(turn, given.request)
    if line is None:
        return
    turn.set(line=replace(line, pending=False, again=False, position=given.position))
    if given.signed_in == 0:
        leave(turn, "no_agent", "no_agent")
    elif line.again:
        ask(turn)
    else:
        turn.deadline("ask", turn.now + ASK_AGAIN_MS)


def ask_failed(turn: Turn, given: inputs.AskFailed) -> None:
    if answered_request(turn, given.request) is not None:
        turn.deadline("ask", turn.now + RETRY_MS)


def due(turn: Turn, given: inputs.Due) -> None:
    match given.name:
        case "ask":
            ask(turn)
        case "max_wait":
            leave(turn, "no_agent", "all_busy")
        case "position":
            _say_position(turn)


def _say_position(turn: Turn) -> None:
    line = turn.contact.line
    assert line is not None  # the deadline is set only while waiting
    every_s = turn.queue.position_every_s
    if not every_s:  # the heir's configuration is newer, and there it is not said
        return
    turn.deadline("position", turn.now + every_s * 1000)
    turn.play(turn.contact.customer.n, position(line.position, turn.book.settings.language))


def music(turn: Turn, given: inputs.Played) -> None:
    """An announcement has ended: music until the next one."""
    customer = turn.contact.customer
    if given.leg == customer.n and customer.play is not None and customer.play.id == given.play:
        turn.play(customer.n, (turn.queue.music,), repeat=0)


def leave(turn: Turn, reason: str, prompt: str) -> None:
    """Nobody will serve the caller: he is told so, then the call ends."""
    ending.left_line(turn, reason)
    turn.end_segments(reason)
    inbound.announce(turn, (turn.prompt(prompt),), f"end:no_agent:{NORMAL}")
