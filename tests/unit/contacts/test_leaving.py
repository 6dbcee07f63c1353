"""Somebody leaves: for whom the contact ends, and for whom it goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.contact import Leg, with_leg
from tests.unit.contacts.talks import agent_ops, consulting, engaged, hears, monitoring, music, takes, tell
from tests.unit.contacts.test_advance import MEDIA, Life


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


def test_an_agent_who_holds_has_the_customer_whom_nobody_takes() -> None:
    """The other agent has sent him on."""
    life = held_in_a_conference()
    assert tell(life, "transfer", agent="1002", to="agent:1901", mode="blind") == (200, "")
    engaged(life, 4, "1901", "8901", 70)
    life.take(inputs.Rejected(4, 486))
    assert life.contact.state == "talking" and music(life, 1) and life.contact.legs[2].state == "answered"
    assert (life.contact.agent, life.contact.segments[-1].kind) == ("1001", "hold")
    assert tell(life, "resume") == (200, "")
    assert hears(life) == {1: "leg:2", 2: "leg:1"}


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


# -- an agent is still there, or somebody is called --------------------------------------------------------------------
def barged(life: Life, n: int, agent: str = "1901", fence: int = 70) -> Life:
    """This leader has barged in, as leg n."""
    assert tell(life, "monitor", agent=agent, mode="barge") == (200, "")
    engaged(life, n, agent, f"8{agent[1:]}", fence)
    takes(life, n)
    return life


def leaves(life: Life, n: int, how: str) -> None:
    """`how`: hangs up, by command, or his phone is lost."""
    if how == "by command":
        leg = life.contact.legs[n]
        assert tell(life, "monitor_end" if leg.mode else "hang_up", agent=leg.agent) == (200, "")
    else:
        life.take(inputs.Ended(n, "bye" if how == "hangs up" else "gone"))


WAYS = pytest.mark.parametrize("how", ["hangs up", "by command", "is lost"])


@WAYS
def test_a_leader_who_came_into_a_hold_leaves_the_customer_on_hold(how: str) -> None:
    life = Life().talking()
    tell(life, "hold")
    barged(life, 3)
    assert hears(life) == {1: "mixer", 2: "leg:3", 3: "leg:2"} and music(life, 1)
    leaves(life, 3, how)
    assert life.contact.state == "talking" and music(life, 1) and life.contact.segments[-1].kind == "hold"
    assert tell(life, "resume") == (200, "")
    assert hears(life) == {1: "leg:2", 2: "leg:1"}


@pytest.mark.parametrize("verb", ["hold", "transfer"])
def test_a_leader_whose_media_cannot_be_joined_comes_into_it_and_costs_nothing(verb: str) -> None:
    life = Life().talking()
    tell(life, verb, to="agent:1002", mode="consult")
    n = max(life.contact.legs) + 1
    assert tell(life, "monitor", agent="1901", mode="barge") == (200, "")
    engaged(life, n, "1901", "8901", 70)
    life.take(inputs.Accepted(n, "answer"))
    life.take(inputs.MediaFailed(n, "unavailable"))
    assert do.Bye(n, 16) in life.effects and life.contact.state == "talking" and music(life, 1)


def test_a_leader_has_the_customer_whom_the_agent_held_who_leaves() -> None:
    """He has no key to take him off hold with."""
    life = Life().talking()
    tell(life, "hold")
    barged(life, 3)
    leaves(life, 2, "hangs up")
    assert hears(life) == {1: "leg:3", 3: "leg:1"}
    leaves(life, 3, "by command")
    assert life.contact.state == "ending"


@WAYS
@pytest.mark.parametrize("answered", [True, False])
def test_a_leader_who_came_into_a_consultation_leaves_it_as_it_is(how: str, answered: bool) -> None:
    life = Life().talking()
    tell(life, "transfer", to="agent:1002", mode="consult")
    engaged(life, 3)
    if answered:
        takes(life, 3)
    barged(life, 4)
    leaves(life, 4, how)
    assert life.contact.state == "talking" and music(life, 1) and life.contact.segments[-1].kind == "consult"
    if not answered:
        takes(life, 3)
    assert hears(life) == {1: "mixer", 2: "leg:3", 3: "leg:2"}
    assert tell(life, "transfer_complete") == (200, "")
    assert hears(life) == {1: "leg:3", 3: "leg:1"}


def consulting_from_a_conference(*, answered: bool, leader: bool = False) -> Life:
    """Customer, 1001 and 1002 (or a leader who has barged in, leg 3); 1001 asks a third (leg 4)."""
    if leader:
        life, third = barged(Life().talking(), 3), "1002"
    else:
        life, third = consulting(), "1901"
        tell(life, "transfer_conference")
    assert tell(life, "transfer", to=f"agent:{third}", mode="consult") == (200, "")
    engaged(life, 4, third, f"8{third[1:]}", 80)
    if answered:
        takes(life, 4)
    assert life.contact.state == "talking" and life.contact.legs[1].place == "talk"
    return life


@WAYS
@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.parametrize("leader", [True, False])
def test_who_leaves_a_conference_leaves_the_customer_to_the_agent_who_consults(
    how: str, answered: bool, leader: bool
) -> None:
    life = consulting_from_a_conference(answered=answered, leader=leader)
    leaves(life, 3, how)
    assert life.contact.state == "talking" and music(life, 1) and life.contact.segments[-1].kind == "consult"
    assert life.contact.legs[2].place == "aside" and life.contact.legs[4].alive
    assert tell(life, "transfer_cancel") == (200, "")
    assert hears(life) == {1: "leg:2", 2: "leg:1"}


def test_of_two_outside_one_leaves_while_the_agent_consults() -> None:
    life = consulting_from_a_conference(answered=True)
    life.contact = with_leg(life.contact, 3, party="customer", agent="", reservation=0)
    life.take(inputs.Ended(1))
    assert life.contact.state == "talking" and music(life, 3) and hears(life)[2] == "leg:4"
    life.take(inputs.Ended(2))
    assert hears(life) == {3: "leg:4", 4: "leg:3"}


def sent_on_from_a_conference(*, leader: bool) -> Life:
    """1001 has sent on to a third (leg 4), who rings, the customer and 1002 (or a leader who has barged in)."""
    if leader:
        life, third = barged(Life().talking(), 3), "1002"
    else:
        life, third = consulting(), "1901"
        tell(life, "transfer_conference")
    assert tell(life, "transfer", to=f"agent:{third}", mode="blind") == (200, "")
    engaged(life, 4, third, f"8{third[1:]}", 80)
    assert music(life, 1) and music(life, 3)
    return life


@WAYS
@pytest.mark.parametrize("leader", [True, False])
def test_who_does_not_wait_with_the_customer_does_not_take_him_along(how: str, leader: bool) -> None:
    life = sent_on_from_a_conference(leader=leader)
    leaves(life, 3, how)
    assert life.contact.state == "talking" and music(life, 1) and life.contact.legs[4].alive
    takes(life, 4)
    assert hears(life) == {1: "leg:4", 4: "leg:1"}


def test_nobody_takes_the_customer_and_he_has_the_agent_who_waited_with_him() -> None:
    life = sent_on_from_a_conference(leader=False)
    life.take(inputs.Rejected(4, 486))
    assert life.contact.state == "talking" and hears(life) == {1: "leg:3", 3: "leg:1"}
    life = sent_on_from_a_conference(leader=True)  # a leader came to the agent
    life.take(inputs.Rejected(4, 486))
    assert life.contact.state == "queueing" and hears(life) == {1: "mixer"}


@WAYS
def test_two_hold_and_one_of_them_leaves(how: str) -> None:
    life = held_in_a_conference()
    assert tell(life, "hold", agent="1002") == (200, "")
    assert music(life, 1)
    leaves(life, 3, how)
    assert life.contact.state == "talking" and music(life, 1) and life.contact.agent == "1001"
    assert tell(life, "resume") == (200, "")
    assert hears(life) == {1: "leg:2", 2: "leg:1"}


def test_a_leader_who_only_listens_has_nobody() -> None:
    life = monitoring("listen")
    life.take(inputs.Ended(2))
    assert (life.contact.state, life.contact.ended_by) == ("ending", "agent")


def test_who_was_to_join_is_not_called_for_the_customer() -> None:
    life = Life().talking()
    assert tell(life, "transfer_conference", to="1002") == (200, "")
    engaged(life, 3)
    life.take(inputs.Ended(2))
    assert life.contact.state == "ending" and ("1002", "release", "caller_gone") in agent_ops(life)


def test_the_queue_has_the_customer_of_a_lost_phone_while_another_phone_only_hears_how_its_refer_went() -> None:
    life = Life().talking()
    life.take(inputs.Referred(2, "8002", "r1"))
    life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    takes(life, 3)
    life.take(inputs.Ended(3, "gone"))
    assert life.contact.state == "queueing" and hears(life) == {1: "mixer"}


# -- inside: who has called is as a customer ---------------------------------------------------------------------------
def inside() -> Life:
    """8001 has called 8002 (leg 2)."""
    life = Life(called="8002", source="phone:8001")
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    life.take(inputs.Engaged(1, "1001", "8001", 21))
    life.take(inputs.Engaged(2, "1002", "8002", 22))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    takes(life, 2)
    return life


@WAYS
@pytest.mark.parametrize("holds", ["1001", "1002"])
def test_a_leader_leaves_two_of_the_house_as_they_were(how: str, holds: str) -> None:
    life = inside()
    tell(life, "hold", agent=holds)
    barged(life, 3)
    leaves(life, 3, how)
    assert life.contact.state == "talking" and music(life, 2 if holds == "1001" else 1)
    tell(life, "resume", agent=holds)
    assert hears(life) == {1: "leg:2", 2: "leg:1"}
    life.take(inputs.Ended(2 if holds == "1001" else 1))
    assert life.contact.state == "ending"


def test_a_third_of_the_house_who_holds_has_the_one_who_remains() -> None:
    life = inside()
    assert tell(life, "transfer_conference", agent="1001", to="agent:1901") == (200, "")
    engaged(life, 3, "1901", "8901", 80)
    takes(life, 3)
    assert tell(life, "hold", agent="1901") == (200, "")
    life.take(inputs.Ended(2))
    assert life.contact.state == "talking" and music(life, 1)
    assert tell(life, "resume", agent="1901") == (200, "")
    assert hears(life) == {1: "leg:3", 3: "leg:1"}


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


@pytest.mark.parametrize(
    ("verb", "asked"), [("monitor", {"agent": "1901"}), ("transfer", {"to": "agent:1901", "mode": "add"})]
)
def test_nobody_comes_or_joins_any_more(verb: str, asked: dict[str, str]) -> None:
    life = Life().talking()
    assert tell(life, verb, **asked) == (200, "")
    engaged(life, 3, "1901", "8901", 70)
    life.take(inputs.Ended(2, "gone"))
    assert life.contact.state == "queueing" and life.contact.calls == {}
    assert set(agent_ops(life)) == {("1001", "release", "answered"), ("1901", "release", "caller_gone")}
    assert any(isinstance(effect, do.Cancel) and effect.leg == 3 for effect in life.effects)


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
