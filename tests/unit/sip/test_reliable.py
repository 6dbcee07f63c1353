"""Peers that require reliable provisional responses of us (RFC 3262)."""

from __future__ import annotations

import pytest

from lq.sip import events as ev
from lq.sip.message import Request, Response
from tests.unit.sip.peer import Peer
from tests.unit.sip.test_takeover import die


class Insisting(Peer):
    """It calls and requires 100rel; its INVITE, our session."""

    def __init__(self, sdp: str = "v=0 offer") -> None:
        super().__init__()
        self.asked = self.incoming({"Require": "100rel"}, sdp)
        self.session = self.told(ev.Incoming).session

    def rings(self, code: int = 180, sdp: str = "") -> None:
        assert self.ua.provisional(self.session, code, sdp, now=self.now)

    def acknowledges(self, ours: Response, rack: str = "", body: str = "") -> int:
        self.invite = Request(
            {"from": [ours.get("to")], "to": [self.asked.get("from")], "call-id": [ours.call_id]}, b"", "INVITE", ""
        )
        self.ask("PRACK", {"RAck": rack or f"{ours.get('rseq')} {self.asked.cseq[0]} INVITE"}, sdp=body)
        self.pump()
        (answer,) = [one for one in self._unread if isinstance(one, Response) and one.cseq[1] == "PRACK"]
        self._unread.remove(answer)
        return answer.code

    @property
    def rang(self) -> list[Response]:
        return [one for one in self._unread if isinstance(one, Response) and one.code == 180]


def test_it_is_told_reliably_that_it_rings() -> None:
    peer = Insisting()
    peer.rings()
    ours = peer.sent(180)
    assert "100rel" in ours.tokens("require") and 0 < int(ours.get("rseq")) < 2**31 and not ours.sdp
    peer.run(4)  # 0.5, 1.5, 3.5
    assert [one.get("rseq") for one in peer.rang] == [ours.get("rseq")] * 3
    assert peer.acknowledges(ours) == 200
    before = len(peer.rang)
    peer.run(30)
    assert len(peer.rang) == before
    assert peer.ua.accept(peer.session, "v=0 answer", now=peer.now)
    assert peer.sent(200).sdp == "v=0 answer"
    peer.ask("ACK", seq=peer.asked.cseq[0])
    assert peer.told(ev.Confirmed).session == peer.session


def test_early_media_is_told_as_ringing_and_once() -> None:
    """A second 1xx would have to wait for the PRACK of the first, and an answer in it would be the answer."""
    peer = Insisting()
    peer.rings(183, "v=0 early")
    assert not peer.sent(180).sdp
    peer.rings()
    peer.rings(183, "v=0 early")
    assert peer.rang == []


def test_the_call_is_answered_before_the_prack() -> None:
    peer = Insisting()
    peer.rings()
    ours = peer.sent(180)
    peer.ua.accept(peer.session, "v=0 answer", now=peer.now)
    peer.sent(200)
    assert peer.acknowledges(ours) == 200
    peer.ask("ACK", seq=peer.asked.cseq[0])
    peer.run(64)
    assert peer.rang == [] and peer.count(ev.Ended) == 0


@pytest.mark.parametrize("rack", ["1 100 INVITE", "nonsense", "99999999999999999999 100 INVITE", "{} 100 UPDATE"])
def test_a_prack_for_something_else(rack: str) -> None:
    peer = Insisting()
    peer.rings()
    ours = peer.sent(180)
    assert peer.acknowledges(ours, rack.format(ours.get("rseq"))) == 481
    peer.run(1)
    assert peer.rang


def test_it_never_acknowledges() -> None:
    """The 180 is repeated for 32 s; the call goes on."""
    peer = Insisting()
    peer.rings()
    peer.sent(180)
    peer.run(120)
    assert len(peer.rang) == 6 and peer.count(ev.Cancelled) == 0
    assert peer.ua.accept(peer.session, "v=0 answer", now=peer.now)


def test_without_an_offer_nothing_is_said_before_the_200() -> None:
    """§5: the offer would have to be in the 180."""
    peer = Insisting(sdp="")
    peer.rings()
    peer.run(5)
    assert peer.rang == []
    peer.ua.accept(peer.session, "v=0 our offer", now=peer.now)
    assert peer.sent(200).sdp


def test_it_hangs_up_while_it_rings() -> None:
    peer = Insisting()
    peer.rings()
    peer.sent(180)
    cancel = Request(dict(peer.asked.headers), b"", "CANCEL", peer.asked.uri)
    cancel.put("cseq", f"{peer.asked.cseq[0]} CANCEL")
    cancel.headers.pop("require")
    peer.give(cancel.encode())
    assert peer.sent(487) and peer.told(ev.Cancelled)
    peer.run(64)
    assert peer.rang == []


def test_who_carries_the_call_on_takes_the_prack() -> None:
    peer = Insisting()
    peer.rings()
    ours = peer.sent(180)
    peer.ua.adopt(die(peer, peer.session), now=peer.now)
    assert peer.acknowledges(ours) == 200
