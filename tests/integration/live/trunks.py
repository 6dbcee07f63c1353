"""What the edge has found out about a trunk, as the live state holds it."""

from __future__ import annotations

from dataclasses import dataclass

from lq.live import keys
from lq.live.redis import Live


@dataclass(frozen=True, slots=True)
class TrunkState:
    up: bool
    reason: str


async def trunk_state(live: Live, trunk: str) -> TrunkState | None:
    """None: nobody has looked yet."""
    found = await live._redis.hgetall(keys.trunk(trunk))
    return TrunkState(found["up"] == "1", found["reason"]) if found else None
