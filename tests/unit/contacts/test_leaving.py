"""The last customer leaves: for whom the contact ends, and for whom it goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.contact import Leg, with_leg
from tests.unit.contacts.test_advance import MEDIA, Life
from tests.unit.contacts.test_transfer import agent_ops, consulting, engaged, hears, monitoring, music, takes, tell


@pytest.mark.parametrize("mode", ["listen", "whisper", "barge"])
def test_an_agent_and_his_leader_do_not_go_on_without_a_customer(mode: str) -> None:
    life = monitoring(mode)
    life.take(inputs.Ended(1))
    assert (life.contact.state, life.contact.ended_by) == ("ending", "caller")
    assert {do.Bye(2, 16), do.Bye(3, 16)} <= {e for e in life.effects if isinstance(e, do.Bye)}
    assert {("1001", "release", "answered"), ("1901", "release", "answered")} <= set(agent_ops(life))


def test_agents_who_confer_go_on() -> None:
    life = consulting()
    tell(life, "transfer_conference")
    life.take(inputs.Ended(1))
    assert hears(life) == {2: "leg:3", 3: "leg:2"}
    life.take(inputs.Ended(3))
    assert life.contact.state == "ending"


def held_in_a_conference() -> Life:
    """1001 has left the customer (leg 1) and 1002 (leg 3) to themselves for a while."""
    life = consulting()
    tell(life, "transfer_conference")
    assert tell(life, "hold") == (200, "")
    assert hears(life) == {1: "leg:3", 2: "park", 3: "leg:1"}
    return life


@pytest.mark.parametrize("how", ["hangs up", "by command", "is lost"])
def test_an_agent_who_holds_has_the_customer_when_the_other_agent_leaves(how: str) -> None:
    life = held_in_a_conference()
    if how == "by command":
        assert tell(life, "hang_up", agent="1002") == (200, "")
    else:
        life.take(inputs.Ended(3, "bye" if how == "hangs up" else "gone"))
    contact = life.contact
    assert contact.state == "talking" and music(life, 1) and contact.segments[-1].kind == "hold"
    assert (contact.agent, contact.segments[-1].agent) == ("1001", "1001")
    assert agent_ops(life) == [("1002", "release", "answered")]
    assert tell(life, "resume") == (200, "")
    assert hears(life) == {1: "leg:2", 2: "leg:1"} and life.contact.segments[-1].kind == "talk"


def test_a_leader_leaves_the_customer_to_the_agent_who_holds() -> None:
    life = monitoring("barge")
    tell(life, "hold")
    assert tell(life, "monitor_end", agent="1901") == (200, "")
    assert life.contact.state == "talking" and music(life, 1)
    life.take(inputs.Ended(2))
    assert life.contact.state == "ending"


def test_a_phone_that_has_sent_the_customer_on_does_not_hold_him() -> None:
    """It stays to hear how its REFER went."""
    life = Life().talking()
    life.take(inputs.Referred(2, "8002", "r1"))
    life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    takes(life, 3)
    assert life.contact.legs[2].alive and "leaves:2" in life.contact.deadlines
    life.take(inputs.Ended(3))
    assert life.contact.state == "ending"


def test_the_customer_leaves_an_agent_who_holds_and_another() -> None:
    life = held_in_a_conference()
    life.take(inputs.Ended(1))
    assert (life.contact.state, life.contact.ended_by) == ("ending", "caller")


def test_a_leader_in_a_conference_of_agents_stays_as_long_as_they_confer() -> None:
    life = consulting()
    tell(life, "transfer_conference")
    tell(life, "monitor", agent="1901", mode="barge")
    engaged(life, 4, "1901", "8901", 70)
    takes(life, 4)
    life.take(inputs.Ended(1))
    assert hears(life) == {n: "room:c1:1:" for n in (2, 3, 4)}


def test_a_leader_who_has_taken_over_is_the_agent() -> None:
    life = monitoring("take-over")
    life.take(inputs.Ended(1))
    assert (life.contact.state, life.contact.ended_by) == ("ending", "caller")


def test_two_customers_are_left_by_one() -> None:
    """Of a conference in which the agent called out somebody: he and the agent go on, leader or not."""
    life = monitoring("barge")
    life.contact = life.contact.__class__.from_json(
        life.contact.to_json()
        | {"legs": [{**one, "party": "customer"} if one["n"] == 2 else one for one in life.contact.to_json()["legs"]]}
    )
    life.take(inputs.Ended(1))
    assert life.contact.state == "talking"


# -- his phone is lost ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("why", ["timeout", "gone", "ack_missing"])
def test_the_customer_of_a_lost_phone_goes_to_the_head_of_his_queue(why: str) -> None:
    life = Life().talking()
    life.take(inputs.Ended(2, why))
    contact = life.contact
    assert contact.state == "queueing" and contact.line is not None
    assert contact.line.lanes == {"sales": contact.started_at} and contact.legs[1].alive
    assert agent_ops(life) == [("1001", "release", "answered")] and "contact_ended" not in life.events


def test_his_leader_leaves_with_him() -> None:
    life = monitoring("barge")
    life.take(inputs.Ended(2, "gone"))
    assert life.contact.state == "queueing" and do.Bye(3, 16) in life.effects
    assert set(agent_ops(life)) == {("1001", "release", "answered"), ("1901", "release", "answered")}


def test_whoever_talks_with_him_still_goes_on() -> None:
    """Another agent in it; and who is being asked has the customer once he answers."""
    life = consulting()
    tell(life, "transfer_conference")
    life.take(inputs.Ended(2, "gone"))
    assert hears(life) == {1: "leg:3", 3: "leg:1"}
    life = Life().talking()
    tell(life, "transfer", to="agent:1002", mode="consult")
    engaged(life, 3)
    life.take(inputs.Ended(2, "gone"))
    takes(life, 3)
    assert hears(life) == {1: "leg:3", 3: "leg:1"}


def test_a_lost_customer_has_left() -> None:
    life = Life().talking()
    life.take(inputs.Ended(1, "gone"))
    assert (life.contact.state, life.contact.ended_by) == ("ending", "caller")


# -- by command -------------------------------------------------------------------------------------------------------
def test_who_hangs_up_twice_ends_only_his_own_call() -> None:
    life = consulting()
    tell(life, "transfer_conference")
    assert tell(life, "hang_up") == (200, "")
    assert tell(life, "hang_up") == (409, "not_in_contact")
    assert life.contact.state == "talking" and hears(life) == {1: "leg:3", 3: "leg:1"}


def test_who_has_sent_the_customer_on_cannot_hang_up_on_him() -> None:
    life = Life().talking()
    assert tell(life, "transfer", to="queue:sales", mode="blind") == (200, "")
    assert tell(life, "hang_up") == (409, "not_in_contact")
    assert life.contact.state == "queueing"


def left_behind() -> Life:
    """1901 is on the line with a customer who waits (leg 3): no way leads here any more."""
    life = Life().queued()
    legs = (Leg(n, "agent", "out", "8901", "answered", agent="1901", codec="PCMA", media=MEDIA) for n in (2, 3))
    for leg in legs:
        life.contact = replace(life.contact, legs={**life.contact.legs, leg.n: replace(leg, reservation=70)})
    life.contact = with_leg(life.contact, 2, state="ended", media=None, reservation=0)
    return life


@pytest.mark.parametrize("by_phone", [True, False])
def test_whoever_is_not_the_customer_does_not_hang_up_on_him(by_phone: bool) -> None:
    life = left_behind()
    if by_phone:
        life.take(inputs.Ended(3))
    else:
        assert tell(life, "hang_up", agent="1901") == (200, "") and do.Bye(3, 16) in life.effects
    assert life.contact.state == "queueing" and life.contact.customer.alive
    assert agent_ops(life) == [("1901", "release", "answered")] and do.DeleteMedia(3) in life.effects


def test_who_picks_up_and_hangs_up_takes_back_his_own_call() -> None:
    life = Life().queued()
    life.take(inputs.PickedUp("s9", "offer", "8002"))
    life.take(inputs.Engaged(2, "1002", "8002", 50))
    assert tell(life, "hang_up", agent="1002") == (200, "")
    assert do.Reject(2, 480, 16) in life.effects and agent_ops(life) == [("1002", "release", "caller_gone")]
    assert life.contact.state == "queueing" and life.contact.calls == {}


def test_an_agent_who_hangs_up_what_rings_refuses_it() -> None:
    life = Life("4008001001").offered()
    life.take(inputs.Progress(2, 180))
    assert tell(life, "hang_up") == (200, "")
    assert ("1001", "release", "refused") in agent_ops(life)
    assert life.contact.state == "queueing"


def test_a_program_ends_it_for_everybody() -> None:
    life = consulting()
    assert tell(life, "hang_up", agent="") == (200, "")
    assert life.contact.state == "ending"


def test_who_is_released_to_the_queue_twice_waits_there() -> None:
    life = Life().talking()
    assert tell(life, "release", agent="1901", to="queue") == (200, "")
    assert tell(life, "release", agent="1901", to="queue") == (409, "not_talking")
    assert life.contact.state == "queueing"
