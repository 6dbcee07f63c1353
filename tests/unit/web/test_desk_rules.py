"""What an agent can do at his soft phone in each situation, and what he is told where he cannot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lcall_web.common.i18n import translated
from lcall_web.desk import rules
from lq.acd.agent import STATES
from lq.sdk import Agent, ApiError, ApiUnavailable, Contact
from lq.sdk.values import ContactRecording, Leg

AGENT = Agent("1001", "王芳", "talking", phone="8001", contact="c")
CUSTOMER = Leg("c.1", "customer", "13800138000", "answered", place="talk")
OWN = Leg("c.2", "agent", "8001", "answered", agent="1001", place="talk")
COLLEAGUE = Leg("c.3", "agent", "8002", "answered", agent="1002", place="aside")
TALK = Contact("c", "in", "talking", "+8613800138000", "13800138000", "4008001001", legs=(CUSTOMER, OWN))


def usable(agent: Agent, contact: Contact | None) -> set[str]:
    found = rules.reasons(rules.situation(agent, contact))
    assert all(translated("en", reason) != reason for reason in found.values() if reason), "each reason has its words"
    can = {action for action, reason in found.items() if not reason}
    assert ("keypad" in can) == bool(can & {"keys", "dial"}), "one pad for both"
    return can - {"keypad"}


ALWAYS = {"sign-in"}
IN_ANY_STATE = {"sign-in", "sign-out", "pause"}
TALKING = {
    *("hang-up", "hold", "mute", "unmute", "keys", "transfer", "add", "record-start", "help"),
    *IN_ANY_STATE,
}


def test_without_a_call() -> None:
    assert usable(replace(AGENT, state="signed_out"), None) == ALWAYS
    assert usable(replace(AGENT, state="ready"), None) == IN_ANY_STATE | {"dial"}
    assert usable(replace(AGENT, state="paused"), None) == IN_ANY_STATE | {"dial", "ready"}
    assert usable(replace(AGENT, state="phone_offline"), None) == IN_ANY_STATE | {"dial", "ready"}
    assert usable(replace(AGENT, state="wrap_up"), TALK) == IN_ANY_STATE | {"dial", "ready", "done"}


def test_the_pad_dials_without_a_call_and_says_why_it_cannot() -> None:
    def why(agent: Agent, contact: Contact | None) -> str:
        return rules.reasons(rules.situation(agent, contact))["keypad"]

    ringing = replace(TALK, state="ringing", legs=(CUSTOMER, replace(OWN, state="ringing", place=None)))
    assert why(replace(AGENT, state="signed_out"), None) == rules.SIGNED_OUT
    assert why(replace(AGENT, state="ringing"), ringing) == rules.NOT_ANSWERED
    assert why(replace(AGENT, state="reserved"), None) == rules.NO_CALL
    assert (
        why(replace(AGENT, state="wrap_up"), TALK) == why(replace(AGENT, state="ready"), None) == why(AGENT, TALK) == ""
    )


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_an_answer_for_every_button(state: str) -> None:
    names = set(rules.reasons(rules.situation(AGENT, TALK)))
    for contact in (None, TALK):
        assert set(rules.reasons(rules.situation(replace(AGENT, state=state), contact))) == names


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("verb", ["code", "done", "ready", "pause", "sign-out", "sign-in"])
def test_who_leaves_a_wrap_up_without_the_code_that_its_queue_wants_is_told_what_to_do_first(
    verb: str, state: str
) -> None:
    def told(code: str, required: bool) -> str:
        return rules.wants_code(verb, state, code, required=required)

    assert told("order", True) == told("order", False) == ""
    assert bool(told("", False)) == (verb == "code")
    leaves = verb in ("code", "done") or (state == "wrap_up" and verb in ("ready", "pause", "sign-out"))
    assert bool(told("", True)) == leaves
    assert not leaves or translated("en", told("", True)) != told("", True)


def test_a_call_that_rings_is_answered_or_rejected_never_hung_up() -> None:
    """To hang up what is only offered would end it for the customer."""
    ringing = replace(TALK, state="ringing", legs=(CUSTOMER, replace(OWN, state="ringing", place=None)))
    assert usable(replace(AGENT, state="ringing"), ringing) == IN_ANY_STATE | {"answer", "reject"}
    called = replace(ringing, legs=(CUSTOMER, replace(OWN, state="inviting", place=None)))
    assert usable(replace(AGENT, state="reserved"), called) == IN_ANY_STATE | {"reject"}


def test_a_call_of_his_own_is_answered_at_his_phone_or_given_up() -> None:
    own = replace(TALK, state="ringing", direction="out", legs=(replace(OWN, state="ringing", place=None),))
    assert usable(replace(AGENT, state="dialing"), own) == IN_ANY_STATE | {"answer", "hang-up"}


def test_two_talk() -> None:
    assert usable(AGENT, TALK) == TALKING
    assert usable(replace(AGENT, next="paused"), TALK) == TALKING | {"ready"}, "takes back what was to come"


def test_the_customer_waits() -> None:
    held = replace(TALK, state="held", legs=(replace(CUSTOMER, place="waits"), OWN))
    assert usable(AGENT, held) == TALKING - {"hold", "add"} | {"resume"}


def test_he_consults() -> None:
    waits = replace(CUSTOMER, place="waits")
    rings = replace(COLLEAGUE, state="ringing")
    calls = replace(TALK, state="held", legs=(waits, replace(OWN, place="aside"), rings))
    gone = {"hold", "transfer", "add"}
    assert usable(AGENT, calls) == TALKING - gone | {"complete", "cancel"}
    asks = replace(calls, state="consulting", legs=(waits, replace(OWN, place="aside"), COLLEAGUE))
    assert usable(AGENT, asks) == TALKING - gone | {"complete", "cancel", "conference"}


def test_who_is_consulted_has_the_ordinary_buttons_but_for_the_transfer() -> None:
    asks = replace(TALK, legs=(replace(CUSTOMER, place="waits"), replace(OWN, place="aside"), COLLEAGUE))
    his = usable(replace(AGENT, id="1002"), asks)
    assert {"hang-up", "mute"} <= his and not {"hold", "transfer"} & his


def test_a_leader_who_listens_changes_nothing() -> None:
    leader = Leg("c.4", "agent", "8901", "ringing", agent="1901", mode="listen")
    assert usable(AGENT, replace(TALK, legs=(*TALK.legs, leader))) == TALKING


@pytest.mark.parametrize(("mode", "place"), [("listen", "listens"), ("whisper", "whispers"), ("barge", "talk")])
def test_a_leader_has_the_buttons_of_a_call_once_he_talks_in_it(mode: str, place: str) -> None:
    hears = Leg("c.4", "agent", "8901", "answered", agent="1901", mode=mode, place=place)
    asked = replace(COLLEAGUE, state="ringing", place=None)
    for legs in ((*TALK.legs, hears), (*TALK.legs, hears, asked)):
        found = usable(replace(AGENT, id="1901", phone="8901"), replace(TALK, legs=legs))
        listens = IN_ANY_STATE | {"hang-up", "mute", "unmute"}
        assert found == listens if mode != "barge" else found > listens


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        ("active", {"record-stop", "record-pause"}),
        ("paused", {"record-stop", "record-resume"}),
        ("stopped", {"record-start"}),
        ("failed", {"record-start"}),
    ],
)
def test_recording(state: str, wanted: set[str]) -> None:
    recorded = replace(TALK, recordings=(ContactRecording("c-r1", "talk", state),))
    assert {action for action in usable(AGENT, recorded) if action.startswith("record")} == wanted


def test_help_is_asked_for_once() -> None:
    assert usable(AGENT, replace(TALK, help="1001")) == TALKING - {"help"} | {"help-end"}


@pytest.mark.parametrize(
    ("direction", "number", "called", "peer"),
    [
        ("in", "+8613800138000", "4008001001", "+8613800138000"),
        ("out", "8001", "13800138000", "13800138000"),
        ("internal", "8002", "8001", "8002"),
        ("internal", "8001", "8002", "8002"),
    ],
)
def test_who_the_other_one_is(direction: str, number: str, called: str, peer: str) -> None:
    assert rules.peer(replace(TALK, direction=direction, number=number, called=called), AGENT) == peer


@pytest.mark.parametrize("code", [*rules.REFUSALS, "dnc", "hours", "something_new"])
def test_every_refusal_says_what_to_do(code: str) -> None:
    text, reason = rules.refusal(ApiError(409, code, "words for programmers"))
    assert translated("en", text, reason=reason) and "programmers" not in text
    assert ("%(reason)s" in text) == bool(reason)


def test_who_is_sent_to_the_other_button_is_told_its_name_and_for_what() -> None:
    zh, en = rules.REFUSALS["mode"], translated("en", rules.REFUSALS["mode"])
    button = "直接转接"
    assert button in zh and translated("en", button) in en
    for text in (zh, rules.REFUSALS["conference"]):
        assert all(name in text for name in ("技能组", "语音导航", "会议"))


def test_refusals_without_a_code_of_their_own() -> None:
    assert rules.refusal(ApiUnavailable("nobody")) == (rules.AWAY, "")
    assert rules.refusal(ApiError(503, "whatever", "")) == (rules.AWAY, "")
    assert rules.refusal(ApiError(422, "invalid", "", field="phone")) == (rules.FIELDS["phone"], "")
    assert rules.refusal(ApiError(422, "invalid", "", field="other")) == (rules.UNKNOWN, "")


CODES = {
    "complaint": {"name": "投诉", "order": 2},
    "delivery": {"name": "物流", "parent": "complaint"},
    "late": {"name": "太慢", "parent": "delivery"},
    "deeper": {"name": "第四级", "parent": "late"},
    "order": {"name": "订单", "order": 1, "queues": ["sales"]},
    "new": {"name": "新单", "parent": "order"},
    "old": {"name": "停用", "enabled": False},
    "orphan": {"name": "无上级", "parent": "nobody"},
}


def test_codes_of_a_queue_are_a_tree_in_their_order() -> None:
    assert list(rules.codes(CODES, "sales").items()) == [
        ("order", ""),
        ("new", "order"),
        ("complaint", ""),
        ("delivery", "complaint"),
        ("late", "delivery"),
    ]
    others = rules.codes(CODES, "support")
    assert "new" not in others, "below one that is for another queue"
    assert [code for code in others if rules.leaf(others, code)] == ["late"]
    assert not rules.leaf(others, "nonsense")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("１３８００１３８０００", "13800138000"),
        ("（021）6111–2222", "02161112222"),
        ("+86 138-0013·8000", "+8613800138000"),
        ("\u202d138\u00a00013\u30008000\u202c", "13800138000"),
        ("021/61112222", "02161112222"),
        ("ivr：main-menu", "ivr:main-menu"),
        ("queue:sales", "queue:sales"),
        (" *８１００１ ", "*81001"),
    ],
)
def test_what_is_dialled_is_read_as_people_and_programs_write_it(written: str, meant: str) -> None:
    assert rules.plain(written) == meant and rules.TO.fullmatch(meant)
