"""One lq node: the composition root. `python -m lq.node lq1` with the variables of docs/contracts.md §1."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from lq import process, telemetry
from lq.config.book import Book
from lq.config.calendars import day_began
from lq.config.documents import KINDS
from lq.contacts import codes, inbound, inputs
from lq.contacts.media_desk import MediaDesk
from lq.contacts.owner import Owner
from lq.contacts.sip_desk import SipDesk
from lq.contacts.tags import contact_of, new_contact, tag_of
from lq.drain import drain
from lq.elsewhere import Elsewhere
from lq.incoming import caller_of, is_misused, user_of
from lq.live.errors import LiveError, Stale
from lq.live.memory import Memory
from lq.live.redis import Live
from lq.live.spool import Spool
from lq.live.values import LEASE_MS
from lq.media.engines import Engines
from lq.media.mixer.client import Mixer
from lq.media.rtpengine import OFFERED, RtpEngine
from lq.neighbours import Neighbours
from lq.probe import tell_edge
from lq.pulse import Pulse
from lq.reconciler import Reconciler
from lq.remembering import Remembering
from lq.sip.agent import UserAgent
from lq.sip.digest import Credentials
from lq.sip.events import Event, Incoming, Stray
from lq.sip.shell import Shell
from lq.sip.trace import Files, Hep, Sink, Trace

log = structlog.get_logger()

RENEW_S: Final = 0.5
LEASE_AGE: Final = telemetry.Age("lease_age", "since this node's lease was renewed last")
CLOCK_SET_S: Final = 0.5  # beyond it that was no slewing
CLOCK_SET: Final = telemetry.Recent("clock_set", "by how much the clock of this host was set")
LINGER_S: Final = 0.7  # the edge looks twice a second who is there; until then we say who has what was ours
MAX_CONTACTS: Final = 1_000  # beyond it new INVITEs get 503 and Kamailio tries the next node (R12)


def address(name: str) -> tuple[str, int]:
    """host:port from an environment variable; ends the process with one sentence if it is no address."""
    return _address(name, process.variable(name))


def addresses(name: str) -> list[tuple[str, int]]:
    """Several, with commas between."""
    return [_address(name, part.strip()) for part in process.variable(name).split(",")]


def _address(name: str, value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit():
        sys.exit(f"{name}={value}: expected host:port")
    return host, int(port)


def followed(agent: UserAgent) -> int:
    """ms of the epoch, as the clock was followed last: no deadline is compared with one that was set since."""
    return int((time.monotonic() + agent.epoch) * 1000)


def contact_id(now_ms: int) -> str:
    return new_contact(now_ms, secrets.randbits(74))


@dataclass(slots=True)
class Node:
    id: str
    incarnation: str
    listen: tuple[str, int]
    edge: tuple[str, int]
    live: Live
    agent: UserAgent
    shell: Shell
    media: MediaDesk
    owner: Owner
    sip: SipDesk
    trace: Trace
    pulse: Pulse
    memory: Memory
    spool: Spool
    neighbours: Neighbours = field(init=False)
    elsewhere: Elsewhere = field(init=False)
    remembering: Remembering = field(init=False)
    whole_since: float | None = None  # our link to Redis; seconds, monotonic
    leased: bool = False
    draining: bool = False
    config_version: int = -1
    config: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)  # as published
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def in_service(self) -> bool:
        """Whether new contacts may come: with a lease, and a configuration (0: none was ever published)."""
        return self.leased and self.config_version > 0 and not self.draining

    async def start(self) -> None:
        reconciler = Reconciler(
            self.incarnation,
            live=self.live,
            owner=self.owner,
            calls=self.media.calls,
            delete_call=self.media.delete_call,
            passed=self.pulse.passed,
            whole_for=self._whole_for,
        )
        self.neighbours = Neighbours(
            self.incarnation,
            live=self.live,
            owner=self.owner,
            tell=lambda dead: tell_edge(self.edge, dead, self.incarnation),
            take=reconciler.take,
            message=self._message,
            whole_for=self._whole_for,
            lease_s=LEASE_MS / 1000,
        )
        self.elsewhere = Elsewhere(
            self.incarnation, live=self.live, owner=self.owner, agent=self.agent, send=self.shell.send
        )
        self.remembering = Remembering(
            self.incarnation,
            live=self.live,
            owner=self.owner,
            memory=self.memory,
            spool=self.spool,
            took=lambda: self.neighbours.took,
        )
        self.neighbours.passed = self.pulse.passed
        self.shell.is_frozen = lambda: self.pulse.is_frozen
        self.pulse.on_thaw = self._thawed
        await self.media.start()
        await self.shell.start(self._happened)
        telemetry.gauge("contacts", "contacts that this node owns").set_function(lambda: self.owner.load)
        loops = (
            self.pulse.beat,
            self._renew,
            self._read_inbox,
            self.neighbours.watch,
            self.remembering.follow,
            reconciler.watch,
            telemetry.HEART.beat,
        )
        self.tasks = [asyncio.create_task(process.kept_up(loop.__qualname__, loop)) for loop in loops]

    def _whole_for(self) -> float:
        """Seconds; who leaves adopts nobody."""
        return 0.0 if self.whole_since is None or self.draining else time.monotonic() - self.whole_since

    async def close(self) -> None:
        """SIGTERM: nothing new comes, what we hold goes to others, and so do requests that still come to us."""
        self.draining = True
        self.agent.available = False
        heir = await self._drained()
        pulse, *others = self.tasks
        await _ended(others)
        try:
            await self.live.leave("lq", self.incarnation)
            if heir:
                await self._hand_over_the_rest(heir)
        except LiveError as error:
            log.warning("left without a word: live state away", error=str(error))  # the lease runs out by itself
        await self.elsewhere.close()
        await self.owner.close()
        await self.shell.close()
        await _ended([pulse])  # the last that is said needs it, or it would be taken for frozen
        await self.trace.close()
        await self.media.close()
        await self.remembering.close()
        await self.live.close()
        self.spool.close()

    async def _drained(self) -> str:
        """Who has our contacts now; "" when we had none, or nobody was there to take them."""
        try:
            await self._renew_once(time.monotonic())  # says that we leave
        except LiveError as error:
            log.warning("leaving unannounced: live state away", error=str(error))
            return ""
        if not self.owner.load:
            return ""
        log.info("draining", contacts=self.owner.load)
        return await drain(self.incarnation, self.live, self.owner)

    async def _hand_over_the_rest(self, heir: str) -> None:
        """Requests go to the heir from now on; what was on its way to us is sent on."""
        await tell_edge(self.edge, self.incarnation, heir)
        await asyncio.sleep(LINGER_S)
        async for message in self.live.left_unheard(self.incarnation):
            self._message(message)

    # -- lease and configuration ------------------------------------------------------------------------------------
    async def _renew(self) -> None:
        while True:
            began = time.monotonic()
            self._follow_clock()
            try:
                await self._renew_once(began)
            except LiveError as error:
                self.whole_since = None
                self.pulse.not_renewed()
                if self.leased:
                    log.warning("lease not renewed: live state away", error=str(error))
            else:
                self.whole_since = self.whole_since or began
                LEASE_AGE.now()
            self.agent.available = self.in_service
            await asyncio.sleep(max(0.0, began + RENEW_S - time.monotonic()))

    async def _renew_once(self, began: float) -> None:
        if not self.leased:
            await self.live.start()
        asked = time.monotonic()
        renewal = await self.live.renew(
            "lq",
            self.incarnation,
            incarnation=self.incarnation,
            address="{}:{}".format(*self.listen),
            load=self.owner.load,
            draining=self.draining,
            lease_ms=LEASE_MS,
            day=day_began(int(time.time() * 1000), self.owner.book.settings.time_zone) if self.in_service else 0,
        )
        self.owner.redis_clock.told(renewal.now, time.monotonic() - asked)
        if not self.leased:
            log.info("lease taken", incarnation=self.incarnation)
        self.leased = True
        if renewal.adopted_by:
            self._leave_at_once(renewal.adopted_by)
        if renewal.config_version < self.config_version:
            await self._publish_again()
        elif renewal.config_version > self.config_version:
            await self._read_config(renewal.config_version)
        if self.remembering.renewed(renewal):
            self.pulse.renewed(began)

    def _follow_clock(self) -> None:
        """Before the lease is renewed: in the era that begins when a clock is set, sessions and places in line are told
        by the new one."""
        by = self.shell.follow_clock()
        if abs(by) > CLOCK_SET_S:
            self.owner.clock_set(round(by * 1000))
            CLOCK_SET.observe(abs(by))
            log.warning("the clock of this host was set", by_s=round(by, 3))

    def _thawed(self) -> None:
        self.whole_since = time.monotonic()  # nobody is adopted on what was seen before
        self.shell.resume()

    def _leave_at_once(self, heir: str) -> None:
        """Another node has adopted us: not a word of ours may reach SIP or rtpengine. A successor is started for us."""
        log.error("adopted while frozen: this node leaves without a word", by=heir, contacts=self.owner.load)
        self.spool.flush(1.0)
        os._exit(75)  # EX_TEMPFAIL (sysexits.h)

    async def _publish_again(self) -> None:
        """A Redis that has lost the configuration gets it from us, whether PostgreSQL is there or not."""
        with contextlib.suppress(Stale):  # another was quicker
            await self.live.publish(self.config_version, self.config)
            log.warning("the configuration was published again from memory", version=self.config_version)

    async def _read_config(self, version: int) -> None:
        kinds: dict[str, dict[str, dict[str, Any]]] = {kind: await self.live.config(kind) for kind in KINDS}
        self.owner.book = Book.read(version, kinds)
        self.config_version, self.config = version, kinds
        log.info("configuration read", version=version, queues=len(self.owner.book.queues))

    # -- messages -----------------------------------------------------------------------------------------------------
    async def _read_inbox(self) -> None:
        """Always from its beginning: the successor of a Redis whose clock was ahead gives lower ids than that did."""
        heard: set[str] = set()  # of what is left there, for Redis went away
        while True:
            try:
                for id, message in await self.live.inbox(self.incarnation, block_ms=1000):
                    if id not in heard:
                        heard.add(id)
                        self._message(message)
                    await self.live.taken(self.incarnation, id)
                    heard.discard(id)
            except LiveError as error:
                log.warning("inbox not read: live state away", error=str(error))
                await asyncio.sleep(RENEW_S)

    def _message(self, message: dict[str, Any]) -> None:
        """One that cannot be read is told and taken: it would stand at the head of the inbox for ever."""
        try:
            self._hear(message)
        except (KeyError, TypeError, ValueError) as error:
            log.error("message in the inbox cannot be read", type=message.get("type"), error=repr(error))

    def _hear(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "reserved" | "parties" | "command" | "handed_over":
                if not self.owner.message(message):
                    self.elsewhere.message(message)
            case "hand_over":
                self.owner.hand_over(message["contact"], message["to"])
            case "place":
                if not self.owner.redis_clock.is_void(message) and (refusal := self._place(message)):
                    self.elsewhere.answer(message["reply_to"], refusal)
            case other:
                log.error("message of an unknown type in the inbox", type=other)

    def _place(self, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """A call that an agent wants from his desk. The answer, unless the contact gives it itself (None)."""
        if not self.in_service or self.owner.load >= MAX_CONTACTS:
            return {"status": 503, "error": {"code": "live_unavailable", "message": "this node takes no calls now"}}
        return self.owner.place(message)

    # -- SIP ----------------------------------------------------------------------------------------------------------
    def _happened(self, event: Event) -> None:
        match event:
            case Incoming():
                self._incoming(event)
            case Stray():
                self.elsewhere.stray(event)
            case _:
                self.sip.happened(event)

    def _incoming(self, event: Incoming) -> None:
        now = self.shell.now()
        headers = {name.lower(): values for name, values in event.headers.items()}
        source = headers.get("x-lq-source", [""])[0].replace(" ", "")
        kind, _, id = source.partition(";id=")
        ours = kind == "leg" and event.replaces is not None  # of a contact of ours that wants another one's place
        if not id or not (ours or kind in ("trunk", "phone")):
            log.error("INVITE without a source: it did not come through the edge")
            self.agent.reject(event.session, 403, now=now)
            return
        called = user_of(event.uri)
        if is_misused(headers, called, self.owner.book):
            log.error("marked as an emergency call and none", source=source)
            self.agent.reject(event.session, 403, now=now)
            return
        if event.replaces is not None and "x-lq-emergency" not in headers:  # else it takes nothing: it calls for help
            if kind == "trunk":
                self.agent.reject(event.session, 403, now=now)  # nobody outside takes our calls
            else:
                self.elsewhere.replaces(event, id if ours else f"{kind}:{id}")
            return
        if not self.in_service or self.owner.load >= MAX_CONTACTS:
            self.agent.reject(event.session, 503, headers={"Retry-After": "1"}, now=now)
            return
        if kind == "trunk":
            self.agent.use_account(event.session, id)  # it may challenge our requests in this dialog
        given = inputs.Incoming(
            contact_of(event.local_tag),
            f"{kind}:{id}",
            caller_of(headers, event.from_),
            called,
            event.sdp,
            self.incarnation,
        )
        whose = codes.whose(inbound.dialled(called, self.owner.book)[1]) if kind == "phone" else None
        if whose is None:
            self._begin(event, given)
        else:
            self.elsewhere.pick_up(event, id, whose, lambda: self._begin(event, given))

    def _begin(self, event: Incoming, given: inputs.Incoming) -> None:
        if self.agent.holds(event.session):  # else it was taken back meanwhile
            self.sip.take(given.contact, 1, event.session)
            self.owner.begin(given, claim=claim_of(event))


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def engines() -> list[RtpEngine]:
    """The rtpengines of LQ_NG, each with its place in LQ_NG_TCP and LCALL_SPOOL."""
    ng, ng_tcp = addresses("LQ_NG"), addresses("LQ_NG_TCP")
    spools = [Path(place) for place in process.variable("LCALL_SPOOL").split(":")]
    if not len(ng) == len(ng_tcp) == len(spools):
        sys.exit(f"LQ_NG names {len(ng)} rtpengines, LQ_NG_TCP {len(ng_tcp)}, LCALL_SPOOL {len(spools)} spools")
    return [RtpEngine(ng=a, ng_tcp=b, spool=spool) for a, b, spool in zip(ng, ng_tcp, spools, strict=True)]


def claim_of(event: Incoming) -> str:
    """What one INVITE is, at whichever node it arrives. What its caller sends anew after our refusal is another."""
    numbers = next((values for name, values in event.headers.items() if name.lower() == "cseq"), ())
    return "|".join((event.call_id, event.from_tag, *numbers))


def codecs_of(book: Book, trunk: str) -> tuple[str, ...]:
    """What this trunk is offered, as rtpengine names it; the first is what we would rather have."""
    names = book.trunks[trunk].codecs if trunk in book.trunks else ()
    return tuple(each for name in names for each in OFFERED if each.partition("/")[0] == name) or OFFERED


def credentials(book: Book, trunk: str) -> Credentials | None:
    """What answers that trunk's challenges, in its realm only; as configured now, whoever made the call."""
    register = book.trunks[trunk].register if trunk in book.trunks else None
    if register is None or not register.password:
        return None
    return Credentials(register.in_realm, register.as_user, register.password)


def domain_of(book: Book, trunk: str) -> str:
    """The host in From and To of a call to that trunk: the carrier's, who may refuse another; "" for no trunk."""
    known = book.trunks.get(trunk)
    return "" if known is None else (known.register.user and known.register.domain) or known.address


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
    agent.available, agent.keeps_answers, agent.recalls = False, True, True
    agent.tag = lambda: tag_of(contact_id(int(time.time() * 1000)), 1, secrets.randbits(24))
    shell = Shell(agent, listen)
    live = Live(process.variable("LCALL_REDIS_URL"))
    media = MediaDesk(Engines(engines()), Mixer(process.variable("LQ_MIXER")))
    desk = SipDesk(agent, shell.send, shell.now)
    pulse, memory = Pulse(LEASE_MS / 2000), Memory()
    spool = Spool(Path(process.variable("LCALL_HOME")) / "unsent" / f"{node}.jsonl")
    owner = Owner(
        incarnation=incarnation, live=live, sip=desk, media=media, pulse=pulse, memory=memory, spool=spool,
        now=lambda: followed(agent),
    )  # fmt: skip
    agent.accounts = lambda trunk: credentials(owner.book, trunk)
    media.codecs = lambda trunk: codecs_of(owner.book, trunk)
    desk.domain = lambda trunk: domain_of(owner.book, trunk)
    shell.trace = trace = Trace(node, listen, desk.where, trace_sinks())
    return Node(node, incarnation, listen, edge, live, agent, shell, media, owner, desk, trace, pulse, memory, spool)


def trace_sinks() -> list[Sink]:
    """Files below LCALL_HOME, LQ_TRACE_MB of them (0: none); a HEP server if LQ_HEP names one."""
    megabytes = int(os.environ.get("LQ_TRACE_MB", "256"))
    sinks: list[Sink] = []
    if megabytes:
        sinks.append(Files(Path(process.variable("LCALL_HOME")) / "trace", keep_bytes=megabytes << 20))
    if os.environ.get("LQ_HEP"):
        sinks.append(Hep(address("LQ_HEP")))
    return sinks


async def main() -> None:
    node = build(sys.argv[1] if len(sys.argv) > 1 else process.variable("LQ_NODE"))
    process.log_to_stderr(node.id)
    run = Path(process.variable("LCALL_HOME")) / "run"
    run.mkdir(parents=True, exist_ok=True)
    (run / f"{node.id}.incarnation").write_text(node.incarnation)
    asked_to_leave = process.end_signal()
    telemetry.serve()
    process.collect_less()
    await node.start()
    log.info("node started", node=node.id, pid=os.getpid(), listen="{}:{}".format(*node.listen))
    await asked_to_leave.wait()
    await node.close()


if __name__ == "__main__":
    asyncio.run(main())
