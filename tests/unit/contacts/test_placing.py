"""Calls that agents place: from the phone, from the desk, to colleagues; who is taken, and what becomes of him."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lq.contacts import advance as rule
from lq.contacts import effects as do
from lq.contacts import inputs, placing
from lq.contacts.holds import bound
from lq.contacts.view import contact_json
from lq.ledger import fold
from tests.unit.contacts.test_advance import BOOK, MEDIA, Life, kinds

FENCE = 21
NUMBER = "62345678"


def of(kind: type[do.Effect], effects: Sequence[do.Effect]) -> list[do.Effect]:
    return [effect for effect in effects if isinstance(effect, kind)]


def ops(effects: Sequence[do.Effect]) -> list[tuple[str, str]]:
    return [(e.op, e.outcome) for e in effects if isinstance(e, do.AgentOp)]


def past_the_gate(life: Life) -> Life:
    """No list has the number that is called."""
    if of(do.LookUp, life.effects):
        life.take(inputs.LookedUp(1, ()))
    return life


def wanted(to: str = NUMBER) -> Life:
    return past_the_gate(Life.wanted(to))


def dialled(to: str) -> Life:
    return past_the_gate(Life(to, "phone:8001", "8001"))


def asked(to: str = NUMBER) -> Life:
    """His phone is being called."""
    life = wanted(to)
    life.take(inputs.Engaged(1, "1001", "8001", FENCE))
    life.take(inputs.MediaReady(1, MEDIA, "", "offer"))
    return life


def on_the_line(to: str = NUMBER) -> Life:
    life = asked(to)
    life.take(inputs.Progress(1, 180))
    life.take(inputs.Accepted(1, "his answer"))
    life.take(inputs.MediaReady(1, MEDIA, "PCMA"))
    return life


# -- from the phone ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("called", [NUMBER, "8002", "4008001009"])
def test_a_phone_that_calls_never_waits_for_its_agent(called: str) -> None:
    life = Life(called, "phone:8001", "8001")
    assert do.Engage(1, phone="8001", own=True) in life.effects  # by its first commit: no queue offers him anything
    assert kinds(past_the_gate(life).effects)[-1] == "PrepareIncoming"
    assert life.take(inputs.EngageRefused(1, "", "signed_out")) == []
    assert life.contact.state == "arriving"


def test_who_dials_out_is_dialing_then_talking_then_tidies_up_by_the_rules_of_his_queue() -> None:
    life = dialled(NUMBER)
    life.take(inputs.Engaged(1, "1001", "8001", FENCE))
    assert bound(life.contact) == [("1001", "8001", FENCE, "dialing")]
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    life.take(inputs.ChannelSeized(2, "gw1", 1))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer out"))
    assert ops(life.take(inputs.Accepted(2, "sdp"))) == [("talking", "")]
    assert bound(life.contact) == [("1001", "8001", FENCE, "talking")]
    effects = life.take(inputs.Ended(2, cause=16))
    assert do.AgentOp("1001", FENCE, "release", "answered", wrap_up_ms=20_000, max_no_answer=3) in effects
    life.cleared()
    folded = fold.contact(life.ledger)
    cdr = folded and fold.cdr(folded)
    assert cdr is not None and cdr.agent == "1001"


def test_who_reaches_nobody_is_what_he_was() -> None:
    life = dialled(NUMBER)
    life.take(inputs.Engaged(1, "1001", "8001", FENCE))
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    assert ops(life.take(inputs.Cancelled(1))) == [("release", "caller_gone")]


def test_an_answer_of_redis_that_comes_late_is_taken_as_it_stands() -> None:
    life = dialled(NUMBER)
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    life.take(inputs.ChannelSeized(2, "gw1", 1))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer out"))
    life.take(inputs.Accepted(2, "sdp"))
    assert ops(life.take(inputs.Engaged(1, "1001", "8001", FENCE))) == [("talking", "")]
    life.take(inputs.Ended(1))
    assert ops(life.take(inputs.Engaged(1, "1001", "8001", 22))) == [("release", "caller_gone")]


# -- a colleague ---------------------------------------------------------------------------------------------------
def colleague(number: str = "8002") -> Life:
    life = Life(number, "phone:8001", "8001")
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    return life


@pytest.mark.parametrize("number", ["8002", "1001"])
def test_a_colleague_is_taken_before_his_phone_rings(number: str) -> None:
    life = colleague(number)
    [engage] = of(do.Engage, life.effects)
    assert engage == do.Engage(2, "1001" if number == "1001" else "", "8002" if number == "8002" else "", False, 75_000)
    assert life.take(inputs.Engaged(2, "1001", "8002", FENCE, "webrtc")) == [
        do.Ring(1),
        do.PrepareOutgoing(2, "webrtc"),
    ]
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    assert ops(life.take(inputs.Progress(2, 180))) == [("ringing", "")]
    effects = life.take(inputs.Accepted(2, "sdp"))
    assert ops(effects) == [("talking", "")] and do.Answer(1, "answer") in effects
    assert ops(life.take(inputs.Ended(1))) == [("release", "answered")]


@pytest.mark.parametrize("state", ["reserved", "ringing", "dialing", "talking"])
def test_who_is_with_a_contact_is_busy(state: str) -> None:
    effects = colleague().take(inputs.EngageRefused(2, "1001", state))
    assert [(e.code, e.cause) for e in effects if isinstance(e, do.Reject)] == [(486, 17)]


def test_who_is_paused_is_called_and_shown_so() -> None:
    life = colleague()
    effects = life.take(inputs.EngageRefused(2, "1001", "paused"))
    assert effects == [do.Engage(2, phone="8002", own=True)]
    assert life.take(inputs.Engaged(2, "1001", "8002", FENCE)) == [do.Ring(1), do.PrepareOutgoing(2)]


def test_a_phone_rings_though_nobody_says_whether_somebody_is_there() -> None:
    life = colleague()
    assert life.due("engage") == [do.Ring(1), do.PrepareOutgoing(2)]
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    life.take(inputs.Progress(2, 180))
    assert ops(life.take(inputs.Engaged(2, "1001", "8002", FENCE))) == [("ringing", "")]


def test_an_operator_who_is_not_signed_in_has_no_phone() -> None:
    effects = colleague("1001").take(inputs.EngageRefused(2, "1001", "signed_out"))
    assert [(e.code, e.cause) for e in effects if isinstance(e, do.Reject)] == [(480, 19)]


@pytest.mark.parametrize(
    ("given", "outcome", "result"),
    [
        (inputs.Rejected(2, 486), "busy", "busy"),
        (inputs.Due("ring"), "caller_gone", "no_answer"),  # counts against nobody
        (inputs.OfferLost(FENCE), "caller_gone", "failed"),
        (inputs.Cancelled(1), "caller_gone", "abandoned"),
    ],
)
def test_a_colleague_who_does_not_answer_is_let_go(given: inputs.Input, outcome: str, result: str) -> None:
    life = colleague()
    life.take(inputs.Engaged(2, "1001", "8002", FENCE))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    life.take(inputs.Progress(2, 180))
    assert ops(life.take(given)) == [("release", outcome)]
    assert life.contact.result == result


def test_another_node_calls_the_colleague_once_more_and_keeps_him() -> None:
    life = colleague()
    assert do.Engage(2, phone="8002", lease_ms=75_000) in life.take(inputs.Adopted())  # its answer may be lost
    life.take(inputs.Engaged(2, "1001", "8002", FENCE))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    effects = life.take(inputs.Adopted())
    assert do.PrepareOutgoing(3) in effects and ops(effects) == []
    assert bound(life.contact) == [("1001", "8002", FENCE, "reserved")]


# -- from the desk -------------------------------------------------------------------------------------------------
def test_the_agents_phone_first_then_the_number_with_its_ringing() -> None:
    life = wanted()
    assert (life.contact.direction, life.contact.state, contact_json(life.contact.to_json())["agent"]) == (
        "out", "placing", "1001",
    )  # fmt: skip
    assert life.effects[-1] == do.Engage(1, agent="1001", own=True)
    assert life.take(inputs.Engaged(1, "1001", "8001", FENCE)) == [do.Reply("k1", 201), do.PrepareOutgoing(1)]
    [invite] = life.take(inputs.MediaReady(1, MEDIA, "", "offer"))
    assert isinstance(invite, do.Invite)
    assert (invite.uri, invite.caller) == ("sip:8001@phones.lq.internal", "01062345678")
    assert {"Call-Info", "Alert-Info"} <= set(invite.headers), "whatever it is, it may answer by itself"
    assert life.take(inputs.Progress(1, 180)) == []
    assert life.take(inputs.Accepted(1, "his answer")) == [do.Ack(1), do.TakeAnswer(1, "his answer")]
    assert life.take(inputs.MediaReady(1, MEDIA, "PCMA")) == [do.SeizeChannel(2, "gw1")]
    life.take(inputs.ChannelSeized(2, "gw1", 1))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer out"))
    [ring] = life.take(inputs.Progress(2, 180))
    assert isinstance(ring, do.StartPlay) and (ring.leg, ring.items, ring.repeat) == (1, ("tones/ringback",), 0)
    effects = life.take(inputs.Accepted(2, "sdp"))
    assert ops(effects) == [("talking", "")] and not of(do.Answer, effects)
    assert life.take(inputs.MediaReady(2, MEDIA, "PCMU")) == [do.Connect(1, 2)]
    effects = life.take(inputs.Ended(2, cause=16))
    assert ops(effects) == [("release", "answered")] and do.Bye(1, 16) in effects
    assert (life.contact.result, life.contact.ended_by) == ("answered", "caller")


def test_early_media_of_the_network_takes_the_place_of_our_tone() -> None:
    life = on_the_line()
    life.take(inputs.ChannelSeized(2, "gw1", 1))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer out"))
    life.take(inputs.Progress(2, 180))
    life.take(inputs.Progress(2, 183, "early"))
    assert life.take(inputs.MediaReady(2, MEDIA, "PCMA")) == [do.Connect(1, 2)]


@pytest.mark.parametrize(
    ("given", "outcome", "result"),
    [
        (inputs.Rejected(1, 486), "busy", "busy"),
        (inputs.Rejected(1, 603), "caller_gone", "refused"),
        (inputs.Rejected(1, 404), "unreachable", "failed"),
        (inputs.Due("ring"), "caller_gone", "no_answer"),
        (inputs.Command("k2", "hang_up"), "caller_gone", "abandoned"),
        (inputs.MediaFailed(1, "refused"), "caller_gone", "failed"),
    ],
)
def test_an_agent_who_does_not_answer_calls_nobody(given: inputs.Input, outcome: str, result: str) -> None:
    life = asked()
    effects = life.take(given)
    assert ops(effects) == [("release", outcome)] and life.contact.result == result
    assert not of(do.SeizeChannel, life.effects) and "contact_dialed" not in life.events


def test_a_browser_that_nobody_knew_for_one_is_called_as_the_same_leg() -> None:
    life = asked()
    assert life.take(inputs.Rejected(1, 488)) == [do.DeleteMedia(1), do.PrepareOutgoing(1, "webrtc")]
    life.take(inputs.MediaDeleted(1))
    assert kinds(life.take(inputs.MediaReady(1, {"kind": "webrtc"}, "", "offer"))) == ["Invite"]
    assert life.contact.legs[1].state == "inviting"
    life.take(inputs.Rejected(1, 488))
    assert life.contact.result == "refused"


@pytest.mark.parametrize(("state", "status"), [("talking", 409), ("signed_out", 409), ("settling", 503)])
def test_an_agent_who_is_not_to_be_had_is_told_so(state: str, status: int) -> None:
    life = wanted()
    effects = life.take(inputs.EngageRefused(1, "1001", state))
    assert [e.status for e in effects if isinstance(e, do.Reply)] == [status]
    assert life.contact.state == "over" and ops(effects) == []


def test_a_live_state_that_does_not_answer() -> None:
    life = wanted()
    assert [e.status for e in life.due("engage") if isinstance(e, do.Reply)] == [503]
    assert life.contact.state == "over"


@pytest.mark.parametrize("moment", ["before he is ours", "while his phone rings", "as he answers", "when it is gone"])
def test_another_node_calls_his_phone_anew(moment: str) -> None:
    life = wanted()
    if moment == "before he is ours":
        assert do.Engage(1, agent="1001", own=True) in life.take(inputs.Adopted())
        return
    life = asked()
    life.take(inputs.Progress(1, 180))
    effects = life.take(inputs.Adopted())
    assert of(do.Cancel, effects) and effects[-2:] == [do.DeleteMedia(1), do.PrepareOutgoing(1)]
    if moment == "as he answers":
        assert life.take(inputs.Accepted(1, "crossed")) == [do.Ack(1), do.Bye(1, 16)]
    if moment == "when it is gone":
        assert life.take(inputs.Rejected(1, 487)) == []
    assert kinds(life.take(inputs.MediaReady(1, MEDIA, "", "offer"))) == ["Invite"]
    life.take(inputs.Accepted(1, "his answer"))
    life.take(inputs.MediaReady(1, MEDIA, "PCMA"))
    assert life.contact.state == "dialing"


def test_another_node_goes_on_where_he_had_just_answered() -> None:
    life = asked()
    life.take(inputs.Accepted(1, "his answer"))
    assert do.TakeAnswer(1, "his answer") in life.take(inputs.Adopted())
    life.take(inputs.MediaReady(1, MEDIA, "PCMA"))
    assert life.contact.state == "dialing"


@pytest.mark.parametrize(
    ("to", "state"),
    [
        *(("phone:8002", "calling"), ("8002", "calling"), ("queue:sales", "queueing"), ("ivr:main", "ivr")),
        ("conference:board", "conference"),
    ],
)
def test_inside_the_house(to: str, state: str) -> None:
    life = on_the_line(to)
    assert (life.contact.direction, life.contact.state) == ("internal", state)


def test_a_colleague_answers_at_his_desk() -> None:
    life = on_the_line("phone:8002")
    life.take(inputs.EngageRefused(2, "", "signed_out"))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    [ring] = life.take(inputs.Progress(2, 180))
    assert isinstance(ring, do.StartPlay) and ring.leg == 1
    assert ops(life.take(inputs.Accepted(2, "sdp"))) == [("talking", "")]
    assert life.take(inputs.MediaReady(2, MEDIA, "PCMA")) == [do.Connect(1, 2)]


@pytest.mark.parametrize(
    ("agent", "to", "status", "code"),
    [
        ("9999", NUMBER, 404, "not_found"),
        ("1001", "*70", 422, "invalid"),
        ("1001", "queue:nowhere", 422, "invalid"),
        ("1001", "conference:1", 422, "invalid"),
        ("1001", "8001", 422, "invalid"),
        ("1001", "agent:1001", 422, "invalid"),
        ("1001", "13800138000", 403, "permission"),
    ],
)
def test_what_cannot_be_begins_nothing(agent: str, to: str, status: int, code: str) -> None:
    refused = rule.place(inputs.Wanted("c1", "k1", agent, "8001", to, "lq1-1"), 1_700_000_000_000, BOOK)
    assert isinstance(refused, placing.Refused) and (refused.status, refused.code) == (status, code)


def test_why_it_was_refused_is_remembered_for_who_asks_again() -> None:
    life = Life.wanted("agent:1002")
    effects = life.take(inputs.EngageRefused(1, "1001", "talking"))
    [reply] = [effect for effect in effects if isinstance(effect, do.Reply)]
    [refused] = life.contact.refused
    assert (reply.command, reply.status, reply.error, reply.message) == (
        *(refused.id, refused.status, refused.error, refused.message),
    )
    assert (refused.id, refused.status) == ("k1", 409)
