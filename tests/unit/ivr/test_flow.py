from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lq.config.documents import Flow
from lq.ivr import flow as ivr
from lq.ivr.flow import AwaitKey, HangUp, Position, Say, ToAgent, ToQueue

MAIN = Flow(**json.loads((Path(__file__).parents[3] / "sql/demo/main_flow.json").read_text("utf-8")))


def at_menu() -> Position:
    position, action = ivr.enter(MAIN)
    assert action == Say(("notice_recorded",), notice=True)
    position, action = ivr.played(MAIN, position)
    assert action == Say(("menu_main",))
    return position


def test_the_shipped_flow_has_no_fault() -> None:
    assert ivr.faults(MAIN) == []


@pytest.mark.parametrize(
    ("key", "target"), [("1", ToQueue("sales")), ("2", ToQueue("support")), ("0", ToAgent("1001"))]
)
def test_a_key_leads_to_its_target_while_the_menu_still_plays(key: str, target: object) -> None:
    step = ivr.pressed(MAIN, at_menu(), key)
    assert step is not None and step[1] == target


def test_no_key_three_times_says_goodbye_and_hangs_up() -> None:
    position = at_menu()
    for _ in range(2):
        position, action = ivr.played(MAIN, position)
        assert action == AwaitKey(5.0)
        position, action = ivr.timed_out(MAIN, position)
        assert action == Say(("no_key", "menu_main"))
    position, _ = ivr.played(MAIN, position)
    position, action = ivr.timed_out(MAIN, position)
    assert action == Say(("goodbye",), notice=True)
    assert ivr.played(MAIN, position)[1] == HangUp("end")


def test_a_wrong_key_is_told_and_the_menu_repeats() -> None:
    step = ivr.pressed(MAIN, at_menu(), "7")
    assert step is not None and step[1] == Say(("wrong_key", "menu_main"))


def test_a_notice_is_not_interrupted_and_its_keys_are_kept() -> None:
    position, _ = ivr.enter(MAIN)
    assert ivr.pressed(MAIN, position, "2") is None
    assert ivr.played(MAIN, ivr.typed_ahead(position, "2"))[1] == ToQueue("support")


NO_SECONDS = ("5s", "5", None, True, 0, 0.5, 61, -1, [], float("nan"))
NO_TRIES = ("3", None, True, 0, 11, 2.5, -1, {})


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"menu": {**MAIN.nodes["menu"], "keys": {"1": "nowhere"}}}, "'nowhere'"),
        ({"menu": {**MAIN.nodes["menu"], "keys": {"12": "sales"}}}, "no key of a telephone"),
        ({"sales": {"kind": "queue"}}, "'queue' is missing"),
        ({"sales": {"kind": "teleport"}}, "unknown kind"),
        ({"island": {"kind": "hang_up"}}, "cannot be reached"),
        ({"voicemail": {"kind": "play", "prompt": "x", "next": "voicemail"}}, "circle"),
        ({"voicemail": {"kind": "record", "action": "erase", "next": "end"}}, "'action' is one of"),
        (
            {"voicemail": {"kind": "record", "action": "stop", "reason": "He said no", "next": "end"}},
            "'reason' is a word",
        ),
        ({"voicemail": {"kind": "record", "action": "stop", "next": "voicemail"}}, "circle"),
        ({"end": {"kind": "hang_up", "colour": "red"}}, "not known here"),
        *(({"menu": {**MAIN.nodes["menu"], "timeout_s": value}}, "'timeout_s' is a number") for value in NO_SECONDS),
        *(({"menu": {**MAIN.nodes["menu"], "tries": value}}, "'tries' is a whole number") for value in NO_TRIES),
        *(({"menu": {**MAIN.nodes["menu"], "keys": value}}, "'keys' is an object") for value in ([], None, "1", 1)),
        ({"menu": {**MAIN.nodes["menu"], "keys": {"1": ["sales"]}}}, "leads to ['sales']"),
        ({"menu": {**MAIN.nodes["menu"], "otherwise": {}}}, "leads to {}"),
        ({"voicemail": {"kind": "play", "prompt": "x", "next": None}}, "leads to None"),
        ({"sales": {"kind": "queue", "queue": 5}}, "'queue' is the id"),
        ({"sales": {"kind": "agent", "agent": ["1001"]}}, "'agent' is the id"),
        ({"sales": {"kind": "hours", "calendar": "office", "open": "end"}}, "'closed' is missing"),
        ({"sales": {"kind": "hours", "calendar": ["office"], "open": "end", "closed": "end"}}, "'calendar' is the id"),
        ({"sales": {"kind": "hours", "calendar": "x", "open": "end", "closed": "nowhere"}}, "leads to 'nowhere'"),
        ({"notice": {"kind": "hours", "calendar": "x", "open": "menu", "closed": "notice"}}, "circle"),
        ({"menu": {**MAIN.nodes["menu"], "otherwise": "menu"}}, "circle"),
        ({"menu": {**MAIN.nodes["menu"], "otherwise": "notice"}}, "circle"),
    ],
)
def test_faults_are_named(broken: dict[str, dict[str, object]], message: str) -> None:
    flow = replace(MAIN, nodes={**MAIN.nodes, **broken})
    assert any(message in fault.message for fault in ivr.faults(flow)), ivr.faults(flow)


def test_a_circle_is_told_of_those_only_who_are_in_it() -> None:
    round_and_round = {
        "ask": {"kind": "menu", "prompt": "menu_main", "keys": {"1": "end"}, "otherwise": "sorry"},
        "sorry": {"kind": "play", "prompt": "wrong_key", "next": "ask"},
    }
    start = {"hello": {"kind": "notice", "prompt": "notice_recorded", "next": "ask"}}
    flow = Flow("f", "hello", {**start, **round_and_round, "end": {"kind": "hang_up"}})
    assert {fault.node for fault in ivr.faults(flow)} == set(round_and_round)


@pytest.mark.parametrize(("is_open", "action"), [(True, Say(("menu_main",))), (False, HangUp("end"))])
def test_the_hours_decide_the_way_and_keys_are_kept(is_open: bool, action: object) -> None:
    hours = {"kind": "hours", "calendar": "office", "open": "menu", "closed": "end"}
    flow = replace(MAIN, nodes={**MAIN.nodes, "hours": hours, "notice": {**MAIN.nodes["notice"], "next": "hours"}})
    assert ivr.faults(flow) == []
    for typed in ("", "1"):
        position, _ = ivr.enter(flow, typed=typed)
        position, asked = ivr.played(flow, position)
        assert asked == ivr.Hours("office")
        assert ivr.looked(flow, position, is_open)[1] == (ToQueue("sales") if typed and is_open else action)


def test_a_key_may_lead_back() -> None:
    """Whoever presses it hears the menu once more; who presses nothing is let go."""
    keys = {**MAIN.nodes["menu"]["keys"], "*": "menu"}
    flow = replace(MAIN, nodes={**MAIN.nodes, "menu": {**MAIN.nodes["menu"], "keys": keys, "timeout_s": 0.5 + 1}})
    assert ivr.faults(flow) == []


def test_a_recording_is_ordered_on_the_way() -> None:
    stop = {"kind": "record", "action": "stop", "reason": "customer_refused", "next": "support"}
    flow = replace(MAIN, nodes={**MAIN.nodes, "sales": stop})
    step = ivr.pressed(flow, at_menu(), "1")
    assert step is not None and step[1] == ivr.Record("stop", "customer_refused")
    assert ivr.done(flow, step[0])[1] == ToQueue("support")


@given(st.lists(st.sampled_from([*ivr.KEYS, "played", "timed_out"]), max_size=60))
def test_a_caller_never_gets_lost(inputs: list[str]) -> None:
    """Whatever is pressed, the caller always stands at a node of the flow with something to do."""
    position, action = ivr.enter(MAIN)
    for given_input in inputs:
        if isinstance(action, ToQueue | ToAgent | HangUp):
            break
        if given_input == "played":
            position, action = ivr.played(MAIN, position) if not position.waiting else (position, action)
        elif given_input == "timed_out":
            position, action = ivr.timed_out(MAIN, position) if position.waiting else (position, action)
        else:
            step = ivr.pressed(MAIN, position, given_input)
            position, action = step or (ivr.typed_ahead(position, given_input), action)
        assert position.node in MAIN.nodes
        assert len(position.typed) <= 8
