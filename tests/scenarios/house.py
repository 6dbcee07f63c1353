"""A center of its own, where the node that owns a contact is killed whenever a test wants it.

    await house.stage.opens("in")
    await house.owner_is_killed()                  # at once; `owner_dies` waits for what follows
    await house.stage.insists("hold")              # the next command, answered by the other node

Who is killed comes back, for the next time.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from lq.live.redis import Live
from lq.sdk import ApiError
from lq.sdk.client import _checked
from ops.home import read_secrets
from tests.center import Center
from tests.scenarios.conftest import NODES, Scene, is_read
from tests.scenarios.stage import MOBILE, MOBILE_NUMBER, Stage, documents
from tests.simulator.call import Call
from tests.simulator.events import Events
from tests.simulator.gateway import Ring
from tests.simulator.place import Place
from tests.simulator.rtp import Media

ADOPTED_S: Final = 30.0
BACK_S: Final = 60.0  # the runner waits longer and longer when a service ends soon again


@dataclass
class House:
    center: Center
    live: Live
    stage: Stage
    killed: dict[str, int] = field(default_factory=dict)  # node → the pid that is no more

    async def owner(self, contact: str = "") -> str:
        """The incarnation that owns the contact; "" while it is a dead one's."""
        state = await self.live.contact(contact or self.stage.contact)
        alive = {lease.incarnation for lease in await self.live.leases("lq")}
        return state.owner if state is not None and state.owner in alive else ""

    async def living_owner(self, contact: str = "") -> str:
        async with asyncio.timeout(ADOPTED_S):
            while not (found := await self.owner(contact)):  # noqa: ASYNC110 - Redis tells nobody
                await asyncio.sleep(0.02)
        return found

    async def all_nodes_live(self) -> None:
        """Those that were killed have come back."""
        for node, pid in self.killed.items():
            await self.center.back(node, pid, BACK_S)
        self.killed.clear()
        async with asyncio.timeout(ADOPTED_S):
            while len(await self.live.leases("lq")) < len(NODES):  # noqa: ASYNC110 - Redis tells nobody
                await asyncio.sleep(0.02)

    def kill(self, incarnation: str) -> None:
        node = self.center.node_of(incarnation)
        self.killed[node] = self.center.kill(node)

    async def owner_is_killed(self, contact: str = "") -> None:
        """While another node lives, and at once: nobody has adopted anything yet."""
        await self.all_nodes_live()
        self.kill(await self.living_owner(contact))

    async def least_loaded_is_killed(self) -> None:
        """Who would get the next call from a desk."""
        await self.all_nodes_live()
        self.kill(min(await self.live.leases("lq"), key=lambda lease: (lease.load, lease.id)).incarnation)

    async def owner_dies(self, contact: str = "") -> None:
        """Returns when another node owns the contact, and the dead one is back, for the next time."""
        await self.owner_is_killed(contact)
        await self.living_owner(contact)
        await self.all_nodes_live()

    async def apart(self, contact: str, other: str) -> None:
        """The two are at two nodes: the second one moves if it is where the first one is."""
        await self.all_nodes_live()
        owner = await self.living_owner(contact)
        if await self.living_owner(other) != owner:
            return
        [to] = [lease.incarnation for lease in await self.live.leases("lq") if lease.incarnation != owner]
        await self.live.send(owner, {"type": "hand_over", "contact": other, "to": to})
        async with asyncio.timeout(ADOPTED_S):
            while await self.owner(other) != to:  # noqa: ASYNC110 - Redis tells nobody
                await asyncio.sleep(0.02)

    def _calls_at(self, role: str) -> list[Call]:
        """All that the center has made to this party, in their order."""
        if role != MOBILE:
            return [call for call in self.stage.phones[role].calls if call.direction == "out"]
        assert self.stage.network is not None
        return [call for call in self.stage.network.calls if call.called == MOBILE_NUMBER]

    def ringing(self, role: str) -> list[Call]:
        """Those that he could answer."""
        return [call for call in self._calls_at(role) if not {"answered", "ended"} & call.times.keys()]

    async def call_at(self, role: str, within_s: float = 20.0, contact: str = "") -> Call:
        """What rings at this party's phone on behalf of a node that lives: a dead one's call is ended."""
        async with asyncio.timeout(within_s):
            while True:
                owner = await self.living_owner(contact)
                for call in self.ringing(role):
                    if f"i={owner}" in call.far_end and call.times.keys() & {"ringing", "progress"}:
                        return call
                await asyncio.sleep(0.02)

    async def answers(self, role: str, within_s: float = 20.0, contact: str = "") -> Call:
        """Whatever rings, also what a dead node has called, until he is in the contact."""
        async with asyncio.timeout(within_s):
            while True:
                for call in self.ringing(role):
                    call.answer()
                if call := await self.is_in(role, contact):
                    return self.stage.joins(role, call)
                await asyncio.sleep(0.02)

    async def is_in(self, role: str, contact: str = "") -> Call | None:
        """His call, if he talks in the contact by his phone's account and by that of the center."""
        there = await self.has(role, contact)
        up = [call for call in self._calls_at(role) if call.is_up]
        return up[0] if there and len(up) == 1 else None

    async def has(self, role: str, contact: str = "") -> bool:
        """Whether he talks in the contact, by the account of the center."""
        await self.living_owner(contact)
        party = {self.stage.id(role), MOBILE_NUMBER} if role == MOBILE else {self.stage.id(role)}
        legs = (await self.stage.scene.lq.contact(contact or self.stage.contact)).legs
        return any(leg.state == "answered" and party & {leg.agent, leg.address} for leg in legs)

    async def insists(self, order: Callable[[], Awaitable[object]], within_s: float = 20.0) -> None:
        """Something that may be said twice, until a node answers it."""
        async with asyncio.timeout(within_s):
            while True:
                try:
                    await order()
                    return
                except ApiError as refused:
                    if refused.status != 503:
                        raise
                await asyncio.sleep(0.1)

    async def places(self, agent: str, to: str, within_s: float = 20.0) -> str:
        """Click to dial, under one Idempotency-Key until a node answers; its contact. Raises lq.sdk.ApiError."""
        lq, headers = self.stage.scene.lq, {"Idempotency-Key": str(uuid.uuid4())}
        async with asyncio.timeout(within_s):
            while True:
                answer = await lq._send("POST", "/v1/contacts", json={"agent": agent, "to": to}, headers=headers)
                if answer.status_code != 503 and "in_progress" not in answer.text:
                    return str(_checked(answer)["id"])
                await asyncio.sleep(0.1)

    async def network(self) -> None:
        """The telephone network is there, and rings whoever is called."""
        (await self.stage.outside()).rule = lambda number: Ring()

    async def is_empty(self) -> None:
        """Nothing is left of any call."""
        async with asyncio.timeout(ADOPTED_S):
            while await self.live.contacts() or await self.live.channels("gw1"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


@pytest.fixture
async def house(killed_center: Center, tmp_path: Path) -> AsyncIterator[House]:
    center = killed_center
    place, media = Place.of(center), Media()
    async with AsyncExitStack() as stack:
        live = Live(
            f"redis://ops:{read_secrets(center.home).redis['ops']}@127.0.0.1:{center.ports.redis}/0", timeout_s=5
        )
        stack.push_async_callback(live.close)
        stack.push_async_callback(asyncio.to_thread, media.close)
        lq = await stack.enter_async_context(place.client())
        events = await stack.enter_async_context(Events(lq))
        gateway = await stack.enter_async_context(place.gateway(media=media))
        scene = Scene(place, lq, events, gateway, media, tmp_path, stack)
        done = center.path / "stages.done"
        if not done.exists():
            for kind, id, body in documents():
                await lq.put_document(kind, id, body)
            done.touch()
        await is_read(center, (await lq.health()).config_version or 0)
        async with AsyncExitStack() as exchange:
            new = House(center, live, Stage(scene, 0, exchange))
            await new.all_nodes_live()
            yield new
        assert gateway.wire.faults == []
