"""All rtpengines of this center: which one takes a new leg, which of them live, and whose legs must move.

Each node watches each engine for itself: by a ping, and by the connection of its keys, which breaks at once when the
process dies. One that is back within LOST_S has restored its calls from its Redis; whoever has legs there looks
(`on_back`). One that stays away is lost (`on_lost`): its legs are made anew on another.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from lq.media.leg import MediaLeg, Peer
from lq.media.ng import MediaError, MediaRefused, MediaUnavailable
from lq.media.rtpengine import OFFERED, RtpEngine

log = structlog.get_logger()

PING_EVERY_S: Final = 0.3
PING_S: Final = 0.4
T = TypeVar("T")

LOST_S: Final = 1.5  # a restart takes 0.4 s with 200 calls


class EngineLost(MediaUnavailable):
    """The leg's rtpengine is given up: it must move."""


@dataclass(slots=True)
class _Health:
    silent_since: float | None = None  # seconds, monotonic
    lost: bool = False


class Engines:
    """`on_lost(engine)` and `on_back(engine)` are told once each; an engine is named by its ng address."""

    def __init__(self, engines: Sequence[RtpEngine]) -> None:
        self.on_lost: Callable[[str], None] = lambda engine: None
        self.on_back: Callable[[str], None] = lambda engine: None
        self._engines = {engine.id: engine for engine in engines}
        self._health = {engine.id: _Health() for engine in engines}
        self._legs: dict[str, str] = {}  # leg -> engine, of those that this node has made or changed
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, on_digit: Callable[[str, str, int], None]) -> None:
        """`on_digit(leg_id, key, duration_ms)`: each pressed key once."""
        for engine in self._engines.values():
            await engine.start(on_digit, self._told_back(engine.id))
            self._tasks.append(asyncio.create_task(self._watch(engine), name=f"watch rtpengine {engine.id}"))

    def hold_back(self, passed: Callable[[], Awaitable[None]]) -> None:
        """No command leaves before `passed()` returns."""
        for engine in self._engines.values():
            engine.hold_back(passed)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for engine in self._engines.values():
            await engine.close()

    # -- which -------------------------------------------------------------------------------------------------------
    def of(self, leg: MediaLeg) -> RtpEngine:
        """Where the leg is. Raises EngineLost, without asking it."""
        engine = self._there(leg)
        self._legs[leg.id] = engine.id
        return engine

    def _there(self, leg: MediaLeg) -> RtpEngine:
        engine = self._home(leg)
        if self._health[engine.id].lost:
            raise EngineLost(f"rtpengine {engine.id} is lost")
        return engine

    @property
    def load(self) -> Mapping[str, int]:
        """Legs of this node, by engine."""
        return Counter(self._legs.values())

    def let_go(self, leg_id: str) -> None:
        """Another node's from now on, or never made."""
        self._legs.pop(leg_id, None)

    def _home(self, leg: MediaLeg) -> RtpEngine:
        return self._engines.get(leg.engine) or next(iter(self._engines.values()))

    def lost(self, leg: MediaLeg) -> bool:
        return self._health[self._home(leg).id].lost

    def _for_a_new_leg(self, leg_id: str) -> RtpEngine:
        """The one with the fewest legs of this node, among those that answer."""
        answering = [id for id, health in self._health.items() if health.silent_since is None]
        there = [id for id, health in self._health.items() if not health.lost]
        load = self.load
        chosen = min(answering or there or list(self._engines), key=lambda id: load.get(id, 0))
        self._legs[leg_id] = chosen
        return self._engines[chosen]

    async def _made(self, leg_id: str, make: Callable[[RtpEngine], Awaitable[T]]) -> T:
        try:
            return await make(self._for_a_new_leg(leg_id))
        except BaseException:
            self.let_go(leg_id)  # or whoever sends bad descriptions would tip the scales for ever
            raise

    # -- whether they live ---------------------------------------------------------------------------------------------
    def _told_back(self, id: str) -> Callable[[], None]:
        return lambda: self.on_back(id)

    async def _watch(self, engine: RtpEngine) -> None:
        while True:
            began = time.monotonic()
            self._heard(engine.id, await engine.answers(within_s=PING_S), began)
            await asyncio.sleep(max(0.0, began + PING_EVERY_S - time.monotonic()))

    def _heard(self, id: str, answered: bool, now: float) -> None:
        health = self._health[id]
        if answered and health.silent_since is not None:
            was_lost, self._health[id] = health.lost, _Health()
            log.warning(
                "rtpengine answers again", engine=id, after_s=round(now - health.silent_since, 1), lost=was_lost
            )
            self.on_back(id)
        elif not answered and health.silent_since is None:
            health.silent_since = now
            log.warning("rtpengine does not answer", engine=id)
        elif not answered and not health.lost and now - (health.silent_since or now) > LOST_S:
            health.lost = True
            log.error("rtpengine is lost", engine=id)
            self.on_lost(id)

    # -- legs ----------------------------------------------------------------------------------------------------------
    async def incoming(self, leg_id: str, sdp: str, *, strict: bool = False) -> tuple[MediaLeg, str]:
        return await self._made(leg_id, lambda engine: engine.incoming(leg_id, sdp, strict=strict))

    async def outgoing(
        self,
        leg_id: str,
        codecs: tuple[str, ...] = OFFERED,
        event_type: int = 101,
        kind: str = "rtp",
        *,
        strict: bool = False,
    ) -> tuple[MediaLeg, str]:
        return await self._made(leg_id, lambda engine: engine.outgoing(leg_id, codecs, event_type, kind, strict=strict))

    async def move(self, leg: MediaLeg) -> tuple[MediaLeg, str]:
        """The leg anew, on an engine that answers, and the offer for its phone; its answer goes to `answered`.

        Raises EngineLost while all are lost: one that hangs would carry out, once it is back, what it was told
        meanwhile, and delete a call that it still has.
        """
        if all(health.lost for health in self._health.values()):
            raise EngineLost("every rtpengine is lost")
        return await self._for_a_new_leg(leg.id).moved(leg)

    async def answered(self, leg: MediaLeg, sdp: str) -> MediaLeg:
        return await self.of(leg).answered(leg, sdp)

    async def point(self, leg: MediaLeg, peer: Peer) -> MediaLeg:
        return await self.of(leg).point(leg, peer)

    async def listen(self, leg: MediaLeg) -> MediaLeg:
        return await self.of(leg).listen(leg)

    async def connect(self, a: MediaLeg, b: MediaLeg, *, apart: bool = False) -> tuple[MediaLeg, MediaLeg]:
        """These two hear each other, on one engine or on two. Keys pass between them, or (`blocked`) await `press`.

        `apart`: they are not to pass.
        """
        blocked = apart or not a.types_keys_as(b)
        return await asyncio.gather(self.of(a).join(a, b, blocked), self.of(b).join(b, a, blocked))

    async def press(self, leg: MediaLeg, key: str, duration_ms: int) -> MediaLeg:
        return await self.of(leg).press(leg, key, duration_ms)

    async def reoffer(self, leg: MediaLeg, sdp: str) -> tuple[MediaLeg, str]:
        return await self.of(leg).reoffer(leg, sdp)

    async def record(self, leg: MediaLeg, recording_id: str, contact_id: str) -> None:
        await self.of(leg).record(leg, recording_id, contact_id)

    async def stop_recording(self, leg: MediaLeg) -> None:
        await self.of(leg).stop_recording(leg)

    async def query(self, leg: MediaLeg) -> dict[str, Any]:
        return await self._there(leg).query(leg.id)

    async def knows(self, leg: MediaLeg) -> bool:
        """False: its engine answers, and has forgotten it."""
        try:
            await self.query(leg)
        except MediaRefused:
            return False
        except MediaUnavailable:
            return True  # not known: whoever wants something of it finds out
        return True

    async def delete(self, leg: MediaLeg) -> None:
        """What a lost engine still has of it, it forgets by itself (--timeout)."""
        self._legs.pop(leg.id, None)
        if not self.lost(leg):
            await self.of(leg).delete(leg.id)
            self._legs.pop(leg.id, None)

    async def forget(self, engine: str, leg_id: str) -> None:
        """An engine that is back has restored a leg that has moved away meanwhile."""
        try:
            await self._engines[engine].delete(leg_id)
        except MediaError as error:
            log.warning("a leg that has moved is still there", engine=engine, leg=leg_id, error=str(error))

    async def calls(self) -> list[tuple[str, str]]:
        """Engine and call-id of all that those have who are there."""
        there = [engine for id, engine in self._engines.items() if not self._health[id].lost]
        found: list[tuple[str, str]] = []
        for engine in there:
            try:
                found += [(engine.id, call) for call in await engine.calls()]
            except MediaUnavailable as error:
                log.warning("calls of an rtpengine not looked at", engine=engine.id, error=str(error))
        return found

    @property
    def spools(self) -> list[Path]:
        return [engine.spool for engine in self._engines.values()]

    def spool(self, leg: MediaLeg) -> Path:
        return self._home(leg).spool
