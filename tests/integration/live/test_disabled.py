"""An agent who is disabled (停用): out at once, or when his call is over, and not in again."""

from __future__ import annotations

import pytest

from lq.live.errors import Conflict
from lq.live.redis import Live
from lq.live.values import AgentOp, Waiting
from tests.integration.live.center import contact, documents, sign_in
from tests.integration.live.test_agents import hang_up, talking


async def publish(live: Live, *, enabled: bool) -> None:
    kinds = documents()
    kinds["agents"]["1001"]["enabled"] = enabled
    await live.publish(await live.config_version() + 1, kinds)


async def test_who_is_free_is_out_at_once(live: Live) -> None:
    await sign_in(live, "1001")
    await sign_in(live, "1002")
    await publish(live, enabled=False)
    assert [(agent.id, agent.state) for agent in (await live.agents())[:2]] == [
        ("1001", "signed_out"),
        ("1002", "ready"),
    ]
    assert (await live.phone_state("8001")).agent is None
    await contact(live, "c1")
    assert isinstance(await live.ask("c1", "r", {"agent:1001": 0}), Waiting)


async def test_who_talks_is_out_after_the_call(live: Live) -> None:
    given = await talking(live)
    await publish(live, enabled=False)
    agent = await live.agent_state("1001")
    assert (agent.state, agent.next) == ("talking", "signed_out")
    for asked in ({"op": "ready"}, {"op": "pause", "reason": "meal"}):
        with pytest.raises(Conflict) as refused:
            await live.agent("1001", **asked)
        assert refused.value.code == "agent_disabled", "it would take the place of his end"
    assert (await live.agent("1001", "wrap_up", code="order")).code == "order"
    assert await hang_up(live, given, 0) == "signed_out"


async def test_who_tidies_up_is_out_at_once(live: Live) -> None:
    assert await hang_up(live, await talking(live), 20_000) == "wrap_up"
    await publish(live, enabled=False)
    assert (await live.agent_state("1001")).state == "signed_out"


async def test_he_does_not_sign_in_until_he_is_enabled_again(live: Live) -> None:
    await publish(live, enabled=False)
    await live.phone("8001", True, 60_000)
    with pytest.raises(Conflict, match="1001 is disabled") as refused:
        await live.agent("1001", "sign_in", phone="8001")
    assert (refused.value.code, refused.value.agent["state"]) == ("agent_disabled", "signed_out")
    assert (await live.phone_state("8001")).agent is None
    assert (await live.agent("1001", "sign_out")).state == "signed_out"
    await publish(live, enabled=True)
    assert (await live.agent("1001", "sign_in", phone="8001")).state == "ready"


async def test_whom_a_call_holds_may_hang_up(live: Live) -> None:
    given = await talking(live)
    await publish(live, enabled=False)
    release = AgentOp("1001", given.reservation, "release", "answered", wrap_up_ms=5_000)
    done = await live.commit("c1", node="lq1-aaaaaaaa", epoch=1, snapshot=None, agents=[release])
    assert done.agents[0].state == "wrap_up"
    assert (await live.agent("1001", "wrap_up", done=True)).state == "signed_out"
