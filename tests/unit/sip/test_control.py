"""A phone that takes orders: NOTIFY with Event: talk or hold, while it rings and while it talks."""

from __future__ import annotations

import pytest

from lq.sip import events as ev
from tests.unit.sip.peer import Peer


def ringing(peer: Peer) -> str:
    session = peer.call()
    peer.invite = peer.sent("INVITE")
    peer.answer(peer.invite, 180, {"Allow-Events": "talk, hold"})
    assert peer.told(ev.Progress).headers["allow-events"] == ["talk, hold"]
    return session


def test_a_ringing_phone_is_told_to_answer_and_does() -> None:
    peer = Peer()
    session = ringing(peer)
    asked = peer.ua.notify(session, "talk", now=peer.now)
    notify, invite = peer.sent("NOTIFY"), peer.invite
    assert invite is not None
    assert notify.uri == "sip:peer@10.0.0.2:5060" and notify.to_tag == peer.tag
    assert notify.call_id == invite.call_id and notify.cseq[0] == invite.cseq[0] + 1
    assert (notify.get("event"), notify.get("subscription-state")) == ("talk", "active")
    peer.answer(notify, 200)
    assert peer.told(ev.RequestDone) == ev.RequestDone(session, asked, 200, peer.told(ev.RequestDone).headers, b"")
    peer.answer(invite, 200, sdp="v=0 answer")
    assert peer.told(ev.Accepted).session == session
    peer.ua.ack(session, now=peer.now)
    assert peer.sent("ACK").cseq[0] == invite.cseq[0]  # the INVITE's, whatever was asked meanwhile


def test_nothing_can_be_told_before_the_phone_has_spoken_nor_after_the_end() -> None:
    peer = Peer()
    session = peer.call()
    invite = peer.sent("INVITE")
    assert peer.ua.notify(session, "talk", now=peer.now) == ""
    peer.answer(invite, 100, tag="")
    peer.answer(invite, 486)
    assert peer.ua.notify(session, "talk", now=peer.now) == ""
    assert not peer.waiting("NOTIFY")


@pytest.mark.parametrize("code", [481, 489, 405, 408])
@pytest.mark.parametrize("talks", [False, True])
def test_an_order_that_is_refused_costs_nobody_the_call(code: int, talks: bool) -> None:
    """libre answers a NOTIFY that it knows no subscription of with 481: that is not the dialog's."""
    peer = Peer()
    session = peer.talk() if talks else ringing(peer)
    peer.ua.notify(session, "hold", now=peer.now)
    peer.answer(peer.sent("NOTIFY"), code)
    assert peer.told(ev.RequestDone).code == code
    if not talks:
        assert peer.invite is not None
        peer.answer(peer.invite, 200, sdp="v=0 answer")
        peer.ua.ack(session, now=peer.now)
    assert peer.ua.reinvite(session, "v=0 again", now=peer.now)
    assert peer.count(ev.Ended) == 0


def test_a_refused_order_leaves_a_transfer_its_listener() -> None:
    peer = Peer()
    session = peer.talk()
    peer.ask("REFER", {"Refer-To": "<sip:8002@lq.internal>"})
    peer.answer(peer.sent("NOTIFY"), 200)
    peer.ua.notify(session, "hold", now=peer.now)
    peer.answer(peer.sent("NOTIFY"), 489)
    assert peer.ua.notify_refer(session, 200, "OK", now=peer.now)


def test_a_phone_that_never_says_whether_it_obeys() -> None:
    peer = Peer()
    session = ringing(peer)
    peer.ua.notify(session, "talk", now=peer.now)
    peer.run(33)
    assert peer.told(ev.RequestDone).code == 408
    assert peer.count(ev.Rejected) == 0  # it rings on
