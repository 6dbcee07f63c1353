"""A hole in the network in front of one user agent: messages of one kind fall into it, all of them or the first ones.

    phone.line.wire.loses = hole = Hole("SIP/2.0 200", "INVITE")
    call.answer()
    await hole.swallows()
    hole.mend()

Either way: what comes and what goes.
"""

from __future__ import annotations

import asyncio


class Hole:
    """`starts`: how they begin, "SIP/2.0 200" or "INVITE"; `method`: of their CSeq; `first` 0: until it is mended."""

    def __init__(self, starts: str, method: str, first: int = 0) -> None:
        self.fell: list[bytes] = []
        self._starts, self._method, self._first = starts.encode() + b" ", b" " + method.encode(), first
        self._mended = False
        self._news = asyncio.Event()

    def __call__(self, data: bytes) -> bool:
        if self._mended or not data.startswith(self._starts) or (self._first and len(self.fell) >= self._first):
            return False
        head = data.partition(b"\r\n\r\n")[0]
        lost = any(line.lower().startswith(b"cseq") and line.endswith(self._method) for line in head.split(b"\r\n"))
        if lost:
            self.fell.append(data)
            self._news.set()
        return lost

    def mend(self) -> None:
        self._mended = True

    async def swallows(self, count: int = 1, within_s: float = 10.0) -> None:
        """Waits until so many have fallen into it. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while len(self.fell) < count:
                self._news.clear()
                await self._news.wait()
