"""The function library as it is loaded: lcall.lua with the agents' table rendered in; which of two is newer. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from lq.acd.agent import OUTCOMES, TABLE
from lq.acd.strategies import MAX_KEY
from lq.live.values import LEASE_MS

NAME: Final = "lcall"
VERSION: Final = 8  # raise with every released change: N and N−1 run together, and only the newer is loaded
MISSING: Final = "Function not found"  # Redis's words when the library is not loaded

_SOURCE: Final = Path(__file__).with_name("lcall.lua")


def render() -> str:
    """The code to FUNCTION LOAD."""
    return (
        _SOURCE.read_text(encoding="utf-8")
        .replace("@VERSION@", str(VERSION))
        .replace("@LEASE_MS@", str(LEASE_MS))
        .replace("@MAX_KEY@", str(MAX_KEY))
        .replace("@TABLE@", _lua(TABLE))
        .replace("@OUTCOMES@", _lua({name: asdict(outcome) for name, outcome in OUTCOMES.items()}))
    )


def to_load(loaded: str | None) -> str | None:
    """The code to load over what FUNCTION LIST shows (None: nothing); None when that is the same or newer."""
    code = render()
    if loaded is None:
        return code
    if loaded == code or _version(loaded) > VERSION:
        return None
    return code


def loaded_code(listing: Iterable[Any]) -> str | None:
    """Our library's code in the answer to FUNCTION LIST WITHCODE, as redis-py hands it out under RESP2 or RESP3."""
    for entry in listing:
        library = entry if isinstance(entry, Mapping) else dict(zip(entry[::2], entry[1::2], strict=True))
        if library.get("library_name") == NAME:
            return str(library["library_code"])
    return None


def _lua(value: Mapping[str, Any] | str | bool | int) -> str:
    """A Lua literal. (cjson is not there yet while a library loads.)"""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {_lua(item)}" for name, item in value.items()) + " }"
    return f"'{value}'" if isinstance(value, str) else str(value).lower()


def _version(code: str) -> int:
    found = re.search(r"^local VERSION = (\d+)$", code, re.MULTILINE)
    return int(found[1]) if found else 0
