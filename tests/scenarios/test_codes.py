"""Feature codes on the real system: an agent signs in, pauses, is ready, signs out at a phone, and hears it said."""

from __future__ import annotations

import pytest

from tests.center import Center
from tests.scenarios.conftest import Scene, is_read
from tests.simulator.call import Call
from tests.simulator.softphone import Softphone

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_by_one")]

AGENT, PIN = "1085", "2580"
SHORT = ("code_paused", "code_signed_out")


async def phone(scene: Scene, ext: str) -> Softphone:
    new = await scene.stack.enter_async_context(scene.place.softphone(ext, scene.media))
    await scene.events.first("phone_changed", subject=f"phone:{ext}", registered=True)
    return new


async def hears(scene: Scene, call: Call, prompt: str) -> None:
    await call.hears(scene.place.prompt(f"zh/{prompt}"), name=prompt)


async def dialled(scene: Scene, own: Softphone, code: str, prompt: str) -> None:
    """The code, what is said to it, and our BYE."""
    call = await own.dial(code)
    await call.answered()
    if prompt in SHORT:  # too little to be known again for certain
        await call.ended()
        assert call.heard_s > 0.9
        return
    await hears(scene, call, prompt)
    await call.ended()


async def sign_in(scene: Scene, own: Softphone, pin: str) -> Call:
    call = await own.dial("*11")
    await call.answered()
    await hears(scene, call, "enter_agent")
    call.send_digits(f"{AGENT}#")
    await hears(scene, call, "enter_password")
    call.send_digits(f"{pin}#")
    return call


@pytest.fixture
async def with_pin(scene: Scene, center: Center) -> None:
    body = dict((await scene.lq.document("agents", AGENT)).body)
    await scene.lq.put_document("agents", AGENT, {**body, "pin": PIN})
    shown = (await scene.lq.document("agents", AGENT)).body
    assert "pin" not in shown and "pin_hash" not in shown
    await is_read(center, (await scene.lq.health()).config_version)


async def test_a_day_at_phones_without_a_screen(scene: Scene, with_pin: None) -> None:
    own, other = await phone(scene, "8085"), await phone(scene, "8086")
    await dialled(scene, own, "*13", "code_nobody")
    call = await sign_in(scene, own, PIN)
    await hears(scene, call, "code_signed_in")
    await call.ended()
    assert ((await scene.lq.agent(AGENT)).state, (await scene.lq.agent(AGENT)).phone) == ("ready", "8085")
    await dialled(scene, own, "*14", "code_paused")
    agent = await scene.lq.agent(AGENT)
    assert (agent.state, agent.reason) == ("paused", "break")
    await dialled(scene, own, "*13", "code_ready")
    assert (await scene.lq.agent(AGENT)).state == "ready"
    await dialled(scene, own, "*15", "code_not_possible")  # nothing to wrap up
    # another agent's phone is his; signing in elsewhere moves
    await scene.lq.sign_in("1086", "8086")
    call = await sign_in(scene, other, PIN)
    await hears(scene, call, "code_phone_taken")
    await call.ended()
    assert (await scene.lq.agent(AGENT)).phone == "8085"
    await scene.lq.sign_out("1086")
    call = await sign_in(scene, other, PIN)
    await hears(scene, call, "code_signed_in")
    await call.ended()
    agent = await scene.lq.agent(AGENT)
    assert (agent.state, agent.phone) == ("ready", "8086")
    await dialled(scene, own, "*12", "code_nobody")
    await dialled(scene, other, "*12", "code_signed_out")
    assert (await scene.lq.agent(AGENT)).state == "signed_out"
    outcomes = [e.data["outcome"] for e in scene.events.seen if e.type == "contact_code"]
    assert outcomes == ["nobody", "done", "done", "done", "conflict", "taken", "done", "nobody", "done"]


async def test_who_is_disabled_does_not_sign_in_at_his_own_phone(scene: Scene, center: Center) -> None:
    own = await phone(scene, "8088")
    agent = (await scene.lq.document("agents", "1088")).body
    there = (await scene.lq.document("phones", "8088")).body
    await scene.lq.put_document("phones", "8088", {**there, "agent": "1088"})
    await scene.lq.put_document("agents", "1088", {**agent, "enabled": False})
    try:
        await is_read(center, (await scene.lq.health()).config_version)
        await dialled(scene, own, "*11", "code_not_possible")
        assert (await scene.lq.agent("1088")).state == "signed_out"
    finally:
        await scene.lq.put_document("agents", "1088", agent)
        await scene.lq.put_document("phones", "8088", there)


async def test_a_wrong_pin_signs_nobody_in(scene: Scene, with_pin: None) -> None:
    own = await phone(scene, "8087")
    call = await sign_in(scene, own, "1111")
    await hears(scene, call, "password_wrong")
    assert (await scene.lq.agent(AGENT)).state == "signed_out"
    await call.hang_up()
