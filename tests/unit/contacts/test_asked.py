"""Who has asked whom: it decides what a hang-up means while two talk aside."""

from __future__ import annotations

import pytest

from lq.contacts import inputs
from lq.contacts.contact import with_leg
from tests.unit.contacts.talks import consulting, engaged, hears, takes, tell
from tests.unit.contacts.test_advance import MEDIA, Life


def asked_by_a_conference() -> Life:
    """1001 has left a conference to 1002 (leg 3), who asks him (leg 4)."""
    life = consulting()
    tell(life, "transfer_conference")
    life.take(inputs.Ended(2))
    assert life.contact.agent == "1002"
    assert tell(life, "transfer", agent="1002", to="agent:1001", mode="consult") == (200, "")
    engaged(life, 4, "1001", "8001", 80)
    takes(life, 4)
    return life


def test_who_was_asked_leaves_and_nothing_was_transferred() -> None:
    life = asked_by_a_conference()
    answered = life.events.count("contact_answered")
    life.take(inputs.Ended(4))
    assert hears(life) == {1: "leg:3", 3: "leg:1"}
    assert "contact_transferred" not in life.events and life.events.count("contact_answered") == answered


def test_who_asked_leaves_and_has_transferred() -> None:
    life = asked_by_a_conference()
    life.take(inputs.Ended(3))
    assert hears(life) == {1: "leg:4", 4: "leg:1"}
    [said] = [event for event in life.ledger if event.type == "contact_transferred"]
    assert said.data["from_agent"] == "1002" and said.data["to"] == "1001"


@pytest.mark.parametrize("who", ["asked", "asks"])
def test_it_is_not_he_whose_customer_it_is(who: str) -> None:
    """1001 has the customer and is on hold, 1002 (leg 3) asks 1901 (leg 4)."""
    life = consulting()
    tell(life, "transfer_conference")
    tell(life, "hold")
    assert tell(life, "transfer", agent="1002", to="agent:1901", mode="consult") == (200, "")
    engaged(life, 4, "1901", "8901", 80)
    takes(life, 4)
    assert life.contact.agent == "1001"
    life.take(inputs.Ended(4 if who == "asked" else 3))
    assert ("contact_transferred" in life.events) is (who == "asks")
    assert {n: peer for n, peer in hears(life).items() if n != 2} == (
        {1: "leg:3", 3: "leg:1"} if who == "asked" else {1: "leg:4", 4: "leg:1"}
    )


@pytest.mark.parametrize("who", ["asked", "asks"])
def test_phones_without_agents_know_who_has_asked(who: str) -> None:
    life = consulting()
    for n in (2, 3):
        life.contact = with_leg(life.contact, n, agent="", reservation=0)
    life.take(inputs.Ended(3 if who == "asked" else 2))
    assert ("contact_transferred" in life.events) is (who == "asks")
    assert len(hears(life)) == 2


def test_who_was_asked_once_asks_himself() -> None:
    life = consulting()
    tell(life, "transfer_conference")
    assert tell(life, "transfer", agent="1002", to="agent:1901", mode="consult") == (200, "")
    engaged(life, 4, "1901", "8901", 80)
    takes(life, 4)
    life.take(inputs.Ended(4))
    assert "contact_transferred" not in life.events and hears(life) == {n: "room:c1:1:" for n in (1, 2, 3)}


def test_whose_phone_comes_back_while_he_is_asked_is_still_the_one() -> None:
    life = consulting()
    life.take(inputs.PhoneAway(3))
    life.take(inputs.PickedUp("s9", "offer", "8002", 3))
    life.take(inputs.MediaReady(4, MEDIA, "PCMA", "answer"))
    life.take(inputs.Ended(4))
    assert hears(life) == {1: "leg:2", 2: "leg:1"} and "contact_transferred" not in life.events
