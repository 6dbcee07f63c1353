"""Which rtpengine takes a leg, and that nothing is kept of legs that are gone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from lq.media.engines import EngineLost, Engines
from lq.media.leg import MediaLeg
from lq.media.rtpengine import NoCommonCodec, RtpEngine


class FakeEngine:
    def __init__(self, id: str) -> None:
        self.id, self.deleted = id, list[str]()

    async def incoming(self, leg_id: str, sdp: str, **more: Any) -> tuple[MediaLeg, str]:
        if sdp == "bad":
            raise NoCommonCodec("nothing that we can carry")
        return MediaLeg(leg_id, "in", engine=self.id), "answer"

    async def moved(self, leg: MediaLeg) -> tuple[MediaLeg, str]:
        return replace(leg, engine=self.id), "offer"

    async def delete(self, leg_id: str) -> None:
        self.deleted.append(leg_id)

    async def query(self, leg_id: str) -> dict[str, Any]:
        return {}


@pytest.fixture
def engines() -> Engines:
    return Engines([cast(RtpEngine, FakeEngine(id)) for id in ("a:1", "b:1")])


async def test_legs_are_shared_out(engines: Engines) -> None:
    made = [(await engines.incoming(f"c.{n}", "offer"))[0].engine for n in range(4)]
    assert sorted(made) == ["a:1", "a:1", "b:1", "b:1"]


async def test_a_leg_moves_to_none_that_is_lost(engines: Engines) -> None:
    """One that hangs does, once it goes on, what it was told meanwhile: the call that it still has would be deleted."""
    leg, _ = await engines.incoming("c.1", "offer")
    for id in ("a:1", "b:1"):
        for now in (1.0, 2.0, 3.0):
            engines._heard(id, False, now)
    with pytest.raises(EngineLost):
        await engines.move(leg)
    engines._heard("b:1", True, 4.0)
    moved, offer = await engines.move(leg)
    assert (moved.engine, offer) == ("b:1", "offer")


async def test_nothing_is_kept_of_a_leg_that_was_refused_deleted_or_let_go(engines: Engines) -> None:
    with pytest.raises(NoCommonCodec):
        await engines.incoming("refused.1", "bad")
    deleted, _ = await engines.incoming("deleted.1", "offer")
    await engines.delete(deleted)
    await engines.query(deleted)  # a watch that had listed it before
    handed_over, _ = await engines.incoming("over.1", "offer")
    engines.let_go(handed_over.id)
    assert engines.load == {}
