"""A caller hangs up while it rings, and the node that has his call dies: before it hears that, with the word in its
hands, or long before. He is answered, nobody's phone rings on for him, and it is in the books."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from tests.scenarios.conftest import phone_of
from tests.scenarios.house import House, house
from tests.scenarios.outcomes import AMONG_THEM, closed, comes_to
from tests.scenarios.stage import AGENT, COLLEAGUE
from tests.simulator.call import Call

__all__ = ["house"]
pytestmark = [pytest.mark.kills, pytest.mark.slow]

ENDS_S: Final = 20.0  # a lease, an adoption, and as long as its INVITE may take to come


async def rings(house: House) -> Call:
    """The agent calls his colleague, whose phone rings."""
    stage = house.stage
    await stage.comes(AGENT, COLLEAGUE)
    own = stage.joins(AGENT, await stage.phones[AGENT].dial(stage.id(COLLEAGUE)))
    started = await stage.scene.events.first("contact_started", phone=phone_of(stage.id(AGENT)))
    stage.contact = started.subject
    await house.call_at(COLLEAGUE)
    return await own.ringing()


async def is_abandoned(house: House, own: Call) -> None:
    assert own.sip_code == 487
    await house.stage.tells("contact_ended", ENDS_S)
    done = await closed(house)
    assert (done.direction, done.result) == ("internal", "abandoned")


async def test_he_hangs_up_when_nobody_is_there_to_hear_it(house: House) -> None:
    own = await rings(house)
    await house.owner_is_killed()
    await own.hang_up(within_s=ENDS_S)
    await is_abandoned(house, own)


@pytest.mark.parametrize("moment_s", [0.0, 0.001, 0.003, 0.01])
async def test_the_node_is_killed_with_his_hang_up_in_its_hands(house: House, moment_s: float) -> None:
    own = await rings(house)
    await house.all_nodes_live()
    owner = await house.living_owner()
    hanging_up = asyncio.ensure_future(own.hang_up(within_s=ENDS_S))
    await asyncio.sleep(moment_s)
    house.kill(owner)
    await hanging_up
    await is_abandoned(house, own)


async def test_he_hangs_up_when_it_rings_on_behalf_of_the_next_node(house: House) -> None:
    own = await rings(house)
    await house.owner_dies()
    ringing = await house.call_at(COLLEAGUE)
    await own.hang_up()
    await ringing.ended()
    await is_abandoned(house, own)


async def test_whoever_is_called_answers_the_next_node(house: House) -> None:
    own = await rings(house)
    await house.owner_dies()
    await house.answers(COLLEAGUE)
    await own.answered()
    await comes_to(house.stage, AMONG_THEM)
    done = await closed(house)
    assert (done.direction, done.result) == ("internal", "answered")
