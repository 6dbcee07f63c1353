"""Calls as their owner writes them, on the real live state but without SIP: all that the web sees of one is there."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from lq.contacts.contact import Contact, Leg, Offer, Recording, Segment
from lq.live.redis import Live
from lq.live.values import AgentOp, Reserved
from lq.trunks.numbers import Number
from tests.unit.ledger.lives import Life

NODE: Final = "lq1-aaaaaaaa"
ACCESS: Final = "4008001001"
DRAWN: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{12,}")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def spoken(text: str) -> str:
    """Without ids and marks that are drawn: any digits may stand in them."""
    return DRAWN.sub(lambda found: found[0] if found[0].isdecimal() else "", text)


def today_ms() -> int:
    """When today began where the center is."""
    now = datetime.now(ZoneInfo("Asia/Shanghai"))
    return round(now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000)


class LiveCall:
    """`await call.start()`, then what happens to it; each step is one commit with its events."""

    def __init__(self, live: Live, id: str, number: str = "13800138000", at: int | None = None) -> None:
        self.live, self.id = live, id
        self.life = Life(id, at or now_ms())
        self._written = 0
        self._fence = 0
        self.agent = ""
        e164 = f"+86{number}" if number.isdigit() else ""
        self.contact = Contact(
            id=id,
            state="arriving",
            direction="in",
            started_at=self.life.at,
            number=Number(number, e164, number, "mobile"),
            called=Number(ACCESS, f"+86{ACCESS}", ACCESS, "toll_free"),
            source="trunk:gw1",
            target="queue:sales",
            legs={1: Leg(1, "customer", "in", number, "answered", codec="PCMA")},
            recording=Recording(f"{id}-r1", "whole", 1, "active"),
        )

    async def _commit(self, *agents: AgentOp, over: bool = False, **changes: Any) -> None:
        self.contact = replace(self.contact, **changes)
        events = self.life.events[self._written :]
        self._written = len(self.life.events)
        snapshot = None if over else json.dumps(self.contact.to_json())
        await self.live.commit(self.id, node=NODE, epoch=1, snapshot=snapshot, events=events, agents=agents)

    def _segment(self, kind: str, **about: str) -> tuple[Segment, ...]:
        closed = [replace(s, ended_at=s.ended_at or self.life.at) for s in self.contact.segments]
        return (*closed, Segment(self.life.n, kind, self.life.at, **about))

    def _at(self) -> None:
        self.life.at = max(self.life.at, now_ms())

    async def start(self) -> LiveCall:
        self.life.start(self.contact.number.e164 or self.contact.number.raw, ACCESS)
        self.life.begin("contact_ivr_entered", flow="main", version=1)
        self.life.record("recording_planned", kind="whole").record("recording_active", leg=f"{self.id}.1", spool="x")
        await self._commit(state="ivr", segments=self._segment("ivr"))
        return self

    async def queue(self, queue: str = "sales", priority: int = 0) -> LiveCall:
        """Waits in it; offered at once if somebody is ready."""
        if found := await self.reserve(queue, priority):
            await self._offer(found)
        return self

    async def reserve(self, queue: str = "sales", priority: int = 0) -> Reserved | None:
        """Waits in it; whoever is reserved has not been offered it yet."""
        self._at()
        self.life.say("contact_ivr_left", n=self.life.n, reason="queue").queue(queue)
        await self._commit(state="queueing", queue=queue, segments=self._segment("queue", queue=queue))
        found = await self.live.ask(self.id, "1", {queue: self.life.at - priority})
        return found if isinstance(found, Reserved) else None

    async def _offer(self, found: Reserved) -> None:
        self._at()
        self.agent, self._fence = found.agent, found.reservation
        self.life.offer(found.agent)
        await self._commit(
            AgentOp(found.agent, found.reservation, "ringing", ttl_ms=3_600_000),
            state="offering",
            offer=Offer(found.agent, found.phone, found.reservation, 2),
            segments=(*self.contact.segments, Segment(self.life.n, "ring", self.life.at, agent=found.agent)),
            legs={**self.contact.legs, 2: Leg(2, "agent", "out", found.phone, "ringing", agent=found.agent)},
        )

    async def unanswered(self) -> LiveCall:
        """It has rung at the agent for long enough, and waits again."""
        self._at()
        self.life.say("contact_offer_ended", n=self.life.n, agent=self.agent, outcome="no_answer")
        await self._commit(
            AgentOp(self.agent, self._fence, "release", outcome="no_answer"),
            **{"state": "queueing", "offer": None, "segments": self._segment("queue", queue=self.contact.queue)},
            legs={1: self.contact.legs[1]},
        )
        self.agent = ""
        return self

    async def answer(self) -> LiveCall:
        """The agent whose phone rings."""
        self._at()
        self.life.answer(self.agent, self.contact.queue)
        await self._commit(
            AgentOp(self.agent, self._fence, "talking"),
            **{"state": "talking", "agent": self.agent, "answered_at": self.life.at},
            segments=self._segment("talk", queue=self.contact.queue, agent=self.agent),
            legs={n: replace(leg, state="answered", place="talk") for n, leg in self.contact.legs.items()},
        )
        return self

    async def held(self) -> LiveCall:
        """The agent has put the customer on hold."""
        self._at()
        self.life.begin("contact_held", by="agent", agent=self.agent)
        legs = {n: replace(leg, place="waits" if n == 1 else "talk") for n, leg in self.contact.legs.items()}
        await self._commit(segments=self._segment("hold", agent=self.agent), legs=legs)
        return self

    async def end(self, result: str = "answered", by: str = "caller", wrap_up_ms: int = 0) -> LiveCall:
        self._at()
        self.life.record("recording_closing").end(result, by)
        release = AgentOp(self.agent, self._fence, "release", outcome="answered", wrap_up_ms=wrap_up_ms)
        await self._commit(*([release] if self.agent else []), over=True)
        return self


def past_call(id: str, at: int, number: str, agent: str = "1001", queue: str = "sales", talk_ms: int = 34_000) -> Life:
    """The events of a call that is over: menu, queue, ring, talk, hold, talk; recorded."""
    life = Life(id, at).start(f"+86{number}").begin("contact_ivr_entered", flow="main", version=1)
    life.record("recording_planned", kind="whole").record("recording_active", leg=f"{id}.1", spool="x")
    life.wait(4000).say("contact_notice_played", prompt="notice_recorded", complete=True)
    life.wait(1000).say("contact_keys", n=1, node="menu", pii_digits="1")
    life.wait(500).say("contact_ivr_left", n=1, reason="queue").queue(queue)
    life.wait(3000).offer(agent).wait(2500).answer(agent, queue)
    life.wait(talk_ms // 2).begin("contact_held", by="agent").wait(4000).begin("contact_resumed", by="agent")
    life.wait(talk_ms // 2).record("recording_closing").end("answered")
    return life.say("leg_ended", leg=f"{id}.1", by="peer", cause=16)


def stored(life: Life, path: str, seconds: float, size: int, gaps: list[dict[str, Any]] | None = None) -> Life:
    """Its recording has reached the store."""
    started = life.events[0].at
    about = {"format": "alaw", "channels": 2, "duration_ms": round(seconds * 1000), "started_at": started}
    return life.record("recording_stored", path=path, **about, bytes=size, sha256=life.id, gaps=gaps or [])
