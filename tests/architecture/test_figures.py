"""docs/metrics.md tells of every figure that a process serves, docs/operations.md what to do at a critical alarm."""

from __future__ import annotations

import re
from pathlib import Path

from lq.watch.alarms import DOWN, RULES

ROOT = Path(__file__).parents[2]
DEFINED = re.compile(r'telemetry\.(gauge|counter|histogram|Recent|LastHour|Age)\(\s*"([a-z_0-9]+)"')
SUFFIX = {"counter": "_total", "Recent": "_p99_seconds", "LastHour": "_last_hour", "Age": "_seconds"}


def test_every_figure_is_documented() -> None:
    told = (ROOT / "docs/metrics.md").read_text()
    found = set()
    for room in ("lq", "lcall_web", "recorder", "kamailio", "ops"):
        for source in (ROOT / room).rglob("*.py"):
            for kind, name in DEFINED.findall(source.read_text()):
                found.add(f"lcall_{name}{SUFFIX.get(kind, '')}")
    assert len(found) > 10
    assert [name for name in sorted(found) if f"`{name}`" not in told] == []


def test_every_figure_that_an_alarm_looks_at_is_documented() -> None:
    told = (ROOT / "docs/metrics.md").read_text()
    assert [rule.metric for rule in RULES if f"`{rule.metric}`" not in told] == []


def test_what_to_do_at_every_critical_alarm_is_documented() -> None:
    told = (ROOT / "docs/operations.md").read_text()
    critical = [rule.id for rule in (DOWN, *RULES) if rule.severity == "critical"]
    assert critical and [id for id in critical if f"| `{id}` |" not in told] == []
