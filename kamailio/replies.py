"""An answer that the edge gives itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Reply:
    code: int
    reason: str
    headers: tuple[str, ...] = ()


BUSY: Final = Reply(503, "Service Unavailable", ("Retry-After: 5",))
NOT_NOW: Final = Reply(503, "Service Unavailable", ("Retry-After: 1",))
FORBIDDEN: Final = Reply(403, "Forbidden")
NO_CALL: Final = Reply(481, "Call/Transaction Does Not Exist")
