"""Orders of a recording whose leg is between two rtpengines: what is told, what is asked, and what its plan says."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.recording_desk import AWAY, Order, RecordingDesk
from lq.media import plan
from lq.media.engines import EngineLost, Engines
from lq.media.leg import MediaLeg
from lq.media.rtpengine import MediaError, MediaRefused, MediaUnavailable

LEG = MediaLeg("c1.1", "in", local_port=30000, x_port=30002)
MOVING = MediaLeg("c1.1", "in", local_port=31000, x_port=0)
PAUSE, RESUME = do.PauseRecording(1, "c1-r1", "k", 1), do.ResumeRecording(1, "c1-r1", "k", 1)
START = do.StartRecording(1, "c1-r1", "k")
TOLD: dict[Order, Any] = {
    START: lambda failed: inputs.RecordingStarted(1, failed, "k"),
    PAUSE: lambda failed: inputs.RecordingPaused(1, "k", failed, 1),
    RESUME: lambda failed: inputs.RecordingResumed(1, "k", failed, 1),
}


class Engine:
    """Fails as it is told to, and notes what it was asked for."""

    def __init__(self, *spools: Path) -> None:
        self.spools = spools
        self.asked: list[str] = []
        self.error: MediaError | None = None
        self.is_lost, self.is_known = False, True

    def spool(self, leg: MediaLeg) -> Path:
        return self.spools[0]

    def lost(self, leg: MediaLeg) -> bool:
        return self.is_lost

    async def knows(self, leg: MediaLeg) -> bool:
        return self.is_known

    async def record(self, leg: MediaLeg, recording: str, contact: str) -> None:
        self._ask("record")

    async def stop_recording(self, leg: MediaLeg) -> None:
        self._ask("stop")

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.error is not None:
            raise self.error


async def once(what: str, act: Callable[[], Awaitable[None]]) -> bool:
    try:
        await act()
    except MediaError:
        return False
    return True


def desk_of(engine: Engine) -> RecordingDesk:
    return RecordingDesk(cast(Engines, engine), lambda spool: None, once)


def planned(spool: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((spool / "planned" / "c1-r1.json").read_text())
    return document


@pytest.mark.parametrize("order", TOLD, ids=lambda order: type(order).__name__)
async def test_while_its_leg_is_on_its_way_nothing_is_asked_and_what_is_ordered_holds(
    tmp_path: Path, order: Order
) -> None:
    """rtpengine would record it at once, and be told other ports for it: its other side is not there yet."""
    engine = Engine(tmp_path)
    assert await desk_of(engine).perform(MOVING, "c1", order) == TOLD[order]("")
    assert engine.asked == [] and not (tmp_path / "planned").exists()


@pytest.mark.parametrize("order", TOLD, ids=lambda order: type(order).__name__)
@pytest.mark.parametrize(
    ("error", "lost", "known", "failed"),
    [
        (EngineLost("lost"), True, True, ""),  # it writes nothing, and the leg moves
        (MediaRefused("Unknown call-ID"), False, False, ""),  # it came back without it, and the leg moves
        (MediaUnavailable("no answer"), False, True, AWAY),
        (MediaRefused("no"), False, True, AWAY),
    ],
    ids=["lost", "unknown", "away", "refused"],
)
async def test_of_a_leg_that_will_move_it_is_so_and_else_who_ordered_hears_that_it_is_not(
    tmp_path: Path, order: Order, error: MediaError, lost: bool, known: bool, failed: str
) -> None:
    engine = Engine(tmp_path)
    plan.write(tmp_path, LEG, "c1-r1", "c1", 1)
    engine.error, engine.is_lost, engine.is_known = error, lost, known
    assert await desk_of(engine).perform(LEG, "c1", order) == TOLD[order](failed)


async def test_where_the_leg_is_heard_again_the_last_order_is_carried_out(tmp_path: Path) -> None:
    """Also by an rtpengine that was only hung: it goes on with what it did before."""
    engine = Engine(tmp_path)
    desk = desk_of(engine)
    await desk.perform(LEG, "c1", do.ContinueRecording(1, "c1-r1", paused=True))
    assert engine.asked == ["stop"] and planned(tmp_path)["pauses"][0][1] is None
    await desk.perform(LEG, "c1", do.ContinueRecording(1, "c1-r1", paused=False))
    assert engine.asked == ["stop", "record"] and planned(tmp_path)["pauses"][0][1] is not None


async def test_that_it_is_over_is_said_in_each_spool_that_knows_of_it(tmp_path: Path) -> None:
    """Its leg may have moved, and the parts that wait in the other spool would wait for a day."""
    spools = [tmp_path / name for name in "abc"]
    for spool in spools:
        spool.mkdir()
    for spool in spools[:2]:
        plan.write(spool, LEG, "c1-r1", "c1", 1)
    await desk_of(Engine(*spools)).over(replace(LEG, seen="192.0.2.7:4000"), "c1-r1")
    assert [planned(spool).get("over") for spool in spools[:2]] == [True, True]
    assert planned(spools[0])["from"] == "192.0.2.7:4000"
    assert not (spools[2] / "planned").exists()
