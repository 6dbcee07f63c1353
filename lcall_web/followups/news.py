"""What is due, in a page's stream: told to its owner whenever it has changed."""

from __future__ import annotations

from collections.abc import Set
from datetime import UTC, datetime
from typing import Any, Final

from sanic import Request

from lcall_web.common import context, door
from lcall_web.common.viewer import CUSTOMERS
from lcall_web.followups import reminders
from lcall_web.followups.reminders import Reminders

EVENT: Final = "follow-ups"


class News:
    def __init__(self, request: Request) -> None:
        self.owner = door.viewer(request).id
        self._here = context.of(request)
        self._language: str = request.ctx.language
        self._reminders: Reminders = request.app.ctx.reminders
        self._reminders.look_after(self)
        self._told: dict[str, Any] | None = None

    def concerns(self, changed: Set[tuple[str, str]]) -> bool:
        return (reminders.NAME, self.owner) in changed

    def waits_for(self, changed: Set[tuple[str, str]]) -> bool:
        """He has done one, or put it off, at another page of his."""
        return self.concerns(changed)

    async def news(self, whole: bool, changed: Set[tuple[str, str]]) -> tuple[str, dict[str, Any]] | None:
        if not whole and not self.concerns(changed):
            return None
        known = self._reminders.known(self.owner)
        if known is None:
            return None
        drawn = reminders.drawn(known, self._language, datetime.now(UTC), self._here.watch.center.time_zone)
        if drawn == self._told and not whole:
            return None
        self._told = drawn
        return EVENT, drawn


def begin(request: Request) -> News | None:
    return News(request) if door.viewer(request).may(CUSTOMERS) else None
