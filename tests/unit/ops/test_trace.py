"""`lcall trace`: a real call (the demonstration call, as its node traced it) and any that could be."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lq.ledger.events import Event
from lq.sdk.client import event_from_json
from lq.sdk.masking import masked
from ops import ladder, story, trace
from ops.home import HomeError
from ops.story import Message, Story

DATA = Path(__file__).parents[2] / "data/trace"
DOCS = Path(__file__).parents[3] / "docs/trace.md"
CONTACT = "01a21b3c-5e60-7af0-882a-44c77d4a1c54"
CALLER = "13916520277"


def the_call() -> Story:
    told = json.loads((DATA / "demo_call.events.json").read_text("utf-8"))
    events = sorted(map(event_from_json, told), key=lambda event: (event.at, event.seq))
    return Story(CONTACT, trace.messages(DATA, CONTACT), tuple(events))


@pytest.fixture
def shanghai(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("shanghai")
def test_the_example_in_the_documentation_is_what_it_prints() -> None:
    shown = ladder.page(story.masked(the_call()), colours=False)
    [example] = re.findall(r"```text\n(.*?)\n```", DOCS.read_text("utf-8"), re.DOTALL)
    assert shown == example


def test_no_number_and_no_key_shows_unless_asked_for() -> None:
    hidden = story.masked(the_call())
    pages = [
        ladder.page(hidden, colours=True),
        ladder.listing(hidden),
        ladder.sip(hidden),
        json.dumps(story.as_json(hidden)),
    ]
    for text in pages:
        assert CALLER not in text and "139****0277" in text
        assert "4008001000" in text, "what was called is the center's own"
    assert "pii_digits=****" in pages[1] and CALLER in ladder.page(the_call(), colours=False)
    kept = [m for m in hidden.messages if m.call == the_call().messages[0].call]
    assert len(kept) == 6, "identifiers stay whole"


@pytest.mark.parametrize(
    ("number", "shown"), [("+861088001000", "108****1000"), ("+14155550100", "141****0100"), ("8001", "8001")]
)
def test_a_number_shows_as_the_web_shows_it_with_and_without_its_plus(number: str, shown: str) -> None:
    leg = {"leg": f"{CONTACT}.1", "party": "customer", "address": number, "direction": "in"}
    text = f"INVITE sip:{number.removeprefix('+')}@h SIP/2.0\r\n\r\n"
    found = Story(CONTACT, (a_message(data=text),), (Event("leg_started", 0, CONTACT, 1, leg),))
    hidden = story.masked(found)
    assert hidden.messages[0].data == text.replace(number.removeprefix("+"), shown)
    assert hidden.events[0].data["address"].removeprefix("+") == masked(number).removeprefix("+") == shown


def test_without_events_the_messages_have_their_columns() -> None:
    alone = replace(the_call(), events=())
    titles = [column.title for column in ladder.columns(alone)]
    assert titles == ["leg 1", "lq", "ACD", "leg 2"]
    assert "INVITE PCMA" in ladder.page(alone, colours=False)


def test_without_messages_the_events_have_their_ladder() -> None:
    shown = ladder.page(replace(the_call(), messages=(), missing=("SIP",)), colours=False)
    assert "◆ 坐席应答 answered sales agent=1001" in shown and "缺少 missing    SIP" in shown


def a_message(at: int = 0, **other: Any) -> Message:
    text = "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=1\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n"
    told = {"node": "lq1", "direction": "in", "local": "h:1", "peer": "h:2", "leg": f"{CONTACT}.1", "call": "c"}
    return Message(at, **{**told, "data": text, **other})


def test_what_was_sent_again_is_marked() -> None:
    first, again, other = a_message(0), a_message(500), a_message(600, direction="out")
    other = replace(other, data=other.data.replace("branch=1", "branch=2"))
    found = Story(CONTACT, (first, again, other))
    shown = [row.text for row in ladder.rows(found, ladder.columns(found))]
    assert ["↻" in text for text in shown] == [False, True, False]


def test_in_one_ms_what_came_stands_before_what_it_meant_and_that_before_what_went_out() -> None:
    event = Event("contact_queued", 5, CONTACT, 1, {"n": 1, "queue": "sales", "priority": 0})
    found = Story(CONTACT, (a_message(5, direction="out"), a_message(5)), (event,))
    shown = [row.text.strip() for row in ladder.rows(found, ladder.columns(found))]
    assert ["▶" in shown[0], "◆" in shown[1], "◀" in shown[2]] == [True, True, True]


def test_an_event_without_a_word_of_its_own_is_told_by_its_name() -> None:
    assert ladder.said(Event("contact_beamed", 0, CONTACT, 1, {"agent": "1001"}), {}) == "contact_beamed agent=1001"
    channel = {"trunk": "gw1", "number": 7, "direction": "in", "contact": CONTACT, "leg": CONTACT, "taken": 3}
    assert ladder.said(Event("channel_released", 0, "trunk:gw1", 1, channel), {}).endswith("gw1/7, 3 taken")


@given(st.text(), st.sampled_from(["in", "out"]), st.sampled_from([f"{CONTACT}.1", f"{CONTACT}.7", "acd", "what"]))
def test_hostile_text_breaks_neither_the_page_nor_the_terminal(text: str, direction: str, leg: str) -> None:
    event = Event("contact_transferred", 1, CONTACT, 1, {"n": 1, "to": text, "mode": text})
    started = Event("leg_started", 0, CONTACT, 0, {"leg": leg, "party": "agent", "address": text, "direction": "out"})
    found = Story(CONTACT, (a_message(data=text, direction=direction, leg=leg), a_message()), (started, event))
    for shown in (ladder.page(story.masked(found), colours=False), ladder.listing(found), ladder.sip(found)):
        assert all(letter.isprintable() for line in shown.split("\n") for letter in line)


# -- files -------------------------------------------------------------------------------------------------------------


def a_line(**other: Any) -> str:
    told = {"at": 1, "node": "lq1", "direction": "in", "local": "h:1", "peer": "h:2", "contact": CONTACT}
    return json.dumps({**told, "leg": f"{CONTACT}.1", "call": "c", "data": "BYE x", **other}, separators=(",", ":"))


def test_messages_come_from_all_nodes_and_by_their_call_ids(tmp_path: Path) -> None:
    stranger = a_line(contact="", leg="", call="other", at=3)
    (tmp_path / "lq1-1.sip.jsonl").write_text(f"{a_line(at=5)}\n{stranger}\n{a_line(contact='01a2', at=4)}\n")
    nameless = a_line(contact="", leg="", at=2, node="lq2")
    (tmp_path / "lq2-9.sip.jsonl").write_text(f"{nameless}\n{a_line(at=7, node='lq2')}\n{a_line(at=8)[:40]}")
    found = trace.messages(tmp_path, CONTACT)
    assert [(message.at, message.node) for message in found] == [(2, "lq2"), (5, "lq1"), (7, "lq2")]
    assert {message.leg for message in found} == {f"{CONTACT}.1"}
    assert trace.latest(tmp_path) == CONTACT


def test_what_is_asked_for_may_be_any_text_with_the_id_in_it() -> None:
    for text in (CONTACT, CONTACT.upper(), f"{CONTACT}.2", f"{CONTACT}-r1", f"http://x/calls/{CONTACT}"):
        assert trace._contact(text) == CONTACT
    with pytest.raises(HomeError, match="no contact id"):
        trace._contact("1001")


def test_where_nothing_was_traced_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match="no contact in"):
        trace.latest(tmp_path / "none")
