"""The one table of addresses: `LCALL_PORT_BASE` unset gives the demo world's, else everything moves to base + n."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ports:
    host: str  # where internal services listen
    sip: int  # UDP and TCP, the edge
    sip_tls: int
    sip_wss: int
    web: int
    api: int
    postgres: int
    redis: int
    redis_rtpengine: int  # rtpengine's own, never the center's (DESIGN §3)
    ng: int  # rtpengine control, UDP
    ng_tcp: int  # rtpengine control and DTMF notifications, TCP
    rtpengine_cli: int
    sip_internal: int  # Kamailio's listener for lq only, UDP and TCP
    mixer_rtp: int
    gateway: int  # where the E1 gateways are called
    lq_first: int  # lq node n listens on lq_first + n (n from 1), UDP and TCP
    rtp_first: int
    rtp_last: int
    phones_first: int  # for simulated phones and callers (tests, demo): 200 ports up from here


def ports(environ: Mapping[str, str] = os.environ) -> Ports:
    """The table for this instance. Raises ValueError when LCALL_PORT_BASE is no usable number."""
    base = environ.get("LCALL_PORT_BASE", "")
    if not base:
        return Ports(
            host="127.0.0.1",
            sip=5060,
            sip_tls=5061,
            sip_wss=8443,
            web=8000,
            api=8100,
            postgres=15432,
            redis=16379,
            redis_rtpengine=16380,
            ng=12223,
            ng_tcp=12224,
            rtpengine_cli=12225,
            sip_internal=15060,
            mixer_rtp=12230,
            gateway=5080,
            lq_first=15070,
            rtp_first=30000,
            rtp_last=33999,
            phones_first=36000,
        )
    b = int(base) if base.isascii() and base.isdecimal() else 0
    if not 1024 <= b <= 60000:
        raise ValueError(f"LCALL_PORT_BASE={base}: expected 1024..60000")
    return Ports(
        host="127.0.0.1",
        sip=b,
        sip_tls=b + 1,
        sip_wss=b + 2,
        web=b + 10,
        api=b + 11,
        postgres=b + 20,
        redis=b + 21,
        redis_rtpengine=b + 22,
        ng=b + 23,
        ng_tcp=b + 24,
        rtpengine_cli=b + 25,
        sip_internal=b + 26,
        mixer_rtp=b + 28,
        gateway=b + 80,
        lq_first=b + 30,
        rtp_first=b + 1000,
        rtp_last=b + 2999,
        phones_first=b + 3000,
    )
