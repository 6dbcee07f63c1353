"""The gate to the outside: everything that it lets pass or refuses, and by which trunks."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from lq.config.book import Book
from lq.config.documents import PERMISSIONS, Calendar, NumberRule, Permission, Phone, Route, Trunk
from lq.contacts import gate
from lq.contacts.contact import Asking
from lq.trunks import numbers, routes
from lq.trunks.routes import Caller, Network, Plan, Refusal, Way

HOME = NumberRule(area_code="10")
SHANGHAI = NumberRule(area_code="21")
TRUNKS = {
    "gw1": Trunk("gw1", "127.0.1.1", numbers=HOME, caller_ids=("01088001000", "01088001001")),
    "gw2": Trunk("gw2", "127.0.1.2", numbers=SHANGHAI, caller_ids=("02161234567",)),
    "in": Trunk("in", "127.0.1.3", direction="in", caller_ids=("01088001000",)),
    "mute": Trunk("mute", "127.0.1.4"),
}
ROUTES = {"all": Route("all", ("gw1", "gw2"), caller_id="01088001001", recording="talk")}


def plan(
    raw: str, calls: Permission | None = "international", routed: dict[str, Route] = ROUTES, turn: str = ""
) -> Plan | Refusal:
    """As the gate decides it, no list having the number."""
    phones = {} if calls is None else {"8001": Phone("8001", "", calls=calls)}
    asking = Asking(1, numbers.dialled(raw, HOME, "9"), "8001", "service", listed=())
    decided = gate.decide(asking, 0, Book(trunks=TRUNKS, routes=routed, phones=phones), turn=turn)
    assert isinstance(decided, Plan | Refusal)
    return decided


def test_a_plan_names_trunks_digits_and_who_is_shown() -> None:
    ways = (Way("gw1", "62345678", "01088001001"), Way("gw2", "01062345678", "02161234567"))
    assert plan("62345678") == plan("01062345678") == plan("9 6234-5678") == Plan(ways, "talk")
    assert plan("0012125551234") == Plan(
        (Way("gw1", "0012125551234", "01088001001"), Way("gw2", "0012125551234", "02161234567")), "talk"
    )


@pytest.mark.parametrize(
    ("raw", "needed"),
    [
        ("62345678", "local"), ("01062345678", "local"), ("12345", "local"), ("4008001000", "local"),
        ("02162345678", "national"), ("13800138000", "national"), ("913800138000", "national"),
        ("+12125551234", "international"), ("00442071838750", "international"),
    ],
)  # fmt: skip
def test_how_far_a_phone_may_call(raw: str, needed: Permission) -> None:
    for calls in PERMISSIONS:
        allowed = PERMISSIONS.index(calls) >= PERMISSIONS.index(needed)
        assert isinstance(plan(raw, calls), Plan) == allowed
        assert allowed or plan(raw, calls) == Refusal("permission")
    assert plan(raw, None) == Refusal("permission")  # a phone that is not in the book


@pytest.mark.parametrize("raw", ["", "abc", "'; <script>", "99999999999999999999", "7", "*70", "anonymous", "0"])
def test_what_cannot_be_read_is_not_dialled(raw: str) -> None:
    assert plan(raw) == Refusal("unreadable")


@pytest.mark.parametrize("raw", ["110", "119", "120", "122", "9110", "9-120"])
def test_emergencies_pass_from_any_phone_by_any_trunk(raw: str) -> None:
    digits = raw.replace("-", "")[-3:]
    for calls in (None, "internal"):
        passed = plan(raw, calls, {})
        assert isinstance(passed, Plan) and passed.emergency
        assert [way.trunk for way in passed.ways] == ["gw1", "gw2", "mute"]
        assert {way.digits for way in passed.ways} == {digits}
    nobody = replace(TRUNKS["in"], id="in")
    number = numbers.dialled(raw, HOME, "9")
    assert routes.emergency(number, Caller(), Network({"in": nobody})) == Refusal("no_route")


def test_the_longest_prefix_wins() -> None:
    routed = {
        "all": Route("all", ("gw1",)),
        "shanghai": Route("shanghai", ("gw2",), prefixes=("+8621",)),
        "mobile": Route("mobile", ("gw2",), prefixes=("+8613", "+8615")),
    }
    for raw, trunk in (("02161112222", "gw2"), ("62345678", "gw1"), ("13800138000", "gw2"), ("18600138000", "gw1")):
        found = plan(raw, routed=routed)
        assert isinstance(found, Plan) and [way.trunk for way in found.ways] == [trunk]
    assert plan("62345678", routed={"s": routed["shanghai"]}) == Refusal("no_route")


def test_trunks_in_turn_take_their_share() -> None:
    routed = {"all": Route("all", ("gw1", "gw2"), use="in_turn")}
    first = [
        p.ways[0].trunk for n in range(200) if isinstance(p := plan("13800138000", routed=routed, turn=str(n)), Plan)
    ]
    assert 60 < first.count("gw1") < 140
    found = plan("13800138000", routed=routed, turn="x")
    assert isinstance(found, Plan) and {way.trunk for way in found.ways} == {"gw1", "gw2"}


def test_nobody_is_shown_a_number_that_the_trunk_may_not_show() -> None:
    assert plan("13800138000", routed={"r": Route("r", ("mute",))}) == Refusal("no_caller_id")
    assert plan("13800138000", routed={"r": Route("r", ("in",))}) == Refusal("no_route")
    assert plan("13800138000", routed={"r": Route("r", ("gone",))}) == Refusal("no_route")
    found = plan("13800138000", routed={"r": Route("r", ("gw2",), caller_id="01088001000")})
    assert isinstance(found, Plan) and found.ways[0].caller_id == "02161234567"


AFTER_HOURS = Calendar("night", hours={"mon": ("18:00-24:00",)})
PARTICULAR = {
    "all": Route("all", ("gw1",)),
    "abroad": Route("abroad", ("gw2",), prefixes=("+1", "+12")),
    "sales": Route("sales", ("gw2",), queues=("sales",)),
    "chief": Route("chief", ("gw1",), agents=("1001",)),
    "night": Route("night", ("gw2",), prefixes=("+1",), calendar="night"),
    "broken": Route("broken", ("gw2",), calendar="gone"),
}


@pytest.mark.parametrize(
    ("raw", "caller", "trunks"),
    [
        ("62345678", Caller(), {"gw1"}),
        ("0012125551234", Caller(), {"gw2"}),  # the longer prefix
        ("0013125551234", Caller(moment=datetime(2026, 11, 23, 18, 0)), {"gw2"}),
        ("62345678", Caller("1002", ("support",)), {"gw1"}),
        ("62345678", Caller("1002", ("support", "sales")), {"gw2"}),  # who belongs to a queue that is named
        ("62345678", Caller("1001", ("sales",)), {"gw1"}),  # he himself is named
        ("0012125551234", Caller("1002", ("sales",)), {"gw2"}),
    ],
)
def test_the_most_particular_route_wins(raw: str, caller: Caller, trunks: set[str]) -> None:
    found = routes.plan(numbers.dialled(raw, HOME), caller, Network(TRUNKS, PARTICULAR, {"night": AFTER_HOURS}))
    assert isinstance(found, Plan) and {way.trunk for way in found.ways} == trunks


@pytest.mark.parametrize(("hour", "trunk"), [(17, "gw1"), (18, "gw2"), (23, "gw2")])
def test_a_route_holds_in_its_hours(hour: int, trunk: str) -> None:
    routed = {"day": Route("day", ("gw1",)), "night": Route("night", ("gw2",), calendar="night")}
    caller = Caller(moment=datetime(2026, 11, 23, hour, 59))  # a Monday
    number = numbers.dialled("62345678", HOME)
    found = routes.plan(number, caller, Network(TRUNKS, routed, {"night": AFTER_HOURS}))
    assert isinstance(found, Plan) and [way.trunk for way in found.ways] == [trunk]
    only = {"night": routed["night"]}
    unknown = routes.plan(number, caller, Network(TRUNKS, only))
    assert unknown == Refusal("no_route")  # hours that nobody knows are never


def test_whose_number_is_shown() -> None:
    """His own, his queue's, the route's, the trunk's: the first that this trunk may show."""
    number = numbers.dialled("62345678", HOME)
    for shown, expected in (
        (("01088001001",), "01088001001"),
        (("02161234567", "01088001001"), "01088001001"),
        (("4008001000",), "01088001000"),
        (("",), "01088001000"),
    ):
        routed = {"all": Route("all", ("gw1",))}
        found = routes.plan(number, Caller(shown=shown), Network(TRUNKS, routed))
        assert isinstance(found, Plan) and found.ways[0].caller_id == expected
