"""Callers in numbers and callers that few telephones are like, by another SIP implementation (sipp)."""

from __future__ import annotations

from tests.scenarios.conftest import Scene, line, phone_of
from tests.simulator.sipp import Sipp, registered_phone

TRUNK = ("127.0.1.1", 0)


async def test_forty_callers_at_twenty_a_second(scene: Scene) -> None:
    edge, directory = scene.place.edge, scene.directory
    callers = Sipp("callers", TRUNK, edge, directory, service="4008001009", calls=40, rate=20, talk_ms=500)
    async with callers:
        outcome = await callers.done()
    assert (outcome.succeeded, outcome.failed) == (40, 0), outcome.errors


async def test_an_invite_without_an_offer_is_refused_once(scene: Scene) -> None:
    """Third-party call control: the 200 would have to carry the offer. 488, and no second node is tried."""
    async with Sipp("offerless", TRUNK, scene.place.edge, scene.directory, service="4008001009") as caller:
        outcome = await caller.done()
    assert (outcome.succeeded, outcome.failed) == (1, 0), outcome.errors


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
