"""The center's events as they come over LQ-SDK, to be waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from lq.ledger.events import Event
from lq.sdk import Client

T = TypeVar("T")

TOPICS: Final = ("agents", "contacts", "recordings", "phones", "trunks", "nodes", "alarms")


class NotHappened(AssertionError):
    """The event did not come in time; says which did."""


class Events:
    """`async with Events(client) as events:` sees everything that happens from then on."""

    def __init__(self, client: Client) -> None:
        self.seen: list[Event] = []
        self._client = client
        self._keys: set[tuple[str, int]] = set()  # an event may come twice (R5)
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        after = await self._client.last_event_id()
        self._task = asyncio.create_task(self._read(after))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self, after: str) -> None:
        async with aclosing(self._client.events(TOPICS, after)) as stream:
            async for event in stream:
                key = event.subject, event.seq
                if key not in self._keys:
                    self._keys.add(key)
                    self.seen.append(event)
                    news, self._news = self._news, asyncio.Event()
                    news.set()

    def of(self, subject: str, *types: str) -> list[Event]:
        """What has happened to this subject, in its order."""
        found = [event for event in self.seen if event.subject == subject and (not types or event.type in types)]
        return sorted(found, key=lambda event: event.seq)

    async def until(self, condition: Callable[[], T | None], within_s: float = 10.0) -> T:
        """Asks at each event until the answer is not None. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while (found := condition()) is None:
                await self._news.wait()
        return found

    async def first(self, type: str, within_s: float = 10.0, *, subject: str = "", **data: Any) -> Event:
        """The first event like this, also one that has already come. Raises NotHappened."""

        def found() -> Event | None:
            like = (e for e in self.seen if e.type == type and subject in ("", e.subject) and _has(e, data))
            return next(like, None)

        try:
            return await self.until(found, within_s)
        except TimeoutError:
            came = [event.type for event in self.seen if subject in ("", event.subject)]
            wanted = f"{type} of {subject or 'anything'} {data or ''}".strip()
            raise NotHappened(f"no {wanted} within {within_s:g} s; there came {came[-12:]}") from None

    async def contact_of(self, number: str, within_s: float = 10.0) -> str:
        """The id of the contact that this caller began."""
        return (await self.first("contact_started", within_s, number_published=number)).subject


def _has(event: Event, data: dict[str, Any]) -> bool:
    return all(event.data.get(key) == value for key, value in data.items())
