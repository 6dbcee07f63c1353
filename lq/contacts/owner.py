"""The only shell of contacts: one task and one inbox per contact; advance, commit, then perform (DESIGN §5, R10).

What the effects do to SIP is prepared in the user agent before the commit, so that the snapshot holds what another node
needs to undo it, and leaves the machine only after the commit. A commit that finds another owner drops the contact
without a word: neither SIP nor rtpengine knows a fence.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from lq.config.book import Book
from lq.contacts import advance as rule
from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.contact import Contact
from lq.contacts.media_desk import MediaDesk
from lq.contacts.sip_desk import SipDesk
from lq.contacts.view import contact_json
from lq.ledger.events import Event
from lq.live.errors import Claimed, LiveError, LiveUnavailable, Superseded
from lq.live.redis import Live
from lq.live.values import AgentOp, AgentResult

log = structlog.get_logger()

RETRY_S: Final = 1.0  # how soon a commit that found Redis away is tried again
_WRITTEN: Final = (do.Emit, do.AgentOp, do.Dequeue)


@dataclass(slots=True)
class Held:
    """A contact in our hands."""

    contact: Contact
    epoch: int
    book: Book
    claim: str
    inbox: asyncio.Queue[inputs.Input] = field(default_factory=asyncio.Queue)
    replies: dict[str, str] = field(default_factory=dict)  # command id -> where its answer goes
    task: asyncio.Task[None] | None = None
    alarm: asyncio.TimerHandle | None = None
    events: list[Event] = field(default_factory=list)  # not committed yet: Redis was away
    agent_ops: list[AgentOp] = field(default_factory=list)
    dequeue: bool = False
    written: bool = False  # the first commit is through


class Owner:
    """All contacts of this node. `now` gives milliseconds of the epoch."""

    def __init__(
        self,
        *,
        incarnation: str,
        live: Live,
        sip: SipDesk,
        media: MediaDesk,
        now: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        self.incarnation = incarnation
        self.book = Book()
        self._live, self._sip, self._media, self._now = live, sip, media, now
        self._held: dict[str, Held] = {}
        sip.deliver = self.deliver
        media.deliver = self.deliver

    @property
    def load(self) -> int:
        return len(self._held)

    def holds(self, contact: str) -> bool:
        return contact in self._held

    # -- inputs -----------------------------------------------------------------------------------------------------
    def begin(self, given: inputs.Incoming, claim: str) -> None:
        """A caller's INVITE starts a contact of ours. `claim` is `<call-id>|<from-tag>`."""
        contact, effects = rule.begin(given, self._now(), self.book)
        held = Held(contact, 1, self.book, claim)
        self._held[contact.id] = held
        held.task = asyncio.create_task(self._live_through(held, effects), name=f"contact {contact.id}")

    def adopt(self, contact: str, epoch: int, snapshot: str) -> None:
        """Another node's contact is ours from now on. One that is unreadable raises ValueError, KeyError, TypeError."""
        document = json.loads(snapshot)
        found = Contact.from_json(document)
        held = Held(found, epoch, self.book, claim="", written=True)
        self._held[contact] = held
        self._sip.adopt(contact, document["dialogs"])
        held.inbox.put_nowait(inputs.Adopted())
        held.task = asyncio.create_task(self._live_through(held, []), name=f"contact {contact}")

    def flush(self) -> None:
        self._sip.flush()

    def deliver(self, contact: str, given: inputs.Input) -> bool:
        """Something happened to a contact; False if it is not ours (any more)."""
        held = self._held.get(contact)
        if held is None:
            return False
        held.inbox.put_nowait(given)
        return True

    def command(self, message: Mapping[str, Any]) -> bool:
        """A command from the inbox. False: the contact is not ours. Expired commands are dropped: nobody waits."""
        held = self._held.get(message["contact"])
        if held is None:
            return False
        if message["expires_at"] > self._now():
            held.replies[message["id"]] = message["reply_to"]
            held.inbox.put_nowait(inputs.Command(message["id"], message["verb"], message.get("body") or {}))
        return True

    async def close(self) -> None:
        """Let go of everything without a word; whoever adopts the contacts goes on."""
        tasks = [held.task for held in self._held.values() if held.task]
        for held in list(self._held.values()):
            self._forget(held)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- the life of one contact --------------------------------------------------------------------------------------
    async def _live_through(self, held: Held, effects: list[do.Effect]) -> None:
        with structlog.contextvars.bound_contextvars(contact=held.contact.id):
            try:
                await self._turn(held, effects)
                while held.contact.state != "over" or not self._clean(held):
                    await self._turn(held, self._advance(held, await self._next(held)))
            except Superseded as error:
                log.info("contact dropped: another node owns it", owner=error.owner, epoch=error.epoch)
            except Claimed as error:
                log.info("invite refused: another contact has it", other=error.contact)
                self._sip.refuse(held.contact.id, 482)
            except Exception:
                log.exception("contact failed; it is ended")
                self._give_up(held)
            finally:
                self._forget(held)

    def _clean(self, held: Held) -> bool:
        return held.written and not held.events and not held.agent_ops and not held.dequeue

    async def _next(self, held: Held) -> list[inputs.Input]:
        """Everything that waits; while Redis owes us a commit, at most RETRY_S."""
        given: list[inputs.Input] = []
        try:
            async with asyncio.timeout(None if self._clean(held) else RETRY_S):
                given.append(await held.inbox.get())
        except TimeoutError:
            return given
        while not held.inbox.empty():
            given.append(held.inbox.get_nowait())
        return given

    def _advance(self, held: Held, given: Sequence[inputs.Input]) -> list[do.Effect]:
        effects: list[do.Effect] = []
        for one in given:
            held.contact, more = rule.advance(held.contact, one, self._now(), held.book)
            effects += more
        return effects

    async def _turn(self, held: Held, effects: list[do.Effect]) -> None:
        datagrams = self._sip.perform(held.contact, effects)
        self._collect(held, effects)
        results = await self._commit(held)
        self._sip.send(datagrams)
        self._media.perform(held.contact, effects)
        await self._reply(held, effects)
        self._set_alarm(held)
        for result in results:
            if not result.ok and held.contact.offer and held.contact.offer.agent == result.agent:
                held.inbox.put_nowait(inputs.OfferLost(held.contact.offer.reservation))

    def _collect(self, held: Held, effects: Sequence[do.Effect]) -> None:
        for effect in effects:
            match effect:
                case do.Emit(event):
                    held.events.append(event)
                case do.AgentOp(agent, fence, op, outcome, ttl_ms, wrap_up_ms):
                    held.agent_ops.append(
                        AgentOp(agent, fence, op, outcome, ttl_ms=ttl_ms or None, wrap_up_ms=wrap_up_ms)
                    )
                case do.Dequeue():
                    held.dequeue = True

    async def _commit(self, held: Held) -> list[AgentResult]:
        over = held.contact.state == "over"
        document = held.contact.to_json() | {"epoch": held.epoch, "dialogs": self._sip.dialogs(held.contact.id)}
        events, agent_ops, dequeue = list(held.events), list(held.agent_ops), held.dequeue
        try:
            results = await self._live.commit(
                held.contact.id,
                node=self.incarnation,
                epoch=held.epoch,
                snapshot=None if over else json.dumps(document, ensure_ascii=False, separators=(",", ":")),
                events=events,
                agents=agent_ops,
                dequeue=dequeue,
                claim="" if held.written else held.claim,
            )
        except LiveUnavailable as error:
            # Talking goes on without Redis: the effects are performed, the books are written when it is back.
            log.warning("commit put off: live state away", error=str(error))
            return []
        held.written = True
        del held.events[: len(events)], held.agent_ops[: len(agent_ops)]
        held.dequeue = False
        return results

    async def _reply(self, held: Held, effects: Sequence[do.Effect]) -> None:
        for effect in effects:
            if not isinstance(effect, do.Reply) or effect.command not in held.replies:
                continue
            answer: dict[str, Any] = {"status": effect.status, "contact": contact_json(held.contact.to_json())}
            if effect.error:
                answer["error"] = {"code": effect.error, "message": effect.message}
            try:
                await self._live.reply(held.replies.pop(effect.command), answer)
            except LiveError as error:
                log.warning("command answered to nobody", command=effect.command, error=str(error))

    def _set_alarm(self, held: Held) -> None:
        """One timer, for the earliest deadline."""
        if held.alarm is not None:
            held.alarm.cancel()
            held.alarm = None
        if held.contact.deadlines:
            name, at = min(held.contact.deadlines.items(), key=lambda item: item[1])
            delay = max(0, at - self._now()) / 1000
            held.alarm = asyncio.get_running_loop().call_later(delay, held.inbox.put_nowait, inputs.Due(name))

    def _give_up(self, held: Held) -> None:
        """A fault of ours: end what the parties have, so that nobody listens to nothing."""
        self._sip.abandon(held.contact.id)
        self._media.abandon(held.contact)

    def _forget(self, held: Held) -> None:
        self._held.pop(held.contact.id, None)
        if held.alarm is not None:
            held.alarm.cancel()
        self._sip.forget(held.contact.id)
        self._media.forget(held.contact.id)
