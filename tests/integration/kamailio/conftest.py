"""One edge for the tests that do not harm it; lq, phones and gateways are sockets in the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from lq.live.redis import Live
from tests.integration.kamailio.edge import LQ1, LQ2, Edge, Peer, edge
from tests.integration.live.center import documents


@pytest.fixture(scope="session")
def shared_edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with edge(tmp_path_factory.mktemp("edge")) as running:
        asyncio.run(running.publish(documents()))
        running.start()
        yield running


@pytest.fixture
def sip(shared_edge: Edge) -> Iterator[Edge]:
    yield shared_edge
    shared_edge.close_peers()


@pytest.fixture
async def live(shared_edge: Edge) -> AsyncIterator[Live]:
    live = Live(shared_edge.redis_url)
    yield live
    await live.close()


@pytest.fixture
def lq(sip: Edge) -> Peer:
    """The node with the least load."""
    return sip.lq(LQ1)


@pytest.fixture
def lq2(sip: Edge) -> Peer:
    return sip.lq(LQ2)


@pytest.fixture
def phone(sip: Edge) -> Peer:
    """Phone 8001, registered."""
    phone = sip.peer("8001")
    assert phone.register("demo-8001").code == 200
    return phone


@pytest.fixture
def gateway(sip: Edge) -> Peer:
    """gw1: sends from its address and is called at its port."""
    return sip.peer("02161234567", "127.0.1.1", sip.gateway)
