"""What goes on in the center while its pages are photographed: people talk, wait, hold, tidy up, ask for help."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Final

import asyncpg

from lq.ledger.projection import project
from lq.sdk import Client
from ops.home import read_secrets
from ops.services import DATABASE
from tests.center import Center
from tests.integration.web.calls import past_call
from tests.simulator import audio
from tests.simulator.call import Call
from tests.simulator.gateway import Answer, Gateway, Ring
from tests.simulator.place import Place
from tests.simulator.rtp import Media
from tests.simulator.softphone import Softphone
from tests.unit.ledger.lives import Life

SALES: Final = "4008001001"
WITHIN_S: Final = 30.0
PATIENT: Final = {"ring_s": 300, "wrap_up_s": 3600, "max_wait_s": 3600}  # what is photographed stands still
VIP, TWO, KNOWN = "13800138000", "01062558800", "13816550021"  # customers of the demo world
SCRIPT: Final = "您好，{客户}！这里是小灵呼销售部，我是{坐席}，工号 {工号}。\n请问有什么可以帮您？"
PAST: Final = (  # minutes ago, number, agent ("": nobody took it), queue
    *((12, "13911002001", "1003", "sales"), (25, "13505710088", "1001", "sales"), (31, "13800138000", "1001", "sales")),
    *((44, "13901230001", "", "sales"), (58, "02155667788", "1062", "support"), (83, "13816550021", "1008", "sales")),
    *(
        (97, "13700001234", "1001", "sales"),
        (121, "01088990011", "1061", "support"),
        (140, "13661234567", "", "support"),
    ),
    *(
        (171, "13800138000", "1002", "sales"),
        (199, "13911002002", "1005", "sales"),
        (236, "057188176600", "1004", "sales"),
    ),
)


@dataclass
class Floor:
    center: Center
    stack: AsyncExitStack
    media: Media
    gateway: Gateway
    lq: Client
    calls: list[Call] = field(default_factory=list)
    contacts: dict[str, str] = field(default_factory=dict)  # agent -> whom he talks with

    @classmethod
    async def open(cls, center: Center, stack: AsyncExitStack) -> Floor:
        place, media = Place.of(center), Media()
        stack.push_async_callback(asyncio.to_thread, media.close)
        gateway = await stack.enter_async_context(place.gateway(media=media))
        return cls(center, stack, media, gateway, await stack.enter_async_context(place.client()))

    async def fill(self) -> None:
        await self._configure()
        await self._history()
        for agent, number in (("1001", VIP), ("1002", "13701239876"), ("1003", KNOWN), ("1004", "13655554321")):
            await self.talks(agent, number)
        for agent in ("1005", "1006"):
            await self.talks(agent, f"1390013{agent}")
        await self.calls[-1].hang_up()  # 1006 tidies up
        await self.lq.hold(self.contacts["1003"], "1003")
        await self.signs_in("1007")
        await self.lq.pause("1007", "meal")
        await self.signs_in("1901")
        await self.lq.monitor(self.contacts["1005"], "1901", "listen")
        for agent in ("1061", "1062", "1063"):  # of support: nobody calls there
            await self.signs_in(agent)
        for n in range(3):
            await self._waits(f"1390013900{n}")
        await self.lq.ask_help(self.contacts["1002"], "1002")

    async def _configure(self) -> None:
        queue = dict((await self.lq.document("queues", "sales")).body)
        await self.lq.put_document("queues", "sales", {**queue, **PATIENT, "script": SCRIPT})

    async def _history(self) -> None:
        now = time.time_ns() // 1_000_000
        lives = [_past(now - minutes * 60_000, *rest) for minutes, *rest in PAST]
        secret = read_secrets(self.center.home).postgres
        rows = await asyncpg.connect(f"postgresql://lcall:{secret}@127.0.0.1:{self.center.ports.postgres}/{DATABASE}")
        for life in lives:
            numbered = [replace(event, id=f"{event.at}-{n}") for n, event in enumerate(life.events)]
            async with rows.transaction():
                await project(rows, numbered)
        await rows.close()

    # -- people --------------------------------------------------------------------------------------------------------

    async def signs_in(self, agent: str, *, rings: bool = False) -> Softphone:
        """At a phone that answers by itself, or `rings` for as long as it is let."""
        ext = str(int(agent) + 7000)
        place = Place.of(self.center)
        phone = await self.stack.enter_async_context(
            place.softphone(ext, self.media, Ring() if rings else Answer(0.2), orders=True)
        )
        await self.lq.sign_in(agent, ext)
        await self._until(agent, ("ready", "paused", "ringing", "reserved"))
        return phone

    async def talks(self, agent: str, number: str) -> None:
        """The only one who is ready for it."""
        phone = await self.signs_in(agent)
        call = await self.gateway.dial(number, SALES)
        talk = await phone.rings(WITHIN_S)
        await talk.answered()
        call.say(audio.TONES[len(self.calls) % len(audio.TONES)])
        talk.say(audio.TONES[(len(self.calls) + 5) % len(audio.TONES)])
        self.calls.append(call)
        await self._until(agent, ("talking",))
        self.contacts[agent] = (await self.lq.agent(agent)).contact or ""

    async def rings_at(self, agent: str) -> None:
        """Whoever has waited longest."""
        await self.signs_in(agent, rings=True)
        await self._until(agent, ("ringing",))

    async def _waits(self, number: str) -> None:
        call = await self.gateway.dial(number, SALES)
        await call.answered(WITHIN_S)
        self.calls.append(call)

    async def _until(self, agent: str, states: Sequence[str]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while (await self.lq.agent(agent)).state not in states:  # noqa: ASYNC110 - the live state is asked
                await asyncio.sleep(0.1)


def _past(at: int, number: Any, agent: Any, queue: Any) -> Life:
    """A call that was answered, or in whose queue nobody was free."""
    id = str(uuid.UUID(int=(at << 80) | (7 << 76) | (2 << 62) | uuid.uuid4().int >> 66))  # UUIDv7 of that moment
    if agent:
        return past_call(id, at, str(number).removeprefix("0"), agent, queue, talk_ms=40_000 + at % 160_000)
    life = Life(id, at).start(f"+86{number}").queue(queue).wait(41_000)
    return life.say("contact_dequeued", n=life.n, queue=queue, reason="abandoned").end("abandoned")
