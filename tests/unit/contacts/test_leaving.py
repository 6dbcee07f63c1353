"""The last customer leaves: for whom the contact ends, and for whom it goes on."""

from __future__ import annotations

import pytest

from lq.contacts import effects as do
from lq.contacts import inputs
from tests.unit.contacts.test_transfer import agent_ops, consulting, engaged, hears, monitoring, takes, tell


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
