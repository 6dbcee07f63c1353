"""A conference calls people in: the gate, phones, agents, how each call ends, what its list says, dying nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lq.config import documents as doc
from lq.config.book import Book
from lq.contacts import advance as rule
from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.contact import Contact
from lq.contacts.placing import Refused
from lq.contacts.view import contact_json
from lq.ledger import fold
from tests.unit.contacts import world as worlds
from tests.unit.contacts.played.book import BOOK, MOBILE, START
from tests.unit.contacts.world import World

OUT, AGENT, PHONE = MOBILE, "agent:1002", "phone:8003"


def called(to: str, **as_what: Any) -> World:
    """… and his phone is being called."""
    return World(invited=to, as_what=as_what, gathered=(2, 1)).calm()


def phase(world: World) -> str:
    assert world.contact.conference is not None
    return world.contact.conference.phase


def story(world: World) -> list[str]:
    return [event.type for event in world.ledger if event.subject == "c1"]


def good(world: World) -> None:
    assert world.faults == [], (world.faults, world.steps)


# -- who answers is in it ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("to", [OUT, AGENT, "1002", PHONE])
def test_who_answers_is_in_it_without_a_pin_and_hears_so(to: str) -> None:
    world = called(to)
    assert world.replies == {"k0": 201} and phase(world) == "called" and world.noted == [""]
    world.rings("customer")
    assert contact_json(world.contact.to_json())["state"] == "ringing"
    world.answers("customer")
    while phase(world) != "greeting":
        assert world.deliver()
    play = world.contact.customer.play
    assert play is not None and play.items == ("zh/conference_invited",)
    world.calm()
    assert world.contact.customer.peer == "room:conference-board:1:" and world.noted[-1] == "answered"
    assert world.contact.direction == ("out" if to == OUT else "internal")
    world.hangs_up("customer")
    world.calm()
    assert world.over and (world.contact.result, world.contact.ended_by) == ("answered", "caller")
    folded = fold.contact(world.ledger)
    cdr = folded and fold.cdr(folded)
    assert folded and [segment.kind for segment in folded.segments] == ["ring", "conference"]
    assert cdr and cdr.ring_s > 0 and cdr.talk_s > 0 and cdr.trunk == ("gw1" if to == OUT else None)
    good(world)


def test_without_a_greeting_he_is_in_it_at_once() -> None:
    world = called(OUT, greet=False)
    world.answers("customer")
    world.calm()
    assert world.contact.customer.peer == "room:conference-board:1:" and world.contact.plays == 0
    good(world)


def test_called_as_a_host_he_is_one() -> None:
    world = called(OUT, host=True)
    world.answers("customer")
    world.calm()
    [joined] = [event for event in world.ledger if event.type == "contact_conference_joined"]
    assert joined.data["host"] is True
    good(world)


def test_who_answers_a_full_one_is_told() -> None:
    world = called(OUT)
    world.gathered = ()
    world.answers("customer")
    world.calm()
    assert world.over and (world.contact.result, world.contact.cause) == ("busy", 17)
    good(world)


# -- who does not come ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("code", "outcome", "result", "by"),
    [(486, "busy", "busy", "caller"), (603, "refused", "refused", "caller"), (480, "no_answer", "no_answer", "system")],
)
def test_what_becomes_of_the_call_is_told(code: int, outcome: str, result: str, by: str) -> None:
    world = called(OUT)
    world.rings("customer")
    world.refuses("customer", code)
    world.calm()
    assert world.over and (world.contact.result, world.contact.ended_by) == (result, by)
    [ended] = [event for event in world.ledger if event.type == "contact_call_ended"]
    assert ended.data["outcome"] == outcome and ended.data["sip"] == code and world.noted == ["", outcome]
    good(world)


def test_nobody_answers_and_it_does_not_count_against_an_agent() -> None:
    world = called(AGENT)
    world.rings("customer")
    world.due("call:1")
    world.calm()
    assert world.over and world.contact.result == "no_answer" and world.noted[-1] == "no_answer"
    good(world)


def test_the_second_trunk_is_tried() -> None:
    world = called(OUT)
    world.refuses("customer", 503)
    world.calm()
    assert phase(world) == "called" and world.contact.customer.n == 2
    world.answers("customer")
    world.calm()
    assert phase(world) == "in" and world.noted == ["", "answered"]
    good(world)


def test_it_is_hung_up_while_it_rings() -> None:
    world = called(AGENT)
    world.rings("customer")
    world.command("hang_up")
    world.calm()
    assert world.over and (world.contact.result, world.contact.ended_by) == ("abandoned", "system")
    good(world)


# -- agents ----------------------------------------------------------------------------------------
def test_an_agent_is_held_while_he_is_called_and_in_it() -> None:
    world = called(AGENT)
    fence = next(iter(world.fences))
    assert world.fences[fence] == "1002" and not world.released[fence]
    world.answers("customer")
    world.calm()
    assert world.contact.customer.reservation == fence
    world.hangs_up("customer")
    world.calm()
    assert world.released[fence] == 1
    good(world)


@pytest.mark.parametrize(("state", "code"), [("talking", "busy"), ("signed_out", "unreachable")])
def test_who_is_with_a_contact_or_not_there_is_not_called(state: str, code: str) -> None:
    world = World(invited=AGENT, refused={"1002": state}).calm()
    assert world.over and world.replies == {"k0": 409} and world.phones == {} and world.noted == ["", code]
    good(world)


def test_who_gets_no_calls_of_queues_is_called_all_the_same() -> None:
    world = World(invited=AGENT, refused={"1002": "paused"}, resting=frozenset({"1002"}), gathered=(2, 1)).calm()
    assert world.replies == {"k0": 201}
    world.answers("customer")
    world.calm()
    assert phase(world) == "in"
    good(world)


# -- the gate ----------------------------------------------------------------------------------------
def asked(to: str, book: Book = BOOK, purpose: str = "") -> tuple[Contact, list[do.Effect]] | Refused:
    return rule.place(inputs.Invited("c1", "k1", "board", to, "lq1-1", purpose=purpose), START, book)


def room(calls: doc.Permission) -> Book:
    return replace(BOOK, conferences={"board": replace(BOOK.conferences["board"], calls=calls)})


@pytest.mark.parametrize(
    ("to", "book", "purpose", "status", "code"),
    [
        ("queue:sales", BOOK, "", 422, "invalid"),
        ("conference:board", BOOK, "", 422, "invalid"),
        ("agent:9999", BOOK, "", 422, "invalid"),
        ("*70", BOOK, "", 422, "invalid"),
        ("110", BOOK, "", 403, "permission"),
        (OUT, room("internal"), "", 403, "permission"),
        ("0014155550100", BOOK, "", 403, "permission"),
        (OUT, BOOK, "marketing", 422, "invalid"),
        (OUT, replace(BOOK, routes={}), "", None, "no_route"),
        (OUT, replace(BOOK, conferences={}), "", 404, "not_found"),
    ],
)
def test_what_the_gate_knows_at_once_begins_nothing(
    to: str, book: Book, purpose: str, status: int | None, code: str
) -> None:
    begun = asked(to, book, purpose)
    if status is None:  # only once the lists have been looked at
        assert isinstance(begun, tuple)
        contact, effects = rule.advance(begun[0], inputs.LookedUp(1, (), ""), START, book)
        assert [e.error for e in effects if isinstance(e, do.Reply)] == [code] and contact.state == "over"
    else:
        assert isinstance(begun, Refused) and (begun.status, begun.code) == (status, code)


def test_what_the_lists_say_ends_it_before_anybody_is_rung() -> None:
    book = replace(BOOK, lists={"dnc": doc.NumberList("dnc", "dnc")})
    begun = asked(OUT, book)
    assert isinstance(begun, tuple)
    contact, effects = rule.advance(begun[0], inputs.LookedUp(1, ("dnc",), ""), START, book)
    assert contact.state == "over" and contact.result == "refused"
    assert [(e.status, e.error) for e in effects if isinstance(e, do.Reply)] == [(403, "dnc")]
    assert [e.outcome for e in effects if isinstance(e, do.NoteCalled)] == ["dnc"]
    assert [e.event.data for e in effects if isinstance(e, do.Emit) and e.event.type == "contact_dial_refused"] == [
        {"rule": "dnc"}
    ]
    assert not any(isinstance(e, do.SeizeChannel | do.Invite) for e in effects)


def test_while_the_live_state_is_away_nobody_is_called() -> None:
    begun = asked(OUT)
    assert isinstance(begun, tuple)
    contact, effects = rule.advance(begun[0], inputs.Due("gate:1"), START + 5000, BOOK)
    assert contact.state == "over" and [e.status for e in effects if isinstance(e, do.Reply)] == [503]


@pytest.mark.parametrize("to", [AGENT, PHONE])
@pytest.mark.parametrize("word", ["talk", "none", ""])
def test_inside_the_house_the_room_has_the_word_on_recording(
    to: str, word: doc.RecordingPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = replace(BOOK.conferences["board"], recording=word)
    monkeypatch.setattr(worlds, "BOOK", replace(BOOK, conferences={**BOOK.conferences, "board": board}))
    world = called(to)
    world.answers("customer")
    world.calm()
    assert (world.contact.recording is not None) == (word == "talk")
    assert world.contact.recording_rule == (word or "on_demand")
    world.hangs_up("customer")
    world.calm()
    good(world)


def test_what_the_route_says_of_recording_holds() -> None:
    world = called(OUT)
    assert world.contact.recording_policy == "talk"
    world.answers("customer")
    world.calm()
    assert world.contact.recording is not None and world.writes == world.contact.customer.n
    world.hangs_up("customer")
    world.calm()
    good(world)


# -- another node, another rtpengine ----------------------------------------------------------------------------------
@pytest.mark.parametrize("to", [OUT, AGENT, PHONE])
@pytest.mark.parametrize("steps", range(8))
def test_another_node_carries_it_on_from_wherever_it_is(to: str, steps: int) -> None:
    world = World(invited=to, gathered=(2, 1))
    for _ in range(steps):
        if not world.deliver() and not world.rings("customer"):
            world.answers("customer")
    world.dies()
    world.calm()
    if phase(world) == "called":
        assert world.answers("customer")
        world.calm()
    assert phase(world) == "in" and world.contact.customer.peer == "room:conference-board:1:"
    world.hangs_up("customer")
    world.calm()
    assert world.over and world.contact.result == "answered"
    good(world)


def test_a_phone_that_rings_is_called_anew_when_its_rtpengine_is_gone() -> None:
    world = called(PHONE)
    world.rings("customer")
    world.take(inputs.MediaLost(1, "engine", "e1"))
    world.calm()
    assert world.contact.customer.n == 2
    world.answers("customer")
    world.calm()
    assert phase(world) == "in"
    good(world)


@pytest.mark.parametrize(
    "verb", ["hang_up", "release", "monitor", "transfer", "hold", "mute_party", "pick_up", "answer"]
)
@pytest.mark.parametrize("steps", range(9))
def test_every_verb_may_come_at_any_moment(verb: str, steps: int) -> None:
    world = World(invited=AGENT, gathered=(2, 1))
    for _ in range(steps):
        if not world.deliver() and not world.rings("customer"):
            world.answers("customer")
    world.command(verb, agent="1901", mode="listen", to="1003")
    world.calm()
    world.hangs_up("customer") or world.command("hang_up")
    world.calm()
    assert world.over
    good(world)
