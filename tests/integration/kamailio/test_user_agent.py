"""Our user agent as a node: what no datagram should carry passes the edge by TCP (RFC 3261 §18.1.1), whole; a trunk's
challenge is answered through it."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from lq.sip import events as ev
from lq.sip.digest import Credentials
from tests.integration.kamailio.edge import LQ1, Edge, Peer, md5
from tests.integration.kamailio.test_calls import SDP, in_dialog
from tests.unit.sip.end import End

LARGE = SDP + "a=candidate:1 1 UDP 2130706431 192.0.2.1 50000 typ host\r\n" * 60


@pytest.mark.parametrize("length", [1, 2])
async def test_a_large_call_through_the_edge_and_its_end(sip: Edge, gateway: Peer, length: int) -> None:
    node = End(sip.internal, address=("127.0.0.1", sip.nodes[LQ1]), contact=f"<sip:lq@lq.internal;i={LQ1}>")
    sent: list[tuple[str, bytes]] = []
    node.shell.trace = lambda direction, data, peer, session: sent.append((direction, data))
    await node.shell.start(node.told.put_nowait)
    try:
        await call(node, gateway, LARGE if length == 1 else LARGE + LARGE)
    finally:
        await node.shell.close()
    first = next(data for direction, data in sent if direction == "out")
    assert first.startswith(b"INVITE") and b"Via: SIP/2.0/TCP " in first


async def call(node: End, gateway: Peer, sdp: str) -> None:
    def here(function: Any, *arguments: Any, **more: Any) -> Any:
        return asyncio.to_thread(function, *arguments, **more)

    uri = "sip:13800138000@out.lq.internal;trunk=gw1"
    session = node.ua.invite(uri, local="<sip:01088001000@lq.internal>", sdp=sdp, now=node.shell.now())
    node.go()
    invite = await here(gateway.expect, "INVITE")
    assert invite.text.endswith(sdp)
    ok = gateway.response(invite, 200, headers=[f"Contact: {gateway.contact('e1')}"], body=SDP)
    gateway.send(ok, invite.source)
    await node.hears(ev.Accepted)
    node.ua.ack(session, now=node.shell.now())
    node.go()
    await here(gateway.expect, "ACK")
    to = next(line for line in ok.split("\r\n") if line.startswith("To: ")).removeprefix("To: ")
    bye = gateway.request(
        "BYE", f"sip:lq@lq.internal;i={LQ1}", from_=to, to=invite.header("From"), call_id=invite.header("Call-ID")
    )
    gateway.send(in_dialog(bye, invite.headers("Record-Route")))
    assert (await here(gateway.expect, 200)).method == "BYE"
    await node.hears(ev.Ended)


async def test_a_trunk_that_challenges_a_call_is_answered_through_the_edge(sip: Edge, gateway: Peer) -> None:
    node = End(
        sip.internal,
        address=("127.0.0.1", sip.nodes[LQ1]),
        contact=f"<sip:lq@lq.internal;i={LQ1}>",
        accounts={"gw1": Credentials("carrier", "lcall", "secret")},
    )
    await node.shell.start(node.told.put_nowait)
    try:
        uri = "sip:13800138000@out.lq.internal;trunk=gw1"
        local = "<sip:01088001000@lq.internal>"
        node.ua.invite(uri, local=local, sdp=SDP, now=node.shell.now(), account="gw1")
        node.go()
        invite = await asyncio.to_thread(gateway.expect, "INVITE")
        assert "Authorization" not in invite.text
        challenge = 'Proxy-Authenticate: Digest realm="carrier", nonce="n1", algorithm=MD5, qop="auth"'
        gateway.answer(invite, 407, "Proxy Authentication Required", headers=[challenge])
        assert (await asyncio.to_thread(gateway.expect, "ACK")).method == "ACK"
        again = await asyncio.to_thread(gateway.expect, "INVITE")
        given = dict(re.findall(r'(\w+)="?([^",]+)', again.header("Proxy-Authorization")))
        ha1, ha2 = md5("lcall:carrier:secret"), md5(f"INVITE:{given['uri']}")
        assert given["response"] == md5(f"{ha1}:n1:{given['nc']}:{given['cnonce']}:auth:{ha2}")
        gateway.answer(again, 486, "Busy Here")
        rejected = await node.hears(ev.Rejected)
        assert isinstance(rejected, ev.Rejected) and rejected.code == 486
    finally:
        await node.shell.close()
