from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lcall_web.calls import rules
from lq.sdk import Segment

NOW = datetime(2026, 11, 24, 17, 30, tzinfo=UTC)  # 01:30 on the 25th in Shanghai
ZONE = "Asia/Shanghai"


def test_without_a_wish_it_is_today_where_the_center_is() -> None:
    search, form = rules.read({}, ZONE, NOW, True)
    assert search.start == datetime(2026, 11, 24, 16, tzinfo=UTC) and search.end is None
    assert form.given["from"] == "2026-11-25" and form.errors == {}


def test_days_are_the_centers_and_the_last_one_is_whole() -> None:
    search, _ = rules.read({"from": "2026-11-20", "to": "2026-11-20"}, ZONE, NOW, True)
    assert search.start == datetime(2026, 11, 19, 16, tzinfo=UTC)
    assert search.end == search.start + timedelta(days=1)
    anything, _ = rules.read({"from": "", "to": ""}, ZONE, NOW, True)
    assert anything == rules.Search()


@pytest.mark.parametrize(
    ("written", "digits"),
    [
        ("+86 138-0013-8000", "8613800138000"),
        ("（010）8800 1000", "01088001000"),
        ("１３８", "138"),
        ("110", "110"),
        ("abc", None),
        ("138*", None),
        ("", None),
        ("-", None),
        ("1" * 33, None),
        ("٣", None),
    ],
)
def test_digits_of_a_number_in_any_form(written: str, digits: str | None) -> None:
    assert rules.plain(written) == digits


def test_prefixes_are_taken_off_complete_numbers_only() -> None:
    assert rules.number_patterns("8688", True) == ("%8688%",), "not also whatever has 88 in it"
    assert set(rules.number_patterns("008613800138000", True)) >= {"%13800138000%"}
    assert set(rules.number_patterns("01088001000", True)) == {"%01088001000%", "%1088001000%"}


@given(st.from_regex(r"\A[0-9]{1,20}\Z"))
def test_who_sees_numbers_masked_searches_for_no_part_but_the_last_digits(digits: str) -> None:
    wild = [pattern for pattern in rules.number_patterns(digits, False) if "%" in pattern]
    assert wild == ([f"%{digits}"] if len(digits) == rules.LAST else [])


@given(st.datetimes(timezones=st.just(UTC)), st.from_regex(r"\A[a-f0-9-]{1,36}\Z"))
def test_a_cursor_comes_back_as_it_went(at: datetime, id: str) -> None:
    search, _ = rules.read({"cursor": rules.cursor(at, id)}, ZONE, NOW, True)
    assert search.after == (at, id)


MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@given(st.none() | MOMENTS, st.none() | MOMENTS, st.none() | MOMENTS)
def test_stretches_of_time_lie_behind_each_other_and_leave_nothing_out(
    start: datetime | None, end: datetime | None, after: datetime | None
) -> None:
    wanted = rules.Search(start=start, end=end, agent="1001", after=None if after is None else (after, "x"))
    found = list(rules.slices(wanted, NOW))
    instant = timedelta(microseconds=1)
    ends = [each for each in (end, after and after + instant) if each is not None]
    last = min(ends, default=None)
    if not found:
        assert start is not None and last is not None and last <= start, "there is nothing to look at"
        return
    assert found[0].end == last and found[-1].start == start
    for newer, older in pairwise(found):
        assert newer.start == older.end and (older.start is None or older.start < older.end)
    assert {each.agent for each in found} == {"1001"} and {each.after for each in found} == {wanted.after}


def test_a_cursor_from_before_all_times_is_one_search() -> None:
    for at in (datetime.min, datetime.max):
        wanted = rules.Search(after=(at.replace(tzinfo=UTC), "x"))
        assert list(rules.slices(wanted, NOW)) == [wanted]


@pytest.mark.parametrize(
    ("digits", "whole", "few"),
    [("138", True, False), ("1380", True, True), ("13800138000", True, True), ("1234", False, True)],
)
def test_four_digits_are_few_calls(digits: str, whole: bool, few: bool) -> None:
    assert rules.Search(patterns=rules.number_patterns(digits, whole)).few is few
    assert not rules.Search().few


CLOCKS = st.times().map(lambda at: at.replace(second=0, microsecond=0))


@example("Europe/Berlin", time(2, 20), time(5), datetime(2021, 10, 31, tzinfo=UTC), timedelta(hours=3))  # 02:20 twice
@example("Europe/Berlin", time(2, 20), time(2, 40), datetime(2021, 3, 27, tzinfo=UTC), timedelta(days=2))  # never
@example("Europe/Berlin", time(22), time(2, 30), datetime(2021, 10, 29, tzinfo=UTC), timedelta(days=4))
@given(
    st.sampled_from((ZONE, "Europe/Berlin", "UTC")), CLOCKS, CLOCKS, MOMENTS, st.timedeltas(timedelta(0), timedelta(4))
)
def test_an_hour_of_each_day_is_that_hour_and_no_other(
    zone: str, first: time, last: time, start: datetime, long: timedelta
) -> None:
    search, _ = rules.read({"at_from": f"{first:%H:%M}", "at_to": f"{last:%H:%M}"}, zone, NOW, True)
    assert search.hours is not None
    windows = search.hours.windows(start, start + long)
    assert all(before[1] <= after[0] for before, after in pairwise(windows)), "in order, each moment once"
    assert all(start <= begin <= end <= start + long for begin, end in windows)
    for minutes in range(0, int(long.total_seconds() // 60), 7):
        moment = start + timedelta(minutes=minutes)
        clock = moment.astimezone(ZoneInfo(zone)).time().replace(second=0, microsecond=0)
        within = first <= clock <= last if first <= last else clock >= first or clock <= last
        assert any(begin <= moment < end for begin, end in windows) == within


def test_hours_may_have_one_end_and_go_over_midnight() -> None:
    def hours(**given: str) -> tuple[str, str]:
        found = rules.read(given, ZONE, NOW, True)[0].hours
        assert found is not None
        return f"{found.first:%H:%M}", f"{found.last:%H:%M:%S}"

    assert hours(at_from="9:00") == ("09:00", "23:59:59")
    assert hours(at_to="08:30") == ("00:00", "08:30:59"), "the last minute is in it"
    night = rules.read({"at_from": "22:00", "at_to": "05:59"}, ZONE, NOW, True)[0].hours
    assert night is not None
    day = datetime(2026, 11, 24, 16, tzinfo=UTC)  # the 25th in Shanghai
    assert night.windows(day, day + timedelta(days=1)) == [
        (day, day + timedelta(hours=6)),
        (day + timedelta(hours=22), day + timedelta(days=1)),
    ]


@pytest.mark.parametrize(
    ("field", "written", "message"),
    [
        *(("at_from", written, rules.TIME) for written in ("x", "24:00", "9", "9:60", "09:00:00")),
        *(("cause", written, rules.CAUSE) for written in ("0", "128", "x", "-1", "１６")),
        ("waited", "x", rules.LENGTH),
        ("ended_by", "nobody", rules.UNKNOWN),
        ("call", "a b", rules.CALL_ID),
        ("call", "%", rules.CALL_ID),
    ],
)
def test_what_cannot_be_meant_is_said_at_its_field(field: str, written: str, message: str) -> None:
    assert rules.read({field: written}, ZONE, NOW, True)[1].errors == {field: message}


def test_a_call_is_looked_for_by_its_id_on_all_days() -> None:
    search, form = rules.read({"call": "0193-ab"}, ZONE, NOW, True)
    assert (search.start, search.call, search.few) == (None, "0193-ab", True) and form.given["from"]


def test_who_may_not_see_customers_looks_for_none() -> None:
    search, _ = rules.read({"customer": " 王  芳 "}, ZONE, NOW, True, customers=True)
    assert search.customer == ("王", "芳") and search.few
    assert rules.read({"customer": "王芳"}, ZONE, NOW, True, customers=False)[1].errors == {"customer": rules.UNKNOWN}


@given(st.dictionaries(st.sampled_from(rules.FIELDS), st.text(max_size=80)))
def test_anything_that_is_written_is_read_or_refused_by_name(given: dict[str, str]) -> None:
    _, form = rules.read(given, ZONE, NOW, False)
    assert set(form.errors) <= set(rules.FIELDS) and set(form.given) == set(rules.FIELDS)


# -- the picture -------------------------------------------------------------------------------------------------------


def test_a_lane_for_each_kind_in_their_order() -> None:
    at = [NOW + timedelta(seconds=n) for n in range(0, 101, 10)]
    segments = [
        Segment(1, "ivr", None, None, at[0], at[1]),
        Segment(2, "queue", "sales", None, at[1], at[4]),
        Segment(3, "ring", "sales", "1001", at[2], at[4], "answered"),
        Segment(4, "talk", "sales", "1001", at[4], None),
    ]
    drawn = rules.timeline(segments, at[0], at[10])
    assert [lane.kind for lane in drawn.lanes] == ["ivr", "queue", "ring", "talk"]
    assert [(bar.x, bar.width) for lane in drawn.lanes for bar in lane.bars] == [(0, 10), (10, 30), (20, 20), (40, 60)]
    assert drawn.lanes[3].bars[0].open and drawn.lanes[2].bars[0].agent == "1001"
    assert drawn.ticks == ((0, 0), (15, 15), (30, 30), (45, 45), (60, 60), (75, 75), (90, 90))


@given(
    st.lists(st.tuples(st.integers(-10, 10**6), st.one_of(st.none(), st.integers(-10, 10**6)))), st.integers(0, 10**6)
)
def test_every_bar_lies_in_the_picture(spans: list[tuple[int, int | None]], whole: int) -> None:
    def moment(ms: int) -> datetime:
        return NOW + timedelta(milliseconds=ms)

    segments = [
        Segment(n, "talk", None, None, moment(a), None if b is None else moment(b)) for n, (a, b) in enumerate(spans)
    ]
    drawn = rules.timeline(segments, NOW, moment(whole))
    for lane in drawn.lanes:
        for bar in lane.bars:
            assert bar.x >= 0 and bar.width > 0 and bar.x + bar.width <= 100.001 and bar.seconds >= 0
    assert len(drawn.ticks) <= 50
