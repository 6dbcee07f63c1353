"""What we tell a capture server, read by a decoder that is not ours: Kamailio's sipcapture."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lq.sip.trace import Hep, Message

from .services import eventually, free_port

CONFIG = """
debug=1
log_stderror=yes
fork=no
children=1
listen=udp:127.0.0.1:{port}
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "db_text.so"
loadmodule "sipcapture.so"
modparam("sipcapture", "db_url", "text://{db}")
modparam("sipcapture", "hep_capture_on", 1)
request_route {{ xlog("L_ALERT", "HEARD $rm $ci $si:$sp\\n"); drop; }}
reply_route {{ xlog("L_ALERT", "HEARD $rs $ci $si:$sp\\n"); drop; }}
"""
INVITE = (
    b"INVITE sip:4008001000@lq SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.2.3:5060;branch=z9hG4bKx\r\nFrom: <sip:a@a>;tag=1\r\n"
    b"To: <sip:b@b>\r\nCall-ID: abc@gw\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
)
RINGING = INVITE.replace(b"INVITE sip:4008001000@lq SIP/2.0", b"SIP/2.0 180 Ringing").replace(
    b"<sip:b@b>", b"<sip:b@b>;tag=2"
)


@pytest.fixture
def capture(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """Kamailio with sipcapture: its port, and the log where it says what it understood."""
    port, log, db = free_port(), tmp_path / "log", tmp_path / "db"
    db.mkdir()
    (db / "version").write_text("table_name(string) table_version(int)\n")
    (db / "sip_capture").write_text("id(int,auto)\n")
    (tmp_path / "k.cfg").write_text(CONFIG.format(port=port, db=db))
    words = ["kamailio", "-f", str(tmp_path / "k.cfg"), "-DD", "-E", "-Y", str(tmp_path), "-w", str(tmp_path)]
    with log.open("wb") as out:
        running = subprocess.Popen(
            words,
            stdout=out,
            stderr=out,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
        )
    try:
        yield port, log
    finally:
        running.terminate()
        running.wait(10)


async def test_a_capture_server_reads_who_said_what_to_whom(capture: tuple[int, Path]) -> None:
    port, log = capture
    hep, here, peer = Hep(("127.0.0.1", port)), ("127.0.0.1", 15071), ("10.1.2.3", 5060)
    at = 1_764_000_000_123_456
    batch = [
        Message(at, "in", here, peer, INVITE, ("c-1", "c-1.1"), "abc@gw"),
        Message(at, "out", here, peer, RINGING, ("c-1", "c-1.1"), "abc@gw"),
    ]

    def heard() -> bool:
        hep.put("lq1", batch)  # it may not listen yet
        text = log.read_text(errors="replace")
        return "HEARD INVITE abc@gw 10.1.2.3:5060" in text and "HEARD 180 abc@gw 127.0.0.1:15071" in text

    await eventually(heard, "both messages, each from its sender")
    hep.close()
