"""Notices and sticky notes: what a form holds, to whom somebody may write, how a text is shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lcall_web.home import rules
from lcall_web.home.rules import Draft, Piece, Scope, beginning, moment, pieces

ZONE = "Asia/Shanghai"
NOW = datetime(2026, 11, 28, 1, 30, 20, tzinfo=UTC)  # 09:30:20 at the center
ALL = Scope(everything=True)
LEADER = Scope(team=7, queues=frozenset({"sales", "support"}))
GIVEN = {"title": "停电通知", "body": "下午三点", "audience": "all"}


def read(scope: Scope = ALL, queues: tuple[str, ...] = (), before: Draft | None = None, **given: str) -> Any:
    draft, form = rules.read({**GIVEN, **given}, queues, scope, {7: "", 8: ""}, ZONE, NOW, before)
    return draft if draft is not None else dict(form.errors)


# -- texts -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("见 https://a.example/b?c=1&d=2 。", ["https://a.example/b?c=1&d=2"]),
        ("见https://a.example，谢谢", ["https://a.example"]),
        ("(http://a.example/x).", ["http://a.example/x"]),
        ("HTTPS://A.example http://b.example:8080/", ["HTTPS://A.example", "http://b.example:8080/"]),
        ("javascript:alert(1) data:text/html,x ftp://a.example //a.example www.a.example", []),
        ("http:// https:///x http://[ http://. https://", []),
        ('http://a.example"onmouseover="x', ["http://a.example"]),
        ("http://a.example<script>", ["http://a.example"]),
        ("", []),
    ],
)
def test_addresses_of_the_web_alone_are_links(text: str, links: list[str]) -> None:
    found = pieces(text)
    assert [piece.text for piece in found if piece.link] == links
    assert "".join(piece.text for piece in found) == text, "nothing is lost"


def test_the_beginning_of_a_text() -> None:
    assert beginning("一\n二", 100, 5) == ([Piece("一\n二")], False)
    assert beginning("一\n二\n三", 100, 2) == ([Piece("一\n二")], True)
    assert beginning("一二三四", 3, 5) == ([Piece("一二三")], True)
    assert beginning("看 https://a.example/long", 8, 5) == ([Piece("看 ")], True), "no half of an address"
    assert beginning("https://a.example/long 看", 3, 5) == ([], True)
    assert beginning("", 3, 5) == ([], False)


def test_what_is_written_is_cleaned() -> None:
    assert rules.clean("a\x00b\u202ec\r\nd\re", lines=True) == "abc\nd\ne"
    assert rules.clean("a\nb\tc") == "abc"


# -- a notice ----------------------------------------------------------------------------------------------------------


def test_a_notice_is_read() -> None:
    assert read(title=" 停电通知 ", pinned="1", confirm="1") == Draft(
        "停电通知", "下午三点", "all", (), None, True, True, NOW, None
    )
    until = datetime(2026, 11, 28, 10, 0, tzinfo=UTC)
    assert read(until="2026-11-28T18:00").until_at == until
    planned = read(**{"from": "2026-11-28T18:00"})
    assert planned.from_at == until


@pytest.mark.parametrize(
    ("given", "errors"),
    [
        ({"title": " \x00"}, {"title": rules.EMPTY}),
        ({"title": "长" * 101}, {"title": rules.TITLE_LONG}),
        ({"body": "长" * 4001}, {"body": rules.BODY_LONG}),
        ({"audience": "nobody"}, {"audience": rules.NOBODY}),
        ({"audience": "team"}, {"audience": rules.NO_TEAM}),
        ({"audience": "team", "team": "9"}, {"audience": rules.NO_TEAM}),
        ({"audience": "queues"}, {"audience": rules.NO_QUEUE}),
        ({"from": "morgen"}, {"from": rules.TIME}),
        ({"until": "2026-13-01T00:00"}, {"until": rules.TIME}),
        ({"until": "2026-11-28T09:30"}, {"until": rules.OVER}),
        ({"from": "2026-11-29T09:30", "until": "2026-11-29T09:30"}, {"until": rules.ORDER}),
    ],
)
def test_what_is_wrong_is_said_of_its_field(given: dict[str, str], errors: dict[str, str]) -> None:
    assert read(**given) == errors


@pytest.mark.parametrize(
    ("scope", "audience", "team", "queues", "good"),
    [
        (LEADER, "team", "7", (), True),
        (LEADER, "team", "8", (), False),
        (LEADER, "queues", "", ("sales",), True),
        (LEADER, "queues", "", ("fax",), False),
        (LEADER, "all", "", (), False),
        (Scope(), "all", "", (), False),
        (Scope(), "team", "7", (), False),
        (ALL, "team", "8", (), True),
        (ALL, "queues", "", ("fax",), True),
    ],
)
def test_one_writes_as_far_as_his_scope_goes(
    scope: Scope, audience: str, team: str, queues: tuple[str, ...], good: bool
) -> None:
    assert isinstance(read(scope, queues, audience=audience, team=team), Draft) is good


def test_others_notices_are_his_as_far_as_his_scope_goes() -> None:
    assert LEADER.holds("team", (), 7) and not LEADER.holds("team", (), 8) and not LEADER.holds("team", (), None)
    assert LEADER.holds("queues", ("sales",), None) and not LEADER.holds("queues", ("sales", "fax"), None)
    assert not LEADER.holds("queues", (), None) and not LEADER.holds("all", (), None)
    assert ALL.holds("all", (), None) and not Scope().holds("team", (), None)
    assert (ALL.audiences, LEADER.audiences, Scope().audiences) == (("all", "team", "queues"), ("team", "queues"), ())


def test_times_that_nobody_touched_stay_to_the_second() -> None:
    begun = NOW - timedelta(hours=2, seconds=7)
    over = NOW - timedelta(hours=1, seconds=3)
    before = Draft("a", "", "all", (), None, False, False, begun, over)
    form = dict(rules.form_of(before, ZONE).given)
    changed = read(before=before, **form)
    assert (changed.from_at, changed.until_at) == (begun, over)
    assert read(before=before, **{**form, "from": ""}).from_at == begun, "one that has begun began then"
    planned = Draft("a", "", "all", (), None, False, False, NOW + timedelta(days=1), None)
    assert read(before=planned, **{"from": ""}).from_at == NOW, "at once"


@pytest.mark.parametrize(
    "text", ["2026-11-28", "2026-11-28 09:30", "٢٠٢٦-11-28T09:30", "9999-01-01T00:00", "", "x" * 99]
)
def test_no_times(text: str) -> None:
    assert moment(text, ZONE) is None


def test_midnight_is_the_centers() -> None:
    assert rules.midnight(NOW, ZONE) == datetime(2026, 11, 27, 16, 0, tzinfo=UTC)


def test_the_mark_of_a_list_changes_with_it() -> None:
    marks = {rules.shown_mark(told) for told in ([], [(1, 1, True)], [(1, 1, False)], [(1, 2, True)], [(2, 1, True)])}
    assert len(marks) == 5
    assert rules.shown_mark([(1, 1, True)]) == rules.shown_mark(iter([(1, 1, True)]))


# -- sticky notes ------------------------------------------------------------------------------------------------------


def test_a_note_is_stored_as_it_is_written() -> None:
    assert rules.read_note({"body": " 买 ", "colour": "pink"}) == (" 买 ", "pink", "")
    assert rules.read_note({"body": "长" * 2001, "colour": "pink"})[2] == rules.NOTE_LONG
    assert rules.read_note({"body": "", "colour": "gold"})[2] == rules.NO_COLOUR


@pytest.mark.parametrize(("text", "number"), [("3", 3), ("", 0), ("-1", 0), ("1e3", 0), ("٣", 0), ("9" * 12, 0)])
def test_versions(text: str, number: int) -> None:
    assert rules.number_of(text) == number
