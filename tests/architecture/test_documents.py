"""What the documents say of the code, where it can be compared: numbers that are cited, links, variables, verbs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lq.api.commands import COMMANDS
from lq.ivr.flow import NODE_KINDS

ROOT: Final = Path(__file__).parents[2]
ROOMS: Final = ("lq", "kamailio", "recorder", "ops", "lcall_web", "sql", "tests")
CITED: Final = re.compile(r"\b(?:DESIGN (§\d+)|(R\d\d?|P\d\d|F[2-9]\d))\b")
LINK: Final = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
# how a process asks for a variable of its own
ASKED: Final = re.compile(r'(?:variable|addresse?s?|environ\.get|_needed)\((?:environ, )?"((?:LCALL|LQ|KAMAILIO)_\w+)"')


def sources(*rooms: str) -> Iterator[Path]:
    for room in rooms:
        yield from (path for path in (ROOT / room).rglob("*") if path.suffix in (".py", ".sql", ".cfg", ".lua"))


def pages() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


def told(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def test_every_number_that_is_cited_is_explained() -> None:
    design = told("docs/design.md")
    known = {found[1] for found in re.finditer(r"^(?:\| |## )(§?\w+)\b", design, re.MULTILINE)}
    cited: dict[str, str] = {}
    for path in (*sources(*ROOMS), *pages()):
        for section, number in CITED.findall(path.read_text(encoding="utf-8")):
            cited.setdefault(section or number, path.name)
    assert len(cited) > 20
    assert {number: file for number, file in cited.items() if number not in known} == {}


def test_no_link_leads_nowhere() -> None:
    found = [(page, link) for page in pages() for link in LINK.findall(page.read_text(encoding="utf-8"))]
    assert len(found) > 10
    assert [(page.name, link) for page, link in found if not (page.parent / link).exists()] == []


def test_every_variable_of_a_process_is_documented() -> None:
    documented = told("docs/contracts.md") + told("docs/operations.md")
    asked = {name for path in sources(*ROOMS[:5]) for name in ASKED.findall(path.read_text(encoding="utf-8"))}
    assert {"LCALL_HOME", "LQ_NG", "KAMAILIO_SIP"} < asked
    assert [name for name in sorted(asked) if f"`{name}`" not in documented] == []


def test_every_verb_of_a_contact_is_documented() -> None:
    contracts = told("docs/contracts.md")
    assert [one.verb for one in COMMANDS if not re.search(rf"[` \n]{one.verb}[` \n]", contracts)] == []


def test_every_example_says_how_it_is_run() -> None:
    """In a checkout `lq` is found by PYTHONPATH alone: nothing is installed."""
    examples = {path: path.read_text(encoding="utf-8") for path in (ROOT / "sdk/examples").glob("*.py")}
    assert examples
    silent = [
        p.name for p, text in examples.items() if f"PYTHONPATH=. .venv/bin/python sdk/examples/{p.name}" not in text
    ]
    assert silent == []


def test_every_kind_of_node_is_documented() -> None:
    flows = told("docs/flows.md")
    assert [kind for kind in NODE_KINDS if f"| `{kind}` |" not in flows] == []
