"""Procedures whose two calls are at two nodes: REFER with Replaces, pick-up, a conference; and with a node killed.

The edge gives a new call to the node with the fewest; of two that exist one is handed over.
"""

from __future__ import annotations

from typing import Final

import pytest

from ops import trace
from tests.scenarios.conftest import NODES, phone_of
from tests.scenarios.house import House, house
from tests.scenarios.outcomes import CONSULTS, HANDED_ON, HELD, SETTLES_S, closed, comes_to, together
from tests.scenarios.stage import AGENT, COLLEAGUE, CUSTOMER, THIRD
from tests.simulator.call import Call

__all__ = ["house"]
pytestmark = [pytest.mark.kills, pytest.mark.slow]

ENDS_S: Final = 20.0
ROOM: Final = "stage0"
TRIES: Final = 5  # of a call that shall come to the other node: the edge sees its load half a second late


def nodes_of(house: House, call: Call) -> set[str]:
    """That this call of a phone has come to."""
    seen = trace.messages(house.stage.scene.place.home / "trace", house.stage.contact)
    return {message.node for message in seen if message.call == call.call_id}


# -- a phone joins its two calls ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("dies", ["nobody", "the customer's node", "the colleague's node"])
async def test_a_phone_joins_its_two_calls(house: House, dies: str) -> None:
    """Killed is right before the REFER; then, while the two talk, each of their nodes."""
    stage = house.stage
    await stage.comes(AGENT, COLLEAGUE)
    await stage.opens("in")
    await stage.cast[AGENT].reoffer("sendonly")
    await stage.hears(HELD, SETTLES_S)
    second = await stage.phones[AGENT].dial(stage.id(COLLEAGUE))
    other = (await stage.scene.events.first("contact_started", phone=phone_of(stage.id(AGENT)))).subject
    await house.answers(COLLEAGUE, contact=other)
    await second.answered()
    await house.apart(stage.contact, other)
    if dies != "nobody":
        await house.owner_is_killed(stage.contact if dies == "the customer's node" else other)
    assert await stage.cast[AGENT].refer(stage.id(COLLEAGUE), second, within_s=SETTLES_S) == 202
    await stage.told(AGENT, 200, SETTLES_S)
    await stage.ends(AGENT, ENDS_S)
    await second.ended(ENDS_S)
    await comes_to(stage, HANDED_ON)
    for contact in (stage.contact, other):
        await house.owner_is_killed(contact)
        await house.living_owner(contact)
        await comes_to(stage, HANDED_ON)
    await house.living_owner(stage.contact)
    done = await closed(house)
    assert (done.result, done.ended_by, done.agent) == ("answered", "caller", stage.id(AGENT))
    assert (await stage.scene.cdr(other)).result == "answered"


# -- pick-up -----------------------------------------------------------------------------------------------------------
async def rings_at_the_agent(house: House) -> Call:
    """As it has just begun anew: there are seconds for what comes, and the edge has seen whose load it is."""
    await (await house.call_at(AGENT)).ended(ENDS_S)
    return await house.call_at(AGENT)


async def is_picked_up(house: House, how: str, *, dies: bool) -> set[str]:
    """By the colleague's phone; the nodes that its call has come to."""
    stage = house.stage
    await stage.calls_in()
    await house.call_at(AGENT)
    if dies:
        await house.owner_dies()
    ringing = await rings_at_the_agent(house)
    number = f"*8{stage.id(AGENT)}" if how == "code" else "8000"
    picks = await stage.phones[COLLEAGUE].dial(number, ringing if how == "named" else None)
    stage.joins(COLLEAGUE, await picks.answered())
    await ringing.ended(ENDS_S)
    await comes_to(stage, HANDED_ON)
    nodes = nodes_of(house, picks)
    done = await closed(house)
    assert (done.result, done.agent) == ("answered", stage.id(COLLEAGUE))
    return nodes


@pytest.mark.parametrize("dies", [False, True], ids=["nobody dies", "it was another's"])
@pytest.mark.parametrize("how", ["code", "named"])
async def test_a_call_is_picked_up_at_another_node(house: House, how: str, dies: bool) -> None:
    await house.stage.comes(AGENT, COLLEAGUE)
    for _ in range(TRIES):
        if await is_picked_up(house, how, dies=dies) == set(NODES):
            return
        for role in (AGENT, COLLEAGUE):
            await house.stage.is_ready_again(role)
    pytest.fail("the edge gave no call to the other node")


# -- the ledger --------------------------------------------------------------------------------------------------------
async def test_the_events_of_a_contact_that_was_adopted_tell_all_of_it(house: House) -> None:
    """What the dead nodes have told and what their heirs tell is one ladder, and so is what was on the wire."""
    stage = house.stage
    await stage.comes(AGENT, COLLEAGUE)
    await stage.opens("in")
    await house.owner_dies()
    await stage.insists("transfer", to=COLLEAGUE, mode="consult")
    await house.answers(COLLEAGUE)
    await comes_to(stage, CONSULTS)
    await house.owner_is_killed()
    await stage.insists("transfer/complete")
    await stage.ends(AGENT, ENDS_S)
    await comes_to(stage, HANDED_ON)
    done = await closed(house)
    assert (done.result, done.agent) == ("answered", stage.id(COLLEAGUE))
    assert len(stage.scene.events.of(stage.contact, "contact_adopted")) == 2
    await stage.agrees(stage.contact, [{CUSTOMER, AGENT}, {AGENT, COLLEAGUE}, {CUSTOMER, COLLEAGUE}])


# -- a conference ------------------------------------------------------------------------------------------------------
async def called_in(house: House, role: str) -> str:
    """The room calls him, and he answers; his contact."""
    stage = house.stage
    [one] = await stage.scene.lq.call_in(ROOM, [stage.id(role)], greet=False)
    assert one.error is None
    stage.contact = str(one.contact)
    await house.answers(role)
    return stage.contact


async def test_a_room_of_two_nodes_where_both_die(house: House) -> None:
    """Who was called in by one node and by the other hear each other, whichever dies; then commands at the heir."""
    stage, lq = house.stage, house.stage.scene.lq
    await stage.comes(AGENT, COLLEAGUE, THIRD)
    first, second = await called_in(house, AGENT), await called_in(house, COLLEAGUE)
    await house.apart(first, second)
    await comes_to(stage, together(AGENT, COLLEAGUE))
    for contact in (first, second):
        await house.owner_is_killed(contact)
        await house.living_owner(contact)
        await comes_to(stage, together(AGENT, COLLEAGUE))
    await house.owner_is_killed(first)
    await house.living_owner(first)
    third = await called_in(house, THIRD)
    await comes_to(stage, together(AGENT, COLLEAGUE, THIRD))
    await house.owner_is_killed(first)
    await house.insists(lambda: lq.mute_party(ROOM, first))
    await comes_to(stage, {AGENT: {COLLEAGUE, THIRD}, COLLEAGUE: {THIRD}, THIRD: {COLLEAGUE}})
    await house.owner_is_killed(second)
    await house.insists(lambda: lq.kick(ROOM, second))
    await stage.ends(COLLEAGUE, ENDS_S)
    await house.insists(lambda: lq.end_conference(ROOM))
    await comes_to(stage, {})
    for contact in (first, second, third):
        stage.contact = contact
        done = await closed(house)
        assert (done.direction, done.result) == ("internal", "answered")


async def test_a_customer_is_sent_into_a_room_of_another_node(house: House) -> None:
    stage = house.stage
    await stage.comes(THIRD)
    room = await called_in(house, THIRD)
    await stage.comes(AGENT)
    await stage.calls_in()
    await house.answers(AGENT)
    await house.apart(stage.contact, room)
    await stage.does("transfer", to=f"conference:{ROOM}", mode="blind")
    await stage.ends(AGENT, ENDS_S)
    await comes_to(stage, together(CUSTOMER, THIRD))
    for contact in (stage.contact, room):
        await house.owner_is_killed(contact)
        await house.living_owner(contact)
        await comes_to(stage, together(CUSTOMER, THIRD))
    await stage.hangs_up(THIRD)
    done = await closed(house)
    assert (done.result, done.agent, done.ended_by) == ("answered", stage.id(AGENT), "caller")
