"""The one table of addresses: `LCALL_PORT_BASE` unset gives the demo world's, else everything moves to base + n.

`LCALL_ADDRESS` is where the center is reached: SIP and RTP by phones, carriers and gateways, web and api by HTTPS; all
else stays on loopback.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

MOST_RTPENGINES: Final = 4


@dataclass(frozen=True, slots=True)
class RtpEngine:
    """The addresses of one rtpengine of this machine."""

    n: int  # from 1
    ng: int  # control, UDP
    ng_tcp: int  # control and DTMF notifications, TCP
    cli: int
    rtp_first: int
    rtp_last: int

    @property
    def name(self) -> str:
        """Of its service."""
        return "rtpengine" if self.n == 1 else f"rtpengine{self.n}"


@dataclass(frozen=True, slots=True)
class Ports:
    host: str  # where internal services listen
    outside: str  # where others come: the edge's SIP, all RTP, web and api by HTTPS
    sip: int  # UDP and TCP, the edge
    sip_tls: int
    sip_wss: int
    sip_ws: int  # the same without TLS, on loopback: for the page that a browser has from there
    web: int
    web_tls: int  # for whoever works at another machine
    api: int
    api_tls: int
    postgres: int
    redis: int
    redis_rtpengine: int  # rtpengine's own, never the center's (DESIGN §3)
    ng: int  # of the first rtpengine
    ng_tcp: int
    rtpengine_cli: int
    more_rtpengines: int  # three ports for each of the others from here
    sip_internal: int  # Kamailio's listener for lq only, UDP and TCP
    mixer_rtp: int
    metrics_first: (
        int  # each process's figures, for whoever watches: 20 ports up from here, in services.METERED's order
    )
    gateway: int  # where the E1 gateways are called
    lq_first: int  # lq node n listens on lq_first + n (n from 1), UDP and TCP
    rtp_first: int
    rtp_last: int
    phones_first: int  # for simulated phones and callers (tests, demo): 200 ports up from here
    rtpengines: int = 1

    def rtpengine(self, n: int) -> RtpEngine:
        """The n-th of them; RTP ports are shared out evenly."""
        share = (self.rtp_last - self.rtp_first + 1) // self.rtpengines & ~1
        first = self.rtp_first + (n - 1) * share
        ng, ng_tcp, cli = (self.more_rtpengines + 3 * (n - 2) + i for i in range(3))
        if n == 1:
            ng, ng_tcp, cli = self.ng, self.ng_tcp, self.rtpengine_cli
        return RtpEngine(n, ng, ng_tcp, cli, first, first + share - 1)

    @property
    def all_rtpengines(self) -> tuple[RtpEngine, ...]:
        return tuple(self.rtpengine(n) for n in range(1, self.rtpengines + 1))


_PORTS: Final[Mapping[str, tuple[int, int]]] = {  # of the demo world, and beyond LCALL_PORT_BASE
    "sip": (5060, 0),
    "sip_tls": (5061, 1),
    "sip_wss": (8443, 2),
    "sip_ws": (8442, 90),
    "web": (8000, 10),
    "web_tls": (8444, 91),
    "api": (8100, 11),
    "api_tls": (8445, 92),
    "postgres": (15432, 20),
    "redis": (16379, 21),
    "redis_rtpengine": (16380, 22),
    "ng": (12223, 23),
    "ng_tcp": (12224, 24),
    "rtpengine_cli": (12225, 25),
    "more_rtpengines": (12240, 70),
    "sip_internal": (15060, 26),
    "mixer_rtp": (12230, 28),
    "metrics_first": (15100, 50),
    "gateway": (5080, 80),
    "lq_first": (15070, 30),
    "rtp_first": (30000, 1000),
    "rtp_last": (33999, 2999),
    "phones_first": (36000, 3000),
}


def ports(environ: Mapping[str, str] = os.environ) -> Ports:
    """The table for this instance. Raises ValueError for LCALL_PORT_BASE, LCALL_RTPENGINES, LCALL_ADDRESS of no use."""
    outside = _address(environ.get("LCALL_ADDRESS", ""))
    engines = environ.get("LCALL_RTPENGINES", "") or "1"
    if engines not in map(str, range(1, MOST_RTPENGINES + 1)):
        raise ValueError(f"LCALL_RTPENGINES={engines}: expected 1..{MOST_RTPENGINES}")
    base = environ.get("LCALL_PORT_BASE", "")
    table = {name: demo if not base else _base(base) + offset for name, (demo, offset) in _PORTS.items()}
    return Ports(host="127.0.0.1", outside=outside, rtpengines=int(engines), **table)


def _base(given: str) -> int:
    base = int(given) if given.isascii() and given.isdecimal() else 0
    if not 1024 <= base <= 60000:
        raise ValueError(f"LCALL_PORT_BASE={given}: expected 1024..60000")
    return base


def _address(given: str) -> str:
    try:
        address = ip_address(given or "127.0.0.1")
    except ValueError:
        raise ValueError(f"LCALL_ADDRESS={given}: expected an IP address of this machine") from None
    if address.version == 6:
        raise ValueError(f"LCALL_ADDRESS={given}: 不支持 IPv6 an IPv6 address cannot be used; expected an IPv4 address")
    if address.is_unspecified or address.is_multicast:
        raise ValueError(f"LCALL_ADDRESS={given}: phones cannot be sent there; expected an address of this machine")
    return str(address)
