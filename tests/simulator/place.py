"""Where a center is, and what stands around it: gateways, phones, a client of LQ-SDK."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lq.sdk import Client
from ops.home import CHECKOUT
from ops.ports import Ports, ports
from tests.center import Center
from tests.simulator import speech
from tests.simulator.audio import Samples
from tests.simulator.baresip import Baresip
from tests.simulator.gateway import SHORT, Answer, Gateway, Refuse, Ring
from tests.simulator.rtp import Media
from tests.simulator.softphone import Softphone

GATEWAYS: Final = {"gw1": "127.0.1.1", "gw2": "127.0.1.2"}  # the demo world's trunks
DELIVERIES: Final = {"gw2": SHORT}
FIRST_PHONE: Final = 8001
PHONE_PORTS: Final = 200  # of ops/ports.py, from phones_first up


@dataclass(frozen=True, slots=True)
class Place:
    home: Path
    ports: Ports
    api: str
    token: str

    @classmethod
    def of_environment(cls, environ: Mapping[str, str] = os.environ) -> Place:
        """Of a program that the runner or the lcall command started. Raises KeyError, OSError."""
        token = Path(environ["LCALL_SDK_TOKEN_FILE"]).read_text().strip()
        return cls(Path(environ["LCALL_HOME"]), ports(environ), environ["LCALL_API"], token)

    @classmethod
    def of(cls, center: Center) -> Place:
        """Of a test's center."""
        return cls(center.path, center.ports, center.api, center.token)

    @property
    def edge(self) -> tuple[str, int]:
        return self.ports.outside, self.ports.sip

    def client(self) -> Client:
        return Client(self.api, self.token)

    def prompt(self, item: str) -> Samples:
        """Raises speech.SpeechError."""
        return speech.prompt(item, (self.home / "prompts", CHECKOUT / "lq" / "media" / "prompts"))

    def gateway(self, trunk: str = "gw1", *, media: Media | None = None, listening: bool = False) -> Gateway:
        """`listening`: at the port where the center calls and probes this trunk; only one can."""
        port = self.ports.gateway if listening else 0
        return Gateway(GATEWAYS[trunk], port, edge=self.edge, delivery=DELIVERIES.get(trunk), media=media, name=trunk)

    def phone(
        self, ext: str, directory: Path, *, answer_after_s: float | None = None, transport: str = "udp", **more: Any
    ) -> Baresip:
        if transport == "tls":
            more["authority"] = self.home / "tls" / "ca.crt"
        return Baresip(
            ext,
            f"demo-{ext}",
            transport=transport,
            edge=(self.ports.outside, self.ports.sip_tls) if transport == "tls" else self.edge,
            directory=directory,
            ports=self._phone_ports(ext),
            answer_after_s=answer_after_s,
            **more,
        )

    def softphone(self, ext: str, media: Media, rule: Answer | Refuse | Ring | None = None, **more: bool) -> Softphone:
        return Softphone(ext, f"demo-{ext}", edge=self.edge, media=media, rule=rule, **more)

    def _phone_ports(self, ext: str) -> Iterator[int]:
        """One for each extension; when somebody has it, any other."""
        own = int(ext) - FIRST_PHONE
        for n in range(PHONE_PORTS):
            yield self.ports.phones_first + (own + n) % PHONE_PORTS
