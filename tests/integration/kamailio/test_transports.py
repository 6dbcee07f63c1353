"""Phones on UDP, TCP, TLS and WSS: they register, call, are called, and stay reachable inside a dialog."""

from __future__ import annotations

import asyncio
import ssl
import stat
import subprocess
from pathlib import Path

import pytest

from kamailio import certificates
from lq.live.redis import Live
from tests.integration.kamailio.edge import LQ1, SDP, Edge, Message, Peer, credentials
from tests.integration.kamailio.test_calls import from_caller, in_dialog

TRANSPORTS = ["UDP", "TCP", "TLS", "WSS"]
SAVPF = SDP.replace("RTP/AVP", "UDP/TLS/RTP/SAVPF")
SAVP = SDP.replace("RTP/AVP", "RTP/SAVP")


@pytest.fixture(params=TRANSPORTS)
def device(sip: Edge, request: pytest.FixtureRequest) -> Peer:
    """Phone 8003, registered over one of the transports."""
    phone = sip.peer("8003") if request.param == "UDP" else sip.connected(request.param, "8003")
    assert phone.register("demo-8003").code == 200
    return phone


def media(node: Peer, ext: str) -> str:
    node.send(node.request("OPTIONS", f"sip:{ext}@phones.lq.internal", user="lq"))
    return node.expect(200).header("X-LQ-Phone")


def test_a_phone_is_called_over_its_transport(device: Peer, lq: Peer) -> None:
    lq.send(
        lq.request(
            "INVITE", "sip:8003@phones.lq.internal", user="lq", contact=f"<sip:lq@lq.internal;i={LQ1}>", body=SDP
        )
    )
    invite = device.expect("INVITE")
    via = invite.headers("Via")[0]
    assert via.startswith(f"SIP/2.0/{device.transport} ")
    text = device.answer(invite, 200, headers=[f"Contact: {device.contact('8003')}"], body=SDP)
    ok = lq.expect(200)
    target = ok.header("Contact").strip("<>")
    ack = lq.request("ACK", target, from_=ok.header("From"), to=ok.header("To"), call_id=ok.header("Call-ID"))
    lq.send(in_dialog(ack, ok.headers("Record-Route")[::-1]))
    device.expect("ACK")
    bye = lq.request("BYE", target, from_=ok.header("From"), to=ok.header("To"), call_id=ok.header("Call-ID"), cseq=2)
    lq.send(in_dialog(bye, ok.headers("Record-Route")[::-1]))
    device.answer(device.expect("BYE"), 200)
    assert lq.expect(200).method == "BYE"
    assert Message(text, device.to).code == 200


@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
def test_a_phone_that_registered_over_another_connection_is_reached_in_its_call(
    sip: Edge, lq: Peer, transport: str
) -> None:
    """Its router has forgotten the one before; its Contact is the same, and its call goes on."""
    old, new = (sip.peer("8003") if transport == "UDP" else sip.connected(transport, "8003") for _ in range(2))
    contact = f"<sip:8003@192.0.2.9:5060;transport={transport.lower()}>"
    assert old.register("demo-8003", contact=contact).code == 200
    here = f"<sip:lq@lq.internal;i={LQ1}>"
    lq.send(lq.request("INVITE", "sip:8003@phones.lq.internal", user="lq", contact=here, body=SDP))
    old.answer(old.expect("INVITE"), 200, headers=[f"Contact: {contact}"], body=SDP)
    ok = lq.expect(200)
    told = {"from_": ok.header("From"), "to": ok.header("To"), "call_id": ok.header("Call-ID")}
    target, routes = ok.header("Contact").strip("<>"), ok.headers("Record-Route")[::-1]
    lq.send(in_dialog(lq.request("ACK", target, **told), routes))
    old.expect("ACK")
    assert new.register("demo-8003", contact=contact).code == 200
    lq.send(in_dialog(lq.request("BYE", target, **told, cseq=2), routes))
    new.answer(new.expect("BYE"), 200)
    assert lq.expect(200).method == "BYE"


def test_a_phone_calls_over_its_transport(device: Peer, lq: Peer) -> None:
    body = SAVPF if device.transport == "WSS" else SDP
    device.send(device.request("INVITE", "sip:8002@lcall", body=body))
    line = credentials(device.expect(407), "8003", "demo-8003", "INVITE", "sip:8002@lcall")
    device.send(device.request("INVITE", "sip:8002@lcall", body=body, headers=[line], cseq=2))
    invite = lq.expect("INVITE")
    assert invite.header("X-LQ-Source") == "phone;id=8003"
    assert invite.header("X-LQ-Phone") == ("media=webrtc" if device.transport == "WSS" else "media=rtp")
    lq.answer(invite, 200, headers=[f"Contact: <sip:lq@lq.internal;i={LQ1}>"], body=SDP)
    ok = device.expect(200)
    device.send(from_caller("ACK", device, ok, cseq=2))
    lq.expect("ACK")
    bye = lq.request(
        "BYE", invite.header("Contact").strip("<>"), from_=ok.header("To"), to=ok.header("From"),
        call_id=ok.header("Call-ID"),
    )  # fmt: skip
    lq.send(in_dialog(bye, invite.headers("Record-Route")))
    device.answer(device.expect("BYE"), 200)
    assert lq.expect(200).method == "BYE"


def test_the_kind_of_media_is_known_before_the_call(device: Peer, lq: Peer) -> None:
    assert media(lq, "8003") == ("media=webrtc" if device.transport == "WSS" else "media=rtp")


def test_nobody_is_registered_without_a_binding(lq: Peer) -> None:
    lq.send(lq.request("OPTIONS", "sip:8777@phones.lq.internal", user="lq"))
    assert lq.expect(480).header("X-LQ-Cause") == "not-registered"


def test_an_srtp_phone_says_so_in_its_call(sip: Edge, lq: Peer, phone: Peer) -> None:
    phone.send(phone.request("INVITE", "sip:8002@lcall", body=SAVP))
    line = credentials(phone.expect(407), "8001", "demo-8001", "INVITE", "sip:8002@lcall")
    phone.send(phone.request("INVITE", "sip:8002@lcall", body=SAVP, headers=[line], cseq=2))
    invite = lq.expect("INVITE")
    assert invite.header("X-LQ-Phone") == "media=srtp"
    lq.answer(invite, 486, "Busy Here")


async def test_a_phone_whose_connection_is_lost_is_gone(sip: Edge, lq: Peer, live: Live) -> None:
    """A TCP phone cannot be called back; it registers again at once when it notices. No agent waits at it meanwhile."""
    device = sip.connected("TCP", "8004")
    assert device.register("demo-8004").code == 200
    assert (await live.phone_state("8004")).registered_until
    device.close()
    sip.peers.remove(device)
    async with asyncio.timeout(6):
        while (await live.phone_state("8004")).registered_until:  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.1)
    lq.send(lq.request("OPTIONS", "sip:8004@phones.lq.internal", user="lq"))
    assert lq.final().code == 480


def test_a_phone_that_can_keeps_its_connection_alive(sip: Edge) -> None:
    device = sip.connected("TLS", "8004")
    contact = f'{device.contact("8004")};+sip.instance="<urn:uuid:0c67446e-f1a1-11d9-94d3-000a95a0e128>";reg-id=1'
    answer = device.register("demo-8004", contact=contact, supported="outbound")
    assert (answer.code, answer.header("Require"), answer.header("Flow-Timer")) == (200, "outbound", "25")
    device.send("\r\n\r\n")
    device.socket.settimeout(3)
    assert device.socket.recv(16) == b"\r\n"
    assert device.register("demo-8004").header("Flow-Timer") == ""


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_tls_is_refused(sip: Edge, version: ssl.TLSVersion) -> None:
    name = {ssl.TLSVersion.TLSv1: "-tls1", ssl.TLSVersion.TLSv1_1: "-tls1_1"}[version]
    asked = ["openssl", "s_client", "-connect", f"{sip.tls[0]}:{sip.tls[1]}", name, "-cipher", "ALL:@SECLEVEL=0"]
    done = subprocess.run(asked, input="", capture_output=True, text=True, timeout=10, check=False)
    assert "Cipher is (NONE)" in done.stdout


def test_certificates_are_made_once_and_for_nobody_else(tmp_path: Path) -> None:
    first = certificates.ensure(tmp_path / "tls", ["127.0.0.1", "localhost"])
    before = {file.name: file.read_bytes() for file in (tmp_path / "tls").iterdir()}
    assert sorted(before) == ["ca.crt", "ca.key", "edge.crt", "edge.key"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "tls").iterdir()} == {0o600}
    assert certificates.ensure(tmp_path / "tls", ["other"]) == first
    assert {file.name: file.read_bytes() for file in (tmp_path / "tls").iterdir()} == before
    (tmp_path / "tls" / "edge.crt").unlink()
    certificates.ensure(tmp_path / "tls", ["127.0.0.1"])
    assert (tmp_path / "tls" / "ca.crt").read_bytes() == before["ca.crt"], "who trusts it goes on trusting it"


def test_a_phone_that_registered_twice_within_a_moment_is_where_it_was_last(sip: Edge, lq: Peer) -> None:
    """What it replaced stays listed, expired, until the store is written."""
    for _ in range(3):
        sip.peer("8003").register("demo-8003")
    phone = sip.peer("8003")
    assert phone.register("demo-8003").code == 200
    here = f"<sip:lq@lq.internal;i={LQ1}>"
    lq.send(lq.request("INVITE", "sip:8003@phones.lq.internal", user="lq", contact=here, body=SDP))
    phone.answer(phone.expect("INVITE"), 200, headers=[f"Contact: {phone.contact('8003')}"], body=SDP)
    ok = lq.expect(200)
    told = {"from_": ok.header("From"), "to": ok.header("To"), "call_id": ok.header("Call-ID")}
    lq.send(in_dialog(lq.request("ACK", ok.header("Contact").strip("<>"), **told), ok.headers("Record-Route")[::-1]))
    phone.expect("ACK")
