"""A browser's phone whose page is loaded anew: it says so, and calls again in the place of its own leg."""

from __future__ import annotations

import pytest

from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.returning import AWAY_MS
from tests.unit.contacts.talks import agent_ops, consulting, engaged, hears, monitoring, music, takes, tell
from tests.unit.contacts.test_advance import MEDIA, Life

HIS = inputs.PickedUp("s9", "offer", "8001", 2)


def returned(life: Life) -> Life:
    """1001 calls in the place of his leg, 2."""
    n = max(life.contact.legs) + 1
    assert life.take(HIS) == [do.TakeSession(n, "s9"), do.PrepareIncoming(n, "offer")]
    life.take(inputs.MediaReady(n, MEDIA, "PCMA", "answer"))
    assert do.Answer(n, "answer") in life.effects and do.Bye(2, 16) in life.effects
    return life


def test_the_customer_hears_music_until_his_agent_is_back() -> None:
    life = Life().talking()
    held_by, reservation = life.contact.agent, life.contact.legs[2].reservation
    life.take(inputs.PhoneAway(2))
    assert music(life, 1) and life.contact.deadlines["away:2"] == life.now + AWAY_MS
    returned(life)
    assert hears(life) == {1: "leg:3", 3: "leg:1"} and "away:2" not in life.contact.deadlines
    assert agent_ops(life) == [], "for the ACD he has not stopped to talk"
    now = life.contact.legs[3]
    assert (now.agent, now.reservation, now.address) == (held_by, reservation, "8001")
    assert life.events.count("contact_held") == life.events.count("contact_resumed") == 1
    life.take(inputs.Ended(1))
    assert agent_ops(life) == [("1001", "release", "answered")] and life.contact.state == "ending"


def test_a_crashed_page_says_nothing_before_it_is_back() -> None:
    life = returned(Life().talking())
    assert hears(life) == {1: "leg:3", 3: "leg:1"}


def test_the_customer_of_who_does_not_come_back_goes_to_the_head_of_his_queue() -> None:
    life = Life().talking()
    life.take(inputs.PhoneAway(2))
    life.take(inputs.Due("away:2"))
    assert do.Bye(2, 16) in life.effects and life.contact.state == "queueing"
    assert agent_ops(life) == [("1001", "release", "answered")]
    assert life.take(HIS) == [do.RefuseSession("s9", 481)]


def test_a_caller_who_is_sent_to_a_queue_meanwhile_and_does_not_come_back_has_hung_up() -> None:
    """8001 has called 1002, and loads its page anew."""
    life = Life(called="8002", source="phone:8001")
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    engaged(life, 2)
    takes(life, 2)
    life.take(inputs.PhoneAway(1))
    assert tell(life, "transfer", agent="1002", to="queue:sales") == (200, "")
    assert life.contact.state == "queueing"
    life.take(inputs.Due("away:1"))
    assert do.Bye(1, 16) in life.effects and do.Dequeue() in life.effects
    assert (life.contact.state, life.contact.ended_by) == ("ending", "caller")


def test_a_customer_who_hangs_up_to_the_music_is_not_waited_for() -> None:
    life = Life().talking()
    life.take(inputs.PhoneAway(2))
    life.take(inputs.Ended(1))
    assert (life.contact.state, life.contact.ended_by) == ("ending", "caller")


def test_it_waits_for_him_at_his_screen_as_he_left_it() -> None:
    """Held by command: it is still held. And whom he asks, he asks still."""
    life = Life().talking()
    assert tell(life, "hold") == (200, "")
    life.take(inputs.PhoneAway(2))
    returned(life)
    assert music(life, 1)
    assert tell(life, "resume") == (200, "")
    assert hears(life) == {1: "leg:3", 3: "leg:1"}

    life = consulting()
    life.take(inputs.PhoneAway(2))
    returned(life)
    assert hears(life) == {1: "mixer", 3: "leg:4", 4: "leg:3"} and music(life, 1)
    assert tell(life, "transfer_complete") == (200, "")
    assert hears(life) == {1: "leg:3", 3: "leg:1"}


def test_whom_he_has_called_is_his_still() -> None:
    life = Life().talking()
    tell(life, "transfer", to="agent:1002", mode="consult")
    engaged(life, 3)
    returned(life)
    assert life.contact.calls[3].by == 4
    takes(life, 3)
    assert hears(life) == {1: "mixer", 3: "leg:4", 4: "leg:3"} and music(life, 1)


def test_a_leader_hears_him_again() -> None:
    life = monitoring("listen")
    life.take(inputs.PhoneAway(2))
    returned(life)
    talking = {n: peer for n, peer in hears(life).items() if n in (1, 4)}
    assert talking == {1: "room:c1:1:", 4: "room:c1:1:"}


@pytest.mark.parametrize(
    "given",
    [inputs.PickedUp("s9", "offer", "8002", 2), inputs.PickedUp("s9", "", "8001", 2)],
    ids=["another phone", "without an offer"],
)
def test_nobody_else_gets_his_place(given: inputs.PickedUp) -> None:
    life = Life().talking()
    assert life.take(given) == [do.RefuseSession("s9", 403)]
    assert hears(life) == {1: "leg:2", 2: "leg:1"}


def test_a_customer_cannot_say_that_he_is_away() -> None:
    life = Life().talking()
    assert life.take(inputs.PhoneAway(1)) == []


def test_where_nothing_waits_for_it_the_phone_has_hung_up() -> None:
    life = Life(called="4008001009", source="phone:8001")
    life.answered()
    life.played()
    assert life.contact.state == "echo"
    life.take(inputs.PhoneAway(1))
    assert do.Bye(1, 16) in life.effects and life.contact.state == "ending"


def test_who_comes_back_to_a_talk_that_was_sent_on_is_told_so() -> None:
    life = Life().talking()
    life.take(HIS)
    assert tell(life, "transfer", to="queue:sales") == (200, "")
    assert life.take(inputs.MediaReady(3, MEDIA, "PCMA", "answer")) == [do.DeleteMedia(3), do.Reject(3, 481, 16)]
    assert life.contact.state == "queueing" and life.contact.legs[3].state == "ended"


def test_an_adopter_refuses_who_was_coming_back_and_he_comes_again() -> None:
    life = Life().talking()
    life.take(HIS)
    assert do.Reject(3, 500, 41) in life.take(inputs.Adopted("lq2-1"))
    assert life.contact.legs[3].state == "ended" and hears(life) == {1: "leg:2", 2: "leg:1"}


def test_media_that_does_not_stand_leaves_him_where_he_was() -> None:
    life = Life().talking()
    life.take(inputs.PhoneAway(2))
    life.take(HIS)
    life.take(inputs.MediaFailed(3, "unavailable"))
    assert do.Reject(3, 500, 41) in life.effects and music(life, 1) and life.contact.legs[2].state == "answered"
