"""Requests read: bodies, parameters, cursors. What cannot be read is refused with the name of the field."""

from __future__ import annotations

import base64
import binascii
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sanic import Request

from lq.api.errors import malformed, wrong

LIMIT: Final = 100
MAX_LIMIT: Final = 500
MAX_TEXT: Final = 200
JOINERS: Final = "\u200c\u200d"  # parts of letters and pictures in many scripts


def body(request: Request) -> dict[str, Any]:
    """The JSON object of a request; an empty body is an empty object."""
    if not request.body:
        return {}
    try:
        found = json.loads(request.body)
    except ValueError as error:
        raise malformed("", f"the body is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise malformed("", "the body is not a JSON object")
    return found


def given(request: Request, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The body's fields that the schema (lq/api/schemas.py) names, null ones left out; 422 names the first wrong one.

    Others are passed over: a client of the next version may send them.
    """
    found = {name: value for name, value in body(request).items() if value is not None}
    for name in schema.get("required", ()):
        if name not in found:
            raise wrong(name, "it is required")
    kept = {name: found[name] for name in schema["properties"] if name in found}
    for name, value in kept.items():
        _hold(value, schema["properties"][name], name)
    return kept


def _hold(value: Any, schema: Mapping[str, Any], field: str) -> None:
    """One value against its schema. A schema's `description` says what is expected, where a pattern would not."""
    match schema["type"]:
        case "string":
            good, expected = (
                _is_text(value, schema),
                f"a text of at most {schema.get('maxLength', MAX_TEXT)} characters",
            )
        case "boolean":
            good, expected = isinstance(value, bool), "true or false"
        case "integer":
            low, high = schema["minimum"], schema["maximum"]
            good = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
            expected = f"a whole number from {low} to {high}"
        case _:
            low, high = schema.get("minItems", 0), schema["maxItems"]
            good, expected = isinstance(value, list) and low <= len(value) <= high, f"a list of {low} to {high}"
            for n, item in enumerate(value if good else ()):
                _hold(item, schema["items"], f"{field}.{n}")
    if not good:
        if "enum" in schema:
            expected = f"one of {', '.join(schema['enum'])}"
        raise wrong(field, f"{schema.get('description', expected)} is expected")


def printable(text: str) -> bool:
    """Blanks of all scripts and what joins letters and pictures are in what people write."""
    return "".join(sign for sign in text if sign not in JOINERS and unicodedata.category(sign) != "Zs").isprintable()


def _is_text(value: Any, schema: Mapping[str, Any]) -> bool:
    return (
        isinstance(value, str)
        and printable(value)
        and schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", MAX_TEXT)
        and ("enum" not in schema or value in schema["enum"])
        and ("pattern" not in schema or re.search(schema["pattern"], value) is not None)
    )


def text(given: Mapping[str, Any], field: str) -> str:
    """A text that must be there."""
    value = optional_text(given, field)
    if not value:
        raise wrong(field, "it is required")
    return value


def optional_text(given: Mapping[str, Any], field: str) -> str:
    value = given.get(field)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_TEXT or not printable(value):
        raise wrong(field, f"a text of at most {MAX_TEXT} characters is expected")
    return value


def flag(given: Mapping[str, Any], field: str) -> bool:
    value = given.get(field, False)
    if not isinstance(value, bool):
        raise wrong(field, "true or false is expected")
    return value


def parameter(request: Request, name: str) -> str:
    value: str = request.args.get(name, "")
    if "\x00" in value or len(value) > MAX_TEXT:
        raise malformed(name, "it cannot be read")
    return value


def choice(request: Request, name: str, known: Sequence[str], default: str) -> str:
    value = parameter(request, name) or default
    if value not in known:
        raise malformed(name, f"one of {', '.join(known)} is expected")
    return value


def limit(request: Request) -> int:
    """How many items a page has, 1..500."""
    value = parameter(request, "limit") or str(LIMIT)
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= MAX_LIMIT:
        raise malformed("limit", f"a number from 1 to {MAX_LIMIT} is expected")
    return int(value)


def moment(request: Request, name: str) -> datetime | None:
    """A time in RFC 3339, with its zone."""
    value = parameter(request, name).replace(" ", "+")  # an unquoted + of a zone arrives as a blank
    return _moment(value, name) if value else None


def time(value: Any, field: str) -> datetime:
    """A time in RFC 3339, with its zone, of a body."""
    try:
        return _time(value)
    except ValueError as error:
        raise wrong(field, str(error)) from error


def _moment(value: str, name: str) -> datetime:
    try:
        return _time(value)
    except ValueError as error:
        raise malformed(name, str(error)) from error


def _time(value: Any) -> datetime:
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise ValueError("a time such as 2026-11-24T08:00:00+08:00 is expected") from error
    if found.tzinfo is None:
        raise ValueError("the time needs its zone, such as +08:00 or Z")
    try:
        return found.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time is out of all bounds") from error


def cursor(request: Request) -> tuple[datetime, str] | None:
    """Where a page of history begins: behind this (time, id)."""
    value = parameter(request, "cursor")
    if not value:
        return None
    try:
        at, id = json.loads(base64.urlsafe_b64decode(value.encode()))
        return datetime.fromisoformat(at), str(id)
    except (ValueError, TypeError, binascii.Error) as error:
        raise malformed("cursor", "it is not one of ours") from error


def next_cursor(at: datetime, id: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), id]).encode()).decode()


def page_by_id(request: Request, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One page of a list that is sorted by id; its cursor is the last id."""
    size, after = limit(request), parameter(request, "cursor")
    rest = [item for item in items if item["id"] > after]
    page = rest[:size]
    return {"items": page, "next": page[-1]["id"] if len(rest) > size else None}


def literal(text: str) -> str:
    """A text that LIKE takes as it is."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
