"""When a contact is recorded: by the policy, by order, and when orders and their results cross each other."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from lq.config import documents as doc
from lq.config.book import Book
from lq.contacts import advance as rule
from lq.contacts import effects as do
from lq.contacts import inputs, recorded
from lq.contacts.contact import Contact
from lq.contacts.recorded import Rule
from lq.contacts.view import contact_json
from lq.ivr.flow import RECORD_ACTIONS
from lq.ledger import fold
from lq.ledger.events import TYPES
from tests.unit.contacts import test_advance
from tests.unit.contacts.test_advance import BOOK, MEDIA, Life

NO_WORD = Rule()


# -- the policy ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "usual", "holds"),
    [
        ((), NO_WORD, Rule("on_demand", "none")),
        ((), Rule("talk", "required"), Rule("talk", "required")),
        ((Rule("whole", "required"),), NO_WORD, Rule("whole", "required")),
        ((Rule("whole", "required"), Rule("talk")), NO_WORD, Rule("talk", "required")),
        ((Rule("whole", "required"), Rule("whole"), Rule("none")), NO_WORD, Rule("none", "required")),
        ((Rule("talk", "by_agent"), Rule("on_demand", "none")), NO_WORD, Rule("on_demand", "by_agent")),
        ((Rule("", "none"), Rule("", "required")), Rule("whole", "none"), Rule("whole", "required")),
        ((Rule("of_tomorrow", "sung"), Rule("talk")), NO_WORD, Rule("talk", "none")),
    ],
)
def test_who_records_least_decides_and_the_strictest_notice(said: tuple[Rule, ...], usual: Rule, holds: Rule) -> None:
    assert recorded.decide(said, usual) == holds


WORDS = st.builds(Rule, st.sampled_from(["", *recorded.LEAST_FIRST]), st.sampled_from(["", *recorded.STRICTEST_FIRST]))


@for_all(st.lists(WORDS, max_size=5), WORDS, WORDS)
def test_one_more_word_never_records_more_nor_tells_less(said: list[Rule], usual: Rule, more: Rule) -> None:
    before, after = recorded.decide(said, usual), recorded.decide([*said, more], usual)
    if any(word.recording for word in said):
        assert recorded.LEAST_FIRST.index(after.recording) <= recorded.LEAST_FIRST.index(before.recording)
    if any(word.notice for word in said):
        assert recorded.STRICTEST_FIRST.index(after.notice) <= recorded.STRICTEST_FIRST.index(before.notice)
    assert recorded.decide(reversed([*said, more]), usual) == after
    assert after.recording in recorded.LEAST_FIRST and after.notice in recorded.STRICTEST_FIRST


def book(**kinds: Any) -> Book:
    return replace(BOOK, **kinds)


def number(recording: str = "", target: str = "queue:sales", notice: str = "required") -> dict[str, doc.AccessNumber]:
    return {"4008001001": doc.AccessNumber("4008001001", target, recording=recording, notice=notice)}  # type: ignore[arg-type]


def queue(recording: str = "", id: str = "sales") -> dict[str, doc.Queue]:
    return {id: doc.Queue(id, "销售", recording=recording)}  # type: ignore[arg-type]


def agent(recording: str = "") -> dict[str, doc.Agent]:
    return {"1001": doc.Agent("1001", "王芳", ("sales",), recording=recording)}  # type: ignore[arg-type]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lives in another configuration."""

    def change(**kinds: Any) -> None:
        monkeypatch.setattr(test_advance, "BOOK", book(**kinds))

    return change


def through(life: Life, *, notice: bool = True) -> list[list[str]]:
    """To the talk of a caller with an agent: what was commanded of the recording when answered, queued, talking."""
    steps = [of_recording(life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer")))]
    settled(life)
    steps.append(of_recording(life.played() if notice else life.effects))
    settled(life)
    life.take(inputs.Reserved(1, "1001", "8001", 17, "sales"))
    life.take(inputs.MediaReady(2, MEDIA, "", "agent offer"))
    steps.append(of_recording(life.take(inputs.Accepted(2, "agent answer"))))
    settled(life)
    life.take(inputs.MediaReady(2, MEDIA, "PCMU"))
    return steps


def of_recording(effects: Sequence[do.Effect]) -> list[str]:
    names = {do.StartRecording: "start", do.PauseRecording: "off", do.ResumeRecording: "on"}
    return [names[type(effect)] for effect in effects if type(effect) in names]


def settled(life: Life, failed: str = "") -> list[do.Effect]:
    """The media does what the contact wants of its recording; its answers."""
    found: list[do.Effect] = []
    for effect in life.effects:
        match effect:
            case do.StartRecording(leg, _, command):
                found += life.take(inputs.RecordingStarted(leg, failed, command))
            case do.PauseRecording(leg, _, command, change):
                found += life.take(inputs.RecordingPaused(leg, command, failed, change))
            case do.ResumeRecording(leg, _, command, change):
                found += life.take(inputs.RecordingResumed(leg, command, failed, change))
    return found


@pytest.mark.parametrize(
    ("of_number", "of_queue", "of_agent", "steps", "kind"),
    [
        ("whole", "whole", "", [["start"], [], []], "whole"),
        ("whole", "", "", [["start"], [], []], "whole"),
        ("talk", "whole", "", [[], [], ["start"]], "talk"),
        ("whole", "talk", "", [[], [], ["start"]], "talk"),
        ("whole", "whole", "talk", [["start"], [], []], "whole"),
        ("whole", "whole", "on_demand", [["start"], [], ["off"]], "whole"),
        ("whole", "whole", "none", [["start"], [], ["off"]], "whole"),
        ("whole", "on_demand", "", [[], [], []], None),
        ("none", "whole", "whole", [[], [], []], None),
        ("", "", "talk", [[], [], ["start"]], "talk"),
        ("voice", "talk", "", [[], [], ["start"]], "voice"),
        ("whole", "whole", "voice", [["start"], [], []], "voice"),
        ("", "", "", [[], [], []], None),
    ],
)
def test_the_policy_of_number_queue_and_agent(
    world: Any, of_number: str, of_queue: str, of_agent: str, steps: list[list[str]], kind: str | None
) -> None:
    world(numbers=number(of_number), queues=queue(of_queue), agents=agent(of_agent))
    life = Life(called="4008001001")
    assert through(life, notice=of_number != "none") == steps
    recording = life.contact.recording
    assert (recording and recording.kind) == kind
    assert ("contact_notice_played" in life.events) == (of_number != "none")


class Noted(Life):
    """All that it asked for is kept."""

    def take(self, given: inputs.Input, after_ms: int = 10) -> list[do.Effect]:
        found = super().take(given, after_ms)
        self.everything = [*getattr(self, "everything", []), *found]
        return found


def test_by_voice_the_recorder_is_told_what_to_leave_out(world: Any) -> None:
    """When it begins, or when somebody comes who has it so; said again by whoever takes the contact over."""
    seconds = doc.Settings(recording_silence_s=5)
    told = do.LeaveOutSilence(1, "c1-r1", 5)
    world(numbers=number("whole"), queues=queue("whole"), agents=agent("voice"), settings=seconds)
    life = Noted(called="4008001001")
    through(life)
    assert life.everything.count(told) == 1 and life.contact.recording_rule == "voice"
    assert told in life.take(inputs.Adopted())
    world(numbers=number("voice"), queues=queue("whole"), agents=agent(), settings=seconds)
    life = Life(called="4008001001").answered()
    assert order(life, "start", "s") == [do.StartRecording(1, "c1-r1", "s"), told]
    world(numbers=number("whole"), queues=queue("whole"), agents=agent(), settings=seconds)
    life = Noted(called="4008001001")
    through(life)
    assert told not in [*life.everything, *life.take(inputs.Adopted())]


def test_a_queue_reached_by_the_menu_has_its_word(world: Any) -> None:
    world(queues=queue("none") | {"support": doc.Queue("support", "支持")})
    life = Life().answered()
    assert life.contact.recording and life.contact.recording.state == "active"
    life.played()
    assert of_recording(life.take(inputs.Digit(1, "1"))) == ["off"]
    settled(life)
    shown = contact_json(life.contact.to_json())
    assert [each["state"] for each in shown["recordings"]] == ["stopped"] and shown["recording_policy"] == "none"
    told = life.ledger[-1]
    assert (told.type, told.data.get("reason"), told.data.get("by")) == ("contact_recording_stopped", "policy", None)


@pytest.mark.parametrize(("notice", "played"), [("required", True), ("by_agent", False), ("none", False)])
def test_the_notice_is_played_where_it_is_required(world: Any, notice: str, played: bool) -> None:
    world(numbers=number("whole", notice=notice))
    life = Life(called="4008001001")
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    assert life.contact.state == ("announcing" if played else "queueing")
    if played:
        life.played()
    assert contact_json(life.contact.to_json())["notice_policy"] == notice


def test_the_settings_hold_where_nobody_has_a_word(world: Any) -> None:
    world(settings=doc.Settings(recording={"internal": "talk"}))
    life = internal()
    assert of_recording(life.take(inputs.Accepted(2, "sdp"))) == ["start"]
    assert life.contact.recording and (life.contact.recording.leg, life.contact.recording.kind) == (1, "talk")
    assert contact_json(life.contact.to_json())["notice_policy"] == "none"


def internal() -> Life:
    life = Life(called="8002", source="phone:8001", caller="8001")
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    return life


@pytest.mark.parametrize(("of_phone", "expected"), [("", []), ("none", []), ("on_demand", []), ("whole", ["start"])])
def test_inside_the_house_the_phone_that_calls_has_the_word(world: Any, of_phone: str, expected: list[str]) -> None:
    world(phones={"8001": doc.Phone("8001", "", recording=of_phone), "8002": doc.Phone("8002", "")})  # type: ignore[arg-type]
    assert of_recording(internal().take(inputs.Accepted(2, "sdp"))) == expected


# -- orders ----------------------------------------------------------------------------------------------------------
def order(life: Life, action: str, id: str = "", **more: str) -> list[do.Effect]:
    body = {"action": action, "agent": "1001", **more}
    return life.take(inputs.Command(id or action, "record", body))


def status(effects: Sequence[do.Effect]) -> list[tuple[int, str]]:
    return [(reply.status, reply.error) for reply in effects if isinstance(reply, do.Reply)]


def state(life: Life) -> str:
    shown: str = contact_json(life.contact.to_json())["recordings"][0]["state"]
    return shown


def on_demand(world: Any) -> Life:
    world(numbers=number("on_demand"), queues=queue())
    life = Life(called="4008001001")
    through(life)
    assert life.contact.recording is None
    return life


def test_pause_and_resume_are_answered_when_they_have_come_true() -> None:
    life = Life().talking()
    assert order(life, "pause", "p") == [do.PauseRecording(1, "c1-r1", "p", 1)]
    assert state(life) == "active"  # not before it is so
    assert order(life, "pause", "p") == [do.PauseRecording(1, "c1-r1", "p", 2)]  # asked again: nobody is told yet
    assert status(life.take(inputs.RecordingPaused(1, "p", change=1))) == [(200, "")]
    assert status(life.take(inputs.RecordingPaused(1, "p", change=2))) == [(200, "")]
    assert state(life) == "paused"
    assert status(order(life, "pause", "p2")) == [(200, "")]
    assert order(life, "resume", "r") == [do.ResumeRecording(1, "c1-r1", "r", 3)]
    assert status(settled(life)) == [(200, "")] and state(life) == "active"
    assert [e for e in life.events if "recording_" in e and e.startswith("contact")] == [
        "contact_recording_paused",
        "contact_recording_resumed",
    ]
    life.take(inputs.Ended(1))
    assert life.events.count("recording_closing") == 1


def test_a_start_by_order_begins_a_recording_of_the_talk_and_says_who_wanted_it(world: Any) -> None:
    life = on_demand(world)
    assert order(life, "start", "s") == [do.StartRecording(1, "c1-r1", "s")]
    assert order(life, "start", "s") == [do.StartRecording(1, "c1-r1", "s")]
    assert status(life.take(inputs.RecordingStarted(1, "", "s"))) == [(200, "")]
    assert status(order(life, "start", "s")) == status(order(life, "start", "s2")) == [(200, "")]
    planned = next(event for event in life.ledger if event.type == "recording_planned")
    assert (planned.data["kind"], planned.data["by"]) == ("talk", "1001")
    assert life.events.count("recording_active") == 1


def test_a_start_that_cannot_be_had_is_told_and_may_be_tried_again(world: Any) -> None:
    life = on_demand(world)
    order(life, "start", "s")
    assert status(settled(life, "rtpengine does not answer")) == [(503, "media_away")]
    assert life.contact.recording and life.contact.recording.state == "failed"
    assert order(life, "start", "s") == [do.StartRecording(1, "c1-r1", "s")]
    assert status(settled(life)) == [(200, "")] and state(life) == "active"


def test_a_start_that_the_policy_wants_is_tried_again_at_each_place(world: Any) -> None:
    world(numbers=number("whole"), queues=queue("whole"))
    life = Life(called="4008001001")
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    settled(life, "rtpengine does not answer")
    assert life.contact.recording and life.contact.recording.state == "failed"
    assert of_recording(life.played()) == ["start"]
    settled(life)
    assert state(life) == "active" and life.events.count("recording_active") == 1


def test_what_cannot_be_had_of_an_order_by_keys_is_told_to_who_pressed_them(world: Any) -> None:
    """Nobody answers keys."""
    life = on_demand(world)
    body = {"agent": "1001", "by": "key"}
    for action in ("start", "start", "pause", "stop"):
        life.take(inputs.Command("", "record", {**body, "action": action}))
        settled(life, "" if action == "start" and "contact_recording_refused" in life.events else "away")
    told = [event.data for event in life.ledger if event.type == "contact_recording_refused"]
    assert [(one["action"], one["reason"], one["by"]) for one in told] == [
        (action, "media_away", "1001") for action in ("start", "pause", "stop")
    ]
    assert state(life) == "active"


# -- a notice that could not be heard ----------------------------------------------------------------------------------
def not_heard(life: Life) -> list[do.Effect]:
    play = life.contact.customer.play
    assert play is not None
    return life.take(inputs.Played(1, play.id, complete=False))


def test_a_required_notice_that_was_not_heard_is_played_once_more(world: Any) -> None:
    world(numbers=number("whole"), queues=queue("whole"))
    life = Life(called="4008001001")
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    settled(life)
    effects = not_heard(life)
    assert of_recording(effects) == ["off"] and life.contact.state == "announcing"
    assert any(isinstance(each, do.StartPlay) for each in effects)
    settled(life)
    assert state(life) == "stopped"
    assert of_recording(life.played()) == ["on"] and life.contact.state == "queueing"  # now he knows
    assert life.contact.notice_at
    assert [e.data["complete"] for e in life.ledger if e.type == "contact_notice_played"] == [False, True]


def test_who_could_not_hear_it_at_all_is_served_and_not_recorded_but_by_order(world: Any) -> None:
    world(numbers=number("whole"), queues=queue("whole"))
    life = Life(called="4008001001")
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    settled(life)
    not_heard(life)
    settled(life)
    not_heard(life)
    assert life.contact.state == "queueing" and contact_json(life.contact.to_json())["notice_played_at"] is None
    life.take(inputs.Reserved(1, "1001", "8001", 17, "sales"))
    life.take(inputs.MediaReady(2, MEDIA, "", "agent offer"))
    assert of_recording(life.take(inputs.Accepted(2, "agent answer"))) == []
    life.take(inputs.MediaReady(2, MEDIA, "PCMU"))
    assert life.contact.state == "talking" and state(life) == "stopped"
    assert of_recording(order(life, "start")) == ["on"]  # the agent has told him


def test_one_that_a_flow_could_not_play_is_played_before_the_queue() -> None:
    life = Life().answered()
    assert of_recording(not_heard(life)) == ["off"] and life.contact.state == "ivr"
    settled(life)
    life.take(inputs.Digit(1, "1"))
    assert life.contact.state == "announcing"
    assert of_recording(life.played()) == ["on"] and life.contact.state == "queueing"


def test_stopped_and_started_it_stays_one_recording() -> None:
    life = Life().talking()
    assert order(life, "stop") == [do.PauseRecording(1, "c1-r1", "stop", 1)]
    assert state(life) == "active"
    assert status(settled(life)) == [(200, "")] and state(life) == "stopped"
    assert status(order(life, "stop", "again")) == [(200, "")]
    assert status(order(life, "pause")) == status(order(life, "resume")) == [(409, "not_recording")]
    assert order(life, "start") == [do.ResumeRecording(1, "c1-r1", "start", 2)]
    assert state(life) == "stopped"
    assert status(settled(life)) == [(200, "")] and state(life) == "active"
    assert life.events[-2:] == ["contact_recording_stopped", "contact_recording_started"]
    assert life.contact.recording and life.contact.recording.kind == "whole"


def test_what_is_paused_is_resumed_not_started() -> None:
    life = Life().talking()
    (pause,) = order(life, "pause")
    assert status(order(life, "start")) == [(409, "paused")]
    assert isinstance(pause, do.PauseRecording)
    life.take(inputs.RecordingPaused(1, pause.command, "", pause.change))
    assert status(order(life, "start")) == [(409, "paused")]
    assert status(order(life, "stop")) == [(200, "")] and state(life) == "stopped"
    assert order(life, "start", "s2") == [do.ResumeRecording(1, "c1-r1", "s2", 2)]


def test_a_customer_who_refuses_is_recorded_no_more_by_any_policy(world: Any) -> None:
    world(numbers=number("talk"), queues=queue("talk"))
    life = Life(called="4008001001")
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    assert status(order(life, "stop", reason="customer_refused")) == [(200, "")]  # before there is anything to stop
    assert life.events[-1] == "contact_recording_stopped"
    life.played()
    life.take(inputs.Reserved(1, "1001", "8001", 17, "sales"))
    life.take(inputs.MediaReady(2, MEDIA, "", "agent offer"))
    life.take(inputs.Accepted(2, "agent answer"))
    assert life.contact.state == "talking" and life.contact.recording is None
    assert order(life, "start") == [do.StartRecording(1, "c1-r1", "start")]  # he has agreed after all


def test_the_refusal_is_told_with_the_recording() -> None:
    life = Life().talking()
    order(life, "stop", reason="customer_refused")
    settled(life)
    (shown,) = contact_json(life.contact.to_json())["recordings"]
    assert (shown["state"], shown["reason"]) == ("stopped", "customer_refused")
    life.take(inputs.Ended(1))
    (known,) = fold.recordings(life.ledger)
    assert known.reason == "customer_refused"
    order_again = Life().talking()
    order(order_again, "stop", reason="customer_refused")
    settled(order_again)
    order(order_again, "start")
    settled(order_again)
    (known,) = fold.recordings(order_again.ledger)
    assert known.reason is None


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "bad_action"),
        ({"action": "erase"}, "bad_action"),
        ({"action": ["start"]}, "bad_action"),
        ({"action": "stop", "reason": "Herr Meier will nicht"}, "bad_reason"),
        ({"action": "stop", "reason": 7}, "bad_reason"),
    ],
)
def test_an_order_that_is_none(body: Mapping[str, Any], error: str) -> None:
    life = Life().talking()
    assert status(life.take(inputs.Command("k", "record", body))) == [(400, error)]
    assert state(life) == "active"


def test_nobody_orders_a_recording_where_the_policy_is_never_to_record() -> None:
    life = Life("4008001009")
    life.answered()
    assert status(order(life, "start")) == [(409, "never_recorded")]
    assert status(order(life, "pause")) == status(order(life, "resume")) == [(409, "not_recording")]
    assert status(order(life, "stop")) == [(200, "")]


def test_before_anybody_has_answered_there_is_nothing_to_record() -> None:
    life = internal()
    assert status(order(life, "start")) == [(409, "no_customer")]


# -- a flow ----------------------------------------------------------------------------------------------------------
FLOW = doc.Flow(
    "main",
    "menu",
    {
        "menu": {
            "kind": "menu",
            "prompt": "menu_main",
            "keys": {"1": "no", "2": "yes", "3": "sales"},
            "otherwise": "bye",
        },
        "no": {"kind": "record", "action": "stop", "reason": "customer_refused", "next": "menu"},
        "yes": {"kind": "record", "action": "start", "next": "sales"},
        "sales": {"kind": "queue", "queue": "sales"},
        "bye": {"kind": "hang_up"},
    },
)


def test_a_flow_stops_and_starts_it_and_goes_on(world: Any) -> None:
    world(flows={"main": FLOW}, queues=queue("whole"))
    life = Life().answered()
    effects = life.take(inputs.Digit(1, "1"))
    assert [type(e) for e in effects] == [do.PauseRecording, do.StartPlay]  # and the menu once more
    settled(life)
    assert life.contact.recording_reason == "customer_refused" and state(life) == "stopped"
    effects = life.take(inputs.Digit(1, "2"))
    assert of_recording(effects) == ["on"] and life.contact.state == "announcing"  # the notice, on its way to the queue
    settled(life)
    assert state(life) == "active"


# -- crossings -------------------------------------------------------------------------------------------------------
class Media:
    """rtpengine: does what it is told in order, some time later, or fails; knows whether anything is being written."""

    def __init__(self, life: Life) -> None:
        recording = life.contact.recording
        self.life, self.writes = life, recording is not None and recording.state == "active"
        self.waiting: list[do.Effect] = []
        self.replies: dict[str, list[int]] = {}

    def order(self, given: inputs.Input) -> None:
        self.life.take(given)
        self._collect()

    def _collect(self) -> None:
        for effect in self.life.effects:
            if isinstance(effect, do.StartRecording | do.PauseRecording | do.ResumeRecording):
                self.waiting.append(effect)
            elif isinstance(effect, do.Reply):
                self.replies.setdefault(effect.command, []).append(effect.status)

    def one(self, failed: str) -> None:
        if not self.waiting:
            return
        effect = self.waiting.pop(0)
        if not failed:
            self.writes = not isinstance(effect, do.PauseRecording)
        assert isinstance(effect, do.StartRecording | do.PauseRecording | do.ResumeRecording)
        match effect:
            case do.StartRecording(leg, _, command):
                self.order(inputs.RecordingStarted(leg, failed, command))
            case do.PauseRecording(leg, _, command, change):
                self.order(inputs.RecordingPaused(leg, command, failed, change))
            case do.ResumeRecording(leg, _, command, change):
                self.order(inputs.RecordingResumed(leg, command, failed, change))

    def adopted(self) -> None:
        """The node dies with all that it had not done yet."""
        self.waiting.clear()
        self.life.contact = Contact.from_json(json.loads(json.dumps(self.life.contact.to_json())))
        self.order(inputs.Adopted())

    def check(self) -> None:
        recording = self.life.contact.recording
        if recording is None or recording.state in ("closing", "failed"):
            return
        if not self.waiting:  # what is shown is true whenever nothing is under way
            assert recording.state in ("active", "paused", "stopped"), recording
            assert (recording.state == "active") == self.writes, recording
        if recording.state in ("paused", "stopped"):  # nobody is told that it is quiet while it may be written
            assert not self.writes and all(isinstance(each, do.PauseRecording) for each in self.waiting), recording


ORDER = st.tuples(st.just("order"), st.sampled_from(RECORD_ACTIONS))
STEP = st.one_of(ORDER, st.just(("media", "")), st.just(("media", "away")), st.just(("adopted", "")))


@settings(max_examples=300, deadline=None)
@for_all(st.lists(STEP, max_size=14), st.sampled_from(["whole", "on_demand"]))
def test_whatever_crosses_whatever_what_is_told_is_true(steps: list[tuple[str, str]], policy: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(test_advance, "BOOK", book(numbers=number(policy), queues=queue()))
        life = Life(called="4008001001")
        media = Media(life)
        media.order(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
        media.one("")
        asked = []
        for n, (what, how) in enumerate(steps):
            match what:
                case "order":
                    asked.append(f"k{n}")
                    media.order(inputs.Command(f"k{n}", "record", {"action": how}))
                case "media":
                    media.one(how)
                case "adopted":
                    media.adopted()
                    asked.clear()  # who asked hears nothing and asks again
            media.check()
        while media.waiting:
            media.one("")
        media.check()
        assert all(len(media.replies.get(id, ())) == 1 for id in asked), "each is answered once"
        _check_events(life)
        life.take(inputs.Ended(1))
        assert life.events.count("recording_closing") <= 1
        assert life.contact.recording is None or life.contact.recording.state in ("closing", "failed")


def _check_events(life: Life) -> None:
    for event in life.ledger:
        known = {key.rstrip("?") for key in TYPES[event.type]}
        required = {key for key in TYPES[event.type] if not key.endswith("?")}
        assert required <= set(event.data) <= known, event


@pytest.mark.parametrize("first", RECORD_ACTIONS)
@pytest.mark.parametrize("second", RECORD_ACTIONS)
def test_the_last_of_two_orders_wins(first: str, second: str) -> None:
    life = Life().talking()
    media = Media(life)
    for id, action in enumerate((first, second)):
        media.order(inputs.Command(str(id), "record", {"action": action}))
    while media.waiting:
        media.one("")
    wanted = {"start": "active", "stop": "stopped", "pause": "paused", "resume": "active"}
    refused = {("pause", "start"), ("stop", "pause"), ("stop", "resume")}
    last = first if (first, second) in refused else second
    assert state(life) == wanted[last] and media.writes == (wanted[last] == "active")
    assert media.replies["1"] == [409 if (first, second) in refused else 200]


def test_an_order_crosses_the_end() -> None:
    for action, hung_up_first in itertools.product(RECORD_ACTIONS, (True, False)):
        life = Life().talking()
        media = Media(life)
        if hung_up_first:
            media.order(inputs.Ended(1))
            media.order(inputs.Command("k", "record", {"action": action}))
            assert media.replies["k"] == [409] and not media.waiting
        else:
            media.order(inputs.Command("k", "record", {"action": action}))
            media.order(inputs.Ended(1))
            while media.waiting:
                media.one("")
            assert media.replies["k"] == [200]
        assert life.contact.recording and life.contact.recording.state == "closing"
        assert life.events.count("recording_closing") == 1


def test_whoever_takes_a_contact_over_does_once_more_what_was_under_way() -> None:
    life = Life().talking()
    for action, done in (("pause", False), ("resume", False), ("stop", True), ("start", False)):
        order(life, action, action)
        wanted = next(e for e in life.effects if isinstance(e, do.PauseRecording | do.ResumeRecording))
        again = [e for e in life.take(inputs.Adopted()) if isinstance(e, do.PauseRecording | do.ResumeRecording)]
        assert again == [replace(wanted, command="")]
        settled(life)
        assert bool(of_recording(life.take(inputs.Adopted()))) == (done or action == "pause")


def test_a_snapshot_of_before_is_finished() -> None:
    """N-1 has no `was` and no `changes`."""
    life = Life().talking()
    for was, failed, becomes in (
        ("pausing", "away", "active"),
        ("resuming", "away", "paused"),
        ("pausing", "", "paused"),
    ):
        document = life.contact.to_json()
        document["recording"] = {"id": "c1-r1", "kind": "whole", "leg": 1, "state": was, "by": ""}
        contact = Contact.from_json(document)
        contact, effects = rule.advance(contact, inputs.Adopted(), life.now, BOOK)
        (effect,) = [e for e in effects if isinstance(e, do.PauseRecording | do.ResumeRecording)]
        result = inputs.RecordingPaused if isinstance(effect, do.PauseRecording) else inputs.RecordingResumed
        contact, _ = rule.advance(contact, result(1, "", failed, effect.change), life.now, BOOK)
        assert contact.recording and contact.recording.state == becomes
