"""Calls between outside and lq, both ways, and what is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lq.live.redis import Live
from tests.integration.kamailio.edge import LQ1, LQ2, SDP, Edge, Message, Peer, Silence, credentials, edge
from tests.integration.live.center import documents
from tests.integration.live.trunks import trunk_state


def contact_of(incarnation: str) -> str:
    return f"Contact: <sip:lq@lq.internal;i={incarnation}>"


def in_dialog(request: str, routes: list[str]) -> str:
    head, _, rest = request.partition("\r\n")
    return head + "\r\n" + "".join(f"Route: {route}\r\n" for route in routes) + rest


def call_in(gateway: Peer, node: Peer, *headers: str) -> tuple[Message, Message]:
    """A call of gw1 answered by the node: its INVITE as the node saw it, the 200 as the gateway saw it."""
    gateway.send(gateway.request("INVITE", "sip:4008001000@lcall", headers=headers, body=SDP))
    invite = node.expect("INVITE")
    node.answer(invite, 100, "Trying")
    node.answer(invite, 200, headers=[contact_of(node.name)], body=SDP)
    return invite, gateway.expect(200)


def from_caller(
    method: str, gateway: Peer, ok: Message, cseq: int = 2, uri: str = "", headers: tuple[str, ...] = ()
) -> str:
    """A request of the caller inside the dialog that `ok` made."""
    request = gateway.request(
        method,
        uri or ok.header("Contact").strip("<>"),
        from_=ok.header("From"),
        to=ok.header("To"),
        call_id=ok.header("Call-ID"),
        cseq=cseq,
        headers=headers,
    )
    return in_dialog(request, ok.headers("Record-Route")[::-1])


def from_node(method: str, node: Peer, invite: Message, ok: Message, cseq: int = 1) -> str:
    """A request of the called side inside the dialog."""
    request = node.request(
        method,
        invite.header("Contact").strip("<>"),
        from_=ok.header("To"),
        to=ok.header("From"),
        call_id=ok.header("Call-ID"),
        cseq=cseq,
    )
    return in_dialog(request, invite.headers("Record-Route"))


def test_trunk_call_arrives_with_its_source(sip: Edge, lq: Peer, gateway: Peer) -> None:
    invite, ok = call_in(gateway, lq, "X-LQ-Source: phone;id=8001", "X-LQ-Anything: forged", "X-Customer: kept")
    assert invite.uri == "sip:4008001000@lcall"
    assert invite.headers("X-LQ-Source") == ["trunk;id=gw1"]
    assert "forged" not in invite.text and invite.header("X-Customer") == "kept"
    assert invite.source == sip.internal, "lq sees the internal listener only"
    assert [str(sip.internal[1]) in r for r in invite.headers("Record-Route")] == [True, False]
    assert ok.source == sip.outside
    assert ok.header("Contact") == f"<sip:lq@lq.internal;i={LQ1}>"


def test_requests_inside_a_dialog_both_ways(sip: Edge, lq: Peer, gateway: Peer) -> None:
    invite, ok = call_in(gateway, lq)
    gateway.send(from_caller("ACK", gateway, ok, cseq=1))
    assert lq.expect("ACK").source == sip.internal
    lq.send(from_node("UPDATE", lq, invite, ok))
    update = gateway.expect("UPDATE")
    assert update.source == sip.outside and "X-LQ" not in update.text
    gateway.answer(update, 200)
    assert lq.expect(200).method == "UPDATE"
    for cseq, method in ((2, "INVITE"), (3, "INFO"), (4, "PRACK"), (5, "BYE")):
        gateway.send(from_caller(method, gateway, ok, cseq=cseq, headers=("X-LQ-Forged: 1",)))
        got = lq.expect(method)
        assert "X-LQ" not in got.text
        lq.answer(got, 200, headers=["X-LQ-Secret: 1"])
        answer = gateway.expect(200)
        assert answer.method == method and "X-LQ" not in answer.text


def test_bye_from_lq(lq: Peer, gateway: Peer) -> None:
    invite, ok = call_in(gateway, lq)
    gateway.send(from_caller("ACK", gateway, ok, cseq=1))
    lq.expect("ACK")
    lq.send(from_node("BYE", lq, invite, ok))
    gateway.answer(gateway.expect("BYE"), 200)
    assert lq.expect(200).method == "BYE"


def test_who_is_away_for_some_seconds_hears_a_bye_all_the_same(lq: Peer, gateway: Peer) -> None:
    invite, ok = call_in(gateway, lq)
    lq.send(from_node("OPTIONS", lq, invite, ok))
    assert lq.expect(408, 7).method == "OPTIONS"  # that is what it asks
    lq.send(from_node("BYE", lq, invite, ok, cseq=2))
    for _ in range(5):  # the last one after 7.5 s
        bye = gateway.expect("BYE", 6)
    gateway.answer(bye, 200)
    assert lq.expect(200).method == "BYE"


def test_cancel(lq: Peer, gateway: Peer) -> None:
    request = gateway.request("INVITE", "sip:4008001000@lcall", body=SDP)
    gateway.send(request)
    invite = lq.expect("INVITE")
    lq.answer(invite, 180, "Ringing")
    gateway.expect(180)
    cancel = [
        line
        for line in request.split("\r\n")[1:]
        if line.split(":")[0] in ("Via", "From", "To", "Call-ID", "Max-Forwards")
    ]
    gateway.send(
        "\r\n".join(["CANCEL sip:4008001000@lcall SIP/2.0", *cancel, "CSeq: 1 CANCEL", "Content-Length: 0", "", ""])
    )
    assert gateway.expect(200).method == "CANCEL"
    lq.answer(lq.expect("CANCEL"), 200)
    lq.answer(invite, 487, "Request Terminated")
    lq.expect("ACK")
    assert gateway.expect(487).method == "INVITE"


def test_a_cancel_of_nothing_is_told_so(lq: Peer, gateway: Peer) -> None:
    """RFC 3261 §9.2; of a call that rang when Kamailio was killed, for one."""
    for peer, uri in ((gateway, "sip:4008001000@lcall"), (lq, "sip:8001@phones.lq.internal")):
        peer.send(peer.request("CANCEL", uri))
        assert peer.expect(481).method == "CANCEL"


def cancel_of(request: str) -> str:
    """Of that INVITE, which was the first of its dialog."""
    kept = ("Via", "From", "To", "Call-ID", "Max-Forwards")
    lines = [line for line in request.split("\r\n")[1:] if line.split(":")[0] in kept]
    uri = request.split(" ")[1]
    return "\r\n".join([f"CANCEL {uri} SIP/2.0", *lines, "CSeq: 1 CANCEL", "Content-Length: 0", "", ""])


def test_an_adopter_has_a_call_that_rings_sent_to_it_and_so_what_belongs_to_it(
    lq: Peer, lq2: Peer, gateway: Peer
) -> None:
    request = gateway.request("INVITE", "sip:4008001000@lcall", body=SDP)
    gateway.send(request)
    invite = lq.expect("INVITE")
    lq.answer(invite, 180, "Ringing")
    gateway.expect(180)
    lq2.answer(invite, 302, "Moved Temporarily", [contact_of(LQ2)])  # in the name of the dead
    lq.expect("ACK")
    again = lq2.expect("INVITE")
    assert again.header("Call-ID") == invite.header("Call-ID") and again.header("From") == invite.header("From")
    assert again.headers("X-LQ-Source") == ["trunk;id=gw1"] and SDP in again.text
    lq2.answer(again, 183, "Session Progress")
    gateway.expect(183)
    gateway.send(cancel_of(request))
    assert gateway.expect(200).method == "CANCEL"
    lq2.answer(lq2.expect("CANCEL"), 200)
    lq2.answer(again, 487, "Request Terminated")
    assert gateway.expect(487).method == "INVITE"


def test_an_adopter_asks_for_a_call_that_was_taken_back_and_gets_nothing(lq: Peer, lq2: Peer, gateway: Peer) -> None:
    request = gateway.request("INVITE", "sip:4008001000@lcall", body=SDP)
    gateway.send(request)
    invite = lq.expect("INVITE")
    lq.answer(invite, 180, "Ringing")
    gateway.expect(180)
    gateway.send(cancel_of(request))
    assert gateway.expect(200).method == "CANCEL"
    unheard = lq.expect("CANCEL")  # it is dead
    lq2.answer(invite, 302, "Moved Temporarily", [contact_of(LQ2)])
    ended = gateway.expect(487)
    assert ended.method == "INVITE" and "lq.internal" not in ended.text
    lq.expect("ACK")
    assert lq2.is_left_alone(0.3)
    lq.answer(unheard, 200)  # or the next test's node would be asked


def test_a_call_that_is_sent_where_it_has_been_is_refused(lq: Peer, gateway: Peer) -> None:
    gateway.send(gateway.request("INVITE", "sip:4008001000@lcall", body=SDP))
    invite = lq.expect("INVITE")
    lq.answer(invite, 180, "Ringing")
    gateway.expect(180)
    lq.answer(invite, 302, "Moved Temporarily", [contact_of(LQ1)])
    refused = gateway.expect(503)
    assert refused.header("Retry-After") and "lq.internal" not in refused.text


def test_phone_calls_with_credentials(sip: Edge, lq: Peer, phone: Peer) -> None:
    phone.send(
        phone.request("INVITE", "sip:8002@lcall", body=SDP, headers=[f"Route: <sip:127.0.0.1:{sip.outside[1]};lr>"])
    )
    challenge = phone.expect(407)
    assert phone.is_left_alone(0.1) and lq.is_left_alone(0.1)
    line = credentials(challenge, "8001", "demo-8001", "INVITE", "sip:8002@lcall")
    phone.send(phone.request("INVITE", "sip:8002@lcall", body=SDP, headers=[line], cseq=2))
    invite = lq.expect("INVITE")
    assert invite.header("X-LQ-Source") == "phone;id=8001"
    assert "Proxy-Authorization" not in invite.text and "demo" not in invite.text
    lq.answer(invite, 486, "Busy Here")
    phone.expect(486)


def test_unknown_source_is_challenged_and_refused(sip: Edge, lq: Peer) -> None:
    stranger = sip.peer("13800138000", "127.0.9.9")
    stranger.send(stranger.request("INVITE", "sip:4008001000@lcall", body=SDP))
    challenge = stranger.expect(407)
    line = credentials(challenge, "13800138000", "guess", "INVITE", "sip:4008001000@lcall")
    stranger.send(stranger.request("INVITE", "sip:4008001000@lcall", body=SDP, headers=[line], cseq=2))
    stranger.expect(403)
    assert lq.is_left_alone()


def test_a_trunk_is_known_by_address_not_by_what_it_says(sip: Edge, lq: Peer) -> None:
    liar = sip.peer("liar", "127.0.1.7")
    liar.send(
        liar.request(
            "INVITE", "sip:4008001000@127.0.1.1", from_="<sip:x@127.0.1.1>;tag=1", headers=["X-LQ-Source: trunk;id=gw1"]
        )
    )
    liar.expect(407)
    assert lq.is_left_alone(0.1)


@pytest.mark.parametrize(
    "uri",
    [
        "sip:8001@phones.lq.internal",
        "sip:1@out.LQ.Internal;trunk=gw1",
        "sip:sales@acd.lq.internal",
        f"sip:lq@lq.internal;i={LQ1}",
        "sip:x@lq.internal.",
    ],
)
@pytest.mark.parametrize("from_trunk", [True, False])
def test_nobody_outside_names_our_own_hosts(
    sip: Edge, lq: Peer, phone: Peer, gateway: Peer, uri: str, from_trunk: bool
) -> None:
    peer = gateway if from_trunk else sip.peer("8002")
    peer.send(peer.request("INVITE", uri, headers=["X-LQ-Contact: c1", "X-LQ-Request: r", "X-LQ-Lanes: sales=0"]))
    peer.expect(403)
    assert phone.is_left_alone(0.05) and lq.is_left_alone(0.05)


def test_inside_a_dialog_only_lq_with_a_known_incarnation(sip: Edge, lq: Peer, gateway: Peer, phone: Peer) -> None:
    _, ok = call_in(gateway, lq)
    for uri in (
        "sip:lq@lq.internal;i=lq1-00000000",
        "sip:lq@lq.internal",
        f"sip:8001@127.0.0.1:{phone.port}",
        "sip:8001@phones.lq.internal",
    ):
        gateway.send(from_caller("BYE", gateway, ok, uri=uri))
        gateway.expect(403)
        gateway.send(from_caller("ACK", gateway, ok, uri=uri))
    assert gateway.is_left_alone(0.1) and lq.is_left_alone(0.1) and phone.is_left_alone(0.1)


def test_scanners_and_malformed_requests(sip: Edge, lq: Peer) -> None:
    peer = sip.peer("x", "127.0.9.8")
    peer.send(peer.request("OPTIONS", "sip:lcall", headers=["User-Agent: friendly-scanner"]))
    assert peer.is_left_alone(0.2)
    peer.send(peer.request("INVITE", "sip:1@lcall", headers=["Proxy-Require: teleport"]))
    peer.expect(420)
    for bad in ("From: <sip:@>;tag=1", "From: nonsense", 'To: "x <sip:1@lcall'):
        name = bad.split(":")[0]
        lines = peer.request("INVITE", "sip:1@lcall").split("\r\n")
        peer.send("\r\n".join(bad if line.startswith(name + ":") else line for line in lines))
        try:
            assert peer.final(0.5).code in (400, 407)
        except Silence:
            pass
    peer.send("INVITE sip:1@lcall SIP/2.0\r\n\r\n")
    peer.send("\r\n\r\n")
    peer.send("complete nonsense \xff\r\n\r\n")
    peer.send(peer.request("OPTIONS", "sip:lcall"))
    peer.expect(200)
    peer.send(peer.request("SUBSCRIBE", "sip:8001@lcall"))
    peer.expect(405)
    assert lq.is_left_alone(0.1)


def test_options_inside(lq: Peer) -> None:
    lq.send(lq.request("OPTIONS", "sip:lq.internal"))
    lq.expect(200)


def test_lq_calls_a_phone(sip: Edge, lq: Peer, phone: Peer) -> None:
    lq.send(
        lq.request(
            "INVITE",
            "sip:8001@phones.lq.internal",
            user="lq",
            contact=f"<sip:lq@lq.internal;i={LQ1}>",
            body=SDP,
            headers=["X-LQ-Contact: secret"],
        )
    )
    invite = phone.expect("INVITE")
    assert invite.uri == f"sip:8001@127.0.0.1:{phone.port}"
    assert invite.source == sip.outside
    assert "X-LQ" not in invite.text
    phone.answer(invite, 180, "Ringing", headers=["X-LQ-Cause: forged"])
    assert "X-LQ" not in lq.expect(180).text
    text = phone.answer(invite, 200, headers=[f"Contact: <sip:8001@127.0.0.1:{phone.port}>"], body=SDP)
    ok = lq.expect(200)
    ack = lq.request(
        "ACK",
        ok.header("Contact").strip("<>"),
        from_=ok.header("From"),
        to=ok.header("To"),
        call_id=ok.header("Call-ID"),
    )
    lq.send(in_dialog(ack, ok.headers("Record-Route")[::-1]))
    got = phone.expect("ACK")
    assert got.source == sip.outside
    assert got.uri == f"sip:8001@127.0.0.1:{phone.port}", "the alias in the Contact stays between lq and the edge"
    seen = Message(text, phone.to)
    bye = phone.request(
        "BYE",
        f"sip:lq@lq.internal;i={LQ1}",
        from_=seen.header("To"),
        to=seen.header("From"),
        call_id=seen.header("Call-ID"),
    )
    phone.send(in_dialog(bye, invite.headers("Record-Route")))
    got = lq.expect("BYE")
    assert got.source == sip.internal
    lq.answer(got, 200)
    phone.expect(200)


def test_a_phone_behind_nat_is_reached_where_it_sends_from(sip: Edge, lq: Peer) -> None:
    phone = sip.peer("8004")
    address = f"{phone.host}:{phone.port}"
    shown = "10.9.9.9:5060"
    assert phone.register("demo-8004", contact=f"<sip:8004@{shown}>").code == 200
    lq.send(lq.request("INVITE", "sip:8004@phones.lq.internal", user="lq", body=SDP))
    invite = phone.expect("INVITE")
    assert invite.uri == f"sip:8004@{shown}", "the phone finds itself in the R-URI as it calls itself"
    phone.answer(invite, 200, headers=[f"Contact: <sip:8004@{shown}>"], body=SDP)
    ok = lq.expect(200)
    assert f"alias={phone.host}~{phone.port}~1" in ok.header("Contact"), address
    ack = lq.request(
        "ACK",
        ok.header("Contact").strip("<>"),
        from_=ok.header("From"),
        to=ok.header("To"),
        call_id=ok.header("Call-ID"),
    )
    lq.send(in_dialog(ack, ok.headers("Record-Route")[::-1]))
    assert phone.expect("ACK").uri == f"sip:8004@{shown}"


def test_unregistered_phone(lq: Peer) -> None:
    lq.send(lq.request("INVITE", "sip:8999@phones.lq.internal", user="lq"))
    answer = lq.expect(480)
    assert answer.header("X-LQ-Cause") == "not-registered"


def test_lq_calls_a_gateway(sip: Edge, lq: Peer, gateway: Peer) -> None:
    lq.send(lq.request("INVITE", "sip:13800138000@out.lq.internal;trunk=gw1", user="01088001000", body=SDP))
    invite = gateway.expect("INVITE")
    assert invite.uri == f"sip:13800138000@127.0.1.1:{sip.gateway}"
    assert invite.source == sip.outside
    gateway.answer(invite, 486, "Busy Here", headers=["Reason: Q.850;cause=17"])
    assert lq.expect(486).header("Reason") == "Q.850;cause=17"
    lq.send(lq.request("INVITE", "sip:1@out.lq.internal;trunk=gw9", user="x"))
    assert lq.expect(404).header("X-LQ-Cause") == "no-trunk"


def test_lq_reaches_nobody_else(lq: Peer, phone: Peer) -> None:
    lq.send(lq.request("INVITE", f"sip:8001@127.0.0.1:{phone.port}", user="lq"))
    lq.expect(403)
    assert phone.is_left_alone(0.1)


def test_silent_node_is_passed_over(sip: Edge, lq2: Peer, gateway: Peer) -> None:
    gateway.send(gateway.request("INVITE", "sip:4008001000@lcall", body=SDP))
    invite = lq2.expect("INVITE", 3)
    assert invite.headers("X-LQ-Source") == ["trunk;id=gw1"]
    lq2.answer(invite, 200, headers=[contact_of(LQ2)], body=SDP)
    gateway.expect(200)


def test_silent_node_is_passed_over_for_a_phone_too(sip: Edge, lq2: Peer, phone: Peer) -> None:
    phone.send(phone.request("INVITE", "sip:8002@lcall", body=SDP))
    line = credentials(phone.expect(407), "8001", "demo-8001", "INVITE", "sip:8002@lcall")
    phone.send(phone.request("INVITE", "sip:8002@lcall", body=SDP, headers=[line, "X-LQ-Source: forged"], cseq=2))
    invite = lq2.expect("INVITE", 3)
    assert invite.headers("X-LQ-Source") == ["phone;id=8001"]
    assert len(invite.headers("Record-Route")) == 2
    assert "Proxy-Authorization" not in invite.text
    lq2.answer(invite, 486, "Busy Here")
    phone.expect(486)


def test_full_node_is_passed_over_at_once_and_all_full_is_503(lq: Peer, lq2: Peer, gateway: Peer) -> None:
    gateway.send(gateway.request("INVITE", "sip:4008001000@lcall", body=SDP))
    lq.answer(lq.expect("INVITE"), 503, "Full", headers=["Retry-After: 1"])
    invite = lq2.expect("INVITE", 0.5)
    lq.expect("ACK")
    lq2.answer(invite, 503, "Full")
    answer = gateway.expect(503)
    assert answer.header("Retry-After")


def test_refusal_of_lq_is_final(lq: Peer, lq2: Peer, gateway: Peer) -> None:
    gateway.send(gateway.request("INVITE", "sip:4008001999@lcall", body=SDP))
    lq.answer(lq.expect("INVITE"), 404, "Not Found")
    gateway.expect(404)
    assert lq2.is_left_alone(0.1)


def test_dead_owner_is_replaced_inside_a_dialog(sip: Edge, lq: Peer, lq2: Peer, gateway: Peer) -> None:
    _, ok = call_in(gateway, lq)
    lq.close()
    sip.peers.remove(lq)
    gateway.send(from_caller("BYE", gateway, ok))
    lq2.answer(lq2.expect("BYE", 3), 200)
    assert gateway.expect(200).method == "BYE"


async def test_requests_for_the_adopted_go_to_the_adopter(
    sip: Edge, lq: Peer, lq2: Peer, gateway: Peer, live: Live
) -> None:
    dead = "lq9-cccccccc"
    await live.renew("lq", dead, address="127.0.0.1:1", lease_ms=1)
    gateway.send(gateway.request("INVITE", "sip:4008001000@lcall", body=SDP))
    invite = lq.expect("INVITE")
    lq.answer(invite, 200, headers=[contact_of(dead)], body=SDP)
    ok = gateway.expect(200)
    await live.leave("lq", dead)
    await live.commit("adopted", node=dead, epoch=1, snapshot="{}")
    await live.adopt(LQ2, dead)
    for cseq in range(2, 60):
        gateway.send(from_caller("INFO", gateway, ok, cseq=cseq))
        try:
            got = lq2.expect("INFO", 0.05)
        except Silence:
            gateway.expect(403)  # the keeper looks twice a second
            continue
        lq2.answer(got, 200)
        gateway.expect(200)
        assert lq.is_left_alone(0.05)
        return
    raise AssertionError("the edge never learnt of the adoption")


def test_a_node_sends_a_request_to_whose_dialog_it_is_now(sip: Edge, lq: Peer, lq2: Peer, gateway: Peer) -> None:
    """302 between us; the caller sees the owner's answer alone."""
    _, ok = call_in(gateway, lq)
    for cseq, method in enumerate(("INVITE", "INFO", "BYE"), start=2):
        gateway.send(from_caller(method, gateway, ok, cseq=cseq))
        lq.answer(lq.expect(method), 302, "Moved Temporarily", [contact_of(LQ2)])
        if method == "INVITE":
            lq.expect("ACK")
        lq2.answer(lq2.expect(method), 200, headers=[contact_of(LQ2)])
        assert gateway.expect(200).method == method


def test_nodes_that_send_a_request_to_one_another_are_asked_once_each(
    sip: Edge, lq: Peer, lq2: Peer, gateway: Peer
) -> None:
    """A phone hears 503 and keeps its call: 302 and 408 would end it."""
    _, ok = call_in(gateway, lq)
    gateway.send(from_caller("INFO", gateway, ok))
    lq.answer(lq.expect("INFO"), 302, "Moved Temporarily", [contact_of(LQ2)])
    lq2.answer(lq2.expect("INFO"), 302, "Moved Temporarily", [contact_of(LQ1)])
    refused = gateway.expect(503)
    assert refused.header("Retry-After") and not refused.header("Contact")


def test_no_node_has_an_answer_and_the_phone_keeps_its_call(sip: Edge, lq: Peer, lq2: Peer, gateway: Peer) -> None:
    _, ok = call_in(gateway, lq)
    gateway.send(from_caller("INFO", gateway, ok))
    lq.answer(lq.expect("INFO"), 503, "Service Unavailable")
    lq2.answer(lq2.expect("INFO"), 503, "Service Unavailable")
    assert gateway.expect(503).header("Retry-After")


def test_an_adopter_tells_the_edge_and_is_believed_at_once(sip: Edge, lq: Peer, lq2: Peer, gateway: Peer) -> None:
    gone = "lq8-eeeeeeee"
    gateway.send(gateway.request("INVITE", "sip:4008001000@lcall", body=SDP))
    lq.answer(lq.expect("INVITE"), 200, headers=[contact_of(gone)], body=SDP)
    ok = gateway.expect(200)
    told = [f"X-LQ-Adopted: {gone};{LQ2}"]
    outsider = sip.peer("outsider")
    outsider.send(outsider.request("OPTIONS", "sip:lq.internal", headers=told))
    outsider.expect(403)
    gateway.send(from_caller("INFO", gateway, ok, cseq=2))
    gateway.expect(403)  # who may not say so has said nothing
    lq2.send(lq2.request("OPTIONS", "sip:lq.internal", headers=told))
    lq2.expect(200)
    gateway.send(from_caller("ACK", gateway, ok, cseq=1))
    lq2.expect("ACK")
    gateway.send(from_caller("BYE", gateway, ok, cseq=3))
    lq2.answer(lq2.expect("BYE"), 200)
    assert gateway.expect(200).method == "BYE"
    assert lq.is_left_alone(0.1)


async def test_gateways_are_probed_and_reported(sip: Edge, live: Live) -> None:
    gateway = sip.peer("gw", "127.0.1.1", sip.gateway)
    gateway.wants_probes = True

    async def until(up: bool, answer: int = 0) -> None:
        async with asyncio.timeout(30):
            while (state := await trunk_state(live, "gw1")) is None or state.up is not up:
                try:
                    probe = await asyncio.to_thread(gateway.receive, 0.1)
                except Silence:
                    continue
                assert probe.source == sip.outside
                if probe.method == "OPTIONS" and answer:
                    gateway.answer(probe, answer, "Whatever")

    await until(True, answer=200)
    await until(False)  # nothing comes any more; the socket is still there, so nobody says that it is closed
    await until(True, answer=404)  # one that does not know OPTIONS lives
    gateway.close()
    sip.peers.remove(gateway)
    async with asyncio.timeout(30):
        while (state := await trunk_state(live, "gw1")) is None or state.up:  # noqa: ASYNC110 - the edge finds out
            await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_a_gateway_that_has_never_answered_is_down(tmp_path: Path) -> None:
    """It is not up either before the first probe has run out: nothing is said until something is known."""
    with edge(tmp_path) as own:
        await own.publish(documents())
        own.peer("gw", "127.0.1.1", own.gateway)  # hears, and says nothing
        own.start()
        live = Live(own.redis_url)
        async with asyncio.timeout(30):
            while (state := await trunk_state(live, "gw1")) is None:  # noqa: ASYNC110 - the edge finds out
                await asyncio.sleep(0.05)
        await live.close()
    assert not state.up
