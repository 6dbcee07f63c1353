"""Somebody answers with media that cannot be joined: he alone is lost."""

from __future__ import annotations

import pytest

from lq.contacts import effects as do
from lq.contacts import inputs
from tests.unit.contacts.talks import agent_ops, consulting, engaged, hears, music, takes, tell
from tests.unit.contacts.test_advance import Life
from tests.unit.contacts.test_outgoing import inviting


def test_whose_media_cannot_be_joined_costs_the_customer_nothing() -> None:
    """Asked back, joining, listening: he is let go, the others go on."""
    life = Life().talking()
    tell(life, "transfer", to="agent:1002", mode="consult")
    engaged(life, 3)
    life.take(inputs.Accepted(3, "answer"))
    life.take(inputs.MediaFailed(3, "no_codec"))
    assert do.Bye(3, 16) in life.effects and hears(life) == {1: "leg:2", 2: "leg:1"}
    assert ("1002", "release", "answered") in agent_ops(life)

    life = Life().talking()
    tell(life, "monitor", agent="1901", mode="barge")
    engaged(life, 3, "1901", "8901", 70)
    life.take(inputs.Accepted(3, "answer"))
    life.take(inputs.MediaFailed(3, "unavailable"))
    assert do.Bye(3, 16) in life.effects and hears(life) == {1: "leg:2", 2: "leg:1"}

    life = Life().talking()
    life.take(inputs.Replacing(2, "s9", "offer", "c0.3"))
    life.take(inputs.MediaFailed(3, "unavailable"))
    assert do.Reject(3, 500, 41) in life.effects and hears(life) == {1: "leg:2", 2: "leg:1"}


@pytest.mark.parametrize("who", ["sent on to", "handed over to", "picks up"])
def test_who_cannot_be_joined_does_not_take_the_customer_with_him(who: str) -> None:
    """He has been given him, and his media cannot be set up: the queue has him again."""
    life = Life().queued() if who == "picks up" else Life().talking()
    verb = {"sent on to": "blind", "handed over to": "consult"}.get(who)
    if verb:
        assert tell(life, "transfer", to="agent:1002", mode=verb) == (200, "")
    else:
        assert tell(life, "pick_up", agent="1002") == (200, "")
    n = max(life.contact.legs)
    engaged(life, n)
    life.take(inputs.Accepted(n, "answer"))
    if verb == "consult":
        life.take(inputs.Ended(2))
    life.take(inputs.MediaFailed(n, "no_codec"))
    assert do.Bye(n, 16) in life.effects and ("1002", "release", "answered") in agent_ops(life)
    assert life.contact.state == "queueing" and hears(life) == {1: "mixer"}


def test_who_cannot_be_joined_leaves_the_customer_to_the_agent_who_sent_him_or_who_holds() -> None:
    life = inside_calling_outside()
    assert tell(life, "transfer", to="agent:1002", mode="blind") == (200, "")
    engaged(life, 3)
    life.take(inputs.Accepted(3, "answer"))
    life.take(inputs.MediaFailed(3, "no_codec"))
    assert life.contact.line is not None and life.contact.line.agent == "1001" and hears(life) == {2: "mixer"}

    life = consulting()
    tell(life, "transfer_conference")
    tell(life, "hold")
    assert tell(life, "transfer", agent="1002", to="agent:1901", mode="blind") == (200, "")
    engaged(life, 4, "1901", "8901", 70)
    life.take(inputs.Accepted(4, "answer"))
    life.take(inputs.MediaFailed(4, "no_codec"))
    assert life.contact.state == "talking" and music(life, 1) and life.contact.agent == "1001"


def inside_calling_outside() -> Life:
    """1001 has called somebody outside, no queue has to do with it: leg 2."""
    life = inviting()
    life.take(inputs.Engaged(1, "1001", "8001", 21))
    takes(life, 2)
    return life


def test_who_first_answers_with_media_that_cannot_be_joined_ends_it() -> None:
    life = Life().offered()
    life.take(inputs.Accepted(2, "answer"))
    life.take(inputs.MediaFailed(2, "no_codec"))
    assert (life.contact.state, life.contact.result) == ("ending", "failed")


def test_who_was_to_join_and_does_not_come_takes_nobody_off_hold() -> None:
    life = Life().talking()
    assert tell(life, "transfer_conference", to="1002") == (200, "")
    engaged(life, 3)
    tell(life, "hold")
    life.take(inputs.Rejected(3, 486))
    assert life.contact.state == "talking" and music(life, 1) and life.contact.segments[-1].kind == "hold"
