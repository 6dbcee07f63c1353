"""Which lanes an agent serves and a contact waits in, and with which score (DESIGN §7). Pure.

A lane is a line of contacts and of the agents who may serve it. Queue `sales` is lane `sales`; every agent also serves
`agent:<id>`, where whoever wants exactly him waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lq.acd.strategies import Key, key
from lq.config.documents import Agent, Queue


def own_lane(agent: str) -> str:
    """The lane of those who want this agent and nobody else."""
    return f"agent:{agent}"


def lanes_of_agent(agent: Agent, queues: Mapping[str, Queue]) -> dict[str, Key]:
    """Lane -> strategy key for a signed-in agent; a queue that no longer exists is left out."""
    served = {id: key(queues[id].strategy, _place(agent.id, queues[id])) for id in agent.queues if id in queues}
    return {**served, own_lane(agent.id): 0}


def _place(agent: str, queue: Queue) -> int:
    """Whom the queue's order does not name comes behind all whom it names."""
    return queue.agent_order.index(agent) if agent in queue.agent_order else len(queue.agent_order)


def waiting_score(wait_start: int, priority: int, ageing_ms: int) -> int:
    """Place in line: the smallest is served first.

    Each step of priority is worth `ageing_ms` of waiting, so the order of two contacts never changes while they wait.
    """
    return wait_start - priority * ageing_ms


def lanes_of_contact(queue: Queue, wait_start: int, priority: int = 0) -> dict[str, int]:
    """Lane -> score for a contact that waits in `queue` since `wait_start` (ms); `priority` adds to the queue's own."""
    return {queue.id: waiting_score(wait_start, queue.priority + priority, queue.ageing_ms)}


def lanes_for_agent(agent: str, wait_start: int, priority: int = 0, ageing_ms: int = 60_000) -> dict[str, int]:
    """Lane -> score for a contact that wants this agent."""
    return {own_lane(agent): waiting_score(wait_start, priority, ageing_ms)}


def queue_of(lane: str) -> str | None:
    """The queue a lane belongs to; None for an agent's own."""
    if lane.startswith("agent:"):
        return None
    for mark in "/+>":
        lane = lane.split(mark, 1)[0]
    return lane


def to_header(lanes: Mapping[str, int]) -> str:
    """As the value of X-LQ-Lanes: `sales=1764000000000;agent:1001=0`."""
    return ";".join(f"{lane}={score}" for lane, score in lanes.items())


def from_header(value: str) -> dict[str, int]:
    """The lanes in an X-LQ-Lanes header. Raises ValueError when it is malformed or names no lane."""
    lanes: dict[str, int] = {}
    for part in _parts(value):
        lane, equals, score = part.rpartition("=")
        if not equals or not lane:
            raise ValueError(f"X-LQ-Lanes: {part!r} is not lane=score")
        lanes[lane] = int(score)
    if not lanes:
        raise ValueError("X-LQ-Lanes names no lane")
    return lanes


def _parts(value: str) -> Iterable[str]:
    return (part.strip() for part in value.split(";") if part.strip())
