"""A real Kamailio with a Redis of its own, and peers that speak raw SIP over UDP."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.sync.client import connect
from websockets.typing import Subprotocol

from kamailio.render import command
from lq.live.redis import Live
from ops.services import SYSTEM_PATH
from tests.integration.live.center import REALM, free_port, start_redis, stop

LQ1, LQ2 = "lq1-aaaaaaaa", "lq2-bbbbbbbb"
ROOT = Path(__file__).parents[3]
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n"


@dataclass(frozen=True)
class Message:
    text: str
    source: tuple[str, int]

    @property
    def first(self) -> str:
        return self.text.split("\r\n", 1)[0]

    @property
    def code(self) -> int:
        return int(self.first.split()[1]) if self.first.startswith("SIP/2.0") else 0

    @property
    def method(self) -> str:
        return self.header("CSeq").split()[1]

    @property
    def uri(self) -> str:
        return self.first.split()[1]

    def headers(self, name: str) -> list[str]:
        return re.findall(rf"^{re.escape(name)}: *(.*?)\r$", self.text, re.MULTILINE | re.IGNORECASE)

    def header(self, name: str) -> str:
        found = self.headers(name)
        return found[0] if found else ""


class Silence(AssertionError):
    pass


class Peer:
    """A UDP socket that sends requests and answers, word by word. Probes (OPTIONS) pass it by unless it wants them."""

    transport = "UDP"

    def __init__(self, to: tuple[str, int], host: str = "127.0.0.1", port: int = 0, name: str = "8001") -> None:
        self.to = to
        self.name = name
        self.wants_probes = False
        self.sent: set[str] = set()  # Call-IDs
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.bind((host, port or free_port()))
        except OSError:
            self.socket.close()
            raise
        self.host, self.port = self.socket.getsockname()

    def close(self) -> None:
        self.socket.close()

    def _note(self, text: str) -> None:
        self.sent |= set(re.findall(r"^(?:Call-ID|i) *: *(.*?)\r?$", text, re.MULTILINE | re.IGNORECASE))

    def send(self, text: str, to: tuple[str, int] | None = None) -> None:
        self._note(text)
        self.socket.sendto(text.encode(errors="surrogateescape"), to or self.to)

    def read(self, deadline: float) -> tuple[str, tuple[str, int]]:
        """The next message and where it came from. Raises TimeoutError."""
        self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
        data, source = self.socket.recvfrom(65_535)
        return data.decode(errors="surrogateescape"), source

    def receive(self, timeout_s: float = 3.0) -> Message:
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                text, source = self.read(deadline)
            except TimeoutError:
                raise Silence(f"nothing came to {self.name} within {timeout_s} s") from None
            message = Message(text, source)
            ours = message.header("Call-ID") in self.sent
            if message.code >= 300 and message.method == "INVITE":
                self.send(ack_of(message))
            if message.code and not ours:
                continue  # of a test before, from the same address
            if self.wants_probes or not message.first.startswith("OPTIONS"):
                return message

    def expect(self, code_or_method: int | str, timeout_s: float = 3.0) -> Message:
        """The next message, 100 Trying apart, must be this."""
        message = self.receive(timeout_s)
        while message.code == 100:
            message = self.receive(timeout_s)
        got = message.code or message.method
        assert got == code_or_method, f"{self.name} expected {code_or_method}, got:\n{message.text}"
        return message

    def until(self, method: str, timeout_s: float = 3.0) -> Message:
        """The next request of this method, past what the edge still repeats of a test before."""
        deadline = time.monotonic() + timeout_s
        while (message := self.receive(deadline - time.monotonic())).method != method or message.code:
            pass
        return message

    def final(self, timeout_s: float = 8.0) -> Message:
        message = self.receive(timeout_s)
        while message.code < 200:
            message = self.receive(timeout_s)
        return message

    def is_left_alone(self, for_s: float = 0.3) -> bool:
        try:
            self.receive(for_s)
        except Silence:
            return True
        return False

    def request(
        self,
        method: str,
        uri: str,
        *,
        headers: Sequence[str] = (),
        body: str = "",
        user: str = "",
        to: str = "",
        call_id: str = "",
        cseq: int = 1,
        from_: str = "",
        branch: str = "",
        contact: str = "",
    ) -> str:
        user = user or self.name
        branch = branch or f"z9hG4bK{uuid.uuid4().hex}"
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/{self.transport} {self.host}:{self.port};branch={branch};rport",
            "Max-Forwards: 70",
            f"From: {from_ or f'<sip:{user}@lcall>;tag=' + uuid.uuid4().hex[:8]}",
            f"To: {to or f'<{uri}>'}",
            f"Call-ID: {call_id or uuid.uuid4().hex}",
            f"CSeq: {cseq} {method}",
            f"Contact: {contact or self.contact(user)}",
            *headers,
        ]
        if body:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines) + "\r\n\r\n" + body

    def contact(self, user: str) -> str:
        return f"<sip:{user}@{self.host}:{self.port}>"

    def response(
        self, request: Message, code: int, reason: str = "OK", headers: Sequence[str] = (), body: str = ""
    ) -> str:
        to = request.header("To")
        if ";tag=" not in to and code > 100:
            to += f";tag={uuid.uuid4().hex[:8]}"
        lines = [f"SIP/2.0 {code} {reason}"]
        lines += [f"Via: {via}" for via in request.headers("Via")]
        lines += [f"Record-Route: {route}" for route in request.headers("Record-Route")]
        lines += [f"{name}: {request.header(name)}" for name in ("From", "Call-ID", "CSeq")]
        lines += [f"To: {to}", *headers]
        if body:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines) + "\r\n\r\n" + body

    def answer(
        self, request: Message, code: int, reason: str = "OK", headers: Sequence[str] = (), body: str = ""
    ) -> str:
        text = self.response(request, code, reason, headers, body)
        self.send(text, request.source)
        return text

    def register(
        self,
        password: str,
        expires: int = 600,
        contact: str = "",
        *,
        supported: str = "path",
        within_s: float = 8.0,
        more: Sequence[str] = (),
    ) -> Message:
        """The whole exchange; the last answer."""
        uri, headers = "sip:lcall", [f"Expires: {expires}", f"Supported: {supported}", *more]
        given: dict[str, Any] = {"to": f"<sip:{self.name}@lcall>", "contact": contact, "call_id": uuid.uuid4().hex}
        self.send(self.request("REGISTER", uri, headers=headers, **given))
        challenge = self.final(within_s)
        if challenge.code != 401:
            return challenge
        headers.append(credentials(challenge, self.name, password, "REGISTER", uri))
        self.send(self.request("REGISTER", uri, headers=headers, cseq=2, **given))
        return self.final(within_s)


class StreamPeer(Peer):
    """A phone on one TCP or TLS connection; its Contact is where nobody listens, as behind a NAT."""

    def __init__(self, to: tuple[str, int], host: str, name: str, transport: str, authority: Path) -> None:
        self.to, self.name, self.transport, self.wants_probes, self.sent = to, name, transport, False, set()
        self.socket = socket.create_connection(to, timeout=5, source_address=(host, 0))
        if transport == "TLS":
            self.socket = ssl.create_default_context(cafile=str(authority)).wrap_socket(
                self.socket, server_hostname=to[0]
            )
        self.host, self.port = self.socket.getsockname()
        self._buffer = b""

    def contact(self, user: str) -> str:
        return f"<sip:{user}@192.0.2.9:5060;transport={self.transport.lower()}>"

    def send(self, text: str, to: tuple[str, int] | None = None) -> None:
        self._note(text)
        self.socket.sendall(text.encode())

    def read(self, deadline: float) -> tuple[str, tuple[str, int]]:
        while (whole := self._whole()) is None:
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            data = self.socket.recv(65_535)
            if not data:
                raise ConnectionError(f"the edge closed the connection of {self.name}")
            self._buffer += data
        message, self._buffer = self._buffer[:whole], self._buffer[whole:]
        return message.decode(), self.to

    def _whole(self) -> int | None:
        """Length of the first message once it is there; keep-alives (RFC 5626) are passed over."""
        self._buffer = self._buffer.lstrip(b"\r\n")
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        found = re.search(rb"^Content-Length: *(\d+)\r?$", head, re.MULTILINE | re.IGNORECASE)
        length = int(found[1]) if found else 0
        return len(head) + len(end) + length if end and len(rest) >= length else None


class WebPeer(StreamPeer):
    """A phone on a WebSocket (RFC 7118) over TLS."""

    def __init__(self, to: tuple[str, int], host: str, name: str, transport: str, authority: Path) -> None:
        self.to, self.name, self.transport, self.wants_probes, self.sent = to, name, "WSS", False, set()
        context = ssl.create_default_context(cafile=str(authority))
        self._open = contextlib.ExitStack()
        asked = {"subprotocols": [Subprotocol("sip")], "ssl": context, "source_address": (host, 0)}
        self.web = self._open.enter_context(connect(f"wss://{to[0]}:{to[1]}/", **asked))
        self.socket = self.web.socket
        self.host, self.port = "df7jal23ls0d.invalid", 0

    def contact(self, user: str) -> str:
        return f"<sip:{user}@{self.host};transport=ws>"

    def close(self) -> None:
        self._open.close()

    def send(self, text: str, to: tuple[str, int] | None = None) -> None:
        self._note(text)
        self.web.send(text)

    def read(self, deadline: float) -> tuple[str, tuple[str, int]]:
        got = self.web.recv(timeout=max(deadline - time.monotonic(), 0.001))
        return got if isinstance(got, str) else got.decode(), self.to


def ack_of(refusal: Message) -> str:
    """The ACK of a refused INVITE: same branch, hop by hop (RFC 3261 §17.1.1.3)."""
    copied = [f"{name}: {refusal.header(name)}" for name in ("From", "To", "Call-ID")]
    via = re.sub(r";(rport|received)=[^;]*", "", refusal.header("Via"))
    cseq = refusal.header("CSeq").split()[0]
    lines = [f"Via: {via}", "Max-Forwards: 70", *copied, f"CSeq: {cseq} ACK", "Content-Length: 0"]
    return "\r\n".join(["ACK sip:ack@lcall SIP/2.0", *lines]) + "\r\n\r\n"


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def credentials(challenge: Message, user: str, password: str, method: str, uri: str, nc: int = 1) -> str:
    """The Authorization or Proxy-Authorization line that answers a challenge (RFC 2617 §3.2.2)."""
    line = challenge.header("WWW-Authenticate") or challenge.header("Proxy-Authenticate")
    [nonce] = re.findall(r'[ ,]nonce="([^"]+)"', line)
    [opaque] = re.findall(r'opaque="([^"]+)"', line)
    ha1, ha2 = md5(f"{user}:{REALM}:{password}"), md5(f"{method}:{uri}")
    response = md5(f"{ha1}:{nonce}:{nc:08x}:abc:auth:{ha2}")
    name = "Authorization" if challenge.code == 401 else "Proxy-Authorization"
    return (
        f'{name}: Digest username="{user}", realm="{REALM}", nonce="{nonce}", uri="{uri}", response="{response}", '
        f'algorithm=MD5, qop=auth, nc={nc:08x}, cnonce="abc", opaque="{opaque}"'
    )


@dataclass
class Edge:
    """A running edge. Everything it writes is under `home`."""

    home: Path
    redis_url: str
    environ: dict[str, str]
    outside: tuple[str, int]
    tls: tuple[str, int]
    wss: tuple[str, int]
    internal: tuple[str, int]
    redis: subprocess.Popen[bytes]
    nodes: dict[str, int]  # incarnation -> port of its lease
    gateway: int  # port where gw1 is called, at 127.0.1.1
    process: subprocess.Popen[bytes] | None = None
    peers: list[Peer] = field(default_factory=list)

    @property
    def directory(self) -> Path:
        return self.home / "edge"

    @property
    def log(self) -> str:
        return (self.home / "kamailio.log").read_text(errors="replace")

    def stored(self) -> set[str]:
        """The extensions whose registration would survive a kill."""
        with contextlib.closing(sqlite3.connect(self.home / "kamailio" / "location.db")) as database:
            return {ext for (ext,) in database.execute("select username from location")}

    def start(self) -> None:
        subprocess.run(
            [sys.executable, "-m", "kamailio.render", str(self.directory)],
            cwd=ROOT,
            env=self.environ,
            check=True,
        )
        self.run()

    def run(self) -> None:
        """Starts what was rendered, or changed since."""
        with (self.home / "kamailio.log").open("ab") as log:
            self.process = subprocess.Popen(
                command(self.directory), stdout=log, stderr=log, start_new_session=True, env=self.environ
            )
        self.wait()

    def wait(self) -> None:
        """Until it answers a REGISTER with anything but 503: then the keeper has read the configuration.

        Asked from an address of its own, and not more often than pike allows: a test's own is not held up after it.
        """
        peer = self.peer(name="probe", host="127.0.0.77")
        deadline = time.monotonic() + 15
        while True:
            peer.send(peer.request("REGISTER", "sip:lcall", to="<sip:probe@lcall>"))
            with contextlib.suppress(Silence):
                if peer.final(0.2).code != 503:
                    return
                time.sleep(0.1)
            assert self.process is not None and self.process.poll() is None, self.log[-3000:]
            assert time.monotonic() < deadline, self.log[-3000:]

    def connected(self, transport: str, name: str, host: str = "127.0.0.1") -> Peer:
        """A peer that speaks TCP, TLS or WSS, and trusts nobody but the center's own authority."""
        kind, to = {"TCP": (StreamPeer, self.outside), "TLS": (StreamPeer, self.tls), "WSS": (WebPeer, self.wss)}[
            transport
        ]
        peer = kind(to, host, name, transport, self.home / "tls" / "ca.crt")
        self.peers.append(peer)
        return peer

    def peer(self, name: str = "8001", host: str = "127.0.0.1", port: int = 0) -> Peer:
        peer = Peer(self.outside, host, port, name)
        self.peers.append(peer)
        return peer

    async def publish(self, kinds: dict[str, dict[str, dict[str, Any]]], version: int = 1) -> None:
        """Configuration, and a lease for each node that lasts longer than any test."""
        live = Live(self.redis_url)
        await live.start()
        kinds["trunks"]["gw1"]["port"] = self.gateway
        await live.publish(version, kinds)
        for load, (incarnation, port) in enumerate(self.nodes.items()):
            await live.renew("lq", incarnation, address=f"127.0.0.1:{port}", load=load, lease_ms=3_600_000)
        await live.close()

    def lq(self, incarnation: str) -> Peer:
        """A node: a peer that speaks to the internal listener."""
        peer = Peer(self.internal, "127.0.0.1", self.nodes[incarnation], incarnation)
        self.peers.append(peer)
        return peer

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            until = time.monotonic() + 5
            while not _is_free(self.outside):  # its workers are not our children: nobody tells when the last has gone
                assert time.monotonic() < until, "Kamailio's workers outlive a kill -9 of their group"
                time.sleep(0.005)

    def close_peers(self) -> None:
        for peer in self.peers:
            peer.close()
        self.peers.clear()


def _is_free(address: tuple[str, int]) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(address)
        except OSError:
            return False
    return True


@contextlib.contextmanager
def edge(home: Path, **environ: str) -> Iterator[Edge]:
    """An edge that is not started yet; everything ends with the block."""
    redis, url = start_redis(home)
    outside, tls, wss, internal = (("127.0.0.1", free_port(keep=True)) for _ in range(4))
    environment = {
        "PATH": SYSTEM_PATH,
        "LCALL_HOME": str(home),
        "LCALL_REDIS_URL": url,
        "KAMAILIO_SIP": f"{outside[0]}:{outside[1]}",
        "KAMAILIO_TLS": f"{tls[0]}:{tls[1]}",
        "KAMAILIO_WSS": f"{wss[0]}:{wss[1]}",
        "KAMAILIO_INTERNAL": f"{internal[0]}:{internal[1]}",
        "KAMAILIO_PROBE_S": "1",
        **environ,
    }
    nodes = {LQ1: free_port(keep=True), LQ2: free_port(keep=True)}
    running = Edge(home, url, environment, outside, tls, wss, internal, redis, nodes, free_port(keep=True))
    try:
        yield running
    finally:
        running.kill()
        running.close_peers()
        stop(redis)


def rpc(edge: Edge, method: str, *params: Any) -> Any:
    """What `lcall bans` does: one command to Kamailio over its UNIX socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asker:
        own = edge.home / f"rpc.{uuid.uuid4().hex[:8]}"
        asker.bind(str(own))
        asker.settimeout(3)
        asker.sendto(
            json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 1}).encode(),
            str(edge.directory / "rpc.sock"),
        )
        answer = json.loads(asker.recv(65_535))
        own.unlink()
    return answer.get("result")
