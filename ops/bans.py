"""`lcall bans`: which addresses the edge does not listen to, and why; lifting a ban.

Asks Kamailio over its UNIX socket.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
from pathlib import Path
from typing import Any, Final

TIMEOUT_S: Final = 3.0


class EdgeError(OSError):
    """One sentence for the person at the keyboard."""


def banned(directory: Path) -> dict[str, str]:
    """Address -> reason. `directory` is where Kamailio runs. Raises EdgeError."""
    entries = _command(directory, "htable.dump", "bans") or []
    return {str(slot["name"]): str(slot["value"]) for entry in entries for slot in entry["slot"]}


def lift(directory: Path, address: str) -> bool:
    """Whether it was banned; it may come in again at once. Raises EdgeError."""
    if address not in banned(directory):
        return False
    _command(directory, "htable.delete", "bans", address)
    return True


def _command(directory: Path, method: str, *params: str) -> Any:
    asked = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 1}).encode()
    with (
        tempfile.TemporaryDirectory(prefix="lcall-") as own,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asker,
    ):
        asker.bind(os.path.join(own, "s"))
        asker.settimeout(TIMEOUT_S)
        try:
            asker.sendto(asked, str(directory / "rpc.sock"))
            answer = json.loads(asker.recv(1 << 20))
        except (OSError, ValueError) as error:
            raise EdgeError(f"Kamailio 没有回答 does not answer: {error}") from error
    if "error" in answer:
        raise EdgeError(f"Kamailio: {answer['error'].get('message')}")
    return answer.get("result")
