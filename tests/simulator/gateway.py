"""An E1 gateway: the telephone network on one side, SIP to the center on the other, B channels between.

async with Gateway("127.0.1.1", edge=("127.0.0.1", 5060)) as gateway:
    call = await gateway.dial("13800138000", "4008001000")
    await call.answered()
    await call.hears(prompt("zh/notice_recorded"))
    call.send_digits("1")
    await call.hang_up(cause=16)
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from sipmessage import URI, Address, Request

from tests.simulator import causes, sip
from tests.simulator.call import Call
from tests.simulator.channels import Channel, NoChannel, Spans
from tests.simulator.rtp import Media

ANONYMOUS: Final = "anonymous"
INCOMPATIBLE: Final = 65  # bearer capability not implemented


@dataclass(frozen=True, slots=True)
class Answer:
    """The subscriber answers after so many seconds of ringing; with early_media his exchange is heard meanwhile."""

    after_s: float = 0.0
    ringing: bool = True
    early_media: bool = False


@dataclass(frozen=True, slots=True)
class Refuse:
    """The network refuses with a Q.850 cause: busy 17, no user 18, no answer 19, unallocated 1, failure 41 …"""

    cause: int
    after_s: float = 0.0
    ringing: bool = False


@dataclass(frozen=True, slots=True)
class Ring:
    """It rings until the test answers, refuses or the caller gives up."""


Rule = Callable[[str], Answer | Refuse | Ring]  # what becomes of a call to this number


@dataclass(frozen=True, slots=True)
class Delivery:
    """How this network hands numbers over. The default: as they are dialled."""

    called_digits: int = 0  # n: only the last n digits of the called number
    home: str = ""  # callers of this area come without its code, e.g. "010"

    def caller(self, number: str) -> str:
        return number.removeprefix(self.home) if self.home else number

    def called(self, number: str) -> str:
        return number[-self.called_digits :] if self.called_digits else number


SHORT: Final = Delivery(called_digits=4, home="010")  # the demo world's gw2


class Gateway:
    """`port` 0: any (a trunk is known by its address alone); the center calls and probes a gateway only at its own."""

    def __init__(
        self,
        address: str,
        port: int = 0,
        *,
        edge: sip.Peer,
        spans: int = 2,
        delivery: Delivery | None = None,
        media: Media | None = None,
        name: str = "e1",
        password: str = "",
    ) -> None:
        """`password`: it is a phone, which proves itself as `name` when it is asked to."""
        self.orders = False  # as a phone: it answers on NOTIFY, event talk, and says so
        self.alone = False  # … and by itself what wants to be answered so
        self.allow = sip.ALLOW  # what it says of itself
        self.display = ""  # the name that it gives callers
        self.timer = ""  # Session-Expires of its answers (RFC 4028), such as "90;refresher=uac"
        self.address, self.port, self.edge, self.name, self.password = address, port, edge, name, password
        self.delivery = delivery or Delivery()
        self.spans = Spans(spans)
        self.rule: Rule = lambda number: Answer()
        self.wire = sip.Wire(self._asked, self._acknowledged)
        self.dialogs: dict[tuple[str, str], Call] = {}  # (Call-ID, our tag) → call
        self.calls: list[Call] = []  # every one, in the order of its beginning
        self.causes: Counter[int] = Counter()  # of calls that are over
        self.probes = 0
        self._media, self._own_media = media, media is None
        self._arrived = asyncio.Event()  # a new one after each call that comes from the center
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Raises OSError when the port is taken."""
        await self.wire.open((self.address, self.port))
        self.port = self.wire.local[1]
        self._media = self._media or Media()

    async def close(self) -> None:
        """Calls that are still up are hung up first."""
        await self.hang_up_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.wire.close()
        if self._own_media and self._media:
            await asyncio.to_thread(self._media.close)

    async def hang_up_all(self) -> None:
        """As well as it goes: the center may be dead, and its tests tell that better."""
        alive = [call for call in self.calls if "ended" not in call.times]
        await asyncio.gather(*(call.hang_up() for call in alive), return_exceptions=True)

    # -- from the telephone network into the center --------------------------------------------------------------------

    async def dial(
        self,
        caller: str,
        called: str,
        *,
        codecs: Sequence[str] = ("PCMA",),
        headers: Sequence[tuple[str, str]] = (),
    ) -> Call:
        """A subscriber dials; returns at once. `caller` "anonymous": his network withholds his number.

        Without a free channel the call has ended with cause 34 (27: spans out of order) and no INVITE was sent.
        """
        assert self._media is not None, "the gateway has not been started"
        caller = caller if caller == ANONYMOUS else self.delivery.caller(caller)
        called = self.delivery.called(called)
        try:
            channel = self.spans.seize()
        except NoChannel as refusal:
            call = Call(self, "in", caller, called, None, None)
            self.calls.append(call)
            call.no_channel(refusal.cause)
            return call
        call = Call(self, "in", caller, called, channel, self._media.stream(self.address), tuple(codecs))
        self.calls.append(call)
        call.invite(self._invite(call, headers), self.edge)
        return call

    def _invite(self, call: Call, headers: Sequence[tuple[str, str]]) -> Request:
        host, port = self.edge
        uri = URI("sip", host, user=call.called, port=port)
        own = [
            ("From", f"{self._from(call.caller)};tag={secrets.token_hex(6)}"),
            ("To", f"<{uri}>"),
            ("Call-ID", call.call_id),
            ("CSeq", "1 INVITE"),
            ("Contact", f"<{URI('sip', self.address, user=call.caller, port=self.port)}>"),
            ("Allow", self.allow),
            ("User-Agent", "E1 gateway"),
        ]
        if call.caller == ANONYMOUS:
            own.append(("Privacy", "id"))  # RFC 3323 §4.2, RFC 3325 §9.3
        else:
            own.append(("P-Asserted-Identity", f"<{URI('sip', self.address, user=call.caller)}>"))
        made = Request("INVITE", uri)
        for name, value in [*own, *headers]:
            made.headers.add(name, value)
        return made

    def _from(self, caller: str) -> str:
        if caller == ANONYMOUS:
            return '"Anonymous" <sip:anonymous@anonymous.invalid>'
        name = f'"{self.display}" ' if self.display else ""
        return f"{name}<{URI('sip', self.address, user=caller)}>"

    def writes_gbk(self, does: bool) -> None:
        """Gives callers a name in GBK, as many gateways in China do (our SIP library cannot write it)."""
        self.display = "GBK-NAME" if does else ""
        self.wire.spelt = {b"GBK-NAME": "北京".encode("gbk")} if does else {}

    def over(self, call: Call) -> None:
        """The call's channel is free again: the only place where one is released."""
        self.causes[call.cause] += 1
        if call.channel is not None:
            call.channel.happened("release")
            assert self._media is not None
            self._media.remove(call.stream)

    def fail(self, span: int) -> None:
        """The span is out of order: its calls are lost (cause 27), new ones find its channels blocked."""
        lost = self.spans.fail(span)
        for call in self.calls:
            if call.channel in lost and "ended" not in call.times:
                call.lost(causes.OUT_OF_ORDER)

    # -- from the center -----------------------------------------------------------------------------------------------

    async def called(self, number: str = "", within_s: float = 10.0) -> Call:
        """The first call from the center to this number (any, if none is given) that nobody has been given yet."""
        async with asyncio.timeout(within_s):
            while True:
                for call in self.calls:
                    if call.direction == "out" and number in ("", call.called) and "taken" not in call.times:
                        call.times["taken"] = call.times["invite"]
                        return call
                await self._arrived.wait()

    def _asked(self, transaction: sip.ServerTransaction) -> None:
        request = transaction.request
        call = self.dialogs.get((sip.header(request, "Call-ID"), sip.tag(sip.header(request, "To"))))
        if request.method == "CANCEL":
            self._cancelled(transaction)
        elif call is not None:
            call.asked(transaction)
        elif sip.tag(sip.header(request, "To")):
            transaction.answer(481)
        elif request.method == "INVITE":
            self._called(transaction)
        elif request.method == "OPTIONS":
            self.probes += 1
            transaction.answer(200, [("Allow", sip.ALLOW)], to_tag=secrets.token_hex(6))
        else:
            transaction.answer(405, [("Allow", sip.ALLOW)])

    def _cancelled(self, transaction: sip.ServerTransaction) -> None:
        invite = self.wire.invite_of(transaction.request)
        transaction.answer(200 if invite else 481)
        for call in self.calls:
            if invite is not None and call.call_id == sip.header(invite.request, "Call-ID"):
                call.cancelled(transaction.request)

    def _acknowledged(self, ack: Request) -> None:
        call = self.dialogs.get((sip.header(ack, "Call-ID"), sip.tag(sip.header(ack, "To"))))
        if call is not None:
            call.acknowledged(ack)

    def _called(self, transaction: sip.ServerTransaction) -> None:
        assert self._media is not None
        request = transaction.request
        caller = Address.parse(sip.header(request, "From")).uri.user or ""
        try:
            channel: Channel | None = self.spans.seize()
            refusal = 0
        except NoChannel as none:
            channel, refusal = None, none.cause
        stream = self._media.stream(self.address) if channel else None
        call = Call(self, "out", caller, request.uri.user or "", channel, stream)
        self.calls.append(call)
        try:
            call.invited(transaction)
        except ValueError:
            refusal = INCOMPATIBLE
        if refusal:
            call.refuse(refusal)
        else:
            rule = Answer(ringing=False) if self.alone and _wants_to_be_answered(request) else self.rule(call.called)
            task = asyncio.create_task(self._follow(call, rule))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()

    async def _follow(self, call: Call, rule: Answer | Refuse | Ring) -> None:
        if isinstance(rule, Ring):
            call.ring()
            return
        if rule.ringing:
            call.ring(isinstance(rule, Answer) and rule.early_media)
        await asyncio.sleep(rule.after_s)
        if isinstance(rule, Answer):
            call.answer()
        else:
            call.refuse(rule.cause)


def _wants_to_be_answered(invite: Request) -> bool:
    """As paging and intercom write it."""
    said = sip.header(invite, "Call-Info") + sip.header(invite, "Alert-Info")
    return "answer-after=0" in said or "info=alert-autoanswer" in said
