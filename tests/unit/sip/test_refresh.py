"""Session timers (RFC 4028), each role; hours pass in a millisecond."""

from __future__ import annotations

import json

import pytest

from lq.sip import events as ev
from lq.sip.agent import UserAgent
from tests.unit.sip.peer import Peer
from tests.unit.sip.wire import Wire

TIMER = {"Supported": "timer"}


def test_two_that_know_timers_refresh_for_ever_and_one_that_vanishes_is_found_out() -> None:
    wire = Wire()
    ours, theirs = wire.talk()
    wire.run(4 * 3600)
    updates = sum(line.startswith("UPDATE") for line in wire.lines())
    assert 14 <= updates <= 17  # each half of 1800 s
    assert wire.count("a", ev.Ended) == wire.count("b", ev.Ended) == 0
    wire.loss = 1.0
    wire.run(1900)
    assert wire.last("a", ev.Ended) == ev.Ended(ours, "", "timeout")
    assert wire.last("b", ev.Ended) == ev.Ended(theirs, "", "timeout")
    wire.run(64)
    assert wire.a.idle and wire.b.idle


# -- we are called -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("headers", "granted", "required"),
    [
        ({}, "", ""),
        (TIMER, "1800;refresher=uas", "timer"),
        (TIMER | {"Session-Expires": "600"}, "600;refresher=uas", "timer"),
        (TIMER | {"Session-Expires": "600;refresher=uas"}, "600;refresher=uas", "timer"),
        ({"k": "timer", "x": "600;refresher=uac"}, "600;refresher=uac", "timer"),
        ({"Session-Expires": "600"}, "600;refresher=uas", ""),  # a proxy's wish; the caller knows nothing of it
        ({"Session-Expires": "30"}, "90;refresher=uas", ""),
        (TIMER | {"Session-Expires": "600", "Min-SE": "900"}, "900;refresher=uas", "timer"),
        (TIMER | {"Session-Expires": "999999999"}, "86400;refresher=uas", "timer"),
        (TIMER | {"Session-Expires": "soon"}, "1800;refresher=uas", "timer"),
    ],
)
def test_what_our_200_grants(headers: dict[str, str], granted: str, required: str) -> None:
    _, answer = Peer().called(headers)
    assert (answer.get("session-expires"), answer.get("require")) == (granted, required)


def test_an_interval_below_the_minimum_is_refused_before_anybody_hears_of_it() -> None:
    peer = Peer()
    peer.incoming(TIMER | {"Session-Expires": "60"})
    assert peer.sent(422).get("min-se") == "90"
    assert peer.count(ev.Incoming) == 0
    peer.run(64)
    assert peer.ua.idle


def test_a_caller_who_does_not_refresh_is_hung_up_before_the_session_expires() -> None:
    peer = Peer()
    session, _ = peer.called(TIMER | {"Session-Expires": "600;refresher=uac"})
    peer.run(560)
    peer.ask("UPDATE", TIMER | {"Session-Expires": "600;refresher=uac"})
    assert peer.sent(200).get("session-expires") == "600;refresher=uac"
    peer.run(567)
    assert peer.count(ev.Ended) == 0
    peer.run(2)  # 600 - 32
    assert peer.told(ev.Ended) == ev.Ended(session, "", "timeout")
    assert "Session not refreshed" in peer.sent("BYE").get("reason")


def test_a_caller_whose_later_invite_wants_no_timer_has_none() -> None:
    peer = Peer()
    session, _ = peer.called(TIMER | {"Session-Expires": "600;refresher=uac"})
    peer.ask("INVITE", sdp="v=0 hold")
    peer.ua.answer_offer(session, "v=0 held", now=peer.now)
    assert peer.sent(200).get("session-expires") == ""
    peer.ask("ACK", seq=peer.seq)
    peer.run(7200)
    assert peer.count(ev.Ended) == 0


# -- we call -----------------------------------------------------------------------------------------------------------
def test_our_invite_proposes() -> None:
    peer = Peer()
    peer.call()
    invite = peer.sent("INVITE")
    assert invite.get("session-expires") == "1800;refresher=uac" and "timer" in invite.tokens("supported")


def test_a_peer_that_is_to_refresh_and_does_not_is_hung_up() -> None:
    peer = Peer()
    session = peer.talk({"Session-Expires": "300;refresher=uas", "Require": "timer"})
    peer.run(269)
    assert peer.count(ev.Ended) == 0
    peer.run(2)
    assert peer.told(ev.Ended).session == session


def test_we_refresh_by_update_where_it_is_allowed_else_by_invite_with_the_same_sdp() -> None:
    peer = Peer()
    peer.talk({"Session-Expires": "300;refresher=uac", "Allow": "INVITE, UPDATE"})
    peer.run(150.1)
    update = peer.sent("UPDATE")
    assert update.get("session-expires") == "300;refresher=uac" and not update.body
    peer.answer(update, 501)
    invite = peer.sent("INVITE")  # it was not meant, after all
    assert invite.body == b"v=0 offer" and invite.get("session-expires") == "300;refresher=uac"
    peer.answer(invite, 200, {"Session-Expires": "300;refresher=uac"}, sdp="v=0 answer")
    peer.sent("ACK")
    peer.run(150.1)
    peer.answer(peer.sent("INVITE"), 200, {"Session-Expires": "300;refresher=uac"}, sdp="v=0 moved")
    assert peer.told(ev.OfferAnswered).sdp == "v=0 moved" and peer.count(ev.OfferAnswered) == 1


@pytest.mark.parametrize("code", [400, 403, 404, 405, 415, 420, 488, 500, 501, 503])
def test_a_refused_update_is_followed_by_an_invite_at_once(code: int) -> None:
    """Who refuses UPDATE alone, whatever he says of it, would let the session run out."""
    peer = Peer()
    peer.talk({"Session-Expires": "300;refresher=uac", "Allow": "INVITE, UPDATE"})
    for _ in range(10):
        peer.run(150.1)
        if peer.waiting("UPDATE"):
            peer.answer(peer.sent("UPDATE"), code)
        peer.answer(peer.sent("INVITE"), 200, {"Session-Expires": "300;refresher=uac"}, sdp="v=0 answer")
        peer.sent("ACK")
    assert peer.number("UPDATE") == 1 and peer.count(ev.Ended) == 0


def test_an_update_that_meets_an_offer_is_made_again() -> None:
    peer = Peer()
    peer.talk({"Session-Expires": "300;refresher=uac", "Allow": "INVITE, UPDATE"})
    peer.run(150.1)
    peer.answer(peer.sent("UPDATE"), 491)
    peer.run(5)
    assert peer.sent("UPDATE") and not peer.waiting("INVITE")


@pytest.mark.parametrize("code", [404, 486, 488, 491, 500, 503])
def test_a_refused_refresh_proves_that_the_peer_lives(code: int) -> None:
    peer = Peer()
    peer.talk({"Session-Expires": "300;refresher=uac"})
    for _ in range(500):
        peer.run(5)
        while peer.waiting("INVITE"):
            peer.answer(peer.sent("INVITE"), code)
    assert peer.count(ev.Ended) == peer.count(ev.OfferRefused) == 0
    assert peer.number("INVITE") > 10


@pytest.mark.parametrize(("called", "after", "before"), [(False, 2.1, 4.0), (True, 0.0, 2.0)])
def test_a_refresh_that_meets_the_peers_invite_comes_again_when_his_does_not(
    called: bool, after: float, before: float
) -> None:
    """RFC 3261 §14.1: later who owns the Call-ID."""
    pauses = []
    for _ in range(20):
        peer = Peer()
        if called:
            peer.called(TIMER | {"Session-Expires": "300;refresher=uas"})
        else:
            peer.talk({"Session-Expires": "300;refresher=uac"})
        peer.ua.rng.seed(len(pauses))
        peer.run(150.1)
        peer.answer(peer.sent("INVITE"), 491)
        began = peer.now
        while not peer.waiting("INVITE"):
            peer.run(0.01)
        pauses.append(peer.now - began)
    assert after <= min(pauses) < max(pauses) <= before + 0.02
    assert max(pauses) - min(pauses) > 1


@pytest.mark.parametrize(("code", "why"), [(481, "481"), (408, "timeout")])
def test_408_and_481_end_the_call(code: int, why: str) -> None:
    peer = Peer()
    peer.talk({"Session-Expires": "300;refresher=uac", "Allow": "UPDATE"})
    peer.run(150.1)
    peer.answer(peer.sent("UPDATE"), code)
    assert peer.told(ev.Ended).why == why
    assert peer.waiting("BYE") == (code == 408)
    peer.run(64)
    assert peer.ua.idle


def test_422_to_our_invite_and_to_our_refresh() -> None:
    peer = Peer()
    session = peer.call()
    first = peer.sent("INVITE")
    peer.answer(first, 422, {"Min-SE": "3600"})
    peer.invite = second = peer.sent("INVITE")
    assert (second.get("session-expires"), second.get("min-se"), second.cseq[0]) == ("3600;refresher=uac", "3600", 2)
    assert second.call_id == first.call_id
    peer.answer(second, 200, {"Session-Expires": "3600;refresher=uac", "Allow": "UPDATE"}, sdp="v=0")
    peer.ua.ack(session, now=peer.now)
    peer.run(1800.1)
    peer.answer(peer.sent("UPDATE"), 422, {"Min-SE": "7200"})
    again = peer.sent("UPDATE")
    assert again.get("session-expires") == "7200;refresher=uac" and again.get("min-se") == "7200"


def test_422_for_ever_ends() -> None:
    peer = Peer()
    peer.call()
    for _ in range(10):
        if peer.waiting("INVITE"):
            peer.answer(peer.sent("INVITE"), 422, {"Min-SE": "2000"})
    assert peer.told(ev.Rejected).code == 422 and peer.number("INVITE") == 2


def test_a_tiny_interval_does_not_make_us_flood() -> None:
    peer = Peer()
    peer.talk({"Session-Expires": "1;refresher=uac", "Allow": "UPDATE"})
    peer.run(44)
    assert peer.number("UPDATE") == 0


def test_a_refresh_waits_for_an_offer_on_its_way() -> None:
    peer = Peer()
    session = peer.talk({"Session-Expires": "300;refresher=uac", "Allow": "UPDATE"})
    peer.run(149)
    peer.ask("INVITE", sdp="v=0 hold")
    peer.run(3)
    assert peer.number("UPDATE") == 0
    peer.ua.answer_offer(session, "v=0 held", now=peer.now)
    peer.ask("ACK", seq=peer.seq)
    assert peer.count(ev.Ended) == 0


# -- taken over --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("refresher", ["uac", "uas"])
def test_the_timer_survives_a_take_over_whatever_the_adopters_clock_shows(refresher: str) -> None:
    peer = Peer()
    peer.ua.epoch = 1_000_000.0
    session = peer.talk({"Session-Expires": f"300;refresher={refresher}", "Allow": "UPDATE"})
    document = json.loads(json.dumps(peer.ua.export(session)))
    heir = UserAgent(via="10.0.0.3:5060", contact="<sip:lq@lq>", next_hop=("10.0.0.2", 5060), rng=peer.ua.rng)
    heir.epoch = 999_000.0  # its clock shows 1000 s more
    now = peer.now + 1000 + 100
    adopted = heir.adopt(document, now=now)
    due = heir.deadline()
    assert due is not None
    expected = 150 if refresher == "uac" else 300 - 30
    assert due - 1000 == pytest.approx(expected, abs=1)
    heir.datagrams()
    heir.timeout(due)
    first = heir.datagrams()[0].data
    assert first.startswith(b"UPDATE" if refresher == "uac" else b"BYE") and adopted
