"""What no parser likes, on the wire of the real edge: a clear refusal or silence, and the edge lives."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

import pytest

from tests.integration.kamailio import torture
from tests.integration.kamailio.edge import Edge, Message, Peer


@pytest.fixture
def peer(sip: Edge) -> Iterator[Peer]:
    """Each case has an address of its own, so that none of them suffers for another."""
    n = uuid.uuid4().int
    yield sip.peer("x", f"127.9.{n % 250}.{n // 250 % 250 + 1}")


@pytest.mark.parametrize("case", (*torture.FUZZED, *torture.TORTURE), ids=lambda case: case.name)
def test_malformed_requests(sip: Edge, lq: Peer, peer: Peer, case: torture.Case) -> None:
    before = processes(sip)
    message = case.message.replace(b"@HOST@", f"{peer.host}:{peer.port}".encode())
    peer.socket.sendto(message.replace(b"@BRANCH@", f"z9hG4bK{uuid.uuid4().hex[:16]}".encode()), sip.outside)
    code = answer(peer, 0.4 if None in case.answers else 3)
    assert code in case.answers, f"{case.name}: {code}"
    peer.send(peer.request("OPTIONS", "sip:lcall"))
    assert peer.final().code in (200, 400, 513, 407), "it answers on"
    assert processes(sip) == before and lq.is_left_alone(0.01)


def answer(peer: Peer, within_s: float) -> int | None:
    """The final status, None for silence; the rest of an answer to what is malformed may be so too."""
    deadline = time.monotonic() + within_s
    try:
        while (code := Message(*peer.read(deadline)).code) < 200:
            pass
    except TimeoutError:
        return None
    return code


def processes(sip: Edge) -> set[str]:
    """Kamailio's workers: the death of one is the death of all, and the supervisor would start them anew."""
    assert sip.process is not None and sip.process.poll() is None, sip.log[-2000:]
    with open(f"/proc/{sip.process.pid}/task/{sip.process.pid}/children", encoding="ascii") as children:
        return set(children.read().split())
