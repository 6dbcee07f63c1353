"""A phone sends its calls on: to another phone, an agent, a queue, a number outside; never round in circles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lq.config import documents as doc
from lq.config.book import Book
from lq.contacts import effects as do
from lq.contacts import forwarding, inputs, offer
from tests.unit.contacts.test_advance import BOOK, MEDIA, Life, kinds


def book(**forwards: doc.Forward) -> Book:
    """Phones p8001 … with what they send on; 8002 may call local numbers, 8003 none."""
    phones = {
        ext: doc.Phone(ext, "", calls="internal" if ext == "8003" else "national")
        for ext in ("8001", "8002", "8003", "8004", "8005", "8006")
    }
    phones |= {name[1:]: replace(phones[name[1:]], forward=forward) for name, forward in forwards.items()}
    return replace(BOOK, phones=phones)


def internal(known: Book, called: str = "8002") -> Life:
    """Phone 8001 calls another."""
    life = Life(called=called, source="phone:8001", book=known)
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    return life


def to_agent(known: Book) -> Life:
    """A caller from outside asks for agent 1001, who sits at phone 8002."""
    access = doc.AccessNumber("4008001003", "agent:1001", recording="none")
    life = Life("4008001003", book=replace(known, numbers={**known.numbers, access.id: access}))
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    return life


def rings(life: Life, leg: int = 2) -> Life:
    life.take(inputs.MediaReady(leg, MEDIA, "", "offer"))
    life.take(inputs.Progress(leg, 180))
    return life


def told(life: Life) -> list[dict[str, Any]]:
    return [dict(event.data) for event in life.ledger if event.type == "contact_forwarded"]


def called(life: Life) -> str:
    (leg,) = [leg for leg in life.contact.legs.values() if leg.direction == "out" and leg.alive]
    return leg.address


def test_always_rings_there_and_not_here() -> None:
    life = internal(book(p8002=doc.Forward(always="8003")))
    assert called(life) == "8003" and life.contact.target == "phone:8003"
    assert told(life) == [{"phone": "8002", "to": "8003", "why": "always"}]
    rings(life)
    life.take(inputs.Accepted(2, "answer"))
    assert life.contact.state == "talking"


@pytest.mark.parametrize("code", [486, 600, 603])
def test_busy_sends_on_and_so_does_a_refusal(code: int) -> None:
    life = internal(book(p8002=doc.Forward(busy="phone:8003")))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    effects = life.take(inputs.Rejected(2, code))
    assert kinds(effects) == ["DeleteMedia", "Engage"] and called(life) == "8003"
    assert told(life)[0]["why"] == "busy"


def test_no_answer_sends_on_after_its_own_time() -> None:
    life = internal(book(p8002=doc.Forward(no_answer="8003", no_answer_s=12)))
    began = life.now
    rings(life)
    effects = life.due("ring")
    assert life.now - began == 12_000 - 0
    assert kinds(effects) == ["Cancel", "DeleteMedia", "Engage"] and called(life) == "8003"
    life.take(inputs.Rejected(2, 487))
    assert called(life) == "8003"
    rings(life, 3)
    life.due("ring")  # 8003 sends nothing on: its time is the usual one
    assert (life.contact.result, life.now - began > 70_000) == ("no_answer", True)


@pytest.mark.parametrize("given", [inputs.Rejected(2, 480), inputs.Rejected(2, 408), inputs.Rejected(2, 503)])
def test_a_phone_that_is_not_there_sends_on(given: inputs.Rejected) -> None:
    life = internal(book(p8002=doc.Forward(offline="8003")))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    life.take(given)
    assert called(life) == "8003" and told(life)[0]["why"] == "offline"


@pytest.mark.parametrize(
    ("forward", "code"), [(doc.Forward(busy="8003"), 480), (doc.Forward(offline="8003"), 486), (doc.Forward(), 486)]
)
def test_for_another_reason_nothing_is_sent_on(forward: doc.Forward, code: int) -> None:
    life = internal(book(p8002=forward))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    life.take(inputs.Rejected(2, code))
    assert life.contact.state == "ending" and told(life) == []


def test_to_a_queue_answers_the_phone_that_calls() -> None:
    life = internal(book(p8002=doc.Forward(busy="queue:sales")))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    effects = life.take(inputs.Rejected(2, 486))
    assert kinds(effects) == ["DeleteMedia", "Answer", "StartRecording", "StartPlay", "Ask"]  # as that queue has it
    assert do.Answer(1, "answer") in effects
    assert life.contact.state == "queueing" and life.contact.queue == "sales"
    assert life.contact.customer.state == "answered"
    life.take(inputs.Reserved(1, "1001", "8005", 17, "sales"))
    rings(life, 3)
    life.take(inputs.Accepted(3, "answer"))
    assert life.contact.state == "talking" and life.contact.agent == "1001"


def test_to_a_queue_a_phone_without_an_offer_is_answered_first() -> None:
    life = Life(called="8002", source="phone:8001", book=book(p8002=doc.Forward(busy="queue:sales")))
    life.take(inputs.MediaReady(1, MEDIA, "", "our offer"))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    assert do.Answer(1, "our offer") in life.take(inputs.Rejected(2, 486))
    life.take(inputs.Confirmed(1, "his answer", owed=True))
    life.take(inputs.MediaReady(1, MEDIA, "PCMA"))
    assert life.contact.state == "queueing" and life.contact.queue == "sales"


@pytest.mark.parametrize("to", ["agent:1001", "1001"])
def test_to_an_agent(to: str) -> None:
    """Who has been answered waits in his line; a colleague hears his phone ring."""
    life = internal(book(p8002=doc.Forward(busy=to)))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    effects = life.take(inputs.Rejected(2, 486))
    assert [e for e in effects if isinstance(e, do.Engage)] == [do.Engage(3, agent="1001", lease_ms=75_000)]
    life = to_agent(book(p8002=doc.Forward(busy="agent:1002")))
    life.take(inputs.Reserved(1, "1001", "8002", 17, "agent:1001"))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    life.take(inputs.Rejected(2, 486))
    assert life.contact.line is not None and life.contact.line.agent == "1002"


@pytest.mark.parametrize("state", ["talking", "ringing", "reserved"])
def test_a_phone_whose_agent_is_with_a_contact_is_busy(state: str) -> None:
    """It is not rung at all."""
    life = internal(book(p8002=doc.Forward(busy="8003")))
    life.take(inputs.EngageRefused(2, "1002", state))
    assert called(life) == "8003" and told(life)[0]["why"] == "busy"
    life.take(inputs.EngageRefused(3, "", "signed_out"))
    rings(life, 3)
    life.take(inputs.Accepted(3, "answer"))
    assert life.contact.state == "talking"


def test_a_colleague_who_is_called_at_a_phone_that_sends_everything_on() -> None:
    life = internal(book(p8002=doc.Forward(always="8003")), called="1001")
    effects = life.take(inputs.Engaged(2, "1001", "8002", 17))
    assert do.AgentOp("1001", 17, "release", "caller_gone") in effects
    assert called(life) == "8003" and life.contact.offer is None
    assert "contact_offered" not in life.events


def test_a_colleague_who_does_not_answer_sends_on_after_his_time() -> None:
    life = internal(book(p8002=doc.Forward(no_answer="8003", no_answer_s=7)), called="1001")
    life.take(inputs.Engaged(2, "1001", "8002", 17))
    began = life.now
    rings(life)
    effects = life.due("ring")
    assert life.now - began == 7_000
    assert [e.op for e in effects if isinstance(e, do.AgentOp)] == ["release"]
    assert called(life) == "8003" and life.contact.offer is None


@pytest.mark.parametrize(("no_answer_s", "ttl_ms"), [(7, 75_000), (300, 315_000)])
@pytest.mark.parametrize("engaged_late", [False, True])
def test_a_colleague_is_ours_as_long_as_his_phone_rings(no_answer_s: int, ttl_ms: int, engaged_late: bool) -> None:
    life = internal(book(p8002=doc.Forward(no_answer="8003", no_answer_s=no_answer_s)))
    who = inputs.Engaged(2, "1001", "8002", 17)
    if engaged_late:  # the live state has said nothing for so long that the phone rings already
        life.due("engage")
        rings(life)
        effects = life.take(who)
    else:
        life.take(who)
        life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
        effects = life.take(inputs.Progress(2, 180))
    [op] = [e for e in effects if isinstance(e, do.AgentOp)]
    rest = life.contact.deadlines["ring"] - life.now
    assert op.op == "ringing" and op.ttl_ms == max(75_000, rest + 15_000) and abs(op.ttl_ms - ttl_ms) < 2_000


def test_an_access_number_is_what_it_reaches() -> None:
    life = internal(book(p8002=doc.Forward(busy="4008001001")))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    life.take(inputs.Rejected(2, 486))
    assert life.contact.queue == "sales"


def test_outside_by_the_gate_of_the_phone_that_sends_on() -> None:
    life = internal(book(p8002=doc.Forward(busy="913800138000")))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    effects = life.take(inputs.Rejected(2, 486))
    assert [e for e in effects if isinstance(e, do.SeizeChannel)] == [do.SeizeChannel(3, "gw1")]
    assert life.contact.state == "dialing"
    assert (life.contact.legs[3].address, life.contact.legs[3].party) == ("13800138000", "agent")
    life.take(inputs.ChannelSeized(3, "gw1", 1))
    (invite,) = life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    assert isinstance(invite, do.Invite) and invite.uri == "sip:13800138000@out.lq.internal;trunk=gw1"
    assert invite.caller == "01088001000"  # what the trunk may show, whoever calls
    life.take(inputs.Accepted(3, "answer"))
    assert life.contact.state == "talking" and life.contact.customer.state == "answered"
    life.take(inputs.MediaReady(3, MEDIA, "PCMA"))
    assert life.contact.legs[3].peer == "leg:1"
    life.take(inputs.Ended(3))
    assert (life.contact.result, life.contact.ended_by) == ("answered", "agent")


@pytest.mark.parametrize(
    ("phone", "to", "rule"),
    [
        ("8003", "13800138000", "permission"),
        ("8002", "0013800138000000000", "unreadable"),
        ("8002", "110", "permission"),
    ],
)
def test_the_gate_says_no(phone: str, to: str, rule: str) -> None:
    life = internal(book(**{f"p{phone}": doc.Forward(busy=to)}), called=phone)
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    life.take(inputs.Rejected(2, 486))
    assert told(life) == [{"phone": phone, "to": to, "why": "busy", "refused": rule}]
    assert life.contact.result == "busy"  # as if it sent nothing on


def test_who_is_called_outside_is_busy_too() -> None:
    life = internal(book(p8002=doc.Forward(always="13800138000")))
    life.take(inputs.ChannelSeized(2, "gw1", 1))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    life.take(inputs.Rejected(2, 486))
    assert (life.contact.result, life.contact.ended_by) == ("busy", "agent")


def test_in_circles_nothing_is_sent() -> None:
    life = internal(book(p8002=doc.Forward(always="8003"), p8003=doc.Forward(always="phone:8002")))
    assert [one.get("refused") for one in told(life)] == [None, "loop"]
    assert life.contact.result == "busy"


def test_a_phone_that_calls_itself_by_way_of_another() -> None:
    life = internal(book(p8002=doc.Forward(busy="8003"), p8003=doc.Forward(no_answer="8002")))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    life.take(inputs.Rejected(2, 486))
    rings(life, 3)
    life.due("ring")
    assert told(life)[-1]["refused"] == "loop" and life.contact.result == "no_answer"


def test_three_times_and_no_more() -> None:
    chain = {f"p{n}": doc.Forward(always=str(n + 1)) for n in range(8002, 8006)}
    life = internal(book(**chain))
    assert [(one["phone"], one.get("refused")) for one in told(life)] == [
        ("8002", None), ("8003", None), ("8004", None), ("8005", "hops"),
    ]  # fmt: skip
    assert life.contact.result == "busy"


# -- one certain agent -------------------------------------------------------------------------------------------------
def test_an_agent_whose_phone_sends_everything_on_is_let_go() -> None:
    life = to_agent(book(p8002=doc.Forward(always="queue:sales")))
    effects = life.take(inputs.Reserved(1, "1001", "8002", 17, "agent:1001"))
    assert do.AgentOp("1001", 17, "release", "caller_gone") in effects
    assert life.contact.queue == "sales" and life.contact.line is not None and not life.contact.line.agent
    assert "contact_offered" not in life.events


@pytest.mark.parametrize(("code", "why"), [(486, "busy"), (603, "busy"), (480, "offline")])
def test_an_agent_who_does_not_take_it_sends_on(code: int, why: str) -> None:
    forward = doc.Forward(busy="queue:sales", offline="queue:support")
    life = to_agent(book(p8002=forward))
    life.take(inputs.Reserved(1, "1001", "8002", 17, "agent:1001"))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    life.take(inputs.Rejected(2, code))
    assert life.contact.queue == ("sales" if why == "busy" else "support")
    assert life.contact.offer is None and life.contact.state == "queueing"


def test_an_agent_who_does_not_answer_sends_on_after_his_time_outside() -> None:
    life = to_agent(book(p8002=doc.Forward(no_answer="13800138000", no_answer_s=8)))
    life.take(inputs.Reserved(1, "1001", "8002", 17, "agent:1001"))
    began = life.now
    rings(life)
    effects = life.due("ring")
    assert life.now - began == 8_000
    assert [(e.op, e.outcome) for e in effects if isinstance(e, do.AgentOp)] == [("release", "no_answer")]
    assert life.contact.state == "dialing" and life.contact.line is None
    life.take(inputs.ChannelSeized(3, "gw1", 1))
    life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    life.take(inputs.Progress(3, 180))
    effects = life.take(inputs.Accepted(3, "answer"))
    assert "Answer" not in kinds(effects)  # the caller has been answered long ago
    assert life.events.count("leg_answered") == 1
    life.take(inputs.MediaReady(3, MEDIA, "PCMA"))
    assert life.contact.legs[3].peer == "leg:1"


def test_the_caller_hears_music_while_it_rings_elsewhere() -> None:
    for to, state in (("13800138000", "dialing"), ("8003", "calling")):
        life = to_agent(book(p8002=doc.Forward(busy=to)))
        life.take(inputs.Reserved(1, "1001", "8002", 17, "agent:1001"))
        life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
        life.take(inputs.Rejected(2, 486))
        assert life.contact.state == state
        (play,) = life.played()  # the welcome has ended
        assert isinstance(play, do.StartPlay) and play.items == ("music/hold",) and play.repeat == 0


def test_an_agent_is_not_rung_longer_than_he_is_reserved() -> None:
    life = to_agent(book(p8002=doc.Forward(no_answer="queue:sales", no_answer_s=300)))
    life.take(inputs.Reserved(1, "1001", "8002", 17, "agent:1001"))
    assert life.contact.deadlines["ring"] - life.now == 20_000


def test_an_offer_of_a_queue_is_not_sent_on() -> None:
    known = book(p8001=doc.Forward(always="8003", busy="8003", no_answer="8003", offline="8003"))
    life = Life("4008001001", book=known).answered()
    life.played()
    life.take(inputs.Reserved(1, "1001", "8001", 17, "sales"))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    life.take(inputs.Rejected(2, 486))
    assert told(life) == [] and life.contact.line is not None and life.contact.line.queue == "sales"


def test_the_node_that_sent_it_on_dies() -> None:
    life = internal(book(p8002=doc.Forward(always="8003")))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    life.take(inputs.Adopted())
    assert called(life) == "8003" and len(told(life)) == 1


def test_the_caller_gives_up_on_the_way() -> None:
    life = internal(book(p8002=doc.Forward(always="13800138000")))
    life.take(inputs.ChannelSeized(2, "gw1", 1))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    life.take(inputs.Cancelled(1))
    life.take(inputs.Rejected(2, 487))
    assert life.contact.result == "abandoned" and life.cleared().contact.state == "over"


def test_the_rule_of_one_phone() -> None:
    phone = doc.Phone("8001", "", forward=doc.Forward(always="a", busy="b", no_answer="c", offline="d"))
    assert [forwarding.forward(phone, why) for why in ("always", "busy", "no_answer", "offline")] == list("abcd")
    assert forwarding.forward(phone, "") == forwarding.forward(None, "busy") == ""


@pytest.mark.parametrize(
    ("code", "rang", "outcome"),
    [(486, True, "busy"), (603, False, "refused"), (480, True, "no_answer"), (480, False, "unreachable")]
    + [(code, False, "no_answer") for code in (300, 301, 302, 305, 380)],
)
def test_a_phone_that_is_forwarded_at_itself_is_one_that_does_not_answer(code: int, rang: bool, outcome: str) -> None:
    assert offer.outcome_of(inputs.Rejected(2, code), rang) == outcome
