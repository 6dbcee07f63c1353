"""`kill -9` the contact's owner at each step of call control: the next command works at the other node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from lq.live.redis import Live
from ops.home import read_secrets
from tests.center import Center
from tests.conftest import OwnCenter
from tests.scenarios.conftest import Scene, is_read
from tests.scenarios.faults import CALL_PATH
from tests.scenarios.stage import AGENT, COLLEAGUE, CUSTOMER, LEADER, THIRD, Stage, documents
from tests.simulator.events import Events
from tests.simulator.matrix import MUSIC
from tests.simulator.place import Place
from tests.simulator.rtp import Media

pytestmark = [pytest.mark.kills, pytest.mark.slow]

HELD = {CUSTOMER: {MUSIC}, AGENT: frozenset[str]()}
CONSULTS = {CUSTOMER: {MUSIC}, AGENT: {COLLEAGUE}, COLLEAGUE: {AGENT}}
LISTENED = {CUSTOMER: {AGENT}, AGENT: {CUSTOMER}, LEADER: {CUSTOMER, AGENT}}
WHISPERED = {CUSTOMER: {AGENT}, AGENT: {CUSTOMER, LEADER}, LEADER: {CUSTOMER, AGENT}}


@dataclass
class House:
    center: Center
    live: Live
    stage: Stage

    async def owner_dies(self) -> None:
        """Returns when the other node owns the contact, and the dead one is back, for the next time."""
        state = await self.live.contact(self.stage.contact)
        assert state is not None, await self.stage.shown()
        node = self.center.node_of(state.owner)
        killed = self.center.kill(node)
        async with asyncio.timeout(15):
            while (now := await self.live.contact(self.stage.contact)) is None or now.owner == state.owner:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await self.center.back(node, killed)


@pytest.fixture
async def house(own_center: OwnCenter, tmp_path: Path) -> AsyncIterator[House]:
    center = await asyncio.to_thread(own_center, LCALL_ONLY=CALL_PATH)
    place, media = Place.of(center), Media()
    async with AsyncExitStack() as stack:
        live = Live(
            f"redis://ops:{read_secrets(center.home).redis['ops']}@127.0.0.1:{center.ports.redis}/0", timeout_s=5
        )
        stack.push_async_callback(live.close)
        stack.push_async_callback(asyncio.to_thread, media.close)
        lq = await stack.enter_async_context(place.client())
        events = await stack.enter_async_context(Events(lq))
        gateway = await stack.enter_async_context(place.gateway(media=media))
        scene = Scene(place, lq, events, gateway, media, tmp_path, stack)
        for kind, id, body in documents():
            await lq.put_document(kind, id, body)
        await is_read(center, (await lq.health()).config_version or 0)
        exchange = await stack.enter_async_context(AsyncExitStack())
        yield House(center, live, Stage(scene, 0, exchange))


async def test_hold_and_consultation(house: House) -> None:
    stage = house.stage
    await stage.comes(AGENT, COLLEAGUE)
    await stage.opens("in")
    await house.owner_dies()
    await stage.does("hold")
    await stage.hears(HELD, 10)
    await house.owner_dies()
    await stage.hears(HELD, 10)
    await stage.does("resume")
    await stage.all_hear_each_other(CUSTOMER, AGENT, within_s=10)
    await stage.does("transfer", to=COLLEAGUE, mode="consult")
    ringing = await stage.phones[COLLEAGUE].rings()
    await house.owner_dies()
    await ringing.ended()  # its answer would find nobody: it is called again
    await stage.answers(COLLEAGUE)
    await stage.hears(CONSULTS, 10)
    await house.owner_dies()
    await stage.hears(CONSULTS, 10)
    await stage.does("transfer/conference")
    await stage.all_hear_each_other(CUSTOMER, AGENT, COLLEAGUE, within_s=10)
    await house.owner_dies()
    await stage.all_hear_each_other(CUSTOMER, AGENT, COLLEAGUE, within_s=10)
    await stage.hangs_up(AGENT)
    await stage.all_hear_each_other(CUSTOMER, COLLEAGUE, within_s=10)
    await stage.closes()


async def test_a_monitor(house: House) -> None:
    stage = house.stage
    await stage.comes(AGENT, LEADER)
    await stage.opens("in")
    await stage.does("monitor", by=LEADER, mode="listen")
    ringing = await stage.phones[LEADER].rings()
    await house.owner_dies()
    await ringing.ended()
    await stage.answers(LEADER)
    await stage.hears(LISTENED, 10)
    await house.owner_dies()
    await stage.hears(LISTENED, 10)
    await stage.does("monitor", by=LEADER, mode="whisper")
    await stage.hears(WHISPERED, 10)
    await house.owner_dies()
    await stage.hears(WHISPERED, 10)
    await stage.does("monitor", by=LEADER, mode="take-over")
    await stage.ends(AGENT)
    await stage.all_hear_each_other(CUSTOMER, LEADER, within_s=10)
    await stage.closes()


async def test_a_blind_transfer_then_a_refer(house: House) -> None:
    stage = house.stage
    await stage.comes(AGENT, COLLEAGUE, THIRD)
    await stage.opens("in")
    await stage.does("transfer", to=COLLEAGUE, mode="blind")
    ringing = await stage.phones[COLLEAGUE].rings()
    await stage.ends(AGENT)
    await stage.hears({CUSTOMER: {MUSIC}}, 10)
    await house.owner_dies()
    await ringing.ended()
    await stage.answers(COLLEAGUE)
    await stage.all_hear_each_other(CUSTOMER, COLLEAGUE, within_s=10)
    await house.owner_dies()
    assert await stage.cast[COLLEAGUE].refer(stage.id(THIRD)) == 202
    await stage.answers(THIRD)
    await stage.told(COLLEAGUE, 200)
    await stage.hangs_up(COLLEAGUE)
    await stage.all_hear_each_other(CUSTOMER, THIRD, within_s=10)
    await stage.closes()


async def test_pick_up_then_release(house: House) -> None:
    stage = house.stage
    await stage.comes(AGENT)
    await stage.calls_in()
    first = await stage.phones[AGENT].rings(20)
    await stage.comes(COLLEAGUE)
    await stage.does("pick-up", by=COLLEAGUE)
    wanted = await stage.phones[COLLEAGUE].rings()
    await house.owner_dies()  # both phones stop, and ring again
    await first.ended()
    await wanted.ended()
    again = await stage.phones[AGENT].rings(20)
    await stage.answers(COLLEAGUE)
    await again.ended()
    await stage.all_hear_each_other(CUSTOMER, COLLEAGUE, within_s=10)
    await house.owner_dies()
    await stage.does("release", by=LEADER, to="queue")
    await stage.ends(COLLEAGUE)
    third = await stage.phones[AGENT].rings(20)
    await house.owner_dies()
    await third.ended()
    await stage.phones[AGENT].rings(20)
    own = await stage.phones[COLLEAGUE].dial(f"*8{stage.id(AGENT)}")  # by the phone, at the other node
    stage.joins(COLLEAGUE, await own.answered())
    await stage.all_hear_each_other(CUSTOMER, COLLEAGUE, within_s=10)
    await house.owner_dies()
    await stage.all_hear_each_other(CUSTOMER, COLLEAGUE, within_s=10)
    await stage.closes()
