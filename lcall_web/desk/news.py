"""The soft phone's part of a page's stream: told again whenever what it shows has changed."""

from __future__ import annotations

from collections.abc import Set
from typing import Any, Final

from sanic import Request

from lcall_web.common import context, door
from lcall_web.common.viewer import CUSTOMERS
from lcall_web.desk import store
from lcall_web.desk.callers import Asked, Callers, Known
from lcall_web.desk.store import Eyes, Floor
from lq.sdk import Agent

EVENT: Final = "desk"


class News:
    def __init__(self, request: Request) -> None:
        self._app = request.app
        self._here = context.of(request)
        self._eyes = Eyes(door.viewer(request), request.ctx.language)
        self._told: dict[str, Any] | None = None
        self._contact = ""
        self.shows: frozenset[Asked] = frozenset()
        self._callers: Callers | None = self._app.ctx.callers if self._eyes.viewer.may(CUSTOMERS) else None
        if self._callers is not None:
            self._callers.look_after(self)
        self._his: set[str] = set()  # calls that he has had, or that rang at him, and that go on
        self._over = 0  # … that are over: today's lists are others then

    def concerns(self, changed: Set[tuple[str, str]]) -> bool:
        agent = self._agent()
        return agent is not None and any(self._shows(agent, *name) for name in changed)

    def _shows(self, agent: Agent, kind: str, id: str) -> bool:
        match kind:
            case "agents":
                return id == agent.id
            case "waiting":
                return id in agent.queues
            case "calls":
                return id in (agent.contact, self._contact) or id in self._his
            case "legs":
                return id in (agent.contact, self._contact)
            case "callers":
                return any(id == contact for contact, _ in self.shows)
        return False

    def waits_for(self, changed: Set[tuple[str, str]]) -> bool:
        """What becomes of himself: his phone rings, his button has done what it says."""
        return ("agents", self._eyes.viewer.id) in changed

    async def news(self, whole: bool, changed: Set[tuple[str, str]]) -> tuple[str, dict[str, Any]] | None:
        if not whole and not self.concerns(changed):
            return None
        picture = await self._picture()
        if picture == self._told and not whole:
            return None
        self._told = picture
        return EVENT, {"known": picture is not None, **(picture or {})}

    def _agent(self) -> Agent | None:
        floor: Floor = self._app.ctx.feed.board
        return floor.agents.get(self._eyes.viewer.id)

    async def _picture(self) -> dict[str, Any] | None:
        floor: Floor = self._app.ctx.feed.board
        agent = self._agent()
        self._contact = (agent.contact or "") if agent else ""
        self._count(floor)
        contact = await self._app.ctx.details.of(floor, self._contact) if self._contact else None
        floor = self._app.ctx.feed.board
        known: Known = {}
        if self._callers is not None and agent is not None:
            self.shows = store.shown(floor, agent, contact)
            known = self._callers.known(self.shows)
        picture = store.picture(floor, self._eyes, contact, known)
        return picture and {**picture, "over": self._over}

    def _count(self, floor: Floor) -> None:
        """One that he missed may go on for long: it is in history, and in his list, when it is over."""
        over = {contact for contact in self._his if contact not in floor.calls}
        self._over += len(over)
        self._his -= over
        if self._contact in floor.calls:
            self._his.add(self._contact)


def begin(request: Request) -> News | None:
    return News(request) if door.viewer(request).desk else None
