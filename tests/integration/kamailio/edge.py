"""A real Kamailio with a Redis of its own, and peers that speak raw SIP over UDP."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kamailio.render import command
from lq.live.redis import Live
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

    def __init__(self, to: tuple[str, int], host: str = "127.0.0.1", port: int = 0, name: str = "8001") -> None:
        self.to = to
        self.name = name
        self.wants_probes = False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.bind((host, port or free_port()))
        except OSError:
            self.socket.close()
            raise
        self.host, self.port = self.socket.getsockname()

    def close(self) -> None:
        self.socket.close()

    def send(self, text: str, to: tuple[str, int] | None = None) -> None:
        self.socket.sendto(text.encode(), to or self.to)

    def receive(self, timeout_s: float = 3.0) -> Message:
        deadline = time.monotonic() + timeout_s
        while True:
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                data, source = self.socket.recvfrom(65_535)
            except TimeoutError:
                raise Silence(f"nothing came to {self.name} within {timeout_s} s") from None
            message = Message(data.decode(), source)
            if message.code >= 300 and message.method == "INVITE":
                self.send(ack_of(message))
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
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.host}:{self.port};branch={branch or 'z9hG4bK' + uuid.uuid4().hex};rport",
            "Max-Forwards: 70",
            f"From: {from_ or f'<sip:{user}@lcall>;tag=' + uuid.uuid4().hex[:8]}",
            f"To: {to or f'<{uri}>'}",
            f"Call-ID: {call_id or uuid.uuid4().hex}",
            f"CSeq: {cseq} {method}",
            f"Contact: {contact or f'<sip:{user}@{self.host}:{self.port}>'}",
            *headers,
        ]
        if body:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines) + "\r\n\r\n" + body

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

    def register(self, password: str, expires: int = 600, contact: str = "") -> Message:
        """The whole exchange; the last answer."""
        uri, headers = "sip:lcall", [f"Expires: {expires}"]
        given: dict[str, Any] = {"to": f"<sip:{self.name}@lcall>", "contact": contact, "call_id": uuid.uuid4().hex}
        self.send(self.request("REGISTER", uri, headers=headers, **given))
        challenge = self.final()
        if challenge.code != 401:
            return challenge
        headers.append(credentials(challenge, self.name, password, "REGISTER", uri))
        self.send(self.request("REGISTER", uri, headers=headers, cseq=2, **given))
        return self.final()


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
    [nonce] = re.findall(r'nonce="([^"]+)"', line)
    ha1, ha2 = md5(f"{user}:{REALM}:{password}"), md5(f"{method}:{uri}")
    response = md5(f"{ha1}:{nonce}:{nc:08x}:abc:auth:{ha2}")
    name = "Authorization" if challenge.code == 401 else "Proxy-Authorization"
    return (
        f'{name}: Digest username="{user}", realm="{REALM}", nonce="{nonce}", uri="{uri}", response="{response}", '
        f'algorithm=MD5, qop=auth, nc={nc:08x}, cnonce="abc"'
    )


@dataclass
class Edge:
    """A running edge. Everything it writes is under `home`."""

    home: Path
    redis_url: str
    environ: dict[str, str]
    outside: tuple[str, int]
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
        """Until it answers a REGISTER with anything but 503: then the keeper has read the configuration."""
        peer = self.peer(name="probe")
        deadline = time.monotonic() + 15
        while True:
            peer.send(peer.request("REGISTER", "sip:lcall", to="<sip:probe@lcall>"))
            with contextlib.suppress(Silence):
                if peer.final(0.2).code != 503:
                    return
            assert self.process is not None and self.process.poll() is None, self.log[-3000:]
            assert time.monotonic() < deadline, self.log[-3000:]

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
    outside, internal = ("127.0.0.1", free_port(keep=True)), ("127.0.0.1", free_port(keep=True))
    environment = {
        "PATH": os.environ["PATH"],
        "LCALL_HOME": str(home),
        "LCALL_REDIS_URL": url,
        "KAMAILIO_SIP": f"{outside[0]}:{outside[1]}",
        "KAMAILIO_INTERNAL": f"{internal[0]}:{internal[1]}",
        "KAMAILIO_PROBE_S": "1",
        **environ,
    }
    nodes = {LQ1: free_port(keep=True), LQ2: free_port(keep=True)}
    running = Edge(home, url, environment, outside, internal, redis, nodes, free_port(keep=True))
    try:
        yield running
    finally:
        running.kill()
        running.close_peers()
        stop(redis)
