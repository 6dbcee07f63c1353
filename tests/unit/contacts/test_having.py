"""Which agent has the customer, so whose his time is: also once he who had him has left the others to themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from lq.config import documents as doc
from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.contact import Contact
from lq.contacts.view import contact_json
from lq.ledger import fold
from lq.ledger.events import wrong_keys
from lq.ledger.views import Cdr
from tests.unit.contacts.talks import agent_ops, consulting, engaged, hears, monitoring, music, takes, tell
from tests.unit.contacts.test_advance import BOOK, MEDIA, Life

MINUTES_20: Final = 1_200_000
WAYS = pytest.mark.parametrize("how", ["hangs up", "by command", "is lost"])


def leaves(life: Life, n: int, how: str = "hangs up") -> None:
    if how == "by command":
        assert tell(life, "hang_up", agent=life.contact.legs[n].agent) == (200, "")
    else:
        life.take(inputs.Ended(n, "bye" if how == "hangs up" else "gone"))


def conferring() -> Life:
    """The customer, 1001 who had him, and 1002 (legs 1 to 3)."""
    life = consulting()
    assert tell(life, "transfer_conference") == (200, "")
    return life


def joined_by(life: Life, n: int, agent: str = "1901") -> Life:
    assert tell(life, "transfer_conference", to=agent) == (200, "")
    engaged(life, n, agent, f"8{agent[1:]}", 80)
    takes(life, n)
    return life


def stretches(life: Life) -> list[tuple[str, str]]:
    """Of the conversation: what went on, and whose it was."""
    kinds = ("talk", "hold", "consult", "conference")
    return [(one.kind, one.agent) for one in life.contact.segments if one.kind in kinds]


def booked(life: Life) -> tuple[fold.Contact, Cdr]:
    """The customer hangs up after another while, and it is in the books, which say the same of every stretch."""
    life.take(inputs.Ended(life.contact.customer.n), MINUTES_20)
    assert not [event for event in life.ledger if wrong_keys(event)]
    view = fold.contact(life.ledger)
    assert view is not None
    cdr = fold.cdr(view)
    assert cdr is not None
    told = [(one.kind, one.agent or "") for one in view.segments if one.kind in fold.CONVERSATION]
    assert told == stretches(life)
    return view, cdr


def talked_s(view: fold.Contact, agent: str | None) -> float:
    """As the team's page counts it."""
    his = (one for one in view.segments if one.agent == agent and one.kind in ("talk", "conference"))
    return round(sum(one.duration_s or 0 for one in his), 3)


@WAYS
def test_the_adviser_has_the_customer_once_the_agent_has_left_the_conference(how: str) -> None:
    life = conferring()
    answered_at = life.contact.answered_at
    leaves(life, 2, how)
    assert hears(life) == {1: "leg:3", 3: "leg:1"} and agent_ops(life)[-1] == ("1001", "release", "answered")
    assert life.contact.agent == contact_json(life.contact.to_json())["agent"] == "1002"
    assert stretches(life)[-2:] == [("conference", "1001"), ("talk", "1002")]
    assert life.events[-1] == "contact_resumed" and life.ledger[-1].data["agent"] == "1002"
    view, cdr = booked(life)
    assert ("1002", "release", "answered") in agent_ops(life)
    assert cdr.agent == view.agent == "1002" and talked_s(view, "1002") == MINUTES_20 / 1000
    assert 0 < talked_s(view, "1001") < 1
    assert life.events.count("contact_answered") == 1, "he was answered once, and waited as long as he did"
    assert cdr.answered_at == view.answered_at == answered_at == life.contact.answered_at
    assert cdr.queued_at is not None and cdr.wait_s == (answered_at - cdr.queued_at) / 1000


@WAYS
def test_the_agent_keeps_the_customer_when_the_adviser_leaves(how: str) -> None:
    life = conferring()
    leaves(life, 3, how)
    assert stretches(life)[-2:] == [("conference", "1001"), ("talk", "1001")]
    assert booked(life)[1].agent == "1001"


def test_he_keeps_him_while_he_is_on_hold_and_no_longer() -> None:
    """1001 leaves the customer and 1002 to themselves for a while, and then for good."""
    life = conferring()
    assert tell(life, "hold") == (200, "")
    assert (life.contact.agent, stretches(life)[-1]) == ("1001", ("talk", "1001"))
    leaves(life, 2)
    assert (life.contact.agent, stretches(life)[-2:]) == ("1002", [("talk", "1001"), ("talk", "1002")])
    assert booked(life)[1].agent == "1002"


def test_the_cdr_hears_of_him_who_held_and_has_the_customer_again() -> None:
    """Handed on to 1002, who has 1901 join and holds; 1901 has him, until he is left to 1002 again."""
    life = conferring()
    leaves(life, 2)
    assert tell(life, "transfer_conference", agent="1002", to="agent:1901") == (200, "")
    engaged(life, 4, "1901", "8901", 80)
    takes(life, 4)
    leaves(life, 3)
    assert life.contact.agent == "1901"
    assert tell(life, "transfer_conference", agent="1901", to="agent:1002") == (200, "")
    engaged(life, 5, "1002", "8002", 81)
    takes(life, 5)
    assert tell(life, "hold", agent="1002") == (200, "")
    leaves(life, 4)
    assert music(life, 1) and (life.contact.agent, stretches(life)[-1]) == ("1002", ("hold", "1002"))
    assert booked(life)[1].agent == "1002"


def test_of_more_the_next_has_him_and_the_conference_goes_on() -> None:
    life = joined_by(conferring(), 4)
    leaves(life, 2)
    assert stretches(life)[-2:] == [("conference", "1001"), ("conference", "1002")]
    assert life.events[-1] == "contact_conferring" and life.ledger[-1].data["agent"] == "1002"
    leaves(life, 3)
    assert stretches(life)[-1] == ("talk", "1901")
    assert booked(life)[1].agent == "1901"


def test_a_hold_goes_on_for_him_who_holds() -> None:
    """Both hold, and he who had the customer leaves."""
    life = conferring()
    tell(life, "hold", agent="1002")
    tell(life, "hold", agent="1001")
    assert music(life, 1)
    leaves(life, 2)
    assert music(life, 1) and stretches(life)[-2:] == [("hold", "1001"), ("hold", "1002")]
    assert booked(life)[1].agent == "1002"


def test_whose_media_stands_only_afterwards_has_him_from_then_on() -> None:
    life = Life().talking()
    assert tell(life, "transfer_conference", to="1002") == (200, "")
    engaged(life, 3)
    life.take(inputs.Accepted(3, "answer"))
    leaves(life, 2)
    assert life.contact.agent == "1002"
    life.take(inputs.MediaReady(3, MEDIA, "PCMA"))
    assert hears(life) == {1: "leg:3", 3: "leg:1"} and stretches(life)[-2:] == [("talk", "1001"), ("talk", "1002")]
    assert booked(life)[1].agent == "1002"


def test_he_who_consults_has_him_and_who_is_asked_has_not() -> None:
    life = conferring()
    assert tell(life, "transfer", agent="1002", to="agent:1901", mode="consult") == (200, "")
    engaged(life, 4, "1901", "8901", 80)
    takes(life, 4)
    leaves(life, 2)
    assert music(life, 1) and stretches(life)[-2:] == [("consult", "1001"), ("consult", "1002")]
    assert tell(life, "transfer_cancel", agent="1002") == (200, "")
    assert booked(life)[1].agent == "1002"


def test_he_who_waits_with_the_customer_has_him_whom_nobody_takes() -> None:
    life = conferring()
    assert tell(life, "transfer", to="agent:1901", mode="blind") == (200, "")
    engaged(life, 4, "1901", "8901", 80)
    life.take(inputs.Rejected(4, 486))
    assert hears(life) == {1: "leg:3", 3: "leg:1"} and stretches(life)[-1] == ("talk", "1002")
    assert booked(life)[1].agent == "1002"


def test_sent_on_he_is_his_who_sent_him_until_somebody_answers() -> None:
    life = Life().talking()
    assert tell(life, "transfer", to="agent:1002", mode="blind") == (200, "")
    engaged(life, 3)
    assert (life.contact.agent, stretches(life)[-1]) == ("1001", ("hold", "1001"))
    takes(life, 3)
    assert (life.contact.agent, stretches(life)[-1]) == ("1002", ("talk", "1002"))


def with_a_number_outside() -> Life:
    """The customer, 1001, and an expert outside whom he has had join (leg 3)."""
    life = Life().talking()
    assert tell(life, "transfer_conference", to="62345678") == (200, "")
    life.take(inputs.LookedUp(3, ()))
    life.take(inputs.ChannelSeized(3, "gw1", 7))
    life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    takes(life, 3)
    assert stretches(life)[-1] == ("conference", "1001")
    return life


def test_the_time_with_a_number_outside_is_nobodys() -> None:
    """The CDR still names him who had the customer last."""
    life = with_a_number_outside()
    leaves(life, 2)
    assert stretches(life)[-1] == ("talk", "") and life.ledger[-1].data["agent"] == ""
    life.take(inputs.MediaReoffered(1, MEDIA, "answer", held=True))
    assert stretches(life)[-1] == ("hold", "")
    view, cdr = booked(life)
    assert cdr.agent == view.agent == "1001" and talked_s(view, "1001") < 1


def test_a_leader_who_has_barged_in_has_him_only_when_he_is_left_alone_with_him() -> None:
    life = monitoring("barge")
    assert stretches(life)[-1] == ("conference", "1001")
    leaves(life, 2)
    assert hears(life) == {1: "leg:3", 3: "leg:1"} and stretches(life)[-1] == ("talk", "1901")
    assert booked(life)[1].agent == "1901"
    life = conferring()
    assert tell(life, "monitor", agent="1901", mode="barge") == (200, "")
    engaged(life, 4, "1901", "8901", 70)
    takes(life, 4)
    leaves(life, 2)
    assert stretches(life)[-1] == ("conference", "1002")
    life = with_a_number_outside()
    assert tell(life, "monitor", agent="1901", mode="barge") == (200, "")
    engaged(life, 4, "1901", "8901", 70)
    takes(life, 4)
    leaves(life, 2)
    assert (life.contact.agent, stretches(life)[-1]) == ("1001", ("conference", ""))


def test_a_customer_who_has_left_is_his_who_had_him_last() -> None:
    """Of three who go on among themselves he leaves too: their time is not his."""
    life = joined_by(conferring(), 4)
    leaves(life, 1)
    assert stretches(life)[-1] == ("conference", "1001")
    leaves(life, 2)
    assert (life.contact.agent, stretches(life)[-1]) == ("1001", ("talk", ""))
    leaves(life, 3)
    view = fold.contact(life.ledger)
    assert life.contact.state == "ending" and view is not None and view.agent == "1001"


def test_whoever_has_the_customer_has_a_word_on_recording() -> None:
    life = conferring()
    book = replace(BOOK, agents={**BOOK.agents, "1002": doc.Agent("1002", "李娜", ("sales",), recording="none")})
    life.book = book
    assert life.contact.recording is not None and life.contact.recording.state == "active"
    leaves(life, 2)
    assert life.contact.recording.state == "stopping"
    assert any(isinstance(effect, do.PauseRecording) for effect in life.effects)


def test_a_contact_of_a_node_of_before_is_set_right_with_what_happens_next() -> None:
    """Its snapshot names 1001, who has left."""
    life = conferring()
    leaves(life, 2)
    was = [replace(one, agent="1001") for one in life.contact.segments]
    old = replace(life.contact, agent="1001", segments=tuple(was))
    life.contact = Contact.from_json(old.to_json())
    life.take(inputs.Adopted("lq2-1"))
    assert tell(life, "hold", agent="1002") == (200, "")
    assert (life.contact.agent, stretches(life)[-1]) == ("1002", ("hold", "1002"))


def test_inside_he_who_was_called_leaves_and_he_who_joined_has_the_caller() -> None:
    life = Life(called="8002", source="phone:8001")
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    life.take(inputs.Engaged(1, "1001", "8001", 21))
    life.take(inputs.Engaged(2, "1002", "8002", 22))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    takes(life, 2)
    assert tell(life, "transfer_conference", agent="1002", to="agent:1901") == (200, "")
    engaged(life, 3, "1901", "8901", 80)
    takes(life, 3)
    leaves(life, 2)
    assert (life.contact.agent, stretches(life)[-1]) == ("1901", ("talk", "1901"))
