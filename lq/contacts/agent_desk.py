"""What contacts ask the live state about agents, beside a commit: the answers come as inputs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from lq.contacts import effects as do
from lq.contacts import inputs
from lq.live.errors import Conflict, Gone, LiveUnavailable
from lq.live.redis import Live


class AgentDesk:
    def __init__(self, live: Live, deliver: Callable[[str, inputs.Input], bool]) -> None:
        self._live, self._deliver = live, deliver
        self._asked: set[asyncio.Task[None]] = set()

    def perform(self, contact: str, effects: Sequence[do.Effect]) -> None:
        for effect in effects:
            if isinstance(effect, do.AskAgent):
                task = asyncio.create_task(self._ask(contact, effect), name=f"agent of {contact}")
                self._asked.add(task)
                task.add_done_callback(self._asked.discard)

    async def close(self) -> None:
        for task in self._asked:
            task.cancel()
        await asyncio.gather(*self._asked, return_exceptions=True)

    async def _ask(self, contact: str, asked: do.AskAgent) -> None:
        agent, why = asked.agent, ""
        try:
            agent, why = await self._who(asked)
            if not why:
                await self._do(agent, asked)
        except LiveUnavailable:
            why = "away"
        except (Conflict, Gone):
            why = "conflict"
        self._deliver(contact, inputs.AgentAsked(agent, why))

    async def _who(self, asked: do.AskAgent) -> tuple[str, str]:
        """Who is meant, and why that cannot be: a phone where another is signed in is his."""
        here = (await self._live.phone_state(asked.phone)).agent or ""
        if asked.agent and here not in ("", asked.agent):
            return asked.agent, "taken"
        agent = asked.agent or here
        return agent, "" if agent else "nobody"

    async def _do(self, agent: str, asked: do.AskAgent) -> None:
        match asked.op:
            case "sign_in":
                await self._live.agent(agent, "sign_in", phone=asked.phone, move=True)
            case "wrap_up_done":
                await self._live.agent(agent, "wrap_up", done=True)
            case op:
                await self._live.agent(agent, op, reason=asked.reason)
