"""When a follow-up is due, what its form says, and how lists of them are told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from lcall_web.common.viewer import CUSTOMERS, Reach, Viewer
from lcall_web.followups import rules
from lcall_web.followups.rules import Draft

ZONE = "Asia/Shanghai"
OWNERS = ("1001", "1002")


def at(text: str) -> datetime:
    """In the center's zone."""
    return datetime.fromisoformat(f"{text}+08:00").astimezone(UTC)


@pytest.mark.parametrize(
    ("when", "now", "due"),
    [
        ("hour", "2026-11-28T10:00:00", "2026-11-28T11:00:00"),
        ("hour", "2026-11-28T10:00:01", "2026-11-28T11:01:00"),
        ("hour", "2026-11-28T10:59:59.999999", "2026-11-28T12:00:00"),
        ("hour", "2026-12-31T23:30:00", "2027-01-01T00:30:00"),
        ("tomorrow", "2026-11-28T08:00:00", "2026-11-29T09:00:00"),
        ("tomorrow", "2026-11-28T23:59:59", "2026-11-29T09:00:00"),
        ("tomorrow", "2026-11-29T00:00:00", "2026-11-30T09:00:00"),
        ("tomorrow", "2027-02-28T12:00:00", "2027-03-01T09:00:00"),
        ("monday", "2026-11-27T17:00:00", "2026-11-30T09:00:00"),  # a Friday
        ("monday", "2026-11-29T23:59:00", "2026-11-30T09:00:00"),  # a Sunday
        ("monday", "2026-11-30T00:00:00", "2026-12-07T09:00:00"),  # a Monday: the next one
        ("monday", "2026-12-30T12:00:00", "2027-01-04T09:00:00"),
    ],
)
def test_what_a_button_means(when: str, now: str, due: str) -> None:
    assert rules.moment(when, at(now), ZONE) == at(due)


def test_a_day_begins_where_the_center_is() -> None:
    now = datetime(2026, 11, 28, 16, 30, tzinfo=UTC)  # half an hour past midnight in Shanghai
    assert rules.moment("tomorrow", now, ZONE) == at("2026-11-30T09:00:00")
    assert rules.moment("tomorrow", now, "UTC") == datetime(2026, 11, 29, 9, tzinfo=UTC)
    assert rules.midnight(now, ZONE) == at("2026-11-30T00:00:00")


def test_nine_in_the_morning_is_nine_also_on_the_day_after_the_clocks_are_changed() -> None:
    now = datetime(2026, 10, 24, 12, tzinfo=UTC)  # a Saturday; in Berlin summer time ends in the night
    assert rules.moment("tomorrow", now, "Europe/Berlin") == datetime(2026, 10, 25, 8, tzinfo=UTC)
    assert rules.moment("monday", now, "Europe/Berlin") == datetime(2026, 10, 26, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("2026-11-28T15:30", "2026-11-28T15:30:00"),
        ("2026-11-28T15:30:45", "2026-11-28T15:30:00"),
        *(
            (text, None)
            for text in (
                "",
                "2026-11-28",
                "2026-13-01T00:00",
                "2026-02-30T10:00",
                "0001-01-01T00:00",
                "9999-12-31T23:59",
            )
        ),
        *(
            (text, None)
            for text in ("2026-11-28T15:30+08:00", "15:30", "'; --", "２０２６-11-28T15:30", "2026-11-28 15:30")
        ),
    ],
)
def test_a_written_moment(text: str, due: str | None) -> None:
    found = rules.written(text, ZONE)
    assert found == (at(due) if due else None)
    assert found is None or rules.written(rules.as_written(found, ZONE), ZONE) == found


NOW = at("2026-11-28T10:00:00")
GOOD = {"kind": "call_back", "what": " 报价 ", "when": "hour", "owner": "1001"}


def test_a_form_that_is_right() -> None:
    draft, form = rules.read(GOOD, NOW, ZONE, OWNERS)
    assert draft == Draft("call_back", "报价", "1001", at("2026-11-28T11:00:00")) and form.errors == {}
    draft, _ = rules.read({**GOOD, "due": "2026-12-01T08:15"}, NOW, ZONE, OWNERS)
    assert draft is not None and draft.due_at == at("2026-12-01T08:15:00"), "what is written goes before a button"


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"kind": "x"}, {"kind": rules.UNKNOWN}),
        ({"what": " \u202e\x00 "}, {"what": rules.EMPTY}),
        ({"what": "王" * 201}, {"what": rules.TOO_LONG}),
        ({"owner": "1003"}, {"owner": rules.NOBODY}),
        ({"when": ""}, {"due": rules.NO_TIME}),
        ({"when": "never"}, {"due": rules.NO_TIME}),
        ({"due": "soon"}, {"due": rules.NOT_A_TIME}),
        ({"due": "2026-11-28T09:58"}, {"due": rules.PAST}),
        ({"due": "2031-12-31T10:00"}, {"due": rules.FAR}),
        ({"kind": "", "what": "", "when": "", "owner": ""}, {"kind", "what", "due", "owner"}),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_what_was_written_is_kept(
    given: dict[str, str], wrong: dict[str, str] | set[str]
) -> None:
    draft, form = rules.read({**GOOD, **given}, NOW, ZONE, OWNERS)
    assert draft is None
    assert (form.errors if isinstance(wrong, dict) else set(form.errors)) == wrong
    assert form.given["when"] == given.get("when", "hour")


def test_one_whose_time_has_passed_can_be_changed() -> None:
    before = Draft("call_back", "报价", "1001", at("2026-11-20T09:00:00"))
    given = {**GOOD, "when": "", "due": "2026-11-20T09:00", "what": "另一件事"}
    draft, form = rules.read(given, NOW, ZONE, OWNERS, before)
    assert form.errors == {} and draft == Draft("call_back", "另一件事", "1001", before.due_at)
    assert rules.changes(before, draft) == {"body": ["报价", "另一件事"]}
    assert rules.read({**given, "due": "2026-11-20T09:01"}, NOW, ZONE, OWNERS, before)[0] is None


def test_what_somebody_else_has_stored_meanwhile() -> None:
    mine = Draft("call_back", "我的", "1001", at("2026-11-28T11:00:00"))
    stored = Draft("appointment", "他的", "1001", at("2026-11-29T11:00:00"))
    assert rules.theirs(stored, mine, ZONE) == {"kind": "appointment", "what": "他的", "due": "2026-11-29 11:00"}
    assert rules.theirs(mine, mine, ZONE) == {}


@dataclass(frozen=True)
class Line:
    due_at: datetime


def test_lists_are_grouped_by_the_center_s_day() -> None:
    moments = ("2026-11-27T23:59:00", "2026-11-28T10:00:00", "2026-11-28T10:01:00", "2026-11-28T23:59:00")
    lines = [Line(at(text)) for text in (*moments, "2026-11-29T00:00:00")]
    assert rules.grouped(lines, NOW, ZONE) == {"overdue": lines[:2], "today": lines[2:4], "later": lines[4:]}
    assert rules.grouped([], NOW, ZONE) == {"overdue": [], "today": [], "later": []}


def test_how_a_moment_is_told() -> None:
    told = {text: rules.told(at(text), NOW, ZONE) for text in ("2026-11-28T09:05:00", "2026-11-27T23:00:00")}
    assert list(told.values()) == ["09:05", "11-27 23:00"]
    assert rules.told(NOW + timedelta(days=60), NOW, ZONE) == "2027-01-27 10:00"


def viewer(reach: Reach) -> Viewer:
    return Viewer("1001", "王芳", "agent", "坐席", b"", "", frozenset({CUSTOMERS}), reach)


def test_whose_they_may_see() -> None:
    alone, leader, manager = (
        viewer(Reach(frozenset({"1001"}))),
        viewer(Reach(frozenset({"1001", "1002"}), frozenset({"sales"}))),
        viewer(Reach(None)),
    )
    assert [rules.his(each, "1002") for each in (alone, leader, manager)] == [False, True, True]
    assert all(rules.his(each, "1001") for each in (alone, leader, manager))
    assert [rules.people("", each) for each in (alone, leader, manager)] == [frozenset({"1001"})] * 3
    assert rules.people("all", alone) == frozenset({"1001"})
    assert rules.people("all", leader) == frozenset({"1001", "1002"}) and rules.people("all", manager) is None
    assert rules.people("1002", leader) == frozenset({"1002"})
    with pytest.raises(LookupError):
        rules.people("1002", alone)


def test_every_kind_has_a_name_in_both_languages() -> None:
    assert list(rules.kinds("zh").values()) == ["回电", "跟进", "预约"]
    assert list(rules.kinds("en").values()) == ["Call back", "Follow up", "Appointment"]
