"""What people did is told in words: every action that the web or the api writes into the audit log has one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from lcall_web.accounts.log import ACTIONS
from lcall_web.common.i18n import translated
from lcall_web.settings.rooms import VERBS

HOUSE: Final = Path(__file__).resolve().parents[3]
STATEMENT: Final = re.compile(r"^insert into audit\b[^']*'([a-z_]+)'", re.MULTILINE)
ENDINGS: Final = {"conference_": VERBS}  # of actions that are put together

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> dict[str, ast.Module]:
    files = [file for room in ("lcall_web", "lq/api") for file in sorted((HOUSE / room).rglob("*.py"))]
    return {str(file.relative_to(HOUSE)): ast.parse(file.read_text(encoding="utf-8")) for file in files}


def functions(tree: ast.AST) -> Iterator[Function]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def parameters(function: Function) -> list[str]:
    return [one.arg for one in (*function.args.posonlyargs, *function.args.args)]


def places(path: str, tree: ast.Module) -> dict[tuple[str, str], int]:
    """Its functions that are told an action, by the module's name and theirs; and where among their arguments."""
    return {
        (Path(path).stem, one.name): parameters(one).index("action")
        for one in functions(tree)
        if "action" in parameters(one)
    }


def written(path: str, tree: ast.Module, told: Mapping[tuple[str, str], int]) -> Iterator[str]:
    imported = {
        alias.name: (node.module or "").rpartition(".")[2]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for function in functions(tree):
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            match call.func:
                case ast.Attribute(value=ast.Name(id=module), attr=name):
                    place = told.get((module, name))
                case ast.Name(id=name):
                    place = told.get((imported.get(name, Path(path).stem), name))
                case _:
                    continue
            if place is not None:
                yield from read(call.args[place], function)


def read(value: ast.expr, function: Function) -> Iterator[str]:
    match value:
        case ast.Constant(value=str(action)):
            yield action
        case ast.IfExp(body=one, orelse=other):
            yield from read(one, function)
            yield from read(other, function)
        case ast.JoinedStr(values=[ast.Constant(value=str(beginning)), *_]):
            yield from (beginning + ending for ending in ENDINGS[beginning])
        case ast.Name(id=name) if name not in parameters(function):
            given = [one.value for one in ast.walk(function) if isinstance(one, ast.Assign) and named(one) == name]
            assert given, f"{function.name}: {name} cannot be read"
            for one in given:
                yield from read(one, function)
        case ast.Name():
            pass  # whoever calls it says it
        case _:
            raise AssertionError(f"{function.name}: {ast.unparse(value)} cannot be read")


def named(assignment: ast.Assign) -> str:
    target = assignment.targets[0]
    return target.id if isinstance(target, ast.Name) else ""


def test_every_action_has_its_words() -> None:
    known = modules()
    told = {name: place for path, tree in known.items() for name, place in places(path, tree).items()}
    found = {action: path for path, tree in known.items() for action in written(path, tree, told)}
    for file in sorted((HOUSE / "lcall_web").rglob("queries.sql")):
        found |= dict.fromkeys(STATEMENT.findall(file.read_text(encoding="utf-8")), str(file))
    assert {"login", "config_put", "token_revoke", "caller_unlisted", "conference_kick", "agent_forced"} <= set(found)
    assert {action: path for action, path in found.items() if action not in ACTIONS} == {}, "these need words"
    assert set(ACTIONS) - set(found) == set(), "nobody writes these any more"
    for action, text in ACTIONS.items():
        assert translated("en", text) != text, action
