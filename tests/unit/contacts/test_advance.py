"""A contact's life as inputs in and effects out; no clock, no network."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from lq.config import documents as doc
from lq.config.book import Book
from lq.contacts import advance as rule
from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.contact import STATES, Contact, with_leg
from lq.contacts.holds import bound
from lq.contacts.view import contact_json
from lq.ivr.flow import RECORD_ACTIONS
from lq.ledger import fold
from lq.ledger.events import RESULTS, TYPES, Event

MAIN = json.loads((Path(__file__).parents[3] / "sql/demo/main_flow.json").read_text("utf-8"))
BOOK = Book(
    version=1,
    agents={
        "1001": doc.Agent("1001", "王芳", ("sales",)),
        "1002": doc.Agent("1002", "李娜", ("sales",)),
        "1901": doc.Agent("1901", "赵敏"),
    },
    phones={"8001": doc.Phone("8001", "", calls="local"), "8002": doc.Phone("8002", "")},
    queues={"sales": doc.Queue("sales", "销售", ring_s=20, max_wait_s=600), "support": doc.Queue("support", "支持")},
    trunks={
        id: doc.Trunk(id, "127.0.1.1", numbers=doc.NumberRule(area_code="10"), caller_ids=("01088001000",))
        for id in ("gw1", "gw2")
    },
    routes={"all": doc.Route("all", ("gw1", "gw2"), recording="talk")},
    numbers={
        "4008001000": doc.AccessNumber("4008001000", "ivr:main"),
        "4008001001": doc.AccessNumber("4008001001", "queue:sales"),
        "4008001008": doc.AccessNumber("4008001008", "conference:board"),
        "4008001009": doc.AccessNumber("4008001009", "echo", recording="none"),
    },
    conferences={"board": doc.Conference("board", "董事会")},
    flows={"main": doc.Flow(**MAIN)},
)
MEDIA = {"x_port": 1}


class Life:
    """A contact with a clock that only moves when told."""

    book: Book | None = None  # another than BOOK

    def __init__(
        self,
        called: str = "4008001000",
        source: str = "trunk:gw1",
        caller: str = "13800138000",
        book: Book | None = None,
    ) -> None:
        self.now, self.book = 1_700_000_000_000, book
        first = inputs.Incoming("c1", source, caller, called, "offer", "lq1-1")
        self._begin(*rule.begin(first, self.now, book or BOOK))

    def _begin(self, contact: Contact, effects: list[do.Effect]) -> None:
        self.contact, self.effects = contact, effects
        self.ledger: list[Event] = []
        self.events = self._emitted()

    @classmethod
    def wanted(cls, to: str, agent: str = "1001", phone: str = "8001") -> Life:
        """An agent wants to call this number, from his desk."""
        life = cls()
        begun = rule.place(inputs.Wanted("c1", "k1", agent, phone, to, "lq1-1"), life.now, BOOK)
        assert isinstance(begun, tuple), begun
        life._begin(*begun)
        return life

    def _emitted(self) -> list[str]:
        emitted = [effect.event for effect in self.effects if isinstance(effect, do.Emit)]
        self.ledger += emitted
        return [event.type for event in emitted]

    def take(self, given: inputs.Input, after_ms: int = 10) -> list[do.Effect]:
        self.now += after_ms
        self.contact, self.effects = rule.advance(self.contact, given, self.now, self.book or BOOK)
        assert Contact.from_json(json.loads(json.dumps(self.contact.to_json()))) == self.contact  # always a snapshot
        self.events += self._emitted()
        return [effect for effect in self.effects if not isinstance(effect, do.Emit)]

    def due(self, name: str) -> list[do.Effect]:
        at = self.contact.deadlines[name]
        return self.take(inputs.Due(name), max(0, at - self.now))

    def played(self) -> list[do.Effect]:
        play = self.contact.customer.play
        assert play is not None
        return self.take(inputs.Played(1, play.id))

    # -- the usual way, in steps
    def answered(self) -> Life:
        self.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
        self.take(inputs.RecordingStarted(1))
        return self

    def queued(self) -> Life:
        self.answered()
        self.played()
        self.take(inputs.Digit(1, "1"))
        return self

    def offered(self) -> Life:
        self.queued()
        self.take(inputs.Reserved(1, "1001", "8001", 17, "sales"))
        self.take(inputs.MediaReady(2, MEDIA, "", "agent offer"))
        return self

    def talking(self) -> Life:
        self.offered()
        self.take(inputs.Progress(2, 180))
        self.take(inputs.Accepted(2, "agent answer"))
        self.take(inputs.MediaReady(2, MEDIA, "PCMU"))
        return self

    def cleared(self) -> Life:
        for leg in list(self.contact.legs.values()):
            if leg.media is not None:
                self.take(inputs.MediaDeleted(leg.n))
        return self


def kinds(effects: list[do.Effect]) -> list[str]:
    return [type(effect).__name__ for effect in effects]


def test_a_call_goes_through_notice_menu_queue_and_talk() -> None:
    life = Life()
    assert life.effects[-1] == do.PrepareIncoming(1, "offer")
    effects = life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    assert kinds(effects) == ["Answer", "StartRecording", "StartPlay"]
    assert life.contact.customer.play and life.contact.customer.play.items == ("zh/notice_recorded",)
    effects = life.played()
    assert [e.items for e in effects if isinstance(e, do.StartPlay)] == [("zh/menu_main",)]
    effects = life.take(inputs.Digit(1, "1"))
    assert kinds(effects) == ["StartPlay", "Ask"]
    assert life.contact.state == "queueing"
    assert life.take(inputs.Reserved(1, "1001", "8001", 17, "sales")) == [do.PrepareOutgoing(2)]
    effects = life.take(inputs.MediaReady(2, MEDIA, "", "agent offer"))
    assert effects == [
        do.Invite(2, "sip:8001@phones.lq.internal", "agent offer", "13800138000", {"X-LQ-Contact": "c1"})
    ]
    assert [e.op for e in life.take(inputs.Progress(2, 180)) if isinstance(e, do.AgentOp)] == ["ringing"]
    assert kinds(life.take(inputs.Accepted(2, "agent answer"))) == ["Ack", "TakeAnswer", "AgentOp", "Dequeue"]
    assert life.take(inputs.MediaReady(2, MEDIA, "PCMU")) == [do.Connect(1, 2)]
    effects = life.take(inputs.Ended(1, "bye", 16), 5000)
    assert kinds(effects) == ["AgentOp", "Bye", "DeleteMedia", "DeleteMedia"]
    assert (life.contact.result, life.contact.ended_by, life.contact.cause) == ("answered", "caller", 16)
    assert [e for e in effects if isinstance(e, do.AgentOp)] == [
        do.AgentOp("1001", 17, "release", "answered", wrap_up_ms=20_000, max_no_answer=3)
    ]
    assert life.cleared().contact.state == "over"
    for wanted in ("contact_notice_played", "contact_queued", "contact_offered", "contact_answered", "contact_ended"):
        assert life.events.count(wanted) == 1, wanted
    assert [segment.kind for segment in life.contact.segments] == ["ivr", "queue", "ring", "talk"]
    assert all(segment.ended_at for segment in life.contact.segments)


def test_phones_ring_within_the_wait_as_the_ledger_tells_it() -> None:
    life = Life().offered()
    life.take(inputs.Rejected(2, 486))
    life.take(inputs.Reserved(2, "1001", "8001", 18, "sales"))
    life.take(inputs.MediaReady(3, MEDIA, "", "agent offer"))
    life.take(inputs.Accepted(3, "agent answer"))
    shown = [(segment.n, segment.kind, segment.reason) for segment in life.contact.segments]
    assert shown == [
        (1, "ivr", "queue"),
        (2, "queue", "answered"),
        (3, "ring", "busy"),
        (4, "ring", "answered"),
        (5, "talk", ""),
    ]
    folded = fold.contact(life.ledger)
    assert folded is not None
    assert [(s.n, s.kind, s.started_at, s.ended_at or 0) for s in folded.segments] == [
        (s.n, s.kind, s.started_at, s.ended_at) for s in life.contact.segments
    ]


def test_the_agent_hangs_up_first() -> None:
    life = Life().talking()
    effects = life.take(inputs.Ended(2, "bye", 16))
    assert do.Bye(1, 16) in effects
    assert (life.contact.result, life.contact.ended_by) == ("answered", "agent")


@pytest.mark.parametrize(
    ("code", "rang", "outcome"),
    [
        (486, True, "busy"),
        (603, True, "refused"),
        (480, False, "unreachable"),
        (408, True, "no_answer"),
        (404, False, "unreachable"),
        (503, False, "unreachable"),
        (488, False, "refused"),
    ],
)
def test_a_phone_that_does_not_take_the_call_frees_the_agent_and_the_caller_asks_again(
    code: int, rang: bool, outcome: str
) -> None:
    life = Life().offered()
    if rang:
        life.take(inputs.Progress(2, 180))
    effects = life.take(inputs.Rejected(2, code))
    assert [(e.op, e.outcome) for e in effects if isinstance(e, do.AgentOp)] == [("release", outcome)]
    assert life.contact.state == "queueing" and life.contact.offer is None
    assert [e.request for e in effects if isinstance(e, do.Ask)] == [2]
    assert do.DeleteMedia(2) in effects


def test_nobody_answers_within_the_ring_time() -> None:
    life = Life().offered()
    life.take(inputs.Progress(2, 180))
    effects = life.due("ring")
    assert kinds(effects) == ["Cancel", "DeleteMedia", "AgentOp", "Ask"]
    assert life.take(inputs.Rejected(2, 487)) == []
    assert life.contact.legs[2].state == "ended" and life.contact.state == "queueing"


def test_the_answer_crosses_the_cancel() -> None:
    life = Life().offered()
    life.take(inputs.Progress(2, 180))
    life.due("ring")
    assert life.take(inputs.Accepted(2, "late")) == [do.Ack(2), do.Bye(2, 16)]
    assert life.contact.state == "queueing"


def test_a_late_180_of_a_phone_that_is_given_up_costs_the_next_agent_nothing() -> None:
    life = Life().offered()
    life.due("ring")
    life.take(inputs.Reserved(2, "1002", "8002", 18, "sales"))
    life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    life.take(inputs.Progress(3, 180))
    assert life.take(inputs.Progress(2, 180)) == []
    assert life.take(inputs.Rejected(2, 487)) == []
    assert life.contact.legs[2].state == "ended"
    assert life.contact.offer is not None and life.contact.offer.leg == 3 and life.contact.state == "offering"


def test_the_caller_hangs_up_while_it_rings() -> None:
    life = Life().offered()
    life.take(inputs.Progress(2, 180))
    effects = life.take(inputs.Ended(1, "bye", 16))
    assert kinds(effects) == ["AgentOp", "Dequeue", "Cancel", "DeleteMedia", "DeleteMedia"]
    assert [e.outcome for e in effects if isinstance(e, do.AgentOp)] == ["caller_gone"]
    assert (life.contact.result, life.contact.ended_by) == ("abandoned", "caller")
    life.cleared()
    assert life.contact.state == "ending"  # the phone's 487 is still out
    life.take(inputs.Rejected(2, 487))
    assert life.contact.state == "over"


@pytest.mark.parametrize("now", [None, 0])
def test_the_place_in_line_is_said_no_more_when_the_queue_says_so(now: int | None) -> None:
    """The heir's configuration may be newer: there the queue does not say it, or is deleted. Once, not for ever."""
    said = replace(BOOK, queues={"sales": replace(BOOK.queues["sales"], position_every_s=30)})
    life = Life("4008001001", book=said).queued()
    life.due("position")
    assert "position" in life.contact.deadlines
    queues = {} if now is None else {"sales": replace(BOOK.queues["sales"], position_every_s=now)}
    life.book = replace(BOOK, queues=queues)
    assert life.due("position") == [] and "position" not in life.contact.deadlines
    assert life.contact.state == "queueing"


def test_nobody_is_signed_in() -> None:
    life = Life().queued()
    effects = life.take(inputs.Waiting(1, 1, 0))
    assert kinds(effects) == ["Dequeue", "StartPlay"]
    effects = life.played()
    assert do.Bye(1, 16) in effects
    assert life.contact.result == "no_agent"


def test_the_longest_wait_is_over() -> None:
    life = Life().queued()
    life.take(inputs.Waiting(1, 3, 2))
    life.due("max_wait")
    assert life.contact.after.startswith("end:no_agent")
    life.take(inputs.Ended(1))
    assert life.contact.result == "no_agent"


def test_a_notice_while_the_question_is_out_makes_it_asked_again() -> None:
    life = Life().queued()
    assert life.take(inputs.Notice()) == []
    effects = life.take(inputs.Waiting(1, 1, 1))
    assert [e.request for e in effects if isinstance(e, do.Ask)] == [2]


def test_redis_away_keeps_the_caller_and_asks_again() -> None:
    life = Life().queued()
    life.take(inputs.AskFailed(1, 503))
    assert kinds(life.due("ask")) == ["Ask"]


@pytest.mark.parametrize(("why", "code", "result"), [("no_codec", 488, "refused"), ("unavailable", 500, "failed")])
def test_no_media_no_call(why: str, code: int, result: str) -> None:
    life = Life()
    effects = life.take(inputs.MediaFailed(1, why))
    assert [e.code for e in effects if isinstance(e, do.Reject)] == [code]
    assert life.contact.state == "over" and life.contact.result == result


def test_an_unknown_number_is_refused_with_cause_1() -> None:
    life = Life(called="4009999999")
    assert [(e.code, e.cause) for e in life.effects if isinstance(e, do.Reject)] == [(404, 1)]
    assert life.contact.state == "over" and life.contact.result == "refused"


@pytest.mark.parametrize(
    ("override", "closed", "target"),
    [
        ("open", "", "queue:sales"),
        ("closed", "", "ivr:closed_hours"),
        ("closed", "queue:support", "queue:support"),
        ("", "", "ivr:closed_hours"),  # no hours: never open
    ],
)
def test_a_number_that_is_closed_leads_elsewhere_and_says_so(
    override: Literal["", "open", "closed"], closed: str, target: str
) -> None:
    number = doc.AccessNumber("4008001001", "queue:sales", notice="none", calendar="office", closed=closed)
    book = replace(
        BOOK,
        numbers={**BOOK.numbers, number.id: number},
        calendars={"office": doc.Calendar("office", override=override)},
        flows={**BOOK.flows, doc.CLOSED.id: doc.CLOSED},
    )
    life = Life(called=number.id, book=book)
    assert life.contact.target == target
    inside = Life(called=number.id, source="phone:8001", book=book)
    assert inside.contact.target == "queue:sales", "whoever is in the house comes through"
    if target == "ivr:closed_hours":
        life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
        assert life.contact.customer.play and life.contact.customer.play.items == ("zh/hours_closed",)
        life.played()
        assert (life.contact.result, life.contact.ended_by) == ("ivr", "system")


def test_a_flow_asks_the_hours_of_the_moment() -> None:
    nodes = {
        "hours": {"kind": "hours", "calendar": "office", "open": "sales", "closed": "support"},
        **{queue: {"kind": "queue", "queue": queue} for queue in ("sales", "support")},
    }
    flow = doc.Flow("main", "hours", nodes)
    morning = doc.Calendar("office", hours={"wed": ("06:00-06:14",)})  # the life begins at 06:13:20, a Wednesday
    number = doc.AccessNumber("4008001000", "ivr:main", notice="none")
    book = replace(BOOK, flows={"main": flow}, numbers={number.id: number})
    for known, queue in ((morning, "sales"), (doc.Calendar("office"), "support"), (None, "sales")):
        life = Life(book=replace(book, calendars={"office": known} if known else {}))
        life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
        assert life.contact.queue == queue


def test_a_recorded_queue_number_gives_the_notice_first() -> None:
    life = Life(called="4008001001")
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    assert life.contact.state == "announcing"
    assert life.contact.customer.play and life.contact.customer.play.items == ("zh/notice_recorded",)
    effects = life.played()
    assert kinds(effects) == ["StartPlay", "Ask"]
    assert "contact_notice_played" in life.events


def test_echo_comes_after_its_announcement() -> None:
    life = Life(called="4008001009")
    assert kinds(life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))) == ["Answer", "StartPlay"]
    assert life.played() == [do.Echo(1)]
    life.take(inputs.Ended(1))
    assert life.contact.result == "ivr"


def test_phone_to_phone_rings_before_it_is_answered() -> None:
    life = Life(called="8002", source="phone:8001", caller="8001")
    assert kinds(life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))) == ["Engage"]
    assert kinds(life.take(inputs.EngageRefused(2, "", "signed_out"))) == ["Ring", "PrepareOutgoing"]
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    effects = life.take(inputs.Accepted(2, "sdp"))
    assert do.Answer(1, "answer") in effects
    assert life.take(inputs.MediaReady(2, MEDIA, "PCMA")) == [do.Connect(1, 2)]
    busy = Life(called="8002", source="phone:8001", caller="8001")
    busy.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    busy.take(inputs.EngageRefused(2, "", "signed_out"))
    busy.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    effects = busy.take(inputs.Rejected(2, 486))
    assert [e.code for e in effects if isinstance(e, do.Reject)] == [486]
    assert busy.contact.result == "busy"


def test_a_phone_is_called_with_the_media_that_it_speaks() -> None:
    life = Life()
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    life.played()
    life.take(inputs.Digit(1, "1"))
    assert life.take(inputs.Reserved(1, "1001", "8001", 17, "sales", "webrtc")) == [do.PrepareOutgoing(2, "webrtc")]


def test_a_browser_that_nobody_knew_for_one_refuses_plain_rtp_and_is_called_again() -> None:
    life = Life(called="8002", source="phone:8001", caller="8001")
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    life.take(inputs.EngageRefused(2, "", "signed_out"))
    life.take(inputs.MediaReady(2, {"kind": "rtp"}, "", "offer"))
    effects = life.take(inputs.Rejected(2, 488))
    assert effects[-1] == do.PrepareOutgoing(3, "webrtc") and life.contact.state == "calling"
    life.take(inputs.MediaReady(3, {"kind": "webrtc"}, "", "offer"))
    effects = life.take(inputs.Rejected(3, 488))
    assert life.contact.state == "ending" and not any(isinstance(e, do.PrepareOutgoing) for e in effects)


def test_hold_plays_music_to_the_other_and_resume_joins_them_again() -> None:
    life = Life().talking()
    life.take(inputs.Reoffered(2, "held sdp"))
    effects = life.take(inputs.MediaReoffered(2, MEDIA, "hold answer", held=True))
    assert effects[0] == do.AnswerOffer(2, "hold answer")
    assert [(e.leg, e.items, e.repeat) for e in effects if isinstance(e, do.StartPlay)] == [(1, ("music/hold",), 0)]
    assert contact_json(life.contact.to_json())["state"] == "held"
    effects = life.take(inputs.MediaReoffered(2, MEDIA, "resume answer", held=False))
    assert do.Connect(1, 2) in effects
    assert [s.kind for s in life.contact.segments][-3:] == ["talk", "hold", "talk"]


def test_a_command_is_carried_out_once() -> None:
    life = Life().talking()
    effects = life.take(inputs.Command("k1", "hang_up", {"agent": "1001"}))
    assert do.Reply("k1", 200) in effects and do.Bye(1, 16) in effects and do.Bye(2, 16) in effects
    assert life.contact.ended_by == "agent"
    assert life.take(inputs.Command("k1", "hang_up", {"agent": "1001"})) == [do.Reply("k1", 200)]


def test_the_reservation_is_lost_while_it_rings() -> None:
    life = Life().offered()
    life.take(inputs.Progress(2, 180))
    effects = life.take(inputs.OfferLost(17))
    assert any(isinstance(e, do.Cancel) for e in effects)
    assert life.contact.state == "queueing"


EVERY_INPUT: list[inputs.Input] = [
    inputs.Progress(2, 180),
    inputs.Accepted(2, "sdp"),
    inputs.Rejected(2, 486),
    inputs.Reoffered(1, "sdp"),
    inputs.Reoffered(2, ""),
    inputs.Confirmed(1),
    inputs.Recalled(1),
    inputs.Leaving(),
    inputs.Cancelled(1),
    inputs.Ended(1),
    inputs.Ended(2),
    inputs.MediaReady(1, MEDIA, "PCMA", "s"),
    inputs.MediaReady(2, MEDIA, "PCMA"),
    inputs.MediaReoffered(2, MEDIA, "s", True),
    inputs.MediaFailed(1, "unavailable"),
    inputs.MediaFailed(2, "refused"),
    inputs.MediaDeleted(1),
    inputs.MediaDeleted(2),
    inputs.RecordingStarted(1),
    inputs.RecordingStarted(1, "disk full"),
    inputs.RecordingPaused(1, "k"),
    inputs.RecordingResumed(1, "k", "away"),
    inputs.RecordingPaused(1, "k", change=1),
    *(inputs.Command(action, "record", {"action": action, "agent": "1001"}) for action in RECORD_ACTIONS),
    inputs.Command("?", "record", {"action": "start", "reason": "Herr Meier"}),
    inputs.Digit(1, "1"),
    inputs.Digit(2, "#"),
    inputs.Played(1, "p1"),
    inputs.Played(1, "p1", complete=False),
    inputs.Played(1, "p2"),
    inputs.Played(1, "p3"),
    inputs.Reserved(1, "1001", "8001", 17, "sales"),
    inputs.Waiting(1, 1, 1),
    inputs.Waiting(1, 1, 0),
    inputs.AskFailed(1, 503),
    inputs.Notice(),
    inputs.Due("ask"),
    inputs.Due("key"),
    inputs.Due("ring"),
    inputs.Due("max_wait"),
    inputs.Due("position"),
    inputs.Due("cleared"),
    inputs.Command("k", "hang_up"),
    inputs.Command("k", "x"),
    inputs.Command("k", "answer", {"agent": "1001"}),
    inputs.Command("k", "reject", {"agent": "1001"}),
    inputs.Referred(1, "8002", "1"),
    inputs.Referred(2, "8002"),
    inputs.PhoneTold(2, "k", 200),
    inputs.PhoneTold(2, "k", 481),
    inputs.Replacing(2, "s", "offer", "c0.3"),
    inputs.PickedUp("s", "offer", "8002"),
    inputs.PickedUp("s", "", "8002", 2),
    inputs.PickedUp("s", "offer", "8001", 2),
    inputs.PhoneAway(1),
    inputs.PhoneAway(2),
    inputs.Due("away:2"),
    inputs.Cancelled(2),
    inputs.OfferLost(17),
    inputs.Ended(9),
    inputs.ChannelSeized(2, "gw1", 1),
    inputs.ChannelRefused(2, "gw1"),
    inputs.LookedUp(1, ()),
    inputs.LookedUp(1, ("black",), "1001"),
    inputs.Counted(1, True),
    inputs.Guessed(1, True),
    inputs.Guessed(1, False),
    inputs.Due("gate:1"),
    inputs.AgentAsked("1001"),
    inputs.AgentAsked("", "nobody"),
    inputs.Parties(1, 0),
    inputs.Parties(2, 1),
    inputs.ConferenceFull(),
    inputs.Adopted(),
    inputs.Engaged(1, "1001", "8001", 21),
    inputs.Engaged(2, "1001", "8001", 22),
    inputs.EngageRefused(1, "1001", "paused"),
    inputs.EngageRefused(2, "1001", "talking"),
]


def lives() -> dict[str, Life]:
    """One contact in each state."""
    calling = Life(called="8002", source="phone:8001")
    calling.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    dialing = Life(called="62345678", source="phone:8001")
    dialing.take(inputs.LookedUp(1, ()))
    dialing.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    code = Life(called="*11", source="phone:8001")
    code.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    announcing, echo, ending, over = Life("4008001009"), Life("4008001009"), Life().talking(), Life().talking()
    announcing.answered()
    echo.answered()
    echo.played()
    ending.take(inputs.Ended(1))
    over.take(inputs.Ended(1))
    over.cleared()
    return {
        "arriving": Life(), "announcing": announcing, "ivr": Life().answered(), "queueing": Life().queued(),
        "offering": Life().offered(), "placing": Life.wanted("62345678"), "calling": calling, "dialing": dialing,
        "talking": Life().talking(), "conference": Life("4008001008").answered(), "echo": echo,
        "code": code, "ending": ending, "over": over,
    }  # fmt: skip


@pytest.mark.parametrize("given", EVERY_INPUT, ids=repr)
@pytest.mark.parametrize("state", STATES)
def test_every_state_takes_every_input(state: str, given: inputs.Input) -> None:
    life = lives()[state]
    assert life.contact.state == state
    life.take(given)
    assert life.contact.state in STATES
    for effect in life.effects:
        if isinstance(effect, do.Emit):
            required = {key for key in TYPES[effect.event.type] if not key.endswith("?")}
            known = {key.rstrip("?") for key in TYPES[effect.event.type]}
            assert required <= set(effect.event.data) <= known, effect.event
    # whatever happened, one more hang-up of the caller ends it, and the agent is free
    if life.contact.state not in ("ending", "over"):
        life.take(inputs.Ended(1))
    assert life.contact.state in ("ending", "over")
    assert life.contact.offer is None and life.contact.line is None
    life.take(inputs.Due("cleared"))
    assert life.contact.state == "over"
    assert contact_json(life.contact.to_json())["state"] == "ended"


@pytest.mark.parametrize("state", STATES)
def test_a_contact_none_of_whose_legs_lives_is_closed_by_the_reconciler(state: str) -> None:
    """Nothing should lead there; this is for what nobody thought of."""
    life = lives()[state]
    held = bound(life.contact)
    for n in life.contact.legs:
        life.contact = with_leg(life.contact, n, state="ended")
    effects = life.take(inputs.Ended(1, "gone"))
    assert {fence for _, _, fence, _ in held} == {e.fence for e in effects if isinstance(e, do.AgentOp)}
    life.cleared()
    assert life.contact.state == "over" and life.contact.result in RESULTS


def test_an_agent_is_released_exactly_once_whatever_comes() -> None:
    for state, life in lives().items():
        for given in EVERY_INPUT:
            other = replace_life(life)
            held = other.contact.offer
            released = 0
            for step in (given, inputs.Ended(2), inputs.Ended(1), inputs.Due("cleared")):
                effects = other.take(step)
                ops = [e for e in effects if isinstance(e, do.AgentOp) and held is not None]
                released += sum(e.op == "release" and e.fence == held.reservation for e in ops if held)
            if held is not None:
                assert released == 1, (state, given)


def replace_life(life: Life) -> Life:
    copy = Life()
    copy.contact, copy.now = replace(life.contact), life.now
    return copy
