"""Pick-up from the phone: by code, and by a phone that names the call that rings (RFC 3891), over both nodes."""

from __future__ import annotations

import pytest

from tests.scenarios.conftest import Scene, line
from tests.scenarios.stage import AGENT, COLLEAGUE, CUSTOMER, LEADER, Stage, stage
from tests.simulator.call import Call, CallEnded
from tests.simulator.matrix import MUSIC

__all__ = ["stage"]


async def rings_at_the_agent(stage: Stage) -> Call:
    await stage.comes(AGENT)
    await stage.calls_in(recorded=True)
    ringing = await stage.phones[AGENT].rings(20)
    await stage.comes(COLLEAGUE)
    return ringing


@pytest.mark.parametrize("how", ["named", pytest.param("code", marks=pytest.mark.slow)])
async def test_a_colleague_takes_at_his_phone_what_rings(stage: Stage, how: str) -> None:
    ringing = await rings_at_the_agent(stage)
    named = ringing if how == "named" else None
    own = await stage.phones[COLLEAGUE].dial(f"*8{stage.id(AGENT)}" if how == "code" else "8000", named)
    stage.joins(COLLEAGUE, await own.answered())
    await ringing.ended()
    await stage.all_hear_each_other(CUSTOMER, COLLEAGUE)
    await stage.does("hold", by=COLLEAGUE)  # the call is his like any other
    await stage.hears({CUSTOMER: {MUSIC}, COLLEAGUE: set()})
    await stage.does("resume", by=COLLEAGUE)
    await stage.all_hear_each_other(CUSTOMER, COLLEAGUE)
    has_him = (CUSTOMER, COLLEAGUE)
    cdr = await stage.closes(
        recorded=[has_him, (CUSTOMER, MUSIC), has_him], talked=[{CUSTOMER, COLLEAGUE}, {CUSTOMER, COLLEAGUE}]
    )
    assert (cdr.result, cdr.agent) == ("answered", stage.id(COLLEAGUE))
    [told] = [event for event in stage.scene.events.of(stage.contact) if event.type == "contact_picked_up"]
    assert (told.data["agent"], told.data["from_agent"]) == (stage.id(COLLEAGUE), stage.id(AGENT))


@pytest.mark.slow
async def test_a_call_that_goes_on_is_nobodys_to_take(stage: Stage) -> None:
    await stage.opens("in")
    await stage.comes(COLLEAGUE)
    with pytest.raises(CallEnded) as refused:
        await (await stage.phones[COLLEAGUE].dial("8000", stage.cast[AGENT])).answered()
    assert refused.value.sip == 403
    await stage.all_hear_each_other(CUSTOMER, AGENT)
    await stage.closes()


@pytest.mark.slow
async def test_where_nobody_is_signed_in_no_customer_is_picked_up(stage: Stage) -> None:
    ringing = await rings_at_the_agent(stage)
    await stage.scene.lq.sign_out(stage.id(COLLEAGUE))
    with pytest.raises(CallEnded) as refused:
        await (await stage.phones[COLLEAGUE].dial("8000", ringing)).answered()
    assert refused.value.sip == 403
    stage.phones.pop(COLLEAGUE)
    ringing.answer()
    stage.joins(AGENT, ringing)
    await stage.all_hear_each_other(CUSTOMER, AGENT)
    await stage.closes()


@pytest.mark.slow
async def test_what_rings_at_a_colleague_by_extension(stage: Stage) -> None:
    await stage.comes(AGENT, COLLEAGUE, LEADER)
    own = await stage.phones[AGENT].dial(stage.id(COLLEAGUE))
    ringing = await stage.phones[COLLEAGUE].rings()
    picks = await stage.phones[LEADER].dial(f"*8{stage.id(COLLEAGUE)}")
    stage.joins(LEADER, await picks.answered())
    await ringing.ended()
    stage.joins(AGENT, await own.answered())
    await stage.all_hear_each_other(AGENT, LEADER)
    await picks.hang_up()
    await own.ended()


async def test_who_waits_in_the_queue_of_the_group(scene: Scene) -> None:
    own = line(23)
    phone = await scene.softphone(own.agents[1])
    await scene.sign_in(own.agents[1])
    await scene.lq.pause(own.agents[1], "meeting")
    nothing = await phone.dial("*8")
    await nothing.answered()
    await nothing.hears(scene.place.prompt("zh/code_nothing_rings"))
    await nothing.ended()
    customer = await scene.dial(own.number)
    await customer.answered()
    contact = await scene.contact(customer)
    await scene.events.first("contact_queued", subject=contact)
    picks = await phone.dial("*8")
    await picks.answered()
    customer.say(440)
    picks.say(640)
    await picks.hears(440)
    await customer.hears(640)
    assert (await scene.lq.agent(own.agents[1])).state == "talking"
    await picks.hang_up()
    await customer.ended()
    assert (await scene.cdr(contact)).agent == own.agents[1]
    await scene.state(own.agents[1], "paused")
