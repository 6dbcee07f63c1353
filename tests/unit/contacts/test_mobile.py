"""An agent's phone is a number outside: the way there, the question, and what each outcome means for the agent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from lq.config import documents as doc
from lq.config.book import Book
from lq.config.validation import to_json, validate
from lq.contacts import effects as do
from lq.contacts import gate, inputs
from lq.contacts.contact import Asking, Contact
from lq.trunks import numbers
from lq.trunks.routes import Plan, Refusal
from tests.unit.contacts.test_advance import BOOK, MEDIA, Life
from tests.unit.contacts.world import World

HIS = "+8613700137000"
PERMITTED = replace(BOOK, agents={"1001": doc.Agent("1001", "王芳", ("sales",), mobile=HIS, mobile_calls="local")})
FENCE = 17


def of(kind: type[do.Effect], effects: Sequence[do.Effect]) -> list[do.Effect]:
    return [effect for effect in effects if isinstance(effect, kind)]


def offered(book: Book = PERMITTED) -> tuple[Life, list[do.Effect]]:
    """A caller waits, and the ACD gives him the agent at his mobile."""
    life = Life(called="4008001001", book=book)
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    while life.contact.line is None:
        life.played()
    return life, life.take(inputs.Reserved(1, "1001", HIS, FENCE, "sales"))


def asked() -> Life:
    life, _ = offered()
    life.take(inputs.ChannelSeized(2, "gw1", 1))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    life.take(inputs.Progress(2, 180))
    life.take(inputs.Accepted(2, "their answer"))
    life.take(inputs.MediaReady(2, MEDIA, "PCMA"))
    return life


def outcomes(effects: Sequence[do.Effect]) -> list[str]:
    return [effect.outcome for effect in effects if isinstance(effect, do.AgentOp) and effect.op == "release"]


def test_a_channel_then_the_trunk_then_the_question_then_the_customer() -> None:
    life, effects = offered()
    assert effects == [do.SeizeChannel(2, "gw1")]
    assert life.take(inputs.ChannelSeized(2, "gw1", 1)) == [do.PrepareOutgoing(2)]
    uri = "sip:13700137000@out.lq.internal;trunk=gw1"
    invite = do.Invite(2, uri, "offer", "01088001000", {"X-LQ-Contact": "c1"}, "gw1")
    assert life.take(inputs.MediaReady(2, MEDIA, "", "offer")) == [invite]
    life.take(inputs.Progress(2, 180))
    effects = life.take(inputs.Accepted(2, "their answer"))
    assert effects == [
        do.Ack(2),
        do.TakeAnswer(2, "their answer"),
        do.AgentOp("1001", FENCE, "ringing", ttl_ms=30_000),
    ]
    [play] = life.take(inputs.MediaReady(2, MEDIA, "PCMA"))
    assert isinstance(play, do.StartPlay)
    assert (play.leg, play.items, play.repeat) == (2, ("zh/accept_call",), 0)
    assert (life.contact.state, life.contact.legs[1].peer) == ("offering", "mixer")  # music
    assert life.take(inputs.Digit(2, "5")) == []
    effects = life.take(inputs.Digit(2, "1"))
    assert do.AgentOp("1001", FENCE, "talking") in effects
    assert do.Connect(1, 2) in effects
    assert life.contact.state == "talking"
    assert not [name for name in life.contact.deadlines if name.startswith("accept")]
    effects = life.take(inputs.Ended(2, cause=16))
    assert do.ReleaseChannel(2, "gw1") in effects


@pytest.mark.parametrize(
    ("given", "outcome", "bye"),
    [
        (inputs.Digit(2, "2"), "refused", True),
        (inputs.Due("accept:2"), "no_answer", True),
        (inputs.Ended(2, cause=16), "no_answer", False),
        (inputs.Command("k1", "reject", {"agent": "1001"}), "refused", True),
        (inputs.MediaFailed(2, "no_codec"), "unreachable", True),
    ],
)
def test_whoever_does_not_press_1_has_not_answered(given: inputs.Input, outcome: str, bye: bool) -> None:
    life = asked()
    effects = life.take(given)
    assert outcomes(effects) == [outcome]
    assert bool(of(do.Bye, effects)) is bye
    assert do.ReleaseChannel(2, "gw1") in effects and do.DeleteMedia(2) in effects
    assert of(do.Ask, effects), "the next agent is asked for"
    assert life.contact.state == "queueing"
    assert "contact_answered" not in life.events


@pytest.mark.parametrize(
    ("refusal", "outcome"),
    [(inputs.Rejected(2, 486, 17), "busy"), (inputs.Rejected(2, 480, 19), "unreachable")],
)
def test_what_the_network_says_of_him(refusal: inputs.Rejected, outcome: str) -> None:
    life, _ = offered()
    life.take(inputs.ChannelSeized(2, "gw1", 1))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    assert outcomes(life.take(refusal)) == [outcome]


def test_no_channel_is_the_next_trunk_and_then_the_next_agent() -> None:
    life, _ = offered()
    effects = life.take(inputs.ChannelRefused(2, "gw1"))
    assert (of(do.SeizeChannel, effects), outcomes(effects)) == ([do.SeizeChannel(3, "gw2")], [])
    assert life.contact.offer is not None
    assert life.contact.offer.leg == 3
    assert outcomes(life.take(inputs.ChannelRefused(3, "gw2"))) == ["unreachable"]


def test_he_does_not_answer_it_at_his_screen() -> None:
    life = asked()
    [reply] = life.take(inputs.Command("k1", "answer", {"agent": "1001"}))
    assert isinstance(reply, do.Reply)
    assert (reply.status, reply.error) == (409, "cannot_be_answered")


def test_a_mobile_that_is_permitted_no_more_is_not_called() -> None:
    _, effects = offered(BOOK)
    assert outcomes(effects) == ["unreachable"]
    assert not of(do.SeizeChannel, effects)


def test_one_who_was_given_another_number_is_called_there() -> None:
    """He signed in at the old one, which is not his any more."""
    other = "+8613900139000"
    moved = replace(PERMITTED, agents={"1001": replace(PERMITTED.agents["1001"], mobile=other)})
    life, effects = offered(moved)
    assert effects == [do.SeizeChannel(2, "gw1")] and life.contact.legs[2].address == other
    life.take(inputs.ChannelSeized(2, "gw1", 1))
    [invite] = of(do.Invite, life.take(inputs.MediaReady(2, MEDIA, "", "offer")))
    assert isinstance(invite, do.Invite) and invite.uri == "sip:13900139000@out.lq.internal;trunk=gw1"


def test_whoever_adopts_it_goes_on_where_it_was() -> None:
    life = asked()
    again = Contact.from_json(json.loads(json.dumps(life.contact.to_json())))
    assert again == life.contact
    effects = life.take(inputs.Adopted("lq2-1"))
    assert [effect.leg for effect in of(do.StartPlay, effects) if isinstance(effect, do.StartPlay)] == [1, 2]
    assert not of(do.Bye, effects) and not of(do.Cancel, effects)
    assert do.AgentOp("1001", FENCE, "talking") in life.take(inputs.Digit(2, "1"))


@pytest.mark.parametrize(
    ("to", "phone", "agent", "refused"),
    [
        (HIS, HIS, "1001", ""),
        (HIS, HIS, "1002", "permission"),
        ("62345678", HIS, "1001", ""),
        ("13800138000", HIS, "1001", "permission"),  # local, says his document
        (HIS, "", "1001", "permission"),
    ],
)
def test_how_far_he_may_call_from_there(to: str, phone: str, agent: str, refused: str) -> None:
    asking = Asking(1, numbers.dialled(to, BOOK.home), phone, doc.SERVICE.id, agent, listed=())
    decided = gate.decide(asking, Life().now, PERMITTED, within=True)
    assert isinstance(decided, Refusal if refused else Plan)
    assert getattr(decided, "rule", "") == refused


@pytest.mark.parametrize(("mobile", "good"), [("", True), (HIS, True), ("13700137000", False), ("110", False)])
def test_a_document_names_it_in_e164(mobile: str, good: bool) -> None:
    errors = validate("agents", to_json(doc.Agent("1001", "王芳", mobile=mobile)))
    assert [error.field for error in errors] == ([] if good else ["mobile"])


def test_a_room_calls_him_in() -> None:
    world = World(invited="agent:1002", mobiles=("1002",), gathered=(2, 1)).calm()
    assert world.answers("1002")
    world.calm()
    assert world.hears(world.leg_of("1002")) == {"prompt"}
    assert "contact_conference_joined" not in [event.type for event in world.ledger]
    assert world.presses("1002", "1")
    world.calm()
    assert "contact_conference_joined" in [event.type for event in world.ledger]
    assert not world.faults


def test_a_colleague_who_picks_up_ends_the_question() -> None:
    """Its deadline would have ended the call of customer and colleague, its key joined a third."""
    life = asked()
    life.take(inputs.PickedUp("s", "offer", "8003"))
    life.take(inputs.Engaged(3, "1003", "8003", FENCE + 1, "rtp"))
    effects = life.take(inputs.MediaReady(3, MEDIA, "PCMA", "answer"))
    assert [effect.leg for effect in of(do.Bye, effects) if isinstance(effect, do.Bye)] == [2]
    assert do.ReleaseChannel(2, "gw1") in effects
    assert (life.contact.state, life.contact.legs[2].state) == ("talking", "ended")
    assert not any(name.startswith("accept:") for name in life.contact.deadlines)
    assert life.take(inputs.Digit(2, "1")) == []
