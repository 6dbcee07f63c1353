"""`kill -9` an lq node with calls in every state: another node carries them on (DESIGN §5, R8)."""

from __future__ import annotations

import asyncio

import pytest

from ops.trace import messages
from tests.scenarios.faults import Scene, scene
from tests.simulator import audio
from tests.simulator.audio import RATE

__all__ = ["scene"]
pytestmark = pytest.mark.kills


async def test_talking_goes_on_and_ends_properly(scene: Scene) -> None:
    """Audio without a hole, hang-up by the caller at the other node, a whole CDR and recording."""
    async with scene.phone("8001", answer_after_s=0.1) as phone:
        await scene.lq.sign_in("1001", "8001")
        call = await scene.gateway.dial("13800138001", "4008001001")
        talk = await phone.rings(20)
        await talk.answered()
        call.say(440)
        await talk.say(990)
        await call.hears(990)
        await talk.hears(440)
        contact = await scene.contact("13800138001", "talking")
        since = call.heard_s
        await scene.kill_owner(contact)
        heard_until = call.heard_s + 3
        async with asyncio.timeout(10):
            while call.heard_s < heard_until:  # noqa: ASYNC110 - it is time that is waited for
                await asyncio.sleep(0.05)
        heard = call.heard[round(since * RATE) :]
        assert audio.gaps(heard, longer_than=0.1) == []
        assert audio.tones(heard[-RATE:]) == {990}
        await call.hang_up()
        await talk.ended()
        done = await scene.cdr(contact)
        assert (done.result, done.ended_by, done.agent, done.cause) == ("answered", "caller", "1001", 16)
        assert (await scene.lq.agent("1001")).state == "wrap_up"
        traced = messages(scene.center.home.trace, contact)  # also what the dead node had heard and said
        assert traced[0].label == "INVITE PCMA" and {m.node for m in traced} == {"lq1", "lq2"}
        assert {m.leg for m in traced} >= {f"{contact}.1", f"{contact}.2", "acd"}
        told = [event.type for event in await scene.lq.contact_events(contact)]
        assert told.count("contact_adopted") == 1


@pytest.mark.slow
async def test_the_agent_holds_resumes_and_hangs_up_at_the_other_node(scene: Scene) -> None:
    async with scene.phone("8001", answer_after_s=0.1) as phone:
        await scene.lq.sign_in("1001", "8001")
        call = await scene.gateway.dial("13800138002", "4008001001")
        talk = await phone.rings(20)
        await talk.answered()
        await talk.say(990)
        await call.hears(990)
        contact = await scene.contact("13800138002", "talking")
        await scene.kill_owner(contact)
        since = call.heard_s
        await talk.hold()
        await call.hears(scene.place.prompt("music/hold"), 10, since=since)
        assert (await scene.lq.contact(contact)).state == "held"
        since = call.heard_s
        await talk.resume()
        await call.hears(990, 10, since=since)
        await talk.hang_up()
        await call.ended()
        assert call.cause == 16
        assert (await scene.cdr(contact)).ended_by == "agent"


@pytest.mark.slow
async def test_who_waits_keeps_his_place_and_hears_music(scene: Scene) -> None:
    first, second = await scene.in_queue("13800138003"), await scene.in_queue("13800138004")
    a, b = await scene.contact("13800138003", "queued"), await scene.contact("13800138004", "queued")
    heard = [call.heard_s for call in (first, second)]
    for contact in (a, b):  # whoever owns them: both nodes die, one after the other
        dead = await scene.owner(contact)
        pid = scene.center.kill(scene.center.node_of(dead))
        await scene.other_owner(contact, dead)
        await scene.center.back(scene.center.node_of(dead), pid)
    for call, since in zip((first, second), heard, strict=True):
        assert audio.gaps(call.heard[round(since * RATE) :], longer_than=2.0) == [], "music within 2 s"
    async with scene.phone("8001", answer_after_s=0.1) as phone:
        await scene.lq.sign_in("1001", "8001")
        talk = await phone.rings(20)
        assert talk.number == "13800138003", "the one who waited longer"
        await talk.answered()
        await talk.say(990)
        await first.hears(990)
        await first.hang_up()
        await second.hang_up()


@pytest.mark.slow
async def test_a_ringing_phone_is_stopped_and_rung_again(scene: Scene) -> None:
    async with scene.phone("8001") as phone:
        await scene.lq.sign_in("1001", "8001")
        call = await scene.gateway.dial("13800138005", "4008001001")
        ringing = await phone.rings(20)
        contact = await scene.contact("13800138005", "ringing")
        await scene.kill_owner(contact)
        await ringing.ended()
        again = await phone.rings(20)
        await again.answer()
        await again.say(990)
        await call.hears(990)
        await call.hang_up()
        done = await scene.cdr(contact)
        assert (done.result, done.agent) == ("answered", "1001")


@pytest.mark.slow
async def test_in_the_menu_a_key_works_at_the_other_node(scene: Scene) -> None:
    call = await scene.gateway.dial("13800138006", "4008001000")
    await call.answered()
    await call.hears(scene.place.prompt("zh/menu_main"), 20)
    contact = await scene.contact("13800138006", "ivr")
    await scene.kill_owner(contact)
    call.send_digits("1")
    await scene.contact("13800138006", "queued")
    await call.hang_up()
    assert (await scene.cdr(contact)).result == "abandoned"


@pytest.mark.slow
async def test_who_is_named_in_gbk_is_said_so_by_the_other_node_too(scene: Scene) -> None:
    scene.gateway.writes_gbk(True)
    call = await scene.in_queue("13800138027")
    contact = await scene.contact("13800138027", "queued")
    await scene.kill_owner(contact)
    await scene.lq.hang_up(contact)
    await call.ended()
    assert scene.gateway.wire.faults == [] and (await scene.cdr(contact)).number == "+8613800138027"


@pytest.mark.slow
async def test_hang_up_by_sdk_at_the_other_node(scene: Scene) -> None:
    call = await scene.in_queue("13800138007")
    contact = await scene.contact("13800138007", "queued")
    await scene.kill_owner(contact)
    await scene.lq.hang_up(contact)
    await call.ended()
    assert (await scene.cdr(contact)).ended_by == "system"


@pytest.mark.slow
async def test_a_node_that_was_frozen_wakes_and_disturbs_nobody(scene: Scene) -> None:
    """SIGSTOP, not death: another adopts; who wakes finds himself superseded and says nothing."""
    call = await scene.in_queue("13800138008")
    contact = await scene.contact("13800138008", "queued")
    dead = await scene.owner(contact)
    node = scene.center.node_of(dead)
    scene.center.freeze(node)
    now = await scene.other_owner(contact, dead)
    scene.center.thaw(node)
    await scene.lq.hang_up(contact)
    await call.ended()
    assert (await scene.cdr(contact)).ended_by == "system"
    assert now != dead
