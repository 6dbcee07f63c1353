"""The plan of a recording remembers what was written before."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from lq.media import plan
from lq.media.leg import MediaLeg

LEG = MediaLeg("c1.1", "in", local_port=30000, x_port=30002)


def told(spool: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((spool / "planned" / "c1-r1.json").read_text())
    return document


def test_a_leg_that_was_made_anew_keeps_the_ports_of_before(tmp_path: Path) -> None:
    plan.write(tmp_path, LEG, "c1-r1", "c1", 1000)
    plan.write(tmp_path, LEG, "c1-r1", "c1", 2000)  # the same again, after an adoption
    assert told(tmp_path).get("earlier", []) == []
    plan.pause(tmp_path, LEG, "c1-r1", "c1", 2500)
    plan.resume(tmp_path, "c1-r1", 2600)
    plan.moves(tmp_path, LEG, "c1-r1", "c1", 2700)
    for port in (31000, 32000):
        plan.write(tmp_path, replace(LEG, local_port=port, x_port=port + 2), "c1-r1", "c1", 3000)
    found = told(tmp_path)
    assert (found["left"], found["right"], found["pauses"]) == (32000, 32002, [[2500, 2600]])
    assert found["moves"] is True
    assert [(one["left"], one["right"]) for one in found["earlier"]] == [(30000, 30002), (31000, 31002)]
