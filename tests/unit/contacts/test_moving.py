"""A leg follows to another rtpengine (P45): what is said to whom, in which order, and when a phone will not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from lq.config.book import Book
from lq.contacts import advance as rule
from lq.contacts import effects as do
from lq.contacts import inputs, moving
from lq.contacts.contact import Contact, Leg, Play, Recording
from lq.trunks.numbers import Number
from tests.unit.contacts.talks import consulting, engaged, hears, takes, tell
from tests.unit.contacts.test_advance import MEDIA, Life

NOBODY = Number("", "", "", "anonymous")
LEGS = {
    1: Leg(1, "customer", "in", "", "answered", media={"engine": "a"}, codec="PCMA/8000", peer="leg:2", place="talk"),
    2: Leg(2, "agent", "out", "", "answered", media={"engine": "a"}, codec="G722/8000", peer="leg:1", place="talk"),
}
TALK = Contact("c", "talking", "in", 0, NOBODY, NOBODY, "trunk:gw1", "queue:sales", legs=LEGS)
LOST = [inputs.MediaLost(n, "engine", "a") for n in (1, 2)]


def after(contact: Contact, *given: inputs.Input, at: int = 0) -> tuple[Contact, list[do.Effect], list[str]]:
    """The contact, what it wants done, the types of its events."""
    wanted: list[do.Effect] = []
    for one in given:
        contact, effects = rule.advance(contact, one, at, Book())
        wanted += effects
    told = [effect.event.type for effect in wanted if isinstance(effect, do.Emit)]
    return contact, [effect for effect in wanted if not isinstance(effect, do.Emit)], told


def steps(n: int) -> Sequence[inputs.Input]:
    return (
        inputs.MediaMoved(n, {"engine": "b"}, f"offer {n}"),
        inputs.OfferAnswered(n, f"answer {n}"),
        inputs.MediaReady(n, {"engine": "b"}, "PCMA/8000"),
    )


def test_both_legs_follow_and_are_joined_when_both_are_there() -> None:
    contact, wanted, told = after(TALK, *LOST)
    assert wanted == [do.Move(1), do.Move(2)] and told == ["leg_media_lost"] * 2
    contact, wanted, told = after(contact, *steps(2))
    assert wanted == [do.Reoffer(2, "offer 2"), do.TakeAnswer(2, "answer 2")] and told == ["leg_media_restored"]
    contact, wanted, _ = after(contact, *steps(1))
    assert wanted == [do.Reoffer(1, "offer 1"), do.TakeAnswer(1, "answer 1"), do.Connect(1, 2)]
    assert [leg.moves for leg in contact.legs.values()] == [0, 0] and contact.state == "talking"


def test_one_leg_follows_and_is_joined_with_the_one_that_stayed() -> None:
    for n in (1, 2):
        _, wanted, _ = after(TALK, LOST[n - 1], *steps(n))
        assert wanted[-1] == do.Connect(1, 2)


@pytest.mark.parametrize(("state", "paused"), [("active", False), ("planned", False), ("paused", True)])
def test_a_recording_goes_on_there(state: str, paused: bool) -> None:
    recorded = replace(TALK, recording=replace(Recording("c-r1", "talk", 1, "active"), state=state))  # type: ignore[arg-type]
    _, wanted, _ = after(recorded, LOST[0], *steps(1))
    assert wanted[-1] == do.ContinueRecording(1, "c-r1", paused)
    _, wanted, _ = after(recorded, LOST[1], *steps(2))
    assert not any(isinstance(each, do.ContinueRecording) for each in wanted)


REFUSED = {"recording_rule": "whole", "recording_order": "off"}


def recorded(state: str, **changes: Any) -> Contact:
    known = Recording("c-r1", "whole", 1, state, "1001", changes=3)  # type: ignore[arg-type]
    return replace(TALK, recording=known, **{"recording_policy": "whole", "recording_rule": "whole", **changes})


def of_recording(contact: Contact) -> list[do.Effect]:
    """What is done of it when its leg is heard again."""
    _, wanted, _ = after(contact, LOST[0], *steps(1))
    kinds = do.StartRecording | do.ContinueRecording | do.PauseRecording | do.ResumeRecording
    return [each for each in wanted if isinstance(each, kinds)]


def test_who_has_refused_is_not_recorded_elsewhere_whatever_became_of_the_stop() -> None:
    """His engine died before it had stopped: what is shown is as before, and what he said holds."""
    contact = recorded("active", **REFUSED)
    assert of_recording(contact) == [
        do.ContinueRecording(1, "c-r1", paused=True),
        do.PauseRecording(1, "c-r1", change=4),
    ]
    for state in ("pausing", "stopping", "paused", "stopped"):
        assert of_recording(recorded(state)) == [do.ContinueRecording(1, "c-r1", paused=True)]


@pytest.mark.parametrize("state", ["resuming", "starting"])
def test_what_shall_go_on_does_so_where_the_leg_is_heard_again(state: str) -> None:
    contact = recorded(state)
    assert of_recording(contact) == [
        do.ContinueRecording(1, "c-r1", paused=True),
        do.ResumeRecording(1, "c-r1", change=4),
    ]
    contact, _, _ = after(contact, LOST[0], *steps(1), inputs.RecordingResumed(1, "k", change=3))
    assert contact.recording is not None and contact.recording.state == state
    contact, _, told = after(contact, inputs.RecordingResumed(1, change=4))
    assert contact.recording is not None and (contact.recording.state, contact.recording.by) == ("active", "1001")
    assert told == [{"resuming": "contact_recording_resumed", "starting": "contact_recording_started"}[state]]


def test_a_recording_that_could_not_be_begun_is_begun_there() -> None:
    assert of_recording(recorded("failed")) == [do.StartRecording(1, "c-r1")]
    assert of_recording(recorded("failed", **REFUSED)) == []


def test_a_leg_that_moves_before_it_was_tried_again_is_not_tried_again() -> None:
    """There was no rtpengine at all; the desk moves it as soon as one is back."""
    contact, _, _ = after(TALK, LOST[0], inputs.MediaFailed(1, "unavailable"))
    assert "move:1" in contact.deadlines
    contact, wanted, _ = after(contact, steps(1)[0])
    assert wanted == [do.Reoffer(1, "offer 1")] and contact.deadlines == {}


def test_what_played_goes_on_where_it_would_be() -> None:
    music = Play("p1", ("music",), 0, 1_000)
    waiting = replace(TALK, state="queueing", legs={1: replace(LEGS[1], peer="mixer", play=music)})
    _, wanted, _ = after(waiting, LOST[0], *steps(1))
    assert wanted[-1] == do.StartPlay(1, "p1", ("music",), 0, 1_000)


@pytest.mark.parametrize(
    "no", [inputs.OfferRefused(1, 488), inputs.OfferRefused(1, 0), inputs.MediaFailed(1, "refused")]
)
def test_a_phone_that_cannot_follow_now_is_asked_again_and_the_call_lives(no: inputs.Input) -> None:
    contact, _, _ = after(TALK, LOST[0])
    for n in range(1, moving.TRIES):
        contact, wanted, _ = after(contact, no, at=n * 10_000)
        assert wanted == [] and contact.deadlines == {"move:1": n * 10_000 + moving.AGAIN_MS}
        contact, wanted, _ = after(contact, inputs.Due("move:1"), at=n * 10_000 + moving.AGAIN_MS)
        assert wanted == [do.Move(1)]
    for n in range(20):  # for as long as it lives, but not as often
        now = 1_000_000 * (n + 1)
        contact, wanted, _ = after(contact, no, at=now)
        assert (wanted, contact.state) == ([], "talking")
        assert contact.deadlines == {"move:1": now + moving.LATER_MS}
        contact, wanted, _ = after(contact, inputs.Due("move:1"), at=now + moving.LATER_MS)
        assert wanted == [do.Move(1)]
    contact, wanted, told = after(contact, *steps(1))
    assert "leg_media_restored" in told and contact.legs[1].moves == 0


def test_loss_is_told_once_and_a_phone_that_changes_its_media_meanwhile_asks_again() -> None:
    contact, _, _ = after(TALK, LOST[0])
    assert after(contact, LOST[0])[1:] == ([], [])
    _, wanted, _ = after(contact, inputs.Reoffered(1, "v=0"))
    assert wanted == [do.RefuseOffer(1, 491)]


def test_an_adopter_asks_again() -> None:
    contact, _, _ = after(TALK, LOST[0])
    _, wanted, _ = after(contact, inputs.Adopted("n"))
    assert do.Move(1) in wanted and not any(isinstance(each, do.Connect) for each in wanted)


@pytest.mark.parametrize("mode", ["consult", "blind"])
def test_a_phone_that_is_called_into_a_talk_is_called_anew(mode: str) -> None:
    """And what it then says counts: the agent who asks has him, the customer who was sent on too."""
    life = Life().talking()
    tell(life, "transfer", to="agent:1002", mode=mode)
    engaged(life, 3)
    life.take(inputs.Progress(3, 180))
    wanted = life.take(inputs.MediaLost(3, "engine", "a"))
    assert do.Cancel(3, "Q.850;cause=16") in wanted and do.PrepareOutgoing(4, "rtp") in wanted
    assert life.contact.calls[4].reservation == 50 and 3 not in life.contact.calls
    life.take(inputs.Rejected(3, 487))
    life.take(inputs.MediaReady(4, MEDIA, "", "offer"))
    takes(life, 4)
    assert hears(life) == ({1: "mixer", 2: "leg:4", 4: "leg:2"} if mode == "consult" else {1: "leg:4", 4: "leg:1"})


def test_a_pick_up_is_called_anew_and_what_rings_rings_on() -> None:
    life = Life().offered()
    life.take(inputs.Progress(2, 180))
    tell(life, "pick_up", agent="1002")
    engaged(life, 3)
    wanted = life.take(inputs.MediaLost(3, "engine", "a"))
    assert do.PrepareOutgoing(4, "rtp") in wanted and do.Cancel(2, "Q.850;cause=16") not in wanted
    assert life.contact.state == "offering" and life.contact.calls[4].reservation == 50


def test_who_leaves_on_the_way_follows_no_more() -> None:
    """The others go on: he is not set up anew for them."""
    life = consulting()
    life.take(inputs.MediaLost(2, "engine", "a"))
    assert tell(life, "transfer_complete") == (200, "")
    for given in steps(2)[:2]:
        assert life.take(given) == []
    assert life.take(steps(2)[2]) == [do.DeleteMedia(2)]
    assert hears(life) == {1: "leg:3", 3: "leg:1"}


def test_the_end_is_the_end() -> None:
    contact, _, _ = after(TALK, LOST[0], inputs.Ended(2))
    assert contact.state == "ending"
    _, wanted, told = after(contact, *steps(1), inputs.MediaLost(1, "engine", "a"))
    assert not any(isinstance(each, do.Move | do.Reoffer | do.Connect) for each in wanted) and told == []


def test_a_silent_phone_is_asked_whether_it_lives_and_told_of_once() -> None:
    contact, wanted, told = after(TALK, inputs.PhoneSilent(2, "a"))
    assert wanted == [do.Probe(2)] and told == ["leg_media_lost"]
    contact, wanted, told = after(contact, inputs.PhoneSilent(2, "a"))
    assert wanted == [do.Probe(2)] and told == []
    contact, wanted, told = after(contact, inputs.PhoneHeard(2, "a"), inputs.PhoneHeard(2, "a"))
    assert wanted == [] and told == ["leg_media_restored"] and contact.state == "talking"
    contact, _, _ = after(contact, inputs.PhoneSilent(2, "a"), inputs.Ended(2, "gone"))
    assert contact.state == "ending"


def test_who_holds_may_be_silent() -> None:
    held = replace(TALK, legs={**LEGS, 2: replace(LEGS[2], held=True)})
    assert after(held, inputs.PhoneSilent(2, "a"))[1:] == ([], [])
