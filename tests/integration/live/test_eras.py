"""A Redis that was restarted, emptied, hung or succeeded by a replica: what it forgot is said again (DESIGN §5)."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import TimeoutError

from lq.live import keys
from lq.live.errors import Alive, Superseded
from lq.live.redis import Live
from lq.live.values import AgentHold, AgentOp, ChannelHold, ChannelOp, Holds, Place, Recalled, Reserved, Waiting
from tests.integration.live.center import Clock, contact, documents, sign_in, start_redis, stop

LQ1, LQ2 = "lq1-aaaaaaaa", "lq2-bbbbbbbb"
SALES = {"sales": 0, "agent:1001": 0}


@pytest.fixture
async def forgotten(live: Live, redis_url: str, clock: Clock) -> AsyncIterator[Any]:
    """Call it, and Redis has forgotten everything; what it says afterwards is of a new era."""

    async def forget() -> int:
        with Redis.from_url(redis_url) as plain:
            plain.flushall()
        renewal = await live.renew("lq", LQ1)
        await live.publish(1, documents())
        return renewal.era

    yield forget


def talking(fence: int, **more: Any) -> AgentHold:
    return AgentHold("1001", "8001", fence, "talking", "sales", lanes=SALES, name="坐席1", **more)


async def talk(live: Live, id: str = "c1") -> int:
    await sign_in(live, "1001")
    await contact(live, id)
    given = await live.ask(id, "r", {"sales": 0})
    assert isinstance(given, Reserved)
    await live.commit(id, node=LQ1, epoch=1, snapshot="{}", agents=[AgentOp("1001", given.reservation, "talking")])
    return given.reservation


async def last(live: Live, agent: str) -> Recalled:
    """What a node remembers of an agent."""
    event = [e for e in await live.events() if e.subject == f"agent:{agent}"][-1]
    data = event.data
    return Recalled(
        agent,
        f"坐席{agent[-1]}",
        data["state"],
        data["since"],
        event.seq,
        data.get("phone", ""),
        {"sales": 0, f"agent:{agent}": 0},
        data.get("reason"),
        data.get("next"),
        data.get("contact"),
    )


async def test_nobody_is_paired_before_all_have_spoken(live: Live, forgotten: Any, clock: Clock) -> None:
    await forgotten()
    await contact(live, "c1")
    assert await live.ask("c1", "r", {"sales": 5}) == Waiting(position=1, signed_in=1, ready=0)
    await contact(live, "c0")
    await live.ask("c0", "r", {"sales": 4})
    await sign_in(live, "1001")
    await sign_in(live, "1002")
    clock.pass_ms(2_999)
    assert isinstance(await live.ask("c1", "r", {"sales": 5}), Waiting)
    clock.pass_ms(1)
    await live.tick()
    assert (await live.agent_state("1001")).contact == "c0", "the first in line, the longest idle"
    assert (await live.agent_state("1002")).contact == "c1"
    assert isinstance(await live.ask("c1", "r", {"sales": 5}), Reserved)


async def test_a_talk_goes_on_as_if_nothing_had_been(live: Live, forgotten: Any, clock: Clock) -> None:
    fence = await talk(live)
    known = await last(live, "1001")
    clock.pass_ms(60_000)
    era = await forgotten()
    start = await live.last_event()
    hold = talking(fence, since=known.since, seq=known.seq)
    done = await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", holds=Holds([hold]))
    assert done.holds[0].ok
    await live.asserted(LQ1, era)
    agent = await live.agent_state("1001")
    assert (agent.state, agent.contact, agent.reservation, agent.since) == ("talking", "c1", fence, known.since)
    assert agent.phone == "8001" and (await live.queue_state("sales")).talking == 1
    assert [e.type for e in await live.events(start) if e.subject == "agent:1001"] == [], "the ledger knows it"
    op = AgentOp("1001", fence, "release", "answered", wrap_up_ms=9_000)
    assert (await live.commit("c1", node=LQ1, epoch=1, snapshot=None, agents=[op])).agents[0].state == "wrap_up"
    later = [e for e in await live.events(start) if e.subject == "agent:1001"]
    assert later[-1].data["previous"] == "talking" and later[-1].seq > known.seq


async def test_who_waits_keeps_his_place(live: Live, forgotten: Any, clock: Clock) -> None:
    era = await forgotten()
    for id, since in (("late", 20), ("early", 10)):
        place = Place({"sales": since}, since, 20_000)
        await live.commit(id, node=LQ1, epoch=1, snapshot="{}", holds=Holds(waiting=place))
    await live.asserted(LQ1, era)
    clock.pass_ms(3_000)
    assert await live.ask("late", "r", {"sales": 20}) == Waiting(position=2, signed_in=0, ready=0)
    assert (await live.queue_state("sales")).oldest_since == 10


async def test_who_waits_and_is_said_again_late_gets_who_is_ready(live: Live, forgotten: Any, clock: Clock) -> None:
    """A node that has much to say is still at it when the era opens by itself: nobody is matched any more then."""
    await forgotten()
    await sign_in(live, "1001")
    clock.pass_ms(3_000)
    await live.tick()
    place = Place({"sales": 20}, 20, 15_000)
    await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", holds=Holds(waiting=place))
    agent = await live.agent_state("1001")
    assert (agent.state, agent.contact) == ("reserved", "c1")
    assert (await live.queue_state("sales")).waiting == 0
    assert [message for _, message in await live.inbox(LQ1, block_ms=0)] == [{"type": "reserved", "contact": "c1"}]
    again = await live.ask("c1", "r", {"sales": 20})
    assert isinstance(again, Reserved) and again.reservation == agent.reservation


async def test_who_is_said_again_late_waits_where_nobody_is_ready(live: Live, forgotten: Any, clock: Clock) -> None:
    await forgotten()
    clock.pass_ms(3_000)
    await live.tick()
    place = Place({"sales": 20}, 20, 15_000)
    await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", holds=Holds(waiting=place))
    assert await live.ask("c1", "r", {"sales": 20}) == Waiting(position=1, signed_in=0, ready=0)
    assert (await live.queue_state("sales")).oldest_since == 20


async def test_agents_without_a_contact_are_recalled(live: Live, forgotten: Any, clock: Clock) -> None:
    for agent in ("1001", "1002", "1003", "1004"):
        await sign_in(live, agent)
        clock.pass_ms(10)
    await live.agent("1002", "pause", reason="meal")
    await live.agent("1003", "sign_out")
    await contact(live, "c1")
    assert isinstance(await live.ask("c1", "r", {"agent:1004": 0}), Reserved)
    remembered = [await last(live, agent) for agent in ("1001", "1002", "1003", "1004")]
    era = await forgotten()
    await live.phone("8001", True, 60_000)
    await live.phone("8004", True, 60_000)
    await live.remembered(LQ1, era, remembered)
    await live.asserted(LQ1, era)
    clock.pass_ms(3_000)
    await live.tick()
    states = [await live.agent_state(agent) for agent in ("1001", "1002", "1003", "1004")]
    assert [a.state for a in states] == ["ready", "paused", "signed_out", "busy_other"], "c1 may yet be claimed"
    assert (states[1].reason, states[1].since) == ("meal", remembered[1].since)
    assert states[0].since == remembered[0].since, "his place in line"
    await contact(live, "c2")
    given = await live.ask("c2", "r", {"sales": 0})
    assert isinstance(given, Reserved) and given.agent == "1001"


async def test_who_could_not_be_reached_at_a_phone_that_is_there_comes_back_by_himself(
    live: Live, forgotten: Any, redis_url: str, clock: Clock
) -> None:
    await sign_in(live, "1001")
    await contact(live, "c1")
    given = await live.ask("c1", "r", {"sales": 0})
    assert isinstance(given, Reserved)
    gone = AgentOp("1001", given.reservation, "release", "unreachable")
    await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", agents=[gone])
    remembered = await last(live, "1001")
    assert remembered.state == "phone_offline"
    era = await forgotten()
    with Redis.from_url(redis_url) as plain:  # its registration is not among what was lost
        plain.hset(keys.phone("8001"), mapping={"registered": "1", "registered_until": str(clock() + 3_600_000)})
    await live.remembered(LQ1, era, [remembered])
    await live.asserted(LQ1, era)
    clock.pass_ms(3_000)
    await live.tick()
    assert (await live.agent_state("1001")).state == "phone_offline"
    clock.pass_ms(10_000)
    await live.tick()
    assert (await live.agent_state("1001")).state == "ready"


async def test_what_the_agent_did_meanwhile_counts_more(live: Live, forgotten: Any, clock: Clock) -> None:
    await sign_in(live, "1001")
    remembered = await last(live, "1001")
    clock.pass_ms(5)
    era = await forgotten()
    await live.phone("8001", True, 60_000)
    await live.agent("1001", "sign_in", phone="8001")
    await live.agent("1001", "pause", reason="break")
    await live.remembered(LQ1, era, [remembered])
    await live.asserted(LQ1, era)
    clock.pass_ms(3_000)
    await live.tick()
    assert (await live.agent_state("1001")).reason == "break"


async def test_channels_keep_their_numbers(live: Live, forgotten: Any) -> None:
    await live.publish(2, {"trunks": {"gw1": {"id": "gw1", "channels": 2}}})
    for leg in (1, 2):
        await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", channels=[ChannelOp("gw1", "seize", leg)])
    era = await forgotten()
    await live.publish(2, {"trunks": {"gw1": {"id": "gw1", "channels": 2}}})
    hold = ChannelHold(2, "gw1", 2, "out")
    start = await live.last_event()
    await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", holds=Holds(channels=[hold], legs=[2]))
    await live.asserted(LQ1, era)
    assert await live.channels("gw1") == {2: "c1.2"}
    assert [e.type for e in await live.events(start)] == []


async def new_process(live: Live, redis_url: str) -> int:
    """As if this Redis were another process that has all the same: a replica that was promoted."""
    with Redis.from_url(redis_url) as plain:
        plain.hset(f"{keys.TAG}:counters", "run", "another")
    return (await live.renew("lq", LQ1)).era


async def test_what_ended_in_the_lost_moment_is_over(live: Live, redis_url: str, clock: Clock) -> None:
    """Redis still has a talk that its owner has ended: its agent is not stuck."""
    await live.renew("lq", LQ1)
    await talk(live)
    era = await new_process(live, redis_url)
    await contact(live, "c2")
    await live.asserted(LQ1, era)
    assert await live.contacts() == ["c2"]
    assert (await live.agent_state("1001")).state == "ready"
    with pytest.raises(Superseded):
        await live.commit("c1", node=LQ2, epoch=1, snapshot="{}")


async def test_it_opens_when_the_last_of_those_alive_has_spoken(live: Live, redis_url: str, clock: Clock) -> None:
    await live.renew("lq", LQ1)
    await live.renew("lq", LQ2)
    era = await new_process(live, redis_url)
    await sign_in(live, "1001")
    await contact(live, "c1")
    await live.asserted(LQ1, era)
    assert isinstance(await live.ask("c1", "r", {"sales": 0}), Waiting)
    await live.asserted(LQ2, era - 1)
    assert isinstance(await live.ask("c1", "r", {"sales": 0}), Waiting), "that was another era"
    await live.asserted(LQ2, era)
    assert isinstance(await live.ask("c1", "r", {"sales": 0}), Reserved)


async def test_a_forgotten_adoption_is_remembered(live: Live, redis_url: str, clock: Clock) -> None:
    """Redis lost that lq2 has adopted: lq2 says so, and lq1, should it wake, is superseded."""
    await talk(live)
    era = await new_process(live, redis_url)
    await live.commit("c1", node=LQ2, epoch=2, snapshot="{}", holds=Holds([talking(1)]))
    await live.asserted(LQ2, era, took=[LQ1])
    assert await live.owned(LQ2) == ["c1"] and await live.owned(LQ1) == []
    with pytest.raises(Superseded):
        await live.commit("c1", node=LQ1, epoch=1, snapshot="{}")
    with Redis.from_url(redis_url, decode_responses=True) as plain:
        assert plain.hgetall(keys.ADOPTED) == {LQ1: LQ2}


async def test_a_newer_reservation_wins(live: Live, redis_url: str, clock: Clock) -> None:
    old = await talk(live)
    await live.commit("c1", node=LQ1, epoch=1, snapshot=None, agents=[AgentOp("1001", old, "release", "answered")])
    clock.pass_ms(1)
    await contact(live, "c2")
    given = await live.ask("c2", "r", {"sales": 0})
    assert isinstance(given, Reserved) and given.reservation > old
    await new_process(live, redis_url)
    done = await live.commit("c3", node=LQ1, epoch=1, snapshot="{}", holds=Holds([talking(old)]))
    assert not done.holds[0].ok
    assert (await live.agent_state("1001")).contact == "c2"


async def test_who_talks_though_his_reservation_has_lapsed_is_taken_back(live: Live, clock: Clock) -> None:
    """In the same era: his owner could not reach Redis for a while."""
    await sign_in(live, "1001")
    await contact(live, "c1")
    given = await live.ask("c1", "r", {"sales": 0}, lease_ms=1_000)
    assert isinstance(given, Reserved)
    clock.pass_ms(1_001)
    await live.tick()
    assert (await live.agent_state("1001")).state == "ready"
    talks = AgentOp("1001", given.reservation, "talking")
    assert not (await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", agents=[talks])).agents[0].ok
    again = Holds([talking(given.reservation)])
    assert (await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", holds=again)).holds[0].ok
    agent = await live.agent_state("1001")
    assert (agent.state, agent.contact, agent.reservation) == ("talking", "c1", given.reservation)
    await contact(live, "c2")
    assert isinstance(await live.ask("c2", "r", {"sales": 0}), Waiting)
    release = AgentOp("1001", given.reservation, "release", "answered", wrap_up_ms=9_000)
    done = await live.commit("c1", node=LQ1, epoch=1, snapshot=None, agents=[release])
    assert done.agents[0].state == "wrap_up"


async def test_a_reservation_does_not_lapse_while_its_owner_cannot_renew_it(
    live: Live, redis_url: str, clock: Clock
) -> None:
    await sign_in(live, "1001")
    await contact(live, "c1")
    given = await live.ask("c1", "r", {"sales": 0}, lease_ms=1_000)
    assert isinstance(given, Reserved)
    with Redis.from_url(redis_url) as plain:
        plain.hset(f"{keys.TAG}:counters", "run", "another")
    clock.pass_ms(5_000)
    era = (await live.renew("lq", LQ1)).era
    assert (await live.agent_state("1001")).state == "reserved"
    hold = AgentHold("1001", "8001", given.reservation, "ringing", "sales", ttl_ms=30_000)
    assert (await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", holds=Holds([hold]))).holds[0].ok
    await live.asserted(LQ1, era)
    clock.pass_ms(10_000)
    await live.tick()
    assert (await live.agent_state("1001")).state == "ringing"


async def test_nobody_adopts_from_a_redis_that_has_just_come(live: Live, redis_url: str, clock: Clock) -> None:
    await live.renew("lq", LQ2)
    await contact(live, "c1", LQ2)
    clock.pass_ms(60_000)
    await new_process(live, redis_url)
    clock.pass_ms(3_999)
    with pytest.raises(Alive):
        await live.adopt(LQ1, LQ2)
    clock.pass_ms(1)
    assert [a.contact for a in await live.adopt(LQ1, LQ2)] == ["c1"]
    assert (await live.renew("lq", LQ2)).adopted_by == LQ1, "who wakes hears that he was adopted"


async def test_numbers_go_on_where_the_last_redis_was(live: Live, forgotten: Any, clock: Clock) -> None:
    """Its clock may have stood later, or have been set back since."""
    era = (await live.renew("lq", LQ1)).era
    fence = await talk(live)
    said = (await last(live, "1001")).seq
    clock.pass_ms(-3_600_000)
    assert era < await forgotten()
    clock.pass_ms(3_000)
    await live.tick()
    assert await talk(live) > fence
    assert (await last(live, "1001")).seq > said


@pytest.fixture
def hung(tmp_path: Path) -> Iterator[tuple[str, int]]:
    process, url = start_redis(tmp_path)
    yield url, process.pid
    os.kill(process.pid, signal.SIGCONT)
    stop(process)


async def test_silence_is_a_new_era_too(hung: tuple[str, int]) -> None:
    """By its own clock: a Redis that hung for longer than a lease could not be told what happened meanwhile."""
    url, pid = hung
    live = Live(url, timeout_s=0.2)
    try:
        await live.start()
        await live.publish(1, documents())
        era = (await live.renew("lq", LQ1)).era
        assert (await live.renew("lq", LQ1)).era == era
        os.kill(pid, signal.SIGSTOP)
        with Redis.from_url(url, socket_timeout=2.5) as plain, pytest.raises(TimeoutError):
            plain.ping()
        os.kill(pid, signal.SIGCONT)
        assert (await live.renew("lq", LQ1)).era > era
        await sign_in(live, "1001")
        await contact(live, "c1")
        assert isinstance(await live.ask("c1", "r", {"sales": 0}), Waiting)
    finally:
        await live.close()


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[Server]]:
    servers = []
    for name in ("master", "replica"):
        (tmp_path / name).mkdir()
        servers.append(Server(*start_redis(tmp_path / name)))
    yield servers
    for server in servers:
        stop(server.process)


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[bytes]
    url: str

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1].split("/")[0])

    def ask(self, *words: object) -> Any:
        with Redis.from_url(self.url, decode_responses=True) as plain:
            return plain.execute_command(*words)  # type: ignore[no-untyped-call]


async def test_a_replica_that_lacks_the_last_writes_takes_over(two: list[Server]) -> None:
    """By the same address: the client's next question already finds pairing closed, and what it lacks is said again."""
    master, replica = two
    live = Live(master.url, timeout_s=0.5)
    try:
        await live.start()
        await live.publish(1, documents())
        era = (await live.renew("lq", LQ1)).era
        await live.phone("8002", True, 3_600_000)
        fence = await talk(live)
        replica.ask("REPLICAOF", "127.0.0.1", master.port)
        async with asyncio.timeout(10):
            while not replica.ask("EXISTS", keys.contact("c1")):
                assert (await live.renew("lq", LQ1)).era == era
                await asyncio.sleep(0.02)
        replica.ask("REPLICAOF", "NO", "ONE")
        await live.agent("1002", "sign_in", phone="8002")
        word = await last(live, "1002")
        await contact(live, "c2")
        given = await live.ask("c2", "r", {"sales": 0})
        assert isinstance(given, Reserved) and given.agent == "1002", "the replica knows nothing of this"
        stop(master.process)
        replica.ask("CONFIG", "SET", "port", master.port)

        await contact(live, "c3")
        assert isinstance(await live.ask("c3", "r", {"sales": 0}), Waiting)
        renewal = await live.renew("lq", LQ1)
        assert renewal.era > era
        await live.remembered(LQ1, renewal.era, [word])
        held = AgentHold("1002", "8002", given.reservation, "ringing", "sales", 30_000, lanes=SALES)
        for id, hold in (("c1", talking(fence)), ("c2", held)):
            done = await live.commit(id, node=LQ1, epoch=1, snapshot="{}", holds=Holds([hold]))
            assert done.holds[0].ok
        place = Place({"sales": 5}, 5, 20_000)
        await live.commit("c3", node=LQ1, epoch=1, snapshot="{}", holds=Holds(waiting=place))
        await live.asserted(LQ1, renewal.era)
        states = {a.id: (a.state, a.contact) for a in await live.agents()}
        assert (states["1001"], states["1002"]) == (("talking", "c1"), ("ringing", "c2"))
        assert await live.ask("c3", "r", {"sales": 5}) == Waiting(position=1, signed_in=2, ready=0)
    finally:
        await live.close()


async def test_a_place_of_nobody_does_not_keep_the_center_closed(
    live: Live, forgotten: Any, clock: Clock, redis_url: str
) -> None:
    """Left in line by a fault that nobody thought of: every function opens the era first, so all of them would fail."""
    await forgotten()
    await sign_in(live, "1001")
    await contact(live, "c1")
    await live.ask("c1", "r", {"sales": 5})
    with Redis.from_url(redis_url) as plain:
        plain.zadd(keys.lane_contacts("sales"), {"nobody": 1})
    clock.pass_ms(3_000)
    await live.tick()
    assert (await live.agent_state("1001")).contact == "c1"
    with Redis.from_url(redis_url) as plain:
        assert plain.zcard(keys.lane_contacts("sales")) == 0


async def test_an_inbox_ends_with_its_node(live: Live, redis_url: str, clock: Clock) -> None:
    """A process has a name of its own at each start: what is kept by name must end."""
    await live.renew("lq", LQ1)
    await live.send(LQ1, {"type": "reserved", "contact": "c1"})
    await live.renew("lq", LQ2, lease_ms=2_000)
    await live.send(LQ2, {"type": "reserved", "contact": "c1"})
    await live.leave("lq", LQ1)
    clock.pass_ms(70_000)
    await live.renew("lq", "lq3-cccccccc")  # LQ2 has died owning nothing, and nobody adopted it
    with Redis.from_url(redis_url) as plain:
        assert plain.pttl(keys.inbox(LQ1)) > 0 and plain.pttl(keys.inbox(LQ2)) > 0
        assert plain.hexists(keys.SEQ, f"node:{LQ1}") == plain.hexists(keys.SEQ, f"node:{LQ2}") == 0
