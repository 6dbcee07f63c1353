"""A phone calls a number outside: channels, trunks, early media, ends."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lq.contacts import effects as do
from lq.contacts import inputs
from lq.ledger import fold
from tests.unit.contacts.test_advance import MEDIA, Life

CHANNEL = 7


def passed(called: str = "62345678", source: str = "phone:8001") -> Life:
    """No list has the number. An emergency is not looked for in lists."""
    life = Life(called=called, source=source)
    if of(do.LookUp, life.effects):
        assert do.Engage(1, phone=source.removeprefix("phone:"), own=True) in life.effects
        assert life.take(inputs.LookedUp(1, ())) == [do.PrepareIncoming(1, "offer")]
    return life


def dialled(called: str = "62345678", source: str = "phone:8001") -> Life:
    """Past the gate; its phone's media stands, a channel is asked for."""
    life = passed(called, source)
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    return life


def inviting(called: str = "62345678") -> Life:
    life = dialled(called)
    life.take(inputs.ChannelSeized(2, "gw1", CHANNEL))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer out"))
    return life


def of(kind: type[do.Effect], effects: Sequence[do.Effect]) -> list[do.Effect]:
    return [effect for effect in effects if isinstance(effect, kind)]


def test_channel_before_invite_and_the_answer_joins_them() -> None:
    life = passed("9-62345678")
    assert life.contact.direction == "out"
    assert (life.contact.number.e164, life.contact.number.kind) == ("+861062345678", "fixed")
    assert life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer")) == [do.SeizeChannel(2, "gw1")]
    assert life.take(inputs.ChannelSeized(2, "gw1", CHANNEL)) == [do.PrepareOutgoing(2)]
    uri = "sip:62345678@out.lq.internal;trunk=gw1"
    invite = do.Invite(2, uri, "offer out", "01088001000", {"X-LQ-Contact": "c1"}, "gw1")
    assert life.take(inputs.MediaReady(2, MEDIA, "", "offer out")) == [invite]
    assert life.take(inputs.Progress(2, 100)) == []
    assert life.take(inputs.Progress(2, 180)) == [do.Ring(1)]
    assert life.take(inputs.Progress(2, 180)) == []
    effects = life.take(inputs.Accepted(2, "their answer"), after_ms=3_000)
    assert effects == [
        do.Ack(2),
        do.Answer(1, "answer"),
        do.TakeAnswer(2, "their answer"),
        do.StartRecording(2, "c1-r1"),
    ]
    assert life.take(inputs.MediaReady(2, MEDIA, "PCMU")) == [do.Connect(1, 2)]
    life.take(inputs.Ended(2, cause=16), after_ms=20_000)
    life.cleared()
    contact = fold.contact(life.ledger)
    cdr = contact and fold.cdr(contact)
    assert cdr is not None
    assert (cdr.direction, cdr.result, cdr.ended_by, cdr.trunk) == ("out", "answered", "caller", "gw1")
    assert (cdr.number, cdr.ring_s, cdr.talk_s) == ("+861062345678", 3.05, 20.01)


def test_early_media_is_heard_and_the_answer_keeps_it() -> None:
    life = inviting()
    assert life.take(inputs.Progress(2, 183, "early")) == [do.TakeAnswer(2, "early")]
    assert life.take(inputs.MediaReady(2, MEDIA, "PCMA")) == [do.Ring(1, 183, "answer"), do.Connect(1, 2)]
    assert life.take(inputs.Progress(2, 180)) == []
    effects = life.take(inputs.Accepted(2, "final"))
    assert effects[:3] == [do.Ack(2), do.Answer(1, "answer"), do.TakeAnswer(2, "final")]
    assert life.take(inputs.MediaReady(2, MEDIA, "PCMA")) == [do.Connect(1, 2)]


@pytest.mark.parametrize("first", [inputs.MediaReady(2, MEDIA, "PCMA"), inputs.MediaFailed(2, "refused")])
def test_the_last_of_several_descriptions_is_heard(first: inputs.Input) -> None:
    """The second comes while the first is being set up."""
    life = inviting()
    life.take(inputs.Progress(2, 183, "the exchange's"))
    assert life.take(inputs.Progress(2, 183, "the ring-back server's")) == []
    assert do.TakeAnswer(2, "the ring-back server's") in life.take(first)
    assert life.take(inputs.Progress(2, 183, "the ring-back server's")) == []
    assert life.take(inputs.MediaReady(2, MEDIA, "PCMU")) == [do.Ring(1, 183, "answer"), do.Connect(1, 2)]
    assert life.take(inputs.Progress(2, 183, "the exchange's")) == [do.TakeAnswer(2, "the exchange's")]
    life.take(inputs.Accepted(2, "final"))
    life.take(inputs.MediaReady(2, MEDIA, "PCMA"))
    assert life.take(inputs.MediaReady(2, MEDIA, "PCMA"))[-1] == do.Connect(1, 2)
    assert life.events.count("leg_answered") == 2


@pytest.mark.parametrize("early", [inputs.MediaReady(2, MEDIA, "PCMA"), inputs.MediaFailed(2, "refused")])
@pytest.mark.parametrize("crosses", [True, False])
def test_an_answer_is_told_once_when_its_early_media_stands_or_fails_late(early: inputs.Input, crosses: bool) -> None:
    life = inviting()
    life.take(inputs.Progress(2, 183, "early"))
    for given in (inputs.Accepted(2, "final"), early) if crosses else (early, inputs.Accepted(2, "final")):
        life.take(given)
    assert life.contact.state == "talking" and life.contact.legs[2].pending_sdp == "final"
    assert do.Connect(1, 2) in life.take(inputs.MediaReady(2, MEDIA, "PCMU"))
    assert [e.data["codec"] for e in life.ledger if e.type == "leg_answered" and e.data["leg"] == "c1.2"] == ["PCMU"]


@pytest.mark.parametrize(
    ("refusal", "goes_on"),
    [
        (inputs.Rejected(2, 503, 34), True),
        (inputs.Rejected(2, 503), True),
        (inputs.Rejected(2, 502, 27), True),
        (inputs.Rejected(2, 408), True),  # a gateway that says nothing
        (inputs.Rejected(2, 486, 17), False),
        (inputs.Rejected(2, 404, 1), False),
        (inputs.Rejected(2, 603), False),
    ],
)
def test_what_tells_of_the_trunk_leads_to_the_next(refusal: inputs.Rejected, goes_on: bool) -> None:
    life = inviting()
    effects = life.take(refusal)
    assert do.ReleaseChannel(2, "gw1") in effects and do.DeleteMedia(2) in effects
    assert of(do.SeizeChannel, effects) == ([do.SeizeChannel(3, "gw2")] if goes_on else [])
    assert life.contact.state == ("dialing" if goes_on else "ending")


def test_the_last_trunks_word_is_the_phones() -> None:
    life = inviting()
    life.take(inputs.Rejected(2, 503, 34))
    life.take(inputs.ChannelSeized(3, "gw2", 1))
    life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    effects = life.take(inputs.Rejected(3, 503, 34))
    assert do.Reject(1, 503, 34) in effects
    assert (life.contact.result, life.contact.cause) == ("failed", 34)


@pytest.mark.parametrize("code", [408, 480, 487])
def test_who_was_rung_and_is_refused_by_a_timer_did_not_answer(code: int) -> None:
    life = inviting()
    life.take(inputs.Progress(2, 180))
    life.take(inputs.Rejected(2, code))
    assert (life.contact.result, life.contact.cause) == ("no_answer", 19)


def test_full_trunks_are_not_called() -> None:
    life = dialled()
    assert life.take(inputs.ChannelRefused(2, "gw1")) == [do.ReleaseChannel(2, "gw1"), do.SeizeChannel(3, "gw2")]
    effects = life.take(inputs.ChannelRefused(3, "gw2"))
    assert do.Reject(1, 503, 34) in effects
    assert not of(do.Invite, life.effects)


@pytest.mark.parametrize("called", ["110", "9120"])
def test_an_emergency_waits_for_no_channel(called: str) -> None:
    life = dialled(called, source="phone:8002")  # may call nobody outside
    assert life.effects[-2:] == [do.SeizeChannel(2, "gw1"), do.PrepareOutgoing(2)]
    assert life.take(inputs.ChannelRefused(2, "gw1")) == []
    assert of(do.Invite, life.take(inputs.MediaReady(2, MEDIA, "", "o")))


@pytest.mark.parametrize(
    ("called", "source", "status"),
    [("13800138000", "phone:8001", 403), ("62345678", "phone:8002", 403), ("*70", "phone:8001", 404)],
)
def test_the_gate_refuses_before_anything_is_taken(called: str, source: str, status: int) -> None:
    life = Life(called=called, source=source)
    kinds = {type(effect) for effect in life.effects}
    assert kinds == {do.Emit, do.Reject}
    assert [e.code for e in life.effects if isinstance(e, do.Reject)] == [status]
    assert "contact_dial_refused" in life.events
    assert life.contact.state == "over"


def test_nobody_outside_is_put_through_to_outside() -> None:
    life = Life(called="62345678", source="trunk:gw1")
    assert life.contact.result == "refused"
    assert not of(do.SeizeChannel, life.effects[1:]) or of(do.Reject, life.effects)


def test_the_phone_gives_up_while_it_rings() -> None:
    life = inviting()
    life.take(inputs.Progress(2, 180))
    effects = life.take(inputs.Cancelled(1))
    assert do.Cancel(2, "Q.850;cause=16") in effects and do.DeleteMedia(2) in effects
    assert (life.contact.result, life.contact.ended_by) == ("abandoned", "agent")
    assert life.take(inputs.Accepted(2, "late")) == [do.Ack(2), do.Bye(2, 16)]


def test_nobody_answers() -> None:
    life = inviting()
    life.take(inputs.Progress(2, 180))
    effects = life.due("ring")
    assert do.Cancel(2, "Q.850;cause=19") in effects and do.Reject(1, 480, 19) in effects
    assert life.contact.result == "no_answer"


def test_the_adopter_calls_again_by_the_same_way() -> None:
    life = inviting()
    life.take(inputs.Progress(2, 183, "early"))
    effects = life.take(inputs.Adopted())
    assert do.Cancel(2, "Q.850;cause=16") in effects and do.ReleaseChannel(2, "gw1") in effects
    assert do.SeizeChannel(3, "gw1") in effects
    assert life.take(inputs.ChannelSeized(2, "gw1", 7)) == []  # the old question's answer
    assert life.take(inputs.ChannelSeized(3, "gw1", 8)) == [do.PrepareOutgoing(3)]
