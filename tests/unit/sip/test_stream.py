from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lq.sip.message import MAX_SIZE
from lq.sip.stream import MAX_HEAD, PING, BadStream, Framer

HEAD = b"OPTIONS sip:x@y SIP/2.0\r\nCall-ID: 1\r\n"


def message(body: bytes, name: bytes = b"Content-Length") -> bytes:
    return HEAD + name + b": %d\r\n\r\n" % len(body) + body


@given(
    st.lists(st.binary(max_size=40), min_size=1, max_size=5),
    st.lists(st.integers(0, 400), max_size=8),
    st.sampled_from([b"Content-Length", b"l", b"CONTENT-LENGTH ", b"L\t"]),
)
def test_however_it_is_cut_the_same_messages_come_out(bodies: list[bytes], cuts: list[int], name: bytes) -> None:
    wanted = [message(body, name) for body in bodies]
    data = b"\r\n".join(wanted)
    framer, found, at = Framer(), [], 0
    for cut in sorted({min(cut, len(data)) for cut in cuts} | {len(data)}):
        found += framer.feed(data[at:cut])
        at = cut
    assert found == wanted


def test_keep_alives_are_told_once_a_read() -> None:
    framer = Framer()
    assert framer.feed(b"\r\n\r\n") == [PING]
    assert framer.feed(b"\r\n" * 10_000) == [PING]
    assert framer.feed(b"\r\n") == []  # the answer to one of ours
    assert framer.feed(b"\r\n\r\n" + message(b"x") + b"\r\n\r\n") == [PING, message(b"x"), PING]


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"\r\n",
        HEAD + b"Content-Length: 1\r\nl: 2\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 1e3\r\n\r\n",
        HEAD + b"Content-Length:\r\n\r\n",
        HEAD + b"Content-Length: %d\r\n\r\n" % MAX_SIZE,
        HEAD + b"Content-Length: 99999999999999999999\r\n\r\n",
        b"X" * (MAX_HEAD + 1),
        b"X: y\r\n" * MAX_HEAD,
    ],
)
def test_a_stream_whose_messages_have_no_end_is_given_up(data: bytes) -> None:
    with pytest.raises(BadStream):
        Framer().feed(data)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_whatever_is_written_little_is_kept(parts: list[bytes]) -> None:
    framer = Framer()
    try:
        for part in parts:
            framer.feed(part)
            assert len(framer._buffer) <= MAX_HEAD + MAX_SIZE
    except BadStream:
        pass


def test_a_byte_at_a_time_is_not_searched_from_the_beginning_each_time() -> None:
    framer = Framer()
    framer.feed(b"A" * 10_000)
    assert framer._searched == 10_000
