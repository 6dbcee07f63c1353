"""One lq node: the composition root. `python -m lq.node lq1` with the variables of docs/contracts.md §1."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import secrets
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from lq import process
from lq.config.book import Book
from lq.config.documents import KINDS
from lq.contacts import inputs
from lq.contacts.media_desk import MediaDesk
from lq.contacts.owner import Owner
from lq.contacts.sip_desk import SipDesk
from lq.live.errors import LiveError
from lq.live.redis import Live
from lq.media.mixer.client import Mixer
from lq.media.rtpengine import RtpEngine
from lq.neighbours import Neighbours
from lq.sip.agent import UserAgent
from lq.sip.events import Event, Incoming, Stray
from lq.sip.shell import Shell

log = structlog.get_logger()

LEASE_MS: Final = 2_000
RENEW_S: Final = 0.5
MAX_CONTACTS: Final = 1_000  # beyond it new INVITEs get 503 and Kamailio tries the next node (R12)
_USER: Final = re.compile(r"sips?:([^@;>]*)@", re.IGNORECASE)
_INCARNATION: Final = re.compile(r";i=([^;>?]+)")
_TEL: Final = re.compile(r"tel:([^;>]*)", re.IGNORECASE)


def address(name: str) -> tuple[str, int]:
    """host:port from an environment variable; ends the process with one sentence if it is no address."""
    host, _, port = process.variable(name).rpartition(":")
    if not host or not port.isdigit():
        sys.exit(f"{name}={process.variable(name)}: expected host:port")
    return host, int(port)


def user_of(value: str) -> str:
    """The user part of the first SIP or tel URI in a header value, "" if there is none."""
    found = _USER.search(value) or _TEL.search(value)
    return found[1] if found else ""


def caller_of(headers: Mapping[str, Sequence[str]], from_: str) -> str:
    """Who calls: the identity that the network vouches for, else From; "anonymous" when he withholds it.

    `headers` by lower-case name. `Privacy: id` lets the network know and nobody be shown (RFC 3325 §9.3).
    """
    privacy = {token.strip().lower() for value in headers.get("privacy", ()) for token in value.split(";")}
    if privacy & {"id", "user", "header"}:
        return "anonymous"
    return user_of(headers.get("p-asserted-identity", [from_])[0])


def contact_id(now_ms: int) -> str:
    """A UUIDv7 (RFC 9562 §5.7): sorts by time."""
    random_bits = secrets.randbits(74)
    value = (
        (now_ms & (1 << 48) - 1) << 80
        | 0x7 << 76
        | (random_bits >> 62) << 64
        | 0b10 << 62
        | random_bits & (1 << 62) - 1
    )
    return str(uuid.UUID(int=value))


@dataclass(slots=True)
class Node:
    id: str
    incarnation: str
    listen: tuple[str, int]
    live: Live
    agent: UserAgent
    shell: Shell
    media: MediaDesk
    owner: Owner
    sip: SipDesk
    neighbours: Neighbours = field(init=False)
    whole_since: float | None = None  # our link to Redis; seconds, monotonic
    leased: bool = False
    draining: bool = False
    config_version: int = -1
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def in_service(self) -> bool:
        """Whether new contacts may come: with a lease, and a configuration (0: none was ever published)."""
        return self.leased and self.config_version > 0 and not self.draining

    async def start(self) -> None:
        self.neighbours = Neighbours(
            self.incarnation,
            live=self.live,
            owner=self.owner,
            agent=self.agent,
            message=self._message,
            whole_for=lambda: 0.0 if self.whole_since is None else time.monotonic() - self.whole_since,
            lease_s=LEASE_MS / 1000,
        )
        await self.media.start()
        await self.shell.start(self._happened)
        loops = (self._renew(), self._read_inbox(), self.neighbours.watch())
        self.tasks = [asyncio.create_task(loop) for loop in loops]

    async def close(self) -> None:
        """SIGTERM: the lease ends first, so that nothing new comes and others may adopt what we hold."""
        self.draining = True
        self.agent.available = False
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        with contextlib.suppress(LiveError):  # Redis away: the lease runs out by itself
            await self.live.leave("lq", self.incarnation)
        await self.owner.close()
        await self.shell.close()
        await self.media.close()
        await self.live.close()

    # -- lease and configuration ------------------------------------------------------------------------------------
    async def _renew(self) -> None:
        while True:
            began = time.monotonic()
            try:
                await self._renew_once()
            except LiveError as error:
                self.whole_since = None
                if self.leased:
                    log.warning("lease not renewed: live state away", error=str(error))
            else:
                self.whole_since = self.whole_since or began
            self.agent.available = self.in_service
            await asyncio.sleep(max(0.0, began + RENEW_S - time.monotonic()))

    async def _renew_once(self) -> None:
        if not self.leased:
            await self.live.start()
        renewal = await self.live.renew(
            "lq",
            self.incarnation,
            incarnation=self.incarnation,
            address="{}:{}".format(*self.listen),
            load=self.owner.load,
            draining=self.draining,
            lease_ms=LEASE_MS,
        )
        if not self.leased:
            log.info("lease taken", incarnation=self.incarnation)
        self.leased = True
        if renewal.config_version != self.config_version:
            await self._read_config(renewal.config_version)

    async def _read_config(self, version: int) -> None:
        kinds: dict[str, dict[str, dict[str, Any]]] = {kind: await self.live.config(kind) for kind in KINDS}
        self.owner.book = Book.read(version, kinds)
        self.config_version = version
        log.info("configuration read", version=version, queues=len(self.owner.book.queues))

    # -- messages -----------------------------------------------------------------------------------------------------
    async def _read_inbox(self) -> None:
        after = "0"
        while True:
            try:
                for id, message in await self.live.inbox(self.incarnation, after, block_ms=1000):
                    after = id
                    self._message(message)
                    await self.live.taken(self.incarnation, id)
            except LiveError as error:
                log.warning("inbox not read: live state away", error=str(error))
                await asyncio.sleep(RENEW_S)

    def _message(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "reserved":
                self.owner.deliver(message["contact"], inputs.Notice())
            case "command":
                if not self.owner.command(message):
                    log.info("command for a contact that is not ours", contact=message["contact"])
            case other:
                log.error("message of an unknown type in the inbox", type=other)

    # -- SIP ----------------------------------------------------------------------------------------------------------
    def _happened(self, event: Event) -> None:
        match event:
            case Incoming():
                self._incoming(event)
            case Stray():
                found = _INCARNATION.search(event.uri)
                self.neighbours.stray(event, found[1] if found else "", self.shell.now())
            case _:
                self.sip.happened(event)

    def _incoming(self, event: Incoming) -> None:
        now = self.shell.now()
        headers = {name.lower(): values for name, values in event.headers.items()}
        source = headers.get("x-lq-source", [""])[0].replace(" ", "")
        kind, _, id = source.partition(";id=")
        if kind not in ("trunk", "phone") or not id:
            log.error("INVITE without a source: it did not come through the edge")
            self.agent.reject(event.session, 403, now=now)
            return
        if not self.in_service or self.owner.load >= MAX_CONTACTS:
            self.agent.reject(event.session, 503, headers={"Retry-After": "1"}, now=now)
            return
        contact = contact_id(int(time.time() * 1000))
        self.sip.take(contact, 1, event.session)
        self.owner.begin(
            inputs.Incoming(
                contact,
                f"{kind}:{id}",
                caller_of(headers, event.from_),
                user_of(event.uri),
                event.sdp,
                self.incarnation,
            ),
            claim=f"{event.call_id}|{event.from_tag}",
        )


def build(node: str) -> Node:
    """Everything of one node, from its environment."""
    listen, edge = address("LQ_SIP"), address("LQ_EDGE")
    incarnation = f"{node}-{secrets.token_hex(4)}"
    agent = UserAgent(
        via="{}:{}".format(*listen),
        contact=f"<sip:lq@lq.internal;i={incarnation}>",
        next_hop=edge,
        rng=random.SystemRandom(),
    )
    agent.available = False
    shell = Shell(agent, listen)
    live = Live(process.variable("LCALL_REDIS_URL"))
    media = MediaDesk(
        RtpEngine(ng=address("LQ_NG"), ng_tcp=address("LQ_NG_TCP")),
        Mixer(process.variable("LQ_MIXER")),
        Path(process.variable("LCALL_SPOOL")),
    )
    desk = SipDesk(agent, shell.send, shell.now)
    owner = Owner(incarnation=incarnation, live=live, sip=desk, media=media)
    return Node(node, incarnation, listen, live, agent, shell, media, owner, desk)


async def main() -> None:
    node = build(sys.argv[1] if len(sys.argv) > 1 else process.variable("LQ_NODE"))
    process.log_to_stderr(node.id)
    run = Path(process.variable("LCALL_HOME")) / "run"
    run.mkdir(parents=True, exist_ok=True)
    (run / f"{node.id}.incarnation").write_text(node.incarnation)
    asked_to_leave = process.end_signal()
    await node.start()
    log.info("node started", node=node.id, pid=os.getpid(), listen="{}:{}".format(*node.listen))
    await asked_to_leave.wait()
    await node.close()


if __name__ == "__main__":
    asyncio.run(main())
