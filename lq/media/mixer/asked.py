"""The fields of a request to the mixer, each of its kind and within its bounds, or BadRequest."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

MOST_ITEMS: Final = 200
MOST_REPEATS: Final = 100


class BadRequest(ValueError):
    """The request cannot be carried out; the text says why."""


def text(request: Mapping[str, Any], key: str) -> str:
    value = request.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise BadRequest(f"{key}: expected a text")
    return value


def address(request: Mapping[str, Any]) -> tuple[str, int]:
    given = text(request, "address")
    host, _, port = given.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise BadRequest(f"address {given!r}: expected ip:port")
    return str(ipaddress.IPv4Address(host)), int(port)


def items(request: Mapping[str, Any]) -> list[str]:
    names = request.get("items")
    if not isinstance(names, list) or not 0 < len(names) <= MOST_ITEMS or not all(isinstance(n, str) for n in names):
        raise BadRequest(f"items: expected 1 to {MOST_ITEMS} names")
    return names


def names(request: Mapping[str, Any], key: str, most: int) -> tuple[str, ...]:
    names = request.get(key, [])
    if not isinstance(names, list) or len(names) > most or not all(isinstance(n, str) and n for n in names):
        raise BadRequest(f"{key}: expected at most {most} legs")
    return tuple(names)


def flag(request: Mapping[str, Any], key: str, default: bool | None) -> bool | None:
    value = request.get(key, default)
    if value is not default and not isinstance(value, bool):
        raise BadRequest(f"{key}: expected true or false")
    return value


def number(request: Mapping[str, Any], key: str, default: int, most: int) -> int:
    value = request.get(key)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise BadRequest(f"{key}: expected a whole number from 0 to {most}")
    return value
