"""Hostile descriptions and answers: nothing but the declared errors, nothing that grows, nothing that is passed on."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from lq.media import sdp
from lq.media.leg import MediaLeg
from lq.media.ng import Keys, decode, encode
from lq.media.silence import last_packet

# Descriptions that are nearly right: their lines, each as phones write it, or bent.
LINES = [
    "v=0", "o=- 1 1 IN IP4 10.0.0.1", "s=-", "t=0 0", "c=IN IP4 10.0.0.1", "c=IN IP4 0.0.0.0", "c=IN IP6 ::1",
    "c=IN IP4 224.2.1.1/127", "m=audio 4000 RTP/AVP 8 0 18 101", "m=audio 0 RTP/AVP 8", "m=audio 99999 RTP/AVP 8",
    "m=audio 4000 UDP/TLS/RTP/SAVPF 111 126", "m=audio 4000 RTP/SAVP 8", "m=audio 4000/2 RTP/AVP 9 97",
    "m=video 4002 RTP/AVP 96", "a=rtpmap:101 telephone-event/8000", "a=rtpmap:111 opus/48000/2",
    "a=rtpmap:126 telephone-event/8000", "a=rtpmap:97 opus/48000", "a=rtpmap:8 PCMA/", "a=rtpmap:0 /8000",
    "a=rtpmap:99999999999999999999 x/1", "a=rtpmap:8 PCMA/99999999999999999999999/7", "a=fmtp:101 0-16",
    "a=sendonly", "a=inactive", "a=sendrecv", "a=ptime:20", "a=ice-ufrag:ab", "a=ice-pwd:cd", "a=mid:0",
    "a=fingerprint:sha-256 AB:CD", "a=setup:actpass", "a=candidate:1 1 UDP 1 10.0.0.1 4000 typ host",
    "a=fmtp:8 \x00\x1b[31m", "a=mid:\x07", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40, "a=rtcp-mux", "",
]  # fmt: skip
NEARLY = some.lists(some.sampled_from(LINES) | some.text(max_size=40), max_size=40).map(
    lambda lines: "\r\n".join(["v=0", *lines])
)
DESCRIPTIONS = NEARLY | some.text(max_size=400)


@given(DESCRIPTIONS)
@example("v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP ²\r\n")
def test_a_description_is_read_or_refused(text: str) -> None:
    try:
        found = sdp.audio(text)
    except sdp.BadSdp:
        assert not sdp.is_hold(text)
        return
    assert 0 < found.port <= 65535 and len(found.secure) <= 40
    assert any(found.kind in kinds for kinds in sdp.KINDS.values())
    codec = sdp.common(found)
    if codec is None:
        return
    ours = sdp.normalised(found, codec)
    again = sdp.audio(ours)  # what rtpengine is told can be read, and says the same
    assert (again.address, again.port, again.direction, again.kind) == (
        found.address, found.port, found.direction, found.kind,
    )  # fmt: skip
    assert again.codecs[0].map == codec.map and len(again.codecs) <= 2
    assert all(line and line.isascii() and line.isprintable() for line in ours.split("\r\n")[:-1])
    answer = sdp.with_refused(sdp.event_as_offered(sdp.answering(ours, found.direction, 2), found), text)
    assert len(re.findall(r"^m=", answer, re.MULTILINE)) == found.streams


@given(some.binary(max_size=300))
@example(b"i" + b"9" * 100_000 + b"e")
@example(b"l" * 5000)
@example(b"d" + b"1:a" * 3 + b"e")
@example(b"999999999999999999999999:")
def test_an_answer_is_read_or_refused(data: bytes) -> None:
    try:
        answer = decode(data)
    except ValueError:
        return
    assert isinstance(answer, dict)
    last_packet(answer)


PLAIN = some.recursive(
    some.integers(-(2**63), 2**63) | some.text(max_size=20),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(some.dictionaries(some.text(max_size=8), PLAIN, max_size=6))
def test_what_is_said_is_read_as_it_was_meant(message: dict[str, Any]) -> None:
    assert decode(encode(message)) == message


@given(some.lists(some.binary(max_size=60), max_size=30))
def test_a_stream_of_notifications_that_is_none_ends_in_an_error_or_waits(chunks: list[bytes]) -> None:
    """Whatever a port says that is no rtpengine's: a ValueError, which begins anew; and never a key."""
    pressed: list[str] = []

    async def read() -> None:
        reader = asyncio.StreamReader()
        for chunk in chunks:
            reader.feed_data(chunk)
        reader.feed_eof()
        try:
            await Keys(("127.0.0.1", 1), lambda leg, key, ms: pressed.append(key))._read(reader)
        except ValueError:
            return

    asyncio.run(read())
    assert pressed == []


FIELDS = some.sampled_from(["source_tag", "callid", "event", "duration", "volume"])
DATA = some.dictionaries(FIELDS, PLAIN | some.just("L"), max_size=5)


@given(some.dictionaries(some.sampled_from(["notify", "data", "x"]), PLAIN | some.just("onDTMF") | DATA, max_size=3))
def test_a_notification_of_anything_is_a_key_or_nothing(message: dict[str, Any]) -> None:
    def pressed(leg: str, key: str, duration_ms: int) -> None:
        assert key in Keys.NAMES and isinstance(duration_ms, int)

    Keys(("127.0.0.1", 1), pressed)._told(message)


@given(some.dictionaries(some.text(max_size=10), some.integers() | some.text(max_size=5), max_size=5))
def test_a_snapshot_of_tomorrow_is_read(more: dict[str, Any]) -> None:
    leg = MediaLeg("c.1", "in", local_port=4000)
    known = {key: value for key, value in more.items() if key not in leg.to_json()}
    assert MediaLeg.from_json({**leg.to_json(), **known}) == leg
    assert MediaLeg.from_json({"id": "c.1", "role": "in", "local_port": 4000}) == leg  # one of the first issue


@pytest.mark.parametrize("size", [1 << 10, 1 << 16, 1 << 20])
def test_a_long_description_costs_no_more_than_its_length(size: int) -> None:
    lines = "a=rtpmap:97 opus/48000/2\r\na=fmtp:97 " + "x" * 50 + "\r\n"
    text = "v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 8\r\n" + lines * (size // len(lines))
    found = sdp.audio(text)
    assert len(sdp.normalised(found, found.codecs[0])) < 400
