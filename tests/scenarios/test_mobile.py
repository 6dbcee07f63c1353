"""An agent's phone is a number outside: he presses 1 there, so that no voicemail ever takes a customer."""

from __future__ import annotations

import pytest

from lq.sdk import ApiError
from tests.center import Center
from tests.scenarios.conftest import is_read
from tests.scenarios.stage import AGENT, COLLEAGUE, CUSTOMER, Stage, mobile_of, stage
from tests.simulator.call import Call
from tests.simulator.gateway import Ring
from tests.simulator.matrix import MUSIC

__all__ = ["stage"]

TONE = 1670


async def at_his_mobile(stage: Stage) -> None:
    """The agent has signed in there; it rings until somebody answers."""
    network, lq, agent = await stage.outside(), stage.scene.lq, stage.id(AGENT)
    network.rule = lambda number: Ring()
    if (await lq.agent(agent)).state == "wrap_up":  # of the test before
        await lq.wrap_up(agent, done=True)
    signed_in = await lq.sign_in(agent, mobile_of(stage.n))
    stage.scene.stack.push_async_callback(lq.sign_out, agent)
    assert stage.voices  # read while nobody waits
    assert (signed_in.state, signed_in.phone) == ("ready", f"+86{mobile_of(stage.n)}")


async def is_answered(stage: Stage, number: str = "") -> Call:
    """By somebody, who hears what it is about."""
    assert stage.network is not None
    mobile = await stage.network.called(number or mobile_of(stage.n))
    mobile.answer()
    await mobile.hears(stage.scene.place.prompt("zh/accept_call"))
    return mobile


async def test_he_presses_1(stage: Stage) -> None:
    await at_his_mobile(stage)
    await stage.calls_in()
    mobile = await is_answered(stage)
    assert (await stage.scene.lq.agent(stage.id(AGENT))).state == "ringing"
    mobile.send_digits("1")
    stage.joins(AGENT, mobile)
    await stage.all_hear_each_other(CUSTOMER, AGENT)
    assert (await stage.scene.lq.agent(stage.id(AGENT))).state == "talking"
    dialed = await stage.tells("leg_dialed")
    released = stage.scene.events.first("channel_released", leg=dialed.data["leg"])
    cdr = await stage.closes()
    assert (cdr.result, cdr.agent) == ("answered", stage.id(AGENT))
    await released


@pytest.mark.slow
async def test_a_voicemail_takes_no_customer(stage: Stage, center: Center) -> None:
    """It answers, speaks, and presses nothing: after 15 s the next agent has the customer."""
    lq, id = stage.scene.lq, stage.id(COLLEAGUE)
    before = (await lq.document("agents", id)).body
    await lq.put_document("agents", id, {**before, "queues": [f"stage{stage.n}"]})
    stage.scene.stack.push_async_callback(lq.put_document, "agents", id, before)
    await is_read(center, (await lq.health()).config_version or 0)
    await at_his_mobile(stage)
    await stage.comes(COLLEAGUE)
    await stage.calls_in()
    voicemail = await is_answered(stage)
    voicemail.say(TONE)
    await stage.hears({CUSTOMER: {MUSIC}})
    await stage.answers(COLLEAGUE, 20)
    assert voicemail.times["ended"] - voicemail.times["answered"] > 14
    await stage.all_hear_each_other(CUSTOMER, COLLEAGUE)
    await stage.tells("contact_offer_ended", agent=stage.id(AGENT), outcome="no_answer")
    await stage.scene.state(stage.id(AGENT), "ready")
    cdr = await stage.closes()
    assert (cdr.result, cdr.agent) == ("answered", id)


async def test_who_is_given_a_mobile_while_callers_wait_serves_them(stage: Stage, center: Center) -> None:
    """The caller began when nobody knew of that number; his calls were not permitted, every ten seconds again."""
    lq, id, number = stage.scene.lq, stage.id(COLLEAGUE), f"13955552{stage.n}00"
    network = await stage.outside()
    network.rule = lambda called: Ring()
    assert stage.voices  # read while nobody waits
    await stage.comes(AGENT)
    await lq.pause(stage.id(AGENT), "meeting")  # somebody is signed in, so who calls waits
    await stage.calls_in()
    await stage.tells("contact_queued")
    before = (await lq.document("agents", id)).body
    await lq.put_document("agents", id, {**before, "queues": [f"stage{stage.n}"], "mobile": f"+86{number}"})
    stage.scene.stack.push_async_callback(lq.put_document, "agents", id, before)
    await is_read(center, (await lq.health()).config_version or 0)
    if (await lq.agent(id)).state == "wrap_up":  # of the test before
        await lq.wrap_up(id, done=True)
    await lq.sign_in(id, number)
    stage.scene.stack.push_async_callback(lq.sign_out, id)
    mobile = await is_answered(stage, number)
    mobile.send_digits("1")
    stage.joins(COLLEAGUE, mobile)
    await stage.all_hear_each_other(CUSTOMER, COLLEAGUE)
    cdr = await stage.closes()
    assert (cdr.result, cdr.agent) == ("answered", id)


async def test_only_his_own_mobile(stage: Stage) -> None:
    with pytest.raises(ApiError, match="nor is that the mobile of agent") as refused:
        await stage.scene.lq.sign_in(stage.id(AGENT), "13955559999")
    assert (refused.value.status, refused.value.field) == (422, "phone")
