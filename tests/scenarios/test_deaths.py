"""Take-over at the worst moments, and the deaths of edge, rtpengine and mixer under calls (DESIGN §3, §5)."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.scenarios.faults import Pair, Scene, scene
from tests.simulator import audio
from tests.simulator.audio import RATE
from tests.simulator.call import Call
from tests.simulator.gateway import Answer, Ring

__all__ = ["scene"]
pytestmark = pytest.mark.kills

NODES = ("lq1", "lq2")
ECHO = "4008001009"


async def echo(scene: Scene, number: str, tone: int, *, acks: bool = True) -> Call:
    call = await scene.gateway.dial(number, ECHO)
    call.acks = acks
    await call.answered()
    call.say(tone)
    return call


async def goes_on(pair: Pair) -> None:
    """They hear each other, the caller can hold and resume, the agent hangs up."""
    for party, tone in ((pair.call, pair.tones[1]), (pair.talk, pair.tones[0])):
        await party.hears(tone, since=party.heard_s)
    await pair.call.reoffer("sendonly")
    await pair.call.reoffer("sendrecv")
    for party, tone in ((pair.call, pair.tones[1]), (pair.talk, pair.tones[0])):
        await party.hears(tone, since=party.heard_s)
    await pair.talk.hang_up()
    await pair.call.ended()


@pytest.mark.slow
async def test_hold_on_its_way_when_the_node_dies_is_answered_by_the_other(scene: Scene) -> None:
    pairs = await scene.pairs(4)
    owners = [await scene.owner(pair.contact) for pair in pairs]
    holds = [asyncio.create_task(pair.call.reoffer("sendonly", 30)) for pair in pairs[:2]]
    holds += [asyncio.create_task(pair.talk.reoffer("sendonly", 30)) for pair in pairs[2:]]
    since = [(pair.call.heard_s, pair.talk.heard_s) for pair in pairs]
    await asyncio.sleep(0)  # the INVITEs have left
    for node in {scene.center.node_of(owner) for owner in owners}:
        scene.center.kill(node)
    await asyncio.gather(*holds)
    music = scene.place.prompt("music/hold")
    for pair, (_, talk) in zip(pairs[:2], since[:2], strict=True):
        await pair.talk.hears(music, 10, since=talk)
    for pair, (call, _) in zip(pairs[2:], since[2:], strict=True):
        await pair.call.hears(music, 10, since=call)
    for pair in pairs[:2]:
        await pair.call.reoffer("sendrecv")
    for pair in pairs[2:]:
        await pair.talk.reoffer("sendrecv")
    for pair in pairs:
        await goes_on(pair)
        assert (await scene.cdr(pair.contact)).result == "answered"


@pytest.mark.slow
async def test_a_node_dies_between_its_200_and_the_ack(scene: Scene) -> None:
    """The adopter repeats the 200; the ACK, addressed to the dead, reaches it. The other kept its ACK for ever."""
    late, never = await asyncio.gather(
        echo(scene, "13800138001", 440, acks=False), echo(scene, "13800138002", 640, acks=False)
    )
    contacts = [await scene.contact(call.caller, "echo") for call in (late, never)]
    for node in {scene.center.node_of(await scene.owner(contact)) for contact in contacts}:
        scene.center.kill(node)
    late.acknowledge()
    for contact in contacts:
        await scene.living_owner(contact)
    late.acknowledge()
    since = late.heard_s
    await late.hears(440, since=since)
    await late.hang_up()
    assert (await scene.cdr(contacts[0])).ended_by == "caller"
    await never.hang_up()


@pytest.mark.slow
async def test_a_leg_that_sends_nothing_but_its_ack_lives_on(scene: Scene) -> None:
    """Past 64*T1, and past a second take-over."""
    calls = await asyncio.gather(*(echo(scene, f"1380013800{n}", 440 + 100 * n) for n in range(3)))
    contacts = [await scene.contact(call.caller, "echo") for call in calls]
    for node in NODES:
        pid = scene.center.kill(node)
        await scene.center.back(node, pid)
        for contact in contacts:
            await scene.living_owner(contact)
    until = calls[0].heard_s + 45
    async with asyncio.timeout(60):
        while calls[0].heard_s < until:  # noqa: ASYNC110 - it is time that is waited for
            await asyncio.sleep(0.2)
    for n, call in enumerate(calls):
        assert call.is_up
        assert audio.tones(call.heard[-RATE:]) == {440 + 100 * n}
        await call.hang_up()


@pytest.mark.slow
async def test_both_nodes_die_at_once(scene: Scene) -> None:
    """Nobody is left to adopt; those who come do."""
    pairs = await scene.pairs(3)
    waiting = await scene.gateway.dial("13800138077", "4008001001")
    await waiting.hears(scene.place.prompt("music/hold"), 20)
    contact = await scene.contact("13800138077", "queued")
    for pair in pairs:
        pair.listen()
    pids = {node: scene.center.kill(node) for node in NODES}
    for node, pid in pids.items():
        await scene.center.back(node, pid)
    for pair in pairs:
        await scene.living_owner(pair.contact)
    await scene.living_owner(contact)
    since = waiting.heard_s
    for pair in pairs:
        await pair.heard_for(1)
        pair.assert_heard()
        await goes_on(pair)
    async with asyncio.timeout(10):
        while (await scene.lq.agent("1001")).state != "wrap_up":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await scene.lq.wrap_up("1001", done=True)
    await waiting.answered()
    assert waiting.heard_s > since, "music went on"
    async with asyncio.timeout(20):
        while (await scene.lq.contact(contact)).state != "talking":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await waiting.hang_up()
    assert (await scene.cdr(contact)).agent == "1001"


@pytest.mark.slow
async def test_a_node_dies_while_a_phone_answers(scene: Scene) -> None:
    """The phone's 200 may find nobody: the caller keeps his place and is served, by that phone or by another."""
    async with scene.phone("8001") as first:
        await scene.lq.sign_in("1001", "8001")
        call = await scene.gateway.dial("13800138005", "4008001001")
        ringing = await first.rings(20)
        contact = await scene.contact("13800138005", "ringing")
        node = scene.center.node_of(await scene.owner(contact))
        await ringing.answer()
        scene.center.kill(node)
        await scene.living_owner(contact)
        async with scene.phone("8002", answer_after_s=0.1) as second:
            await scene.lq.sign_in("1002", "8002")
            del second
            async with asyncio.timeout(60):
                while (await scene.lq.contact(contact)).state != "talking":  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            await call.hang_up()
        done = await scene.cdr(contact)
        assert done.result == "answered" and done.agent in ("1001", "1002")


@pytest.mark.slow
async def test_the_edge_dies_under_calls(scene: Scene) -> None:
    """Their audio does not pass it; it comes back with what it needs to know from Redis and its own store."""
    pairs = await scene.pairs(3)
    for pair in pairs:
        pair.listen()
    pid = scene.center.kill("kamailio")
    await scene.center.back("kamailio", pid)
    for pair in pairs:
        await pair.heard_for(1)
        pair.assert_heard()
    await scene.lq.hang_up(pairs[0].contact)
    await pairs[0].call.ended()
    await pairs[0].talk.ended()
    for pair in pairs[1:]:
        await goes_on(pair)


@pytest.mark.slow
@pytest.mark.parametrize("service", ["rtpengine", "mixer"])
async def test_media_dies_under_calls_and_comes_back(scene: Scene, service: str) -> None:
    pairs = await scene.pairs(3)
    call = await echo(scene, "13800138009", 1770)
    await call.hears(1770)
    pid = scene.center.kill(service)
    await scene.center.back(service, pid)
    since = call.heard_s
    await call.hears(1770, 10, since=since)
    for pair in pairs:
        await goes_on(pair)
    await call.hang_up()


@pytest.mark.slow
async def test_a_node_dies_under_calls_to_the_outside(scene: Scene) -> None:
    """One that talks goes on and ends in order; one that rings is dialled once more; each channel is free at last."""
    outside = await scene.stack.enter_async_context(scene.place.gateway("gw1", media=scene.media, listening=True))
    outside.rule = lambda number: Ring() if number.endswith("2") else Answer(0.2)
    phones = [
        await scene.stack.enter_async_context(scene.place.softphone(ext, scene.media)) for ext in ("8091", "8092")
    ]
    talks, rings = await phones[0].dial("913800138001"), await phones[1].dial("913800138002")
    far = await outside.called("13800138001")
    await talks.answered()
    talks.say(440)
    far.say(990)
    await talks.hears(990)
    ringing = await outside.called("13800138002")
    await rings.ringing()
    ids = {contact.called: contact.id for contact in (await scene.lq.contacts()).items}
    for node in {scene.center.node_of(await scene.owner(id)) for id in ids.values()}:
        scene.center.kill(node)
    for id in ids.values():
        await scene.living_owner(id)
    await ringing.ended()
    again = await outside.called("13800138002")
    again.answer()
    await rings.answered()
    again.say(1670)
    await rings.hears(1670)
    await talks.reoffer("sendonly")
    await talks.reoffer("sendrecv")
    await talks.hears(990, since=talks.heard_s)
    await far.hears(440, since=far.heard_s)
    await far.hang_up()
    await talks.ended()
    await rings.hang_up()
    await again.ended()
    for id in ids.values():
        done = await scene.cdr(id)
        assert (done.direction, done.result) == ("out", "answered")
    async with asyncio.timeout(10):
        while await scene.live.contacts():  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.05)
    assert await scene.live.channels("gw1") == {}


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("count", [150])
async def test_many_contacts_are_adopted_at_once(scene: Scene, count: int) -> None:
    """Callers at the echo, each of whom hears himself and nobody else before, during and after both nodes' deaths."""
    trunk = (await scene.lq.document("trunks", "gw1")).body
    await scene.lq.put_document("trunks", "gw1", {**trunk, "channels": 2 * count})
    scene.gateway.spans = type(scene.gateway.spans)(count // 30 + 1)
    began = time.monotonic()
    calls: list[Call] = []
    for n in range(count):
        calls.append(await scene.gateway.dial(f"139{n:08}", ECHO))
        await asyncio.sleep(0.05)
    for n, call in enumerate(calls):
        await call.answered()
        call.say(audio.TONES[n % 14])
    for n, call in enumerate(calls):
        await call.hears(audio.TONES[n % 14])
    contacts = await scene.live.contacts()
    assert len(contacts) == count
    print(f"{count} calls after {time.monotonic() - began:.1f} s")
    since = [call.heard_s for call in calls]
    for node in NODES:
        pid = scene.center.kill(node)
        began = time.monotonic()
        for contact in contacts:
            await scene.living_owner(contact)
        print(f"{node} killed: all owned by a living node after {time.monotonic() - began:.2f} s")
        await scene.center.back(node, pid)
    for n, (call, before) in enumerate(zip(calls, since, strict=True)):
        await call.hears(audio.TONES[n % 14], 20, since=call.heard_s)
        gaps = audio.gaps(call.heard[round(before * RATE) :], longer_than=2.0)
        assert gaps == [], (n, gaps)
    await asyncio.gather(*(call.hang_up(within_s=30) for call in calls))
    async with asyncio.timeout(60):
        while await scene.live.contacts():  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.1)
    for node in NODES:
        assert "contact failed" not in scene.center.log(node)
