"""What happened when: the steps of a call, as a table for people and as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ops import screen


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    zh: str
    en: str
    at: float  # seconds of the epoch
    remark: str = ""


@dataclass(slots=True)
class Timeline:
    steps: list[Step] = field(default_factory=list)

    def add(self, name: str, zh: str, en: str, at: float, remark: str = "") -> None:
        """In any order: what is measured at different places is put into the order of time."""
        self.steps.append(Step(name, zh, en, at, remark))
        self.steps.sort(key=lambda step: step.at)

    def at(self, name: str) -> float:
        return next(step.at for step in self.steps if step.name == name)

    def rows(self) -> list[tuple[Step, float, float]]:
        """Each step with the milliseconds since the first and since the one before."""
        before = [None, *self.steps]
        start = self.steps[0].at if self.steps else 0.0
        return [
            (step, (step.at - start) * 1000, (step.at - last.at) * 1000 if last else 0.0)
            for last, step in zip(before, self.steps, strict=False)
        ]

    def table(self) -> str:
        head = ("毫秒 ms", "间隔 since", "步骤 step", "")
        rows = [
            (f"{total:8.0f}", f"{since:+9.0f}", f"{step.zh} {step.en}", step.remark)
            for step, total, since in self.rows()
        ]
        return screen.table(head, rows)

    def json(self) -> list[dict[str, Any]]:
        return [
            {
                "step": step.name, "zh": step.zh, "en": step.en, "ms": round(total, 1),
                "since_previous_ms": round(since, 1), "remark": step.remark,
            }
            for step, total, since in self.rows()
        ]  # fmt: skip
