"""How much at the same time: of one token, so that no program takes what others need, and never all that there is, for
the house's own has to serve calls whatever programs do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lq.api.access import HOUSE
from lq.api.errors import Refusal


@dataclass
class Share:
    what: str  # as it is told who may have no more
    each: int  # of one token but the house's
    others: int  # of all of these together
    all: int  # with the house's
    taken: Counter[str] = field(default_factory=Counter)  # token -> how many, none that has none

    @contextmanager
    def one(self, token: str) -> Iterator[None]:
        """One more for this token ("": who needs none), until it is over. Refused with 429, 503."""
        self._allow(token)
        self.taken[token] += 1
        try:
            yield
        finally:
            self.taken[token] -= 1
            if not self.taken[token]:
                del self.taken[token]

    def _allow(self, token: str) -> None:
        everybody = self.taken.total()
        if token != HOUSE.id:
            if self.taken[token] >= self.each:
                message = f"a token may have {self.each} {self.what} at the same time"
                raise Refusal(429, "too_many", message, retry_after_s=1)
            if everybody - self.taken[HOUSE.id] >= self.others:
                raise Refusal(503, "busy", f"too many {self.what} at the same time", retry_after_s=1)
        if everybody >= self.all:
            raise Refusal(503, "busy", f"too many {self.what} at the same time", retry_after_s=1)


def requests() -> Share:
    return Share("requests", each=100, others=200, all=256)


def streams() -> Share:
    return Share("event streams", each=100, others=480, all=500)


def downloads() -> Share:
    """They last as long as who listens likes, and are requests as well."""
    return Share("recordings", each=16, others=64, all=128)
