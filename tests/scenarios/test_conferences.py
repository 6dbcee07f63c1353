"""Conference rooms: who hears whom by content, across nodes, and over the death of one."""

from __future__ import annotations

import asyncio

import pytest

from lq.sdk.values import Party
from tests.scenarios.faults import Scene, scene
from tests.simulator import audio
from tests.simulator.audio import RATE
from tests.simulator.call import Call

__all__ = ["scene"]
pytestmark = [pytest.mark.kills, pytest.mark.slow]

NUMBER, PIN, HOST = "4008001008", "1234#", "4321#"  # of the demo world


async def joins(scene: Scene, caller: str, pin: str, tone: int) -> Call:
    call = await scene.gateway.dial(caller, NUMBER)
    await call.answered()
    await call.hears(scene.place.prompt("zh/enter_password"), 20)
    call.send_digits(pin)
    await call.hears(scene.place.prompt("zh/conference_joined"), 20)
    call.say(tone)
    return call


async def hear_only(calls: dict[Call, int], within_s: float = 20.0) -> None:
    """Each of them hears all others, and nobody else, in the last half of a second."""
    async with asyncio.timeout(within_s):
        while True:
            heard = {call: audio.tones(call.heard[-RATE // 2 :]) for call in calls}
            if all(heard[call] == set(calls.values()) - {tone} for call, tone in calls.items()):
                return
            await asyncio.sleep(0.1)


async def party(scene: Scene, caller: str) -> Party:
    return next(one for one in (await scene.lq.room("demo")).parties if one.number.endswith(caller))


async def test_parties_of_two_nodes_hear_each_other_also_when_one_of_the_nodes_has_died(scene: Scene) -> None:
    host = await joins(scene, "13800138101", HOST, 440)
    await host.hears(scene.place.prompt("zh/conference_alone"), 20)  # nobody else is there yet
    second = await joins(scene, "13800138102", PIN, 740)
    await hear_only({host: 440, second: 740})
    third = await joins(scene, "13800138103", PIN, 990)
    everybody = {host: 440, second: 740, third: 990}
    await hear_only(everybody)

    listed = (await scene.lq.room("demo")).parties
    assert {(one.number[-3:], one.host, one.muted) for one in listed} == {
        ("101", True, False),
        ("102", False, False),
        ("103", False, False),
    }
    first_owner = await scene.owner((await party(scene, "101")).contact)
    owners = {await scene.owner(one.contact) for one in listed}
    assert len(owners) == 2, owners  # the edge spreads calls over both nodes

    since = host.heard_s
    scene.center.kill(scene.center.node_of(first_owner))
    await scene.other_owner((await party(scene, "101")).contact, first_owner)
    fourth = await joins(scene, "13800138104", PIN, 1370)
    await hear_only({**everybody, fourth: 1370})
    assert audio.gaps(host.heard[round(since * RATE) :], longer_than=0.5) == []
    assert len((await scene.lq.room("demo")).parties) == 4

    muted = (await party(scene, "102")).contact
    await scene.lq.mute_party("demo", muted)
    async with asyncio.timeout(10):
        while 740 in audio.tones(host.heard[-RATE // 2 :]):  # noqa: ASYNC110 - it is audio that is waited for
            await asyncio.sleep(0.1)
    assert audio.tones(second.heard[-RATE // 2 :]) == {440, 990, 1370}
    await scene.lq.unmute_party("demo", muted)
    await hear_only({**everybody, fourth: 1370})

    await scene.lq.kick("demo", (await party(scene, "103")).contact)
    await third.ended()
    await hear_only({host: 440, second: 740, fourth: 1370})

    contact = (await party(scene, "101")).contact
    await host.hang_up()  # the only host: it is over for all
    await asyncio.gather(second.ended(20), fourth.ended(20))
    assert (await scene.lq.room("demo")).parties == ()
    done = await scene.cdr(contact)
    assert (done.result, done.ended_by) == ("answered", "caller") and done.talk_s > 5


async def test_a_wrong_pin_lets_nobody_in(scene: Scene) -> None:
    call = await scene.gateway.dial("13800138201", NUMBER)
    await call.answered()
    for _ in range(2):
        call.send_digits("9#")
        heard = await call.hears(scene.place.prompt("zh/password_wrong"), 20, since=call.heard_s)
        assert heard is not None
    call.send_digits("9#")
    await call.hears(scene.place.prompt("zh/goodbye"), 20)
    await call.ended(20)
    assert (await scene.lq.room("demo")).parties == ()
