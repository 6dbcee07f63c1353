"""Where the phone of a page reaches the edge: at the host that the page came from, which its browser trusts. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_HOST: Final = re.compile(r"([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")


def address(scheme: str, host: str, ports: Mapping[str, str]) -> str:
    """`host`: of the request. Without TLS from loopback only: elsewhere a browser gives such a page no microphone."""
    found = _HOST.fullmatch(host)
    if found is None:
        return ""
    if scheme == "http" and found[1] in LOOPBACK:
        return f"ws://127.0.0.1:{ports['ws']}" if "ws" in ports else ""
    return f"wss://{found[1]}:{ports['wss']}" if "wss" in ports else ""
