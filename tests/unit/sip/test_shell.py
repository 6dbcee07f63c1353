"""The shell on real sockets: loopback, ports that were free a moment ago."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from lq.sip import events as ev
from lq.sip import tcp
from lq.sip.agent import Datagram
from lq.sip.shell import Shell
from lq.sip.transaction import Transport
from tests.unit.sip.end import End

INVITE = (
    b"INVITE sip:b@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx;rport\r\nFrom: <sip:a@a>;tag=1\r\n"
    b"To: <sip:b@b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:a@a>\r\nContent-Length: 0\r\n\r\n"
)
OPTIONS = INVITE.replace(b"INVITE", b"OPTIONS")
LARGE = "v=0\r\n" + "a=candidate:1\r\n" * 200


@pytest.fixture
async def start(no_task_left: None) -> AsyncIterator[Callable[..., object]]:
    ends: list[End] = []

    async def start(next_hop: tuple[str, int] = ("127.0.0.1", 9), transport: Transport = "udp") -> End:
        end = End(next_hop, transport)
        await end.shell.start(end.told.put_nowait)
        ends.append(end)
        return end

    yield start
    for end in ends:
        await end.shell.close()


async def test_the_trace_sees_what_comes_and_what_goes_with_its_session(start: Callable[..., Awaitable[End]]) -> None:
    end, seen = await start(), []
    end.shell.trace = lambda direction, data, peer, session: seen.append((direction, data.split(b" ")[0], session))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.connect(end.address)
        peer.send(b"what\r\n\r\n")
        peer.send(INVITE)
        incoming = await end.hears(ev.Incoming)
    assert isinstance(incoming, ev.Incoming)
    assert seen[:3] == [
        ("in", b"what\r\n\r\n", None),
        ("in", b"INVITE", incoming.session),
        ("out", b"SIP/2.0", incoming.session),
    ]


async def test_what_is_exported_after_the_clock_was_set_tells_the_new_time(
    start: Callable[..., Awaitable[End]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a node that was started since would take a session for long expired, and end it."""
    end, wall = await start(), time.time
    assert abs(end.shell.follow_clock()) < 0.5
    before = end.ua.epoch
    monkeypatch.setattr(time, "time", lambda: wall() + 3_600)
    assert round(end.shell.follow_clock()) == 3_600
    assert round(end.ua.epoch - before) == 3_600
    assert abs(end.shell.follow_clock()) < 0.5


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_call_over_real_sockets(start: Callable[..., Awaitable[End]], transport: Transport) -> None:
    called = await start()
    calling = await start(called.address, transport)
    ours = calling.call()
    incoming = await called.hears(ev.Incoming)
    assert isinstance(incoming, ev.Incoming)
    called.ua.accept(incoming.session, "v=0 answer", now=called.shell.now())
    called.go()
    await calling.hears(ev.Accepted)
    calling.ua.ack(ours, now=calling.shell.now())
    calling.go()
    await called.hears(ev.Confirmed)
    calling.ua.bye(ours, now=calling.shell.now())
    calling.go()
    await called.hears(ev.Ended)


async def test_a_large_offer_is_heard_whole_and_the_answer_uses_the_same_connection(
    start: Callable[..., Awaitable[End]],
) -> None:
    called = await start()
    calling = await start(called.address)
    calling.call(LARGE)
    incoming = await called.hears(ev.Incoming)
    assert isinstance(incoming, ev.Incoming) and incoming.sdp == LARGE
    called.ua.reject(incoming.session, 486, now=called.shell.now())
    called.go()
    assert (await calling.hears(ev.Rejected)).code == 486  # type: ignore[union-attr]
    # the peer's name for us (RFC 5923) and our connection's own end: one connection
    assert len(set(called.shell._streams._by_peer.values())) == 1


async def test_requests_of_the_called_side_use_the_callers_connection(start: Callable[..., Awaitable[End]]) -> None:
    called = await start()
    calling = await start(called.address, "tcp")
    calling.call()
    await called.hears(ev.Incoming)
    called.ua._next_hop, called.ua._transport = calling.address, "tcp"
    called.call()
    await calling.hears(ev.Incoming)
    assert len(set(called.shell._streams._by_peer.values())) == 1
    assert len(set(calling.shell._streams._by_peer.values())) == 1


async def test_where_nobody_accepts_a_connection_a_large_request_goes_by_udp(
    start: Callable[..., Awaitable[End]],
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.setblocking(False)
        calling = await start(peer.getsockname())
        calling.call(LARGE)
        async with asyncio.timeout(10):
            data = await asyncio.get_running_loop().sock_recv(peer, 65_535)
    assert data.startswith(b"INVITE") and b"SIP/2.0/UDP" in data and data.endswith(LARGE.encode())


async def test_a_connection_that_breaks_is_made_anew(start: Callable[..., Awaitable[End]]) -> None:
    called = await start()
    calling = await start(called.address, "tcp")
    calling.call()
    incoming = await called.hears(ev.Incoming)
    assert isinstance(incoming, ev.Incoming)
    for connection in set(called.shell._streams._by_peer.values()):
        connection.abort()
    called.ua.reject(incoming.session, 486, now=called.shell.now())
    called.go()  # §18.2.2: to the address in the Via
    assert (await calling.hears(ev.Rejected)).code == 486  # type: ignore[union-attr]


async def test_a_hostile_stream_costs_its_own_connection_only(start: Callable[..., Awaitable[End]]) -> None:
    end = await start()
    reader, writer = await asyncio.open_connection(*end.address)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        async with asyncio.timeout(10):
            await reader.readexactly(1)
    writer.close()
    reader, writer = await asyncio.open_connection(*end.address)
    writer.write(b"\r\n\r\n" + OPTIONS.replace(b"UDP", b"TCP"))
    async with asyncio.timeout(10):
        assert await reader.readexactly(2) == b"\r\n"
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"SIP/2.0 200")
    writer.close()


async def test_connections_are_bounded(start: Callable[..., Awaitable[End]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "MAX_CONNECTIONS", 3)
    end = await start()
    writers = []
    for n in range(6):
        reader, writer = await asyncio.open_connection(*end.address)
        writers.append(writer)
        writer.write(OPTIONS.replace(b"UDP", b"TCP").replace(b"z9hG4bKx", b"z9hG4bKx%d" % n))
        async with asyncio.timeout(10):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"SIP/2.0 200")
    assert len(end.shell._streams._connections) == 3
    for writer in writers:
        writer.close()


async def test_a_peer_that_does_not_read_is_let_go(
    start: Callable[..., Awaitable[End]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "MAX_UNSENT", 10_000)
    end = await start()
    reader, writer = await asyncio.open_connection(*end.address)
    writer.write(OPTIONS.replace(b"UDP", b"TCP"))
    async with asyncio.timeout(10):
        await reader.readuntil(b"\r\n\r\n")
    ((peer, connection),) = end.shell._streams._by_peer.items()
    for _ in range(10_000):
        if not connection.open:
            break
        end.shell.send([Datagram(None, b"x" * 5000, peer, "tcp")])
    assert not connection.open
    writer.close()


@pytest.mark.parametrize("destination", [("255.255.255.255", 9), ("127.0.0.1", 0), ("127.0.0.1", 1), ("240.0.0.1", 9)])
async def test_what_cannot_be_sent_does_not_make_the_node_deaf(
    start: Callable[..., Awaitable[End]], destination: tuple[str, int]
) -> None:
    end = await start()
    for _ in range(3):
        end.shell.send([Datagram(None, b"x", destination)])
        await asyncio.sleep(0)
    await _answers(end)


async def test_a_datagram_too_large_for_any_wire_is_survived(start: Callable[..., Awaitable[End]]) -> None:
    end = await start()
    end.shell.send([Datagram(None, b"x" * 70_000, ("127.0.0.1", 9))])
    await _answers(end)


async def test_a_socket_that_is_lost_is_opened_again(start: Callable[..., Awaitable[End]]) -> None:
    end = await start()
    assert end.shell._transport is not None
    end.shell._transport.abort()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert end.shell._reopening is not None
    await end.shell._reopening
    await _answers(end)


async def _answers(end: End) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.connect(end.address)
        peer.setblocking(False)
        peer.send(OPTIONS)
        async with asyncio.timeout(10):
            assert (await asyncio.get_running_loop().sock_recv(peer, 65_535)).startswith(b"SIP/2.0 200")


async def test_an_address_that_is_taken_is_an_error_and_leaves_nothing_open(
    start: Callable[..., Awaitable[End]],
) -> None:
    end = await start()
    other = Shell(end.ua, end.address)
    with pytest.raises(OSError, match="in use"):
        await other.start(lambda event: None)
    await other.close()


async def test_a_fault_about_one_call_is_not_the_others(start: Callable[..., Awaitable[End]]) -> None:
    end = await start()
    told: list[ev.Event] = []

    def happened(event: ev.Event) -> None:
        told.append(event)
        if len(told) == 1:
            raise RuntimeError("a bug of the owner's")

    end.shell._on_event = happened
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.connect(end.address)
        for n in range(2):
            peer.send(INVITE.replace(b"z9hG4bKx", b"z9hG4bKx%d" % n).replace(b"Call-ID: c", b"Call-ID: c%d" % n))
        await _answers(end)
    assert len(told) == 2


async def test_a_frozen_process_neither_hears_nor_says_anything(start: Callable[..., Awaitable[End]]) -> None:
    """What came meanwhile is heard once it may act."""
    end = await start()
    end.shell.is_frozen = lambda: True
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.setblocking(False)
        peer.connect(end.address)
        await loop.sock_sendall(peer, OPTIONS)
        async with asyncio.timeout(5):
            while not end.shell._late:  # noqa: ASYNC110 - it shall tell nobody
                await asyncio.sleep(0.005)
        with pytest.raises(BlockingIOError):
            peer.recv(4096)
        end.shell.is_frozen = lambda: False
        end.shell.resume()
        assert b"CSeq: 1 OPTIONS" in await loop.sock_recv(peer, 4096)


async def test_what_a_frozen_process_would_say_leaves_once_it_may(start: Callable[..., Awaitable[End]]) -> None:
    """Whoever says it: SIP knows no fence, and a task that was under way asks nobody."""
    end = await start()
    frozen = True
    end.shell.is_frozen = lambda: frozen
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.setblocking(False)
        end.shell.send([Datagram(None, b"BYE", peer.getsockname())])
        end.shell.send([Datagram(None, b"CANCEL", peer.getsockname())])
        await asyncio.sleep(0)
        with pytest.raises(BlockingIOError):  # a datagram on loopback is there when sendto returns
            peer.recv(4096)
        frozen = False
        end.shell.resume()
        assert [await loop.sock_recv(peer, 4096) for _ in range(2)] == [b"BYE", b"CANCEL"]


async def test_a_timer_that_fails_is_not_the_last(start: Callable[..., Awaitable[End]]) -> None:
    end = await start()
    end.ua.timeout = fails  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        end.shell._due()
    armed: list[bool] = []
    end.shell._arm = lambda: armed.append(True)  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        end.shell._due()
    assert armed


def fails(now: float) -> None:
    raise RuntimeError("a fault")
