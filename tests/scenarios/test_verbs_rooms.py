"""A conference room whose talks are recorded: each party's leg, left what he says, right the others as he hears."""

from __future__ import annotations

from itertools import groupby

from lq.sdk import Cdr
from tests.scenarios.stage import AGENT, COLLEAGUE, CUSTOMER, Stage, stage
from tests.simulator.matrix import MUSIC, SOUND

__all__ = ["stage"]

HOLE_S = 0.6


async def called_in(stage: Stage, role: str) -> str:
    """The room calls him, and he answers; his contact."""
    [one] = await stage.scene.lq.call_in(stage.room, [stage.id(role)], greet=False)
    assert one.error is None and one.contact
    await stage.answers(role)
    return one.contact


async def voices_in(stage: Stage, cdr: Cdr) -> list[tuple[frozenset[str], ...]]:
    """Of the parties, in the recording of this one: what he hears of the center is left out, and there is no hole."""
    found = [one for one in await stage.recorded(cdr) if one[1] and not one[1] & {MUSIC, SOUND}]
    recording, _ = await stage.scene.recording(cdr.contact_id)
    assert [gap for gap in recording.gaps if gap["duration_s"] > HOLE_S] == []
    return [section for section, _ in groupby(found)]


async def test_each_party_is_recorded_through_mute_and_kick(stage: Stage) -> None:
    lq, contacts = stage.scene.lq, dict[str, str]()
    await stage.comes(AGENT, COLLEAGUE)
    for role in (AGENT, COLLEAGUE):
        contacts[role] = await called_in(stage, role)
    await stage.all_hear_each_other(AGENT, COLLEAGUE)
    await stage.calls_in(stage.room_number)
    contacts[CUSTOMER] = stage.contact
    await stage.all_hear_each_other(AGENT, COLLEAGUE, CUSTOMER, within_s=15)
    parties = (await lq.room(stage.room)).parties
    assert {(one.contact, one.muted) for one in parties} == {(contact, False) for contact in contacts.values()}

    await lq.mute_party(stage.room, contacts[AGENT])
    await stage.hears({AGENT: {COLLEAGUE, CUSTOMER}, COLLEAGUE: {CUSTOMER}, CUSTOMER: {COLLEAGUE}})
    muted = [one.contact for one in (await lq.room(stage.room)).parties if one.muted]
    assert muted == [contacts[AGENT]]
    await lq.unmute_party(stage.room, contacts[AGENT])
    await stage.all_hear_each_other(AGENT, COLLEAGUE, CUSTOMER)
    await lq.kick(stage.room, contacts[COLLEAGUE])
    await stage.ends(COLLEAGUE)
    await stage.all_hear_each_other(AGENT, CUSTOMER)
    await stage.hangs_up(AGENT)
    await stage.closes()
    assert (await lq.room(stage.room)).parties == ()

    heard = {  # muted he is not heard by the others; what he says is his own, and so is his recording
        AGENT: [{COLLEAGUE}, {COLLEAGUE, CUSTOMER}, {CUSTOMER}],
        COLLEAGUE: [{AGENT}, {AGENT, CUSTOMER}, {CUSTOMER}, {AGENT, CUSTOMER}],
        CUSTOMER: [{AGENT, COLLEAGUE}, {COLLEAGUE}, {AGENT, COLLEAGUE}, {AGENT}],
    }
    for role, contact in contacts.items():
        cdr = await stage.scene.cdr(contact)
        assert cdr.result == "answered"
        assert await voices_in(stage, cdr) == [({role}, others) for others in heard[role]], role
