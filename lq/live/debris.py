"""What may have been left behind in the live state: where it would be, and the setting right of one thing (mend)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lq.live import keys
from lq.live.redis import Live
from lq.live.values import Mended


class Debris:
    """Reads and mends through a Live, of whose room it is; raises what that raises."""

    def __init__(self, live: Live) -> None:
        self._live = live

    async def mend(self, node: str, what: str, about: str, older_ms: int = 0) -> Mended | None:
        """Set one thing right, if it still is wrong when Redis looks; None: it is in order (docs/contracts.md §2).

        Raises BadRequest while nodes say again what they hold.
        """
        answer = await self._live._call("mend", node=node, what=what, about=about, older_ms=older_ms)
        return Mended(int(answer.get("epoch") or 0), answer.get("snapshot") or "") if answer["mended"] else None

    async def owners(self, contacts: Sequence[str]) -> dict[str, str | None]:
        """The incarnation that owns each; None for one of which nothing is known."""
        return await self._field("owner", {id: keys.contact(id) for id in contacts})

    async def unbound(self) -> list[str]:
        """Agents signed in who are bound to a contact that is not bound to them.

        In wrap-up one still knows his contact, and is bound to none: he has no fence.
        """
        agents = list(await self._live._guard(self._live._redis.smembers(keys.AGENTS)))
        pipe = self._live._redis.pipeline(transaction=False)
        for agent in agents:
            pipe.hmget(keys.agent(agent), "contact", "fence")
        found = await self._live._guard(pipe.execute())
        bound = {agent: contact for agent, (contact, fence) in zip(agents, found, strict=True) if contact and fence}
        pipe = self._live._redis.pipeline(transaction=False)
        for agent, contact in bound.items():
            pipe.hexists(keys.contact(contact), f"with:{agent}")
        known = await self._live._guard(pipe.execute())
        return [agent for agent, knows in zip(bound, known, strict=True) if not knows]

    async def nobodies(self) -> list[str]:
        """Agents signed in whom the configuration does not know: it forgot them in the moment in which they came."""
        known = await self._live.configured("agents")
        return sorted(set(await self._live._guard(self._live._redis.smembers(keys.AGENTS))) - set(known))

    async def strangers(self, phones: Sequence[str]) -> list[str]:
        """Phones that an agent is said to use who does not."""
        found = await self._field("agent", {ext: keys.phone(ext) for ext in phones})
        used = {ext: agent for ext, agent in found.items() if agent}
        at = await self._field("phone", {agent: keys.agent(agent) for agent in used.values()})
        return [ext for ext, agent in used.items() if at[agent] != ext]

    async def nobodys_places(self, lanes: Sequence[str]) -> list[tuple[str, str]]:
        """Places in line of contacts that do not wait there: (lane, contact)."""
        pipe = self._live._redis.pipeline(transaction=False)
        for lane in lanes:
            pipe.zrange(keys.lane_contacts(lane), 0, -1)
        found: list[list[str]] = await self._live._guard(pipe.execute())
        places = [(lane, contact) for lane, contacts in zip(lanes, found, strict=True) for contact in contacts]
        lanes_of = await self._field("lanes", {contact: keys.contact(contact) for _, contact in places})
        return [(lane, contact) for lane, contact in places if lane not in json.loads(lanes_of[contact] or "{}")]

    async def _field(self, name: str, hashes: Mapping[str, str]) -> dict[str, Any]:
        """One field of many hashes."""
        pipe = self._live._redis.pipeline(transaction=False)
        for key in hashes.values():
            pipe.hget(key, name)
        return dict(zip(hashes, await self._live._guard(pipe.execute()), strict=True))
