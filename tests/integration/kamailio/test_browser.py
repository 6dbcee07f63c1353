"""A real browser (Chromium, JsSIP) as a phone on WSS: registered, called, calling, and gone when it is closed."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.kamailio.edge import LQ1, SDP, Edge, Message, Peer
from tests.simulator.browser import Browser

pytestmark = pytest.mark.browser


async def invited(lq: Peer) -> Message:
    return await asyncio.to_thread(lq.expect, "INVITE", 10)


async def test_a_browser_registers_calls_and_is_called(sip: Edge, lq: Peer) -> None:
    async with Browser("8002", "demo-8002", wss=sip.wss) as browser:
        lq.send(lq.request("OPTIONS", "sip:8002@phones.lq.internal", user="lq"))
        assert lq.expect(200).header("X-LQ-Phone") == "media=webrtc"

        await browser.dial("8003")
        invite = await invited(lq)
        assert invite.header("X-LQ-Source") == "phone;id=8002" and invite.header("X-LQ-Phone") == "media=webrtc"
        assert "UDP/TLS/RTP/SAVPF" in invite.text and "a=fingerprint" in invite.text, "whole, though longer than 4 kB"
        assert len(invite.text) > 1500
        lq.answer(invite, 180, "Ringing", headers=[f"Contact: <sip:lq@lq.internal;i={LQ1}>"])
        await browser.until("progress")
        lq.answer(invite, 486, "Busy Here")
        await browser.until("failed Busy")
        await asyncio.to_thread(lq.expect, "ACK")

        own = f"<sip:lq@lq.internal;i={LQ1}>"
        lq.send(lq.request("INVITE", "sip:8002@phones.lq.internal", user="lq", contact=own, body=SDP))
        await browser.until("remote session")
        assert (await asyncio.to_thread(lq.expect, 180)).header("Contact").count("alias=") == 1
        await browser.hang_up()
        assert (await asyncio.to_thread(lq.final)).code in (480, 486, 603)

        await browser.stop()
        lq.send(lq.request("OPTIONS", "sip:8002@phones.lq.internal", user="lq"))
        assert lq.final().code == 480, "signed off"


async def test_a_browser_that_is_closed_is_gone(sip: Edge, lq: Peer) -> None:
    """Its window was closed: no word, but its connection ends, and with it its binding."""
    async with Browser("8004", "demo-8004", wss=sip.wss):
        lq.send(lq.request("OPTIONS", "sip:8004@phones.lq.internal", user="lq"))
        lq.expect(200)
    async with asyncio.timeout(20):
        while True:
            lq.send(lq.request("OPTIONS", "sip:8004@phones.lq.internal", user="lq"))
            if (await asyncio.to_thread(lq.final)).code == 480:
                return
            await asyncio.sleep(0.1)
