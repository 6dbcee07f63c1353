"""A command that is under way when the process is frozen is not said again before it may act."""

from __future__ import annotations

import asyncio

import pytest

from lq.media import ng
from lq.media.ng import Ng, decode, encode


class Daemon(asyncio.DatagramProtocol):
    """An rtpengine that has lost the first of what it was sent."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        cookie, _, body = data.partition(b" ")
        self.heard.append(decode(body)["command"])
        if len(self.heard) > 1:
            assert self.transport is not None
            self.transport.sendto(cookie + b" " + encode({"result": "ok"}), addr)


async def test_it_waits_until_the_process_may_act(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ng, "TIMEOUT_S", 0.3)
    loop = asyncio.get_running_loop()
    transport, daemon = await loop.create_datagram_endpoint(Daemon, local_addr=("127.0.0.1", 0))
    client = Ng(transport.get_extra_info("sockname"))
    await client.start()
    frozen, waits = asyncio.Event(), asyncio.Event()

    async def passed() -> None:
        if daemon.heard:  # it was frozen after the first
            waits.set()
            await frozen.wait()

    client.passed = passed
    asking = asyncio.create_task(client("delete", **{"call-id": "c.1"}))
    await asyncio.wait_for(waits.wait(), 5)
    await asyncio.wait((asking,), timeout=0.1)
    assert daemon.heard == ["delete"] and not asking.done()
    frozen.set()
    assert (await asking)["result"] == "ok" and daemon.heard == ["delete", "delete"]
    await client.close()
    transport.close()
