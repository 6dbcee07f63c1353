"""What the keeper last knew survives the edge; a load that changes is no reason to write."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from kamailio.memory import Known, Memory
from kamailio.policy import Node, Nodes

KNOWN = Known({"realm": "lcall"}, {"8001": {"ha1": "x"}}, {"gw1": {"address": "192.0.2.1"}})
NODES = Nodes((Node("lq1-a", "h:1", 3),), {"lq0-z": "lq1-a"}, ("lq1-a", "lq0-z"))


def test_what_was_kept_is_known_again(tmp_path: Path) -> None:
    file = tmp_path / "known.json"
    Memory(file).keep(KNOWN, NODES)
    assert Memory(file).recall() == (KNOWN, NODES)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["known.json"]


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"known": {"settings": 1}, "nodes": {}}', "\x00"])
def test_what_cannot_be_read_is_nothing(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "known.json"
    if text is not None:
        file.write_text(text)
    assert Memory(file).recall() == (None, Nodes())


def test_only_where_the_nodes_are_is_worth_a_write(tmp_path: Path) -> None:
    file = tmp_path / "known.json"
    memory = Memory(file)
    memory.keep_nodes(NODES)
    assert not file.exists(), "without a configuration nobody could be served"
    memory.keep(KNOWN, NODES)
    busier = Nodes((Node("lq1-a", "h:1", 9),), NODES.adopted, NODES.seen)
    memory.keep_nodes(busier)
    assert Memory(file).recall()[1] == NODES
    moved = Nodes((Node("lq1-b", "h:1", 0),), NODES.adopted, NODES.seen)
    memory.keep_nodes(moved)
    assert Memory(file).recall()[1] == moved
