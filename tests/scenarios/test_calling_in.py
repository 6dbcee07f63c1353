"""A conference room calls people in: agents, phones, numbers outside; who is in it hears who comes and who leaves."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from tests.simulator import audio
from tests.simulator.audio import RATE
from tests.simulator.call import Call
from tests.simulator.gateway import Ring

from .stage import AGENT, COLLEAGUE, MOBILE, MOBILE_NUMBER, Stage, stage

__all__ = ["stage"]

LEFT = (590, 490)  # the two notes of tones/left


async def hears_notes(call: Call, notes: tuple[int, ...], since_s: float, within_s: float = 5.0) -> None:
    """One after the other, beside whatever voices there are (none within 50 Hz of them)."""
    async with asyncio.timeout(within_s):
        while True:
            heard = call.heard[round(since_s * RATE) :]
            found = [note for at in range(0, len(heard) - 800, 400) if (note := _note(heard[at : at + 800], notes))]
            if [note for n, note in enumerate(found) if n == 0 or note != found[n - 1]] == list(notes):
                return
            await asyncio.sleep(0.05)


def _note(samples: audio.Samples, notes: tuple[int, ...]) -> int | None:
    levels = [audio.goertzel(samples, note) for note in notes]
    return notes[int(np.argmax(levels))] if max(levels) > -35 and abs(levels[0] - levels[1]) > 10 else None


@pytest.mark.slow
async def test_a_room_calls_people_in_and_who_is_in_it_hears_them_come_and_leave(stage: Stage) -> None:
    lq, room = stage.scene.lq, f"stage{stage.n}"
    await stage.comes(AGENT)
    await stage.comes(COLLEAGUE)
    network = await stage.outside()
    network.rule = lambda number: Ring()
    told = await lq.call_in(room, [stage.id(AGENT), MOBILE_NUMBER, "110", "agent:9999"], greet=False)
    assert [one.error.code if one.error else "" for one in told] == ["", "", "permission", "invalid"]
    asked = await network.called(MOBILE_NUMBER)
    agent = await stage.phones[AGENT].rings()
    async with asyncio.timeout(10):
        while {call.outcome for call in (await lq.room(room)).calls} != {"ringing"}:  # noqa: ASYNC110 - asked for
            await asyncio.sleep(0.05)
    agent.answer()
    await stage.scene.events.first("contact_conference_joined", subject=told[0].contact)
    asked.answer()
    await agent.hears(stage.scene.place.prompt("tones/joined"), 5)
    stage.joins(AGENT, agent)
    stage.joins(MOBILE, asked)

    [third] = await lq.call_in(room, [f"phone:{stage.phones[COLLEAGUE].ext}"])
    colleague = await stage.phones[COLLEAGUE].rings()
    colleague.answer()
    await colleague.hears(stage.scene.place.prompt("zh/conference_invited"), 10)
    stage.joins(COLLEAGUE, colleague)
    await stage.all_hear_each_other(AGENT, MOBILE, COLLEAGUE)
    since = colleague.heard_s
    await stage.hangs_up(MOBILE)
    await hears_notes(colleague, LEFT, since)
    await stage.all_hear_each_other(AGENT, COLLEAGUE)

    shown = await lq.room(room)
    assert {(call.contact, call.outcome) for call in shown.calls if call.contact in {one.contact for one in told}} == {
        (told[0].contact, "answered"),
        (told[1].contact, "answered"),
    }
    assert {party.contact for party in shown.parties} == {told[0].contact, third.contact}
    await lq.end_conference(room)
    await asyncio.gather(agent.ended(), colleague.ended())
    done = await stage.scene.cdr(str(told[1].contact))
    assert (done.direction, done.result, done.ended_by) == ("out", "answered", "caller") and done.talk_s > 1
    assert (await stage.scene.cdr(str(third.contact))).direction == "internal"
