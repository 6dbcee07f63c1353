"""The only shell of contacts: one task and one inbox per contact; advance, commit, then perform (DESIGN §5, R10).

What the effects do to SIP is prepared in the user agent before the commit, so that the snapshot holds what another node
needs to undo it, and leaves the machine only after the commit. A commit that finds another owner drops the contact
without a word: neither SIP nor rtpengine knows a fence.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import structlog

from lq import telemetry
from lq.config.book import Book
from lq.contacts import advance as rule
from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.agent_desk import AgentDesk
from lq.contacts.contact import Contact, clock_set
from lq.contacts.handing_over import HandingOver
from lq.contacts.held import Held
from lq.contacts.holds import OVER, holds
from lq.contacts.media_desk import MediaDesk
from lq.contacts.placing import Refused
from lq.contacts.results import forgotten, lost_offer, results, wanted
from lq.contacts.sip_desk import SipDesk
from lq.contacts.view import contact_json
from lq.ledger.events import Event, lost_end
from lq.live import reading
from lq.live.clock import RedisClock
from lq.live.errors import Claimed, LiveError, LiveUnavailable, Superseded
from lq.live.memory import Memory
from lq.live.redis import Live
from lq.live.spool import Spool
from lq.live.values import ChannelHold, ChannelOp, Committed
from lq.pulse import Pulse
from lq.sip.agent import Datagram

log = structlog.get_logger()

COMMIT: Final = telemetry.Recent("commit", "a turn of a contact written into Redis")
RETRY_S: Final = 1.0  # how soon a commit that found Redis away is tried again
LOOK_S: Final = 0.1  # of one that shall leave: is anything of it in the air still?
MOST_HELD: Final = 20_000  # with those that are over and wait for Redis to hear of it (R12)
GONE_KEPT: Final = 20_000
AT_ONCE: Final = 20  # contacts said again side by side


class Owner:
    """All contacts of this node. `now` gives milliseconds of the epoch; `clock_set` is told by how much it jumps."""

    def __init__(
        self,
        *,
        incarnation: str,
        live: Live,
        sip: SipDesk,
        media: MediaDesk,
        pulse: Pulse,
        memory: Memory,
        spool: Spool,
        now: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        self.incarnation = incarnation
        self.book, self.redis_clock = Book(), RedisClock()
        self._live, self._sip, self._media, self._now = live, sip, media, now
        self._pulse, self._memory, self._spool = pulse, memory, spool
        self._held: dict[str, Held] = {}
        self._gone: OrderedDict[str, int] = OrderedDict()  # contacts that were ours, and under which epoch
        self._over: OrderedDict[str, int] = OrderedDict()  # those that have ended with us, likewise
        self._put_off: set[str] = set()  # contacts with a commit that found Redis away, which was told
        self.moved: Callable[[str], None] = lambda contact: None  # a contact has come to us, or has left us
        self._agents = AgentDesk(live, self.deliver)
        self._leaving = HandingOver(incarnation, live, sip, media, lambda contact: self.moved(contact))
        sip.deliver = self.deliver
        media.deliver = self.deliver
        media.passed = pulse.passed

    @property
    def load(self) -> int:
        held = len(self._held)
        return held if held > MOST_HELD else sum(one.contact.state != "over" for one in self._held.values())

    def holds(self, contact: str) -> bool:
        return contact in self._held

    def has_had(self, contact: str, epoch: int) -> bool:
        """It is ours under this epoch, or was and is over, or has left us."""
        held = self._held.get(contact)
        return max(held.epoch if held else 0, self._gone.get(contact, 0)) >= epoch

    def contacts(self) -> list[str]:
        return list(self._held)

    def held(self, contact: str) -> Contact | None:
        found = self._held.get(contact)
        return found.contact if found else None

    def all_held(self) -> dict[str, Contact]:
        return {id: held.contact for id, held in self._held.items()}

    def dialogs(self, contact: str) -> set[int]:
        """Its legs that have one."""
        return self._sip.legs(contact)

    def heir(self, contact: str) -> str:
        """The node that this contact was handed over to, "" if we know of none."""
        return self._leaving.heir(contact)

    # -- inputs -----------------------------------------------------------------------------------------------------
    def begin(self, given: inputs.Incoming, claim: str) -> None:
        """A caller's INVITE starts a contact of ours. `claim` is `<call-id>|<from-tag>`."""
        try:
            contact, effects = rule.begin(given, self._now(), self.book)
        except Exception:  # or the caller would hear 100 and then nothing for three minutes
            log.exception("a call could not be begun", contact=given.contact)
            self._sip.refuse(given.contact, 500)
            self._sip.forget(given.contact)
            return
        held = Held(contact, 1, self.book, claim)
        self._held[contact.id] = held
        held.task = asyncio.create_task(self._live_through(held, effects), name=f"contact {contact.id}")

    def place(self, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """A call that an agent or a room wants: its contact begins and answers by itself (None), or this answers."""
        id = message["contact"]
        if former := self._held.get(id):  # it is asked for once more, for the answer was lost, or its node died
            if former.contact.command == message["id"]:
                former.commands[message["id"]] = message
                return None
            answer = former.answers.get(message["id"], {})
            if "error" in answer:
                return answer
            return {"status": 201, "contact": contact_json(former.contact.to_json())}
        begun = rule.place(wanted(message, self.incarnation), self._now(), self.book)
        if isinstance(begun, Refused):
            return {"status": begun.status, "error": begun.error}
        held = self._held[id] = Held(begun[0], 1, self.book, claim="", commands={message["id"]: message})
        held.task = asyncio.create_task(self._live_through(held, begun[1]), name=f"contact {id}")
        return None

    def adopt(self, contact: str, epoch: int, snapshot: str) -> asyncio.Event:
        """Another node's contact is ours from now on; set once it has been written so. One that has come by another way
        meanwhile has gone on since, and stays as it is.

        One that is unreadable raises ValueError, KeyError, TypeError.
        """
        former = self._held.get(contact)
        if former is not None and former.epoch >= epoch:
            return former.begun
        document = json.loads(snapshot)
        found = Contact.from_json(document)
        held = Held(found, epoch, self.book, claim="", written=True)
        channels = (reading.document(ChannelHold, one) for one in document.get("channels", ()))
        held.channels = {channel.leg: channel for channel in channels}
        if former is not None:  # handed over by a request whose answer was lost, and back again
            self._drop(former)
        try:
            self._sip.adopt(contact, document["dialogs"])
        except (ValueError, KeyError, TypeError):
            self._sip.forget(contact)
            raise
        self._held[contact] = held
        held.inbox.put_nowait(inputs.Adopted(self.incarnation))
        held.task = asyncio.create_task(self._live_through(held, []), name=f"contact {contact}")
        self.moved(contact)
        return held.begun

    async def take_over(self, contact: str, epoch: int, snapshot: str) -> asyncio.Event | None:
        """As `adopt`; one that cannot be read is closed (None): nobody could ever carry it on, its agents are free. So
        is one that has ended with us: Redis has lost that, and our adoption of it, and gives it to us once more.

        Raises LiveError.
        """
        if contact in self._over:
            log.warning("contact adopted that was over; it is closed again", contact=contact)
            await self._live.commit(contact, node=self.incarnation, epoch=epoch, snapshot=None)
            return None
        try:
            return self.adopt(contact, epoch, snapshot)
        except (ValueError, KeyError, TypeError) as error:
            log.error("contact cannot be read; it is closed", contact=contact, error=repr(error))
            end = [lost_end(contact, self._now(), self._now())]
            await self._live.commit(contact, node=self.incarnation, epoch=epoch, snapshot=None, events=end)
            return None

    async def say_over(self) -> None:
        """What has ended here, to a Redis that has lost it: who slept may believe to have it. Raises LiveError."""
        for contact in await self._live.contacts():
            if epoch := self._over.get(contact):
                with contextlib.suppress(Superseded):
                    await self._live.commit(contact, node=self.incarnation, epoch=epoch, snapshot=None)

    def hand_over(self, contact: str, to: str, *, at_once: bool = False) -> None:
        """Let another node have this contact as soon as nothing of it is in the air, or `at_once`."""
        held = self._held.get(contact)
        if held is not None:
            held.heir, held.at_once = to, at_once
            held.inbox.put_nowait(inputs.Leaving())

    def flush(self) -> None:
        self._sip.flush()

    def clock_set(self, by_ms: int) -> None:
        """The clock that `now` reads was set. Alarms run by another one, and stand."""
        for held in self._held.values():
            held.contact = clock_set(held.contact, by_ms)

    def deliver(self, contact: str, given: inputs.Input) -> bool:
        """Something happened to a contact; False if it is not ours (any more)."""
        held = self._held.get(contact)
        if held is None:
            return False
        held.inbox.put_nowait(given)
        return True

    def message(self, message: Mapping[str, Any]) -> bool:
        """One from the inbox about a contact. False: it is not ours. Expired commands are dropped: nobody waits."""
        held = self._held.get(message["contact"])
        if held is None:
            return False
        match message["type"]:
            case "reserved":
                held.inbox.put_nowait(inputs.Notice())
            case "parties":
                told = inputs.Parties(message["parties"], message["hosts"], message.get("change", 0))
                held.inbox.put_nowait(told)
            case "command" if not self.redis_clock.is_void(message):
                held.commands[message["id"]] = message
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
        await self._agents.close()

    # -- the life of one contact --------------------------------------------------------------------------------------
    async def _live_through(self, held: Held, effects: list[do.Effect]) -> None:
        with structlog.contextvars.bound_contextvars(contact=held.contact.id):
            try:
                held.collect(effects)
                await self._turn(held, effects)
                while held.contact.state != "over" or not held.is_clean:
                    given = await self._next(held)
                    if self._has_to_say(held, given):
                        await self._turn(held, self._advance(held, given))
                    held.begun.set()
                    if held.heir and await self._leaving.goes(held):
                        return
                while held.commands:  # they came too late to be heard by it
                    await self._reply(held, [held.last_word(id) for id in held.commands])
            except Superseded as error:
                log.info("contact dropped: another node owns it", owner=error.owner, epoch=error.epoch)
                self._media.drop(held.contact.id)
            except Claimed as error:
                log.info("invite refused: another contact has it", other=error.contact)
                self._sip.refuse(held.contact.id, 482)
            except Exception:
                log.exception("contact failed; it is ended")
                await self._give_up(held)
            finally:
                held.begun.set()
                self._forget(held)

    async def _next(self, held: Held) -> list[inputs.Input]:
        """Everything that waits; while Redis owes us a commit at most RETRY_S, while it shall leave at most LOOK_S."""
        given: list[inputs.Input] = []
        try:
            async with asyncio.timeout(RETRY_S if held.is_restless else LOOK_S if held.heir else None):
                given.append(await held.inbox.get())
        except TimeoutError:
            return given
        while not held.inbox.empty():
            given.append(held.inbox.get_nowait())
        return given

    def _has_to_say(self, held: Held, given: Sequence[inputs.Input]) -> bool:
        """Whether there is something new, or something old and a Redis that may hear it: of calls that are over while
        it is away there may be thousands, and a turn of each every second that brings nothing would stop the node."""
        news = any(not isinstance(one, inputs.Leaving) for one in given)
        return news or (held.is_restless and not self._live.is_silent)

    def _advance(self, held: Held, given: Sequence[inputs.Input]) -> list[do.Effect]:
        effects: list[do.Effect] = []
        book = self._book(held)
        for one in given:
            held.contact, more = rule.advance(held.contact, one, self._now(), book)
            held.collect(more)
            effects += more
        return effects

    def _book(self, held: Held) -> Book:
        """It may have begun long before an agent came, or got another phone."""
        return held.book if held.book is self.book else held.book.joined(self.book)

    async def _turn(self, held: Held, effects: list[do.Effect]) -> None:
        datagrams = self._sip.perform(held.contact, effects)
        done = await self._commit(held)
        await self._pulse.passed()  # frozen meanwhile: superseded, this task ends here
        if done is None:
            datagrams = self._withhold(held, effects, datagrams)
        self._sip.send(datagrams)
        self._media.perform(held.contact, effects)
        self._agents.perform(held.contact.id, effects)
        await self._reply(held, effects)
        self._set_alarm(held)

    # -- the books of one contact ------------------------------------------------------------------------------------
    async def _commit(self, held: Held, *, again: bool = False) -> Committed | None:
        """Write what there is, with all that the contact holds if `again`; None: Redis is away, it is put off."""
        async with held.one_commit:
            before = held.forgotten
            done = await self._write(held, again=again or bool(before))
            if done is not None and held.forgotten and not before:
                await self._write(held, again=True)  # at once, or the ACD would give them to others
            return done

    async def _write(self, held: Held, *, again: bool) -> Committed | None:
        over = held.contact.state == "over"
        events, agent_ops, channel_ops = list(held.events), list(held.agent_ops), list(held.channel_ops)
        if held.contact.state in OVER:
            held.engages.clear()  # nobody is wanted any more; who was engaged unheard is let go with the contact
        engages, gate_ops = list(held.engages), list(held.gate_ops)
        dequeue, conference, called, began = held.dequeue, held.conference, held.called, time.monotonic()
        try:
            if over and held.answers:
                if self._live.is_silent:
                    raise LiveUnavailable("nor would it keep the answers")
                await self._live.keep_answers(held.contact.id, held.answers)
            done = await self._live.commit(
                held.contact.id,
                node=self.incarnation,
                epoch=held.epoch,
                snapshot=None if over else held.snapshot(self._sip.dialogs(held.contact.id)),
                events=events,
                agents=agent_ops,
                channels=channel_ops,
                gate=gate_ops,
                conference=conference,
                called=called,
                dequeue=dequeue,
                claim="" if held.written else held.claim,
                holds=holds(held.contact, self._book(held), self._memory, held.channels.values()) if again else None,
                engages=engages,
            )
        except LiveUnavailable as error:
            # Talking goes on without Redis: the effects are performed, the books are written when it is back.
            if held.contact.id not in self._put_off:  # once: it is tried again each second
                log.warning("commit put off: live state away", error=str(error))
            self._put_off.add(held.contact.id)
            self._spool.put(held.events[held.spooled :])
            held.spooled = len(held.events)
            return None
        COMMIT.observe(time.monotonic() - began)
        self._put_off.discard(held.contact.id)
        held.written = True
        del held.events[: len(events)], held.agent_ops[: len(agent_ops)], held.channel_ops[: len(channel_ops)]
        del held.engages[: len(engages)]
        del held.gate_ops[: len(gate_ops)]
        held.dequeue = held.dequeue and not dequeue  # one that came while this was under way is not said yet
        held.conference = None if held.conference is conference else held.conference
        held.called = None if held.called is called else held.called
        self._committed(held, events, channel_ops, done)
        self._note_forgotten(held, forgotten(held.contact, agent_ops, done))
        for given in (*lost_offer(held.contact, agent_ops, done), *results(done, self._book(held))):
            held.inbox.put_nowait(given)
        return done

    def _committed(self, held: Held, events: Sequence[Event], asked: Sequence[ChannelOp], done: Committed) -> None:
        for event in events:
            self._memory.see(event)
        for op, channel in zip(asked, done.channels, strict=False):
            if channel.number is not None:
                held.channels[op.leg] = ChannelHold(op.leg, op.trunk, channel.number, op.direction)
            elif op.op == "release":
                held.channels.pop(op.leg, None)
        if held.spooled:
            held.spooled = 0
            if not any(one.spooled for one in self._held.values()):
                self._spool.clear()

    def _note_forgotten(self, held: Held, agents: tuple[str, ...]) -> None:
        if agents and agents != held.forgotten:
            log.warning("agents talk here whom Redis has let go: all is said again", agents=agents)
        held.forgotten = agents

    def _withhold(self, held: Held, effects: Sequence[do.Effect], datagrams: Sequence[Datagram]) -> list[Datagram]:
        """Redis is away. It knows nothing of an offer: its phone is not called, for somebody else may call it. Nor that
        a place in line was left: it would throw the contact out of the next one when it hears so."""
        id, offer, sessions = held.contact.id, held.contact.offer, set[str | None]()
        for effect in effects:
            match effect:
                case do.Invite() if offer is not None and effect.leg == offer.leg:
                    sessions.add(self._sip.take_back(id, offer.leg))
                    held.inbox.put_nowait(inputs.OfferLost(offer.reservation))
                case do.Ask() if held.dequeue:
                    sessions.add(self._sip.take_back_question(id, effect.request))
                    held.inbox.put_nowait(inputs.AskFailed(effect.request, 503))
        return [datagram for datagram in datagrams if datagram.session not in sessions - {None}]

    # -- after a freeze, and after a Redis that has forgotten --------------------------------------------------------
    async def say_again(self) -> None:
        """Commit every contact with all that it holds. Raises LiveUnavailable if one could not be."""
        waiting = list(self._held.values())
        for start in range(0, len(waiting), AT_ONCE):
            done = await asyncio.gather(*(self._say_again(held) for held in waiting[start : start + AT_ONCE]))
            if not all(done):
                raise LiveUnavailable("a contact could not be said again")

    async def _say_again(self, held: Held) -> bool:
        if self._held.get(held.contact.id) is not held:
            return True
        try:
            done = await self._commit(held, again=True)
        except (Superseded, Claimed) as error:
            log.warning("contact dropped: it is not ours", contact=held.contact.id, why=str(error))
            self._drop(held)
            return True
        except (LookupError, TypeError, ValueError):  # or all others would never be said, and a frozen node never thaw
            log.exception("contact cannot be said again", contact=held.contact.id)
            return True
        if held.is_restless:  # its task may wait for an input for ever: it looks, and says it again each second
            held.inbox.put_nowait(inputs.Leaving())
        return done is not None

    def _drop(self, held: Held) -> None:
        """Silently."""
        self._media.drop(held.contact.id)
        self._forget(held)
        if held.task is not None:
            held.task.cancel()

    async def _reply(self, held: Held, effects: Sequence[do.Effect]) -> None:
        for effect in effects:
            if not isinstance(effect, do.Reply) or effect.command not in held.commands:
                continue
            answer: dict[str, Any] = {"status": effect.status, "contact": contact_json(held.contact.to_json())}
            if effect.error:
                answer["error"] = {"code": effect.error, "message": effect.message}
            try:
                await self._live.reply(held.commands.pop(effect.command)["reply_to"], answer)
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

    async def _give_up(self, held: Held) -> None:
        """A fault of ours: end what the parties have, so that nobody listens to nothing, and write that it is over, or
        whoever finds it would take it up again, and fail at it again."""
        self._sip.abandon(held.contact.id)
        self._media.abandon(held.contact)
        try:
            held.contact, effects = rule.give_up(held.contact, self._now(), self._book(held))
            held.collect(effects)
            held.contact = replace(held.contact, done=tuple(id for id in held.contact.done if id not in held.commands))
            while not await self._commit(held):  # noqa: ASYNC110 - Redis is away, and tells nobody when it is back
                await asyncio.sleep(RETRY_S)
            await self._reply(held, [held.last_word(id) for id in held.commands])
        except (Superseded, Claimed) as error:
            log.info("the end of a failed contact is another's to write", why=str(error))
        except Exception:
            log.exception("the end of a failed contact cannot be written")

    def _forget(self, held: Held) -> None:
        if held.alarm is not None:
            held.alarm.cancel()
        if self._held.get(held.contact.id) is not held:
            return  # let go before; what there is now under its name is another's
        del self._held[held.contact.id]
        for known in (self._gone, self._over) if held.contact.state == "over" else (self._gone,):
            known[held.contact.id] = held.epoch
            if len(known) > GONE_KEPT:
                known.popitem(last=False)
        self._put_off.discard(held.contact.id)
        self._sip.forget(held.contact.id)
        self._media.forget(held.contact.id)
        self.moved(held.contact.id)
