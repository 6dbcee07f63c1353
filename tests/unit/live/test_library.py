from __future__ import annotations

import re
from pathlib import Path

from lq.live import library
from lq.live.values import LEASE_MS


def test_rendered_code_holds_the_table_and_no_mark() -> None:
    code = library.render()
    assert code.startswith("#!lua name=lcall\n")
    assert "@" not in code
    assert "ready = { sign_in = 'stay'" in code
    assert "caller_gone = { state = 'ready', keeps_place = true" in code


def test_every_function_that_is_called_is_registered_once_and_no_other() -> None:
    live = Path(library.__file__).parent
    sources = "".join(path.read_text("utf-8") for path in live.glob("*.py"))
    called = set(re.findall(r'_(?:call|heard)\(\s*"(\w+)"', sources))
    code = library.render()
    registered = re.findall(r"register_function\('(\w+)'", code) + re.findall(r"function_name = '(\w+)'", code)
    assert sorted(called) == sorted(registered) and "list" in called


def test_a_lease_is_as_long_for_the_library_as_for_the_nodes() -> None:
    assert f"\nlocal LEASE_MS = {LEASE_MS}\n" in library.render()


def test_only_upwards() -> None:
    code = library.render()
    older, newer = (
        code.replace(f"local VERSION = {library.VERSION}", f"local VERSION = {library.VERSION + step}")
        for step in (-1, 1)
    )
    assert len({code, older, newer}) == 3
    changed = code + "-- a developer's change\n"
    assert library.to_load(None) == code
    assert library.to_load(code) is None
    assert library.to_load(older) == code
    assert library.to_load(newer) is None
    assert library.to_load(changed) == code


def test_listing_of_both_protocols() -> None:
    flat = [["library_name", "lcall", "engine", "LUA", "library_code", "x"]]
    mapped = [{"library_name": "other", "library_code": "y"}, {"library_name": "lcall", "library_code": "x"}]
    assert library.loaded_code(flat) == library.loaded_code(mapped) == "x"
    assert library.loaded_code([]) is None
