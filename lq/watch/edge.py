"""What the watch asks the edge: Kamailio has no page of figures, but answers over its UNIX socket."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any, Final

from lq.watch.alarms import Figures

PATIENCE_S: Final = 1.0


class Edge:
    """`rpc` is Kamailio's socket, `own` where its answers come."""

    def __init__(self, rpc: Path, own: Path) -> None:
        self._rpc, self._own = rpc, own

    async def figures(self) -> Figures | None:
        """None: it does not answer."""
        try:
            tables = await asyncio.to_thread(self._asked, "htable.stats")
            banned = next(float(table["all"]) for table in tables if table["name"] == "bans")
        except (OSError, ValueError, LookupError, TypeError, StopIteration):
            return None
        return {"lcall_banned_addresses": (({}, banned),)}

    def _asked(self, method: str) -> Any:
        asked = json.dumps({"jsonrpc": "2.0", "method": method, "id": 1}).encode()
        self._own.unlink(missing_ok=True)  # a late answer finds nobody
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asker:
            asker.bind(str(self._own))
            asker.settimeout(PATIENCE_S)
            asker.sendto(asked, str(self._rpc))
            return json.loads(asker.recv(1 << 16))["result"]
