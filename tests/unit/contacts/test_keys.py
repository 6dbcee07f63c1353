"""Each key once: which way of saying it counts (P43)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lq.config import documents as doc
from lq.config.book import Book
from lq.contacts import advance as rule
from lq.contacts import effects as do
from lq.contacts import inputs, keys
from lq.contacts.contact import Contact, Leg
from lq.trunks.numbers import Number
from tests.unit.contacts.test_advance import BOOK, MEDIA, Life

NOBODY = Number("", "", "", "anonymous")
LEGS = {
    1: Leg(1, "customer", "in", "", "answered", peer="leg:2"),
    2: Leg(2, "agent", "out", "", "answered", peer="leg:1"),
}
TALK = Contact("c", "talking", "in", 0, NOBODY, NOBODY, "trunk:gw1", "queue:sales", legs=LEGS)


def heard(contact: Contact, *pressed: tuple[int, str, str]) -> tuple[str, Contact]:
    """(ms, key, method) …; the keys that are passed on."""
    passed = ""
    for at, key, method in pressed:
        contact, effects = rule.advance(contact, inputs.Digit(1, key, method), at, Book())
        told = [effect for effect in effects if isinstance(effect, do.PassKey)]
        assert sum(isinstance(effect, do.Emit) for effect in effects) == len(told)
        passed += "".join(effect.key for effect in told)
        assert all((effect.leg, effect.to, effect.method) == (1, 2, method) for effect in told)
    return passed, contact


@pytest.mark.parametrize("method", keys.METHODS)
def test_one_way_is_taken_at_its_word(method: str) -> None:
    assert heard(TALK, (0, "5", method), (150, "5", method), (300, "#", method))[0] == "55#"


@pytest.mark.parametrize(
    ("pressed", "told"),
    [
        # event and tone at once: the tone is known first, the event at its end
        ([(0, "1", "inband"), (80, "1", "rtp"), (200, "1", "inband"), (280, "1", "rtp")], "11"),
        ([(0, "1", "rtp"), (10, "1", "inband"), (200, "2", "rtp"), (210, "2", "inband")], "12"),
        # INFO beside the event, either one first
        ([(0, "1", "info"), (20, "1", "rtp"), (200, "1", "rtp"), (220, "1", "info")], "11"),
        ([(0, "1", "rtp"), (900, "1", "info")], "1"),
        # all three
        ([(0, "7", "inband"), (50, "7", "info"), (90, "7", "rtp"), (300, "7", "inband"), (390, "7", "rtp")], "77"),
        # a voice was taken for a key once; the phone's own way counts from its first word
        ([(0, "4", "inband"), (60_000, "4", "rtp"), (60_100, "4", "inband")], "44"),
        ([(0, "4", "inband"), (100, "5", "rtp")], "45"),
    ],
)
def test_two_ways_at_once_are_one_key(pressed: list[tuple[int, str, str]], told: str) -> None:
    assert heard(TALK, *pressed)[0] == told


def test_other_media_may_mean_another_way() -> None:
    _, contact = heard(TALK, (0, "1", "rtp"))
    contact, _ = rule.advance(contact, inputs.MediaReoffered(1, {}, "v=0", False), 10, Book())
    assert heard(contact, (5_000, "2", "info"))[0] == "2"


def test_the_lock_is_in_the_snapshot() -> None:
    _, contact = heard(TALK, (0, "1", "rtp"))
    assert heard(Contact.from_json(contact.to_json()), (100, "1", "inband"))[0] == ""


def test_a_key_of_one_who_talks_with_nobody_goes_nowhere() -> None:
    waiting = replace(TALK, state="queueing", legs={1: replace(TALK.legs[1], peer="mixer")})
    _, effects = rule.advance(waiting, inputs.Digit(1, "1"), 0, Book())
    assert [type(effect) for effect in effects] == [do.Emit]


@pytest.mark.parametrize(
    ("kind", "body", "key"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", ("5", 160)),
        ("application/dtmf-relay", b"Signal= *\r\nDuration= 250\r\n", ("*", 250)),
        ("Application/DTMF-Relay; charset=utf-8", b"signal=11\n", ("#", 100)),
        ("application/dtmf-relay", b"Signal=d\r\nDuration=90\r\n", ("D", 90)),
        ("application/dtmf", b"9", ("9", 100)),
        ("application/dtmf", b" 10\r\n", ("*", 100)),
        ("application/dtmf", b"Signal=3\r\n", ("3", 100)),
        ("application/dtmf-relay", b"Duration=160\r\n", None),
        ("application/dtmf-relay", b"Signal=16\r\n", None),  # a flash of the hook
        ("application/dtmf-relay", b"Signal=55\r\n", None),
        ("application/dtmf", b"", None),
        ("application/dtmf", b"\xff\xfe\x00", None),
        ("application/dtmf", "５".encode(), None),
        ("application/media_control+xml", b"<picture_fast_update/>", None),
        ("", b"5", None),
    ],
)
def test_a_key_in_a_sip_info(kind: str, body: bytes, key: tuple[str, int] | None) -> None:
    assert keys.of_info(kind, body) == key


# -- orders of an agent about the recording --------------------------------------------------------------------------
TOGGLES = {"start": "*2", "stop": "*2", "pause": "*3", "resume": "*3"}


def talking(policy: str = "on_demand", **keys_: str) -> Life:
    """1001 (leg 2) talks with the customer; `policy` of the number."""
    book = replace(
        BOOK,
        settings=doc.Settings(recording_keys=keys_ or TOGGLES),
        numbers={"4008001001": doc.AccessNumber("4008001001", "queue:sales", recording=policy, notice="none")},  # type: ignore[arg-type]
    )
    life = Life("4008001001", book=book)
    life.answered()
    life.take(inputs.Reserved(1, "1001", "8001", 17, "sales"))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    life.take(inputs.Accepted(2, "answer"))
    assert do.Connect(1, 2, apart=True) in life.take(inputs.MediaReady(2, MEDIA, "PCMA"))
    return life


def types(life: Life, typed: str, leg: int = 2, method: str = "rtp") -> list[do.Effect]:
    """What is done about these keys, one after another."""
    return [effect for key in typed for effect in life.take(inputs.Digit(leg, key, method), 400)]


def settled(life: Life) -> str:
    """The recording's state once the media has done what was asked."""
    known = life.contact.recording
    assert known is not None
    match known.state:
        case "planned":
            life.take(inputs.RecordingStarted(1))
        case "pausing" | "stopping":
            life.take(inputs.RecordingPaused(1, change=known.changes))
        case "resuming" | "starting":
            life.take(inputs.RecordingResumed(1, change=known.changes))
    assert life.contact.recording is not None
    return life.contact.recording.state


def test_keys_start_pause_resume_and_stop_and_nobody_else_hears_them() -> None:
    life = talking()
    assert types(life, "*2") == [do.StartRecording(1, "c1-r1")]
    assert settled(life) == "active"
    assert types(life, "*3") == [do.PauseRecording(1, "c1-r1", change=1)] and settled(life) == "paused"
    assert types(life, "*3") == [do.ResumeRecording(1, "c1-r1", change=2)] and settled(life) == "active"
    assert types(life, "*2") == [do.PauseRecording(1, "c1-r1", change=3)] and settled(life) == "stopped"
    assert types(life, "*2") == [do.ResumeRecording(1, "c1-r1", change=4)] and settled(life) == "active"
    told = [event for event in life.ledger if event.type.startswith(("contact_recording", "recording_planned"))]
    assert {event.data["by"] for event in told} == {"1001"} and len(told) == 5


def test_where_it_is_never_recorded_the_refusal_is_told() -> None:
    life = talking("none")
    assert types(life, "*2") == types(life, "*3") == []
    told = [event.data for event in life.ledger if event.type == "contact_recording_refused"]
    assert [(one["action"], one["reason"], one["by"]) for one in told] == [
        ("start", "never_recorded", "1001"),
        ("pause", "not_recording", "1001"),
    ]


@pytest.mark.parametrize(
    ("typed", "passed"), [("*5", "*5"), ("**5", "**5"), ("*11", "*1"), ("15", ""), ("**2", "*"), ("***", "**")]
)
def test_keys_that_are_no_order_are_passed_on(typed: str, passed: str) -> None:
    life = talking()
    effects = types(life, typed)
    assert life.contact.legs[1].sending == passed
    assert [effect for effect in effects if isinstance(effect, do.SendKey)] == [
        do.SendKey(1, key) for key in passed[:1]
    ]
    at_once = "".join(effect.key for effect in effects if isinstance(effect, do.PassKey))
    held = life.contact.legs[2].typed
    assert sorted(passed + at_once + held + ("*2" if typed.endswith("*2") else "")) == sorted(typed)


def test_a_star_alone_reaches_the_other_after_a_while() -> None:
    life = talking()
    assert types(life, "*") == [] and life.contact.legs[2].typed == "*"
    assert life.due("keys:2") == [do.SendKey(1, "*")]
    assert life.contact.legs[2].typed == "" and types(life, "2") == [do.PassKey(2, 1, "2", 100, "rtp")]


def test_tones_have_passed_already() -> None:
    life = talking()
    assert types(life, "*5", method="inband") == []


def test_the_customer_orders_nothing() -> None:
    life = talking()
    assert [type(effect) for effect in types(life, "*2", leg=1)] == [do.PassKey, do.PassKey]
    assert life.contact.recording is None


def test_keys_are_an_agents_only_where_the_settings_say_so() -> None:
    life = Life().talking()
    assert [type(effect) for effect in types(life, "*2")] == [do.PassKey, do.PassKey]


def test_of_orders_that_do_not_undo_each_other_each_does_its_own() -> None:
    life = talking(start="*21", pause="*22")
    assert types(life, "*21") == [do.StartRecording(1, "c1-r1")]
    settled(life)
    assert types(life, "*21") == []  # it is so already
    assert types(life, "*22") == [do.PauseRecording(1, "c1-r1", change=1)]


def test_who_has_left_types_nothing() -> None:
    life = talking()
    life.take(inputs.Command("k", "transfer", {"agent": "1001", "to": "agent:1002", "mode": "blind"}))
    types(life, "*")
    life = talking()
    types(life, "*")
    life.take(inputs.Command("k", "transfer", {"agent": "1001", "to": "agent:1002", "mode": "blind"}))
    assert life.due("keys:2") == []
