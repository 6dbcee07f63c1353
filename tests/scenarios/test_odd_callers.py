"""Callers in numbers and callers that few telephones are like, by another SIP implementation (sipp)."""

from __future__ import annotations

from tests.scenarios.conftest import Scene, line, phone_of
from tests.simulator.gateway import Answer
from tests.simulator.sipp import Sipp, registered_phone

TRUNK = ("127.0.1.1", 0)


async def test_forty_callers_at_twenty_a_second(scene: Scene) -> None:
    edge, directory = scene.place.edge, scene.directory
    callers = Sipp("callers", TRUNK, edge, directory, service="4008001009", calls=40, rate=20, talk_ms=500)
    async with callers:
        outcome = await callers.done()
    assert (outcome.succeeded, outcome.failed) == (40, 0), outcome.errors


async def test_a_caller_whose_invite_has_no_offer_talks_like_any_other(scene: Scene) -> None:
    """Third-party call control: our 200 makes the offer, his ACK answers. He sends back what he hears."""
    own = line(4)
    phone = await scene.softphone(own.agents[0], Answer(0.1))
    await scene.sign_in(own.agents[0])
    caller = Sipp(
        "offerless", TRUNK, scene.place.edge, scene.directory,
        service=own.number, talk_ms=6000, options=("-rtp_echo", "-mp", "39000"),
    )  # fmt: skip
    async with caller:
        talk = await phone.rings(15)
        talk.say(1330)
        await talk.hears(1330)  # by way of the caller
        outcome = await caller.done()
    assert (outcome.succeeded, outcome.failed) == (1, 0), outcome.errors


async def test_a_phone_that_requires_reliable_provisional_responses(scene: Scene) -> None:
    """RFC 3262: it is told by a 180 that it acknowledges that a colleague's phone rings, then they talk."""
    own = line(4)
    colleague = await scene.softphone(own.agents[0], Answer(0.5))
    await scene.sign_in(own.agents[0])
    ext = phone_of(own.agents[1])
    caller = Sipp(
        "insists", ("127.0.0.1", 0), scene.place.edge, scene.directory, service=own.agents[0], talk_ms=6000,
        options=("-rtp_echo", "-mp", "39100", "-au", ext, "-ap", f"demo-{ext}", "-key", "caller", ext),
    )  # fmt: skip
    async with caller:
        talk = await colleague.rings(15)
        talk.say(1330)
        await talk.hears(1330)  # by way of the caller
        outcome = await caller.done()
    assert (outcome.succeeded, outcome.failed) == (1, 0), outcome.errors


async def test_a_trunk_that_requires_reliable_provisional_responses(scene: Scene) -> None:
    call = await scene.dial("4008001009", headers=[("Require", "100rel")])
    await call.answered()
    call.say(1770)
    await call.hears(1770)
    await call.hang_up()
    await call.ended()


async def test_a_phone_that_sends_back_what_it_hears(scene: Scene) -> None:
    """sipp as an agent's phone: registered, answers after a ring, echoes the caller's voice."""
    own = line(3)
    ext, edge = phone_of(own.agents[0]), scene.place.edge
    phone = await registered_phone(ext, f"demo-{ext}", edge=edge, directory=scene.directory)
    scene.stack.push_async_callback(phone.stop)
    await scene.sign_in(own.agents[0])
    call = await scene.dial(own.number)
    await call.answered()
    call.say(1770)
    await call.hears(1770)
    await call.hang_up()
    outcome = await phone.done()
    assert (outcome.succeeded, outcome.failed) == (1, 0), outcome.errors


async def test_a_gateway_that_writes_names_in_gbk(scene: Scene) -> None:
    """Its letters are no UTF-8: they go on as they are."""
    own, gateway = line(4), scene.gateway
    phone = await scene.agent(own.agents[0])
    gateway.writes_gbk(True)
    try:
        call = await scene.dial(own.number)
        await call.answered()
        talk = await phone.rings(15)
        await talk.answer()
        call.say(440)
        await talk.hears(440)
        await talk.hang_up()
        await call.ended()
        assert (await scene.cdr(await scene.contact(call))).result == "answered" and gateway.wire.faults == []
    finally:
        gateway.writes_gbk(False)
