"""Until when the certificates hold that the center shows, asked where browsers and phones are shown them.

What lies in the file says too little: the edge reads it at its start, and shows that one until the next.
"""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import Final

from lq.watch.alarms import CERTIFICATE_SOON_S, Figures

PATIENCE_S: Final = 5.0
EVERY_S: Final = 3600.0
AGAIN_S: Final = 60.0  # of one that somebody may just be replacing
FIRST_S: Final = 5.0  # of one that was not seen yet: the center is being started


class Certificates:
    """`shown`: name → host:port of a TLS listener."""

    def __init__(
        self,
        shown: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], float] = time.time,
    ) -> None:
        self._shown, self._clock, self._today = shown, clock, today
        self._ends: dict[str, float] = {}  # s of the epoch, as seen last
        self._due = dict.fromkeys(shown, clock())
        self._looking: set[asyncio.Task[None]] = set()

    def figures(self) -> Figures:
        """What is known; who does not answer is waited for by nobody."""
        for name, due in self._due.items():
            if self._clock() >= due:
                self._due[name] = self._clock() + (AGAIN_S if name in self._ends else FIRST_S)
                task = asyncio.create_task(self._look(name))
                self._looking.add(task)
                task.add_done_callback(self._looking.discard)
        now = self._today()
        return {"lcall_certificate_past_end_seconds": tuple((_named(n), now - end) for n, end in self._ends.items())}

    async def _look(self, name: str) -> None:
        """One that is not shown now is looked for again soon."""
        try:
            end = self._ends[name] = await asyncio.to_thread(end_of, self._shown[name])
        except (OSError, ValueError, subprocess.SubprocessError):
            return
        if end - self._today() > CERTIFICATE_SOON_S:
            self._due[name] = self._clock() + EVERY_S


def _named(name: str) -> dict[str, str]:
    return {"certificate": name}


def end_of(address: str) -> float:
    """When the certificate shown there ends, s of the epoch. Raises OSError, ValueError, SubprocessError."""
    host, _, port = address.rpartition(":")
    shown = ssl.get_server_certificate((host.strip("[]"), int(port)), timeout=PATIENCE_S)
    words = ("openssl", "x509", "-noout", "-enddate")
    told = subprocess.run(words, input=shown, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    return float(ssl.cert_time_to_seconds(told.stdout.strip().removeprefix("notAfter=")))
