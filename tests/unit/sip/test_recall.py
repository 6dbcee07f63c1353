"""A call that nobody has answered and whose process has died: its INVITE comes to the adopter, or was taken back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lq.sip import events as ev
from lq.sip.message import Request, Response
from lq.sip.recall import COMES_S
from tests.unit.sip.peer import Peer
from tests.unit.sip.test_takeover import die


class Edge(Peer):
    """It has sent an INVITE to a process that rang and died; the adopter's session, and what that says first."""

    def __init__(self) -> None:
        super().__init__()
        self.ua.recalls = True
        self.asked = self.incoming()
        session = self.told(ev.Incoming).session
        self.ua.provisional(session, 180, now=self.now)
        self.rang: Response = self.sent(180)
        self.session = self.adopted(die(self, session))
        self.moved: Response = self.sent(302)

    def adopted(self, document: dict[str, Any]) -> str:
        document["asked"]["at"] = "<sip:lq@lq.internal;i=0>"
        return self.ua.adopt(document, now=self.now)

    def follows(self) -> None:
        """The same INVITE on another branch."""
        self.asked = Request(dict(self.asked.headers), self.asked.body, "INVITE", self.asked.uri)
        self.asked.put("via", "SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKelsewhere")
        self.give(self.asked.encode())

    @property
    def moves(self) -> int:
        """How often it was told so once more."""
        return sum(isinstance(message, Response) and message.code == 302 for message in self._unread)

    @property
    def answered(self) -> list[int]:
        """What was said to the INVITE that came to us."""
        heard = [message for message in self._unread if isinstance(message, Response)]
        return [message.code for message in heard if message.branch == "z9hG4bKelsewhere"]


def test_it_is_asked_for_by_name_comes_and_is_answered() -> None:
    edge = Edge()
    assert edge.moved.get("contact") == "<sip:lq@lq.internal;i=1>"
    assert edge.moved.branch == edge.asked.branch and edge.moved.to_tag == edge.rang.to_tag
    edge.follows()
    assert edge.told(ev.Recalled).session == edge.session and edge.count(ev.Incoming) == 1
    edge.run(3)
    assert edge.answered == [100] and edge.count(ev.Cancelled) == 0
    assert edge.ua.accept(edge.session, "v=0 answer", now=edge.now)
    answer = edge.sent(200)
    assert answer.branch == "z9hG4bKelsewhere" and answer.to_tag == edge.rang.to_tag
    edge.invite = Request(
        {"from": [answer.get("to")], "to": [answer.get("from")], "call-id": [answer.call_id]}, b"", "INVITE", ""
    )
    edge.ask("ACK", seq=100)
    assert edge.told(ev.Confirmed).session == edge.session
    edge.ask("BYE")
    assert edge.sent(200) and edge.told(ev.Ended).why == "bye"
    edge.run(64)
    assert edge.ua.idle


def test_what_is_said_of_it_meanwhile_is_said_when_it_is_here() -> None:
    edge = Edge()
    assert edge.ua.provisional(edge.session, 183, "v=0 early", now=edge.now)
    assert edge.ua.accept(edge.session, "v=0 answer", now=edge.now)
    edge.run(0.1)
    assert not edge.answered
    edge.follows()
    assert edge.answered == [100, 183, 200]


def test_a_refusal_meanwhile_is_the_last_word_also_of_an_owner_who_is_gone() -> None:
    edge = Edge()
    edge.ua.provisional(edge.session, 180, now=edge.now)
    assert edge.ua.reject(edge.session, 486, now=edge.now)
    assert not edge.ua.accept(edge.session, "v=0", now=edge.now)
    edge.ua.forget(edge.session)
    edge.follows()
    assert edge.answered == [100, 486] and not edge.count(ev.Recalled)
    edge.run(64)
    assert edge.ua.idle


def test_who_was_to_be_answered_and_is_left_again_is_refused() -> None:
    edge = Edge()
    edge.ua.accept(edge.session, "v=0 answer", now=edge.now)
    assert edge.ua.bye(edge.session, {"Reason": "Q.850;cause=16"}, now=edge.now)
    edge.follows()
    assert edge.answered == [100, 480]
    edge.run(64)
    assert edge.ua.idle


@pytest.mark.parametrize("answered", [False, True])
def test_it_was_taken_back(answered: bool) -> None:
    """The edge knows, and sends nothing. Whom the owner has answered meanwhile has ended his call."""
    edge = Edge()
    if answered:
        edge.ua.accept(edge.session, "v=0 answer", now=edge.now)
    edge.run(COMES_S - 0.1)
    assert not edge.count(ev.Cancelled) + edge.count(ev.Ended)
    edge.run(0.2)
    assert (edge.count(ev.Cancelled), edge.count(ev.Ended)) == (not answered, answered)
    edge.run(64)
    assert edge.ua.idle and not edge.ua._recalled


def test_an_edge_that_does_not_hear_us_is_told_again_until_it_has() -> None:
    edge = Edge()
    edge.run(3.6)
    assert edge.moves == 3
    edge.follows()
    edge.run(64)
    assert edge.moves == 3 and edge.count(ev.Recalled) == 1 and not edge.count(ev.Cancelled)


def test_the_adopter_dies_before_it_has_come() -> None:
    edge = Edge()
    edge.ua.accept(edge.session, "v=0 answer", now=edge.now)
    edge.adopted(die(edge, edge.session))
    assert edge.sent(302).branch == edge.asked.branch
    edge.follows()
    assert edge.answered == [100, 200]


def test_the_adopter_dies_when_it_has_come() -> None:
    edge = Edge()
    edge.follows()
    edge.adopted(die(edge, edge.session))
    assert edge.sent(302).branch == "z9hG4bKelsewhere"


def test_a_process_that_takes_back_its_own_has_it_still() -> None:
    """It was to be handed over, and that failed."""
    peer = Peer()
    peer.ua.recalls = True
    peer.incoming()
    session = peer.ua.adopt(die(peer, peer.told(ev.Incoming).session), now=peer.now)
    assert peer.ua.accept(session, "v=0 answer", now=peer.now) and peer.sent(200)


def test_what_came_is_taken_back_later() -> None:
    edge = Edge()
    edge.follows()
    given = {name: edge.asked.all(name) for name in ("via", "from", "to", "call-id")} | {"cseq": ["100 CANCEL"]}
    edge.give(Request(given, b"", "CANCEL", edge.asked.uri).encode())
    assert edge.sent(487).branch == "z9hG4bKelsewhere"
    assert edge.told(ev.Cancelled).session == edge.session


def test_what_is_taken_back_waits_to_be_written_down() -> None:
    peer = Peer()
    peer.ua.keeps_answers = True
    invite = peer.incoming()
    session = peer.told(ev.Incoming).session
    peer.sent(100)
    given = {name: invite.all(name) for name in ("via", "from", "to", "call-id")} | {"cseq": ["100 CANCEL"]}
    peer.give(Request(given, b"", "CANCEL", invite.uri).encode())
    assert peer.told(ev.Cancelled).session == session and not peer._unread
    said = [datagram.data.split(b"\r\n")[0] for datagram in peer.ua.answers(session)]
    assert said == [b"SIP/2.0 200 OK", b"SIP/2.0 487 Request Terminated"]
    peer.give(Request(given, b"", "CANCEL", invite.uri).encode())
    assert peer.sent(200).cseq[1] == "CANCEL"  # who asks again hears at once


def test_what_was_taken_back_and_not_answered_is_answered_by_the_edge() -> None:
    """The process had written that down, and died then: its contact is being ended, and asks once more."""
    peer = Peer()
    peer.ua.keeps_answers = peer.ua.recalls = True
    invite = peer.incoming()
    given = {name: invite.all(name) for name in ("via", "from", "to", "call-id")} | {"cseq": ["100 CANCEL"]}
    peer.give(Request(given, b"", "CANCEL", invite.uri).encode())
    unsaid = json.loads(json.dumps(peer.told(ev.Cancelled).unsaid))
    unsaid["asked"]["at"] = "<sip:lq@lq.internal;i=0>"
    adopted = peer.ua.adopt(unsaid, now=peer.now)
    assert peer.ua.bye(adopted, now=peer.now)
    assert peer.sent(302).call_id == invite.call_id
    peer.run(64)
    assert peer.count(ev.Cancelled) == 1 and not peer.count(ev.Ended) and peer.ua.idle
