from __future__ import annotations

from lq.live import library


def test_rendered_code_holds_the_table_and_no_mark() -> None:
    code = library.render()
    assert code.startswith("#!lua name=lcall\n")
    assert "@" not in code
    assert "ready = { sign_in = 'stay'" in code
    assert "caller_gone = { state = 'ready', keeps_place = true" in code


def test_every_function_is_registered_once() -> None:
    code = library.render()
    registered = code.partition("nothing of Lua's own")[2]
    assert [name for name in library.FUNCTIONS if registered.count(f"'{name}'") != 1] == []


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
