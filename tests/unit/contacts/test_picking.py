"""Pick-up from a phone: its call is a leg of the contact, answered once its agent is taken; or it is told why not."""

from __future__ import annotations

import pytest

from lq.contacts import codes, inbound, inputs, picking
from lq.contacts import effects as do
from lq.contacts.at_the_phone import ELSEWHERE
from tests.unit.contacts.test_advance import BOOK, MEDIA, Life

PICKED = inputs.PickedUp("s9", "offer", "8002")


def ringing() -> Life:
    """At 1001 (leg 2)."""
    life = Life().offered()
    life.take(inputs.Progress(2, 180))
    return life


def colleague() -> Life:
    """8001 has called 8002, which rings (leg 2); nobody is signed in there."""
    life = Life("8002", "phone:8001", "8001")
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    life.take(inputs.EngageRefused(2, "", "signed_out"))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    life.take(inputs.Progress(2, 180))
    return life


def wanted(life: Life, given: inputs.PickedUp = PICKED) -> Life:
    assert life.take(given) == [
        do.TakeSession(3, "s9"),
        do.Engage(3, phone=given.phone, own=True, lease_ms=45_000),
    ]
    return life


def engaged(life: Life) -> Life:
    assert life.take(inputs.Engaged(3, "1002", "8002", 50)) == [do.PrepareIncoming(3, "offer")]
    return life


def test_he_is_taken_and_answered_and_the_other_phone_stops() -> None:
    life = engaged(wanted(ringing()))
    effects = life.take(inputs.MediaReady(3, MEDIA, "PCMA", "our answer"))
    assert effects[:3] == [do.Answer(3, "our answer"), do.AgentOp("1002", 50, "talking"), do.Cancel(2, ELSEWHERE)]
    assert do.AgentOp("1001", 17, "release", "caller_gone") in [
        do.AgentOp(e.agent, e.fence, e.op, e.outcome) for e in effects if isinstance(e, do.AgentOp)
    ]
    assert do.Connect(1, 3) in effects and do.Dequeue() in effects
    contact = life.contact
    assert (contact.state, contact.agent, contact.offer, contact.calls) == ("talking", "1002", None, {})
    assert (contact.legs[3].reservation, contact.legs[3].party, contact.deadlines) == (50, "agent", {})
    [told] = [event.data for event in life.ledger if event.type == "contact_picked_up"]
    assert (told["agent"], told["from_agent"]) == ("1002", "1001")


@pytest.mark.parametrize("life", [ringing, lambda: Life().queued()], ids=["rings", "waits"])
@pytest.mark.parametrize(
    ("said", "code"),
    [
        (inputs.EngageRefused(3, "", "signed_out"), 403),
        (inputs.EngageRefused(3, "1002", "talking"), 486),
        (inputs.EngageRefused(3, "1002", "settling"), 500),
        (inputs.MediaFailed(3, "no_codec"), 488),
        (inputs.MediaFailed(3, "unavailable"), 500),
        (inputs.Due("call:3"), 500),
        (inputs.Adopted("lq2-1"), 500),
    ],
    ids=repr,
)
def test_who_does_not_get_it_is_told_and_the_customer_has_lost_nothing(
    life: Life | object, said: inputs.Input, code: int
) -> None:
    one = life()  # type: ignore[operator]
    n = max(one.contact.legs) + 1
    before = (one.contact.state, one.contact.offer)
    one.take(PICKED)
    renamed = inputs.Due(f"call:{n}") if isinstance(said, inputs.Due) else said
    if hasattr(said, "leg"):
        renamed = type(said)(n, *[getattr(said, name) for name in said.__slots__[1:]])
    if isinstance(said, inputs.MediaFailed | inputs.Due | inputs.Adopted):
        one.take(inputs.Engaged(n, "1002", "8002", 50))
    effects = one.take(renamed)
    assert [e.code for e in effects if isinstance(e, do.Reject)] == [code]
    assert (n, one.contact.legs[n].state, one.contact.calls) == (n, "ended", {})
    if not isinstance(said, inputs.Adopted):
        assert (one.contact.state, one.contact.offer) == before
    releases = [(e.agent, e.outcome) for e in effects if isinstance(e, do.AgentOp) and e.agent == "1002"]
    assert releases == ([] if isinstance(said, inputs.EngageRefused) else [("1002", "caller_gone")])


def test_he_hangs_up_before_he_has_it() -> None:
    life = engaged(wanted(ringing()))
    life.take(inputs.Cancelled(3))
    assert (life.contact.state, life.contact.calls, life.contact.legs[3].state) == ("offering", {}, "ended")
    assert life.take(inputs.MediaReady(3, MEDIA, "PCMA", "answer")) == [do.DeleteMedia(3)]


def test_who_was_called_answers_first() -> None:
    life = engaged(wanted(ringing()))
    effects = life.take(inputs.Accepted(2, "his answer"))
    assert do.Reject(3, 480, 16) in effects
    assert (life.contact.state, life.contact.agent, life.contact.calls) == ("talking", "1001", {})


def test_without_an_offer_our_200_makes_it() -> None:
    life = wanted(ringing(), inputs.PickedUp("s9", "", "8002"))
    assert life.take(inputs.Engaged(3, "1002", "8002", 50)) == [do.PrepareOutgoing(3)]
    life.take(inputs.MediaReady(3, MEDIA, "", "our offer"))
    assert do.Answer(3, "our offer") in life.effects
    assert life.take(inputs.Confirmed(3, "his answer", owed=True)) == [do.TakeAnswer(3, "his answer")]
    assert do.Connect(1, 3) in life.take(inputs.MediaReady(3, MEDIA, "PCMA"))


@pytest.mark.parametrize("agent", ["1002", ""])
def test_a_colleagues_call(agent: str) -> None:
    """Where nobody is signed in, neither here nor there, any phone of the house may take it."""
    life = wanted(colleague(), inputs.PickedUp("s9", "offer", "8003"))
    answer = inputs.Engaged(3, agent, "8003", 50) if agent else inputs.EngageRefused(3, "", "signed_out")
    assert life.take(answer) == [do.PrepareIncoming(3, "offer")]
    effects = life.take(inputs.MediaReady(3, MEDIA, "PCMA", "answer 3"))
    assert do.Answer(1, "answer") in effects and do.Answer(3, "answer 3") in effects and do.Connect(1, 3) in effects
    assert do.Cancel(2, ELSEWHERE) in effects
    assert (life.contact.state, life.contact.agent) == ("talking", agent)


def named(leg: int) -> inputs.PickedUp:
    return inputs.PickedUp("s9", "offer", "8002", leg)


def test_a_phone_that_names_what_rings_gets_it() -> None:
    engaged(wanted(ringing(), named(2)))
    wanted(colleague(), named(2))


def test_another_pick_up_is_under_way() -> None:
    assert wanted(ringing()).take(PICKED) == [do.RefuseSession("s9", 486)]


@pytest.mark.parametrize(
    ("life", "leg", "code"),
    [
        (lambda: Life().talking(), 2, 403),  # a call that goes on
        (lambda: Life().talking(), 0, 480),
        (ringing, 1, 403),  # the customer's
        (ringing, 9, 481),
        (lambda: Life(), 0, 480),
    ],
)
def test_what_cannot_be_taken_is_refused(life: object, leg: int, code: int) -> None:
    assert life().take(named(leg)) == [do.RefuseSession("s9", code)]  # type: ignore[operator]


def test_a_consultation_that_rings_is_the_agents_own() -> None:
    life = Life().talking()
    life.take(inputs.Command("k", "transfer", {"agent": "1001", "to": "agent:1002", "mode": "consult"}))
    assert life.take(named(3)) == [do.RefuseSession("s9", 403)]


def test_whom_a_snapshot_is_for() -> None:
    document = ringing().contact.to_json()
    assert picking.is_for(document, "1002") and picking.is_for(document, "1002", "1001")
    assert not picking.is_for(document, "1001") and not picking.is_for(document, "1002", "1003")
    assert picking.is_for(Life().queued().contact.to_json(), "1002")
    assert not picking.is_for(Life().talking().contact.to_json(), "1002")
    assert not picking.is_for(wanted(ringing()).contact.to_json(), "1003")


@pytest.mark.parametrize(
    ("dialled", "whose"),
    [("*8", ""), ("*81001", "1001"), ("*88002", "8002"), ("*8*", None), ("*43", None), ("8002", None), ("*81a", None)],
)
def test_what_the_code_says(dialled: str, whose: str | None) -> None:
    assert codes.whose(inbound.direct_target("phone", dialled, BOOK)) == whose
