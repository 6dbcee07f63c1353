"""A SIP phone of our own: it hears by the RTP timestamps, gaps and all, and a hundred of them fit into one process.

What a real phone does with SIP is baresip's to show; this one is for what baresip cannot tell, and for crowds.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from tests.simulator import registrar
from tests.simulator.call import Call
from tests.simulator.gateway import Answer, Gateway, Refuse, Ring
from tests.simulator.rtp import Media
from tests.simulator.sip import Peer

EXPIRES_S = 600


class Softphone:
    """`rule` says what it does when it rings; with Ring() the test answers (`call.answer()`, `call.refuse(17)`)."""

    def __init__(
        self,
        ext: str,
        password: str,
        *,
        edge: Peer,
        media: Media,
        rule: Answer | Refuse | Ring | None = None,
        orders: bool = False,
        alone: bool = False,
    ) -> None:
        """`orders`: it answers when it is told to (NOTIFY, event talk); `alone`: by itself, if the INVITE wants it."""
        self.ext, self.rule = ext, rule or Ring()
        self._password, self._edge = password, edge
        self._line = Gateway("127.0.0.1", edge=edge, spans=1, media=media, name=ext, password=password)
        self._line.rule = lambda number: self.rule
        self._line.orders, self._line.alone = orders, alone

    async def __aenter__(self) -> Self:
        await self._line.start()
        await self._register(EXPIRES_S)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._line.hang_up_all()
        await self._register(0)
        await self._line.close()

    async def _register(self, expires_s: int) -> None:
        """Raises registrar.NotRegistrar."""
        contact = f"<sip:{self.ext}@127.0.0.1:{self._line.port}>"
        wire = self._line.wire
        await registrar.register(wire, self.ext, self._password, edge=self._edge, contact=contact, expires_s=expires_s)

    @property
    def line(self) -> Gateway:
        """Its end of the wire."""
        return self._line

    @property
    def calls(self) -> list[Call]:
        """Every one, in the order of its beginning."""
        return self._line.calls

    async def rings(self, within_s: float = 10.0) -> Call:
        return await self._line.called(within_s=within_s)

    async def dial(self, number: str, replaces: Call | None = None) -> Call:
        """Returns at once. `replaces`: the call, of whatever phone, whose place it wants (RFC 3891)."""
        headers = [("Replaces", replaces.named)] if replaces is not None else []
        return await self._line.dial(self.ext, number, headers=headers)
