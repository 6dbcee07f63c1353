from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lq.sip import events as ev
from lq.sip.digest import Credentials
from tests.integration.sip.conftest import SDP, Run, Start
from tests.unit.sip.end import free_port

SCENARIOS = Path(__file__).parent / "scenarios"


def sipp(*words: str, calls: int, rate: int = 50) -> tuple[str, ...]:
    return (
        *("sipp", "-i", "127.0.0.1", "-m", str(calls), "-r", str(rate), "-nostdin", "-nd", "-d", "50"),
        *("-trace_err", "-recv_timeout", "30000", "-max_socket", "1000", *words),
    )


async def ended(process: asyncio.subprocess.Process, within_s: float = 60.0) -> int:
    return await asyncio.wait_for(process.wait(), within_s)


def said(directory: Path) -> str:
    return "".join(file.read_text(errors="replace")[-1500:] for file in directory.glob("*errors.log"))


@pytest.mark.parametrize(
    ("transport", "calls", "lost"),
    [("u1", 50, 0), ("t1", 50, 0), ("tn", 20, 0), pytest.param("u1", 200, 7, marks=pytest.mark.slow)],
)
async def test_sipp_calls_us(party: Start, run: Run, tmp_path: Path, transport: str, calls: int, lost: int) -> None:
    us = await party()
    host, port = us.address
    words = ("-sn", "uac", f"{host}:{port}", "-p", str(free_port()[1]), "-t", transport, "-lost", str(lost))
    assert await ended(await run(*sipp(*words, calls=calls))) == 0, said(tmp_path)
    # With losses sipp may take a repeated 200 to its INVITE for the one to its BYE: then that BYE is never repeated.
    await us.until(lambda: us.count(ev.Ended) == calls, 45)
    assert us.count(ev.Incoming) == calls
    assert sum(event.why == "bye" for event in us.of(ev.Ended)) >= (calls if not lost else calls * 0.95)


@pytest.mark.parametrize(
    ("transport", "calls", "lost"),
    [("udp", 50, 0), ("tcp", 50, 0), pytest.param("udp", 200, 7, marks=pytest.mark.slow)],
)
async def test_we_call_sipp(party: Start, run: Run, tmp_path: Path, transport: str, calls: int, lost: int) -> None:
    there = free_port()
    mode = "t1" if transport == "tcp" else "u1"
    process = await run(*sipp("-sn", "uas", "-p", str(there[1]), "-t", mode, "-lost", str(lost), calls=calls))
    await listening(there)
    us = await party(there, transport)
    for _ in range(calls):
        us.call(SDP)
        await asyncio.sleep(0.01)
    await us.until(lambda: us.count(ev.Accepted) == calls, 60)
    assert await ended(process, 90) == 0, said(tmp_path)
    assert us.count(ev.Rejected) == us.count(ev.Ended) == 0


async def test_sipp_challenges_us_and_checks_what_we_say(party: Start, run: Run, tmp_path: Path) -> None:
    """Another's digest (MD5): INVITE, and BYE in the dialog."""
    there = free_port()
    process = await run(*sipp("-sf", str(SCENARIOS / "challenge.xml"), "-p", str(there[1]), calls=5))
    await listening(there)
    us = await party(there, accounts={"gw1": Credentials("carrier", "lcall", "secret")})
    for _ in range(5):
        us.ua.invite("sip:b@there", local="<sip:a@here>", sdp=SDP, now=us.shell.now(), account="gw1")
        us.go()
    assert await ended(process) == 0, said(tmp_path)
    assert us.count(ev.Accepted) == 5


async def listening(address: tuple[str, int]) -> None:
    """Until that program has its port: the kernel's table knows, without sending it anything."""
    wanted = f":{address[1]:04X}"
    async with asyncio.timeout(10):
        while not any(wanted in Path(f"/proc/net/{kind}").read_text() for kind in ("udp", "tcp")):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.02)
