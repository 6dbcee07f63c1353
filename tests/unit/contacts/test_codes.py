"""Feature codes: what is asked, entered, done and said."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lq.config import documents as doc
from lq.config import pins
from lq.contacts import advance as rule
from lq.contacts import effects as do
from lq.contacts import guessing, inputs
from lq.contacts.contact import Contact
from tests.unit.contacts.test_advance import BOOK, MEDIA, Life, kinds

BOOK_OF_CODES = replace(
    BOOK,
    agents={
        "1001": doc.Agent("1001", "王芳", ("sales",), pin_hash=pins.hashed("1001", "2468")),
        "1002": doc.Agent("1002", "李伟", ("sales",)),
        "1003": doc.Agent("1003", "张娜", ("sales",), pin_hash=pins.hashed("1003", "2468"), enabled=False),
    },
    phones={"8001": doc.Phone("8001", ""), "8002": doc.Phone("8002", "", agent="1002")},
)


class Dialled(Life):
    """A phone has dialled this, and its call is answered."""

    def __init__(self, called: str, source: str = "phone:8001") -> None:
        self.now, self.ledger = 1_700_000_000_000, []
        first = inputs.Incoming("c1", source, source.removeprefix("phone:"), called, "offer", "lq1-1")
        self.contact, self.effects = rule.begin(first, self.now, BOOK_OF_CODES)
        self.engaged = any(isinstance(effect, do.Engage) for effect in self.effects)
        self.events = self._emitted()
        self.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))

    def take(self, given: inputs.Input, after_ms: int = 10) -> list[do.Effect]:
        self.now += after_ms
        self.contact, self.effects = rule.advance(self.contact, given, self.now, BOOK_OF_CODES)
        assert Contact.from_json(json.loads(json.dumps(self.contact.to_json()))) == self.contact
        self.events += self._emitted()
        return [effect for effect in self.effects if not isinstance(effect, do.Emit)]

    def keys(self, keys: str) -> list[do.Effect]:
        effects: list[do.Effect] = []
        for key in keys:
            effects = self.take(inputs.Digit(1, key), 400)
        return effects

    def enters(self, keys: str, *, within: bool = True) -> list[do.Effect]:
        """A PIN, and the live state says whether it counts."""
        [asked] = self.keys(keys)
        assert isinstance(asked, do.CountGuess) and self.contact.code is not None and self.contact.code.keys == ""
        self.asked = asked
        return self.take(inputs.Guessed(1, within))

    @property
    def heard(self) -> str:
        play = self.contact.customer.play
        return play.items[0] if play else ""

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        return [(e.data["outcome"], e.data.get("agent", "")) for e in self.ledger if e.type == "contact_code"]


@pytest.mark.parametrize(
    ("dialled", "op", "reason", "said"),
    [
        ("*12", "sign_out", "", "zh/code_signed_out"),
        ("*13", "ready", "", "zh/code_ready"),
        ("*14", "pause", "break", "zh/code_paused"),
        ("*15", "wrap_up_done", "", "zh/code_wrap_up_done"),
    ],
)
def test_what_an_agent_asks_for_at_his_phone(dialled: str, op: str, reason: str, said: str) -> None:
    life = Dialled(dialled)
    assert life.effects[-1] == do.AskAgent("8001", op, "", reason)
    assert not life.engaged  # he is asked what he wants to be, not made a caller
    life.take(inputs.AgentAsked("1001"))
    assert (life.heard, life.outcomes) == (said, [("done", "1001")])
    assert do.Bye(1, 16) in life.played()
    assert (life.contact.result, life.contact.direction) == ("ivr", "internal")


@pytest.mark.parametrize(
    ("why", "said", "outcome"),
    [
        ("nobody", "zh/code_nobody", "nobody"),
        ("taken", "zh/code_phone_taken", "taken"),
        ("conflict", "zh/code_not_possible", "conflict"),
        ("away", "zh/technical_error", "not_known"),
    ],
)
def test_why_it_cannot_be_is_said(why: str, said: str, outcome: str) -> None:
    life = Dialled("*13")
    life.take(inputs.AgentAsked("", why))
    assert (life.heard, life.outcomes) == (said, [(outcome, "")])


def test_signing_in_with_number_and_pin() -> None:
    life = Dialled("*11")
    assert life.heard == "zh/enter_agent"
    life.keys("100*1001#")  # * begins anew
    assert life.heard == "zh/enter_password"
    assert life.enters("2468#") == [do.AskAgent("8001", "sign_in", "1001")]
    assert life.asked == do.CountGuess(1, "agent:1001", False, 0, guessing.WRONG_AT_MOST)
    life.take(inputs.AgentAsked("1001"))
    assert (life.heard, life.outcomes) == ("zh/code_signed_in", [("done", "1001")])
    assert "leg_key" not in life.events and not any("2468" in json.dumps(dict(e.data)) for e in life.ledger)


def test_without_hash_what_was_entered_counts_after_a_while() -> None:
    life = Dialled("*11")
    life.keys("1001")
    life.due("key")
    assert life.heard == "zh/enter_password"
    life.keys("2468")
    assert kinds(life.due("key")) == ["CountGuess"]
    assert life.take(inputs.Guessed(1, True)) == [do.AskAgent("8001", "sign_in", "1001")]


def test_who_enters_nothing_is_not_kept() -> None:
    life = Dialled("*11")
    life.played()
    life.due("key")
    assert (life.heard, life.outcomes) == ("zh/goodbye", [("no_key", "")])


@pytest.mark.parametrize("agent", ["1001", "1002", "1003", "9999", ""])
def test_three_wrong_pins_end_the_call(agent: str) -> None:
    """Of whom has none, is disabled, or is nobody, any PIN is wrong, and said to be so in the same words."""
    life = Dialled("*11")
    for nth in range(3):
        life.keys(f"{agent}#")
        life.enters("1111#")
        assert life.asked == do.CountGuess(1, f"agent:{agent}", True, nth, guessing.WRONG_AT_MOST)
        assert life.heard == ("zh/password_wrong" if nth < 2 else "zh/goodbye")
    assert life.outcomes == [("wrong_pin", agent)] * 3
    assert not any(isinstance(effect, do.AskAgent) for effect in life.effects)


def test_a_phone_that_is_an_agents_own_asks_for_nothing() -> None:
    life = Dialled("*11", "phone:8002")
    assert life.effects[-1] == do.AskAgent("8002", "sign_in", "1002")


def test_the_adopter_asks_once_more() -> None:
    life = Dialled("*13")
    assert do.AskAgent("8001", "ready") in life.take(inputs.Adopted())
    life = Dialled("*11")
    effects = life.take(inputs.Adopted())
    assert any(isinstance(effect, do.StartPlay) for effect in effects)  # he hears where he was
    life.keys("1001#")
    life.keys("2468#")
    assert do.CountGuess(1, "agent:1001", False, 0, guessing.WRONG_AT_MOST) in life.take(inputs.Adopted())
    assert life.take(inputs.Guessed(1, True)) == [do.AskAgent("8001", "sign_in", "1001")]


@pytest.mark.parametrize("pin", ["2468", "1111"])
def test_after_too_many_wrong_pins_none_counts_not_the_right_one_either(pin: str) -> None:
    life = Dialled("*11")
    life.keys("1001#")
    life.enters(f"{pin}#", within=False)
    assert (life.heard, life.outcomes) == ("zh/code_not_possible", [("locked", "1001")])
    assert do.Bye(1, 16) in life.played()


def test_with_the_live_state_away_a_pin_waits_and_then_opens_what_that_can() -> None:
    life = Dialled("*11")
    life.keys("1001#2468")
    life.keys("#123")  # what is keyed meanwhile is nothing
    assert life.due("key") == [do.AskAgent("8001", "sign_in", "1001")]
    assert life.take(inputs.Guessed(1, False)) == [], "too late"
    life.take(inputs.AgentAsked("", "away"))
    assert life.outcomes == [("not_known", "1001")]


def test_pick_up_and_echo() -> None:
    for dialled in ("*8", "*81002"):  # there is nothing for it: else it were no call of its own (test_picking.py)
        life = Dialled(dialled)
        assert (life.heard, life.outcomes) == ("zh/code_nothing_rings", [("nothing", "")])
    echo = Dialled("*43")
    echo.played()
    assert echo.contact.state == "echo"


def test_nobody_outside_reaches_a_feature() -> None:
    life = Dialled("*12", "trunk:gw1")
    assert not any(isinstance(effect, do.AskAgent) for effect in life.effects)
    assert life.contact.result == "refused"


def test_codes_may_be_others() -> None:
    settings = doc.Settings(feature_codes={"sign_out": "#99", "pause": ""})
    assert settings.codes["#99"] == "sign_out"
    assert not {"*12", "*14"} & set(settings.codes)
    assert settings.codes["*11"] == "sign_in"
