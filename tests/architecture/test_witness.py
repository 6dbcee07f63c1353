"""The simulator is an independent witness: it shares no line of call handling with what it looks at."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

SIMULATOR: Final = Path(__file__).parent.parent / "simulator"
SHARED: Final = ("lq.sdk", "lq.ledger.events")  # the public client, and what it speaks of


def test_the_simulator_knows_of_lq_only_what_every_client_knows() -> None:
    found = set()
    for file in SIMULATOR.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found |= {(file.name, name) for name in names if name.split(".")[0] in ("lq", "kamailio", "recorder")}
    assert {name for _, name in found if not name.startswith(SHARED)} == set(), found
    assert found, "nothing was looked at"
