"""sippy's B2BUA between two of ours: it is the called side of the one and the calling side of the other."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from lq.sip import events as ev
from tests.integration.sip.conftest import SDP, Party, Run, Start
from tests.integration.sip.test_sipp import listening
from tests.unit.sip.end import free_port

B2BUA = str(Path(sys.executable).parent / "b2bua_simple")


async def between(party: Start, run: Run) -> tuple[Party, Party]:
    there = free_port()
    called = await party(there)
    host, port = called.address
    await run(B2BUA, "-f", "-l", there[0], "-p", str(there[1]), "-n", f"{host}:{port}", "-L", "sippy.log")
    await listening(there)
    calling = await party(there)
    calling.hangs_up = False
    return calling, called


async def test_calls_in_numbers(party: Start, run: Run) -> None:
    calling, called = await between(party, run)
    calling.hangs_up = True
    for _ in range(40):
        calling.call(SDP)
        await asyncio.sleep(0.03)
    await called.until(lambda: called.count(ev.Ended) == 40)
    assert calling.count(ev.Accepted) == called.count(ev.Confirmed) == 40
    assert calling.count(ev.Rejected) == 0
    assert all("cause=16" in event.reason_header for event in called.of(ev.Ended))  # RFC 3326, through sippy


async def test_hold_resume_info_and_the_called_side_hanging_up(party: Start, run: Run) -> None:
    calling, called = await between(party, run)
    session = calling.call(SDP)
    await called.until(lambda: called.count(ev.Confirmed) == 1)
    for n, direction in enumerate(("sendonly", "sendrecv"), start=1):
        async with asyncio.timeout(10):  # a refresh of its own may be under way
            while not calling.ua.reinvite(session, SDP + f"a={direction}\r\n", now=calling.shell.now()):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        calling.go()
        await calling.until(lambda n=n: calling.count(ev.OfferAnswered) == n)
        await called.until(lambda n=n: called.count(ev.Confirmed) == n + 1)
    assert f"a={'sendrecv'}" in called.of(ev.Offer)[-1].sdp
    asked = calling.ua.request(session, "INFO", b"Signal=5", "application/dtmf-relay", now=calling.shell.now())
    calling.go()
    await calling.until(lambda: calling.count(ev.RequestDone) == 1)
    assert (calling.of(ev.RequestDone)[0].id, calling.of(ev.RequestDone)[0].code) == (asked, 200)
    called.hang_up(called.of(ev.Incoming)[0].session)
    await calling.until(lambda: calling.count(ev.Ended) == 1)
    assert calling.of(ev.Ended)[0].why == "bye"


@pytest.mark.parametrize("how", ["refused", "cancelled"])
async def test_calls_that_are_not_answered(party: Start, run: Run, how: str) -> None:
    calling, called = await between(party, run)
    called.answers = False
    session = calling.call(SDP)
    await called.until(lambda: called.count(ev.Incoming) == 1)
    theirs = called.of(ev.Incoming)[0].session
    called.ua.provisional(theirs, 180, now=called.shell.now())
    called.go()
    await calling.until(lambda: calling.count(ev.Progress) >= 1)
    if how == "refused":
        called.ua.reject(theirs, 486, headers={"Reason": "Q.850;cause=17"}, now=called.shell.now())
        called.go()
    else:
        calling.ua.cancel(session, "Q.850;cause=16", now=calling.shell.now())
        calling.go()
        await called.until(lambda: called.count(ev.Cancelled) == 1)
    await calling.until(lambda: calling.count(ev.Rejected) == 1)
    assert calling.of(ev.Rejected)[0].code == (486 if how == "refused" else 487)


async def test_a_call_without_an_offer(party: Start, run: Run) -> None:
    calling, called = await between(party, run)
    calling.ua.invite("sip:b@there", local="<sip:a@here>", now=calling.shell.now())
    calling.go()
    await called.until(lambda: called.count(ev.Incoming) == 1)
    assert called.of(ev.Incoming)[0].sdp == ""
    await calling.until(lambda: calling.count(ev.Accepted) == 1)
    assert "m=audio" in calling.of(ev.Accepted)[0].sdp
