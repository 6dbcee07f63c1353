"""Whatever we emit, another parser reads: each structured header of it, for that parser looks only when asked."""

from __future__ import annotations

from typing import Final

import sipmessage

_READ: Final = (
    "via", "from_address", "to_address", "call_id", "cseq", "contact", "route", "record_route", "max_forwards",
    "require", "supported", "unsupported", "accept", "content_type", "content_length", "authorization",
    "proxy_authorization",
)  # fmt: skip


def read_by_another(data: bytes) -> None:
    """Raises ValueError on what cannot be read."""
    message = sipmessage.Message.parse(data)
    for name in _READ:
        getattr(message, name)
    if isinstance(message, sipmessage.Response) and not 200 <= message.code < 300:
        assert message.to_address.parameters.get("tag") or message.code == 100 or message.code < 200
    if isinstance(message, sipmessage.Request) and message.method == "INVITE":
        assert len(message.contact) == 1
    assert message.via and message.content_length == len(message.body)
