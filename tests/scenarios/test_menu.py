"""Callers in the menu: wrong key, no key, hanging up, one certain agent; and what they reach without one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.scenarios.conftest import MENU, Scene, line
from tests.simulator import audio
from tests.simulator.call import CallEnded
from tests.simulator.gateway import Gateway

CALLER, AGENT = 540, 1240
ECHOED = 1810


@pytest.mark.slow
async def test_a_wrong_key_is_told_and_the_menu_comes_again(scene: Scene) -> None:
    call = await scene.dial(MENU.number)
    await call.answered()
    contact = await scene.contact(call)
    menu = scene.place.prompt("zh/menu_main")
    await call.hears(menu, 20)
    since = call.heard_s
    call.send_digits("7")
    told = await call.hears(scene.place.prompt("zh/wrong_key"), since=since)
    again = await call.hears(menu, since=since)
    assert again.second > told.second
    await call.hang_up()
    keys = [event.data["pii_digits"] for event in scene.events.of(contact, "contact_keys")]
    cdr = await scene.cdr(contact)
    assert (keys, cdr.result, cdr.ended_by, cdr.agent) == (["7"], "ivr", "caller", None)


@pytest.mark.slow
async def test_without_a_key_the_menu_comes_again_and_then_the_center_hangs_up(scene: Scene) -> None:
    call = await scene.dial(MENU.number)
    await call.answered()
    contact = await scene.contact(call)
    since = (await call.hears(scene.place.prompt("zh/menu_main"), 20)).second + 1
    for item in ("zh/no_key", "zh/menu_main", "zh/goodbye"):
        since = (await call.hears(scene.place.prompt(item), 20, since=since, name=item)).second + 1
    await call.ended(20)
    assert (call.cause, call.ended_by) == (16, "them")
    cdr = await scene.cdr(contact)
    assert (cdr.result, cdr.ended_by, cdr.cause, cdr.queued_at) == ("ivr", "system", 16, None)


async def test_keys_pressed_during_the_notice_count_for_the_menu(scene: Scene) -> None:
    call = await scene.dial(MENU.number)
    await call.answered()
    notice = await call.hears(scene.place.prompt("zh/notice_recorded"))
    call.send_digits("5")
    contact = await scene.contact(call)
    await scene.events.first("contact_queued", subject=contact, queue="line5")
    played = await scene.events.first("contact_notice_played", subject=contact)
    assert played.data["complete"]
    await call.hears(scene.place.prompt("zh/no_agent"), name="zh/no_agent")  # nobody ever serves that line
    assert audio.similarity(call.heard, scene.place.prompt("zh/notice_recorded")).score > 0.95
    assert notice.second < 1
    await call.hang_up()


async def test_hanging_up_in_the_menu(scene: Scene) -> None:
    call = await scene.dial(MENU.number)
    await call.answered()
    await call.hears(scene.place.prompt("zh/notice_recorded"))
    await call.hang_up(cause=16)
    contact = await scene.contact(call)
    cdr = await scene.cdr(contact)
    assert (cdr.result, cdr.ended_by, cdr.cause, cdr.queue) == ("ivr", "caller", 16, None)
    assert [event.data["reason"] for event in scene.events.of(contact, "contact_ivr_left")] == ["hang_up"]


async def test_key_0_leads_to_one_certain_agent(scene: Scene) -> None:
    agent = MENU.agents[0]
    phone = await scene.agent(agent, answer_after_s=0.3)
    call = await scene.dial(MENU.number)
    await call.answered()
    await call.hears(scene.place.prompt("zh/menu_main"), 20)
    call.send_digits("0")
    talk = await (await phone.rings()).answered()
    call.say(CALLER)
    await talk.say(AGENT)
    await talk.hears(CALLER)
    await call.hears(AGENT)
    await call.hang_up()
    cdr = await scene.cdr(await scene.contact(call))
    assert (cdr.result, cdr.agent, cdr.queue) == ("answered", agent, None)


async def test_the_echo_number(scene: Scene, record_property: Callable[[str, object], None]) -> None:
    call = await scene.dial("4008001009")
    await call.answered()
    await call.hears(scene.place.prompt("zh/echo_start"))
    call.say(CALLER)
    await call.hears(CALLER)  # the announcement is over
    said = call.say(ECHOED)  # a tone, not a chirp: the jitter buffer may leave out a period of what it echoes
    heard = await call.hears(ECHOED, name="the echo")
    record_property("echo_ms", round((heard.at - said.began_at) * 1000))
    await call.hang_up()
    cdr = await scene.cdr(await scene.contact(call))
    assert (cdr.result, cdr.recording_id) == ("ivr", None)


# -- who does not get in -----------------------------------------------------------------------------------------------


async def test_an_unknown_number_is_unallocated(scene: Scene) -> None:
    call = await scene.dial("4008009999")
    with pytest.raises(CallEnded):
        await call.answered()
    assert (call.sip_code, call.cause) == (404, 1)
    cdr = await scene.cdr(await scene.contact(call))
    assert (cdr.result, cdr.cause, cdr.ended_by, cdr.called) == ("refused", 1, "system", "4008009999")


async def test_no_codec_in_common(scene: Scene) -> None:
    call = await scene.dial(line(6).number, codecs=("G723",))
    with pytest.raises(CallEnded):
        await call.answered()
    assert (call.sip_code, call.cause) == (488, 65)
    cdr = await scene.cdr(await scene.contact(call))
    assert (cdr.result, cdr.cause) == ("refused", 65)


async def test_an_unknown_source_is_asked_for_a_password_and_gets_nothing(scene: Scene) -> None:
    async with Gateway("127.0.1.9", edge=scene.place.edge, media=scene.media) as stranger:
        call = await stranger.dial("13800138000", line(6).number)
        with pytest.raises(CallEnded):
            await call.answered()
        assert call.sip_code == 407


async def test_an_anonymous_caller(scene: Scene) -> None:
    phone = await scene.agent(line(6).agents[0], answer_after_s=0.2)
    call = await scene.dial(line(6).number, caller="anonymous")
    await call.answered()
    talk = await phone.rings()
    assert talk.number == "anonymous"
    await talk.answered()
    started = await scene.events.first("contact_started", anonymous=True, called_published=line(6).number)
    assert (started.data["number"], started.data["number_published"]) == ("", "")
    await call.hang_up()
    cdr = await scene.cdr(started.subject)
    assert (cdr.number, cdr.result) == ("", "answered")


@pytest.mark.usefixtures("exchange")
async def test_the_forms_in_which_the_second_gateway_delivers_numbers(scene: Scene) -> None:
    """Callers of the home area with eight digits, the last four of the landing number: read as what they mean."""
    gateway = await scene.second_gateway()
    call = await gateway.dial("01062345678", "01088001009")
    assert (call.caller, call.called) == ("62345678", "1009")
    await call.answered()
    await call.hears(scene.place.prompt("zh/echo_start"))
    started = await scene.events.first("contact_started", number_raw="62345678")
    told = started.data
    assert (told["number"], told["number_published"]) == ("+861062345678", "01062345678")
    assert (told["called_raw"], told["called_published"], told["trunk"]) == ("1009", "4008001009", "gw2")
    await call.hang_up()
    cdr = await scene.cdr(started.subject)
    assert (cdr.number, cdr.called) == ("+861062345678", "4008001009")
