"""What crosses on the wire: CANCEL and answers, forks, glare, BYE and whatever was on its way, late requests."""

from __future__ import annotations

import pytest

from lq.sip import events as ev
from lq.sip.message import Request
from lq.sip.session import MAX_RETRIES
from lq.sip.uac import EARLY_KEPT
from tests.unit.sip.peer import Peer
from tests.unit.sip.wire import Wire


def idle_after_a_minute(peer: Peer) -> bool:
    """Whoever never answers is given up."""
    peer.run(130)
    return peer.ua.idle


# -- CANCEL ------------------------------------------------------------------------------------------------------------
def test_a_cancel_goes_the_way_of_its_invite() -> None:
    peer = Peer()
    session = peer.call()
    invite = peer.sent("INVITE")
    peer.ua.cancel(session, "Q.850;cause=16", now=peer.now)
    assert not peer.waiting("CANCEL")
    peer.answer(invite, 100)
    cancel = peer.sent("CANCEL")
    assert cancel.all("via") == invite.all("via") and cancel.cseq == (1, "CANCEL") and cancel.uri == invite.uri
    assert not cancel.to_tag and cancel.get("reason") == "Q.850;cause=16"
    assert not peer.ua.cancel(session, now=peer.now)  # once
    peer.answer(cancel, 200)
    peer.answer(invite, 487)
    assert peer.sent("ACK").branch == invite.branch
    assert peer.told(ev.Rejected).code == 487 and idle_after_a_minute(peer)


@pytest.mark.parametrize("to_cancel", [200, 481, None])
def test_a_cancelled_invite_whose_end_never_comes(to_cancel: int | None) -> None:
    peer = Peer()
    session = peer.call()
    peer.answer(peer.sent("INVITE"), 180)
    peer.ua.cancel(session, now=peer.now)
    if to_cancel:
        peer.answer(peer.sent("CANCEL"), to_cancel)
    peer.run(33)
    assert peer.told(ev.Rejected).code == 487 and peer.count(ev.Rejected) == 1
    assert idle_after_a_minute(peer)


def test_a_cancelled_invite_that_nobody_knows_is_over() -> None:
    """Kamailio was restarted, for one."""
    peer = Peer()
    session = peer.call()
    peer.answer(peer.sent("INVITE"), 180)
    peer.ua.cancel(session, now=peer.now)
    peer.answer(peer.sent("CANCEL"), 481)
    assert peer.told(ev.Rejected).code == 487 and idle_after_a_minute(peer)


@pytest.mark.parametrize(("to_cancel", "after"), [(200, 40), (481, 0)])
def test_a_late_200_to_a_cancelled_invite_that_was_given_up_is_acked_and_ended(to_cancel: int, after: int) -> None:
    peer = Peer()
    session = peer.call()
    invite = peer.sent("INVITE")
    peer.answer(invite, 180)
    peer.ua.cancel(session, now=peer.now)
    peer.answer(peer.sent("CANCEL"), to_cancel)
    peer.run(after)
    peer.answer(invite, 200, sdp="v=0 late")
    assert peer.sent("ACK") and peer.sent("BYE")
    assert peer.count(ev.Accepted) == 0 and idle_after_a_minute(peer)


def test_a_peer_that_takes_back_what_was_answered_gets_200_and_keeps_his_call() -> None:
    peer = Peer()
    invite = peer.incoming()
    session = peer.told(ev.Incoming).session
    peer.ua.accept(session, "v=0 answer", now=peer.now)
    given = {name: invite.all(name) for name in ("via", "from", "to", "call-id")} | {"cseq": ["100 CANCEL"]}
    peer.sent(200)
    peer.give(Request(given, b"", "CANCEL", invite.uri).encode())
    assert peer.sent(200).cseq[1] == "CANCEL"
    assert peer.count(ev.Cancelled) == 0 and peer.ua.export(session)["state"] == "confirmed"


def test_a_reinvite_taken_back() -> None:
    peer = Peer()
    session = peer.talk()
    invite = peer.ask("INVITE", sdp="v=0 hold")
    given = {name: invite.all(name) for name in ("via", "from", "to", "call-id")} | {"cseq": [f"{peer.seq} CANCEL"]}
    peer.give(Request(given, b"", "CANCEL", invite.uri).encode())
    assert peer.sent(200) and peer.sent(487)
    assert not peer.ua.answer_offer(session, "v=0 held", now=peer.now)
    assert peer.count(ev.Ended) == peer.count(ev.Cancelled) == 0


def test_a_cancel_of_nothing() -> None:
    peer = Peer()
    peer.talk()
    peer.ask("CANCEL", seq=77)
    assert peer.sent(481)


# -- forks -------------------------------------------------------------------------------------------------------------
def test_each_fork_has_its_own_reliable_numbers_and_the_last_word_is_the_200s() -> None:
    peer = Peer()
    peer.call()
    invite = peer.sent("INVITE")
    for tag, rseq in (("t1", "10"), ("t2", "5"), ("t1", "10")):
        peer.answer(invite, 183, {"Require": "100rel", "RSeq": rseq, "Record-Route": f"<sip:{tag}.proxy;lr>"}, tag=tag)
    first, second = peer.sent("PRACK"), peer.sent("PRACK")
    assert (first.to_tag, first.get("rack"), first.get("route")) == ("t1", "10 1 INVITE", "<sip:t1.proxy;lr>")
    assert (second.to_tag, second.get("rack"), second.get("route")) == ("t2", "5 1 INVITE", "<sip:t2.proxy;lr>")
    assert not peer.waiting("PRACK")
    peer.answer(invite, 200, {"Record-Route": "<sip:a;lr>, <sip:b;lr>"}, sdp="v=0", tag="t1")
    session = peer.told(ev.Accepted).session
    dialog = peer.ua.export(session)
    assert dialog["remote_tag"] == "t1" and dialog["route_set"] == ["<sip:b;lr>", "<sip:a;lr>"]
    assert dialog["rseqs"] == {"t1": 10, "t2": 5}


@pytest.mark.parametrize("rseq", [1, 999_999_999, 2_147_483_647, 4_294_967_295])
def test_a_reliable_ringing_is_acknowledged_whatever_number_it_has(rseq: int) -> None:
    """RFC 3262 §3: the first one is chosen anywhere below 2^31; and without a PRACK the call ends in half a minute."""
    peer = Peer()
    peer.call()
    peer.answer(peer.sent("INVITE"), 180, {"Require": "100rel", "RSeq": str(rseq)})
    assert peer.sent("PRACK").get("rack") == f"{rseq} 1 INVITE"


@pytest.mark.parametrize("rseq", ["", "x", "4294967296", "9" * 5_000])
def test_a_reliable_number_that_is_none_is_not(rseq: str) -> None:
    peer = Peer()
    peer.call()
    peer.answer(peer.sent("INVITE"), 180, {"Require": "100rel", "RSeq": rseq})
    assert not peer.waiting("PRACK")


def test_a_200_that_says_nothing_again_means_what_its_phone_has_said_early() -> None:
    """RFC 3261 §13.2.1; of several phones it is the one that answers."""
    peer = Peer()
    session = peer.call()
    invite = peer.sent("INVITE")
    for tag, sdp in (("t1", "v=0 one"), ("t2", "v=0 two"), ("t1", "v=0 one, later"), ("t3", "")):
        peer.answer(invite, 183, {"Require": "100rel", "RSeq": str(len(peer.wire_log))}, sdp=sdp, tag=tag)
    peer.answer(invite, 200, tag="t1")
    assert peer.told(ev.Accepted).sdp == "v=0 one, later"
    assert peer.ua.export(session)["remote_sdp"] == "v=0 one, later"


def test_so_many_phones_as_one_likes_may_ring_little_is_kept() -> None:
    peer = Peer()
    session = peer.call()
    invite = peer.sent("INVITE")
    for n in range(1000):
        peer.answer(invite, 183, sdp=f"v=0 {n}", tag=f"t{n}")
    assert len(peer.ua._sessions[session].said_early) <= EARLY_KEPT
    peer.answer(invite, 200, tag="t1")
    assert peer.told(ev.Accepted).sdp == ""


def test_a_fork_that_answers_after_the_call_is_over_does_not_wait_for_anybody() -> None:
    peer = Peer()
    session = peer.call()
    invite = peer.sent("INVITE")
    peer.answer(invite, 200, sdp="v=0")
    peer.ua.ack(session, now=peer.now)
    peer.ua.bye(session, now=peer.now)
    peer.answer(peer.sent("BYE"), 200)
    for _ in range(3):
        peer.answer(invite, 200, sdp="v=0", tag="late")
    acks = [data for data in peer.wire_log if data.startswith(b"ACK") and b"tag=late" in data]
    assert len(acks) == 3 and len(set(acks)) == 1
    assert peer.number("BYE") == 2 and idle_after_a_minute(peer)


def test_a_repeated_200_is_acked_with_the_same_ack() -> None:
    peer = Peer()
    session = peer.call()
    invite = peer.sent("INVITE")
    peer.answer(invite, 200, sdp="v=0")
    peer.answer(invite, 200, sdp="v=0")
    assert peer.count(ev.Accepted) == 1 and not peer.waiting("ACK")
    peer.ua.ack(session, now=peer.now)
    peer.answer(invite, 200, sdp="v=0")
    acks = [data for data in peer.wire_log if data.startswith(b"ACK")]
    assert len(acks) == 2 and acks[0] == acks[1]


# -- glare and overlap -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("role", "least", "most"), [("uac", 2.1, 4.0), ("uas", 0.0, 2.0)])
def test_the_owner_of_the_call_id_waits_longer(role: str, least: float, most: float) -> None:
    peer = Peer()
    session = peer.talk() if role == "uac" else peer.called()[0]
    peer.ua.reinvite(session, "v=0 mine", now=peer.now)
    refused = peer.now
    peer.answer(peer.sent("INVITE"), 491)
    while not peer.waiting("INVITE"):
        peer.run(0.05)
    assert least <= peer.now - refused <= most + 0.1
    again = peer.sent("INVITE")
    assert again.body == b"v=0 mine"
    peer.answer(again, 200, sdp="v=0 his")
    assert peer.told(ev.OfferAnswered).sdp == "v=0 his"


def test_glare_for_ever_is_given_up() -> None:
    peer = Peer()
    session = peer.talk()
    peer.ua.reinvite(session, "v=0", now=peer.now)
    for _ in range(200):
        peer.run(0.5)
        if peer.waiting("INVITE"):
            peer.answer(peer.sent("INVITE"), 491)
    assert peer.told(ev.OfferRefused).code == 491 and peer.number("INVITE") == MAX_RETRIES + 2


def test_500_with_retry_after_is_tried_again_without_it_is_not() -> None:
    peer = Peer()
    session = peer.talk()
    peer.ua.reinvite(session, "v=0 one", now=peer.now)
    peer.answer(peer.sent("INVITE"), 500, {"Retry-After": "1"})
    peer.run(1.1)
    peer.answer(peer.sent("INVITE"), 500)
    assert peer.told(ev.OfferRefused).code == 500


def test_offers_meet_and_so_does_an_update() -> None:
    peer = Peer()
    session = peer.talk()
    peer.ua.request(session, "UPDATE", b"v=0 ours", "application/sdp", now=peer.now)
    peer.sent("UPDATE")
    peer.ask("INVITE", sdp="v=0 his")
    assert peer.sent(491)
    peer.ask("UPDATE", sdp="v=0 his")
    assert peer.sent(491)
    peer.ask("UPDATE")  # no offer: nothing meets
    assert peer.sent(200) and peer.count(ev.Offer) == 0
    assert not peer.ua.reinvite(session, "v=0", now=peer.now)


def test_an_offer_that_meets_491_while_his_is_being_answered_waits() -> None:
    peer = Peer()
    session = peer.talk()
    peer.ua.reinvite(session, "v=0 mine", now=peer.now)
    peer.answer(peer.sent("INVITE"), 491)
    peer.ask("INVITE", sdp="v=0 his")
    peer.run(10)
    assert not peer.waiting("INVITE")
    peer.ua.answer_offer(session, "v=0 ok", now=peer.now)
    peer.ask("ACK", seq=peer.seq)
    peer.run(2)
    assert peer.sent("INVITE").body == b"v=0 mine"


def test_after_our_answer_a_new_offer_stands_for_its_ack() -> None:
    """The two came by different workers of the edge (RFC 5407 §3.1.4)."""
    peer = Peer()
    session = peer.talk()
    peer.ask("INVITE", sdp="v=0 hold")
    peer.ua.answer_offer(session, "v=0 held", now=peer.now)
    assert peer.sent(200).body == b"v=0 held"
    peer.ask("INVITE", sdp="v=0 resume")
    assert peer.told(ev.Offer).sdp == "v=0 resume"
    peer.ask("ACK", seq=peer.seq - 1)
    peer.ua.answer_offer(session, "v=0 resumed", now=peer.now)
    assert peer.sent(200).body == b"v=0 resumed"


def test_after_our_offer_nothing_new_before_the_ack_that_answers_it() -> None:
    peer = Peer()
    session = peer.talk()
    peer.ask("INVITE")
    peer.ua.answer_offer(session, "v=0 mine", now=peer.now)
    peer.ask("INVITE", sdp="v=0 resume")
    assert peer.sent(500).get("retry-after").isdigit()


# -- the end -----------------------------------------------------------------------------------------------------------
def test_both_hang_up_at_once() -> None:
    peer = Peer()
    session = peer.talk()
    peer.ua.bye(session, now=peer.now)
    ours = peer.sent("BYE")
    peer.ask("BYE")
    assert peer.sent(200).cseq[1] == "BYE"
    peer.answer(ours, 481)
    assert peer.count(ev.Ended) == 0 and idle_after_a_minute(peer)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "INFO", "REFER", "OPTIONS", "NOTIFY"])
def test_whatever_comes_after_our_bye_is_told_that_there_is_no_call(method: str) -> None:
    peer = Peer()
    session = peer.talk()
    peer.ua.bye(session, now=peer.now)
    peer.sent("BYE")
    peer.ask(method, {"Refer-To": "<sip:x@y>"}, sdp="v=0 late")
    assert peer.sent(481).cseq[1] == method
    assert len(peer.log) == 1  # that the call was accepted, nothing else
    assert idle_after_a_minute(peer)


def test_a_bye_while_his_reinvite_waits_for_us() -> None:
    peer = Peer()
    session = peer.talk()
    peer.ask("INVITE", sdp="v=0 hold")
    peer.ask("BYE")
    assert peer.sent(200) and peer.sent(487)
    assert not peer.ua.answer_offer(session, "v=0", now=peer.now)
    assert peer.told(ev.Ended).why == "bye"
    assert not peer.ua.idle
    peer.ask("ACK", seq=peer.seq - 1)
    assert idle_after_a_minute(peer)


def test_our_bye_while_our_reinvite_is_out_and_never_answered() -> None:
    peer = Peer()
    session = peer.talk()
    peer.ua.reinvite(session, "v=0", now=peer.now)
    peer.answer(peer.sent("INVITE"), 100)
    peer.ua.bye(session, now=peer.now)
    peer.answer(peer.sent("BYE"), 200)
    assert idle_after_a_minute(peer)


def test_a_caller_who_says_bye_instead_of_cancel() -> None:
    peer = Peer()
    invite = peer.incoming()
    session = peer.told(ev.Incoming).session
    ringing_tag = peer.ua.export(session)["local_tag"]
    given = {name: invite.all(name) for name in ("from", "call-id", "contact")} | {
        "via": [invite.get("via") + "b"], "to": [f"{invite.get('to')};tag={ringing_tag}"], "cseq": ["101 BYE"],
    }  # fmt: skip
    peer.give(Request(given, b"", "BYE", invite.uri).encode())
    assert peer.sent(200) and peer.sent(487)
    assert peer.told(ev.Cancelled).session == session and idle_after_a_minute(peer)


def test_a_called_phone_that_says_bye_before_its_200_arrived() -> None:
    peer = Peer()
    session = peer.call()
    peer.invite = peer.sent("INVITE")
    peer.answer(peer.invite, 180)
    peer.ask("BYE")
    assert peer.sent(200)
    peer.answer(peer.sent("CANCEL"), 200)
    peer.run(40)
    assert peer.told(ev.Rejected) == ev.Rejected(session, 487, "Request Terminated")
    assert idle_after_a_minute(peer)


def test_a_called_phone_whose_bye_overtakes_its_200_is_not_there() -> None:
    peer = Peer()
    session = peer.call()
    peer.invite = peer.sent("INVITE")
    peer.answer(peer.invite, 180)
    peer.ask("BYE")
    peer.answer(peer.invite, 200, sdp="v=0 answer")
    assert peer.sent("ACK")
    peer.answer(peer.sent("BYE"), 481)
    assert peer.told(ev.Rejected) == ev.Rejected(session, 487, "Request Terminated")
    assert peer.count(ev.Accepted) == 0 and idle_after_a_minute(peer)


def test_a_bye_that_nobody_answers_is_given_up() -> None:
    peer = Peer()
    peer.ua.bye(peer.talk(), now=peer.now)
    peer.run(33)
    assert 8 <= sum(data.startswith(b"BYE") for data in peer.wire_log) <= 12
    assert peer.ua.idle is False or peer.ua.deadline() is None
    assert idle_after_a_minute(peer)


def test_an_error_that_is_repeated_is_acked_again_and_told_once() -> None:
    peer = Peer()
    peer.call()
    invite = peer.sent("INVITE")
    for _ in range(3):
        peer.answer(invite, 486, {"Reason": "Q.850;cause=17"})
    assert sum(data.startswith(b"ACK") for data in peer.wire_log) == 3
    assert peer.count(ev.Rejected) == 1 and peer.told(ev.Rejected).headers["reason"] == ["Q.850;cause=17"]


# -- what is asked of us ----------------------------------------------------------------------------------------------
def test_out_of_order() -> None:
    peer = Peer()
    peer.talk()
    peer.ask("INFO", seq=50)
    assert peer.sent(200)
    peer.ask("INFO", seq=49)
    assert peer.sent(500)


@pytest.mark.parametrize(("method", "code"), [("PRACK", 481), ("PUBLISH", 405), ("SUBSCRIBE", 405), ("MESSAGE", 200)])
def test_other_methods(method: str, code: int) -> None:
    peer = Peer()
    session = peer.talk()
    peer.ask(method, {"Content-Type": "text/plain"}, b"hello")
    assert peer.sent(code)
    if method == "MESSAGE":
        assert peer.told(ev.Text) == ev.Text(session, "text/plain", b"hello")


def test_what_we_cannot_do_is_named() -> None:
    peer = Peer()
    peer.incoming({"Require": "path, 100rel, timer, precondition"})
    assert peer.sent(420).get("unsupported").partition(",")[0] == "path"
    peer.incoming({"Content-Type": "application/isup"}, sdp="")
    assert peer.told(ev.Incoming).sdp == ""  # no body, whatever its type


PLAIN = "sip:8001@10.0.0.9:5060"
CONTACTS = {  # as real phones write them -> the URI in it
    f"<{PLAIN}>": PLAIN,
    PLAIN: PLAIN,
    f"{PLAIN};expires=60": PLAIN,
    f'{PLAIN};+sip.instance="<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"': PLAIN,
    f'<{PLAIN}>;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"': PLAIN,
    f'<{PLAIN};transport=tcp>;reg-id=1;+sip.instance="<urn:uuid:f81d4fae>"': f"{PLAIN};transport=tcp",
    f'<{PLAIN}>;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel";audio': PLAIN,
    f'"8001" <{PLAIN}>;+u.sip!devicename.ccm.cisco.com="SEP00070E16DCBA"': PLAIN,
    f'"8001 \\"<sip:1@x>\\" of us"<{PLAIN}>;q="1"': PLAIN,
    f'Zhang San <{PLAIN}>;methods="INVITE,ACK,BYE"': PLAIN,
    f'O"Brien <{PLAIN}>': PLAIN,
    f"<{PLAIN}": PLAIN,
}


@pytest.mark.parametrize("contact", CONTACTS)
def test_a_peer_is_asked_at_his_contact_whatever_parameters_it_has(contact: str) -> None:
    peer = Peer()
    peer.incoming(Contact=contact)
    peer.ua.accept(peer.told(ev.Incoming).session, "v=0 answer", now=peer.now)
    ours = peer.sent(200)
    peer.invite = Request({"from": [ours.get("to")], "to": [ours.get("from")], "call-id": [ours.call_id]}, b"", "", "")
    peer.ask("ACK", seq=peer.seq)
    peer.ua.bye(peer.told(ev.Incoming).session, now=peer.now)
    assert peer.sent("BYE").uri == CONTACTS[contact]
    peer = Peer()
    session = peer.call()
    peer.answer(peer.sent("INVITE"), 200, {"Contact": contact}, sdp="v=0 answer")
    peer.ua.ack(session, now=peer.now)
    assert peer.sent("ACK").uri == CONTACTS[contact]


@pytest.mark.parametrize("contact", ["", "<>", "<sip:a b@c>", "*", "<sip:>", "x", '<sip:a"b@c>'])
def test_a_caller_who_cannot_be_called_back(contact: str) -> None:
    peer = Peer()
    peer.incoming(Contact=contact)
    assert peer.sent(400) and peer.count(ev.Incoming) == 0


def test_a_body_that_is_no_description() -> None:
    peer = Peer()
    session = peer.talk()
    peer.ask("INVITE", {"Content-Type": "application/isup"}, b"\x01\x02")
    assert peer.sent(415).get("accept") == "application/sdp"
    assert peer.ua.bye(session, now=peer.now)


def test_a_description_among_other_parts() -> None:
    peer = Peer()
    body = (
        b"--b1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\no=x\r\n\r\n"
        b"--b1\r\nContent-Type: application/isup\r\n\r\n\x01\r\n--b1--\r\n"
    )
    request = peer.incoming({"Content-Type": 'multipart/mixed; boundary="b1"'}, sdp="")
    assert peer.told(ev.Incoming).sdp == ""
    request.body = body
    request.put("via", request.get("via") + "x")
    request.put("call-id", "other")
    peer.give(request.encode())
    assert peer.told(ev.Incoming).sdp == "v=0\r\no=x\r\n"


# -- where answers go --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("via", "destination"),
    [
        ("10.0.0.2:5060;rport", ("10.0.0.2", 5060)),
        ("192.0.2.1:9;rport", ("10.0.0.2", 5060)),
        ("10.0.0.2:7777", ("10.0.0.2", 7777)),
        ("phone.example.com", ("10.0.0.2", 5060)),  # never looked up
        ("10.0.0.2:99999", ("10.0.0.2", 5060)),
        ("10.0.0.2:0", ("10.0.0.2", 5060)),
        ("10.0.0.2;received=192.0.2.66", ("10.0.0.2", 5060)),
    ],
)
def test_answers_go_to_whom_the_request_came_from(via: str, destination: tuple[str, int]) -> None:
    """RFC 3261 §18.2.2, RFC 3581 §4."""
    peer = Peer()
    peer.ua.receive(
        f"OPTIONS sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP {via};branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
        "To: <sip:x@y>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n".encode(),
        ("10.0.0.2", 5060),
        0.0,
    )
    (sent,) = peer.ua.datagrams()
    assert sent.destination == destination
    if "rport" in via:
        assert b"received=10.0.0.2;rport=5060" in sent.data


# -- large requests ----------------------------------------------------------------------------------------------------
def test_a_large_invite_goes_by_tcp_is_not_repeated_and_its_ack_follows() -> None:
    peer = Peer()
    session = peer.ua.invite("sip:b@10.0.0.2", local="<sip:a@lq>", sdp="v=0\r\n" + "a=x:y\r\n" * 300, now=peer.now)
    invite = peer.sent("INVITE")
    assert peer.transports == ["tcp"] and invite.get("via").startswith("SIP/2.0/TCP 10.0.0.1:5060;")
    peer.run(10)
    assert peer.number("INVITE") == 1 and len(peer.wire_log) == 1
    peer.answer(invite, 180)
    peer.ua.cancel(session, now=peer.now)
    assert peer.sent("CANCEL").get("via") == invite.get("via") and peer.transports[-1] == "tcp"
    peer.answer(invite, 487)
    assert peer.sent("ACK") and peer.transports[-1] == "tcp"


def test_without_a_connection_it_goes_by_udp_after_all() -> None:
    peer = Peer()
    peer.ua.invite("sip:b@10.0.0.2", local="<sip:a@lq>", sdp="v=0\r\n" + "a=x:y\r\n" * 300, now=peer.now)
    first = peer.sent("INVITE")
    peer.ua.broken(("10.0.0.2", 5060), peer.now)
    again = peer.sent("INVITE")
    assert again.get("via").startswith("SIP/2.0/UDP ") and again.branch == first.branch
    peer.run(1.0)
    assert peer.transports == ["tcp", "udp", "udp"]
    peer.answer(again, 200, sdp="v=0")
    assert peer.told(ev.Accepted)


def test_calls_by_tcp_leave_nothing_behind() -> None:
    wire = Wire(transport="tcp")
    ours, _ = wire.talk()
    wire.a.reinvite(ours, "v=0 hold", now=wire.now)
    wire.run()
    wire.b.answer_offer(wire.last("b", ev.Offer).session, "v=0 held", now=wire.now)
    wire.run()
    wire.a.bye(ours, now=wire.now)
    ringing = wire.ring()[0]
    wire.a.cancel(ringing, now=wire.now)
    wire.run(1)
    assert {key[2] for key in wire.a._clients} <= {"INVITE"}  # RFC 6026 alone keeps what was accepted
    wire.run(40)
    assert wire.a.idle and wire.b.idle
    assert not any(b"SIP/2.0/UDP" in data for _, data in wire.seen)


def test_an_update_of_ours_that_is_taken_is_what_we_said_last() -> None:
    peer = Peer()
    session = peer.talk()
    asked = peer.ua.request(session, "UPDATE", b"v=0 new", "application/sdp", now=peer.now)
    peer.answer(peer.sent("UPDATE"), 200, sdp="v=0 his new")
    assert peer.told(ev.RequestDone).id == asked
    dialog = peer.ua.export(session)
    assert (dialog["local_sdp"], dialog["remote_sdp"]) == ("v=0 new", "v=0 his new")
    assert peer.ua.reinvite(session, "v=0", now=peer.now)


def test_who_hangs_up_before_he_has_answered_an_offer_acks_it_first() -> None:
    peer = Peer()
    session = peer.talk()
    peer.ua.reinvite(session, "", now=peer.now)
    peer.answer(peer.sent("INVITE"), 200, sdp="v=0 his")
    peer.ua.bye(session, now=peer.now)
    assert peer.sent("ACK").cseq == (2, "ACK") and peer.sent("BYE")


def test_a_second_way_of_the_same_invite_is_a_loop_for_as_long_as_the_first_lives() -> None:
    peer = Peer()
    request = peer.incoming()
    for n in range(2):
        again = Request(dict(request.headers), request.body, "INVITE", request.uri)
        again.put("via", f"SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKother{n}")
        peer.give(again.encode())
        assert peer.sent(482)
        peer.run(70)
    assert peer.count(ev.Incoming) == 1
    peer.ua.reject(peer.told(ev.Incoming).session, 486, now=peer.now)
    assert idle_after_a_minute(peer)
