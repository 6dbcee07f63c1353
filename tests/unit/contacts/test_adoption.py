"""A contact whose node died, in each state: what the adopter says and commands once more."""

from __future__ import annotations

import pytest

from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.contact import Contact
from tests.unit.contacts.talks import consulting, tell
from tests.unit.contacts.test_advance import MEDIA, Life, kinds


def adopted(life: Life) -> list[do.Effect]:
    """By way of the snapshot, as the other node gets it."""
    life.contact = Contact.from_json(life.contact.to_json())
    return life.take(inputs.Adopted(), 2000)


def test_in_the_menu_the_prompt_goes_on_where_it_would_be() -> None:
    life = Life().answered()
    play = life.contact.customer.play
    assert play is not None
    assert adopted(life) == [
        do.StartPlay(1, play.id, play.items, play.repeat, play.started_at),
    ]
    life.played()
    life.take(inputs.Digit(1, "1"))
    assert life.contact.state == "queueing"


def test_a_recording_that_was_only_planned_is_started() -> None:
    life = Life()
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    assert do.StartRecording(1, "c1-r1") in adopted(life)


def test_who_waits_keeps_his_place_and_is_asked_for_again() -> None:
    life = Life().queued()
    before = life.contact.line
    asked = [effect for effect in adopted(life) if isinstance(effect, do.Ask)]
    assert before and [(ask.request, ask.lanes) for ask in asked] == [(2, before.lanes)]
    assert life.contact.deadlines["max_wait"] == before.since + 600_000


def test_a_ringing_phone_is_stopped_and_the_agent_asked_for_again() -> None:
    life = Life().offered()
    life.take(inputs.Progress(2, 180))
    effects = adopted(life)
    assert [kind for kind in kinds(effects) if kind != "StartPlay"] == [
        "Cancel", "DeleteMedia", "AgentOp", "Ask",
    ]  # fmt: skip
    assert next(e for e in effects if isinstance(e, do.AgentOp)).outcome == "caller_gone"
    life.take(inputs.Reserved(2, "1001", "8001", 18, "sales"))
    assert life.contact.offer and life.contact.offer.leg == 3


def test_talking_goes_on_and_what_was_commanded_is_commanded_again() -> None:
    life = Life().talking()
    assert adopted(life) == [do.Connect(1, 2)]
    effects = life.take(inputs.Ended(2, "bye", 16))
    assert do.Bye(1, 16) in effects and life.contact.result == "answered"


def test_an_answer_that_was_not_joined_yet_is_joined() -> None:
    life = Life().offered()
    life.take(inputs.Accepted(2, "agent answer"))
    assert do.TakeAnswer(2, "agent answer") in adopted(life)
    assert life.take(inputs.MediaReady(2, MEDIA, "PCMU")) == [do.Connect(1, 2)]


def test_on_hold_the_music_goes_on() -> None:
    life = Life().talking()
    life.take(inputs.MediaReoffered(2, MEDIA, "answer", held=True))
    plays = [effect for effect in adopted(life) if isinstance(effect, do.StartPlay)]
    assert [(play.leg, play.items, play.repeat) for play in plays] == [(1, ("music/hold",), 0)]


def test_an_end_that_was_decided_is_carried_out() -> None:
    life = Life().talking()
    life.take(inputs.Ended(1, "bye", 16))
    assert life.contact.state == "ending"
    assert adopted(life) == [do.Bye(1, 16), do.DeleteMedia(1), do.Bye(2, 16), do.DeleteMedia(2)]
    assert life.cleared().contact.state == "over"


def test_a_phone_that_calls_a_phone_hears_it_ring_again() -> None:
    life = Life("8002", "phone:8001", "8001")
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    life.take(inputs.EngageRefused(2, "", "signed_out"))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    effects = adopted(life)
    assert do.Cancel(2, "Q.850;cause=16") in effects and do.PrepareOutgoing(3) in effects
    life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    effects = life.take(inputs.Accepted(3, "answered"))
    assert do.Answer(1, "answer") in effects and life.contact.state == "talking"


def test_an_invite_whose_offer_is_lost_is_refused() -> None:
    life = Life()
    assert do.Reject(1, 500, 41) in adopted(life)


@pytest.mark.parametrize("change", ["flow", "node"])
def test_a_menu_that_was_changed_meanwhile_is_heard_from_its_start(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lq.config import documents as doc
    from tests.unit.contacts import test_advance

    life = Life().answered()
    life.played()
    flows = {
        "flow": {},
        "node": {"main": doc.Flow("main", "bye", {"bye": {"kind": "notice", "prompt": "goodbye", "next": "end"},
                                                  "end": {"kind": "hang_up"}})},
    }[change]  # fmt: skip
    monkeypatch.setattr(test_advance, "BOOK", test_advance.replace(test_advance.BOOK, flows=flows))
    plays = [effect for effect in adopted(life) if isinstance(effect, do.StartPlay)]
    assert plays[-1].items == (f"zh/{'technical_error' if change == 'flow' else 'goodbye'}",)


def test_who_was_alone_is_parked_once_more() -> None:
    """He may still be in the room that he has left for a while."""
    life = consulting()
    tell(life, "transfer_conference")
    tell(life, "hold")
    assert [effect for effect in adopted(life) if isinstance(effect, do.Park | do.Connect)] == [
        do.Connect(1, 3), do.Park(2),
    ]  # fmt: skip
