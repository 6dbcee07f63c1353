"""The gate to the outside: which rule refuses, in which order, and what it asks of the live state."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lq.config import documents as doc
from lq.config.book import Book
from lq.contacts import advance as rule
from lq.contacts import effects as do
from lq.contacts import gate, inputs
from lq.contacts.contact import Asking, Contact
from lq.contacts.placing import Refused
from lq.trunks import numbers
from lq.trunks.numbers import EMERGENCY
from lq.trunks.routes import Plan, Refusal, Rule
from tests.unit.contacts.test_advance import BOOK, EVERY_INPUT, MEDIA, Life

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = int(datetime(2026, 11, 27, 12, 0, tzinfo=SHANGHAI).timestamp() * 1000)
NIGHT = int(datetime(2026, 11, 27, 23, 59, 59, tzinfo=SHANGHAI).timestamp() * 1000)
STRICT = replace(
    BOOK,
    agents={
        "1001": doc.Agent("1001", "王芳", ("sales",), caller_id="01088001001"),
        "1002": doc.Agent("1002", "李伟", ("sales",)),
    },
    phones={"8001": doc.Phone("8001", "", calls="national"), "8002": doc.Phone("8002", "")},
    queues={"sales": doc.Queue("sales", "销售", caller_id="01088001002")},
    trunks={"gw1": replace(BOOK.trunks["gw1"], caller_ids=("01088001000", "01088001001", "01088001002"))},
    routes={"all": doc.Route("all", ("gw1",), prefixes=("+86",))},
    calendars={"decent": doc.Calendar("decent", hours={day: ("09:00-20:00",) for day in ("mon", "fri", "sat")})},
    purposes={
        "service": doc.Purpose("service"),
        "marketing": doc.Purpose("marketing", calendar="decent", per_number_a_day=2),
        "lost": doc.Purpose("lost", calendar="gone"),
    },
    lists={
        "dnc": doc.NumberList("dnc", "dnc", purposes=("marketing",)),
        "never": doc.NumberList("never", "dnc"),
        "off": doc.NumberList("off", "dnc", enabled=False),
        "black": doc.NumberList("black", "black"),
        "white": doc.NumberList("white", "white"),
        "vip": doc.NumberList("vip", "vip", priority=5),
    },
)


def asking(
    raw: str = "13800138000", purpose: str = "marketing", phone: str = "8001", listed: tuple[str, ...] | None = ()
) -> Asking:
    return Asking(1, numbers.dialled(raw, STRICT.home, "9"), phone, purpose, listed=listed)


def decide(it: Asking, now: int = NOON, book: Book = STRICT, within: bool | None = None) -> gate.Decision:
    return gate.decide(it, now, book, within)


@pytest.mark.parametrize(
    ("it", "now", "within", "refused"),
    [
        (asking("nobody"), NOON, None, "unreadable"),
        (asking(phone="8002"), NOON, None, "permission"),
        (asking(phone="gone"), NOON, None, "permission"),
        (asking(purpose="fishing"), NOON, None, "purpose"),
        (asking(listed=("dnc",)), NOON, None, "dnc"),
        (asking(purpose="service", listed=("never",)), NOON, None, "dnc"),
        (asking(), NIGHT, None, "hours"),
        (asking(purpose="lost"), NOON, None, "hours"),
        (asking(), NOON, False, "daily_limit"),
    ],
)
def test_each_rule_refuses_by_its_name(it: Asking, now: int, within: bool | None, refused: Rule) -> None:
    assert decide(it, now, within=within) == Refusal(refused)


def test_a_phone_that_is_disabled_calls_emergency_numbers_only() -> None:
    """It may have passed the edge by one, or a talk of its goes on; nor are its calls sent on to the outside."""
    forward = replace(STRICT.phones["8001"], forward=doc.Forward(always="13800138000"))
    allowed = replace(STRICT, phones={**STRICT.phones, "8001": forward})
    revoked = replace(STRICT, phones={**STRICT.phones, "8001": replace(forward, enabled=False)})
    assert decide(asking(purpose="service"), book=revoked) == Refusal("permission")
    assert decide(asking(purpose="service", listed=None), book=revoked) == Refusal("permission")
    assert isinstance(decide(asking("110"), book=revoked), Plan)
    for book, dialed in ((allowed, True), (revoked, False)):
        life = Life(called="8001", source="phone:8002", book=book)
        life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
        assert ("contact_dialed" in life.events) is dialed and life.contact.result == ("" if dialed else "busy")


def test_routes_and_caller_ids_refuse_before_anything_is_counted() -> None:
    assert decide(asking(), book=replace(STRICT, routes={})) == Refusal("no_route")
    mute = {"gw1": replace(STRICT.trunks["gw1"], caller_ids=())}
    assert decide(asking(), book=replace(STRICT, trunks=mute)) == Refusal("no_caller_id")


def test_what_it_asks_and_when() -> None:
    look = do.LookUp(1, "+8613800138000", ("dnc", "never", "white"), "8001")
    assert decide(asking(listed=None)) == look
    assert decide(asking(listed=None, purpose="service")) == replace(look, lists=("never", "white"))
    assert decide(asking()) == do.CountCall(1, "+8613800138000", "marketing", "2026-11-27", 2)
    assert isinstance(decide(asking(), within=True), Plan)
    assert isinstance(decide(asking(purpose="service")), Plan)  # no limit: nothing is counted
    assert isinstance(decide(asking(purpose="service"), NIGHT), Plan)
    assert isinstance(decide(asking(purpose="service", listed=("dnc",))), Plan)


def test_the_day_is_the_centers() -> None:
    """23:59 in Shanghai, and one minute later, are one afternoon in London."""
    book = replace(
        STRICT, calendars={"decent": doc.Calendar("decent", hours={"fri": ("00:00-24:00",), "sat": ("00:00-24:00",)})}
    )
    days = [decide(asking(), now, book) for now in (NIGHT, NIGHT + 1_000)]
    assert [it.day for it in days if isinstance(it, do.CountCall)] == ["2026-11-27", "2026-11-28"]
    utc = replace(book, settings=doc.Settings(time_zone="UTC"))
    days = [decide(asking(), now, utc) for now in (NIGHT, NIGHT + 1_000)]
    assert [it.day for it in days if isinstance(it, do.CountCall)] == ["2026-11-27", "2026-11-27"]


def test_a_white_list_excuses_from_do_not_call_lists_and_nothing_else() -> None:
    assert isinstance(decide(asking(listed=("dnc", "white")), within=True), Plan)
    assert decide(asking(listed=("dnc", "white")), NIGHT) == Refusal("hours")
    assert decide(asking(listed=("dnc", "white")), within=False) == Refusal("daily_limit")


def test_service_needs_no_document() -> None:
    assert isinstance(decide(asking(purpose="service"), book=replace(STRICT, purposes={})), Plan)


@pytest.mark.parametrize(
    ("agent", "shown"), [("1001", "01088001001"), ("1002", "01088001002"), ("", "01088001000"), ("x", "01088001000")]
)
def test_whose_number_is_shown(agent: str, shown: str) -> None:
    found = decide(replace(asking(purpose="service"), agent=agent))
    assert isinstance(found, Plan) and found.ways[0].caller_id == shown


ANYTHING: dict[str, st.SearchStrategy[Any]] = {
    "raw": st.sampled_from(("13800138000", "62345678", "02162345678", "0012125551234", "95588", "4008001000", "x")),
    "purpose": st.sampled_from(("service", "marketing", "lost", "fishing")),
    "phone": st.sampled_from(("8001", "8002", "")),
    "listed": st.none() | st.lists(st.sampled_from(tuple(STRICT.lists)), unique=True).map(tuple),
}
ORDER: tuple[Rule, ...] = get_args(Rule)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(EMERGENCY)), st.booleans(), st.data())
def test_emergencies_pass_always(number: str, outside: bool, data: st.DataObject) -> None:
    """Whatever phone, purpose, lists, hour or limit; without a question to anybody."""
    made = {name: data.draw(strategy) for name, strategy in ANYTHING.items() if name != "raw"}
    bare = data.draw(st.sampled_from((STRICT, replace(STRICT, routes={}, phones={}, purposes={}))))
    found = decide(asking("9" * outside + number, **made), NIGHT, bare, data.draw(st.sampled_from((None, True, False))))
    assert isinstance(found, Plan) and found.emergency and {way.digits for way in found.ways} == {number}


@settings(max_examples=500, deadline=None)
@given(st.fixed_dictionaries(ANYTHING), st.sampled_from((NOON, NIGHT)))
def test_a_number_that_may_not_be_called_never_gets_a_plan(made: dict[str, Any], now: int) -> None:
    """And a refusal that needs no question is the same before and after it; nothing is counted that is refused."""
    it = asking(**made)
    found = decide(it, now)
    lists = [STRICT.lists[id] for id in it.listed or ()]
    barred = any(one.kind == "dnc" and one.enabled and it.purpose in (one.purposes or (it.purpose,)) for one in lists)
    if barred and all(one.kind != "white" for one in lists):
        assert isinstance(found, Refusal) and ORDER.index(found.rule) <= ORDER.index("dnc")
    if it.listed is None:
        assert isinstance(found, do.LookUp) or (
            isinstance(found, Refusal) and ORDER.index(found.rule) < ORDER.index("dnc")
        )
    if isinstance(found, do.CountCall):
        assert isinstance(decide(it, now, within=True), Plan)
        assert decide(it, now, within=False) == Refusal("daily_limit")
    if isinstance(found, Plan):
        assert not found.emergency and found.ways


# -- in the life of a contact ------------------------------------------------------------------------------------------


class Strict(Life):
    """A life under the strict book."""

    def __init__(self, called: str, source: str = "phone:8001", caller: str = "8001", purpose: str = "") -> None:
        self.now, self.ledger = NOON, []
        self.contact, self.effects = rule.begin(
            inputs.Incoming("c1", source, caller, called, "offer", "lq1-1"), self.now, STRICT
        )
        self.events = self._emitted()
        if purpose:
            self.contact = replace(
                self.contact,
                purpose=purpose,
                asking=tuple(replace(one, purpose=purpose) for one in self.contact.asking),
            )

    def take(self, given: inputs.Input, after_ms: int = 10) -> list[do.Effect]:
        self.now += after_ms
        self.contact, self.effects = rule.advance(self.contact, given, self.now, STRICT)
        assert Contact.from_json(json.loads(json.dumps(self.contact.to_json()))) == self.contact
        self.events += self._emitted()
        return [effect for effect in self.effects if not isinstance(effect, do.Emit)]

    @property
    def rules(self) -> list[str]:
        return [e.data["rule"] for e in self.ledger if e.type in ("contact_dial_refused", "contact_refused")]


def test_look_count_dial() -> None:
    life = Strict("13800138000", purpose="marketing")
    assert [e for e in life.effects if not isinstance(e, do.Emit)] == [
        do.LookUp(1, "+8613800138000", ("never", "white"), "8001"),
        do.Engage(1, phone="8001", own=True),  # so that he is offered nothing meanwhile
    ]
    assert life.take(inputs.LookedUp(1, (), "1001")) == [
        do.CountCall(1, "+8613800138000", "marketing", "2026-11-27", 2)
    ]
    assert life.take(inputs.LookedUp(1, ("never",))) == [do.Reject(1, 403, 21)]  # … says a live state twice asked
    life = Strict("13800138000", purpose="marketing")
    life.take(inputs.LookedUp(1, (), "1001"))
    assert life.take(inputs.Counted(1, True)) == [do.PrepareIncoming(1, "offer")]
    assert life.contact.dial and life.contact.dial.way.caller_id == "01088001001"
    assert life.contact.asking == () and life.contact.deadlines == {}
    assert life.take(inputs.Counted(1, False)) == life.take(inputs.Due("gate:1")) == []  # too late


@pytest.mark.parametrize(
    ("said", "refused", "status"),
    [
        (inputs.LookedUp(1, ("never",)), "dnc", 403),
        (inputs.Counted(1, False), "daily_limit", 403),
        (inputs.Due("gate:1"), "not_known", 500),
    ],
)
def test_a_refusal_is_told_and_written(said: inputs.Input, refused: str, status: int) -> None:
    life = Strict("13800138000", purpose="marketing")
    if isinstance(said, inputs.Counted):
        life.take(inputs.LookedUp(1, ()))
    effects = life.take(said, 6_000)
    assert [effect.code for effect in effects if isinstance(effect, do.Reject)] == [status]
    assert (life.rules, life.contact.result, life.contact.state) == ([refused], "refused", "over")


def test_the_purpose_is_in_the_books() -> None:
    assert Strict("13800138000").ledger[0].data["purpose"] == "service"
    assert "purpose" not in Strict("4008001001", "trunk:gw1", "13800138000").ledger[0].data


def test_whom_the_gate_refuses_is_let_go() -> None:
    life = Strict("13800138000")
    life.take(inputs.Engaged(1, "1001", "8001", 21))
    effects = life.take(inputs.LookedUp(1, ("never",), "1001"))
    assert do.AgentOp("1001", 21, "release", "caller_gone") in effects
    at_once = Strict("13800138000", "phone:8002")
    assert at_once.rules == ["permission"] and not any(isinstance(one, do.Engage) for one in at_once.effects)


@pytest.mark.parametrize("given", EVERY_INPUT, ids=repr)
def test_at_the_gate_every_input_may_come(given: inputs.Input) -> None:
    life = Strict("13800138000")
    if isinstance(given, inputs.MediaReady | inputs.MediaFailed):
        return  # nobody has asked for media yet
    life.take(given)
    if life.contact.state not in ("ending", "over"):
        life.take(inputs.Ended(1))
    assert life.contact.state in ("ending", "over")


# -- click to dial -----------------------------------------------------------------------------------------------------


def wanted(to: str = "13800138000", purpose: str = "marketing", phone: str = "8001") -> Strict | Refused:
    begun = rule.place(inputs.Wanted("c1", "k1", "1001", phone, to, "lq1-1", purpose), NOON, STRICT)
    if isinstance(begun, Refused):
        return begun
    life = Strict("110")
    life.ledger = []
    life.contact, life.effects = begun
    life.events = life._emitted()
    return life


def test_his_phone_rings_when_the_gate_has_let_the_call_pass() -> None:
    life = wanted()
    assert isinstance(life, Strict) and life.ledger[0].data["purpose"] == "marketing"
    assert not any(isinstance(effect, do.Engage) for effect in life.effects)
    assert [type(one) for one in life.take(inputs.LookedUp(1, ()))] == [do.CountCall]
    assert [type(one) for one in life.take(inputs.Counted(1, True))] == [do.Engage]
    assert life.contact.dial and life.contact.dial.way.caller_id == "01088001001"


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        (inputs.LookedUp(1, ("dnc",)), 403, "dnc"),
        (inputs.Counted(1, False), 403, "daily_limit"),
        (inputs.Due("gate:1"), 503, "live_unavailable"),
    ],
)
def test_whoever_wanted_it_hears_which_rule_refuses(said: inputs.Input, status: int, code: str) -> None:
    life = wanted()
    assert isinstance(life, Strict)
    if isinstance(said, inputs.Counted):
        life.take(inputs.LookedUp(1, ()))
    replies = [effect for effect in life.take(said) if isinstance(effect, do.Reply)]
    assert [(one.command, one.status, one.error) for one in replies] == [("k1", status, code)]
    assert life.contact.state == "over" and len(life.rules) == 1


def test_what_needs_no_question_is_refused_before_a_contact_begins() -> None:
    assert wanted("x") == Refused(422, "invalid", "it is no number that can be dialled", "to")
    assert wanted(purpose="fishing") == Refused(422, "invalid", "there is no such purpose", "purpose")
    refused = wanted(phone="8002")
    assert isinstance(refused, Refused) and (refused.status, refused.code) == (403, "permission")


def test_the_adopter_asks_the_gate_again() -> None:
    life = wanted()
    assert isinstance(life, Strict)
    assert any(isinstance(effect, do.LookUp) for effect in life.take(inputs.Adopted()))


# -- callers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "status", "cause"), [("refuse", 403, 21), ("busy", 486, 17)])
def test_a_caller_on_a_black_list_is_not_served(
    answer: Any, status: int, cause: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    black = replace(STRICT, lists={**STRICT.lists, "black": doc.NumberList("black", "black", answer=answer)})
    monkeypatch.setattr(f"{__name__}.STRICT", black)
    life = Strict("4008001001", "trunk:gw1", "13800138000")
    assert do.LookUp(1, "+8613800138000", ("black", "vip", "white")) in life.effects
    assert do.Reject(1, status, cause) in life.take(inputs.LookedUp(1, ("black",)))
    assert (life.rules, life.contact.result) == (["black_list"], "refused")
    served = Strict("4008001001", "trunk:gw1", "13800138000")
    assert served.take(inputs.LookedUp(1, ("black", "white"))) == []


def test_a_vip_comes_before_others() -> None:
    places = []
    for listed in ((), ("vip",)):
        life = Strict("4008001001", "trunk:gw1", "13800138000")
        life.take(inputs.LookedUp(1, listed))
        life.answered()
        life.played()
        assert life.contact.line
        places.append(life.contact.line.lanes["sales"])
        assert [e.data["priority"] for e in life.ledger if e.type == "contact_queued"] == [5 * bool(listed)]
    assert [later - first for first, later in pairwise(places)] == [-5 * 60_000]


def test_nobody_waits_for_a_live_state_that_is_away() -> None:
    life = Strict("4008001001", "trunk:gw1", "13800138000")
    life.answered()
    assert life.contact.state == "announcing"
    assert life.take(inputs.LookedUp(1, ("black",))) == []


def test_withheld_numbers_are_on_no_list() -> None:
    life = Strict("4008001001", "trunk:gw1", "anonymous")
    assert not any(isinstance(effect, do.LookUp) for effect in life.effects)
