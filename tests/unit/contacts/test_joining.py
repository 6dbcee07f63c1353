"""Two calls of one phone are joined: REFER with Replaces, and a leg that gives its place to another."""

from __future__ import annotations

from lq.contacts import effects as do
from lq.contacts import inputs
from tests.unit.contacts.talks import agent_ops, hears, music
from tests.unit.contacts.test_advance import MEDIA, Life


def test_a_phone_joins_its_two_calls() -> None:
    """It talks with the customer here, and there with whom it has called itself: that leg's place is asked for."""
    life = Life().talking()
    life.take(inputs.Referred(2, "8002", "7", "c2", 1, "x@y;to-tag=ours;from-tag=its"))
    [prepared] = [e for e in life.effects if isinstance(e, do.PrepareOutgoing)]
    assert prepared == do.PrepareOutgoing(3, "rtp") and music(life, 1)
    [invite] = [e for e in life.take(inputs.MediaReady(3, MEDIA, "", "offer")) if isinstance(e, do.Invite)]
    assert invite.uri == "" and invite.headers["Replaces"] == "x@y;to-tag=ours;from-tag=its"
    assert invite.headers["X-LQ-Source"] == "leg;id=c1.3"
    life.take(inputs.Accepted(3, "answer"))
    assert do.TellReferrer(2, "7", 200) in life.effects
    life.take(inputs.MediaReady(3, MEDIA, "PCMA"))
    life.take(inputs.Ended(2))
    assert hears(life) == {1: "leg:3", 3: "leg:1"} and life.contact.state == "talking"


def test_a_leg_gives_its_place_to_the_call_that_asks_for_it() -> None:
    life = Life().talking()
    effects = life.take(inputs.Replacing(2, "s9", "offer", "c0.3"))
    assert effects == [do.TakeSession(3, "s9"), do.PrepareIncoming(3, "offer")]
    effects = life.take(inputs.MediaReady(3, MEDIA, "PCMA", "answer"))
    assert do.Answer(3, "answer") in effects and do.Bye(2, 16) in effects
    assert hears(life) == {1: "leg:3", 3: "leg:1"} and ("1001", "release", "answered") in agent_ops(life)


def test_who_has_left_meanwhile_has_no_place_to_give() -> None:
    life = Life().queued()
    assert life.take(inputs.Replacing(1, "s9", "offer", "c0.3")) == [do.RefuseSession("s9", 481)]
    life = Life().talking()
    life.take(inputs.Replacing(2, "s9", "offer", "c0.3"))
    life.take(inputs.Ended(2))
    assert life.contact.state == "ending"
