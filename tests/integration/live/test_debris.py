"""What is left behind in the live state, planted on a real Redis: found, mended once, told."""

from __future__ import annotations

import json

import pytest
from redis import Redis

from lq.live import keys
from lq.live.debris import Debris
from lq.live.redis import Live
from lq.live.values import AgentOp, ChannelOp, Mended, Reserved, Waiting
from tests.integration.live.center import Clock, contact, sign_in

LQ1, LQ2 = "lq1-aaaaaaaa", "lq2-bbbbbbbb"
OLD = 30_000


@pytest.fixture
def debris(live: Live) -> Debris:
    return Debris(live)


@pytest.fixture
def redis(redis_url: str) -> Redis:
    return Redis.from_url(redis_url, decode_responses=True)


async def told(live: Live) -> list[tuple[str, str]]:
    events = await live.events(count=10_000)
    return [(event.data["what"], event.data["about"]) for event in events if event.type == "node_mended"]


async def test_an_agent_whose_contact_is_gone_is_free_again(
    live: Live, debris: Debris, redis: Redis, clock: Clock
) -> None:
    await sign_in(live, "1001")
    await contact(live, "c1")
    given = await live.ask("c1", "r", {"sales": 0})
    assert isinstance(given, Reserved)
    talking = AgentOp("1001", given.reservation, "talking")
    await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", agents=[talking])
    assert await debris.unbound() == []
    assert await debris.mend(LQ2, "agent", "1001", 0) is None, "he talks"
    redis.delete(keys.contact("c1"))  # nobody knows how
    assert await debris.unbound() == ["1001"]
    assert await debris.mend(LQ2, "agent", "1001", OLD) is None, "too young to be debris"
    clock.pass_ms(OLD)
    assert await debris.mend(LQ2, "agent", "1001", OLD) == Mended()
    assert (await live.agent_state("1001")).state == "ready"
    assert await debris.mend(LQ2, "agent", "1001", OLD) is None
    assert await told(live) == [("agent", "1001")]


async def test_who_tidies_up_after_a_call_is_not_left_behind(live: Live, debris: Debris, redis: Redis) -> None:
    await sign_in(live, "1001")
    await contact(live, "c1")
    given = await live.ask("c1", "r", {"sales": 0})
    assert isinstance(given, Reserved)
    talking = AgentOp("1001", given.reservation, "talking")
    await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", agents=[talking])
    free = AgentOp("1001", given.reservation, "release", outcome="answered", wrap_up_ms=60_000)
    await live.commit("c1", node=LQ1, epoch=1, snapshot=None, agents=[free])
    agent = await live.agent_state("1001")
    assert (agent.state, agent.contact) == ("wrap_up", "c1"), "he knows still whose wrap-up it is"
    assert await debris.unbound() == []


async def test_who_is_signed_in_and_no_agent_of_the_configuration_is_signed_out(
    live: Live, debris: Debris, redis: Redis
) -> None:
    """He was deleted in the moment in which he signed in."""
    await sign_in(live, "1001")
    await live.phone("8005", True, 60_000)
    await live.agent("9999", "sign_in", phone="8005", lanes={"sales": 0})
    assert await debris.nobodies() == ["9999"]
    assert await debris.mend(LQ2, "agent", "1001", OLD) is None
    version = redis.getdel(keys.CONFIG_VERSION)
    assert await debris.mend(LQ2, "agent", "9999", OLD) is None, "nothing was published: who knows whom there is"
    redis.set(keys.CONFIG_VERSION, str(version))
    assert await debris.mend(LQ2, "agent", "9999", OLD) == Mended()
    assert await debris.nobodies() == []
    assert (await live.phone_state("8005")).agent is None
    assert await debris.mend(LQ2, "agent", "9999", OLD) is None
    assert await told(live) == [("agent", "9999")]


async def test_whom_the_configuration_knows_is_asked_without_reading_what_it_says_of_him(
    live: Live, debris: Debris, redis: Redis
) -> None:
    await sign_in(live, "1001")
    for agent in await live.configured("agents"):
        redis.hset(keys.config("agents"), agent, "not to be read")
    assert await debris.nobodies() == []


async def test_a_contact_of_a_node_that_nobody_remembers_is_taken_over(
    live: Live, debris: Debris, redis: Redis
) -> None:
    await live.renew("lq", LQ1)
    await contact(live, "c1")
    assert await debris.mend(LQ2, "contact", "c1") is None, "its node lives"
    redis.zrem(keys.LEASES, LQ1)
    assert await debris.owners(["c1", "c2"]) == {"c1": LQ1, "c2": None}
    done = await debris.mend(LQ2, "contact", "c1")
    assert done is not None and done.epoch == 2 and json.loads(done.snapshot) is not None
    assert (await live.owner("c1"), await live.owned(LQ1), await live.owned(LQ2)) == (LQ2, [], ["c1"])


async def test_a_contact_without_a_snapshot_is_closed_and_lets_go_of_what_it_holds(
    live: Live, debris: Debris, redis: Redis, clock: Clock
) -> None:
    await sign_in(live, "1001")
    await contact(live, "c1")
    assert isinstance(await live.ask("c1", "r", {"sales": 0}), Reserved)
    redis.hdel(keys.contact("c1"), "doc")
    redis.sadd(keys.CONTACTS, "ghost")
    for id in ("c1", "ghost"):
        assert await debris.mend(LQ2, "contact", id) == Mended()
    assert await live.contacts() == []
    assert (await live.agent_state("1001")).state == "ready"
    ends = [event for event in await live.events() if event.type == "contact_ended"]
    assert [event.subject for event in ends] == ["c1", "ghost"], "the books wait for it"
    assert [event.data for event in ends] == [{"result": "failed", "ended_by": "system", "cause": 41}] * 2
    assert {(event.at, event.seq) for event in ends} == {(clock(), clock())}, "above the numbers of any contact"


async def test_a_place_in_line_of_nobody_is_taken_away(live: Live, debris: Debris, redis: Redis) -> None:
    await contact(live, "c1")
    assert isinstance(await live.ask("c1", "r", {"sales": 5}), Waiting)
    redis.zadd(keys.lane_contacts("sales"), {"ghost": 1})
    assert await debris.nobodys_places(["sales", "support"]) == [("sales", "ghost")]
    assert await debris.mend(LQ2, "place", "sales c1") is None
    assert await debris.mend(LQ2, "place", "sales ghost") == Mended()
    assert await debris.nobodys_places(["sales"]) == []
    assert (await live.queue_state("sales")).waiting == 1


async def test_a_channel_that_nobody_holds_is_free_again(live: Live, debris: Debris, redis: Redis) -> None:
    await contact(live, "c1")
    await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", channels=[ChannelOp("gw1", "seize", 1, "in")])
    redis.zadd(keys.channels("gw1"), {"ghost.2": 7})
    assert await debris.mend(LQ2, "channel", "gw1 c1.1") is None
    assert await debris.mend(LQ2, "channel", "gw1 ghost.2") == Mended()
    (freed,) = [event.data for event in await live.events() if event.type == "channel_released"]
    assert freed == {"trunk": "gw1", "number": 7, "contact": "ghost", "leg": "ghost.2", "taken": 1}
    assert await live.channels("gw1") == {1: "c1.1"}


async def test_a_phone_is_not_kept_by_an_agent_who_is_elsewhere(live: Live, debris: Debris, redis: Redis) -> None:
    await sign_in(live, "1001")
    redis.hset(keys.phone("8002"), "agent", "1001")
    assert await debris.strangers(["8001", "8002", "8003"]) == ["8002"]
    assert await debris.mend(LQ2, "phone", "8001") is None
    assert await debris.mend(LQ2, "phone", "8002") == Mended()
    assert await debris.strangers(["8001", "8002"]) == []


async def test_a_call_in_rtpengine_is_deleted_for_its_contacts_owner_or_when_there_is_none(
    live: Live, debris: Debris
) -> None:
    await contact(live, "c1")
    assert await debris.mend(LQ2, "call", "127.0.0.1:2223 c1.1") is None, "another node has it"
    assert await debris.mend(LQ1, "call", "127.0.0.1:2223 c1.2") == Mended()
    assert await debris.mend(LQ2, "call", "127.0.0.1:2223 ghost.1") == Mended()
    assert await told(live) == [("call", "127.0.0.1:2223 c1.2"), ("call", "127.0.0.1:2223 ghost.1")]
