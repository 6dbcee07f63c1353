"""Where the demo world is not opened: everybody knows its passwords. One rule for who fills an empty center and for who
starts one."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

OPEN: Final = "open"  # LCALL_DEMO


def known_passwords(address: str, demo: str, *, begun: bool) -> str:
    """Why the demo world is not opened at this address of the center; "" if it may be.

    `demo`: LCALL_DEMO. `begun`: the center has it already, else it would begin with it.
    """
    if ip_address(address).is_loopback or demo == OPEN:
        return ""
    own = "take another LCALL_HOME: this one began with the demo world" if begun else "LCALL_DEMO=none"
    return (
        f"演示数据的密码人人皆知，不在 {address} 上开放 everybody knows its passwords: the demo world is not opened at "
        f"{address}. In a closed network, set LCALL_DEMO=open; for a center of your own, {own}"
    )
