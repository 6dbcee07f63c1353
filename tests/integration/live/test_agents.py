"""What agents ask for, configuration, commands, and Redis away."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from redis.asyncio import Redis

from lq.live import library
from lq.live.errors import Conflict, Gone, LiveUnavailable, Stale
from lq.live.kemi import Caller
from lq.live.redis import Live
from lq.live.values import AgentOp, Reserved, Waiting
from tests.integration.live.center import Clock, contact, documents, sign_in, start_redis, stop, wait_for_redis
from tests.integration.live.trunks import trunk_state

LQ1 = "lq1-aaaaaaaa"


async def test_sign_in_says_who_he_is(live: Live) -> None:
    await live.phone("8003", True, 60_000)
    agent = await live.agent("1003", "sign_in", phone="8003")
    assert (agent.name, agent.state, agent.phone, agent.queues) == ("坐席3", "ready", "8003", ("sales", "support"))
    assert await live.agent_state("1003") == agent
    assert [a.state for a in await live.agents()] == ["signed_out", "signed_out", "ready", "signed_out", "signed_out"]
    assert (await live.queue_state("support")).signed_in == 1


async def test_sign_in_without_a_registered_phone_waits_for_it(live: Live, clock: Clock) -> None:
    assert (await live.agent("1001", "sign_in", phone="8001")).state == "phone_offline"
    await live.phone("8001", True, 60_000)
    assert (await live.agent_state("1001")).state == "ready"
    clock.pass_ms(60_000)
    await live.tick()
    assert (await live.agent_state("1001")).state == "phone_offline"


async def test_a_phone_serves_one_agent_and_an_agent_one_phone(live: Live) -> None:
    await sign_in(live, "1001")
    with pytest.raises(Conflict, match="phone 8001 is used by agent 1001"):
        await live.agent("1002", "sign_in", phone="8001")
    with pytest.raises(Conflict, match="already signed in at phone 8001") as refused:
        await live.agent("1001", "sign_in", phone="8002")
    assert refused.value.agent["state"] == "ready"
    await live.agent("1001", "sign_in", phone="8001")
    await live.agent("1001", "sign_out")
    await sign_in(live, "1001")


@pytest.mark.parametrize("paused", [False, True])
async def test_that_he_serves_other_queues_now_is_told(live: Live, paused: bool) -> None:
    await sign_in(live, "1001")
    if paused:
        await live.agent("1001", "pause", reason="meal")
    before = await live.last_event()
    for lanes in ({"sales": 0}, {"sales": 7}, {"sales": 7, "support": 3}, {"sales": 8, "support": 3}):
        await live.agent("1001", "sign_in", phone="8001", lanes=lanes)
    told = [event for event in await live.events(before) if event.subject == "agent:1001"]
    state = "paused" if paused else "ready"
    assert [(event.data["state"], event.data["previous"], event.data["queues"]) for event in told] == [
        (state, state, ["sales", "support"])
    ], "what he did and for how long was told before"
    assert told[0].data["since"] == (await live.agent_state("1001")).since


async def test_an_unknown_agent(live: Live) -> None:
    with pytest.raises(Gone):
        await live.agent("9999", "sign_in", phone="8001")
    with pytest.raises(Gone):
        await live.agent_state("9999")


async def test_pause_and_back(live: Live) -> None:
    await sign_in(live, "1001")
    paused = await live.agent("1001", "pause", reason="meal")
    assert (paused.state, paused.reason) == ("paused", "meal")
    assert (await live.queue_state("sales")).ready == 0
    assert (await live.agent("1001", "ready")).reason is None
    with pytest.raises(Conflict, match="wrap_up_done is not possible"):
        await live.agent("1001", "wrap_up", done=True)


async def talking(live: Live) -> Reserved:
    await sign_in(live, "1001")
    await contact(live, "c1")
    given = await live.ask("c1", "r", {"sales": 0})
    assert isinstance(given, Reserved)
    await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", agents=[AgentOp("1001", given.reservation, "talking")])
    return given


async def hang_up(live: Live, given: Reserved, wrap_up_ms: int) -> str:
    op = AgentOp("1001", given.reservation, "release", "answered", wrap_up_ms=wrap_up_ms)
    done = await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", agents=[op])
    return done.agents[0].state


@pytest.mark.parametrize(("op", "ends"), [("sign_out", "signed_out"), ("pause", "paused")])
@pytest.mark.parametrize("wrap_up_ms", [0, 9_000])
async def test_what_he_asked_for_during_the_call_comes_after_it(
    live: Live, clock: Clock, op: str, ends: str, wrap_up_ms: int
) -> None:
    given = await talking(live)
    asked = await live.agent("1001", op, reason="meal" if op == "pause" else "")
    assert (asked.state, asked.next) == ("talking", ends)
    assert await hang_up(live, given, wrap_up_ms) == ("wrap_up" if wrap_up_ms else ends)
    clock.pass_ms(9_000)
    await live.tick()
    agent = await live.agent_state("1001")
    assert (agent.state, agent.next, agent.reason) == (ends, None, "meal" if op == "pause" else None)


async def test_who_is_deleted_is_signed_out_at_once_or_after_his_call(live: Live) -> None:
    given = await talking(live)
    await sign_in(live, "1002")
    left = documents()
    del left["agents"]["1001"], left["agents"]["1002"]
    await live.publish(2, left)
    assert [word.subject for word in await live.last_words()] == ["agent:1001"], "he talks"
    assert (await live.phone_state("8002")).agent is None
    assert (await live.queue_state("sales")).ready == 0
    await contact(live, "c2")
    assert isinstance(await live.ask("c2", "r", {"sales": 0}), Waiting)
    told = [e.data for e in await live.events() if e.subject == "agent:1001"][-1]
    assert (told["state"], told["next"]) == ("talking", "signed_out")
    before = await live.last_event()
    await live.publish(3, left)
    assert await live.last_event() == before, "said once"
    with pytest.raises(Gone):
        await live.agent("1001", "ready")
    assert await hang_up(live, given, 0) == "signed_out"
    assert await live.last_words() == []
    with pytest.raises(Gone):
        await live.agent("1001", "sign_in", phone="8001")


async def test_a_configuration_of_other_things_signs_nobody_out(live: Live) -> None:
    await sign_in(live, "1001")
    await live.publish(2, {"queues": documents()["queues"]})
    assert (await live.agent_state("1001")).state == "ready"


async def test_who_is_signed_in_and_no_agent_may_pause_and_go(live: Live) -> None:
    await live.phone("8005", True, 60_000)
    await live.agent("9999", "sign_in", phone="8005", lanes={"sales": 0})
    assert (await live.agent("9999", "pause", reason="meal")).state == "paused"
    with pytest.raises(Gone):
        await live.agent("9999", "ready")
    assert (await live.agent("9999", "sign_out")).state == "signed_out"
    assert (await live.phone_state("8005")).agent is None
    with pytest.raises(Gone):
        await live.agent("9999", "sign_out")


async def test_ready_takes_it_back(live: Live) -> None:
    given = await talking(live)
    await live.agent("1001", "sign_out")
    assert (await live.agent("1001", "ready")).next is None
    assert await hang_up(live, given, 0) == "ready"


async def test_wrap_up_code_and_done(live: Live) -> None:
    given = await talking(live)
    await live.agent("1001", "wrap_up", code="complaint")
    await hang_up(live, given, 20_000)
    assert (await live.agent("1001", "wrap_up", code="order")).code == "order"
    assert (await live.agent("1001", "wrap_up", done=True)).state == "ready"
    codes = [e.data.get("code") for e in await live.events() if e.subject == "agent:1001"]
    assert [c for c in codes if c] == ["complaint", "complaint", "order"]


async def test_every_instant_of_a_signed_in_agent_is_in_one_state(live: Live, clock: Clock) -> None:
    given = await talking(live)
    clock.pass_ms(1_000)
    await hang_up(live, given, 5_000)
    clock.pass_ms(5_000)
    await live.tick()
    await live.agent("1001", "sign_out")
    history = [e for e in await live.events() if e.type == "agent_state_changed"]
    assert [e.data["previous"] for e in history] == ["signed_out", *(e.data["state"] for e in history[:-1])]
    assert [e.at for e in history] == [e.data["since"] for e in history]
    assert [e.data["state"] for e in history] == ["ready", "reserved", "talking", "wrap_up", "ready", "signed_out"]


async def test_trunk_is_reported_once_a_change(live: Live) -> None:
    assert await trunk_state(live, "gw1") is None
    for up in (True, True, False, False):
        await live.trunk("gw1", up, "" if up else "408")
    assert [e.data for e in await live.events() if e.subject == "trunk:gw1"] == [
        {"trunk": "gw1", "up": True},
        {"trunk": "gw1", "up": False, "reason": "408"},
    ]
    found = await trunk_state(live, "gw1")
    assert found is not None and not found.up and found.reason == "408"


async def test_configuration_is_swapped_whole_and_only_upwards(live: Live) -> None:
    await live.publish(2, {"queues": {"vip": {"id": "vip", "name": "贵宾"}}})
    assert await live.config("queues") == {"vip": {"id": "vip", "name": "贵宾"}}
    assert "1001" in await live.config("agents")
    with pytest.raises(Stale):
        await live.publish(2, documents())
    assert await live.config_version() == 2


async def test_command_reaches_the_owner_and_his_reply_comes_back(live: Live) -> None:
    await contact(live, "c1")

    async def owner() -> None:
        [(id, message)] = await live.inbox(LQ1, block_ms=2_000)
        assert (message["type"], message["verb"], message["body"]) == ("command", "hang_up", {"agent": "1001"})
        assert asked_at <= message["expires_at"] - 2_000 <= await live._now()
        await live.reply(message["reply_to"], {"status": 200, "contact": {"id": "c1"}})
        await live.taken(LQ1, id)

    serving = asyncio.create_task(owner())
    asked_at = await live._now()
    reply = await live.command("c1", "hang_up", {"agent": "1001"})
    await serving
    assert reply == {"status": 200, "contact": {"id": "c1"}}
    assert await live.inbox(LQ1) == []
    with pytest.raises(Gone, match="no such contact"):
        await live.command("nobody", "hang_up")
    with pytest.raises(LiveUnavailable, match="did not reply"):
        await live.command("c1", "hang_up", timeout=0.05)


async def test_blocking_readers_do_not_stand_in_each_others_way(live: Live) -> None:
    readers = [asyncio.create_task(live.inbox(f"node-{n}", block_ms=5_000)) for n in range(5)]
    ledger = asyncio.create_task(live.events(await live.last_event(), block_ms=5_000))
    started = time.monotonic()
    await asyncio.gather(*(live.send(f"node-{n}", {"n": n}) for n in range(5)))
    assert [messages[0][1]["n"] for messages in await asyncio.gather(*readers)] == list(range(5))
    await live.phone("8001", True, 60_000)
    assert [e.type for e in await ledger] == ["phone_changed"]
    assert time.monotonic() - started < 2


async def test_library_is_loaded_once_and_comes_back_by_itself(live: Live, redis_url: str) -> None:
    async with Redis.from_url(redis_url, decode_responses=True) as redis:
        await redis.function_load(
            library.render().replace(f"VERSION = {library.VERSION}", "VERSION = 99"), replace=True
        )
        await live.start()
        listing = await redis.function_list(library.NAME, withcode=True)
        assert "VERSION = 99" in str(library.loaded_code(listing))
        await redis.function_flush("SYNC")
        await live.phone("8001", True, 60_000)
        await redis.function_flush("SYNC")
        Caller(redis_url).phone("8002", True, 60_000)
        assert library.loaded_code(await redis.function_list(library.NAME, withcode=True)) == library.render()


async def test_redis_away_and_back(tmp_path: Path) -> None:
    process, url = start_redis(tmp_path)
    live = Live(url, timeout_s=0.3)
    try:
        await live.start()
        await contact(live, "c1")
        os.kill(process.pid, signal.SIGSTOP)
        took = []
        for _ in range(3):  # the machine may halt us
            caller, started = Caller(url), time.monotonic()
            with pytest.raises(LiveUnavailable):
                caller.ask("c1", "r", {"sales": 0}, 1_000)
            took.append(time.monotonic() - started)
        assert 0.1 < min(took) < 0.4
        started = time.monotonic()
        with pytest.raises(LiveUnavailable):
            caller.leases("lq")
        assert time.monotonic() - started < 0.1, "the circuit is open: nothing was tried"
        with pytest.raises(LiveUnavailable):
            await live.contact("c1")
        os.kill(process.pid, signal.SIGCONT)
        wait_for_redis(url)
        assert await live.contact("c1") is not None
        process.kill()
        process.wait()
        with pytest.raises(LiveUnavailable):
            await live.agent("1001", "ready", lanes={})
        process, _ = start_redis(tmp_path, int(url.rsplit(":", 1)[1].split("/")[0]))
        wait_for_redis(url)
        await contact(live, "c2")
    finally:
        await live.close()
        stop(process)


async def test_kemi_caller(live: Live, clock: Clock, redis_url: str) -> None:
    caller = Caller(redis_url)
    # this caller asks by Redis TIME, which is past the tests' clock
    caller.phone("8001", True, 3_600_000_000)
    clock.now = int(time.time() * 1000)
    await live.agent("1001", "sign_in", phone="8001")
    await contact(live, "c1")
    given = caller.ask("c1", "r", {"sales": 0}, 20_000)
    assert isinstance(given, Reserved) and given.agent == "1001"
    with pytest.raises(Gone):
        caller.ask("c9", "r", {"sales": 0}, 20_000)
    assert (caller.document("phones", "8001") or {})["id"] == "8001"
    assert caller.document("phones", "9999") is None
    assert list(caller.documents("trunks")) == ["gw1"]
    caller.trunk("gw1", True, "")
    clock.now = int(time.time() * 1000)
    await live.renew("lq", LQ1, address="127.0.0.1:23999", lease_ms=60_000)
    await live.renew("mixer", "m1", lease_ms=60_000)
    assert [lease.address for lease in caller.leases("lq")] == ["127.0.0.1:23999"]


async def test_a_number_outside_registers_nowhere_and_is_there(live: Live) -> None:
    agent = await live.agent("1001", "sign_in", phone="+8613700137000")
    assert (agent.state, agent.phone) == ("ready", "+8613700137000")
    with pytest.raises(Conflict, match="is used by agent 1001"):
        await live.agent("1002", "sign_in", phone="+8613700137000")
    assert (await live.agent("1001", "pause", reason="break")).state == "paused"
    assert (await live.agent("1001", "ready")).state == "ready"
