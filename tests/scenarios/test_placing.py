"""Agents call: from their phones and from their desks (click to dial). They are shown so, and get no other call."""

from __future__ import annotations

import asyncio

import pytest

from lq.config.documents import SERVICE
from lq.sdk.errors import ApiError
from lq.sdk.values import Contact
from tests.scenarios import faults
from tests.scenarios.conftest import Line, Scene, line, phone_of
from tests.scenarios.faults import scene as own_scene
from tests.scenarios.test_outgoing import network
from tests.simulator.gateway import Answer, Gateway, Refuse, Ring

pytestmark = pytest.mark.usefixtures("one_by_one", "exchange")

__all__ = ["own_scene"]

AGENT, CUSTOMER = 990, 1670
MOBILE = "13800138000"
SHOWN = "01088001000"  # the trunk's
OWN: Line = line(21)
OTHER: Line = line(22)


def states(scene: Scene, agent: str) -> list[str]:
    return [event.data["state"] for event in scene.events.of(f"agent:{agent}", "agent_state_changed")]


async def test_who_dials_from_his_phone_gets_no_offer_and_tidies_up_afterwards(scene: Scene) -> None:
    outside = await network(scene, "gw1")
    outside.rule = lambda number: Ring()
    agent = OWN.agents[0]
    own = await scene.softphone(agent)
    await scene.sign_in(agent)
    call = await own.dial("9" + MOBILE)
    asked = await outside.called(MOBILE)
    await scene.state(agent, "dialing")
    waiting = await scene.dial(OWN.number)
    await scene.events.first("contact_queued", subject=await scene.contact(waiting))
    asked.answer()
    await call.answered()
    call.say(AGENT)
    asked.say(CUSTOMER)
    await asked.hears(AGENT)
    await call.hears(CUSTOMER)
    talking = await scene.state(agent, "talking")
    assert talking.data["contact"] == (await scene.events.first("contact_started", phone=phone_of(agent))).subject
    assert "contact_offered" not in scene.story(await scene.contact(waiting))
    await call.hang_up()
    await asked.ended()
    offered = await own.rings(20)  # the one who has waited, once he has tidied up
    await scene.state(agent, "reserved", "ringing")
    told = states(scene, agent)
    assert told[told.index("dialing") :][:5] == ["dialing", "talking", "wrap_up", "ready", "reserved"]
    await waiting.hang_up()
    await offered.ended()
    done = await scene.cdr(talking.data["contact"])
    assert (done.direction, done.agent, done.result, done.number) == ("out", agent, "answered", "+86" + MOBILE)


async def test_a_colleague_is_called_shown_busy_and_is_busy_for_a_third(scene: Scene) -> None:
    (a, b), c = OTHER.agents, OWN.agents[1]
    one, two, third = [await scene.softphone(agent) for agent in (a, b, c)]
    await scene.sign_in(a)
    await scene.sign_in(b)
    call = await one.dial(b)  # by his operator number
    ringing = await two.rings()
    await scene.state(a, "dialing")
    await scene.state(b, "ringing")
    ringing.answer()
    await call.answered()
    call.say(AGENT)
    ringing.say(CUSTOMER)
    await ringing.hears(AGENT)
    await call.hears(CUSTOMER)
    await scene.state(a, "talking")
    await scene.state(b, "talking")
    refused = await third.dial(phone_of(b))
    await refused.ended()
    assert refused.cause == 17
    third_contact = (await scene.events.first("contact_started", phone=phone_of(c))).subject
    assert "contact_offered" not in scene.story(third_contact)
    await call.hang_up()
    await ringing.ended()
    await scene.state(a, "wrap_up", "ready")
    await scene.state(b, "wrap_up", "ready")


async def test_click_to_dial_rings_the_agent_first_then_the_customer(scene: Scene) -> None:
    outside = await network(scene, "gw1")
    outside.rule = lambda number: Answer(2.0)
    agent = OWN.agents[0]
    own = await scene.softphone(agent)
    await scene.sign_in(agent)
    await scene.lq.pause(agent, "meeting")
    placed = await scene.lq.place(agent, MOBILE, purpose=SERVICE.id)
    assert (placed.direction, placed.state, placed.agent) == ("out", "ringing", agent)
    ringing = await own.rings()
    assert ringing.caller == MOBILE
    assert (await scene.state(agent, "dialing")).data["next"] == "paused"
    with pytest.raises(ApiError) as busy:
        await scene.lq.place(agent, MOBILE)
    assert busy.value.status == 409 and (busy.value.present or {})["state"] == "dialing"
    assert outside.calls == []
    ringing.answer()
    asked = await outside.called(MOBILE)
    assert asked.caller == SHOWN
    await ringing.hears(scene.place.prompt("tones/ringback"), name="tones/ringback")
    await asked.answered()
    asked.say(CUSTOMER)
    ringing.say(AGENT)
    await asked.hears(AGENT)
    await ringing.hears(CUSTOMER, since=ringing.heard_s)
    await scene.state(agent, "talking")
    await asked.hang_up()
    await ringing.ended()
    await scene.state(agent, "wrap_up")
    assert (await scene.state(agent, "paused")).data["reason"] == "meeting"
    done = await scene.cdr(placed.id)
    assert (done.direction, done.agent, done.result, done.ended_by) == ("out", agent, "answered", "caller")


@pytest.mark.slow
async def test_early_media_of_the_network_is_heard_at_the_desk(scene: Scene) -> None:
    outside = await network(scene, "gw1")
    outside.rule = lambda number: Answer(4.0, early_media=True)
    agent = OWN.agents[0]
    own = await scene.softphone(agent, Answer(0.1))
    await scene.sign_in(agent)
    await scene.lq.place(agent, MOBILE)
    talk = await own.rings()
    asked = await outside.called(MOBILE)
    asked.say(CUSTOMER)
    await talk.hears(CUSTOMER, 4.0)
    await asked.answered()
    await talk.hang_up()
    await asked.ended()


async def test_an_agent_who_does_not_take_his_own_call_rings_nobody(scene: Scene) -> None:
    outside = await network(scene, "gw1")
    agent = OWN.agents[0]
    own = await scene.softphone(agent)
    await scene.sign_in(agent)
    placed = await scene.lq.place(agent, MOBILE)
    (await own.rings()).refuse(21)
    done = await scene.cdr(placed.id)
    assert (done.result, done.ended_by) == ("refused", "agent")
    await scene.state(agent, "ready")
    placed = await scene.lq.place(agent, MOBILE)
    ringing = await own.rings()
    await scene.lq.hang_up(placed.id)
    await ringing.ended()
    assert (await scene.cdr(placed.id)).result == "abandoned"
    await scene.state(agent, "ready")
    assert outside.calls == []


async def test_a_busy_customer_ends_the_call_with_his_cause(scene: Scene) -> None:
    outside = await network(scene, "gw1")
    outside.rule = lambda number: Refuse(17)
    agent = OWN.agents[0]
    own = await scene.softphone(agent, Answer(0.1))
    await scene.sign_in(agent)
    placed = await scene.lq.place(agent, MOBILE)
    talk = await own.rings()
    await talk.ended()
    assert talk.cause == 17
    assert (await scene.cdr(placed.id)).result == "busy"
    await scene.state(agent, "ready")


async def test_calls_that_cannot_be_are_refused_before_anything_rings(scene: Scene) -> None:
    agent, out = OWN.agents
    await scene.softphone(agent)
    await scene.sign_in(agent)
    for who, to, status in (
        ("9999", MOBILE, 404), (out, MOBILE, 409), (agent, "*70", 422), (agent, "queue:nowhere", 422),
        (agent, agent, 422), (agent, "0012125551234", 403),
    ):  # fmt: skip
        with pytest.raises(ApiError) as refused:
            await scene.lq.place(who, to)
        assert refused.value.status == status, (who, to, refused.value)
    assert refused.value.code == "permission"
    assert states(scene, agent)[-1] == "ready"


async def test_click_to_dial_a_colleague_and_a_queue(scene: Scene) -> None:
    a, b = OTHER.agents
    one, two = await scene.softphone(a, Answer(0.1)), await scene.softphone(b)
    await scene.sign_in(a)
    await scene.sign_in(b)
    for to in (f"agent:{b}", f"queue:{OTHER.queue}"):
        await scene.state(a, "ready")
        await scene.state(b, "ready")
        placed = await scene.lq.place(a, to)
        assert placed.direction == "internal"
        call, ringing = await one.rings(), await two.rings()
        ringing.answer()
        call.say(AGENT)
        ringing.say(CUSTOMER)
        await ringing.hears(AGENT)
        await call.hears(CUSTOMER)
        await scene.state(a, "talking")
        await ringing.hang_up()
        await call.ended()


# -- the owner dies ------------------------------------------------------------------------------------------------
async def _own_network(scene: faults.Scene) -> Gateway:
    return await scene.stack.enter_async_context(scene.place.gateway("gw2", media=scene.media, listening=True))


async def _placed(scene: faults.Scene, agent: str, to: str) -> Contact:
    """For the first seconds of a new Redis nodes say what they hold, and who wants to call is told to try again."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await scene.lq.place(agent, to)
            except ApiError as refused:
                if refused.status != 503:
                    raise
                await asyncio.sleep(0.2)


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("dies", ["while the agent's phone rings", "while the customer's rings"])
async def test_a_call_from_the_desk_survives_its_node(own_scene: faults.Scene, dies: str) -> None:
    scene = own_scene
    outside = await _own_network(scene)
    outside.rule = lambda number: Ring()
    async with scene.place.softphone("8001", scene.media) as own:
        async with asyncio.timeout(10):
            while (await scene.live.phone_state("8001")).registered_until == 0:  # noqa: ASYNC110 - Redis tells nobody
                await asyncio.sleep(0.05)
        await scene.lq.sign_in("1001", "8001")
        placed = await _placed(scene, "1001", MOBILE)
        ringing = await own.rings()
        if dies == "while the agent's phone rings":
            await scene.kill_owner(placed.id)
            await ringing.ended(15)
            ringing = await own.rings(15)
        ringing.answer()
        asked = await outside.called(MOBILE, within_s=20)
        if dies == "while the customer's rings":
            await scene.kill_owner(placed.id)
            await asked.ended(15)
            asked = next(call for call in [await outside.called(MOBILE, within_s=20)])
        assert (await scene.lq.agent("1001")).state == "dialing"
        asked.answer()
        asked.say(CUSTOMER)
        ringing.say(AGENT)
        await asked.hears(AGENT, 15)
        await ringing.hears(CUSTOMER, 15)
        assert (await scene.lq.agent("1001")).state == "talking"
        await asked.hang_up()
        await ringing.ended()
        assert (await scene.cdr(placed.id)).agent == "1001"
        assert (await scene.lq.agent("1001")).state == "wrap_up"
