"""The lease of a node whose process has ended, taken back at once."""

from __future__ import annotations

import asyncio
import json
from typing import Final

from ops import resp
from ops.services import Instance

TIMEOUT_S: Final = 0.5  # a Redis that is away or hung must not delay the node's return: the lease runs out in 2 s


async def end(instance: Instance, node: str) -> str:
    """Ends the lease that the node's last incarnation held; returns what was in the way, "" if nothing."""
    file = instance.home.run / f"{node}.incarnation"
    if not file.exists():
        return ""  # it died before it had a lease
    incarnation = file.read_text().strip()
    request = {"op": "leave", "role": "lq", "id": incarnation}
    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            resp.connect("127.0.0.1", instance.ports.redis, "ops", instance.secrets.redis["ops"]) as redis,
        ):
            await redis.call("FCALL", "node", "1", "{lcall}", json.dumps(request))
    except (OSError, EOFError, TimeoutError, ValueError, resp.Refused) as error:
        return str(error) or type(error).__name__
    return ""
