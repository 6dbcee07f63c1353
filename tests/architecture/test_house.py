"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import ONE_AFTER_ANOTHER, group_of

CHECKOUT: Final = Path(__file__).parents[2]
ROOMS: Final = ("lq", "kamailio", "recorder", "ops", "lcall_web")
MODULES: Final = sorted(path for room in ROOMS for path in (CHECKOUT / room).rglob("*.py"))
LONGEST: Final = 500
MADE: Final = ("__pycache__", "build", "artifacts", "node_modules")  # not by us
VENDORED: Final = ("lcall_web/static/", "requirements.lock")
BINARY: Final = (".al", ".wav", ".png", ".jpg", ".webp", ".ico", ".woff2", ".pcap", ".mo")

# Rooms of rules, see "Rules are pure" in pyproject.toml: there the imports, here what needs no import.
RULES: Final = ("lq/acd", "lq/ivr", "lq/trunks", "lq/contacts", "lq/sip", "lq/ledger/fold.py", "lq/ledger/events.py")
SHELLS: Final = (
    "lq/contacts/owner.py", "lq/contacts/held.py", "lq/contacts/media_desk.py", "lq/contacts/sip_desk.py",
    "lq/sip/shell.py", "lq/sip/tcp.py",
)  # fmt: skip
CLOCKS: Final = {"now", "today", "utcnow"}

# Each with what is meant by it; written so that this file does not hold them itself.
FORBIDDEN: Final = {
    "a room without a name": r"(?<![-\w])util" + r"s(?![-\w])",
    "something left undone": r"\b(TO" + r"DO|FIX" + r"ME|X{3}|HA" + r"CK)\b",
    "a place on one machine": r"(?<![\w.}])/(work|root|home)/",
    "a registry's host": r"https?://[\w.-]*(py"
    + r"pi|python"
    + r"hosted|npm"
    + r"js|jsdel"
    + r"ivr|unp"
    + r"kg|mirror)[\w.-]*",
}


def name(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


def texts() -> Iterator[tuple[str, str]]:
    """Every text file that people of this house wrote, with or without a repository around it."""
    for directory, below, files in os.walk(CHECKOUT):
        here = Path(directory)
        below[:] = [each for each in below if each not in MADE and not (each.startswith(".") and each != ".ci")]
        for file in files:
            path = here / file
            if path.suffix not in BINARY and not name(path).startswith(VENDORED):
                yield name(path), path.read_text(encoding="utf-8")


def trees(*below: str) -> Iterator[tuple[str, ast.Module]]:
    for path in MODULES:
        if not below or name(path).startswith(below):
            yield name(path), ast.parse(path.read_text(encoding="utf-8"))


def test_only_kemi_knows_kamailio() -> None:
    found = {
        module
        for module, tree in trees()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "KSR" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "KSR")
    }
    assert found == {"kamailio/kemi.py"}


def test_modules_fit_in_the_head() -> None:
    long = {name(path): n for path in MODULES if (n := len(path.read_text("utf-8").splitlines())) > LONGEST}
    assert not long


def test_every_module_begins_with_its_promise() -> None:
    silent = [module for module, tree in trees() if tree.body and not ast.get_docstring(tree)]
    assert not silent


def test_rules_open_no_file_and_read_no_clock() -> None:
    found = [
        f"{module}:{node.lineno} {ast.unparse(node.func)}"
        for module, tree in trees(*RULES)
        if module not in SHELLS
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id in ("open", "input"))
            or (isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS)
        )
    ]
    assert not found


@pytest.mark.parametrize("meaning", FORBIDDEN)
def test_words_that_do_not_belong_here(meaning: str) -> None:
    pattern = re.compile(FORBIDDEN[meaning])
    found = [
        f"{file}:{n}: {line.strip()[:100]}"
        for file, text in texts()
        for n, line in enumerate([file, *text.splitlines()])
        if pattern.search(line)
    ]
    assert not found


def test_who_wants_the_same_line_waits_for_it() -> None:
    """Of two tests that share a queue one's caller would get the other's agent, if two workers had them."""
    groups: dict[str, set[str]] = {}
    for file in sorted((CHECKOUT / "tests" / "scenarios").glob("test_*.py")):
        for line in re.findall(r"\bline\(\d+\)|\bMENU\b", file.read_text(encoding="utf-8")):
            groups.setdefault(line, set()).add(group_of(str(file)) or file.name)
    assert {line: found for line, found in groups.items() if len(found) > 1} == {}
    assert set[str]().union(*groups.values()) <= set(ONE_AFTER_ANOTHER), groups
