"""What was left behind is found and mended: live state against nodes, SIP dialogs and rtpengine, in slow sweeps.

Nothing should ever be left behind; this is for what nobody thought of. So it acts late rather than wrongly: what is
young, or was in order at the last sweep, is left alone; Redis looks once more before it changes anything; each mend is
an event (`node_mended`), a figure and a line in the log.

Each node looks after what it owns. What is nobody's is the business of one, the first of those that live.
"""

from __future__ import annotations

import asyncio
import re
import time
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import structlog

from lq import telemetry
from lq.contacts import inputs
from lq.contacts.contact import Contact
from lq.contacts.owner import Owner
from lq.live.debris import Debris
from lq.live.errors import LiveError
from lq.live.redis import Live
from lq.live.values import Lease
from lq.probe import incarnation_at

log = structlog.get_logger()

SWEEP_S: Final = 10.0
YOUNG_MS: Final = 30_000
AT_ONCE: Final = 200  # looked at once more in one sweep: the next goes on behind them
_LEG: Final = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(\d{1,4})")
MENDED: Final = telemetry.counter("mended", "things left behind that were set right", ["what"])

Suspect = tuple[str, str]  # what, about: as `mend` takes them
Call = tuple[str, str]  # rtpengine, call-id


class Reconciler:
    """`passed` returns when this node may act; `whole_for`: for how many seconds our link to Redis has been whole."""

    def __init__(
        self,
        incarnation: str,
        *,
        live: Live,
        owner: Owner,
        calls: Callable[[], Awaitable[list[Call]]],
        delete_call: Callable[[str, str], Awaitable[None]],
        passed: Callable[[], Awaitable[None]],
        whole_for: Callable[[], float],
        now: Callable[[], int] = lambda: int(time.time() * 1000),
        incarnation_at: Callable[[str], Awaitable[str]] = incarnation_at,
    ) -> None:
        self._incarnation, self._live, self._owner = incarnation, live, owner
        self._debris = Debris(live)
        self._calls, self._delete_call = calls, delete_call
        self._passed, self._whole_for, self._now = passed, whole_for, now
        self._incarnation_at = incarnation_at
        self._suspects: set[Suspect] = set()  # of the last sweep
        self._looked_at: Suspect = "", ""  # the last
        self._seen_at: set[str] = set()  # host:port of all nodes that we have known

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            await self._passed()
            if self._whole_for() < SWEEP_S:
                self._suspects.clear()  # what was seen before Redis was away proves nothing
                continue
            try:
                await self.sweep()
            except LiveError as error:
                log.warning("sweep broken off", error=str(error))

    async def sweep(self) -> None:
        """Mends what this sweep and the last have found."""
        calls = [call for call in await self._calls() if _LEG.fullmatch(call[1])]
        contacts = set(await self._live.contacts())
        alive = await self._live.leases("lq")
        self._seen_at |= {lease.address for lease in [*alive, *await self._live.leases("lq", lapsed=True)]}
        found = {*await self._ours(contacts), *_lost_legs(self._owner), *self._dead_calls(calls)}
        if self._incarnation == min((lease.incarnation for lease in alive), default=""):
            found |= {*await self._nobodys(contacts, alive), *self._calls_of_nobody(calls, contacts)}
        again, self._suspects = found & self._suspects, found
        if any(self._is_nobodys_call(*suspect) for suspect in again) and await self._is_somebody_cut_off(alive):
            again = {suspect for suspect in again if not self._is_nobodys_call(*suspect)}
        for suspect in self._next(again):
            await self._passed()
            self._looked_at = suspect
            await self._mend(*suspect)

    def _next(self, again: Iterable[Suspect]) -> list[Suspect]:
        """From where the last sweep stopped, round and round: many who are in order, when Redis looks, hide nobody."""
        row = sorted(again)
        start = bisect_right(row, self._looked_at)
        return [*row[start:], *row[:start]][:AT_ONCE]

    # -- what is ours -------------------------------------------------------------------------------------------------
    async def _ours(self, contacts: set[str]) -> Iterable[Suspect]:
        """Contacts that Redis says are ours and we do not hold."""
        owned = await self._live.owned(self._incarnation)
        return [("lost", id) for id in owned if id in contacts and not self._owner.holds(id)]

    def _dead_calls(self, calls: Iterable[Call]) -> Iterable[Suspect]:
        """rtpengine calls of legs of ours that have ended, or have moved to another."""
        for engine, call in calls:
            id, n = _leg_of(call)
            held = self._owner.held(id)
            if held is None or any(leg.alive and leg.media is None for leg in held.legs.values()):
                continue  # another's, or one is just being made
            media = held.legs[n].media if n in held.legs else None
            if media is None or media.get("engine", "") not in ("", engine):
                yield "call", f"{engine} {call}"

    # -- what is nobody's ---------------------------------------------------------------------------------------------
    def _calls_of_nobody(self, calls: Iterable[Call], contacts: set[str]) -> Iterable[Suspect]:
        for engine, call in calls:
            id, _ = _leg_of(call)
            if id not in contacts and not self._owner.holds(id) and self._now() - _born(id) > YOUNG_MS:
                yield "call", f"{engine} {call}"

    def _is_nobodys_call(self, what: str, about: str) -> bool:
        return what == "call" and not self._owner.holds(_leg_of(about.rpartition(" ")[2])[0])

    async def _is_somebody_cut_off(self, alive: Sequence[Lease]) -> bool:
        """A node without Redis talks on, and begins calls with an edge that has none either: only it knows of them."""
        without = sorted(self._seen_at - {lease.address for lease in alive})
        there = await asyncio.gather(*(self._incarnation_at(address) for address in without))
        nodes = sorted({*there} - {""})
        if nodes:
            log.warning("calls of nobody are left alone: a node answers that has no lease", nodes=nodes)
        return bool(nodes)

    async def _nobodys(self, contacts: set[str], alive: Sequence[Lease]) -> list[Suspect]:
        living = {lease.incarnation for lease in alive}
        owners = await self._debris.owners(sorted(contacts)) if contacts else {}
        found = [("contact", id) for id, owner in owners.items() if owner not in living]
        found += [("agent", agent) for agent in (*await self._debris.unbound(), *await self._debris.nobodies())]
        found += await self._places()
        found += [("phone", ext) for ext in await self._debris.strangers(await self._live.configured("phones"))]
        for trunk in await self._live.configured("trunks"):
            held = (await self._live.channels(trunk)).values()
            found += [("channel", f"{trunk} {leg}") for leg in held if leg.rpartition(".")[0] not in contacts]
        return found

    async def _places(self) -> list[Suspect]:
        queues, agents = await self._live.configured("queues"), await self._live.configured("agents")
        nobody = await self._debris.nobodys_places([*queues, *(f"agent:{agent}" for agent in agents)])
        return [("place", f"{lane} {contact}") for lane, contact in nobody]

    # -- mending ------------------------------------------------------------------------------------------------------
    async def _mend(self, what: str, about: str) -> None:
        if what == "lost":
            await self.take(about)
        elif what == "dialog":
            id, n = _leg_of(about)
            self._owner.deliver(id, inputs.Ended(n, "gone"))
        done = await self._debris.mend(self._incarnation, what, about, YOUNG_MS)
        if done is None:
            return
        MENDED.labels(what).inc()
        log.warning("left behind and mended", what=what, about=about)
        if what == "call":  # Redis has looked: it is no other node's
            await self._delete_call(*about.split(" ", 1))
        if done.snapshot:
            await self._owner.take_over(about, done.epoch, done.snapshot)

    async def take(self, contact: str) -> asyncio.Event | None:
        """Ours by Redis, and we never heard of it: the message about it was lost. The event: as Owner.take_over."""
        found = await self._live.contact(contact)
        if found is None or found.owner != self._incarnation or self._owner.holds(contact):
            return None
        return await self._owner.take_over(contact, found.epoch, found.snapshot)


def _lost_legs(owner: Owner) -> Iterable[Suspect]:
    """Legs of ours that should talk and have no dialog, and the first leg of a contact none of whose legs lives."""
    for id, contact in owner.all_held().items():
        yield from (("dialog", f"{id}.{n}") for n in _without_dialog(contact, owner.dialogs(id)))


def _without_dialog(contact: Contact, dialogs: set[int]) -> Iterable[int]:
    if contact.state in ("ending", "over"):
        return
    yield from (n for n, leg in contact.legs.items() if leg.state == "answered" and n not in dialogs)
    if contact.legs and not any(leg.alive for leg in contact.legs.values()):
        yield min(contact.legs)


def _leg_of(call: str) -> tuple[str, int]:
    id, _, n = call.rpartition(".")
    return id, int(n)


def _born(contact: str) -> int:
    """ms of the epoch: a UUIDv7 begins with it (RFC 9562 §5.7)."""
    return int(contact.replace("-", "")[:12], 16)
