"""Sixty calls at once, E1 → menu → queue → phone → recorded, and a hundred phones signed in, for two minutes."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import OwnCenter
from tests.simulator.load import Load
from tests.simulator.place import Place

pytestmark = [pytest.mark.slow, pytest.mark.kills, pytest.mark.alone]


async def test_every_call_is_whole(own_center: OwnCenter) -> None:
    center = await asyncio.to_thread(own_center)
    async with Load(Place.of(center)) as load:
        await load.run(120)
        report = await load.judged()
    print(report)
    assert report.faults == ()
    assert (report.dropped, report.contacts_lost, report.contacts_doubled) == ((), 0, 0)
    assert (report.recordings_missing, report.agents_stuck) == ((), ())
    assert report.talked == report.dialled >= 60
