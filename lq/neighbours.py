"""The other lq nodes: who has died, and the adoption of what it owned (DESIGN §5).

A node is adopted only if its lease ran out by Redis TIME, our own link to Redis was whole for a lease, and it does not
answer OPTIONS: one that still hears SIP but lost Redis keeps its calls.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from lq.contacts.owner import Owner
from lq.live.errors import Alive, LiveError
from lq.live.redis import Live
from lq.live.values import Adopted, Lease
from lq.sip import events as sip
from lq.sip.agent import UserAgent

log = structlog.get_logger()

LOOK_S: Final = 0.25
ANSWER_S: Final = 0.4  # a node that lives answers OPTIONS in a millisecond; one that is stopped never does
AT_ONCE: Final = 20  # contacts adopted in one go: each re-points its media
PAUSE_S: Final = 0.02
STRAY_S: Final = 4.0  # a lease, and an adoption


class Neighbours:
    """`whole_for` says for how many seconds our link to Redis has been whole."""

    def __init__(
        self,
        incarnation: str,
        *,
        live: Live,
        owner: Owner,
        agent: UserAgent,
        message: Callable[[dict[str, object]], None],
        whole_for: Callable[[], float],
        lease_s: float,
        answers: Callable[[Lease], Awaitable[bool]] | None = None,
    ) -> None:
        self._incarnation, self._live, self._owner, self._agent = incarnation, live, owner, agent
        self._message, self._whole_for, self._lease_s = message, whole_for, lease_s
        self._answers = answers or answers_options
        self._gone: set[str] = set()  # incarnations whose contacts we have
        self._strays: list[tuple[float, str, sip.Stray]] = []

    async def watch(self) -> None:
        while True:
            try:
                if self._whole_for() >= self._lease_s:
                    await self._look()
            except LiveError as error:
                log.warning("neighbours not seen: live state away", error=str(error))
            self._settle_strays()
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        for lease in await self._live.leases("lq", lapsed=True):
            if lease.incarnation != self._incarnation and not await self._answers(lease):
                await self._adopt(lease)

    async def _adopt(self, lease: Lease) -> None:
        dead = lease.incarnation
        try:
            found = await self._live.adopt(self._incarnation, dead)
        except Alive:
            return  # it has come back while we asked
        if found:
            log.warning("contacts adopted", dead=dead, contacts=len(found))
        for n, adopted in enumerate(found, start=1):
            await self._take(adopted)
            if n % AT_ONCE == 0:
                self._settle_strays()
                await asyncio.sleep(PAUSE_S)
        self._gone.add(dead)
        self._settle_strays()
        for _, message in await self._live.inbox(dead, block_ms=0):  # what it was told and did not live to hear
            self._message(message)

    async def _take(self, adopted: Adopted) -> None:
        try:
            self._owner.adopt(adopted.contact, adopted.epoch, adopted.snapshot)
        except (ValueError, KeyError, TypeError) as error:
            # nobody could ever carry it on; its agents at least are free again
            log.error("contact cannot be read; it is closed", contact=adopted.contact, error=repr(error))
            await self._live.commit(adopted.contact, node=self._incarnation, epoch=adopted.epoch, snapshot=None)

    # -- requests for dialogs that we do not hold ---------------------------------------------------------------------
    def stray(self, event: sip.Stray, incarnation: str, now: float) -> None:
        """A request inside a dialog of `incarnation` (its Contact's `i`): it waits for an adoption that may come."""
        if incarnation in ("", self._incarnation) or incarnation in self._gone:
            self._agent.refuse(event, 481, now=now)
        else:
            self._strays.append((time.monotonic() + STRAY_S, incarnation, event))

    def _settle_strays(self) -> None:
        now, kept = asyncio.get_running_loop().time(), []
        for until, incarnation, event in self._strays:
            if self._agent.redeliver(event, now=now):
                continue
            if incarnation in self._gone:
                self._agent.refuse(event, 481, now=now)
            elif time.monotonic() > until:
                self._agent.refuse(event, 503, {"Retry-After": "1"}, now=now)
            else:
                kept.append((until, incarnation, event))
        self._strays = kept
        self._owner.flush()


class _Probe(asyncio.DatagramProtocol):
    def __init__(self, contact: bytes, answered: asyncio.Future[bool]) -> None:
        self._contact, self._answered = contact, answered

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not self._answered.done():
            self._answered.set_result(self._contact in data)

    def error_received(self, exc: Exception) -> None:
        if not self._answered.done():
            self._answered.set_result(False)  # nobody listens there


async def answers_options(lease: Lease) -> bool:
    """Whether this very incarnation answers a SIP OPTIONS, whatever it says; its successor has the same address."""
    host, _, port = lease.address.rpartition(":")
    contact = f";i={lease.incarnation}>".encode()
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[bool] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Probe(contact, answered), remote_addr=(host, int(port)))
    try:
        own = "{}:{}".format(*transport.get_extra_info("sockname"))
        token = secrets.token_hex(8)
        lines = (
            f"OPTIONS sip:lq@{lease.address} SIP/2.0",
            f"Via: SIP/2.0/UDP {own};rport;branch=z9hG4bK{token}",
            "Max-Forwards: 1",
            f"From: <sip:lq@{own}>;tag={token}",
            f"To: <sip:lq@{lease.address}>",
            f"Call-ID: {token}",
            "CSeq: 1 OPTIONS",
            "Content-Length: 0",
        )
        transport.sendto("\r\n".join((*lines, "", "")).encode())
        async with asyncio.timeout(ANSWER_S):
            return await answered
    except TimeoutError:
        return False
    finally:
        transport.close()
