"""A peer that says what the test tells it to, at the other end of one user agent's wire. Virtual time."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, TypeVar

from lq.sip import events as ev
from lq.sip.agent import UserAgent
from lq.sip.digest import Credentials
from lq.sip.message import Request, Response, answer, parse
from lq.sip.transaction import Transport
from tests.unit.sip.witness import read_by_another

E = TypeVar("E", bound=ev.Event)
US, THEM = ("10.0.0.1", 5060), ("10.0.0.2", 5060)


class Peer:
    def __init__(
        self, accounts: Mapping[str, Credentials] | None = None, transport: Transport = "udp", strict: bool = True
    ) -> None:
        """`strict`: what we emit is read by another parser, for nothing strange is given to be echoed."""
        self.strict = strict
        self.now = 0.0
        self.ua = UserAgent(
            via="10.0.0.1:5060",
            contact="<sip:lq@lq.internal;i=1>",
            next_hop=THEM,
            rng=random.Random(1),
            transport=transport,
            accounts=dict(accounts or {}).get,
        )
        self.log: list[ev.Event] = []
        self.wire_log: list[bytes] = []
        self.transports: list[Transport] = []
        self._unread: list[Request | Response] = []
        self._branch = 0
        self.invite: Request | None = None  # ours that the dialog began with
        self.tag = "peer-tag"
        self.seq = 100

    # -- the wire
    def pump(self) -> None:
        for datagram in self.ua.datagrams():
            if self.strict:
                read_by_another(datagram.data)
            self.wire_log.append(datagram.data)
            self.transports.append(datagram.transport)
            self._unread.append(parse(datagram.data))
        self.log += self.ua.events()

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        self.pump()
        while (at := self.ua.deadline()) is not None and at <= end:
            self.now = max(self.now, at)
            self.ua.timeout(self.now)
            self.pump()
        self.now = end

    def sent(self, what: str | int) -> Any:
        """The first request of this method, or response of this code, that was not looked at yet; what stood before it
        is passed over."""
        self.pump()
        while self._unread:
            message = self._unread.pop(0)
            if what == (message.method if isinstance(message, Request) else message.code):
                return message
        raise AssertionError(f"no {what}; sent: {[data.split(chr(13).encode())[0] for data in self.wire_log]}")

    def waiting(self, what: str) -> bool:
        self.pump()
        return any(isinstance(message, Request) and message.method == what for message in self._unread)

    def number(self, what: str) -> int:
        """How many transactions of that method we began."""
        self.pump()
        return len({parse(data).branch for data in self.wire_log if data.startswith(what.encode() + b" ")})

    def told(self, kind: type[E]) -> E:
        self.pump()
        found = [event for event in self.log if isinstance(event, kind)]
        assert found, f"no {kind.__name__}: {self.log}"
        return found[-1]

    def count(self, kind: type[ev.Event]) -> int:
        self.pump()
        return sum(isinstance(event, kind) for event in self.log)

    # -- what the peer does
    def answer(
        self, request: Request, code: int, headers: Mapping[str, str] | None = None, sdp: str = "", tag: str = ""
    ) -> None:
        response = answer(request, code, to_tag=tag or self.tag)
        if request.method in ("INVITE", "UPDATE") and code < 300:
            response.put("contact", "<sip:peer@10.0.0.2:5060>")
        for name, value in (headers or {}).items():
            response.put(name, value)
        if sdp:
            response.put("content-type", "application/sdp")
            response.body = sdp.encode()
        self.give(response.encode())

    def ask(
        self,
        method: str,
        headers: Mapping[str, str | list[str]] | None = None,
        body: bytes = b"",
        sdp: str = "",
        seq: int = 0,
    ) -> Request:
        """A request of the peer's in the dialog that talk() or called() made."""
        assert self.invite is not None
        self.seq = self.seq if seq or method == "ACK" else self.seq + 1
        self._branch += 1
        ours = self.invite
        from_, to = ours.get("from"), ours.get("to").partition(";tag")[0] + f";tag={self.tag}"
        given = {
            "via": [f"SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKpeer{self._branch}"],
            "max-forwards": ["70"],
            "from": [to],
            "to": [from_],
            "call-id": [ours.call_id],
            "cseq": [f"{seq or self.seq} {method}"],
            "contact": ["<sip:peer@10.0.0.2:5060>"],
        }
        request = Request(given, body, method, "sip:lq@lq.internal;i=1")
        for name, value in (headers or {}).items():
            request.put(name, value if isinstance(value, str) else "")
            if isinstance(value, list):  # so many lines
                request.headers[name.lower()] = value
        if sdp:
            request.put("content-type", "application/sdp")
            request.body = sdp.encode()
        self.give(request.encode())
        return request

    def give(self, data: bytes, transport: Transport = "udp") -> None:
        self.now += 0.001
        self.ua.receive(data, THEM, self.now, transport)
        self.pump()

    # -- the usual
    def call(self, **more: Any) -> str:
        return self.ua.invite("sip:b@10.0.0.2", local="<sip:a@lq.internal>", sdp="v=0 offer", now=self.now, **more)

    def talk(self, headers: Mapping[str, str] | None = None, **more: Any) -> str:
        """We called, he answered; nothing is left to look at."""
        session = self.call(**more)
        self.invite = self.sent("INVITE")
        self.answer(self.invite, 200, headers, sdp="v=0 answer")
        self.ua.ack(session, now=self.now)
        self.sent("ACK")
        return session

    def incoming(self, headers: Mapping[str, str] | None = None, sdp: str = "v=0 offer", **edit: str) -> Request:
        """He calls us."""
        self._branch += 1
        given = {
            "via": [f"SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKpeer{self._branch}"],
            "max-forwards": ["70"],
            "from": [f"<sip:peer@10.0.0.2>;tag={self.tag}"],
            "to": ["<sip:4008001000@lq.internal>"],
            "call-id": [f"call-{self._branch}"],
            "cseq": [f"{self.seq} INVITE"],
            "contact": ["<sip:peer@10.0.0.2:5060>"],
        }
        request = Request(given, b"", "INVITE", "sip:4008001000@lq.internal")
        for name, value in {**(headers or {}), **edit}.items():
            request.put(name.replace("_", "-"), value)
        if sdp:
            request.put("content-type", "application/sdp")
            request.body = sdp.encode()
        self.give(request.encode())
        return request

    def called(self, headers: Mapping[str, str] | None = None, sdp: str = "v=0 offer") -> tuple[str, Response]:
        """He called, we answered, he ACKed; the session and our 200."""
        request = self.incoming(headers, sdp)
        session = self.told(ev.Incoming).session
        self.ua.accept(session, "v=0 answer", now=self.now)
        ours: Response = self.sent(200)
        # seen from our side: From is us
        self.invite = Request(
            {"from": [ours.get("to")], "to": [request.get("from")], "call-id": [request.call_id]}, b"", "INVITE", ""
        )
        self.ask("ACK", seq=request.cseq[0])
        return session, ours
