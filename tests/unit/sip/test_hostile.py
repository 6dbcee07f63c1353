"""Whatever arrives, in whatever order: nothing raises, what we say can be read, and in the end nothing is left."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import pytest
import sipmessage
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lq.sip import digest
from lq.sip import events as ev
from lq.sip.message import (
    ParseError,
    Request,
    Response,
    answer,
    param,
    parse,
    seconds,
    uri_headers,
    uri_of,
    userinfo,
    without_tag,
)
from lq.sip.session import Session
from tests.unit.sip.peer import Peer
from tests.unit.sip.witness import read_by_another

TEXT = st.text(max_size=30)
NAMES = st.sampled_from(
    [
        "via", "from", "to", "call-id", "cseq", "contact", "route", "record-route", "content-type", "content-length",
        "l", "session-expires", "min-se", "rseq", "require", "supported", "replaces", "refer-to", "refer-sub", "reason",
        "event", "www-authenticate", "proxy-authenticate", "retry-after", "max-forwards", "subscription-state",
    ]
)  # fmt: skip
VALUES = st.one_of(
    TEXT,
    st.sampled_from(
        [
            "", "0", "1", "-1", "99999999999999999999", "1 INVITE", "2 BYE", "<sip:a@b>;tag=peer-tag", "<sip:a@b",
            '"<"<sip:x>', "1;refresher=uac", "90;refresher=uas", "100rel", "timer", "sip:x@y", "<>", "*",
            "a;to-tag=1;from-tag=2", 'Digest realm="r",nonce="n",qop="auth"', "SIP/2.0/UDP h;branch=z9hG4bKpeer1",
            "application/sdp", "false", "\r\nX: y",
        ]
    ),
)  # fmt: skip


@settings(max_examples=300)
@given(st.binary(max_size=400))
def test_bytes(data: bytes) -> None:
    try:
        parse(data)
    except ParseError:
        pass


WHOLE = (
    b"INVITE sip:1001@lq.internal SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK1;rport\r\n"
    b"To: <sip:c@d>\r\nFrom: <sip:a@b>;tag=1\r\nCall-ID: c\r\nCSeq: 7 INVITE\r\n"
    b"Contact: <sip:a@10.0.0.2>\r\nContent-Length: 3\r\n\r\nv=0"
)
CUT = st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 12), st.binary(max_size=8))


@settings(max_examples=400)
@given(st.lists(CUT, min_size=1, max_size=4), st.sampled_from([b"INVITE", b"BYE", b"ACK", b"OPTIONS"]))
def test_a_request_that_was_broken_on_its_way(cuts: list[tuple[int, int, bytes]], method: bytes) -> None:
    """Answered or dropped: by one answer at most, that can be read; nothing is left of it."""
    data = WHOLE.replace(b"INVITE", method)
    for at, length, instead in cuts:
        data = data[:at] + instead + data[at + length :]
    peer = Peer(strict=False)
    peer.give(data)
    if any(isinstance(event, ev.Incoming | ev.Stray) for event in peer.log):
        return  # it was readable
    codes = [read.code for read in map(parse, peer.wire_log) if isinstance(read, Response)]
    assert len(codes) == len(peer.wire_log) <= 1
    if codes == [400]:
        (read,) = map(parse, peer.wire_log)
        assert read.cseq[1] != "ACK" and not data.lstrip(b"\r\n").startswith(b"SIP/")
    peer.run(60)
    assert peer.ua.idle


@settings(max_examples=300)
@given(st.lists(st.tuples(NAMES, VALUES), max_size=12), st.binary(max_size=60), st.booleans())
def test_what_we_write_we_read_alike(headers: list[tuple[str, str]], body: bytes, request: bool) -> None:
    message: Request | Response = Request({}, body, "INFO", "sip:x@y") if request else Response({}, body, 200, "OK")
    base = {"via": "SIP/2.0/UDP h;branch=z9hG4bK1", "from": "<sip:a@b>;tag=1", "to": "<sip:c@d>", "call-id": "c"}
    for name, value in base.items():
        message.put(name, value)
    for name, value in headers:
        try:
            message.put(name, value)
        except ValueError:
            assert set(value) & set("\r\n\0")
    message.put("cseq", "1 INFO")
    del message.headers["l" if "l" in message.headers else "cseq"]
    message.put("cseq", "1 INFO")
    try:
        read = parse(message.encode())
    except ParseError:
        return  # a value that is none: an empty Via, a To that is not text
    assert read.body == body and read.start_line() == message.start_line()
    assert parse(read.encode()) == read  # nothing changes from then on


@pytest.mark.parametrize(
    ("value", "tag", "without"),
    [
        ("<sip:a@b>;tag=1", "1", "<sip:a@b>"),
        ("sip:a@b;tag=1", "1", "sip:a@b"),
        ('<sip:a@b>;tag=1;x="<urn:uuid:1>"', "1", '<sip:a@b>;x="<urn:uuid:1>"'),
        ('<sip:a@b>;x="<urn:uuid:1>;tag=2";tag=1', "1", ""),
        ('"a;tag=2;b" <sip:a@b>;tag=1', "1", '"a;tag=2;b" <sip:a@b>'),
        ('"a>b" <sip:a;tag=2;lr@b>;tag=1', "1", '"a>b" <sip:a;tag=2;lr@b>'),
        ("<sip:a@b;tag=2>", "", "<sip:a@b;tag=2>"),
    ],
)
def test_a_tag_is_the_headers_and_nobody_elses(value: str, tag: str, without: str) -> None:
    assert param(value, "tag") == tag
    assert not without or without_tag(value) == without


LONG = 60_000


@pytest.mark.parametrize(
    "line",
    [
        'Supported: ,",' + '",' * (LONG // 2),
        'Contact: "' + '\\",' * (LONG // 3),
        'Contact: "' + '\\"' * (LONG // 2) + "\\",
        "Contact: " + "<," * (LONG // 2),
        "Via: " + "," * LONG,
        "From: " + '"' * LONG,
        "From: " + " " * LONG + "x",
        "To: <sip:a@b>" + ";tag" * (LONG // 4),
        "To: <sip:a@b>;" + '"' * LONG,
        'WWW-Authenticate: Digest realm="r", ' + "a" * LONG,
        "Session-Expires: " + " " * LONG + "x",
        "Content-Type: multipart/mixed" + "; " * (LONG // 2) + "x",
        "INVITE " + " " * LONG + "x",
    ],
)
def test_no_message_holds_everybody_up(line: str) -> None:
    """One that takes a second would make the edge ask another node; seen before: ten seconds for a header."""
    name, colon, value = line.partition(": ")
    headers = {
        "Via": "SIP/2.0/UDP h;branch=z9hG4bK1", "From": "<sip:a@b>;tag=1", "To": "<sip:c@d>;tag=2", "Call-ID": "c",
        "CSeq": "1 INVITE", "Contact": "<sip:a@b>", "Session-Expires": "90",
    } | ({name: value} if colon else {})  # fmt: skip
    start = "SIP/2.0 401 Unauthorized" if colon else line
    data = (start + "\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n").encode()
    began = time.process_time()
    try:
        read = parse(data)
    except ParseError:
        read = Response()
    for value in (read.get("contact"), read.get("from"), read.get("to")):
        uri_of(value), param(value, "tag"), without_tag(value)
    digest.choose(read.all("www-authenticate"), "r")
    seconds(read.get("session-expires"))
    assert read.sdp == "" and read.tokens("supported") is not None
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("digits", ["9" * 5_000, "²", "٣"])
@pytest.mark.parametrize("header", ["Content-Length", "CSeq", "Max-Forwards", "Via"])
def test_a_number_that_is_none(header: str, digits: str) -> None:
    """Longer than int() takes, or digits to Python alone: no fault of ours is made of it."""
    lines = {
        "Via": "SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK7", "From": "<sip:a@b>;tag=1", "To": "<sip:c@d>;tag=2",
        "Call-ID": "c", "CSeq": "7 ACK", "Max-Forwards": "70", "Content-Length": "0",
    }  # fmt: skip
    said = {"CSeq": f"{digits} ACK", "Via": f"SIP/2.0/UDP 10.0.0.2:{digits};branch=z9hG4bK7"}
    lines[header] = said.get(header, digits)
    for method in ("ACK", "OPTIONS"):
        lines["CSeq"] = lines["CSeq"].replace("ACK", method)
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        peer = Peer(strict=False)
        peer.give(f"{method} sip:1001@lq.internal SIP/2.0\r\n{head}\r\n".encode())
        peer.run(60)
        assert all(parse(data) for data in peer.wire_log)


@given(TEXT, TEXT)
def test_pieces(value: str, name: str) -> None:
    uri_of(value), param(value, name), uri_headers(value), seconds(value)


@given(st.one_of(TEXT, st.sampled_from(["John Smith", "#31#13800138000", "+8613800138000", "%2331%23", "a;b?c", ""])))
def test_whatever_a_caller_calls_himself(text: str) -> None:
    """Of a From that cannot be read a phone says nothing: it would be taken for one that is off."""
    peer = Peer()
    user = userinfo(text)
    peer.ua.invite("sip:8002@127.0.0.1", local=f"<sip:{user}@lq.internal>", now=peer.now)
    [datagram] = peer.ua.datagrams()
    read_by_another(datagram.data)
    assert sipmessage.Message.parse(datagram.data).from_address.uri.user == (unquote(text) or "anonymous")


@settings(max_examples=200)
@given(
    st.sampled_from(["INVITE", "BYE", "UPDATE", "REFER", "NOTIFY", "PRACK", "CANCEL", "ACK", "INFO"]),
    st.lists(st.tuples(NAMES, VALUES), max_size=4),
    st.binary(max_size=30),
)
def test_any_header_of_a_request_inside_a_call(method: str, headers: list[tuple[str, str]], body: bytes) -> None:
    peer = Peer(strict=False)
    session = peer.talk()
    _ask(peer, method, dict(headers), body)
    peer.ua.bye(session, now=peer.now)
    peer.run(200)
    assert peer.ua.idle or peer.count(ev.Incoming) or peer.count(ev.Stray)


@settings(max_examples=200)
@given(
    st.sampled_from([100, 180, 183, 200, 302, 401, 407, 422, 481, 486, 491, 500]),
    st.lists(st.tuples(NAMES, VALUES), max_size=4),
)
def test_any_header_of_an_answer(code: int, headers: list[tuple[str, str]]) -> None:
    peer = Peer(strict=False)
    session = peer.call()
    invite = peer.sent("INVITE")
    _answer(peer, invite, code, dict(headers))
    peer.ua.ack(session, now=peer.now)
    _end(peer, session)
    peer.run(200)
    assert peer.ua.idle


def _ask(peer: Peer, method: str, headers: Mapping[str, str], body: bytes) -> None:
    try:
        peer.ask(method, headers, body)
    except ValueError:
        assert any(set(value) & set("\r\n\0") for value in headers.values())


def _answer(peer: Peer, request: Request, code: int, headers: Mapping[str, str]) -> None:
    response = answer(request, code, to_tag="t1")
    for name, value in headers.items():
        response.headers[name] = [value]  # as it is, line breaks and all
    peer.give(response.encode())


def _end(peer: Peer, session: str) -> None:
    if not peer.ua.bye(session, now=peer.now):
        peer.ua.reject(session, 500, now=peer.now)
        peer.ua.cancel(session, now=peer.now)


MORE = st.sampled_from(
    [{}, {"Session-Expires": "90;refresher=uac"}, {"Require": "100rel", "RSeq": "1"}, {"Min-SE": "3000"},
     {"Retry-After": "1"}]
)  # fmt: skip
FINALS = [100, 180, 200, 302, 401, 408, 422, 481, 486, 487, 491, 500, 503]
ASKED = ["INVITE", "UPDATE", "BYE", "ACK", "CANCEL", "INFO", "REFER", "PRACK"]
CALLS = [{}, {"Supported": "timer"}, {"Replaces": "a;to-tag=1;from-tag=2"}, {"Require": "x"}]
VERBS = [
    "accept", "reject", "ack", "cancel", "bye", "reinvite", "offerless", "ring", "answer_offer", "refuse_offer", "info",
    "refer", "notify", "export",
]  # fmt: skip


class Calls(RuleBasedStateMachine):
    """Sequences of what either side may do, sensible or not."""

    def __init__(self) -> None:
        super().__init__()
        self.peer = Peer()
        self.sessions: list[str] = []

    @rule()
    def we_call(self) -> None:
        self.sessions.append(self.peer.call())

    @rule(headers=st.sampled_from(CALLS), sdp=st.sampled_from(["", "v=0 offer"]))
    def he_calls(self, headers: dict[str, str], sdp: str) -> None:
        self.peer.incoming(headers, sdp)

    @rule(n=st.integers(0, 9), verb=st.sampled_from(VERBS))
    def we_act(self, n: int, verb: str) -> None:
        ua, now = self.peer.ua, self.peer.now
        self.peer.pump()
        sessions = self.sessions + [event.session for event in self.peer.log if isinstance(event, ev.Incoming)]
        if not sessions:
            return
        session = sessions[n % len(sessions)]
        acts: dict[str, Any] = {
            "accept": lambda: ua.accept(session, "v=0 a", now=now),
            "reject": lambda: ua.reject(session, 486, now=now),
            "ack": lambda: ua.ack(session, "v=0 k", now=now),
            "cancel": lambda: ua.cancel(session, now=now),
            "bye": lambda: ua.bye(session, now=now),
            "reinvite": lambda: ua.reinvite(session, "v=0 r", now=now),
            "offerless": lambda: ua.reinvite(session, "", now=now),
            "ring": lambda: ua.provisional(session, 180, now=now),
            "answer_offer": lambda: ua.answer_offer(session, "v=0 o", now=now),
            "refuse_offer": lambda: ua.refuse_offer(session, 488, now=now),
            "info": lambda: ua.request(session, "INFO", now=now),
            "refer": lambda: ua.request(session, "REFER", headers={"Refer-To": "<sip:x@y>"}, now=now),
            "notify": lambda: ua.notify_refer(session, 200, "OK", now=now),
            "export": lambda: self._take_over(session),
        }
        acts[verb]()

    def _take_over(self, session: str) -> None:
        if document := self.peer.ua.export(session):
            self.peer.ua.forget(session)
            self.sessions.append(self.peer.ua.adopt(document, now=self.peer.now))

    @rule(back=st.integers(0, 5), code=st.sampled_from(FINALS), tag=st.sampled_from(["t1", "t2"]), more=MORE)
    def he_answers(self, back: int, code: int, tag: str, more: dict[str, str]) -> None:
        requests = [data for data in self.peer.wire_log[-6:] if not data.startswith((b"SIP", b"ACK"))]
        if requests:
            request = parse(requests[-1 - back % len(requests)])
            assert isinstance(request, Request)
            self.peer.answer(request, code, more, "v=0 x" if code == 200 and request.method == "INVITE" else "", tag)

    @rule(back=st.integers(0, 5), method=st.sampled_from(ASKED), sdp=st.sampled_from(["", "v=0 y"]), same=st.booleans())
    def he_asks(self, back: int, method: str, sdp: str, same: bool) -> None:
        """In a dialog of one of the last messages."""
        if not self.peer.wire_log:
            return
        seen = parse(self.peer.wire_log[-1 - back % len(self.peer.wire_log)])
        ours = seen.get("from") if isinstance(seen, Request) else seen.get("to")
        his = seen.get("to") if isinstance(seen, Request) else seen.get("from")
        self.peer.invite = Request(
            {"from": [ours], "to": [his.partition(";tag")[0]], "call-id": [seen.call_id]}, b"", "INVITE", ""
        )
        self.peer.tag = param(his, "tag") or "t1"
        headers = {"Refer-To": "<sip:x@y>"} if method == "REFER" else {}
        self.peer.ask(method, headers, sdp=sdp, seq=self.peer.seq if same or method in ("ACK", "CANCEL") else 0)

    @rule(back=st.integers(0, 9))
    def an_echo_of_ourselves(self, back: int) -> None:
        if self.peer.wire_log:
            self.peer.give(self.peer.wire_log[-1 - back % len(self.peer.wire_log)])

    @rule(seconds=st.sampled_from([0.001, 0.6, 5, 33, 1000]))
    def time_passes(self, seconds: float) -> None:
        self.peer.run(seconds)

    @invariant()
    def what_is_pending_has_a_deadline_or_an_owner(self) -> None:
        self.peer.pump()
        ua = self.peer.ua
        for tx in ua._clients.values():
            assert tx.timers or tx.state == "proceeding", tx
        assert all(isinstance(session, Session) for session in ua._sessions.values())

    def teardown(self) -> None:
        """The owner lets go of everything; a minute later nothing is left."""
        self.peer.pump()
        ua = self.peer.ua
        for event in self.peer.log:
            if isinstance(event, ev.Stray) and event.transaction is not None:
                ua.refuse(event, 481, now=self.peer.now)
        for session in list(ua._sessions):
            _end(self.peer, session)
            ua.refuse_offer(session, 481, now=self.peer.now)
        self.peer.run(200)
        assert ua.idle, (ua._sessions, ua._clients, ua._servers, len(ua.clock))


Calls.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
TestCalls = Calls.TestCase
