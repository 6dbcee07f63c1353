"""Phones call the outside: gate, trunks, channels, early media, causes, emergencies."""

from __future__ import annotations

import asyncio

import pytest

from tests.center import Center
from tests.conftest import OwnCenter
from tests.scenarios.conftest import Scene, SendOn, is_read
from tests.scenarios.faults import CALL_PATH
from tests.simulator import audio, speech
from tests.simulator.audio import RATE
from tests.simulator.call import Call, CallEnded
from tests.simulator.gateway import Answer, Gateway, Refuse, Ring
from tests.simulator.place import Place
from tests.simulator.rtp import Media
from tests.simulator.softphone import Softphone

pytestmark = pytest.mark.usefixtures("exchange")

PHONE, CUSTOMER, RING_BACK = 990, 1670, 450
MOBILE = "13800138000"


async def network(scene: Scene, trunk: str) -> Gateway:
    return await scene.stack.enter_async_context(scene.place.gateway(trunk, media=scene.media, listening=True))


async def phone(scene: Scene, ext: str) -> Softphone:
    new = await scene.stack.enter_async_context(scene.place.softphone(ext, scene.media))
    await scene.events.first("phone_changed", subject=f"phone:{ext}", registered=True)
    return new


async def contact_of(scene: Scene, ext: str) -> str:
    return (await scene.events.first("contact_started", phone=ext)).subject


async def refused(call: Call) -> tuple[int, int]:
    with pytest.raises(CallEnded) as told:
        await call.answered(15)
    return told.value.sip, told.value.cause


async def test_early_media_talk_recording_and_books(scene: Scene) -> None:
    outside = await network(scene, "gw1")
    outside.rule = lambda number: Answer(1.5, early_media=True)
    own = await phone(scene, "8091")
    call = await own.dial("9" + MOBILE)
    asked = await outside.called(MOBILE)
    assert asked.caller == "01088001000"  # the trunk's, whatever the phone says
    asked.say(CUSTOMER)
    early = await call.hears(CUSTOMER)
    assert "answered" not in call.times and "progress" in call.times
    await call.answered()
    call.say(PHONE)
    await asked.hears(PHONE)
    await call.hears(CUSTOMER, since=early.second + 3)
    contact = await contact_of(scene, "8091")
    seized = await scene.events.first("channel_seized", contact=contact)
    assert (seized.subject, seized.data["direction"]) == ("trunk:gw1", "out")
    await asked.hang_up(16)
    await call.ended()
    released = await scene.events.first("channel_released", contact=contact)
    assert released.data["number"] == seized.data["number"]
    cdr = await scene.cdr(contact)
    assert (cdr.direction, cdr.result, cdr.ended_by, cdr.number) == ("out", "answered", "caller", "+86" + MOBILE)
    assert 1.0 < cdr.ring_s < 5 and cdr.talk_s > 1
    _, file = await scene.recording(contact)
    left, right = await speech.read_wav(file)  # left: what the customer said
    tail = slice(-RATE, -RATE // 5)
    assert (audio.tones(left[tail]), audio.tones(right[tail])) == ({CUSTOMER}, {PHONE})


async def test_ringing_that_comes_from_elsewhere_is_heard(scene: Scene) -> None:
    """A ring-back server (彩铃) speaks in place of the exchange, from an address that only its description tells."""
    outside = await network(scene, "gw1")
    outside.rule = lambda number: Ring()
    own = await phone(scene, "8091")
    call = await own.dial("9" + MOBILE)
    asked = await outside.called(MOBILE)
    asked.ring(early_media=True)
    asked.say(CUSTOMER)
    await call.hears(CUSTOMER)
    asked.speaks_from_elsewhere(scene.media)
    asked.ring(early_media=True)
    asked.say(RING_BACK)
    await call.hears(RING_BACK)
    assert "answered" not in call.times
    asked.answer()
    call.say(PHONE)
    await asked.hears(PHONE)
    await call.hang_up()
    await asked.ended()
    assert (await scene.cdr(await contact_of(scene, "8091"))).result == "answered"


async def test_a_real_phone_calls_out_holds_and_comes_back(scene: Scene) -> None:
    outside = await network(scene, "gw1")
    real = await scene.phone("8092")
    call = await real.dial("62345678")
    asked = await outside.called("62345678")
    await call.answered()
    asked.say(CUSTOMER)
    await call.say(PHONE)
    await asked.hears(PHONE)
    await call.hears(CUSTOMER)
    await call.hold()
    await asked.hears(scene.place.prompt("music/hold"), since=asked.heard_s, name="music/hold")
    await call.resume()
    await asked.hears(PHONE, since=asked.heard_s)
    await call.hang_up()
    await asked.ended()
    cdr = await scene.cdr(await contact_of(scene, "8092"))
    assert (cdr.ended_by, cdr.number, cdr.hold_s > 0.5) == ("agent", "+861062345678", True)


async def test_the_next_trunk_takes_it_and_the_last_ones_503_stays(scene: Scene) -> None:
    first, second = await network(scene, "gw1"), await network(scene, "gw2")
    own = await phone(scene, "8093")
    first.rule = lambda number: Refuse(34)
    call = await own.dial(MOBILE)
    asked = await second.called(MOBILE)
    await call.answered()
    contact = await contact_of(scene, "8093")
    await scene.events.first("contact_dialed", subject=contact, trunk="gw2")
    assert [e.data["trunk"] for e in scene.events.of(contact, "contact_dialed")] == ["gw1", "gw2"]
    await asked.hang_up(16)
    await call.ended()

    second.rule = lambda number: Refuse(34)
    assert await refused(await own.dial(MOBILE)) == (503, 34)
    for cause, status in ((17, 486), (1, 404), (21, 403)):
        first.rule = lambda number, cause=cause: Refuse(cause)
        before = len(second.calls)
        assert await refused(await own.dial(MOBILE)) == (status, cause)
        assert len(second.calls) == before  # who was called said it, not the trunk


async def test_a_dead_gateway_costs_seconds_not_the_call(scene: Scene) -> None:
    second = await network(scene, "gw2")  # nobody at gw1
    own = await phone(scene, "8094")
    call = await own.dial(MOBILE)
    asked = await second.called(MOBILE, within_s=15)
    await call.answered()
    call.say(PHONE)
    await asked.hears(PHONE)
    await call.hang_up()
    await asked.ended()


async def test_who_gives_up_while_it_rings_stops_the_ringing(scene: Scene) -> None:
    outside = await network(scene, "gw1")
    outside.rule = lambda number: Ring()
    own = await phone(scene, "8095")
    call = await own.dial(MOBILE)
    asked = await outside.called(MOBILE)
    await call.ringing()
    await call.hang_up()
    await asked.ended()
    assert (await scene.cdr(await contact_of(scene, "8095"))).result == "abandoned"
    assert outside.spans.busy == 0


async def test_the_gate_refuses_and_emergencies_pass_it(scene: Scene, center: Center) -> None:
    outside = await network(scene, "gw1")
    own = await phone(scene, "8096")
    assert await refused(await own.dial("0012125551234")) == (403, 21)  # national at most
    document = {"id": "8096", "password": "demo-8096", "calls": "internal"}
    await scene.lq.put_document("phones", "8096", document)
    try:
        await is_read(center, (await scene.lq.health()).config_version)
        assert await refused(await own.dial(MOBILE)) == (403, 21)
        assert outside.calls == []
        for number in ("110", "9120"):
            call = await own.dial(number)
            asked = await outside.called(number.removeprefix("9"))
            await call.answered()
            call.say(PHONE)
            await asked.hears(PHONE)
            await call.hang_up()
            await asked.ended()
    finally:
        await scene.lq.put_document("phones", "8096", {**document, "calls": "national"})
    rules = [event.data["rule"] for event in scene.events.seen if event.type == "contact_dial_refused"]
    assert rules == ["permission", "permission"]


@pytest.mark.kills
@pytest.mark.parametrize("harm", ["killed", pytest.param("frozen", marks=pytest.mark.slow)])
async def test_emergencies_pass_with_redis_and_postgres_away(own_center: OwnCenter, harm: str) -> None:
    center = await asyncio.to_thread(own_center, LCALL_ONLY=CALL_PATH)
    place, media = Place.of(center), Media()
    try:
        async with place.gateway(media=media, listening=True) as outside, place.softphone("8001", media) as own:
            before = await own.dial("120")
            await (await outside.called("120")).answered()
            await before.hang_up()
            for service in ("redis", "postgres"):
                (center.kill if harm == "killed" else center.freeze)(service)
            call = await own.dial("110")
            asked = await outside.called("110", within_s=20)
            await call.answered(20)
            call.say(PHONE)
            asked.say(CUSTOMER)
            await asked.hears(PHONE)
            await call.hears(CUSTOMER)
            waited = asked.times["invite"] - call.times["invite"]
            print(f"redis and postgres {harm}: 110 reached its gateway after {waited:.2f} s")
            await call.hang_up()
            await asked.ended()
    finally:
        await asyncio.to_thread(media.close)


async def test_a_phone_sends_its_calls_outside_by_its_own_gate(scene: Scene, sends_on: SendOn) -> None:
    """It is set not to be disturbed: 486 at once."""
    await sends_on("8098", busy=MOBILE)
    outside = await network(scene, "gw1")
    outside.rule = lambda number: Answer(0.5)
    caller, busy = await phone(scene, "8099"), await phone(scene, "8098")
    call = await caller.dial("8098")
    (await busy.rings()).refuse(17)
    there = await outside.called(MOBILE)
    await call.answered()
    call.say(PHONE)
    await there.hears(PHONE)
    there.say(CUSTOMER)
    await call.hears(CUSTOMER)
    await there.hang_up()
    contact = await contact_of(scene, "8099")
    await scene.events.first("contact_ended", subject=contact)
    (sent,) = scene.events.of(contact, "contact_forwarded")
    assert (sent.data["phone"], sent.data["to"], sent.data["why"]) == ("8098", MOBILE, "busy")
    await call.ended()
    assert (await scene.cdr(contact)).result == "answered"
