"""Janus AudioBridge as a peer in benchmarks: plain RTP participants in rooms, PCMA, as our legs.

Debian has it (`apt-get install --no-install-recommends janus`); a center does not need it.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

FOLDERS: Final = Path("/usr/lib/x86_64-linux-gnu/janus")
HOW_TO: Final = "janus not installed: apt-get install --no-install-recommends janus"
ATTEMPTS: Final = 8
MAIN: Final = """\
general: {{ configs_folder = "{place}" plugins_folder = "{folders}/plugins" transports_folder = "{folders}/transports"
  events_folder = "{folders}/events" loggers_folder = "{folders}/loggers" debug_level = 2 admin_secret = "none" }}
nat: {{ ice_ignore_list = "vmnet" }}
plugins: {{ disable = "{plugins}" }}
transports: {{ disable = "{transports}" }}
loggers: {{ disable = "libjanus_jsonlog.so" }}
"""


def installed() -> bool:
    return shutil.which("janus") is not None


@dataclass
class Janus:
    place: Path
    process: asyncio.subprocess.Process | None = None
    count: int = 0
    ports: list[int] = field(default_factory=list)  # where each participant's audio goes
    _socket: socket.socket | None = None
    _session: int = 0

    async def start(self) -> None:
        """Returns when it answers."""
        self.place.mkdir()
        api = self.place / "api"
        plugins, transports = (
            ",".join(each.name for each in (FOLDERS / kind).glob("*.so") if keep not in each.name)
            for kind, keep in (("plugins", "audiobridge"), ("transports", "pfunix"))
        )
        texts = {
            "janus": MAIN.format(place=self.place, folders=FOLDERS, plugins=plugins, transports=transports),
            "janus.transport.pfunix": f'general: {{ enabled = true json = "compact" path = "{api}" }}\n'
            "admin: { admin_enabled = false }\n",
            "janus.plugin.audiobridge": 'general: { local_ip = "127.0.0.1" rtp_port_range = "30000-50000" }\n',
        }
        for name, text in texts.items():
            (self.place / f"{name}.jcfg").write_text(text)
        for _ in range(ATTEMPTS):
            if await self._launched(api):
                break
        else:
            raise RuntimeError((self.place / "log").read_text())
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(10)
        self._socket.connect(str(api))
        self._session = (await self._ask({"janus": "create"}))["data"]["id"]

    async def _launched(self, api: Path) -> bool:
        """One start in three ends at once: it finds no transport, and says no reason."""
        words = ("janus", "-F", str(self.place), "-C", str(self.place / "janus.jcfg"))
        with (self.place / "log").open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(*words, stdout=log, stderr=log)
        async with asyncio.timeout(10):
            while not api.exists() and self.process.returncode is None:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.05)
        return self.process.returncode is None

    async def stop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def rooms(self, addresses: Sequence[tuple[str, int]], each: int) -> None:
        """A participant for each address, `each` of them a room."""
        handle = 0
        for n, (host, port) in enumerate(addresses):
            handle = await self._attached()
            room = 1 + n // each
            if n % each == 0:
                await self._message(
                    handle,
                    request="create", room=room, sampling_rate=8000, allow_rtp_participants=True,
                    default_prebuffering=2, audiolevel_ext=False,
                )  # fmt: skip
            rtp = {"ip": host, "port": port, "payload_type": 8}
            joined = await self._message(handle, request="join", room=room, id=n + 1, codec="pcma", rtp=rtp)
            self.ports.append(int(joined["rtp"]["port"]))

    async def _attached(self) -> int:
        asked = {"janus": "attach", "plugin": "janus.plugin.audiobridge", "session_id": self._session}
        return int((await self._ask(asked))["data"]["id"])

    async def _message(self, handle: int, **body: Any) -> dict[str, Any]:
        asked = {"janus": "message", "session_id": self._session, "handle_id": handle, "body": body}
        answer = await self._ask(asked)
        if answer["janus"] == "ack":  # it comes as an event
            answer = await self._next(lambda each: each.get("transaction") == str(self.count) and "plugindata" in each)
        data: dict[str, Any] = answer["plugindata"]["data"]
        assert "error" not in data, data
        return data

    async def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        assert self._socket is not None
        self.count += 1
        transaction = str(self.count)
        self._socket.send(json.dumps({**message, "transaction": transaction}).encode())
        answer = await self._next(lambda each: each.get("transaction") == transaction)
        assert answer["janus"] in ("success", "ack", "event"), answer
        return answer

    async def _next(self, wanted: Any) -> dict[str, Any]:
        assert self._socket is not None
        while True:
            message = json.loads(await asyncio.to_thread(self._socket.recv, 1 << 16))
            if wanted(message):
                return dict(message)
