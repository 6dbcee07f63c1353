"""Orders of the soft phone that were let through, by their keys.

The page says an order again when its answer is lost (static/desk_orders.js). What the order has brought about meanwhile
(the call is somebody else's, the wrap-up is over) is no reason to refuse it then: LQ-SDK carries a key out once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

KEPT_S: Final = 60.0  # a page gives up within some seconds


class Repeats:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._at = clock, dict[str, float]()  # in the order of their times

    def add(self, key: str) -> None:
        self._at.setdefault(key, self._clock())

    def __contains__(self, key: str) -> bool:
        while self._at and self._clock() - next(iter(self._at.values())) > KEPT_S:
            del self._at[next(iter(self._at))]
        return key in self._at
