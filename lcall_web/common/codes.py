"""Wrap-up codes (话后小结) by the names that people give them: what a call was about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lcall_web.common.database import queries

SQL: Final = queries(__file__)
BELOW: Final = " / "

Fetch = Callable[[str], Awaitable[Iterable[Any]]]  # of rows


@dataclass(frozen=True, slots=True)
class Code:
    id: str
    depth: int
    name: str
    path: str  # with the names of those that it stands below


async def tree(fetch: Fetch, language: str) -> list[Code]:
    """All that there are, each behind the one that it stands below."""
    return drawn(await fetch(SQL["codes"]), language)


async def paths(fetch: Fetch, language: str) -> dict[str, str]:
    """Code → its name, with those that it stands below: 投诉 / 送货太晚."""
    return {code.id: code.path for code in await tree(fetch, language)}


def drawn(rows: Iterable[Mapping[str, Any]], language: str) -> list[Code]:
    found: list[Code] = []
    above: list[str] = []
    for row in rows:
        name = (row["name_en"] if language == "en" else "") or row["name"] or row["id"]
        above[row["depth"] :] = [name]
        found.append(Code(row["id"], row["depth"], name, BELOW.join(above)))
    return found
