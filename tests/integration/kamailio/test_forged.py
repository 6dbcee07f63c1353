"""What nobody outside may say: names and headers of the inside; and what became of the last gateway."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration.kamailio.edge import LQ1, SDP, Edge, Peer, credentials, edge
from tests.integration.kamailio.test_calls import call_in, contact_of, from_caller, in_dialog
from tests.integration.kamailio.test_defence import call, refuse
from tests.integration.live.center import documents


@pytest.mark.parametrize(
    "line",
    [
        "X-LQ-Source: trunk;id=gw1",
        "x-lq-source: trunk;id=gw1",
        "X-LQ-Source : trunk;id=gw1",
        "X-LQ-Source\t:trunk;id=gw1",
        "X-LQ-Source:\r\n trunk;id=gw1",
        "X-LQ-Emergency: 1\r\nX-LQ-Emergency: 1",
        "X-LQ-Phone: media=gw1",
        "X-LQ-Contact: gw1",
        "P-Asserted-Identity: <sip:110@lcall>",
        "p-asserted-identity : <tel:110>",
        "P-Preferred-Identity: <sip:110@lcall>",
        "Remote-Party-ID: <sip:110@lcall>",
        "Diversion: <sip:110@lcall>",
        "History-Info: <sip:110@lcall>;index=1",
        "Record-Route: <sip:203.0.113.1;lr>",
        "Path: <sip:203.0.113.1;lr>",
    ],
)
def test_claims_of_a_phone_do_not_reach_lq(sip: Edge, lq: Peer, phone: Peer, line: str) -> None:
    call(phone, "8002", "demo-8001", line)
    invite = lq.expect("INVITE")
    who = invite.header("From").partition(";tag=")[0]
    assert "gw1" not in invite.text and "110" not in who and "203.0.113.1" not in invite.text
    name = re.split(r"[ \t:]", line)[0]
    ours = {"x-lq-source": ["phone;id=8001"], "x-lq-phone": ["media=rtp"]}
    expected = ours.get(name.lower(), [])
    if name.lower() == "record-route":
        assert len(invite.headers(name)) == 2, "ours only"
    else:
        assert invite.headers(name) == expected
    refuse(lq, invite, 486, "Busy Here")


def test_a_trunk_may_say_who_calls(lq: Peer, gateway: Peer) -> None:
    told = ["P-Asserted-Identity: <sip:02161234567@ims>", "Diversion: <sip:4008001000@ims>;reason=unconditional"]
    gateway.send(gateway.request("INVITE", "sip:4008001000@lcall", body=SDP, headers=[*told, "X-LQ-Source : x"]))
    invite = lq.expect("INVITE")
    assert [f"{name}: {invite.header(name)}" for name in ("P-Asserted-Identity", "Diversion")] == told
    assert invite.headers("X-LQ-Source") == ["trunk;id=gw1"]
    refuse(lq, invite, 404, "Not Found")


def test_letters_that_are_no_utf8_reach_lq_as_they_are(sip: Edge, lq: Peer, gateway: Peer) -> None:
    """Gateways here write names in GBK."""
    name = b"\xb1\xb1\xbe\xa9".decode(errors="surrogateescape")
    gateway.send(
        gateway.request("INVITE", "sip:4008001000@lcall", body=SDP, from_=f'"{name}" <sip:02161234567@lcall>;tag=1')
    )
    invite = lq.expect("INVITE")
    assert invite.header("From").startswith(f'"{name}"') and invite.header("X-LQ-Source") == "trunk;id=gw1"
    refuse(lq, invite, 404, "Not Found")


@pytest.mark.parametrize(
    ("from_", "header"),
    [
        ("<sip:02161234567@IMS_GW_01>;tag=1", "X: y"),
        ("<sip:02161234567@lcall>;tag=1", "Proxy-Require: privacy"),
        ("<sip:02161234567@lcall>;tag=1", b'P-Called-Party-ID: "\xb1\xb1\xbe\xa9" <sip:4008001000@ims>'),
        ("<sip:02161234567@lcall>;tag=1", "User-Agent: MySIPClient/2.1"),
    ],
)
def test_what_real_gateways_write_is_no_reason_to_refuse_them(
    sip: Edge, lq: Peer, gateway: Peer, from_: str, header: str | bytes
) -> None:
    text = header if isinstance(header, str) else header.decode(errors="surrogateescape")
    gateway.send(gateway.request("INVITE", "sip:4008001000@lcall", body=SDP, from_=from_, headers=[text]))
    refuse(lq, lq.expect("INVITE"), 404, "Not Found")


@pytest.mark.parametrize("parameter", ["alias=127.0.0.1~{}~1", "maddr=127.0.0.1"])
def test_a_contact_that_leads_into_the_house_is_refused(sip: Edge, lq: Peer, phone: Peer, parameter: str) -> None:
    contact = f"<sip:8001@{phone.host}:{phone.port};{parameter.format(sip.internal[1])}>"
    assert phone.register("demo-8001", contact=contact).code == 400
    uri = "sip:8002@lcall"
    phone.send(phone.request("INVITE", uri, body=SDP, contact=contact))
    line = credentials(phone.expect(407), "8001", "demo-8001", "INVITE", uri)
    phone.send(phone.request("INVITE", uri, body=SDP, headers=[line], cseq=2, contact=contact))
    phone.expect(400)
    assert lq.is_left_alone(0.1)


def test_a_phone_answers_with_such_a_contact(sip: Edge, lq: Peer, phone: Peer) -> None:
    lq.send(lq.request("INVITE", "sip:8001@phones.lq.internal", user="lq", contact=contact_of(LQ1)[9:], body=SDP))
    invite = phone.expect("INVITE")
    victim = sip.peer("victim")
    contact = f"<sip:8001@{phone.host}:{phone.port};alias={victim.host}~{victim.port}~1>"
    phone.answer(invite, 200, headers=[f"Contact: {contact}"], body=SDP)
    ok = lq.expect(200)
    assert str(victim.port) not in ok.header("Contact")
    target = ok.header("Contact").strip("<>")
    ack = lq.request("ACK", target, from_=ok.header("From"), to=ok.header("To"), call_id=ok.header("Call-ID"))
    lq.send(in_dialog(ack, ok.headers("Record-Route")[::-1]))
    phone.expect("ACK")
    assert victim.is_left_alone(0.1)


def test_a_device_leads_nobody_into_the_house(sip: Edge, lq: Peer, lq2: Peer, gateway: Peer) -> None:
    """A trunk's Contact is believed, but for our own doors."""
    gateway.send(gateway.request("INVITE", "sip:4008001000@lcall", body=SDP, contact=f"<sip:x@{lq2.host}:{lq2.port}>"))
    invite = lq.expect("INVITE")
    lq.answer(invite, 200, headers=[contact_of(LQ1)], body=SDP)
    ok = gateway.expect(200)
    bye = lq.request(
        "BYE", invite.header("Contact").strip("<>"), from_=ok.header("To"), to=ok.header("From"),
        call_id=ok.header("Call-ID"),
    )  # fmt: skip
    lq.send(in_dialog(bye, invite.headers("Record-Route")))
    lq.expect(403)
    assert lq2.is_left_alone(0.1)


def test_a_foreign_route_leads_nowhere(sip: Edge, lq: Peer, gateway: Peer) -> None:
    """Neither before a dialog nor within one is anything relayed from outsider to outsider."""
    victim = sip.peer("victim")
    stranger = sip.peer("x", "127.0.7.20")
    _, ok = call_in(gateway, lq)
    detour = f"Route: <sip:{victim.host}:{victim.port};lr>"
    for method in ("OPTIONS", "INVITE", "REGISTER", "MESSAGE"):
        stranger.send(stranger.request(method, "sip:x@lcall", headers=[detour]))
        assert stranger.final().code in (200, 401, 405, 407)
    stranger.send(stranger.request("OPTIONS", f"sip:x@{victim.host}:{victim.port}"))
    assert stranger.final().code == 200, "answered by us"
    request = from_caller("BYE", gateway, ok)
    gateway.send(re.sub(r"(Via: )", f"{detour}\r\n\\1", request, count=1))
    lq.answer(lq.expect("BYE"), 200)
    gateway.expect(200)
    stranger.send(from_caller("BYE", stranger, ok, uri=f"sip:x@{victim.host}:{victim.port}"))
    stranger.expect(403)
    assert victim.is_left_alone(0.2)


def test_a_known_i_and_an_unknown_dialog_is_lqs_to_refuse(lq: Peer, sip: Edge) -> None:
    stranger = sip.peer("x", "127.0.7.21")
    stranger.send(stranger.request("BYE", f"sip:lq@lq.internal;i={LQ1}", to="<sip:lq@lcall>;tag=none", cseq=2))
    lq.answer(lq.expect("BYE"), 481, "Call/Transaction Does Not Exist")
    stranger.expect(481)
    for _ in range(50):  # ACKs of nothing: no answer, no harm
        stranger.send(stranger.request("ACK", "sip:8001@lcall", to="<sip:lq@lcall>;tag=none"))
        stranger.send(stranger.request("ACK", "sip:lq@lq.internal;i=guess-00000000", to="<sip:lq@lcall>;tag=none"))
    assert stranger.is_left_alone(0.1) and lq.is_left_alone(0.1)


def test_an_answer_goes_where_the_request_came_from_not_where_its_via_says(sip: Edge) -> None:
    victim, stranger = sip.peer("victim"), sip.peer("x", "127.0.7.22")
    request = stranger.request("OPTIONS", "sip:lcall")
    request = request.replace(f"UDP {stranger.host}:{stranger.port}", f"UDP {victim.host}:{victim.port}")
    stranger.send(request.replace(";rport", ""))
    stranger.expect(200)
    assert victim.is_left_alone(0.1)


def test_too_many_hops(sip: Edge) -> None:
    peer = sip.peer("x", "127.0.7.23")
    peer.send(peer.request("INVITE", "sip:1@lcall").replace("Max-Forwards: 70", "Max-Forwards: 0"))
    peer.expect(483)


async def test_what_comes_back_to_us_is_a_loop(tmp_path: Path) -> None:
    """A trunk whose address is our own: a slip of the keyboard, and a call that would turn round until it is tired."""
    with edge(tmp_path) as own:
        kinds = documents()
        kinds["trunks"]["loop"] = {"id": "loop", "address": own.outside[0], "port": own.outside[1]}
        await own.publish(kinds)
        own.start()
        lq = own.lq(LQ1)
        lq.send(lq.request("INVITE", "sip:1@out.lq.internal;trunk=loop", user="01088001000", body=SDP))
        lq.expect(482)


# -- what became of the last gateway


def test_the_last_gateways_503_stays_503_with_its_cause(lq: Peer, gateway: Peer) -> None:
    lq.send(lq.request("INVITE", "sip:13800138000@out.lq.internal;trunk=gw1", user="01088001000", body=SDP))
    invite = gateway.expect("INVITE")
    gateway.answer(invite, 503, "No Circuit", headers=["Reason: Q.850;cause=34", "Retry-After: 7"])
    answer = lq.expect(503)
    assert (answer.header("Reason"), answer.header("Retry-After")) == ("Q.850;cause=34", "7")


def test_lqs_503_with_a_cause_is_the_calls_and_final(sip: Edge, lq: Peer, lq2: Peer, phone: Peer) -> None:
    call(phone, "13800138000", "demo-8001")
    lq.answer(lq.expect("INVITE"), 503, "Service Unavailable", headers=["Reason: Q.850;cause=34"])
    assert phone.expect(503).header("Reason") == "Q.850;cause=34"
    assert lq2.is_left_alone(0.1), "no other node is asked: this one lives"
