"""The keeper goes on when its disk does not, and when Redis takes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from kamailio.keeper import Keeper
from kamailio.memory import Memory
from kamailio.tables import Tables
from lq.live.kemi import Caller, Lease

TRUNKS = {"gw1": {"address": "192.0.2.1"}}


class Table(dict[str, str]):
    set = dict.__setitem__
    remove = dict.__delitem__


class FakeCaller:
    def __init__(self) -> None:
        self.phones: list[tuple[str, bool]] = []
        self.trunks: dict[str, bool] = {}
        self.looks = 0
        self.lapsed = False

    def leases(self, role: str) -> list[Any]:
        self.looks += 1
        if self.lapsed:
            return []
        return [Lease("lq", "lq1-a", f"lq1-{self.looks}", "h:1", self.looks, False, 0)]  # another at each look

    def adopted(self) -> dict[str, str]:
        return {}

    def config_version(self) -> int:
        return 1

    def document(self, kind: str, id: str) -> dict[str, Any]:
        return {}

    def documents(self, kind: str) -> dict[str, dict[str, Any]]:
        return TRUNKS if kind == "trunks" else {}

    def era(self) -> int:
        return 1

    def phone(self, ext: str, registered: bool, expires_ms: int) -> None:
        self.phones.append((ext, registered))

    def trunk(self, trunk: str, up: bool, reason: str) -> None:
        self.trunks[trunk] = up


class FakeStation:
    def __init__(self) -> None:
        self.said: list[str] = []

    def unpublished(self) -> list[tuple[str, int]]:
        return [("8001", 5_000)]

    def registration(self, ext: str) -> int:
        return 5_000

    def gateways(self) -> dict[str, bool]:
        return {"gw1": True}

    def log(self, sentence: str) -> None:
        self.said.append(sentence)

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: None


@pytest.mark.parametrize("gone", ["memory", "dispatcher"])
def test_a_disk_that_is_full_costs_a_file_and_no_news(tmp_path: Path, gone: str) -> None:
    places = {"memory": tmp_path / "known.json", "dispatcher": tmp_path / "dispatcher.list"}
    places["dispatcher"].touch()
    places[gone] = tmp_path / "gone" / "file"  # no such directory: any OSError will do
    caller, station, shared = FakeCaller(), FakeStation(), Table()
    keeper = Keeper(
        cast(Caller, caller),
        Tables(shared, Table()),
        station,
        dispatcher_list=places["dispatcher"],
        memory=Memory(places["memory"]),
        outside="192.0.2.9:5060",
        clock=lambda: 1.0,
    )
    for _ in range(3):
        keeper.tick()
    assert "trunks" in shared and ("8001", True) in caller.phones and caller.trunks == {"gw1": True}
    assert len(station.said) == 1 and str(places[gone]) in station.said[0]


def test_nodes_whose_leases_lapse_all_at_once_are_asked_on(tmp_path: Path) -> None:
    """Redis reads and takes no writes, or every node has died: who is dead does not answer, the others do."""
    caller = FakeCaller()
    tables = Tables(Table(), Table())
    keeper = Keeper(
        cast(Caller, caller),
        tables,
        FakeStation(),
        dispatcher_list=tmp_path / "dispatcher.list",
        memory=Memory(tmp_path / "known.json"),
        outside="192.0.2.9:5060",
        clock=lambda: 1.0,
    )
    keeper.tick()
    known = tables.nodes.alive
    assert known
    caller.lapsed = True
    for _ in range(3):
        keeper.tick()
        assert tables.nodes.alive == known
