"""Imports point where DESIGN says: the contracts stand in pyproject.toml, `make check` reads the same."""

from __future__ import annotations

import importlinter.api  # configures import-linter
import pytest
from grimp import ImportGraph
from importlinter.application import use_cases

from tests.architecture.only import OnlyContract

assert importlinter.api


def test_all_contracts_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    kept = use_cases.lint_imports(cache_dir=None, no_logo=True, is_debug_mode=True)
    assert kept, capsys.readouterr().out


def graph(*imports: tuple[str, str]) -> ImportGraph:
    made = ImportGraph()
    for module in ("web", "web.views", "core", "core.sdk", "core.sdk.client", "core.live"):
        made.add_module(module)
    made.add_module("sanic", is_squashed=True)
    for importer, imported in imports:
        made.add_import(importer=importer, imported=imported)
    return made


@pytest.mark.parametrize(
    ("imports", "broken"),
    [
        ([("web.views", "core.sdk"), ("web.views", "core.sdk.client"), ("web", "web.views"), ("web", "sanic")], []),
        ([("core.sdk.client", "core.live")], []),
        ([("web.views", "core.live")], ["web.views imports core.live"]),
        ([("web", "core")], ["web imports core"]),
    ],
)
def test_only_what_is_listed(imports: list[tuple[str, str]], broken: list[str]) -> None:
    contract = OnlyContract("web", {}, {"importers": ["web"], "allowed": ["core.sdk"]})
    checked = contract.check(graph(*imports), verbose=False)
    assert checked.metadata["lines"] == broken
    assert checked.kept is not broken or not broken


def test_a_room_that_does_not_exist_is_no_contract_kept() -> None:
    contract = OnlyContract("web", {}, {"importers": ["wob"], "allowed": ["core.sdk"]})
    assert contract.check(graph(), verbose=False).metadata["lines"] == ["wob does not exist"]
