"""Who may listen: the socket is the owner's, whatever umask the recorder was started with."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

from recorder.live import Listening


async def test_the_socket_is_for_nobody_else(tmp_path: Path) -> None:
    path, leave = tmp_path / "recorder.sock", asyncio.Event()
    before = os.umask(0o022)
    try:
        running = asyncio.create_task(Listening([], str(path)).run(leave))
        async with asyncio.timeout(5):
            while not path.exists():  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        leave.set()
        await running
        assert os.umask(0o022) == 0o022, "it is put back"
    finally:
        os.umask(before)
