"""When something is an alarm: every rule, begin and end."""

from __future__ import annotations

import pytest

from lq.watch.alarms import CLEAR_S, DOWN, RULES, Alarm, Figures, Rule, Watched, step
from lq.watch.places import addresses, figures

NOW = 1_700_000_000.0


def reading(rule: Rule, value: float) -> Figures:
    return {rule.metric: (({rule.label: "x"} if rule.label else {}, value),)}


class Place:
    def __init__(self) -> None:
        self.watched, self.now, self.today = Watched(), 1_000.0, NOW

    def look(self, after_s: float = 1.0, **processes: Figures | None) -> tuple[list[Alarm], list[Alarm]]:
        self.now += after_s
        self.today += after_s
        self.watched, begun, over = step(self.watched, processes, self.now, self.today)
        return begun, over

    def about(self, rule: Rule, value: float, after_s: float = 1.0) -> tuple[list[Alarm], list[Alarm]]:
        """What this rule says; two rules may look at one figure."""
        begun, over = self.look(after_s, lq1=reading(rule, value))
        return [a for a in begun if a.id.startswith(rule.id + ":")], [a for a in over if a.id.startswith(rule.id + ":")]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_begins_after_its_time_and_ends(rule: Rule) -> None:
    place = Place()
    assert place.about(rule, rule.above) == ([], [])
    begun, _ = place.about(rule, rule.above + 1)
    if rule.after_s:
        assert begun == []
        begun, _ = place.about(rule, rule.above + 1, rule.after_s)
    about = "lq1 x" if rule.label else "lq1"
    (alarm,) = begun
    assert (alarm.id, alarm.severity, alarm.about) == (f"{rule.id}:{about}", rule.severity, about)
    assert alarm.since == int((place.today - rule.after_s) * 1000)
    assert place.about(rule, rule.above + 5) == ([], [])  # once
    assert place.watched.raised[alarm.id].value == rule.above + 5
    assert place.about(rule, rule.above) == ([], [])
    _, over = place.about(rule, rule.above, CLEAR_S)
    assert [a.id for a in over] == [alarm.id]
    assert alarm.id not in place.watched.raised


def test_a_process_that_does_not_answer_is_down_and_says_nothing_else() -> None:
    place = Place()
    place.look(lq1=None, lq2={})
    begun, _ = place.look(DOWN.after_s, lq1=None, lq2={})
    assert [a.id for a in begun] == ["process_down:lq1"]
    assert "lcall logs lq1" in begun[0].do_en and "lcall logs lq1" in begun[0].do_zh


def test_a_figure_that_comes_and_goes_begins_anew() -> None:
    rule = next(rule for rule in RULES if rule.after_s >= 5)
    place = Place()
    for _ in range(5):
        assert place.look(1, lq1=reading(rule, rule.above + 1)) == ([], [])
        assert place.look(1, lq1=reading(rule, rule.above)) == ([], [])


def test_an_alarm_that_comes_back_before_it_is_over_goes_on() -> None:
    rule = next(rule for rule in RULES if rule.after_s == 0)
    place = Place()
    place.look(lq1=reading(rule, rule.above + 1))
    for _ in range(5):
        assert place.look(CLEAR_S - 1, lq1=reading(rule, rule.above)) == ([], [])
        assert place.look(1, lq1=reading(rule, rule.above + 1)) == ([], [])


@pytest.mark.parametrize("set_by", [-3600, 3600])
def test_a_clock_that_is_set_makes_no_alarm_late_and_none_early(set_by: float) -> None:
    rule = next(rule for rule in RULES if rule.after_s >= 5)
    place = Place()
    assert place.about(rule, rule.above + 1) == ([], [])
    place.today += set_by
    assert place.about(rule, rule.above + 1) == ([], [])
    begun, _ = place.about(rule, rule.above + 1, rule.after_s - 1)
    assert [alarm.since for alarm in begun] == [int((place.today - rule.after_s) * 1000)]
    assert place.about(rule, rule.above) == ([], [])
    place.today += set_by
    assert place.about(rule, rule.above) == ([], [])
    assert len(place.about(rule, rule.above, CLEAR_S)[1]) == 1


def test_what_the_stores_tell_of_has_its_own_name() -> None:
    rule = next(rule for rule in RULES if rule.label == "trunk" and rule.severity == "minor")
    place = Place()
    place.look(redis=reading(rule, 1.0))
    begun, _ = place.look(rule.after_s, redis=reading(rule, 1.0))
    assert [a.about for a in begun] == ["x"]


def test_rules_are_told_apart_and_help() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    for rule in (*RULES, DOWN):
        assert rule.zh and rule.en and rule.do_zh and rule.do_en


def test_figures_of_prometheus_text() -> None:
    text = '# TYPE lcall_trunk_down gauge\nlcall_trunk_down{trunk="gw1"} 1.0\nlcall_trunk_down{trunk="gw2"} 0.0\n'
    assert figures(text) == {"lcall_trunk_down": (({"trunk": "gw1"}, 1.0), ({"trunk": "gw2"}, 0.0))}
    assert addresses("lq1=http://a/metrics,api=http://b/m?x=1") == {"lq1": "http://a/metrics", "api": "http://b/m?x=1"}
    with pytest.raises(ValueError):
        figures("not { prometheus")
