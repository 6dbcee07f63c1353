"""Sessions that another process carries on, from plain JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lq.sip import events as ev
from lq.sip.takeover import SEQ_LEAP
from tests.unit.sip.peer import Peer


def die(peer: Peer, session: str) -> dict[str, Any]:
    """The process is gone; what it had written."""
    document: dict[str, Any] = json.loads(json.dumps(peer.ua.export(session)))
    peer.ua.forget(session)
    assert peer.ua.export(session) == {}
    return document


def test_a_snapshot_is_small_plain_and_whole() -> None:
    peer = Peer()
    session = peer.talk({"Session-Expires": "1800;refresher=uas"})
    document = peer.ua.export(session)
    assert len(json.dumps(document)) < 1500
    assert json.loads(json.dumps(document)) == document
    adopted = peer.ua.adopt(document, now=peer.now)
    again = peer.ua.export(adopted)
    assert again.pop("local_seq") == document.pop("local_seq") + SEQ_LEAP
    assert again == document


def test_an_older_or_newer_snapshot_is_read() -> None:
    peer = Peer()
    document = die(peer, peer.talk())
    for name in ("interval", "refresher", "expires_at", "min_se", "refers", "first_refer", "rseqs", "account"):
        del document[name]
    document["of the future"] = 1
    session = peer.ua.adopt(document, now=peer.now)
    assert peer.ua.bye(session, now=peer.now)


def test_reliable_answers_that_were_pracked_are_not_again_the_next_one_is() -> None:
    peer = Peer()
    session = peer.call()
    invite = peer.sent("INVITE")
    peer.answer(invite, 183, {"Require": "100rel", "RSeq": "7"})
    peer.sent("PRACK")
    adopted = peer.ua.adopt(die(peer, session), now=peer.now)
    peer.answer(invite, 183, {"Require": "100rel", "RSeq": "7"})
    assert not peer.waiting("PRACK")
    peer.answer(invite, 183, {"Require": "100rel", "RSeq": "8"})
    assert peer.sent("PRACK").get("rack") == "8 1 INVITE"
    peer.ua.cancel(adopted, now=peer.now)
    assert peer.sent("CANCEL").branch == invite.branch


def test_a_session_timer_is_promised_in_the_200_of_the_adopter_too() -> None:
    peer = Peer()
    peer.incoming({"Supported": "timer", "Session-Expires": "600;refresher=uac"})
    adopted = peer.ua.adopt(die(peer, peer.told(ev.Incoming).session), now=peer.now)
    assert peer.ua.accept(adopted, "v=0 answer", now=peer.now)
    answer = peer.sent(200)
    assert answer.get("session-expires") == "600;refresher=uac" and answer.get("require") == "timer"


@pytest.mark.parametrize("offer", ["v=0 offer", ""])
def test_whether_the_ack_owes_an_answer_is_known_after_a_take_over(offer: str) -> None:
    peer = Peer()
    request = peer.incoming(sdp=offer)
    session = peer.told(ev.Incoming).session
    peer.ua.accept(session, "v=0 ours", now=peer.now)
    first = peer.sent(200)
    adopted = peer.ua.adopt(die(peer, session), now=peer.now)
    again = peer.sent(200)
    assert again.body == first.body == b"v=0 ours" and again.to_tag == first.to_tag
    peer.invite = type(request)(
        {"from": [again.get("to")], "to": [request.get("from")], "call-id": [request.call_id]}, b"", "INVITE", ""
    )
    peer.ask("ACK", seq=request.cseq[0], sdp="" if offer else "v=0 his")
    assert peer.told(ev.Confirmed) == ev.Confirmed(adopted, "" if offer else "v=0 his", owed=not offer)


def test_a_reinvite_that_was_answered_for_the_dead_is_acked_by_the_heir() -> None:
    peer = Peer()
    session = peer.talk()
    peer.ua.reinvite(session, "v=0 hold", now=peer.now)
    invite = peer.sent("INVITE")
    adopted = peer.ua.adopt(die(peer, session), now=peer.now)
    ack = peer.sent("ACK")
    assert ack.cseq == (invite.cseq[0], "ACK")  # before anybody asks for it: its 200 went to the dead
    peer.ua.request(adopted, "INFO", now=peer.now)
    assert peer.sent("INFO").cseq[0] > invite.cseq[0] + 900


def test_a_tcp_caller_is_answered_on_a_connection_of_its_own() -> None:
    peer = Peer()
    request = peer.incoming()
    peer.ua.forget(peer.told(ev.Incoming).session)
    request.put("call-id", "by-tcp")
    request.put("via", "SIP/2.0/TCP 10.0.0.2:5080;branch=z9hG4bKtcp")
    peer.give(request.encode(), "tcp")
    adopted = peer.ua.adopt(die(peer, peer.told(ev.Incoming).session), now=peer.now)
    peer.ua.accept(adopted, "v=0", now=peer.now)
    sent = peer.ua.datagrams()[-1]
    assert (sent.transport, sent.fallback) == ("tcp", ("10.0.0.2", 5080))


def test_what_was_dropped_leaves_no_timer() -> None:
    peer = Peer()
    peer.talk()
    for session in list(peer.ua._sessions):
        peer.ua.forget(session)
    ringing = peer.call()
    peer.answer(peer.sent("INVITE"), 180)
    peer.ua.forget(ringing)
    peer.incoming()
    peer.ua.forget(peer.told(ev.Incoming).session)
    peer.run(64)
    assert peer.ua.idle


def test_how_a_transfer_went_is_said_once_more() -> None:
    peer = Peer()
    session = peer.talk()
    peer.ask("REFER", {"Refer-To": "<sip:8002@lq.internal>"})
    peer.answer(peer.sent("NOTIFY"), 200)
    assert peer.ua.notify_refer(session, 200, "OK", now=peer.now) and peer.ua.bye(session, now=peer.now)
    peer.ua.datagrams()  # the process dies before it has sent them
    adopted = peer.ua.adopt(json.loads(json.dumps(peer.ua.export(session))), now=peer.now)
    assert peer.ua.bye(adopted, now=peer.now)
    notify = peer.sent("NOTIFY")
    assert (notify.body, notify.get("event")) == (b"SIP/2.0 200 OK\r\n", "refer")
    assert notify.get("subscription-state") == "terminated;reason=noresource"
    assert notify.cseq[0] < peer.sent("BYE").cseq[0]


@pytest.mark.parametrize(
    ("method", "headers", "code", "told"),
    [
        ("REFER", {"Refer-To": "<sip:8002@lq.internal>"}, 202, 0),
        ("INFO", {"Content-Type": "application/dtmf"}, 200, 0),
        ("BYE", {}, 200, 1),
    ],
)
def test_what_the_dead_process_had_written_and_not_answered(
    method: str, headers: dict[str, str], code: int, told: int
) -> None:
    """The peer says it again. A transfer or a key is not carried out twice; an end is an end."""
    peer = Peer()
    session = peer.talk()
    peer.ask("OPTIONS")
    document = json.loads(json.dumps(peer.ua.export(session)))
    document["remote_seq"] += 1
    document["state"] = "confirmed"
    peer.ua.forget(session)
    peer.ua.adopt(document, now=peer.now)
    peer.log.clear()
    peer.ask(method, headers)
    assert peer.sent(code) and len(peer.log) == told
    if method != "BYE":
        peer.ask(method, headers)
        assert peer.sent(code) and len(peer.log) == 1, "another one is another one"
