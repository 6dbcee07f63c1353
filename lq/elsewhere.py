"""What reaches this node and is another's: requests inside dialogs, ACKs, commands, notices (DESIGN §5).

It is neither adopted nor refused for that: a request is sent on by a 302 that the edge follows, an ACK or a response is
passed on as it is, a message goes into the owner's inbox. What is between two owners waits for the one who comes.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final
from weakref import WeakValueDictionary

import structlog

from lq.contacts import inputs, picking
from lq.contacts.owner import Owner
from lq.contacts.tags import contact_of, leg_of
from lq.live.errors import LiveError, LiveUnavailable
from lq.live.redis import Live
from lq.live.values import Lease
from lq.probe import answers
from lq.sip import events as sip
from lq.sip.agent import Datagram, UserAgent

log = structlog.get_logger()

WAIT_S: Final = 4.0  # a lease, and an adoption; the edge waits 5 s
LOOK_S: Final = 0.25
AT_MOST: Final = 2_000  # at a time; beyond it they are refused at once (R12)
UNANSWERED: Final = ("ACK", "")  # "": a response
LOOKED_AT: Final = 20  # contacts, for one that can be picked up
HOPS: Final = 4  # a message that is passed on more often is between nodes that disagree
NOT_FOUND: Final = {"status": 404, "error": {"code": "not_found", "message": "the contact has ended"}}


class Elsewhere:
    """`send` puts datagrams on the wire."""

    def __init__(
        self,
        incarnation: str,
        *,
        live: Live,
        owner: Owner,
        agent: UserAgent,
        send: Callable[[Sequence[Datagram]], None],
        now: Callable[[], int] = lambda: int(time.time() * 1000),
        answers: Callable[[Lease], Awaitable[bool]] = answers,
    ) -> None:
        self._answers = answers
        self._incarnation, self._live, self._owner, self._agent = incarnation, live, owner, agent
        self._send, self._now = send, now
        self._tasks: set[asyncio.Task[None]] = set()
        # contacts that somebody waits for, while he does
        self._news: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()
        owner.moved = self._moved

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- requests inside dialogs that we do not hold ------------------------------------------------------------------
    def stray(self, event: sip.Stray) -> None:
        if not contact_of(event.to_tag):
            self._answer(event, 481)  # no tag of ours
        elif len(self._tasks) < AT_MOST:
            self._start(self._place(event))
        else:
            self._answer(event, 503)

    def replaces(self, event: sip.Incoming, by: str) -> None:
        """An INVITE that takes the place of a call: it goes to that call's owner (RFC 3891).

        `by`: the leg of ours that wants it, or the phone of ours that picks up what rings: `phone:8002`.
        """
        assert event.replaces is not None
        contact = contact_of(event.replaces.to_tag)
        if self._replaced(event, event.replaces, by):
            return
        if contact and not self._owner.holds(contact) and len(self._tasks) < AT_MOST:
            self._start(self._find_replaced(event, event.replaces, by))
        else:
            self._reject(event.session, 481)

    def _replaced(self, event: sip.Incoming, wanted: sip.Replaces, by: str) -> bool:
        """Told to the call's owner, if that is us."""
        contact, leg = contact_of(wanted.to_tag), leg_of(wanted.to_tag)
        kind, _, phone = by.partition(":")
        given: inputs.PickedUp | inputs.Replacing
        if kind == "phone":
            given = inputs.PickedUp(event.session, event.sdp, phone, leg)
        else:
            given = inputs.Replacing(leg, event.session, event.sdp, by)
        return bool(wanted.session and (event.sdp or phone)) and self._owner.deliver(contact, given)

    async def _find_replaced(self, event: sip.Incoming, wanted: sip.Replaces, by: str) -> None:
        """At its owner, if he answers; the edge would ask a dead one for seconds. Or somebody adopts it, perhaps we."""
        contact, until = contact_of(wanted.to_tag), time.monotonic() + WAIT_S
        while not self._owner.holds(contact):
            try:
                owner = await self._live.owner(contact)
                lease = await self._lease(owner) if owner else None
                lives = lease is not None and owner != self._incarnation and await self._answers(lease)
            except LiveUnavailable:
                owner, lives = self._owner.heir(contact) or None, True
            if owner is None or time.monotonic() > until:
                return self._reject(event.session, 481)
            if lives:
                return self._reject(event.session, 302, {"Contact": f"<sip:lq@lq.internal;i={owner}>"})
            await self._news_of(contact)
        code, found = self._agent.replaced(wanted)
        if code or not self._replaced(event, found, by):
            self._reject(event.session, code or 481)
        return None

    # -- pick-up by code ----------------------------------------------------------------------------------------------
    def pick_up(self, event: sip.Incoming, phone: str, whose: str, otherwise: Callable[[], None]) -> None:
        """A phone has dialled the code: its INVITE goes to the owner of what it gets (picking.py).

        `whose`: an agent, or the phone where he is; "": his own queues'. `otherwise`: there is nothing for it.
        """
        if len(self._tasks) < AT_MOST:
            self._start(self._pick_up(event, phone, whose, otherwise))
        else:
            self._reject(event.session, 503)

    async def _pick_up(self, event: sip.Incoming, phone: str, whose: str, otherwise: Callable[[], None]) -> None:
        try:
            contact, owner = await self._to_pick_up(phone, whose)
        except LiveError as error:
            log.warning("nobody knows what can be picked up: live state away", error=str(error))
            contact = owner = ""
        if contact and self._owner.deliver(contact, inputs.PickedUp(event.session, event.sdp, phone)):
            return
        if owner in ("", self._incarnation):
            otherwise()
        else:
            self._reject(event.session, 302, {"Contact": f"<sip:lq@lq.internal;i={owner}>"})

    async def _to_pick_up(self, phone: str, whose: str) -> tuple[str, str]:
        """The contact and its owner; "" for none: nobody is signed in at the phone, or nothing rings or waits."""
        book = self._owner.book
        by = (await self._live.phone_state(phone)).agent or ""
        if by not in book.agents:
            return "", ""
        queues = set() if whose else set(book.agents[by].queues)
        at = whose if whose in book.agents else (await self._live.phone_state(whose)).agent if whose else ""
        colleagues = [at] if at else [id for id, one in sorted(book.agents.items()) if queues & set(one.queues)]
        for contact, agent in (await self._live.to_pick_up(colleagues, sorted(queues)))[:LOOKED_AT]:
            found = await self._live.contact(contact)
            if found is None or not picking.is_for(json.loads(found.snapshot), by, agent):
                continue
            if found.owner == self._incarnation or await self._lease(found.owner):
                return contact, found.owner
        return "", ""

    def _reject(self, session: str, code: int, headers: dict[str, str] | None = None) -> None:
        self._agent.reject(session, code, headers=headers or {}, now=_clock())
        self._owner.flush()

    async def _place(self, event: sip.Stray) -> None:
        contact, until = contact_of(event.to_tag), time.monotonic() + WAIT_S
        while not self._agent.redeliver(event, now=_clock()):
            try:
                owner = await self._live.owner(contact)
                lease = await self._lease(owner) if owner else None
            except LiveUnavailable:
                owner, lease = self._owner.heir(contact), None
                if not owner:
                    return self._answer(event, 503)
                return self._send_on(event, owner, lease)
            if owner is None:
                return self._answer(event, 481)
            if lease is not None and owner != self._incarnation:
                return self._send_on(event, owner, lease)
            if time.monotonic() > until:
                log.warning("request for a contact that nobody adopts", contact=contact, method=event.method)
                return self._answer(event, 503)
            await self._news_of(contact)
        self._owner.flush()
        return None

    async def _lease(self, incarnation: str) -> Lease | None:
        """None: it does not live."""
        leases = await self._live.leases("lq")
        return next((lease for lease in leases if lease.incarnation == incarnation), None)

    def _send_on(self, event: sip.Stray, owner: str, lease: Lease | None) -> None:
        if event.method not in UNANSWERED:
            self._answer(event, 302, {"Contact": f"<sip:lq@lq.internal;i={owner}>"})
        elif lease is not None:
            host, _, port = lease.address.rpartition(":")
            self._send([Datagram(None, event.data, (host, int(port)))])

    def _answer(self, event: sip.Stray, code: int, headers: dict[str, str] | None = None) -> None:
        if event.method in UNANSWERED:
            return
        headers = {"Retry-After": "1"} if code == 503 else headers or {}
        self._agent.refuse(event, code, headers, now=_clock())
        self._owner.flush()

    # -- messages -----------------------------------------------------------------------------------------------------
    def message(self, message: dict[str, Any]) -> None:
        """One about a contact that we do not hold: it is taken over, or the message passed on."""
        self._start(self._take(message) if message["type"] == "handed_over" else self._pass_on(message))

    async def _take(self, message: dict[str, Any]) -> None:
        contact = str(message["contact"])
        found = await self._live.contact(contact)
        if found is None or found.owner != self._incarnation or self._owner.holds(contact):
            return  # it has gone on, or has come by another way
        log.info("contact taken over", contact=contact, previous=message.get("from", ""))
        await self._owner.take_over(contact, found.epoch, found.snapshot)

    async def _pass_on(self, message: dict[str, Any]) -> None:
        contact, hops = message["contact"], int(message.get("hops", 0))
        until = time.monotonic() + WAIT_S
        while not self._owner.holds(contact):
            owner = await self._live.owner(contact)
            if owner is None:
                if "reply_to" in message:
                    await self._live.reply(message["reply_to"], NOT_FOUND)
                return
            if owner != self._incarnation and hops < HOPS:
                await self._live.send(owner, {**message, "hops": hops + 1})
                return
            if time.monotonic() > until:
                log.warning("message for a contact that nobody has", contact=contact, type=message["type"])
                return
            await self._news_of(contact)
        self._owner.message(message)

    def answer(self, reply_to: str, reply: Mapping[str, Any]) -> None:
        """To whoever asked this node for something."""
        self._start(self._live.reply(reply_to, reply))

    # -- who waits ----------------------------------------------------------------------------------------------------
    def _moved(self, contact: str) -> None:
        """A contact has come to us or has left us."""
        if news := self._news.pop(contact, None):
            news.set()

    async def _news_of(self, contact: str) -> None:
        """Returns when the contact has come or left, at the latest after LOOK_S: another node may have it."""
        news = self._news.get(contact)
        if news is None:
            news = self._news[contact] = asyncio.Event()
        try:
            async with asyncio.timeout(LOOK_S):
                await news.wait()
        except TimeoutError:
            return

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Any) -> None:
        try:
            await work
        except LiveError as error:
            log.warning("what is another's was not passed on: live state away", error=str(error))
        except (KeyError, TypeError, ValueError) as error:
            log.error("message of another node cannot be read", error=repr(error))


def _clock() -> float:
    return asyncio.get_running_loop().time()
