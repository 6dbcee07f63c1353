"""ng: bencode both ways, the stream of notifications in any pieces, hostile bytes; commands to a scripted socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lq.media import ng
from lq.media.ng import Keys, MediaRefused, MediaUnavailable, Ng, decode, encode

VALUE = st.recursive(
    st.one_of(st.integers(-(2**63), 2**63), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8), VALUE, max_size=5))
def test_what_is_encoded_is_decoded(message: dict[str, Any]) -> None:
    assert decode(encode(message)) == message


def test_keys_in_any_order_as_rtpengine_writes_them() -> None:
    assert decode(b"d6:result2:ok1:ai1ee") == {"result": "ok", "a": 1}


@pytest.mark.parametrize(
    "data",
    [
        b"", b"d", b"de ", b"le", b"i1e", b"d1:a", b"d1:ae", b"di1ei2ee", b"d1:ai1", b"d1:a-1:xe", b"d1:a99:xe",
        b"d1:ai e e", b"d1:aixee", b"d" * 100_000, b"l" * 100_000, b"d1:a" * 5000, b"d1:a1234567890123456789012345:e",
        b"\xff", b"5:hello",
    ],
)  # fmt: skip
def test_bad_bencode_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode(data)


@settings(max_examples=1500, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.text("dlei:0123456789ax-", max_size=60).map(str.encode)))
def test_hostile_bytes_raise_value_errors_only(data: bytes) -> None:
    try:
        assert isinstance(decode(data), dict)
    except ValueError:
        pass


# -- notifications -----------------------------------------------------------------------------------------------------


def pressed(key: int, callid: str = "c.1", tag: str = "L", volume: int = 10, **more: Any) -> dict[str, Any]:
    data = {"callid": callid, "source_tag": tag, "event": key, "duration": 120, "volume": volume, **more}
    return {"notify": "onDTMF", "data": data}


def heard(stream: bytes, cuts: list[int]) -> list[tuple[str, str, int]]:
    """What comes out of the stream when it arrives in these pieces."""
    found: list[tuple[str, str, int]] = []

    async def run() -> None:
        reader = asyncio.StreamReader()
        keys = Keys(("127.0.0.1", 1), lambda *told: found.append(told))
        reading = asyncio.create_task(keys._read(reader))
        places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
        for start, end in pairwise(places):
            if end > start:
                reader.feed_data(stream[start:end])
                await asyncio.sleep(0)
        reader.feed_eof()
        await reading

    asyncio.run(run())
    return found


def stream_of(*messages: dict[str, Any]) -> bytes:
    return b"".join(b"cookie%d %s" % (n, encode(message)) for n, message in enumerate(messages))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_each_key_is_told_once_however_the_stream_is_cut(cuts: list[int]) -> None:
    stream = stream_of({"result": "pong"}, pressed(1), pressed(11, duration=80), pressed(15, callid="d.2"))
    assert heard(stream, cuts) == [("c.1", "1", 120), ("c.1", "#", 80), ("d.2", "D", 120)]


@pytest.mark.parametrize(
    "message",
    [
        pressed(1, tag="X"),  # the same key, as it leaves the leg
        pressed(1, volume=63),  # one that we injected
        pressed(16), pressed(-1), pressed(1) | {"notify": "onOther"}, {"notify": "onDTMF"},
        {"notify": "onDTMF", "data": "x"}, {"notify": "onDTMF", "data": {"source_tag": "L", "event": "1"}},
    ],
)  # fmt: skip
def test_what_is_no_key_of_a_phone_is_left_out(message: dict[str, Any]) -> None:
    assert heard(stream_of(message, pressed(5)), []) == [("c.1", "5", 120)]


def test_a_key_without_a_duration_is_a_key() -> None:
    assert heard(stream_of(pressed(7, duration="long")), []) == [("c.1", "7", 0)]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80))
def test_a_hostile_stream_ends_the_connection_and_nothing_else(data: bytes) -> None:
    try:
        heard(b"c " + data, [3, 9])
    except ValueError:
        pass


async def test_a_notification_without_an_end_is_given_up() -> None:
    keys = Keys(("127.0.0.1", 1), lambda *told: None)
    reader = asyncio.StreamReader()
    reader.feed_data(b"c d4:data9999999:" + b"x" * (ng.MAX_BUFFER + 1))
    with pytest.raises(ValueError, match="without an end"):
        await keys._read(reader)


# -- commands ----------------------------------------------------------------------------------------------------------


class Scripted(asyncio.DatagramProtocol):
    """rtpengine's place: answers each datagram as the test says."""

    def __init__(self, answer: Callable[[bytes, int], list[bytes]]) -> None:
        self.answer, self.asked = answer, list[bytes]()
        self.closed = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.asked.append(data)
        for answer in self.answer(data.partition(b" ")[0], len(self.asked)):
            self.transport.sendto(answer, addr)


async def asked(
    answer: Callable[[bytes, int], list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> tuple[Scripted, dict[str, Any] | Exception]:
    monkeypatch.setattr(ng, "TIMEOUT_S", 0.05)
    transport, scripted = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Scripted(answer), local_addr=("127.0.0.1", 0)
    )
    client = Ng(transport.get_extra_info("sockname"))
    await client.start()
    try:
        return scripted, await client("ping")
    except ng.MediaError as error:
        return scripted, error
    finally:
        await client.close()
        transport.close()
        await scripted.closed.wait()


async def test_a_lost_command_is_repeated_with_its_cookie(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted, answer = await asked(lambda cookie, n: [cookie + b" d6:result4:ponge"] if n == 3 else [], monkeypatch)
    assert answer == {"result": "pong"}
    assert len(scripted.asked) == 3 and len(set(scripted.asked)) == 1


async def test_silence_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted, answer = await asked(lambda cookie, n: [], monkeypatch)
    assert isinstance(answer, MediaUnavailable) and "does not answer 'ping'" in str(answer)
    assert len(scripted.asked) == ng.TRIES


async def test_an_error_is_refused_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    said = encode({"result": "error", "error-reason": "Unknown call-ID"})
    _, answer = await asked(lambda cookie, n: [cookie + b" " + said], monkeypatch)
    assert isinstance(answer, MediaRefused) and str(answer) == "ping: Unknown call-ID"


async def test_foreign_and_unreadable_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    good = b" d6:result4:ponge"
    _, answer = await asked(lambda cookie, n: [b"", b"x", b"other" + good, cookie + good, cookie + good], monkeypatch)
    assert answer == {"result": "pong"}
    _, answer = await asked(lambda cookie, n: [cookie + b" d6:result"], monkeypatch)
    assert isinstance(answer, MediaRefused) and "unreadable answer" in str(answer)


async def test_nobody_there_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ng, "TIMEOUT_S", 0.05)
    client = Ng(("127.0.0.1", 9))
    with pytest.raises(MediaUnavailable, match="not started"):
        await client("ping")
    await client.start()
    with pytest.raises(MediaUnavailable, match="does not answer"):
        await client("ping")
    await client.close()
