"""What the SIP desk keeps of a contact's sessions, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast
from urllib.parse import unquote

import pytest

from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.sip_desk import SipDesk, dialled
from lq.contacts.tags import contact_of, leg_of, tag_of
from lq.sip import events as sip
from lq.sip.agent import Datagram, UserAgent
from lq.sip.message import Request, parse, without_tag
from lq.sip.transaction import Transport
from tests.unit.contacts.test_advance import Life
from tests.unit.sip.peer import THEM, Peer

CONTACT = "01935c2e-7a10-7000-8000-000000000001"


class FakeAgent:
    def request(self, session: str, method: str, *, now: float) -> str:
        return f"{session}'s"

    def forget(self, session: str) -> None:
        pass

    def datagrams(self) -> list[Any]:
        return []

    def answers(self, session: str) -> list[Any]:
        return []


@pytest.fixture
def desk() -> SipDesk:
    desk = SipDesk(cast(UserAgent, FakeAgent()), lambda datagrams: None, lambda: 0.0)
    desk.take("c1", 2, "s2")
    desk.perform(Life().talking().contact, [do.Probe(2)])
    return desk


@pytest.mark.parametrize(("code", "ends"), [(200, False), (408, True), (481, True), (500, False)])
def test_a_probe_ends_a_leg_whose_dialog_is_gone(desk: SipDesk, code: int, ends: bool) -> None:
    told: list[inputs.Input] = []
    desk.deliver = lambda contact, given: told.append(given) is None
    desk.happened(sip.RequestDone("s2", "another's", 481, {}, b""))
    assert told == []
    desk.happened(sip.RequestDone("s2", "s2's", code, {}, b""))
    assert [type(given) for given in told] == ([inputs.Ended] if ends else [])
    assert not desk._probes


def test_a_probe_whose_contact_is_gone_is_forgotten(desk: SipDesk) -> None:
    desk.forget("c1")
    assert not desk._probes


def test_a_probe_whose_dialog_ended_first_is_forgotten(desk: SipDesk) -> None:
    desk.deliver = lambda contact, given: True
    desk.happened(sip.Ended("s2", "", "bye"))
    assert not desk._probes


class Desk(Peer):
    """A real user agent, whose session is leg 2 of a contact."""

    def __init__(self, talks: bool) -> None:
        super().__init__()
        self.ua.keeps_answers = True
        self.given: list[inputs.Input] = []
        self.desk = SipDesk(self.ua, self.queue, lambda: self.now)
        self.desk.deliver = lambda contact, given: self.given.append(given) is None
        self.contact = Life().talking().contact
        session = self.talk() if talks else self.call()
        self.desk.take(self.contact.id, 2, session)
        if not talks:
            self.invite = self.sent("INVITE")

    def do(self, *effects: do.Effect) -> None:
        self.desk.send(self.desk.perform(self.contact, effects))
        self.pump()

    def queue(self, datagrams: Sequence[Datagram]) -> None:
        """They leave at once, as from the shell: before what waits in the user agent."""
        for datagram in (*datagrams, *self.ua.datagrams()):
            self.ua.queue(datagram.session or "", datagram.data, datagram.destination, datagram.transport)

    def pump(self) -> None:
        super().pump()
        while self.log:
            self.desk.happened(self.log.pop(0))
        super().pump()


def _said(version: int, direction: str) -> str:
    lines = ("v=0", f"o=- 7 {version} IN IP4 10.0.0.1", "s=-", "c=IN IP4 10.0.0.1", "t=0 0")
    return "\r\n".join((*lines, "m=audio 4000 RTP/AVP 8", f"a={direction}", "m=video 0 RTP/AVP 96", ""))


@pytest.mark.parametrize(("he", "we"), [("sendonly", "recvonly"), ("inactive", "inactive"), ("sendrecv", "sendrecv")])
def test_a_phone_that_asks_what_we_offer_may_resume(he: str, we: str) -> None:
    """It held us, and what we have said last is an answer to that: to offer it again would hold it for ever."""
    peer = Desk(talks=True)
    peer.ask("INVITE", sdp=_said(5, he))
    peer.do(do.AnswerOffer(2, _said(2, we)))
    assert peer.sent(200).sdp == _said(2, we)
    peer.ask("ACK", seq=peer.seq)
    peer.ask("INVITE")
    assert peer.given[-1] == inputs.Reoffered(2, "")
    peer.do(do.AnswerOffer(2, ""))
    version = 2 if we == "sendrecv" else 3
    assert peer.sent(200).sdp == _said(version, "sendrecv")
    peer.ask("ACK", seq=peer.seq, sdp=_said(6, "sendrecv"))
    assert peer.given[-1] == inputs.Confirmed(2, _said(6, "sendrecv"), owed=True)
    peer.do(do.AnswerOffer(2, _said(3, "recvonly")))  # for nobody; it may fail as well
    peer.ask("INVITE", sdp=_said(7, "sendonly"))
    peer.do(do.AnswerOffer(2, _said(version, "recvonly")))
    assert peer.sent(200).sdp == _said(version + 1, "recvonly")
    peer.ask("ACK", seq=peer.seq)
    peer.do(do.Reoffer(2, _said(1, "sendrecv")))
    assert peer.sent("INVITE").sdp == _said(version + 2, "sendrecv")


def test_a_phone_that_says_so_is_told_to_answer_and_what_it_says_is_told() -> None:
    peer = Desk(talks=False)
    assert peer.invite is not None
    peer.answer(peer.invite, 100, tag="")
    peer.do(do.AnswerPhone(2, "early"))
    peer.answer(peer.invite, 180, {"Allow-Events": "conference,Talk, hold"})
    assert [given for given in peer.given if given != inputs.Progress(2, 100)] == [
        inputs.PhoneTold(2, "early", 0),
        inputs.Progress(2, 180, talks=True),
    ]
    peer.do(do.AnswerPhone(2, "a"), do.AnswerPhone(2, "b"))
    first, second = peer.sent("NOTIFY"), peer.sent("NOTIFY")
    peer.answer(second, 481)
    peer.answer(first, 200)
    assert peer.given[-2:] == [inputs.PhoneTold(2, "b", 481), inputs.PhoneTold(2, "a", 200)]
    peer.do(do.AnswerPhone(2, "c"))
    peer.answer(peer.invite, 486)  # who waits for what it says to the last order is told as well
    assert peer.given[-2:] == [inputs.Rejected(2, 486), inputs.PhoneTold(2, "c", 0)]
    assert not peer.desk._told


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("Q.850;cause=17", 17),
        ('Q.850;text="busy";cause=17', 17),
        ('SIP;cause=486;text="Q.850;cause=16"', 0),
        ("Q.850;cause=999", 0),
        ("SIP;cause=200, Q.850;cause=26", 26),
    ],
)
def test_a_reason_is_read_as_rfc_3326_has_it(reason: str, cause: int) -> None:
    refused, left = Desk(talks=False), Desk(talks=True)
    assert refused.invite is not None
    refused.answer(refused.invite, 603, {"Reason": reason})
    left.ask("BYE", {"Reason": reason})
    assert (refused.given[-1], left.given[-1]) == (inputs.Rejected(2, 603, cause), inputs.Ended(2, "bye", cause))


def test_of_several_reasons_the_one_of_the_telephone_network_is_read() -> None:
    peer = Desk(talks=True)
    peer.ask("BYE", {"Reason": ["SIP;cause=200", "Q.850;cause=26"]})
    assert peer.given[-1] == inputs.Ended(2, "bye", 26)


@pytest.mark.parametrize(
    ("target", "given"),
    [
        ("<sip:8002@lcall>", ("8002", "", 0)),
        ("sip:8002@lcall;transport=udp", ("8002", "", 0)),
        ("<sips:8002:secret@lcall>", ("8002", "", 0)),
        ("<sip:13800138000;phone-context=+86@lcall;user=phone>", ("13800138000", "", 0)),
        ("<tel:+8613800138000;phone-context=x>", ("+8613800138000", "", 0)),
        ("<sip:%2A8%23@lcall>", ("*8#", "", 0)),
        (f"<sip:8002@lcall?Replaces=x%3Bto-tag%3D{tag_of(CONTACT, 3, 7)}%3Bfrom-tag%3Dp>", ("8002", CONTACT, 3)),
        (f"<sip:lq@lq.internal;i=1?Replaces=x%3Bfrom-tag%3Dp%3Bto-tag%3D{tag_of(CONTACT, 1, 7)}>", ("lq", CONTACT, 1)),
    ],
)
def test_a_transfer_by_a_phone_is_told_with_what_it_dialled(target: str, given: tuple[str, str, int]) -> None:
    peer = Desk(talks=True)
    peer.ask("REFER", {"Refer-To": target})
    peer.do()
    to, contact, other = given
    replaces = unquote(target.partition("Replaces=")[2].rstrip(">"))
    assert peer.given == [inputs.Referred(2, to, "101", contact, other, replaces)]
    assert peer.number("NOTIFY") == 1
    peer.do(do.TellReferrer(2, "101", 180), do.TellReferrer(2, "101", 486), do.TellReferrer(2, "101", 200))
    said = []
    for _ in range(3):
        notify = peer.sent("NOTIFY")
        said.append(notify.body)
        peer.answer(notify, 200)
    assert said == [b"SIP/2.0 100 Trying\r\n", b"SIP/2.0 180 Ringing\r\n", b"SIP/2.0 486 Busy Here\r\n"]
    assert peer.number("NOTIFY") == 3


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("<http://lcall/8002>", 416),
        ("<urn:service:sos>", 416),
        ("<sip:lcall>", 484),
        ("<sip:@lcall>", 484),
        ("<tel:>", 484),
        ("<sip:8002@lcall?Replaces=x%3Bto-tag%3Dsomebody%3Bfrom-tag%3Dp>", 481),
        ("<sip:8002@lcall?Replaces=x>", 400),
    ],
)
def test_a_transfer_that_means_nothing_is_refused_at_once(target: str, code: int) -> None:
    peer = Desk(talks=True)
    peer.ask("REFER", {"Refer-To": target})
    assert peer.sent(202)
    peer.answer(peer.sent("NOTIFY"), 200)
    assert peer.sent("NOTIFY").body.startswith(f"SIP/2.0 {code} ".encode())
    peer.ask("REFER", {"Refer-To": target, "Refer-Sub": "false"})
    assert peer.number("NOTIFY") == 2 and peer.given == []


def test_who_wants_to_hear_nothing_of_one_transfer_hears_nothing_in_the_place_of_another() -> None:
    peer = Desk(talks=True)
    peer.ask("REFER", {"Refer-To": "<sip:8002@lcall>"})
    peer.ask("REFER", {"Refer-To": "<sip:8003@lcall>", "Refer-Sub": "false"})
    peer.do(do.TellReferrer(2, "", 200))
    assert peer.number("NOTIFY") == 1 and len(peer.given) == 2


@pytest.mark.parametrize(
    ("method", "headers", "code"),
    [
        ("BYE", {}, 200),
        ("INFO", {"Content-Type": "application/dtmf-relay"}, 200),
        ("REFER", {"Refer-To": "<sip:8002@x>"}, 202),
    ],
)
def test_what_a_phone_tells_is_answered_once_it_is_written(method: str, headers: dict[str, str], code: int) -> None:
    """Or the phone would never say it again to the heir of a node that dies between (R10)."""
    peer = Desk(talks=True)
    before = len(peer.wire_log)
    peer.ask(method, headers, b"Signal=5" if method == "INFO" else b"")
    assert len(peer.given) == 1 and peer.wire_log[before:] == []
    peer.do()
    assert peer.sent(code)


def test_what_a_phone_tells_again_is_answered_at_once() -> None:
    """What writes it down is slow: the phone shall not take us for dead."""
    peer = Desk(talks=True)
    asked = peer.ask("BYE")
    peer.give(asked.encode())
    assert peer.sent(200) and len(peer.given) == 1


def test_what_a_phone_tells_a_contact_that_is_gone_is_answered_at_once() -> None:
    peer = Desk(talks=True)
    peer.desk.deliver = lambda contact, given: False
    peer.ask("BYE")
    assert peer.sent(200)


def test_what_tells_the_contact_nothing_is_answered_at_once() -> None:
    peer = Desk(talks=True)
    peer.ask("OPTIONS")
    assert peer.sent(200)
    peer.ask("REFER")
    assert peer.sent(400) and peer.given == []


def test_who_takes_his_call_back_is_answered_when_that_is_written() -> None:
    peer = Desk(talks=True)
    before = set(peer.ua._sessions)
    invite = peer.incoming()
    [session] = set(peer.ua._sessions) - before
    peer.desk.take(peer.contact.id, 1, session)
    given = {name: invite.all(name) for name in ("via", "from", "to", "call-id")} | {"cseq": ["100 CANCEL"]}
    peer.sent(100)
    sent = len(peer.wire_log)
    peer.give(Request(given, b"", "CANCEL", invite.uri).encode())
    assert peer.given[-1] == inputs.Cancelled(1) and peer.wire_log[sent:] == []
    datagrams = peer.desk.perform(peer.contact, [])
    assert peer.desk.dialogs(peer.contact.id)["1"]["asked"]["uri"] == invite.uri, "who adopts it now can say so"
    peer.run(3)
    assert peer.wire_log[sent:] == [], "the 487 is not repeated either"
    peer.desk.send(datagrams)
    assert peer.sent(200).cseq[1] == "CANCEL" and peer.sent(487).cseq[1] == "INVITE"
    peer.do()
    assert "1" not in peer.desk.dialogs(peer.contact.id)


def test_a_call_to_a_carrier_names_nobody_inside_and_whoever_carries_it_on_says_the_same() -> None:
    peer = Desk(talks=True)
    peer.desk.domain = {"gw1": "ims.example"}.get  # type: ignore[assignment]
    uri = "sip:13800138000@out.lq.internal;trunk=gw1"
    peer.do(do.Invite(3, uri, "v=0 offer", "01088001000", {}, "gw1"))
    invite = peer.sent("INVITE")
    assert (invite.uri, invite.get("to")) == (uri, "<sip:13800138000@ims.example>")
    assert without_tag(invite.get("from")) == "<sip:01088001000@ims.example>"
    peer.answer(invite, 200, {"Allow": "INVITE"}, sdp="v=0")
    heir = UserAgent(via="10.0.0.3:5060", contact="<sip:lq@lq>", next_hop=THEM, rng=peer.ua.rng)
    session = heir.adopt(peer.desk.dialogs(peer.contact.id)["3"], now=peer.now)
    assert heir.bye(session, now=peer.now)
    bye = parse(heir.datagrams()[-1].data)
    assert bye.get("from") == invite.get("from") and without_tag(bye.get("to")) == invite.get("to")
    peer.do(do.Invite(4, "sip:8001@phones.lq.internal", "v=0 offer", "01088001000"))
    assert "@lq.internal>;tag=" in peer.sent("INVITE").get("from")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_whose_commit_is_slow_has_not_left_and_can_be_taken_back(transport: Transport) -> None:
    """Redis hangs: what is forgotten then must ring nowhere, for nobody would cancel it."""
    peer = Desk(talks=True)
    peer.ua._transport = transport
    sent = len(peer.wire_log)
    peer.desk.perform(peer.contact, [do.Invite(3, "sip:8002@phones.lq.internal", "v=0 offer", "1001")])
    peer.run(1.0)
    peer.ua.broken(THEM, peer.now)
    peer.run(1.0)
    peer.desk.take_back(peer.contact.id, 3)
    peer.run(200)
    assert peer.wire_log[sent:] == []


def test_once_it_has_left_it_is_repeated() -> None:
    peer = Desk(talks=True)
    datagrams = peer.desk.perform(peer.contact, [do.Invite(3, "sip:8002@phones.lq.internal", "v=0 offer", "1001")])
    peer.run(0.7)
    assert not peer.waiting("INVITE")
    peer.desk.send(datagrams)
    first = peer.sent("INVITE")
    peer.run(2)
    assert peer.sent("INVITE").branch == first.branch


def called(peer: Desk) -> int:
    """A call has come, and is leg 1; how much has been said by then."""
    before = set(peer.ua._sessions)
    peer.incoming()
    peer.sent(100)
    [session] = set(peer.ua._sessions) - before
    peer.desk.take(peer.contact.id, 1, session)
    return len(peer.wire_log)


def test_a_200_is_repeated_once_it_has_left() -> None:
    peer = Desk(talks=True)
    sent = called(peer)
    datagrams = peer.desk.perform(peer.contact, [do.Answer(1, "v=0 answer")])
    peer.run(3)
    assert peer.wire_log[sent:] == []
    peer.desk.send(datagrams)
    peer.run(5)
    assert [data.split(b"\r\n")[0] for data in peer.wire_log[sent:]] == [b"SIP/2.0 200 OK"] * 3


@pytest.mark.parametrize(
    ("effect", "says"), [(do.Reject(1, 486, 17), "SIP/2.0 486"), (do.Answer(1, "v=0 answer"), "SIP/2.0 200")]
)
def test_a_contact_at_which_we_fail_still_says_what_its_last_turn_had_prepared(effect: do.Effect, says: str) -> None:
    peer = Desk(talks=True)
    sent = called(peer)
    peer.desk.perform(peer.contact, [effect, do.Bye(2, 16)])
    peer.desk.abandon(peer.contact.id)
    peer.run(10)
    said = b"\n".join(peer.wire_log[sent:]).decode()
    assert says in said and "BYE sip:peer@10.0.0.2:5060" in said


def test_what_was_not_answered_is_left_to_the_heir() -> None:
    peer = Desk(talks=True)
    before = len(peer.wire_log)
    peer.ask("BYE")
    peer.desk.forget(peer.contact.id)
    peer.do()
    assert peer.wire_log[before:] == []


def test_a_tag_says_contact_and_leg() -> None:
    for leg in (1, 2, 255, 256, 4095):
        tag = tag_of(CONTACT, leg, 2**40 + 5)
        assert (contact_of(tag), leg_of(tag)) == (CONTACT, leg)
    assert tag_of(CONTACT, 1, 1) != tag_of(CONTACT, 1, 2) != tag_of(CONTACT, 2, 2)
    for strange in (
        "",
        "peer-tag",
        CONTACT,
        f"{CONTACT}-1",
        tag_of(CONTACT, 1, 1).upper(),
        f"x{tag_of(CONTACT, 1, 1)}",
    ):
        assert (contact_of(strange), leg_of(strange)) == ("", 0)


@pytest.mark.parametrize("uri", ["sip:" + ";" * 5000, "sip:" + "a:" * 5000, "tel:" + "%" * 5000, "", ":", "sip", "\0"])
def test_strange_uris_are_judged_quickly(uri: str) -> None:
    assert dialled(uri) is None or isinstance(dialled(uri), str)


def test_a_phone_that_answers_when_its_leg_was_called_anew_is_shown_out() -> None:
    peer = Desk(talks=False)
    first = peer.invite
    assert first is not None
    peer.answer(first, 100, tag="")
    peer.do(do.Cancel(2, "Q.850;cause=16"))
    peer.do(do.Invite(2, "sip:b@10.0.0.2", "v=0 another", "a"))
    sent: list[bytes] = []
    peer.desk._send = lambda datagrams: sent.extend(datagram.data for datagram in datagrams)
    peer.answer(first, 200, sdp="v=0 late")
    assert [data.split()[0] for data in sent] == [b"ACK", b"BYE"]
    assert not any(isinstance(given, inputs.Accepted) for given in peer.given), "it says nothing of the new one"


def test_a_call_that_comes_into_a_contact_has_the_contact_in_its_tag() -> None:
    """Else a node that does not hold it could tell nobody whose its requests are."""
    peer = Peer()
    desk = SipDesk(peer.ua, lambda datagrams: None, lambda: peer.now)
    peer.incoming()
    session = peer.told(sip.Incoming).session
    desk.perform(replace(Life().talking().contact, id=CONTACT), [do.TakeSession(3, session)])
    tag = peer.ua.export(session)["local_tag"]
    assert (contact_of(tag), leg_of(tag)) == (CONTACT, 3)
    assert peer.ua.accept(session, "v=0", now=peer.now)
    assert peer.sent(200).to_tag == tag


def test_a_question_that_has_not_left_is_taken_back() -> None:
    peer = Peer()
    desk = SipDesk(peer.ua, lambda datagrams: None, lambda: peer.now)
    contact = Life().queued().contact
    prepared = desk.perform(contact, [do.Ask(4, "sales", {"sales": 1.0}, 35_000)])
    session = desk.take_back_question(contact.id, 4)
    assert session and {datagram.session for datagram in prepared} == {session}
    assert desk.take_back_question(contact.id, 4) is None
    assert not desk._questions
