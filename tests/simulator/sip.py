"""The gateway's SIP: transactions over UDP (RFC 3261 §17), on sipmessage and not on lq.sip, whose witness it is."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from sipmessage import URI, Address, Message, Request, Response, Via

T1: Final = 0.5  # §17.1.1.1
T2: Final = 4.0
PATIENCE: Final = 64 * T1
ALLOW: Final = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO"
PHRASES: Final = {
    100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 408: "Request Timeout", 410: "Gone", 480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist", 482: "Loop Detected", 484: "Address Incomplete", 486: "Busy Here",
    487: "Request Terminated", 488: "Not Acceptable Here", 491: "Request Pending",
    500: "Server Internal Error", 501: "Not Implemented",
    502: "Bad Gateway", 503: "Service Unavailable", 504: "Server Time-out",
}  # fmt: skip

Peer = tuple[str, int]


def header(message: Message, name: str) -> str:
    """The first value, "" if there is none."""
    return message.headers.get(name) or ""


def tag(value: str) -> str:
    """The tag of a From or To value."""
    return Address.parse(value).parameters.get("tag") or ""


def branch(message: Message) -> str:
    vias = message.headers.getlist("Via")
    return (Via.parse_many(vias[0])[0].parameters.get("branch") or "") if vias else ""


def cseq(message: Message) -> tuple[int, str]:
    number, _, method = header(message, "CSeq").partition(" ")
    return int(number), method.strip()


def request(method: str, uri: URI, headers: Iterable[tuple[str, str]], body: str = "") -> Request:
    made = Request(method, uri, body.encode())
    for name, value in headers:
        made.headers.add(name, value)
    _close(made)
    return made


def response(
    to: Request, code: int, headers: Iterable[tuple[str, str]] = (), body: str = "", to_tag: str = ""
) -> Response:
    """Via, From, To, Call-ID and CSeq as they came (§8.2.6.2)."""
    made = Response(code, PHRASES[code], body.encode())
    for name in ("Via", "From", "Call-ID", "CSeq", *(("Record-Route",) if 100 < code < 300 else ())):
        for value in to.headers.getlist(name):
            made.headers.add(name, value)
    given = header(to, "To")
    made.headers.add("To", f"{given};tag={to_tag}" if to_tag and not tag(given) else given)
    for name, value in headers:
        made.headers.add(name, value)
    _close(made)
    return made


def _close(message: Message) -> None:
    if message.body:
        message.headers.add("Content-Type", "application/sdp")
    message.headers.add("Content-Length", str(len(message.body)))


@dataclass(slots=True)
class Dialog:
    """What a request inside a dialog is made of (§12)."""

    call_id: str
    local: str  # From or To value with our tag
    remote: str
    target: URI
    routes: tuple[str, ...] = ()
    cseq: int = 1

    @classmethod
    def called(cls, invite: Request, accepted: Response) -> Dialog:
        """We called."""
        return cls(
            header(invite, "Call-ID"),
            header(invite, "From"),
            header(accepted, "To"),
            Address.parse(header(accepted, "Contact")).uri,
            tuple(reversed([str(route) for route in accepted.record_route])),
            cseq(invite)[0],
        )

    @classmethod
    def answering(cls, invite: Request, to_tag: str) -> Dialog:
        """We were called."""
        return cls(
            header(invite, "Call-ID"),
            f"{header(invite, 'To')};tag={to_tag}",
            header(invite, "From"),
            Address.parse(header(invite, "Contact")).uri,
            tuple(str(route) for route in invite.record_route),
        )

    @property
    def key(self) -> tuple[str, str]:
        return self.call_id, tag(self.local)

    def next_hop(self) -> Peer:
        uri = Address.parse(self.routes[0]).uri if self.routes else self.target
        return uri.host, uri.port or 5060

    def request(self, method: str, headers: Iterable[tuple[str, str]] = (), *, body: str = "", ack: int = 0) -> Request:
        """The next request; an ACK repeats the number of the INVITE that it is for."""
        if not ack:
            self.cseq += 1
        own = [("Route", route) for route in self.routes]
        own += [("From", self.local), ("To", self.remote), ("Call-ID", self.call_id)]
        own.append(("CSeq", f"{ack or self.cseq} {method}"))
        return request(method, self.target, [*own, *headers], body)


@dataclass(slots=True)
class ClientTransaction:
    """A request of ours. `heard` gets each response once (2xx of INVITE: each that comes), our own 408 for silence."""

    wire: Wire
    request: Request
    to: Peer
    heard: Callable[[Response], None]
    answered: bool = False  # any response at all
    code: int = 0  # of the final response
    _timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._send(T1)
        self.wire.later(PATIENCE, self._silence)

    def _send(self, again_in: float) -> None:
        self.wire.send(self.request, self.to)
        following = again_in * 2 if self.request.method == "INVITE" else min(again_in * 2, T2)
        self._timer = self.wire.later(again_in, self._send, following)

    def _silence(self) -> None:
        """Timers B and F. An INVITE that was answered at all waits for ever (§17.1.1.2)."""
        if not self.code and not (self.answered and self.request.method == "INVITE"):
            self._stop()
            self.code = 408
            self.heard(response(self.request, 408))

    def _stop(self) -> None:
        if self._timer:
            self._timer.cancel()

    def received(self, answer: Response) -> None:
        is_invite = self.request.method == "INVITE"
        if is_invite or answer.code >= 200:
            self._stop()
        self.answered = True
        if answer.code >= 300 and is_invite:
            self.wire.send(self._ack(answer), self.to)
        if self.code and not (is_invite and 200 <= answer.code < 300):
            return  # a repeat
        if answer.code >= 200:
            self.code = self.code or answer.code
            self.wire.later(PATIENCE, self.wire.forget_client, self)
        self.heard(answer)

    def _ack(self, refusal: Response) -> Request:
        """Of a refusal: hop by hop, in this transaction (§17.1.1.3)."""
        copied = [(name, header(self.request, name)) for name in ("Via", "From", "Call-ID", "Max-Forwards")]
        routes = [("Route", route) for route in self.request.headers.getlist("Route")]
        more = [("To", header(refusal, "To")), ("CSeq", f"{cseq(self.request)[0]} ACK")]
        return request("ACK", self.request.uri, [*copied, *routes, *more])

    def cancel(self, reason: str) -> None:
        """§9.1. Call only after a provisional response."""
        copied = [(name, header(self.request, name)) for name in ("Via", "From", "To", "Call-ID", "Max-Forwards")]
        routes = [("Route", route) for route in self.request.headers.getlist("Route")]
        more = [("CSeq", f"{cseq(self.request)[0]} CANCEL"), ("Reason", reason)]
        self.wire.begin(request("CANCEL", self.request.uri, [*copied, *routes, *more]), self.to, lambda answer: None)


@dataclass(slots=True)
class ServerTransaction:
    """A request of the other side. Repeats get the last answer again; an INVITE's final one goes on until its ACK."""

    wire: Wire
    request: Request
    source: Peer
    last: Response | None = None
    _timer: asyncio.TimerHandle | None = None

    @property
    def is_final(self) -> bool:
        return self.last is not None and self.last.code >= 200

    def answer(self, code: int, headers: Iterable[tuple[str, str]] = (), body: str = "", to_tag: str = "") -> None:
        """A second final answer is dropped: the first one stands."""
        if self.is_final:
            return
        self.last = response(self.request, code, headers, body, to_tag)
        self.wire.send(self.last, self.source)
        if code >= 200:
            self.wire.later(PATIENCE, self.wire.forget_server, self)
            if self.request.method == "INVITE":
                self._timer = self.wire.later(T1, self._again, T1)

    def _again(self, after: float) -> None:
        self.repeat()
        following = min(2 * after, T2)
        self._timer = self.wire.later(following, self._again, following)

    def repeat(self) -> None:
        if self.last is not None:
            self.wire.send(self.last, self.source)

    def acknowledged(self) -> None:
        if self._timer:
            self._timer.cancel()


@dataclass(slots=True, eq=False)
class Wire(asyncio.DatagramProtocol):
    """One UDP socket with its transactions. `on_request` gets each request once, ACKs of 2xx with no transaction."""

    on_request: Callable[[ServerTransaction], None]
    on_ack: Callable[[Request], None]
    faults: list[str] = field(default_factory=list)  # what came and is not SIP as its grammar has it
    spelt: Mapping[bytes, bytes] = field(default_factory=dict)  # what our library cannot write -> as it is on the wire
    loses: Callable[[bytes], bool] = lambda data: False  # a hole in the network: what it says so of never arrives
    clients: dict[tuple[str, str], ClientTransaction] = field(default_factory=dict)
    servers: dict[tuple[str, str], ServerTransaction] = field(default_factory=dict)
    local: Peer = ("", 0)
    _transport: asyncio.DatagramTransport | None = None
    _closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self, local: Peer) -> None:
        """Raises OSError when the address is taken."""
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=local)
        self._transport = transport
        host, port = transport.get_extra_info("sockname")
        self.local = (host, port)

    async def close(self) -> None:
        """Afterwards the port is free. Timers that are still to come find nobody to send to."""
        if self._transport:
            self._transport.close()
            await self._closed.wait()

    def later(self, after: float, what: Callable[..., None], *given: object) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(after, what, *given)

    def send(self, message: Request | Response | bytes, to: Peer) -> None:
        data = message if isinstance(message, bytes) else bytes(message)
        for word, letters in self.spelt.items():
            data = data.replace(word, letters)
        if self._transport and not self._transport.is_closing() and not self.loses(data):
            self._transport.sendto(data, to)

    def begin(self, sent: Request, to: Peer, heard: Callable[[Response], None]) -> ClientTransaction:
        """Send a request; it gets a Via of its own unless it has one (CANCEL)."""
        if not sent.headers.get("Via"):
            self.stamp(sent)
        transaction = ClientTransaction(self, sent, to, heard)
        self.clients[branch(sent), sent.method] = transaction
        transaction.start()
        return transaction

    def stamp(self, sent: Request) -> None:
        host, port = self.local
        sent.headers.set("Via", f"SIP/2.0/UDP {host}:{port};branch=z9hG4bK{secrets.token_hex(8)};rport")
        sent.headers.set("Max-Forwards", "70")

    def forget_client(self, transaction: ClientTransaction) -> None:
        self.clients.pop((branch(transaction.request), transaction.request.method), None)

    def forget_server(self, transaction: ServerTransaction) -> None:
        transaction.acknowledged()
        self.servers.pop((branch(transaction.request), transaction.request.method), None)

    def invite_of(self, cancel: Request) -> ServerTransaction | None:
        return self.servers.get((branch(cancel), "INVITE"))

    # -- asyncio calls these
    def connection_lost(self, error: Exception | None) -> None:
        self._closed.set()

    def datagram_received(self, data: bytes, source: Peer) -> None:
        if not data.strip() or self.loses(data):
            return  # keep-alive
        for word, letters in self.spelt.items():
            data = data.replace(letters, word)
        try:
            self._received(data, source)
        except ValueError as error:  # whatever header it is that cannot be read
            self.faults.append(f"{error}: {data[:400]!r}")

    def _received(self, data: bytes, source: Peer) -> None:
        message = Message.parse(data)
        if isinstance(message, Response):
            client = self.clients.get((branch(message), cseq(message)[1]))
            if client:
                client.received(message)
        else:
            self._asked(message, source)

    def _asked(self, asked: Request, source: Peer) -> None:
        name = "INVITE" if asked.method == "ACK" else asked.method
        known = self.servers.get((branch(asked), name))
        if asked.method == "ACK":
            if known:
                known.acknowledged()
            else:
                self.on_ack(asked)
        elif known:
            known.repeat()
        else:
            new = ServerTransaction(self, asked, source)
            self.servers[branch(asked), asked.method] = new
            self.on_request(new)
