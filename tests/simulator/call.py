"""One call on a B channel of the gateway: its SIP dialog, its voice, its end with a cause."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from sipmessage import URI, Address, Request, Response

from tests.simulator import causes, hearing, registrar, sdp, sip
from tests.simulator.audio import RATE, Samples
from tests.simulator.causes import NORMAL
from tests.simulator.channels import Channel
from tests.simulator.hearing import Heard
from tests.simulator.rtp import Media, Saying, Stream
from tests.simulator.speech import as_samples

if TYPE_CHECKING:
    from tests.simulator.gateway import Gateway


class CallEnded(Exception):
    """The call ended before what was waited for. `cause` in Q.850, `sip` the status that refused it (0: none did)."""

    def __init__(self, cause: int, sip: int) -> None:
        super().__init__(f"the call has ended: cause {cause}, SIP {sip or 'BYE'}")
        self.cause, self.sip = cause, sip


class Call:
    """`direction` "in": from the telephone network into the center. `times`: what happened when, in epoch seconds."""

    def __init__(
        self,
        gateway: Gateway,
        direction: Literal["in", "out"],
        caller: str,
        called: str,
        channel: Channel | None,
        stream: Stream | None,
        codecs: tuple[str, ...] = ("PCMA",),
    ) -> None:
        self.gateway, self.direction, self.caller, self.called = gateway, direction, caller, called
        self.channel = channel
        self.cause = self.sip_code = 0
        self.ended_by: Literal["", "us", "them"] = ""
        self.times: dict[str, float] = {}
        self.remote: sdp.Description | None = None  # where the center wants our voice
        self.call_id = f"{secrets.token_hex(10)}@{gateway.address}"
        self._stream = stream
        host, port = (stream.host, stream.port) if stream else (gateway.address, 0)
        self._local = sdp.Description(host, port, codecs, 101)
        self._session, self._version = random.getrandbits(31), 1
        self._news = asyncio.Event()  # a new one after each piece of news
        self._invite: sip.ClientTransaction | None = None
        self._invited: sip.ServerTransaction | None = None
        self._dialog: sip.Dialog | None = None
        self._acks: dict[str, bytes] = {}
        self.told: list[int] = []  # how its REFERs go, by sipfrag (RFC 3515 §2.4.5)
        self._obeys: asyncio.Task[None] | None = None  # an order to hold, or to talk again
        self._offers = False  # an INVITE of ours in this dialog awaits its answer
        self.acks = True  # False: it keeps the ACKs of 200s to itself until told otherwise
        self._giving_up = 0  # cause of a hang-up that waits for the first provisional answer

    def __repr__(self) -> str:
        return f"<Call {self.caller} → {self.called} {', '.join(self.times)} cause={self.cause}>"

    # -- what tests do ------------------------------------------------------------------------------------------------

    @property
    def stream(self) -> Stream:
        assert self._stream is not None, "this call never had a channel"
        return self._stream

    @property
    def heard(self) -> Samples:
        """What came, placed by its timestamps; 0 where nothing came."""
        return self.stream.heard

    @property
    def heard_s(self) -> float:
        """Seconds of `heard` so far: what comes later begins after it."""
        return self.stream.length / RATE

    @property
    def far_end(self) -> str:
        """Where requests of ours in this call go: the other end's Contact."""
        assert self._dialog is not None
        return str(self._dialog.target)

    @property
    def is_up(self) -> bool:
        return "answered" in self.times and "ended" not in self.times

    async def answered(self, within_s: float = 10.0) -> Call:
        """Raises CallEnded, TimeoutError."""
        return await self._until("answered", within_s)

    async def ringing(self, within_s: float = 10.0) -> Call:
        return await self._until("ringing", within_s)

    async def confirmed(self, within_s: float = 10.0) -> Call:
        """Our answer was heard: its ACK is here."""
        return await self._until("confirmed", within_s)

    async def ended(self, within_s: float = 10.0) -> Call:
        return await self._until("ended", within_s)

    async def referred(self, within_s: float = 10.0) -> int:
        """The last word on its REFER."""
        async with asyncio.timeout(within_s):
            while not self.told or self.told[-1] < 200:
                await self._news.wait()
        return self.told[-1]

    async def _until(self, what: str, within_s: float) -> Call:
        async with asyncio.timeout(within_s):
            while what not in self.times and "ended" not in self.times:
                await self._news.wait()
        if what not in self.times:
            raise CallEnded(self.cause, self.sip_code)
        return self

    def say(self, samples: Samples | bytes | int, *, repeat: bool = False) -> Saying:
        """Samples, A-law, or the frequency of a tone that goes on."""
        return self.stream.say(as_samples(samples), repeat or isinstance(samples, int))

    def be_quiet(self) -> None:
        self.stream.be_quiet()

    def send_digits(self, digits: str) -> None:
        """As RFC 4733 events, one after another."""
        self.stream.type(digits)

    async def hears(self, known: Samples | int, within_s: float = 10.0, *, since: float = 0.0, name: str = "") -> Heard:
        """Waits until this party has heard it, by content. Raises hearing.NotHeard."""
        return await hearing.hears(self.stream, known, within_s, since=since, name=name)

    async def reoffer(self, direction: str, within_s: float = 5.0, *, address: str = "") -> None:
        """Change what we send and take by a re-INVITE: "sendonly" is hold, "sendrecv" takes it back.

        `address` "0.0.0.0": hold as RFC 2543 had it. Raises CallEnded when it is refused; the call itself goes on.
        """
        before = self._local
        address = address or self.gateway.address
        self._local, self._version = replace(before, direction=direction, address=address), self._version + 1
        answer = await self._request("INVITE", self._contact(), self._sdp(), within_s)
        if answer.code >= 300:
            self._local = before
            raise CallEnded(causes.cause_of(answer.code, sip.header(answer, "Reason")), answer.code)
        self._take(answer.body)

    async def refer(self, to: str, replaces: Call | None = None, within_s: float = 5.0) -> int:
        """Transfer to a number; with `replaces` to whom that call of ours is with (RFC 3891). The REFER's status."""
        host, port = self.gateway.edge
        escaped = f"?Replaces={quote(replaces.named, safe='')}" if replaces is not None else ""
        target = f"<sip:{to}@{host}:{port}{escaped}>"
        by = f"<{URI('sip', host, user=self.gateway.name)}>"
        return (
            await self._request("REFER", [*self._contact(), ("Refer-To", target), ("Referred-By", by)], "", within_s)
        ).code

    @property
    def named(self) -> str:
        """As the other end of this call would know it."""
        assert self._dialog is not None
        return f"{self._dialog.call_id};to-tag={sip.tag(self._dialog.remote)};from-tag={sip.tag(self._dialog.local)}"

    async def _request(self, method: str, headers: Sequence[tuple[str, str]], body: str, within_s: float) -> Response:
        """A request in this dialog; its final response. That of an INVITE is ACKed."""
        assert self._dialog is not None
        dialog, final = self._dialog, asyncio.get_running_loop().create_future()

        def heard(answer: Response) -> None:
            if method == "INVITE" and 200 <= answer.code < 300:
                ack = dialog.request("ACK", ack=sip.cseq(answer)[0])
                self.gateway.wire.stamp(ack)
                self.gateway.wire.send(ack, dialog.next_hop())
            if answer.code >= 200 and not final.done():
                self._offers = self._offers and method != "INVITE"
                final.set_result(answer)

        self._offers = self._offers or method == "INVITE"
        self.gateway.wire.begin(dialog.request(method, headers, body=body), dialog.next_hop(), heard)
        async with asyncio.timeout(within_s):
            answer: Response = await final
        return answer

    async def hang_up(self, cause: int = NORMAL, within_s: float = 10.0) -> None:
        """Put the receiver down; returns when the center has confirmed it. Nothing happens to a call that has ended."""
        if "ended" in self.times:
            return
        self.ended_by = "us"
        if self._dialog is not None and "answered" in self.times:
            self._bye(cause)
        elif self._invite is not None:
            self._giving_up = cause
            if self._invite.answered:
                self._cancel()
        else:
            self.refuse(cause)
        await self.ended(within_s)

    # -- we call ------------------------------------------------------------------------------------------------------

    def invite(self, request: Request, to: sip.Peer) -> None:
        request.body = self._sdp().encode()
        request.headers.add("Content-Type", "application/sdp")
        request.headers.add("Content-Length", str(len(request.body)))
        self._note("invite")
        self._invite = self.gateway.wire.begin(request, to, self._heard_of_invite)

    def no_channel(self, cause: int) -> None:
        """The exchange itself refuses: nothing is sent."""
        self._end(cause, 0)

    def _heard_of_invite(self, answer: Response) -> None:
        if answer.code < 200:
            self._provisional(answer)
        elif answer.code == 407 and self.gateway.password and "challenged" not in self.times:
            self._prove(answer)
        elif answer.code < 300:
            self._accepted(answer)
        elif "ended" not in self.times:
            given_up = answer.code == 487 and self._giving_up
            self._end(
                self._giving_up if given_up else causes.cause_of(answer.code, sip.header(answer, "Reason")), answer.code
            )

    def _prove(self, challenge: Response) -> None:
        """The same INVITE once more, with the phone's credentials (RFC 3261 §22.3)."""
        assert self._invite is not None
        self._note("challenged")
        asked, user = self._invite.request, self.gateway.name
        proof = registrar.credentials(challenge, "INVITE", str(asked.uri), user, self.gateway.password)
        same = ("From", "To", "Call-ID", "Contact", "Allow", "User-Agent", "Replaces")
        kept = [(name, value) for name in same if (value := sip.header(asked, name))]
        following = [("CSeq", f"{sip.cseq(asked)[0] + 1} INVITE"), proof]
        again = Request("INVITE", asked.uri)
        for name, value in [*kept, *following]:
            again.headers.add(name, value)
        self.invite(again, self._invite.to)

    def _provisional(self, answer: Response) -> None:
        if answer.body and "ended" not in self.times:
            self._take(answer.body)
        self._note({100: "trying", 180: "ringing", 183: "progress"}.get(answer.code, str(answer.code)))
        if self._giving_up:
            self._cancel()

    def _cancel(self) -> None:
        assert self._invite is not None
        if not self._invite.code and "cancelled" not in self.times:
            self._note("cancelled")
            self._invite.cancel(causes.reason(self._giving_up))

    def _accepted(self, answer: Response) -> None:
        """Each 2xx gets its ACK, a repeated one the same again; a second dialog (a fork) is ended at once."""
        assert self._invite is not None
        dialog = sip.Dialog.called(self._invite.request, answer)
        if dialog.remote not in self._acks:
            ack = dialog.request("ACK", ack=dialog.cseq)
            self.gateway.wire.stamp(ack)
            self._acks[dialog.remote] = bytes(ack)
        if self.acks:
            self.gateway.wire.send(self._acks[dialog.remote], dialog.next_hop())
        if self._dialog is not None:
            if dialog.remote != self._dialog.remote:
                self.gateway.wire.begin(dialog.request("BYE"), dialog.next_hop(), lambda answer: None)
            return
        self._dialog = dialog
        self.gateway.dialogs[dialog.key] = self
        if answer.body:
            self._take(answer.body)
        if self.channel:
            self.channel.happened("answer")
        self._note("answered")
        if self._giving_up:  # it crossed our CANCEL
            self._bye(self._giving_up)

    def acknowledge(self) -> None:
        """The ACK that was kept back; later 200s are ACKed as they come."""
        assert self._dialog is not None
        self.acks = True
        self.gateway.wire.send(self._acks[self._dialog.remote], self._dialog.next_hop())

    # -- we are called -----------------------------------------------------------------------------------------------

    def invited(self, transaction: sip.ServerTransaction) -> None:
        """Raises ValueError when there is no codec in common."""
        request = transaction.request
        self.call_id = sip.header(request, "Call-ID")
        self._invited = transaction
        self._dialog = sip.Dialog.answering(request, secrets.token_hex(6))
        self.gateway.dialogs[self._dialog.key] = self
        self._note("invite")
        if request.body:
            offered = sdp.parse(request.body.decode())
            if not set(offered.codecs) & set(self._local.codecs):
                raise ValueError(f"no codec in common with {offered.codecs}")
            self._local = replace(self._local, event_type=offered.event_type)
            self._take(request.body)
        self._note("trying")
        transaction.answer(100)

    def ring(self, early_media: bool = False) -> None:
        assert self._invited is not None
        if "ended" not in self.times:
            self._note("ringing")
            orders = [("Allow-Events", "talk, hold")] if self.gateway.orders else []
            self._invited.answer(
                183 if early_media else 180, [*self._contact(), *orders], self._sdp() if early_media else "", self._tag
            )

    def speaks_from_elsewhere(self, media: Media) -> None:
        """As the ring-back server of an IMS, in place of the exchange; what is said next to the center tells so."""
        before, self._stream = self.stream, media.stream(self.gateway.address)
        media.remove(before)
        self._local = replace(self._local, port=self._stream.port)
        self._session, self._version = random.getrandbits(31), 1
        if self.remote is not None:
            self._stream.send_to((self.remote.address, self.remote.port))

    def answer(self) -> None:
        assert self._invited is not None
        if "ended" in self.times or "answered" in self.times:
            return
        timer = [("Session-Expires", self.gateway.timer)] if self.gateway.timer else []
        self._invited.answer(200, [*self._contact(), *timer], self._sdp(), self._tag)
        if self.channel:
            self.channel.happened("answer")
        self._note("answered")

    def refuse(self, cause: int, status: int = 0) -> None:
        assert self._invited is not None
        if "ended" in self.times:
            return
        status = status or causes.sip_status(cause)
        self._invited.answer(status, [("Reason", causes.reason(cause))], to_tag=self._tag)
        self.ended_by = "us"
        self._end(cause, status)

    def cancelled(self, cancel: Request) -> None:
        assert self._invited is not None
        if not self._invited.is_final:
            self._invited.answer(487, to_tag=self._tag)
            self.ended_by = "them"
            self._end(causes.cause_in(sip.header(cancel, "Reason")) or NORMAL, 487)

    def acknowledged(self, ack: Request) -> None:
        if self._invited:
            self._invited.acknowledged()
        if ack.body:
            self._take(ack.body)
        self._note("confirmed")

    @property
    def _tag(self) -> str:
        assert self._dialog is not None
        return self._dialog.key[1]

    # -- in the dialog ------------------------------------------------------------------------------------------------

    def asked(self, transaction: sip.ServerTransaction) -> None:
        """A request of the center inside this call."""
        request = transaction.request
        refers = request.method == "NOTIFY" and sip.header(request, "Event").startswith("refer")
        if "ended" in self.times and request.method != "BYE" and not refers:  # how a REFER goes it hears all the same
            transaction.answer(481)  # RFC 5057 §5: the BYE has ended the session, not the subscription
        elif request.method == "BYE":
            transaction.answer(200)
            if "ended" not in self.times:
                self.ended_by = self.ended_by or "them"
                self._end(causes.cause_in(sip.header(request, "Reason")) or NORMAL, 0)
        elif request.method in ("INVITE", "UPDATE"):
            self._reoffered(transaction)
        elif refers:
            transaction.answer(200)
            self.told.append(int(request.body.split()[1]))
            self._note("told of its REFER")
        elif request.method == "NOTIFY" and sip.header(request, "Event") in ("talk", "hold"):
            self._ordered(transaction, sip.header(request, "Event"))
        else:
            transaction.answer(200)

    def _ordered(self, transaction: sip.ServerTransaction, event: str) -> None:
        """What a phone that takes no orders says of a subscription that it does not know."""
        self._note(f"told to {event}")
        transaction.answer(200 if self.gateway.orders else 481)
        if not self.gateway.orders:
            return
        way = "sendonly" if event == "hold" else "sendrecv"
        if event == "talk" and "answered" not in self.times:
            self.answer()
        elif self._local.direction != way:  # else it is so already
            self._obeys = asyncio.create_task(self.reoffer(way), name=f"told to {event}")

    def _reoffered(self, transaction: sip.ServerTransaction) -> None:
        assert self._dialog is not None
        request = transaction.request
        if self._offers and request.method == "INVITE":
            self._note("glare")
            transaction.answer(491)  # RFC 3261 §14.2
            return
        if request.method == "INVITE":
            self._invited = transaction
        self._dialog.target = Address.parse(sip.header(request, "Contact")).uri
        self._note("reinvite")
        if not request.body:
            transaction.answer(200, self._contact(), self._sdp() if request.method == "INVITE" else "")
            return
        self._take(request.body)
        assert self.remote is not None
        mirrored = {"sendonly": "recvonly", "recvonly": "sendonly"}.get(self.remote.direction, self.remote.direction)
        self._local = replace(self._local, direction=mirrored)
        self._version += 1
        transaction.answer(200, self._contact(), self._sdp())

    def _bye(self, cause: int) -> None:
        assert self._dialog is not None
        if self.channel:
            self.channel.happened("hang_up")
        self._note("bye")
        bye = self._dialog.request("BYE", [("Reason", causes.reason(cause))])
        self.gateway.wire.begin(bye, self._dialog.next_hop(), lambda answer: self._end(cause, 0))

    # -- both ---------------------------------------------------------------------------------------------------------

    def lost(self, cause: int) -> None:
        """Its span has failed."""
        if "answered" in self.times:
            self._bye(cause)
        elif self._invite is not None:
            self._giving_up = cause
            self._cancel()
        else:
            self.refuse(cause)

    def _take(self, body: bytes) -> None:
        self.remote = sdp.parse(body.decode())
        if self._stream is None:
            return
        listens = self.remote.direction in ("sendrecv", "recvonly") and self.remote.port
        self._stream.event_type = self.remote.event_type or self._stream.event_type
        self._stream.send_to((self.remote.address, self.remote.port) if listens else None)

    def _sdp(self) -> str:
        return sdp.write(self.gateway.name, self._local, session=self._session, version=self._version)

    def _contact(self) -> list[tuple[str, str]]:
        host, port = self.gateway.wire.local
        user = self.caller if self.direction == "in" else self.called
        return [("Contact", f"<{URI('sip', host, user=user, port=port)}>"), ("Allow", self.gateway.allow)]

    def _end(self, cause: int, status: int) -> None:
        if "ended" in self.times:
            return
        self.cause, self.sip_code = cause, status
        self.ended_by = self.ended_by or "them"
        if self._stream is not None:
            self._stream.send_to(None)
        self.gateway.over(self)
        self._note("ended")

    def _note(self, what: str) -> None:
        """The first time only; whoever waits looks again."""
        self.times.setdefault(what, time.time())
        news, self._news = self._news, asyncio.Event()
        news.set()
