"""What a node remembers of the live state, to say it again to a Redis that has forgotten (DESIGN §5). Pure.

It follows the event stream, so it knows the last word on every agent, and all that was written in the last 30 s.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from typing import Final

from lq.acd.agent import SIGNED_OUT
from lq.acd.lanes import lanes_of_agent
from lq.config.documents import Agent, Queue
from lq.ledger.events import Event
from lq.live.values import Recalled

RECENT_MS: Final = 30_000
MOST: Final = 100_000  # events, however many there are in 30 s

Key = tuple[str, int]


class Memory:
    def __init__(self) -> None:
        self._agents: dict[str, Event] = {}
        self._recent: deque[Event] = deque(maxlen=MOST)

    def see(self, event: Event) -> None:
        """An event of the stream, or one that was committed; each may come twice."""
        self._recent.append(event)
        while self._recent and self._recent[0].at < event.at - RECENT_MS:
            self._recent.popleft()
        if event.type == "agent_state_changed":
            agent = str(event.data["agent"])
            known = self._agents.get(agent)
            if known is None or known.seq < event.seq:
                self._agents[agent] = event

    def agent(self, id: str) -> Event | None:
        """The last that was said of an agent."""
        return self._agents.get(id)

    def missing(self, present: Collection[Key]) -> list[Event]:
        """Events of the last 30 s whose (subject, seq) are not among those present, in their order."""
        found = {(event.subject, event.seq): event for event in self._recent}
        return [event for key, event in found.items() if key not in present]

    def recalled(self, agents: Mapping[str, Agent], queues: Mapping[str, Queue]) -> list[Recalled]:
        """The last word on each agent whom the configuration knows."""
        return [_recalled(event, agents[id], queues) for id, event in self._agents.items() if id in agents]


def _recalled(event: Event, agent: Agent, queues: Mapping[str, Queue]) -> Recalled:
    data = event.data
    return Recalled(
        agent=agent.id,
        name=agent.name,
        state=str(data.get("state", SIGNED_OUT)),
        since=int(data.get("since", event.at)),
        seq=event.seq,
        phone=str(data.get("phone", "")),
        lanes=lanes_of_agent(agent, queues),
        reason=data.get("reason"),
        next=data.get("next"),
        contact=data.get("contact"),
    )
