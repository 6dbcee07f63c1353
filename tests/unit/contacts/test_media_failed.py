"""rtpengine says no: whose media it was says what follows. Who is on the line keeps what he has."""

from __future__ import annotations

import pytest

from lq.contacts import effects as do
from lq.contacts import inputs
from tests.unit.contacts.talks import engaged, hears, takes, tell
from tests.unit.contacts.test_advance import MEDIA, Life, lives
from tests.unit.contacts.test_outgoing import inviting


@pytest.mark.parametrize("state", ["announcing", "ivr", "queueing", "offering", "calling", "dialing", "talking"])
def test_a_caller_whose_change_we_cannot_take_is_told_so(state: str) -> None:
    """T.38, say."""
    life = lives()[state]
    life.take(inputs.Reoffered(1, "fax"))
    assert life.take(inputs.MediaFailed(1, "no_codec")) == [do.RefuseOffer(1, 488)]
    assert life.contact.state == state


def test_a_customer_who_was_called_is_told_so_while_he_waits_for_an_agent() -> None:
    life = inviting()
    life.take(inputs.Engaged(1, "1001", "8001", 21))
    takes(life, 2)
    assert tell(life, "transfer", to="queue:sales") == (200, "")
    life.take(inputs.Reserved(1, "1002", "8002", 22, "sales"))
    life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    life.take(inputs.Progress(3, 180))
    assert life.take(inputs.MediaFailed(2, "no_codec")) == [do.RefuseOffer(2, 488)]
    assert life.contact.offer is not None and life.contact.legs[2].state == "answered"


@pytest.mark.parametrize("verb", ["transfer_cancel", "monitor_end"])
def test_what_fails_for_a_leg_that_is_given_up_cuts_nobody_off(verb: str) -> None:
    life = Life().talking()
    if verb == "transfer_cancel":
        tell(life, "transfer", to="agent:1002", mode="consult")
    else:
        tell(life, "monitor", agent="1901")
    life.take(inputs.Engaged(3, "1901", "8901", 50))
    assert tell(life, verb, agent="1001" if verb == "transfer_cancel" else "1901") == (200, "")
    life.take(inputs.MediaFailed(3, "unavailable"))
    assert life.contact.state == "talking" and hears(life) == {1: "leg:2", 2: "leg:1"}


def test_an_offer_that_is_taken_back_does_not_fail_the_next() -> None:
    life = Life().queued()
    life.take(inputs.Reserved(1, "1001", "8001", 17, "sales"))
    life.take(inputs.OfferLost(17))
    life.due("ask")
    life.take(inputs.Reserved(2, "1002", "8002", 18, "sales"))
    life.take(inputs.MediaFailed(2, "unavailable"))
    assert life.contact.offer is not None and life.contact.offer.agent == "1002"


def test_a_consultation_whose_media_fails_leaves_the_customer_with_his_agent() -> None:
    life = Life().talking()
    tell(life, "transfer", to="agent:1002", mode="consult")
    engaged(life, 3)
    life.take(inputs.Accepted(3, "answer"))
    life.take(inputs.MediaFailed(3, "no_codec"))
    assert do.Bye(3, 16) in life.effects and hears(life) == {1: "leg:2", 2: "leg:1"}
