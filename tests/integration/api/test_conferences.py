"""/v1/conferences: who is called in, what is refused by name, what the list shows of it; and who is made a host."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lq.contacts.contact import Conference, Contact, Leg
from lq.contacts.view import contact_json
from lq.live import keys
from lq.live.redis import Live
from lq.live.values import Called, Membership
from lq.sdk import ApiError, Invitation, PartyCall, Refused
from lq.trunks.numbers import Number
from tests.unit.ledger.lives import START

from .conftest import Api

NODES = ("lq1-00000001", "lq2-00000002")
REFUSED = {"status": 403, "error": {"code": "dnc", "message": "the gate refuses this call: dnc", "field": "to"}}
Heard = list[tuple[str, dict[str, Any]]]


def contact(id: str, *, rings: bool = False) -> Contact:
    number = Number("13800138000", "+8613800138000", "13800138000", "mobile")
    where, room = "conference:board", Conference("board", "called")
    legs = {1: Leg(1, "customer", "out", "13800138000", "ringing" if rings else "inviting")}
    return Contact(id, "conference", "out", START, number, number, where, where, legs=legs, conference=room)


def snapshot(id: str, *, rings: bool = False) -> str:
    return json.dumps(contact(id, rings=rings).to_json())


async def room(live: Live, **rules: Any) -> None:
    body = {"id": "board", "name": "董事会", **rules}
    await live._redis.hset(keys.config("conferences"), "board", json.dumps(body))  # type: ignore[misc]


@contextlib.asynccontextmanager
async def nodes(live: Live) -> AsyncIterator[Heard]:
    """Two; the number that ends in 9 is on a list."""
    heard: Heard = []
    for node in NODES:
        await live.renew("lq", node, incarnation=node, load=1, lease_ms=60_000)
    running = [asyncio.create_task(_answer(live, node, heard)) for node in NODES]
    try:
        yield heard
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _answer(live: Live, node: str, heard: Heard) -> None:
    after = "0"
    while True:
        for id, message in await live.inbox(node, after, block_ms=1000):
            after = id
            heard.append((node, message))
            begun = {"status": 201, "contact": contact_json(json.loads(snapshot(message["contact"])))}
            refused = message["type"] == "place" and message["body"]["to"].endswith("9")
            await live.reply(message["reply_to"], begun | REFUSED if refused else begun)


async def test_many_are_called_by_all_nodes_and_each_refusal_is_told_by_name(api: Api, live: Live) -> None:
    await room(live)
    async with nodes(live) as heard, api.client() as lq:
        told = await lq.call_in("board", ["1002", "13800138009", "phone:8003"], host=True, purpose="service")
    assert [one.to for one in told] == ["1002", "13800138009", "phone:8003"]
    assert [one.error for one in told] == [None, Refused("dnc", "the gate refuses this call: dnc"), None]
    assert {node for node, _ in heard} == set(NODES)
    asked = {"conference": "board", "host": True, "greet": True, "purpose": "service"}
    by_contact = {message["contact"]: message["body"] for _, message in heard}
    assert [by_contact[str(one.contact)] for one in told] == [{**asked, "to": one.to} for one in told]


async def test_no_more_are_called_than_may_be_in_it(api: Api, live: Live) -> None:
    await room(live, max_parties=3)
    member = Membership("board", False)
    await live.commit("c-in", node=NODES[0], epoch=1, snapshot=snapshot("c-in"), conference=member)
    called = Called("board", "1002", START)
    await live.commit("c-rings", node=NODES[0], epoch=1, snapshot=snapshot("c-rings"), called=called)
    async with nodes(live) as heard, api.client() as lq:
        told = await lq.call_in("board", ["1003", "1004"])
    assert told[0].error is None and told[1] == Invitation("1004", None, told[1].error)
    assert told[1].error is not None and told[1].error.code == "full" and len(heard) == 1


async def test_the_list_shows_what_becomes_of_each(api: Api, live: Live) -> None:
    await room(live)
    for id, rings, outcome in (("c1", False, ""), ("c2", True, ""), ("c3", True, "busy"), ("c4", False, "")):
        called = Called("board", f"100{id[1]}", START, outcome)
        text = snapshot(id, rings=rings)
        await live.commit(id, node=NODES[0], epoch=1, snapshot=text, called=called)
    await live.commit("c4", node=NODES[0], epoch=1, snapshot=None)
    async with api.client() as lq:
        calls = (await lq.room("board")).calls
    assert [(one.contact, one.to, one.outcome) for one in calls] == [
        *(("c1", "1001", "calling"), ("c2", "1002", "ringing")),
        *(("c3", "1003", "busy"), ("c4", "1004", "taken_back")),
    ]
    assert all(isinstance(one, PartyCall) and one.at is not None for one in calls)


async def test_who_is_being_called_can_be_taken_back_and_made_a_host(api: Api, live: Live) -> None:
    await room(live)
    called = Called("board", "1002", START)
    await live.commit("c1", node=NODES[0], epoch=1, snapshot=snapshot("c1"), called=called)
    async with nodes(live) as heard, api.client() as lq:
        await lq.make_host("board", "c1")
        await lq.kick("board", "c1")
        await lq.end_conference("board")
        with pytest.raises(ApiError) as stranger:
            await lq.make_host("board", "c9")
    assert [(message["verb"], message["body"]) for _, message in heard] == [
        *(("make_host", {"host": True}), ("hang_up", {}), ("hang_up", {})),
    ]
    assert stranger.value.status == 404


@pytest.mark.parametrize(
    "to",
    [[], ["queue:sales"], ["1002", "1002"], "1002", [7], [""], [str(n) for n in range(51)]],
    ids=["nobody", "a queue", "one twice", "no list", "no text", "no name", "too many"],
)
async def test_what_cannot_be_called_is_refused_whole(api: Api, live: Live, to: Any) -> None:
    await room(live)
    async with nodes(live) as heard, api.http() as http:
        answer = await http.post("/v1/conferences/board/call", json={"to": to})
    assert answer.status_code == 422 and answer.json()["error"]["field"].startswith("to") and heard == []


async def test_no_node_takes_calls(api: Api, live: Live) -> None:
    await room(live)
    async with api.client() as lq:
        with pytest.raises(ApiError) as refused:
            await lq.call_in("board", ["1002"])
        with pytest.raises(ApiError) as unknown:
            await lq.call_in("nowhere", ["1002"])
    assert (refused.value.status, unknown.value.status) == (503, 404)
