"""JsSIP in Chromium and our user agent, with the edge between them: session timers and REFER, on a real clock."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from lq.sip import events as ev
from tests.integration.kamailio.edge import LQ1, Edge
from tests.simulator.browser import Browser
from tests.unit.sip.end import End

pytestmark = pytest.mark.browser


@asynccontextmanager
async def in_a_call(sip: Edge) -> AsyncIterator[tuple[End, Browser, str, list[str]]]:
    """The browser called us; what its messages were, too."""
    node = End(sip.internal, address=("127.0.0.1", sip.nodes[LQ1]), contact=f"<sip:lq@lq.internal;i={LQ1}>")
    heard: list[str] = []
    node.shell.trace = lambda direction, data, peer, session: heard.append(data.decode()) if direction == "in" else None
    await node.shell.start(node.told.put_nowait)
    try:
        async with Browser("8005", "demo-8005", wss=sip.wss, timers=True) as browser:
            await browser.dial("8003")
            incoming = await node.hears(ev.Incoming)
            assert isinstance(incoming, ev.Incoming)
            answer = await browser.run(f"answerTo({incoming.sdp!r})")
            node.ua.accept(incoming.session, answer, now=node.shell.now())
            node.go()
            await node.hears(ev.Confirmed)
            await browser.until("confirmed")
            yield node, browser, incoming.session, heard
    finally:
        await node.shell.close()


def refreshed(heard: list[str]) -> set[str]:
    """The CSeq of each UPDATE of ours to which the browser agreed."""
    return {
        found[1]
        for text in heard
        if text.startswith("SIP/2.0 200") and (found := re.search(r"\r\nCSeq: (\d+) UPDATE\r\n", text))
    }


@pytest.mark.slow
async def test_a_browsers_call_outlives_its_session_for_we_refresh_it(sip: Edge) -> None:
    """It asks for 90 s and says nothing of who refreshes."""
    async with in_a_call(sip) as (node, browser, session, heard):
        asked = next(text for text in heard if text.startswith("INVITE"))
        assert "Session-Expires: 90\r\n" in asked
        try:
            async with asyncio.timeout(150):
                while len(refreshed(heard)) < 2:  # noqa: ASYNC110 - a minute and a half of it
                    await asyncio.sleep(1)
        except TimeoutError:
            begin = [text.partition("\r\n")[0] for text in heard]
            pytest.fail(f"no two refreshes; the node heard {begin}, the browser tells {await browser.told()}")
        assert not any(said.startswith(("ended", "failed")) for said in await browser.told())
        node.ua.bye(session, now=node.shell.now())
        node.go()
        await browser.until("ended Terminated")


async def test_a_browser_asks_for_a_transfer(sip: Edge) -> None:
    async with in_a_call(sip) as (node, browser, session, _):
        await browser.run("refer('8002')")
        refer = await node.hears(ev.Refer)
        assert isinstance(refer, ev.Refer) and refer.target == "sip:8002@lcall"
        await browser.until("refer trying")
        for code, reason, told in ((180, "Ringing", "progress"), (200, "OK", "accepted")):
            assert node.ua.notify_refer(session, code, reason, id=refer.id, now=node.shell.now())
            node.go()
            await browser.until(f"refer {told}")
        await browser.hang_up()
        assert (await node.hears(ev.Ended)).why == "bye"  # type: ignore[union-attr]
