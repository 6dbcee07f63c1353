"""commit, ask, adopt and leases on a real Redis."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from redis import Redis

from lq.ledger.events import Event
from lq.live import keys
from lq.live.errors import Alive, BadRequest, Claimed, Gone, NotServing, Superseded
from lq.live.redis import Live
from lq.live.values import AgentOp, ChannelOp, ChannelResult, Reserved, Waiting
from tests.integration.live.center import Clock, contact, sign_in

LQ1, LQ2 = "lq1-aaaaaaaa", "lq2-bbbbbbbb"


async def reserve(live: Live, id: str, lane: str = "sales", at: int = 0) -> Reserved:
    answer = await live.ask(id, "r", {lane: at})
    assert isinstance(answer, Reserved)
    return answer


async def step(live: Live, id: str, given: Reserved, op: str, outcome: str = "", **more: int) -> bool:
    done = await live.commit(
        id, node=LQ1, epoch=1, snapshot="{}", agents=[AgentOp(given.agent, given.reservation, op, outcome, **more)]
    )
    return done.agents[0].ok


async def state(live: Live, agent: str = "1001") -> str:
    return (await live.agent_state(agent)).state


async def test_a_contact_waits_and_gets_the_agent_who_becomes_ready(live: Live, clock: Clock) -> None:
    await contact(live, "c1")
    assert await live.ask("c1", "r1", {"sales": clock()}) == Waiting(position=1, signed_in=0, ready=0)
    await sign_in_expecting_reserved(live, "1001")
    [(_, message)] = await live.inbox(LQ1)
    assert message == {"type": "reserved", "contact": "c1"}
    given = await live.ask("c1", "r2", {"sales": clock()})
    assert given == Reserved(agent="1001", phone="8001", reservation=clock(), lane="sales")
    assert await live.ask("c1", "r3", {"sales": clock()}) == given, (
        "a live reservation is the answer, whatever is asked"
    )


async def sign_in_expecting_reserved(live: Live, agent: str) -> None:
    await live.phone(f"8{agent[1:]}", True, 3_600_000)
    assert (await live.agent(agent, "sign_in", phone=f"8{agent[1:]}")).state == "reserved"


async def test_whole_way_of_a_call(live: Live, clock: Clock) -> None:
    await sign_in(live, "1001")
    await contact(live, "c1")
    given = await reserve(live, "c1")
    assert await step(live, "c1", given, "ringing", ttl_ms=30_000)
    assert await step(live, "c1", given, "talking")
    clock.pass_ms(3_600_000 - 1)
    await live.tick()
    assert await state(live) == "talking", "a conversation has no deadline"
    assert (await live.queue_state("sales")).talking == 1
    assert await step(live, "c1", given, "release", "answered", wrap_up_ms=20_000)
    assert await state(live) == "wrap_up"
    assert (await live.queue_state("sales")).talking == 0
    await live.phone("8001", True, 3_600_000)
    clock.pass_ms(19_999)
    assert await live.tick() == 0
    clock.pass_ms(1)
    assert await live.tick() == 1
    assert await state(live) == "ready"


async def test_longest_idle_is_next_and_caller_gone_keeps_the_place(live: Live) -> None:
    for agent in ("1001", "1002", "1003"):
        await sign_in(live, agent)
    await contact(live, "c1")
    first = await reserve(live, "c1")
    assert first.agent == "1001"
    await step(live, "c1", first, "release", "caller_gone")
    again = await reserve(live, "c1")
    assert again.agent == "1001"
    await step(live, "c1", again, "release", "no_answer")
    assert (await reserve(live, "c1")).agent == "1002"


async def test_priority_goes_first(live: Live, clock: Clock) -> None:
    for id, at in (("early", clock()), ("urgent", clock() - 60_000), ("late", clock() + 5)):
        await contact(live, id)
        await live.ask(id, "r", {"sales": at})
    assert await live.ask("late", "r", {"sales": clock() + 5}) == Waiting(position=3, signed_in=0, ready=0)
    await sign_in_expecting_reserved(live, "1001")
    found = await live.contact("urgent")
    assert found is not None and found.agent == "1001" and found.lanes == {}


async def test_third_no_answer_in_a_row_pauses(live: Live) -> None:
    await sign_in(live, "1001")
    await contact(live, "c1")
    for expected in ("ready", "ready", "paused"):
        given = await reserve(live, "c1")
        await step(live, "c1", given, "ringing")
        await step(live, "c1", given, "release", "no_answer")
        assert await state(live) == expected
    assert (await live.agent_state("1001")).reason == "no_answer"


@pytest.mark.parametrize(
    ("outcome", "away", "back_ms"),
    [("busy", "busy_other", 5_000), ("refused", "busy_other", 5_000), ("unreachable", "phone_offline", 10_000)],
)
async def test_who_could_not_be_called_comes_back(
    live: Live, clock: Clock, outcome: str, away: str, back_ms: int
) -> None:
    await sign_in(live, "1001")
    await contact(live, "c1")
    await step(live, "c1", await reserve(live, "c1"), "release", outcome)
    assert await state(live) == away
    clock.pass_ms(back_ms - 1)
    await live.tick()
    assert await state(live) == away
    clock.pass_ms(1)
    await live.tick()
    assert await state(live) == "ready"


async def test_unregistered_phone_comes_back_when_it_registers(live: Live, clock: Clock) -> None:
    await sign_in(live, "1001")
    await contact(live, "c1")
    given = await reserve(live, "c1")
    await live.phone("8001", False)
    await step(live, "c1", given, "release", "unreachable")
    clock.pass_ms(60_000)
    await live.tick()
    assert await state(live) == "phone_offline"
    await live.phone("8001", True, 60_000)
    assert await state(live) == "ready"


async def test_a_reservation_that_nobody_renews_lapses(live: Live, clock: Clock) -> None:
    await sign_in(live, "1001")
    await contact(live, "c1")
    given = await reserve(live, "c1")
    clock.pass_ms(20_000)
    await live.tick()
    assert await state(live) == "ready"
    assert not await step(live, "c1", given, "ringing"), "the fence is old"
    await contact(live, "c2")
    assert (await reserve(live, "c2")).reservation > given.reservation


async def test_superseded_writer_changes_nothing(live: Live, clock: Clock) -> None:
    await sign_in(live, "1001")
    await contact(live, "c1")
    given = await reserve(live, "c1")
    await live.renew("lq", LQ1, lease_ms=2_000)
    with pytest.raises(Alive):
        await live.adopt(LQ2, LQ1)
    clock.pass_ms(2_000)
    [adopted] = await live.adopt(LQ2, LQ1)
    assert (adopted.contact, adopted.epoch, adopted.snapshot) == ("c1", 2, '{"v":1}')
    before = await live.last_event()
    with pytest.raises(Superseded) as refused:
        await step(live, "c1", given, "talking")
    assert (refused.value.owner, refused.value.epoch) == (LQ2, 2)
    assert await live.last_event() == before
    assert await state(live) == "reserved"
    assert await live.owned(LQ2) == ["c1"]
    assert await live.leases("lq", lapsed=True) == []


async def test_a_node_that_left_can_be_adopted(live: Live) -> None:
    await live.renew("lq", LQ1, address="127.0.0.1:1")
    await contact(live, "c1")
    await live.leave("lq", LQ1)
    assert await live.leases("lq") == []
    assert [lease.id for lease in await live.leases("lq", lapsed=True)] == [LQ1]
    assert [a.contact for a in await live.adopt(LQ2, LQ1)] == ["c1"]


async def test_a_contact_is_handed_over_to_a_node_that_lives_and_to_no_other(live: Live) -> None:
    await contact(live, "c1")

    async def hand_over(to: str = LQ2, epoch: int = 1) -> int:
        return await live.hand_over("c1", node=LQ1, epoch=epoch, to=to, snapshot='{"v":2}')

    with pytest.raises(NotServing):
        await hand_over()
    await live.renew("lq", LQ2, draining=True)
    with pytest.raises(NotServing):
        await hand_over()
    await live.renew("lq", LQ2)
    await live.renew("lq", LQ1)
    with pytest.raises(NotServing):
        await hand_over(to=LQ1)
    with pytest.raises(Superseded):
        await hand_over(epoch=2)
    assert await hand_over() == 2
    found = await live.contact("c1")
    assert found and (found.owner, found.epoch, found.snapshot) == (LQ2, 2, '{"v":2}')
    assert (await live.owned(LQ1), await live.owned(LQ2)) == ([], ["c1"])
    assert [m for _, m in await live.inbox(LQ2, block_ms=0)] == [{"type": "handed_over", "contact": "c1", "from": LQ1}]
    with pytest.raises(Superseded):
        await live.commit("c1", node=LQ1, epoch=1, snapshot="{}")
    await live.commit("c1", node=LQ2, epoch=2, snapshot=None)
    with pytest.raises(Gone):
        await hand_over()


async def test_adopting_many(live: Live) -> None:
    for n in range(450):
        await contact(live, f"c{n}")
    assert [len(await live.adopt(LQ2, LQ1)) for _ in range(4)] == [200, 200, 50, 0]
    assert len(await live.owned(LQ2)) == 450


async def test_all_that_a_node_did_not_live_to_hear_is_heard(live: Live) -> None:
    for n in range(250):
        await live.send(LQ1, {"n": n})
    assert [message["n"] async for message in live.left_unheard(LQ1)] == list(range(250))
    assert await live.inbox(LQ1, block_ms=0) == []


async def test_lease_says_who_lives_and_who_has_lapsed(live: Live, clock: Clock) -> None:
    await live.renew("lq", LQ1, address="127.0.0.1:23999", load=3)
    await live.renew("lq", LQ1, address="127.0.0.1:23999", load=4, draining=True)
    [lease] = await live.leases("lq")
    assert (lease.address, lease.load, lease.draining, lease.expires) == ("127.0.0.1:23999", 4, True, clock() + 2_000)
    clock.pass_ms(2_000)
    assert await live.leases("lq") == [] and len(await live.leases("lq", lapsed=True)) == 1
    await live.renew("lq", LQ1)
    assert len(await live.leases("lq")) == 1 and await live.leases("lq", lapsed=True) == []


async def test_one_contact_for_one_invite(live: Live) -> None:
    await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", claim="call@x|tag")
    await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", claim="call@x|tag")
    with pytest.raises(Claimed) as refused:
        await live.commit("c2", node=LQ2, epoch=1, snapshot="{}", claim="call@x|tag")
    assert refused.value.contact == "c1"
    assert await live.contact("c2") is None


async def test_the_end_frees_everyone_and_stays_the_end(live: Live) -> None:
    await sign_in(live, "1001")
    await contact(live, "c1")
    given = await reserve(live, "c1")
    await step(live, "c1", given, "ringing")
    await live.commit("c1", node=LQ1, epoch=1, snapshot=None)
    assert await state(live) == "ready"
    assert await live.contacts() == [] == await live.owned(LQ1)
    await live.commit("c1", node=LQ1, epoch=1, snapshot=None)
    with pytest.raises(Superseded):
        await live.commit("c1", node=LQ1, epoch=1, snapshot="{}")
    with pytest.raises(Gone):
        await live.ask("c1", "r", {"sales": 0})


async def test_dequeue_leaves_all_lanes(live: Live) -> None:
    await contact(live, "c1")
    await live.ask("c1", "r", {"sales": 1, "support": 1})
    assert (await live.queue_state("support")).waiting == 1
    await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", dequeue=True)
    assert (await live.queue_state("sales")).waiting == (await live.queue_state("support")).waiting == 0


async def test_whom_the_acd_reserves_while_somebody_else_takes_the_contact_is_free_again(live: Live) -> None:
    """The contact waits; it has not heard of him yet when it leaves the line, and never calls him."""
    await sign_in(live, "1001")
    await live.agent("1001", "pause", reason="meal")
    await contact(live, "c1")
    assert isinstance(await live.ask("c1", "r", {"sales": 0}), Waiting)
    await live.agent("1001", "ready")
    assert await state(live) == "reserved"
    await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", dequeue=True)
    assert await state(live) == "ready"
    await contact(live, "c2")
    assert (await reserve(live, "c2")).agent == "1001"


async def test_whoever_rings_or_talks_is_not_let_go_with_the_place_in_line(live: Live) -> None:
    await sign_in(live, "1001")
    await contact(live, "c1")
    given = await reserve(live, "c1")
    assert await step(live, "c1", given, "ringing", ttl_ms=20_000)
    await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", dequeue=True)
    assert await state(live) == "ringing"
    talks = [AgentOp("1001", given.reservation, "talking")]
    await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", agents=talks, dequeue=True)
    assert await state(live) == "talking"


async def test_a_talking_contact_may_ask_for_another_agent(live: Live) -> None:
    await sign_in(live, "1001")
    await sign_in(live, "1002")
    await contact(live, "c1")
    first = await reserve(live, "c1")
    await step(live, "c1", first, "talking")
    second = await reserve(live, "c1", "agent:1002")
    assert second.agent == "1002"
    assert await step(live, "c1", first, "release", "answered")
    assert await reserve(live, "c1", "agent:1002") == second
    await live.commit("c1", node=LQ1, epoch=1, snapshot=None)
    assert (await state(live, "1001"), await state(live, "1002")) == ("ready", "ready")


async def test_events_stand_in_the_order_of_what_happened(live: Live, clock: Clock) -> None:
    await sign_in(live, "1001")
    start = await live.last_event()
    event = Event("contact_queued", clock(), "c1", 5, {"n": 2, "queue": "sales", "priority": 0})
    await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", events=[event])
    await reserve(live, "c1")
    happened = await live.events(start)
    assert [e.type for e in happened] == ["contact_queued", "agent_state_changed", "queue_changed"]
    assert (happened[0].subject, happened[0].seq, happened[0].data) == (event.subject, event.seq, event.data)
    assert happened[1].data["previous"] == "ready" and happened[1].data["contact"] == "c1"


async def test_sequence_numbers_rise(live: Live) -> None:
    for _ in range(5):
        await live.phone("8001", True, 60_000)
        await live.phone("8001", False)
    seqs = [e.seq for e in await live.events() if e.subject == "phone:8001"]
    assert len(seqs) == 10 and seqs == sorted(set(seqs))


async def seize(live: Live, id: str, leg: int, trunk: str = "small", direction: str = "out") -> ChannelResult:
    op = ChannelOp(trunk, "seize", leg, direction)  # type: ignore[arg-type]
    return (await live.commit(id, node=LQ1, epoch=1, snapshot="{}", channels=[op])).channels[0]


@pytest.fixture
async def small(live: Live) -> Live:
    """Trunks of two and of thirty channels."""
    await live.publish(2, {"trunks": {"small": {"id": "small", "channels": 2}, "gw1": {"id": "gw1"}}})
    return live


async def test_a_channel_is_leased_by_its_number(small: Live) -> None:
    assert [(await seize(small, id, 2)).number for id in ("a", "b")] == [1, 2]
    full = await seize(small, "c", 2)
    assert (full.ok, full.number, full.error) == (False, None, "full")
    assert await small.channels("small") == {1: "a.2", 2: "b.2"}
    await small.commit("a", node=LQ1, epoch=1, snapshot="{}", channels=[ChannelOp("small", "release", 2)])
    assert (await seize(small, "c", 2)).number == 1, "the lowest that is free"
    assert (await seize(small, "c", 2)).number == 1, "a commit repeated"


async def test_the_next_route_frees_the_channel_of_the_last(small: Live) -> None:
    await seize(small, "a", 2)
    assert (await seize(small, "a", 2, "gw1")).number == 1
    assert (await small.channels("small"), await small.channels("gw1")) == ({}, {1: "a.2"})
    assert (await seize(small, "a", 3, "gw1")).number == 2, "another leg of the same contact"


async def test_who_is_in_already_is_counted_and_never_refused(small: Live) -> None:
    for id in ("a", "b", "c"):
        assert (await seize(small, id, 1, direction="in")).ok
    assert (await seize(small, "d", 2)).error == "full", "both directions share the channels"
    seized = [e.data for e in await small.events() if e.type == "channel_seized"]
    assert [(d["number"], d["taken"], d.get("over", False)) for d in seized] == [
        (1, 1, False),
        (2, 2, False),
        (3, 3, True),
    ]
    assert all(e.subject == "trunk:small" for e in await small.events() if e.type.startswith("channel_"))


async def test_a_contact_that_is_over_frees_its_channels(small: Live, clock: Clock) -> None:
    await small.renew("lq", LQ1, lease_ms=2_000)
    await seize(small, "a", 1, direction="in")
    await seize(small, "a", 2)
    clock.pass_ms(2_000)
    [adopted] = await small.adopt(LQ2, LQ1)
    assert await small.channels("small") == {1: "a.1", 2: "a.2"}, "they survive adoption"
    with pytest.raises(Superseded):
        await small.commit("a", node=LQ1, epoch=1, snapshot="{}", channels=[ChannelOp("small", "release", 2)])
    await small.commit("a", node=LQ2, epoch=adopted.epoch, snapshot=None)
    assert await small.channels("small") == {}
    freed = [e for e in await small.events() if e.type == "channel_released"]
    assert [e.data["leg"] for e in freed] == ["a.1", "a.2"] and freed[-1].data["taken"] == 0


async def test_a_trunk_that_nobody_published_has_no_channels(live: Live) -> None:
    assert (await seize(live, "a", 2, "unknown")).error == "full"


async def test_a_mistake_changes_nothing(small: Live) -> None:
    await contact(small, "c1")
    wrong = ChannelOp("small", "sieze", 2)  # type: ignore[arg-type]
    event = Event("contact_queued", 0, "c1", 5, {})
    with pytest.raises(BadRequest, match="unknown channel operation sieze"):
        await small.commit("c1", node=LQ1, epoch=1, snapshot=None, events=[event], channels=[wrong])
    assert await small.contacts() == ["c1"] and await small.last_event() == "0"


async def test_two_hundred_at_once_wait_their_turn(live: Live) -> None:
    await asyncio.gather(*(contact(live, f"c{n}") for n in range(300)))
    assert len(await live.contacts()) == 300


RIGHT = {
    "commit": {"contact": "c1", "node": LQ1, "epoch": 1, "snapshot": "{}"},
    "ask": {"contact": "c1", "request": "r", "lanes": {"sales": 1}, "lease_ms": 1_000},
    "agent": {"agent": "1001", "op": "sign_in", "phone": "8001", "lanes": {"sales": 0}},
    "phone": {"phone": "8001", "registered": True, "expires_ms": 60_000},
    "node": {"op": "renew", "role": "lq", "id": LQ1, "incarnation": LQ1, "address": "", "load": 0, "lease_ms": 2_000},
    "adopt": {"node": LQ1, "dead": LQ2},
    "publish": {"version": 9, "kinds": {}},
}


@pytest.mark.parametrize(
    ("function", "wrong"),
    [
        ("commit", {"epoch": "1"}),
        ("commit", {"node": None}),
        ("commit", {"events": [{"type": "contact_queued"}]}),
        ("commit", {"agents": [{"agent": "1001", "fence": 1, "op": "ringing", "ttl_ms": "soon"}]}),
        ("commit", {"holds": {"agents": [{"agent": "1001", "phone": "8001", "fence": 1, "state": "asleep"}]}}),
        ("commit", {"holds": {"waiting": {"lanes": {"sales": "first"}, "since": 1, "lease_ms": 1}}}),
        ("ask", {"lanes": None}),
        ("ask", {"lanes": {"sales": "first"}}),
        ("ask", {"lease_ms": None}),
        ("agent", {"lanes": {"sales": "best"}}),
        ("phone", {"expires_ms": "an hour"}),
        ("node", {"id": 7}),
        ("node", {"lease_ms": "2 s"}),
        ("adopt", {"dead": None}),
        ("publish", {"kinds": None}),
    ],
)
async def test_a_malformed_request_writes_nothing(
    live: Live, redis_url: str, clock: Clock, function: str, wrong: dict[str, Any]
) -> None:
    await contact(live, "c1")
    with Redis.from_url(redis_url) as plain:
        before = dumped(plain)
        request = {**RIGHT[function], **wrong, "now": clock()}
        answer = json.loads(plain.fcall(function, 1, keys.TAG, json.dumps(request)))  # type: ignore[arg-type]
        assert (answer["ok"], answer["error"]) == (False, "bad_request")
        assert dumped(plain) == before
        right = json.loads(plain.fcall(function, 1, keys.TAG, json.dumps({**RIGHT[function], "now": clock()})))  # type: ignore[arg-type]
        assert right["ok"], right


def dumped(redis: Redis) -> dict[bytes, object]:
    """Everything but the clock."""
    found: list[bytes] = redis.keys()  # type: ignore[assignment]
    return {key: redis.dump(key) for key in found if key != keys.COUNTERS.encode()}
