"""A node that is asked to leave hands its contacts over; nobody who talks notices (DESIGN §3, §5)."""

from __future__ import annotations

import asyncio
import json
import signal
import time

import pytest

from tests.scenarios.faults import Scene, scene

__all__ = ["scene"]
pytestmark = pytest.mark.kills

NODES = ("lq1", "lq2")
GRACE_S = 30


@pytest.mark.slow
async def test_both_nodes_are_restarted_one_after_the_other_under_twenty_calls(scene: Scene) -> None:
    """Audio without a hole; afterwards everybody can hold, resume and hang up, and the books are whole."""
    pairs = await scene.pairs(20)
    for pair in pairs:
        pair.listen()
    for node in NODES:
        pid = scene.center.kill(node, signal.SIGTERM)
        await scene.center.back(node, pid, GRACE_S + 10)
        assert "killed" not in (scene.center.path / "up.log").read_text()
    for pair in pairs:
        await pair.heard_for(1)
        pair.assert_heard()
    alive = {lease.incarnation for lease in await scene.live.leases("lq")}
    assert {await scene.owner(pair.contact) for pair in pairs} <= alive
    since = [pair.talk.heard_s for pair in pairs]
    await asyncio.gather(*(pair.call.reoffer("sendonly") for pair in pairs[:8]))
    for pair, before in zip(pairs[:8], since, strict=False):
        await pair.talk.hears(scene.place.prompt("music/hold"), 10, since=before)
    await asyncio.gather(*(pair.talk.reoffer("sendrecv") for pair in pairs[8:12]))
    await asyncio.gather(*(pair.call.reoffer("sendrecv") for pair in pairs[:8]))
    for pair in pairs[:12]:
        await pair.call.hears(pair.tones[1], since=pair.call.heard_s)
        await pair.talk.hears(pair.tones[0], since=pair.talk.heard_s)
    for n, pair in enumerate(pairs):
        match n % 3:
            case 0:
                await pair.call.hang_up()
            case 1:
                await pair.talk.hang_up()
            case 2:
                await scene.lq.hang_up(pair.contact)
        await pair.call.ended()
        await pair.talk.ended()
    by = {0: "caller", 1: "agent", 2: "system"}
    for n, pair in enumerate(pairs):
        done = await scene.cdr(pair.contact)
        assert (done.result, done.ended_by, done.cause) == ("answered", by[n % 3], 16), pair.contact
    assert await scene.live.contacts() == []


@pytest.mark.slow
async def test_a_node_leaves_at_once_when_nobody_could_take_its_calls(scene: Scene) -> None:
    """The last one leaves its contacts in their place; whoever comes carries them on."""
    [pair] = await scene.pairs(1)
    pids = {node: scene.center.pid(node) for node in NODES}
    began = time.monotonic()
    for node in NODES:
        scene.center.kill(node, signal.SIGTERM)
    for node in NODES:
        await scene.center.back(node, pids[node], 20)
    assert time.monotonic() - began < GRACE_S
    await scene.living_owner(pair.contact)
    pair.listen()
    await pair.heard_for(2)
    pair.assert_heard()
    await pair.talk.hang_up()
    await pair.call.ended()
    assert (await scene.cdr(pair.contact)).result == "answered"


@pytest.mark.slow
async def test_a_ringing_phone_may_still_be_answered_before_its_node_leaves(scene: Scene) -> None:
    async with scene.phone("8001") as phone:
        await scene.lq.sign_in("1001", "8001")
        call = await scene.gateway.dial("13800138005", "4008001001")
        ringing = await phone.rings(20)
        contact = await scene.contact("13800138005", "ringing")
        node = scene.center.node_of(await scene.owner(contact))
        pid = scene.center.kill(node, signal.SIGTERM)
        await ringing.answer()
        await ringing.say(990)
        await call.hears(990)
        await scene.center.back(node, pid, GRACE_S + 10)
        await call.hears(990, since=call.heard_s)
        await ringing.hang_up()
        await call.ended()
        done = await scene.cdr(contact)
        assert (done.result, done.agent) == ("answered", "1001")


@pytest.mark.slow
async def test_a_contact_moves_while_its_old_node_lives(scene: Scene) -> None:
    """Phones go on asking the node that they know; what they ask reaches the owner, and so does a command."""
    pairs = await scene.pairs(3)
    for pair in pairs:
        pair.listen()
        owner = await scene.owner(pair.contact)
        [other] = [lease.incarnation for lease in await scene.live.leases("lq") if lease.incarnation != owner]
        await scene.live.send(owner, {"type": "hand_over", "contact": pair.contact, "to": other})
        async with asyncio.timeout(10):
            while await scene.owner(pair.contact) != other:  # noqa: ASYNC110 - Redis tells nobody
                await asyncio.sleep(0.02)
        reply_to = f"{{lcall}}:reply:{pair.contact}"
        wrong = {"type": "command", "id": pair.contact, "contact": pair.contact, "verb": "dance", "body": {}}
        await scene.live.send(owner, {**wrong, "expires_at": time.time() * 1000 + 5000, "reply_to": reply_to})
        reply = await scene.redis.blpop([reply_to], timeout=5)
        assert reply is not None and json.loads(reply[1])["error"]["code"] == "unknown_verb", "answered by the owner"
    for pair in pairs:
        await pair.heard_for(1)
        pair.assert_heard()
        await pair.call.reoffer("sendonly")
        await pair.call.reoffer("sendrecv")
        await pair.talk.reoffer("sendonly")
        await pair.talk.reoffer("sendrecv")
        await pair.call.hears(pair.tones[1], since=pair.call.heard_s)
        await pair.talk.hears(pair.tones[0], since=pair.talk.heard_s)
    await pairs[0].call.hang_up()
    await pairs[1].talk.hang_up()
    await scene.lq.hang_up(pairs[2].contact)
    for pair in pairs:
        await pair.call.ended()
        await pair.talk.ended()
        assert (await scene.cdr(pair.contact)).result == "answered"
    gone = {"type": "command", "id": "gone", "contact": pairs[0].contact, "verb": "hang_up", "body": {}}
    [lease, _] = await scene.live.leases("lq")
    await scene.live.send(
        lease.incarnation, {**gone, "expires_at": time.time() * 1000 + 5000, "reply_to": "{lcall}:reply:gone"}
    )
    reply = await scene.redis.blpop(["{lcall}:reply:gone"], timeout=5)
    assert reply is not None and json.loads(reply[1])["status"] == 404
