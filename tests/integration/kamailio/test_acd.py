"""The ACD decision as any SIP element may ask for it: a redirect to the reserved agent's phone, or a place in line."""

from __future__ import annotations

import contextlib
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from lq.live.redis import Live
from tests.integration.kamailio.edge import LQ1, Edge, Message, Peer, Silence, ack_of, edge
from tests.integration.live.center import contact, documents, sign_in

QUEUE = "sip:sales@acd.lq.internal"


def question(
    node: Peer, contact: str, *, request: str = "", lanes: str = "sales=1", lease: str = "20000", call_id: str = ""
) -> str:
    headers = [f"X-LQ-Contact: {contact}", f"X-LQ-Request: {request or contact + ':1'}"]
    headers += [f"X-LQ-Lanes: {lanes}"] if lanes else []
    headers += [f"X-LQ-Lease: {lease}"] if lease else []
    return node.request("INVITE", QUEUE, headers=headers, user="lq", call_id=call_id)


def ask(node: Peer, contact: str, **given: str) -> Message:
    node.send(question(node, contact, **given))
    return node.final()


def repeated(node: Peer, request: str) -> Message:
    """The answer to a retransmission. As RFC 3261 §17.1.1.2 has it: one that meets a worker at its work is dropped."""
    for _ in range(6):
        node.send(request)
        with contextlib.suppress(Silence):
            return node.final(0.5)
    raise Silence("no retransmission was answered")


@pytest.fixture
async def agent(live: Live) -> str:
    """1001 is ready at 8001; whoever was is not any more."""
    for id in ("1001", "1002", "1003"):
        await live.agent(id, "sign_out")
    await sign_in(live, "1001")
    return "1001"


async def waiting_contact(live: Live) -> str:
    return await contact(live, uuid.uuid4().hex, node=LQ1)


async def over(live: Live, id: str) -> None:
    await live.commit(id, node=LQ1, epoch=1, snapshot=None)


async def test_a_ready_agent_is_reserved_and_his_phone_named(lq: Peer, live: Live, agent: str) -> None:
    id = await waiting_contact(live)
    answer = ask(lq, id)
    state = await live.agent_state(agent)
    assert (answer.code, state.state, state.contact) == (302, "reserved", id)
    expected = f"<sip:8001@phones.lq.internal>;agent=1001;reservation={state.reservation};lane=sales"
    assert answer.header("Contact") == expected
    assert ";tag=" in answer.header("To")
    await over(live, id)


async def test_the_same_request_gets_the_same_reservation(lq: Peer, live: Live, agent: str) -> None:
    """A retransmission, and the question again under a new Call-ID after the answer was lost."""
    id = await waiting_contact(live)
    asked = question(lq, id)
    lq.send(asked)
    first = lq.final()
    again = repeated(lq, asked)
    later = ask(lq, id)
    assert later.header("Call-ID") != first.header("Call-ID")
    assert first.header("Contact") == again.header("Contact") == later.header("Contact")
    await over(live, id)


async def test_nobody_free_is_a_place_in_line(lq: Peer, live: Live, agent: str) -> None:
    first, second, third = [await waiting_contact(live) for _ in range(3)]
    assert ask(lq, first, lanes="sales=1").code == 302
    assert ask(lq, second, lanes="sales=2").header("X-LQ-Position") == "1"
    answer = ask(lq, third, lanes="sales=3")
    assert (answer.code, answer.header("Retry-After")) == (480, "10")
    told = [answer.header(f"X-LQ-{name}") for name in ("Position", "Signed-In", "Ready")]
    assert told == ["2", "1", "0"]
    for id in (third, second, first):
        await over(live, id)


async def test_who_is_not_a_contact_is_told_so(lq: Peer, live: Live, agent: str) -> None:
    assert ask(lq, "nobody").code == 404
    assert (await live.agent_state(agent)).state == "ready"


@pytest.mark.parametrize(
    "given",
    [
        {"lanes": ""},
        {"lanes": "sales"},
        {"lanes": "sales=soon"},
        {"lease": "0"},
        {"lease": "a while"},
        {"lease": "999999999"},
        {"contact": ""},
    ],
)
async def test_a_malformed_question_reserves_nobody(lq: Peer, live: Live, agent: str, given: dict[str, str]) -> None:
    id = await waiting_contact(live)
    assert ask(lq, **{"contact": id, **given}).code == 400
    assert (await live.agent_state(agent)).state == "ready"
    await over(live, id)


def test_only_invites_are_decided(lq: Peer) -> None:
    lq.send(lq.request("MESSAGE", QUEUE, user="lq"))
    assert lq.final().code == 405


def test_the_ack_of_a_decision_goes_no_further(sip: Edge, lq: Peer, gateway: Peer) -> None:
    lq.send(question(lq, "nobody"))
    refusal = lq.final()
    lq.send(ack_of(refusal))  # a late repeat, when the transaction may be gone
    assert lq.is_left_alone() and gateway.is_left_alone()


# -- with Redis away ---------------------------------------------------------------------------------------------------


@pytest.fixture
def own_edge(tmp_path: Path) -> Iterator[Edge]:
    with edge(tmp_path) as sip:
        yield sip
        os.kill(sip.redis.pid, signal.SIGCONT)


async def test_without_redis_the_answer_is_503_and_later_the_same_agent(own_edge: Edge) -> None:
    await own_edge.publish(documents())
    own_edge.start()
    live = Live(own_edge.redis_url)
    await sign_in(live, "1001")
    id = await waiting_contact(live)
    lq = own_edge.lq(LQ1)
    os.kill(own_edge.redis.pid, signal.SIGSTOP)
    away = ask(lq, id)
    assert (away.code, away.header("Retry-After")) == (503, "1")
    os.kill(own_edge.redis.pid, signal.SIGCONT)
    # what the hung Redis was asked it may still do; the next question gets that reservation, nobody gets a second
    answer = ask(lq, id)
    for n in range(2, 40):
        if answer.code != 503:  # each worker's circuit closes by itself after half a second
            break
        answer = ask(lq, id, request=f"{id}:{n}")
    assert answer.code == 302 and "agent=1001" in answer.header("Contact")
    assert (await live.agent_state("1001")).contact == id
    await live.close()
