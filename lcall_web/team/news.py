"""Whose calls the leader's page shows, in its stream: customers' names, told when they are known (desk/callers.py).

Beside the board, which is drawn once for all: a call waits for no name, and who may not see customers is told none.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, Final, Protocol

from sanic import Request

from lcall_web.common import door
from lcall_web.common.i18n import mark, translated
from lcall_web.common.viewer import CUSTOMERS, TEAM, Viewer

EVENT: Final = "callers"
SEVERAL: Final = mark("%(name)s 等 %(count)s 位")

Asked = tuple[str, str]  # a contact, and the number of whom it is with


class Call(Protocol):
    @property
    def number(self) -> str: ...
    @property
    def agent(self) -> str: ...
    @property
    def queue(self) -> str: ...


class Caller(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def customers(self) -> int: ...


class Callers(Protocol):
    def look_after(self, page: Any) -> None: ...
    def known(self, shows: frozenset[Asked]) -> Mapping[Asked, Caller]: ...


def shown(calls: Mapping[str, Call], viewer: Viewer) -> frozenset[Asked]:
    """The calls that are his to see, as the board shows them."""
    his = viewer.reach.holds_call
    return frozenset(
        (id, call.number) for id, call in calls.items() if call.number and his((call.agent,), (call.queue,))
    )


def named(known: Mapping[Asked, Caller], language: str) -> dict[str, str]:
    """Contact → its customer's name."""
    return {
        contact: caller.name
        if caller.customers < 2
        else translated(language, SEVERAL, name=caller.name, count=caller.customers)
        for (contact, _), caller in known.items()
    }


class News:
    def __init__(self, request: Request) -> None:
        self._app = request.app
        self._viewer, self._language = door.viewer(request), request.ctx.language
        self._told: dict[str, str] = {}
        self.shows: frozenset[Asked] = frozenset()
        self._callers: Callers = request.app.ctx.callers
        self._callers.look_after(self)

    def concerns(self, changed: Set[tuple[str, str]]) -> bool:
        return any(kind == "calls" or (kind == "callers" and self._shows(id)) for kind, id in changed)

    def _shows(self, contact: str) -> bool:
        return any(contact == shown for shown, _ in self.shows)

    def waits_for(self, changed: Set[tuple[str, str]]) -> bool:
        return False

    async def news(self, whole: bool, changed: Set[tuple[str, str]]) -> tuple[str, dict[str, Any]] | None:
        if not whole and not self.concerns(changed):
            return None
        calls = self._app.ctx.feed.board.calls
        self.shows = shown(calls, self._viewer)
        names, before = named(self._callers.known(self.shows), self._language), {} if whole else self._told
        self._told = names
        told = {contact: name for contact, name in names.items() if before.get(contact) != name}
        told |= {contact: "" for contact in before if contact not in names and contact in calls}
        return (EVENT, {"names": told, "whole": whole}) if told or whole else None


def begin(request: Request) -> News | None:
    """?callers=1: the page shows them."""
    viewer = door.viewer(request)
    return News(request) if request.args.get("callers") and viewer.may(TEAM) and viewer.may(CUSTOMERS) else None
