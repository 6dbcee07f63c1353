"""The SIP trace: whose message it is, what it must not tell, how much room it takes, whom it never holds up."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lq.sip.trace import _CALL_ID, BATCHES, WAITING, Files, Message, Trace, Writer, datagram, redacted

HERE, PEER = ("127.0.0.1", 15071), ("127.0.0.1", 15060)
MESSAGE = (
    b"INVITE sip:4008001000@lq SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:15060;branch=z9hG4bKx\r\n"
    b"Call-ID: abc@gw\r\nCSeq: 1 INVITE\r\n\r\n"
)


class Kept:
    """A sink that keeps, and waits when told to."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.go = threading.Event()
        self.go.set()

    def put(self, node: str, batch: Sequence[Message]) -> None:
        self.go.wait()
        self.messages += batch

    def close(self) -> None:
        self.go.set()


def saying(call: str, rest: bytes = b"") -> bytes:
    return MESSAGE.replace(b"abc@gw", call.encode()) + rest


async def test_a_first_invite_gets_the_contact_that_is_made_after_it_came() -> None:
    sink, legs = Kept(), dict[str, tuple[str, str]]()
    trace = Trace("lq1", HERE, legs.get, [sink])
    trace("in", MESSAGE, PEER, "s1")
    legs["s1"] = ("c1", "c1.1")
    trace("out", b"SIP/2.0 100 Trying\r\ni: abc@gw\r\n\r\n", PEER, "s1")
    del legs["s1"]  # over already; its Call-ID is remembered
    trace("in", b"ACK sip:x SIP/2.0\r\nCall-ID:abc@gw\r\n\r\n", PEER, None)
    trace("in", saying("stranger"), PEER, None)
    await trace.close()
    assert [message.place for message in sink.messages] == [("c1", "c1.1")] * 3 + [("", "")]
    assert [message.call for message in sink.messages] == ["abc@gw"] * 3 + ["stranger"]
    assert trace.dropped == 0


async def test_two_contacts_of_a_node_that_talk_with_each_other_have_their_own_messages() -> None:
    """One Call-ID: what leaves one of them comes in for the other."""
    sink, legs = Kept(), {"s1": ("c1", "c1.3")}
    trace = Trace("lq1", HERE, legs.get, [sink])
    trace("out", MESSAGE, PEER, "s1")
    trace("in", MESSAGE, PEER, "s2")
    legs["s2"] = ("c2", "c2.3")
    trace("out", b"SIP/2.0 200 OK\r\nCall-ID: abc@gw\r\n\r\n", PEER, "s2")
    trace("in", b"SIP/2.0 200 OK\r\nCall-ID: abc@gw\r\n\r\n", PEER, "s1")
    await trace.close()
    assert [message.place[1] for message in sink.messages] == ["c1.3", "c2.3", "c2.3", "c1.3"]


async def test_a_question_to_the_acd_is_the_contacts() -> None:
    sink = Kept()
    trace = Trace("lq1", HERE, lambda session: None, [sink])
    named = saying("q").replace(b"\r\n\r\n", b"\r\nX-LQ-Contact: c7\r\n\r\n")
    trace("out", named.replace(b"sip:4008001000@lq", b"sip:sales@acd.lq.internal"), PEER, None)
    trace("in", b"SIP/2.0 302 Moved\r\nCall-ID: q\r\n\r\n", PEER, None)
    trace("in", named.replace(b"Call-ID: q", b"Call-ID: other"), PEER, None)  # anybody else's word is none
    await trace.close()
    assert [message.place for message in sink.messages] == [("c7", "acd")] * 2 + [("", "")]


async def test_keep_alives_leave_no_trace() -> None:
    sink = Kept()
    trace = Trace("lq1", HERE, {"s": ("c1", "c1.1")}.get, [sink])
    alive = b"OPTIONS sip:x SIP/2.0\r\nCall-ID: %s\r\nCSeq: 7 OPTIONS\r\n\r\n"
    trace("in", alive % b"none", PEER, None)
    trace("in", alive % b"in-dialog", PEER, "s")
    await trace.close()
    assert [message.call for message in sink.messages] == ["in-dialog"]


async def test_a_disk_that_hangs_costs_messages_never_the_loop() -> None:
    sink = Kept()
    sink.go.clear()
    trace = Trace("lq1", HERE, lambda session: None, [sink])
    for _ in range(BATCHES + 10):
        trace("in", MESSAGE, PEER, None)
        trace._hand_over()
    for _ in range(WAITING + 1000):
        trace("in", MESSAGE, PEER, None)
    assert trace.dropped >= 1000 + 9
    sink.go.set()
    await trace.close()
    assert len(sink.messages) + trace.dropped == BATCHES + 10 + WAITING + 1000


def test_nothing_secret_is_written() -> None:
    secret = (
        b"INVITE sip:x SIP/2.0\r\n"
        b'Authorization: Digest username="8001", realm="lq",\r\n nonce="n", response="5ecre7"\r\n'
        b'Proxy-Authorization: Digest username="8001", response="5ecre7"\r\nCall-ID: 1\r\n\r\n'
        b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:5ecre7d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:32\r\n"
        b"a=ice-pwd:5ecre7\r\na=ice-ufrag:8hhY\r\n"
    )
    shown = redacted(secret)
    assert b"5ecre7" not in shown and b"nonce" not in shown
    assert b"Authorization: Digest ***\r\nProxy-Authorization: Digest ***\r\nCall-ID: 1\r\n" in shown
    assert b"inline:***|2^20|1:32" in shown and b"8hhY" in shown
    relay = b"INFO sip:x SIP/2.0\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=5\r\nDuration=160\r\n"
    assert redacted(relay).endswith(b"Signal=*\r\nDuration=160\r\n")
    plain = b"INFO sip:x SIP/2.0\r\nContent-Type: application/dtmf\r\n\r\n5"
    assert redacted(plain).endswith(b"\r\n\r\n*")
    part = (
        b"INFO sip:x SIP/2.0\r\nContent-Type: multipart/mixed\r\n\r\n--b\r\nc: application/DTMF;x=y\r\n\r\n5\r\n--b--"
    )
    assert redacted(part).endswith(b"x=y\r\n\r\n*")
    for whole in (MESSAGE, plain[:-1], plain[:-3], b"\r\n\r\n" + MESSAGE):
        assert redacted(whole) == whole


def test_no_message_takes_long_to_read_or_to_redact() -> None:
    began = time.process_time()
    blank = b" " * 60_000
    for strange in (b"\r\nc:application/dtmf" * 3_000, b"Call-ID: " + blank + b"x", b"\nSignal" + blank):
        assert redacted(strange) and _CALL_ID.search(strange) is not False
    assert time.process_time() - began < 0.25


def a_batch(n: int = 1, size: int = 100) -> list[Message]:
    return [Message(1_764_000_000_000_000, "in", HERE, PEER, b"x" * size, ("c1", "c1.1"), f"call{i}") for i in range(n)]


def test_a_line_says_everything_and_is_its_owners_alone(tmp_path: Path) -> None:
    files = Files(tmp_path / "trace")
    files.put("lq1", a_batch())
    files.close()
    [path] = (tmp_path / "trace").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    assert json.loads(path.read_text()) == {
        **{"at": 1_764_000_000_000, "node": "lq1", "direction": "in", "local": "127.0.0.1:15071"},
        **{"peer": "127.0.0.1:15060", "contact": "c1", "leg": "c1.1", "call": "call0", "data": "x" * 100},
    }


def test_files_are_bounded_by_size_and_age_and_a_node_deletes_no_others(tmp_path: Path) -> None:
    old, other = tmp_path / "lq9-1.sip.jsonl", tmp_path / "lq2-1.sip.jsonl"
    for path in (old, other):
        path.write_bytes(b"x" * 100_000)
    os.utime(old, (0, 0))
    files = Files(tmp_path, file_bytes=10_000, keep_bytes=50_000, keep_s=3600)
    for _ in range(100):
        files.put("lq1", a_batch(10, 100))
        time.sleep(0.001)  # names are in ms
    files.close()
    ours = list(tmp_path.glob("lq1-*"))
    assert 3 <= len(ours) <= 6 and sum(path.stat().st_size for path in ours) <= 50_000 + 10_000
    assert other.exists() and not old.exists()


def test_a_full_disk_is_told_once_and_tried_anew(tmp_path: Path) -> None:
    class Full(Kept):
        room = False
        tries = 0

        def put(self, node: str, batch: Sequence[Message]) -> None:
            self.tries += 1
            if not self.room:
                raise OSError(28, "No space left on device")

    sink, after = Full(), Kept()
    writer = Writer("lq1", [sink, after])
    writer.take(a_batch())
    writer.take(a_batch())
    sink.room = True
    writer.take(a_batch())
    writer.close()
    assert sink.tries == 4 and len(after.messages) == 3  # close brings one without messages


def test_a_hep_datagram_says_from_whom_to_whom_and_whose() -> None:
    found = chunks(datagram(a_batch()[0]))
    assert found[3] == bytes([127, 0, 0, 1]) and int.from_bytes(found[7], "big") == 15060
    assert int.from_bytes(found[8], "big") == 15071 and found[17] == b"c1" and found[15] == b"x" * 100
    outgoing = Message(1, "out", HERE, PEER, MESSAGE.replace(b"/UDP", b"/TCP"), ("", ""), "c")
    found = chunks(datagram(outgoing))
    assert int.from_bytes(found[7], "big") == 15071 and found[2] == b"\x06" and 17 not in found
    huge = Message(1, "out", HERE, PEER, b"x" * 70_000, ("c", "l"), "c")
    assert len(datagram(huge)) < 65_507


def chunks(datagram: bytes) -> dict[int, Any]:
    """A strict reader of HEP3."""
    assert datagram[:4] == b"HEP3" and int.from_bytes(datagram[4:6], "big") == len(datagram)
    found, at = dict[int, Any](), 6
    while at < len(datagram):
        vendor, kind, length = (int.from_bytes(datagram[at + n : at + n + 2], "big") for n in (0, 2, 4))
        assert vendor == 0 and length >= 6 and at + length <= len(datagram) and kind not in found
        found[kind] = datagram[at + 6 : at + length]
        at += length
    return found


async def test_what_waits_is_handed_over_by_itself() -> None:
    arrived, loop = asyncio.Event(), asyncio.get_running_loop()

    class Telling(Kept):
        def put(self, node: str, batch: Sequence[Message]) -> None:
            loop.call_soon_threadsafe(arrived.set)

    trace = Trace("lq1", HERE, lambda session: ("c1", "c1.1"), [Telling()])
    trace("in", MESSAGE, PEER, "s")
    async with asyncio.timeout(5):
        await arrived.wait()
    await trace.close()


async def test_a_sink_that_cannot_take_a_message_stops_no_other_and_is_asked_again() -> None:
    class Choosy(Kept):
        def put(self, node: str, batch: Sequence[Message]) -> None:
            if any(message.peer[0] == "edge" for message in batch):
                raise ValueError("'edge' does not appear to be an IPv4 or IPv6 address")
            super().put(node, batch)

    choosy, other = Choosy(), Kept()
    writer = Writer("lq1", [choosy, other])
    for peer in (("edge", 5060), PEER):
        assert writer.take([Message(1, "in", HERE, peer, MESSAGE, ("c1", "c1.1"), "abc@gw")])
    writer.close()
    assert [message.peer for message in choosy.messages] == [PEER] and len(other.messages) == 2
