"""Where a queue requires a code (话后小结) nobody leaves the wrap-up of its call without one."""

from __future__ import annotations

from typing import Any

import pytest

from lq.live.errors import Conflict
from lq.live.redis import Live
from lq.live.values import AgentOp, EngageOp, Reserved
from tests.integration.live.center import Clock, contact, documents, sign_in

LQ1 = "lq1-aaaaaaaa"
CODE: dict[str, Any] = {"id": "order", "name": "订单"}
WRAP_UP_MS = 5_000


async def publish(live: Live, *codes: dict[str, Any], without: str = "") -> None:
    """sales requires a code, support does not."""
    kinds = documents()
    kinds["queues"]["sales"]["wrap_up_code"] = "required"
    kinds["wrap_up_codes"] = {code["id"]: code for code in codes}
    kinds["agents"].pop(without, None)
    await live.publish(await live.config_version() + 1, kinds)


async def talks(live: Live, lane: str = "sales", id: str = "c1") -> int:
    """Agent 1003, who serves both, has the call; its fence."""
    await contact(live, id)
    given = await live.ask(id, "r", {lane: 0})
    assert isinstance(given, Reserved) and given.agent == "1003"
    await commits(live, id, AgentOp("1003", given.reservation, "talking"))
    return given.reservation


async def commits(live: Live, id: str, op: AgentOp) -> str:
    done = await live.commit(id, node=LQ1, epoch=1, snapshot="{}", agents=[op])
    assert done.agents[0].ok
    return done.agents[0].state


async def hangs_up(live: Live, fence: int, id: str = "c1", queue: str | None = "sales", ms: int = WRAP_UP_MS) -> str:
    return await commits(live, id, AgentOp("1003", fence, "release", "answered", wrap_up_ms=ms, queue=queue))


async def state(live: Live) -> str:
    return (await live.agent_state("1003")).state


async def is_over_time(live: Live, clock: Clock) -> str:
    clock.pass_ms(WRAP_UP_MS)
    assert await live.tick() == 1
    return await state(live)


@pytest.fixture
async def coded(live: Live) -> Live:
    await publish(live, CODE)
    await sign_in(live, "1003")
    return live


async def test_he_stays_beyond_the_time_until_he_has_named_one(coded: Live, clock: Clock) -> None:
    assert await hangs_up(coded, await talks(coded)) == "wrap_up"
    assert await is_over_time(coded, clock) == "wrap_up"
    assert (await coded.agent_state("1003")).contact == "c1"
    clock.pass_ms(3_600_000 - 2 * WRAP_UP_MS)
    for asked in ({"op": "ready"}, {"op": "pause", "reason": "meal"}, {"op": "wrap_up", "done": True}):
        with pytest.raises(Conflict) as refused:
            await coded.agent("1003", **asked)  # type: ignore[arg-type]
        assert (refused.value.code, refused.value.agent["state"]) == ("code_required", "wrap_up")
    assert (await coded.agent("1003", "wrap_up", code="order")).state == "ready", "it was all that he was waited for"
    assert (await coded.agent_state("1003")).code is None


async def test_who_names_it_in_time_has_his_time(coded: Live, clock: Clock) -> None:
    await hangs_up(coded, await talks(coded))
    assert (await coded.agent("1003", "wrap_up", code="order")).state == "wrap_up"
    assert await is_over_time(coded, clock) == "ready"
    await hangs_up(coded, await talks(coded, id="c2"), "c2")
    assert (await coded.agent("1003", "wrap_up", code="order", done=True)).state == "ready"


async def test_it_may_be_named_in_the_call(coded: Live, clock: Clock) -> None:
    fence = await talks(coded)
    await coded.agent("1003", "wrap_up", code="order")
    await hangs_up(coded, fence)
    assert await is_over_time(coded, clock) == "ready"


async def test_it_counts_for_its_own_call_only(coded: Live, clock: Clock) -> None:
    fence = await talks(coded, "support")
    await coded.agent("1003", "wrap_up", code="order")
    assert await hangs_up(coded, fence, queue="support", ms=0) == "ready"
    await hangs_up(coded, await talks(coded, id="c2"), "c2")
    assert await is_over_time(coded, clock) == "wrap_up"


async def test_what_he_asked_for_in_the_call_comes_after_it(coded: Live, clock: Clock) -> None:
    fence = await talks(coded)
    await coded.agent("1003", "pause", reason="meal")
    await hangs_up(coded, fence)
    assert await is_over_time(coded, clock) == "wrap_up"
    assert (await coded.agent("1003", "wrap_up", code="order")).state == "paused"


async def test_he_may_sign_out_at_any_time(coded: Live, clock: Clock) -> None:
    await hangs_up(coded, await talks(coded))
    assert await is_over_time(coded, clock) == "wrap_up"
    assert (await coded.agent("1003", "sign_out")).state == "signed_out"
    await sign_in(coded, "1003")
    fence = await talks(coded, id="c2")
    await coded.agent("1003", "sign_out")  # when the call is over
    assert await hangs_up(coded, fence, "c2") == "wrap_up"
    assert await is_over_time(coded, clock) == "signed_out"


async def test_who_is_no_agent_any_more_is_not_kept_for_it(coded: Live, clock: Clock) -> None:
    fence = await talks(coded)
    await publish(coded, CODE, without="1003")
    await hangs_up(coded, fence)
    clock.pass_ms(WRAP_UP_MS)
    await coded.tick()
    assert [word.data["state"] for word in await coded.last_words()] == []


@pytest.mark.parametrize(
    ("codes", "queue"),
    [
        ([CODE], "support"),
        ([CODE], ""),
        ([], "sales"),
        ([{**CODE, "enabled": False}], "sales"),
        ([{**CODE, "queues": ["support"]}], "sales"),
        ([{**CODE, "parent": "top"}, {"id": "top", "name": "业务", "queues": ["support"]}], "sales"),
    ],
)
async def test_where_none_is_required_or_none_fits_the_time_ends_it(
    coded: Live, clock: Clock, codes: list[dict[str, Any]], queue: str
) -> None:
    await hangs_up(coded, await talks(coded), queue=queue)
    await publish(coded, *codes)
    assert await is_over_time(coded, clock) == "ready"


async def test_of_an_older_node_the_lane_says_whose_call_it_was(coded: Live, clock: Clock) -> None:
    await hangs_up(coded, await talks(coded), queue=None)
    assert await is_over_time(coded, clock) == "wrap_up"


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("late", [False, True])
async def test_who_dials_in_it_comes_back_to_it(coded: Live, clock: Clock, answered: bool, late: bool) -> None:
    await hangs_up(coded, await talks(coded))
    if late:
        assert await is_over_time(coded, clock) == "wrap_up"
    await contact(coded, "c2")
    engage = EngageOp(1, agent="1003", own=True)
    done = await coded.commit("c2", node=LQ1, epoch=1, snapshot="{}", engages=[engage])
    fence = done.engaged[0].reservation
    if answered:
        await commits(coded, "c2", AgentOp("1003", fence, "talking"))
    outcome = "answered" if answered else "caller_gone"
    release = AgentOp("1003", fence, "release", outcome, wrap_up_ms=1_000 if answered else 0, queue="")
    assert await commits(coded, "c2", release) == "wrap_up"
    assert (await coded.agent_state("1003")).contact == "c1", "which is still without a code"
    assert await is_over_time(coded, clock) == "wrap_up"
    assert (await coded.agent("1003", "wrap_up", code="order")).state == "ready"
