from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lq.sip import events as ev
from lq.sip.agent import UserAgent
from lq.sip.message import ParseError, Request, parse
from tests.unit.sip.wire import Wire


def test_a_call_from_invite_to_bye() -> None:
    wire = Wire()
    ours, theirs = wire.talk()
    assert wire.last("a", ev.Progress).code == 180
    assert wire.last("a", ev.Accepted).sdp == "v=0 answer"
    assert wire.count("b", ev.Confirmed) == 1
    assert wire.b.bye(theirs, {"Reason": "Q.850;cause=16"}, now=wire.now)
    wire.run()
    ended = wire.last("a", ev.Ended)
    assert (ended.session, ended.why, ended.reason_header) == (ours, "bye", "Q.850;cause=16")
    assert wire.count("b", ev.Ended) == 0  # he knows that he hung up
    wire.run(60)
    assert wire.a.idle and wire.b.idle


def test_the_ack_waits_for_the_owner_and_the_200_is_repeated_until_then() -> None:
    wire = Wire()
    ours, theirs = wire.ring()
    wire.b.accept(theirs, "answer", now=wire.now)
    wire.run(3)
    assert not any(line.startswith("ACK") for line in wire.lines())
    assert wire.count("a", ev.Accepted) == 1
    assert sum("200 OK" in line for line in wire.lines()) >= 3
    wire.a.ack(ours, now=wire.now)
    wire.run(40)
    assert wire.count("b", ev.Confirmed) == 1 and wire.count("b", ev.Ended) == 0


def test_without_an_ack_the_called_side_ends_the_dialog() -> None:
    wire = Wire()
    _, theirs = wire.ring()
    wire.b.accept(theirs, "answer", now=wire.now)
    wire.run(40)
    assert wire.last("b", ev.Ended).why == "ack_missing"
    assert wire.count("a", ev.Ended) == 1  # by our BYE


@pytest.mark.parametrize("code", [302, 404, 486, 488, 503, 603])
def test_a_refusal_is_acked_and_reported_once(code: int) -> None:
    wire = Wire()
    _, theirs = wire.ring()
    wire.b.reject(theirs, code, headers={"Reason": "Q.850;cause=17"}, now=wire.now)
    wire.run(60)
    rejected = wire.last("a", ev.Rejected)
    assert rejected.code == code and rejected.headers["reason"] == ["Q.850;cause=17"]
    assert wire.count("a", ev.Rejected) == 1
    assert not wire.b._servers and not wire.a._sessions


def test_cancel_while_it_rings() -> None:
    wire = Wire()
    ours, _ = wire.ring()
    wire.a.cancel(ours, "Q.850;cause=19", now=wire.now)
    wire.run()
    assert wire.last("b", ev.Cancelled).reason_header == "Q.850;cause=19"
    assert wire.last("a", ev.Rejected).code == 487


def test_cancel_waits_for_the_first_provisional_answer() -> None:
    wire = Wire()
    ours = wire.a.invite("sip:b@10.0.0.2", local="<sip:a@10.0.0.1>", now=wire.now)
    wire.a.cancel(ours, "", now=wire.now)
    assert not any(line.startswith("CANCEL") for line in wire.lines())
    wire.run()
    assert any(line.startswith("CANCEL") for line in wire.lines())
    assert wire.last("a", ev.Rejected).code == 487


def test_the_200_crosses_the_cancel() -> None:
    wire = Wire()
    ours, theirs = wire.ring()
    wire.b.accept(theirs, "answer", now=wire.now)
    wire.a.cancel(ours, "", now=wire.now)
    wire.run()
    assert wire.count("a", ev.Accepted) == 1  # the owner takes it and ends it
    wire.a.ack(ours, now=wire.now)
    wire.a.bye(ours, now=wire.now)
    wire.run()
    assert wire.last("b", ev.Ended).why == "bye"


def test_nobody_answers_at_all() -> None:
    wire = Wire(loss=1.0)
    wire.a.invite("sip:b@10.0.0.2", local="<sip:a@10.0.0.1>", now=wire.now)
    wire.run(40)
    assert wire.last("a", ev.Rejected).code == 408
    assert 6 <= sum(line.startswith("INVITE") for line in wire.lines()) <= 8  # timer A doubles, timer B ends it


def test_a_question_with_a_time_limit_is_given_up_once() -> None:
    wire = Wire()
    wire.a.invite("sip:b@10.0.0.2", local="<sip:a@10.0.0.1>", now=wire.now, timeout_s=2)
    wire.run(10)
    assert [event.code for event in wire.log["a"] if isinstance(event, ev.Rejected)] == [408]
    assert wire.count("b", ev.Cancelled) == 1


def test_a_given_up_call_that_is_answered_late_is_ended_without_a_word() -> None:
    wire = Wire()
    wire.a.invite("sip:b@10.0.0.2", local="<sip:a@10.0.0.1>", now=wire.now, timeout_s=2)
    wire.run(1.999)
    wire.b.accept(wire.last("b", ev.Incoming).session, "late", now=wire.now)
    wire.loss = 1.0
    wire.run(0.1)
    wire.loss = 0.0
    wire.run(10)
    assert wire.count("a", ev.Accepted) == 0
    assert wire.last("b", ev.Ended).why == "bye"


def test_reinvite_both_ways_and_glare() -> None:
    wire = Wire()
    ours, theirs = wire.talk()
    assert wire.a.reinvite(ours, "v=0 hold", now=wire.now)
    wire.run()
    offer = wire.last("b", ev.Offer)
    assert (offer.method, offer.sdp) == ("INVITE", "v=0 hold")
    wire.b.answer_offer(theirs, "v=0 held", now=wire.now)
    wire.run()
    assert wire.last("a", ev.OfferAnswered).sdp == "v=0 held"
    wire.react["a"] = lambda agent, e: agent.answer_offer(ours, "x", now=wire.now) if isinstance(e, ev.Offer) else None
    wire.react["b"] = lambda agent, e: (
        agent.answer_offer(theirs, "y", now=wire.now) if isinstance(e, ev.Offer) else None
    )
    assert wire.a.reinvite(ours, "v=0 from a", now=wire.now)
    assert wire.b.reinvite(theirs, "v=0 from b", now=wire.now)
    wire.run(10)
    assert sum("491" in line for line in wire.lines()) == 2
    assert wire.count("a", ev.OfferAnswered) == 2 and wire.count("b", ev.OfferAnswered) == 1


def test_a_second_offer_before_the_first_is_answered_gets_500() -> None:
    wire = Wire()
    ours, theirs = wire.talk()
    wire.a.reinvite(ours, "one", now=wire.now)
    wire.run()
    dialog = wire.a._sessions[ours].dialog
    request = dialog.request("UPDATE", via=wire.a.new_via(), contact=wire.a.contact)
    request.put("content-type", "application/sdp")
    request.body = b"two"
    wire.put(request.encode(), ("10.0.0.1", 5060), ("10.0.0.2", 5060))
    wire.run()
    assert any("500" in line for line in wire.lines())
    assert wire.count("b", ev.Offer) == 1 and theirs


def test_an_offerless_reinvite_asks_for_an_offer() -> None:
    wire = Wire()
    ours, theirs = wire.talk()
    wire.a.reinvite(ours, "", now=wire.now)
    wire.run()
    assert wire.last("b", ev.Offer).sdp == ""
    wire.b.answer_offer(theirs, "", now=wire.now)
    wire.run()
    offer = wire.last("a", ev.Offer)
    assert (offer.method, offer.sdp) == ("200", "v=0 answer")  # what b last said
    assert not wire.a.reinvite(ours, "v=0 other", now=wire.now)  # first the answer
    assert wire.a.answer_offer(ours, "v=0 ours", now=wire.now)
    wire.run()
    confirmed = wire.last("b", ev.Confirmed)
    assert (confirmed.sdp, confirmed.owed) == ("v=0 ours", True)
    assert wire.a.reinvite(ours, "v=0 other", now=wire.now)


def test_an_offer_in_the_200_that_cannot_be_taken_ends_the_call() -> None:
    wire = Wire()
    ours, theirs = wire.talk()
    wire.a.reinvite(ours, "", now=wire.now)
    wire.run()
    wire.b.answer_offer(theirs, "v=0 strange", now=wire.now)
    wire.run()
    assert wire.a.refuse_offer(ours, 488, now=wire.now)
    wire.run(60)
    assert "cause=488" in wire.last("b", ev.Ended).reason_header
    assert wire.a.idle and wire.b.idle


def test_an_offerless_call_both_ways() -> None:
    wire = Wire()
    ours = wire.a.invite("sip:b@10.0.0.2", local="<sip:a@10.0.0.1>", now=wire.now)
    wire.run()
    incoming = wire.last("b", ev.Incoming)
    assert incoming.sdp == ""
    wire.b.accept(incoming.session, "v=0 b offers", now=wire.now)
    wire.run()
    assert wire.last("a", ev.Accepted).sdp == "v=0 b offers"
    wire.a.ack(ours, "v=0 a answers", now=wire.now)
    wire.run()
    assert wire.last("b", ev.Confirmed) == ev.Confirmed(incoming.session, "v=0 a answers", owed=True)
    assert wire.a.export(ours)["local_sdp"] == "v=0 a answers" == wire.b.export(incoming.session)["remote_sdp"]


def test_a_second_fork_that_answers_is_acked_and_ended() -> None:
    wire = Wire()
    ours, _ = wire.talk()
    invite = next(data for _, data in wire.seen if data.startswith(b"INVITE"))
    twin = parse(next(data for _, data in wire.seen if b"200 OK" in data and b"1 INVITE" in data))
    twin.headers["to"] = ["<sip:b@10.0.0.2>;tag=other"]
    wire.put(twin.encode(), ("10.0.0.2", 5060), ("10.0.0.1", 5060))
    wire.run()
    to_other = [data for _, data in wire.seen if b"tag=other" in data]
    assert [data.split(b" ", 1)[0] for data in to_other[:2]] == [b"ACK", b"BYE"] and invite
    assert wire.a._sessions[ours].dialog.state == "confirmed"


def test_update_info_options_refer_and_unknown_methods() -> None:
    wire = Wire()
    ours, theirs = wire.talk()
    for method, headers in (
        ("UPDATE", {"Session-Expires": "1800;refresher=uac", "Supported": "timer"}),
        ("INFO", {}),
        ("OPTIONS", {}),
        ("REFER", {"Refer-To": "<sip:8002@x?Replaces=abc%3Bto-tag%3D1%3Bfrom-tag%3D2>"}),
        ("PUBLISH", {}),
    ):
        wire.b.request(theirs, method, headers=headers, now=wire.now)
        wire.run()
    assert [event.code for event in wire.log["b"] if isinstance(event, ev.RequestDone)] == [200, 200, 200, 202, 405]
    refer = wire.last("a", ev.Refer)
    assert (refer.target, refer.replaces) == ("sip:8002@x", "abc;to-tag=1;from-tag=2")
    wire.a.notify_refer(ours, 200, "OK", now=wire.now)
    wire.run()
    assert wire.last("b", ev.Notify).body == b"SIP/2.0 200 OK\r\n"


def test_a_request_of_an_unknown_dialog_is_a_stray_and_can_be_delivered_after_adoption() -> None:
    wire = Wire()
    ours, theirs = wire.talk()
    document = json.loads(json.dumps(wire.b.export(theirs)))
    wire.b.forget(theirs)
    wire.a.reinvite(ours, "v=0 hold", now=wire.now)
    wire.run()
    stray = wire.last("b", ev.Stray)
    adopted = wire.b.adopt(document, now=wire.now)
    assert wire.b.redeliver(stray, now=wire.now)
    wire.run()
    assert wire.last("b", ev.Offer).session == adopted
    wire.b.answer_offer(adopted, "v=0 held", now=wire.now)
    wire.run()
    assert wire.b.bye(adopted, now=wire.now)
    wire.run()
    assert wire.last("a", ev.Ended).why == "bye"


def test_another_process_cancels_a_ringing_invite() -> None:
    wire = Wire()
    ours, _ = wire.ring()
    document = json.loads(json.dumps(wire.a.export(ours)))
    wire.a.forget(ours)
    adopted = wire.a.adopt(document, now=wire.now)
    assert wire.a.cancel(adopted, "", now=wire.now)
    wire.run()
    assert wire.count("b", ev.Cancelled) == 1
    assert wire.last("a", ev.Rejected).code == 487


def test_seven_percent_loss_both_ways() -> None:
    wire = Wire(loss=0.07, seed=7)

    def called(agent: UserAgent, event: ev.Event) -> None:
        if isinstance(event, ev.Incoming):
            agent.provisional(event.session, 180, now=wire.now)
            agent.accept(event.session, "answer", now=wire.now)

    def calling(agent: UserAgent, event: ev.Event) -> None:
        if isinstance(event, ev.Accepted):
            agent.ack(event.session, now=wire.now)

    wire.react = {"a": calling, "b": called}
    sessions = []
    for _ in range(200):
        sessions.append(wire.a.invite("sip:b@10.0.0.2", local="<sip:a@10.0.0.1>", sdp="offer", now=wire.now))
        wire.run(0.02)
    wire.run(20)
    assert wire.count("a", ev.Accepted) == 200 and wire.count("b", ev.Confirmed) == 200
    for session in sessions:
        assert wire.a.bye(session, now=wire.now)
    wire.run(60)
    assert wire.count("b", ev.Ended) == 200
    assert wire.a.idle and wire.b.idle


def test_options_says_whether_we_take_calls() -> None:
    wire = Wire()
    request = Request(
        {
            "via": ["SIP/2.0/UDP 10.0.0.9;rport;branch=z9hG4bK1"], "from": ["<sip:x@x>;tag=1"], "to": ["<sip:b@b>"],
            "call-id": ["1"], "cseq": ["1 OPTIONS"],
        },
        b"", "OPTIONS", "sip:b@b",
    )  # fmt: skip
    for available, expected in ((True, "200"), (False, "503")):
        wire.b.available = available
        request.headers["via"] = [f"SIP/2.0/UDP 10.0.0.9;rport;branch=z9hG4bK{expected}"]
        wire.b.receive(request.encode(), ("10.0.0.9", 5060), wire.now)
        assert wire.b.datagrams()[0].data.split(b" ")[1].decode() == expected


def test_a_header_cannot_carry_another_header() -> None:
    wire = Wire()
    with pytest.raises(ValueError, match="line break"):
        wire.a.invite("sip:b@b", local="<sip:a@a>", headers={"X-Name": "a\r\nEvil: 1"}, now=0.0)


@settings(max_examples=300)
@given(st.binary(max_size=400))
def test_parse_never_raises_anything_but_parse_error(data: bytes) -> None:
    try:
        parse(data)
    except ParseError:
        pass


_INVITE = (
    b"INVITE sip:b@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx;rport\r\nFrom: <sip:a@a>;tag=1\r\n"
    b"To: <sip:b@b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:a@a>\r\nContent-Length: 0\r\n\r\n"
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(_INVITE) - 1), st.binary(max_size=6)), max_size=6))
def test_a_mutilated_invite_never_breaks_the_agent(cuts: list[tuple[int, bytes]]) -> None:
    data = _INVITE
    for at, put in cuts:
        data = data[:at] + put + data[at + len(put) :]
    agent = UserAgent(via="x:1", contact="<sip:x@x>", next_hop=("127.0.0.1", 1), rng=random.Random(1))
    agent.receive(data, ("10.0.0.1", 5060), 0.0)
    for event in agent.events():
        if isinstance(event, ev.Incoming):
            agent.accept(event.session, "v=0", now=0.1)
    agent.timeout(100.0)


def test_odd_but_legal_messages_are_read() -> None:
    """Pieces of RFC 4475 (3.1.1.1 wsinv and others): folding, compact names, spaces, case, quoted commas."""
    data = (
        b"INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\nTO :\r\n sip:vivekg@chair-dnrc.example.com ;"
        b'   tag    = 1918181833n\r\nfrom   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n'
        b"  tag = 98asjd8\r\n"
        b"MaX-fOrWaRdS: 0068\r\nCall-ID: wsinv.ndaksdj@192.0.2.1\r\nCSeq: 0009\r\n  INVITE\r\n"
        b"v:  SIP  /   2.0  /UDP\r\n    192.0.2.2;branch=390skdjuw\r\ns :\r\nNewFangledHeader:   new\r\n continued\r\n"
        b"Route: <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n"
        b'm:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue ;\r\n'
        b"  secondparam ; q = 0.33\r\n\r\n"
    )
    message = parse(data)
    assert isinstance(message, Request) and message.method == "INVITE"
    assert message.to_tag == "1918181833n" and message.from_tag == "98asjd8"
    assert message.cseq == (9, "INVITE") and message.branch == "390skdjuw"
    assert len(message.all("contact")) == 1


def test_another_process_repeats_our_200_until_its_ack() -> None:
    wire = Wire()
    ours, theirs = wire.ring()
    wire.b.accept(theirs, "v=0 answer", now=wire.now)
    wire.b.datagrams()  # the process dies before it has sent them
    document = json.loads(json.dumps(wire.b.export(theirs)))
    wire.b.forget(theirs)
    wire.b.adopt(document, now=wire.now)
    wire.run()
    assert wire.last("a", ev.Accepted).sdp == "v=0 answer"
    wire.a.ack(ours, now=wire.now)
    wire.run()
    assert wire.count("b", ev.Confirmed) == 1


def test_another_process_answers_an_invite_that_waits() -> None:
    wire = Wire()
    _ours, theirs = wire.ring()
    document = json.loads(json.dumps(wire.b.export(theirs)))
    wire.b.forget(theirs)
    adopted = wire.b.adopt(document, now=wire.now)
    wire.b.accept(adopted, "v=0 late", now=wire.now)
    wire.run()
    assert wire.last("a", ev.Accepted).sdp == "v=0 late"


def test_another_process_acks_what_was_answered_and_ends_what_was_being_ended() -> None:
    wire = Wire()
    ours, _theirs = wire.talk()
    document = json.loads(json.dumps(wire.a.export(ours)))
    wire.a.forget(ours)
    adopted = wire.a.adopt(document, now=wire.now)
    assert [data.data.split(b" ", 1)[0] for data in wire.a.datagrams()] == [b"ACK"]
    wire.a.bye(adopted, now=wire.now)
    wire.a.datagrams()  # lost with that process, too
    again = wire.a.adopt(json.loads(json.dumps(wire.a.export(adopted))), now=wire.now)
    assert wire.a.bye(again, now=wire.now)
    wire.run()
    assert wire.last("b", ev.Ended).why == "bye"


def test_a_call_whose_ack_the_dead_process_heard_lives_on_and_may_be_held() -> None:
    wire = Wire()
    ours, theirs = wire.ring()
    wire.b.accept(theirs, "v=0 answer", now=wire.now)
    document = json.loads(json.dumps(wire.b.export(theirs)))
    wire.run()
    wire.a.ack(ours, now=wire.now)
    wire.run()
    wire.b.forget(theirs)  # it had heard the ACK, and died before it wrote that down
    wire.b.adopt(document, now=wire.now)
    wire.a.queue = lambda *_, **__: None  # type: ignore[method-assign] - a phone that repeats its ACK for nobody
    wire.run(60)
    assert wire.count("b", ev.Ended) == 0
    del wire.a.queue
    wire.a.reinvite(ours, "v=0 hold", now=wire.now)
    wire.run()
    assert wire.last("b", ev.Offer).sdp == "v=0 hold"


def test_who_asks_anew_has_acked_what_was_before() -> None:
    wire = Wire()
    ours, theirs = wire.ring()
    wire.b.accept(theirs, "v=0 answer", now=wire.now)
    document = json.loads(json.dumps(wire.b.export(theirs)))
    wire.run()
    wire.a.ack(ours, now=wire.now)
    wire.run()
    wire.b.forget(theirs)
    adopted = wire.b.adopt(document, now=wire.now)
    wire.b.datagrams()  # the repeated 200 is lost
    wire.a.reinvite(ours, "v=0 hold", now=wire.now)
    wire.run(0.1)
    assert wire.last("b", ev.Offer).sdp == "v=0 hold"
    assert wire.b.bye(adopted, now=wire.now)
    wire.run()
    assert wire.last("a", ev.Ended).why == "bye"


def test_an_ack_of_an_unknown_dialog_is_a_stray_and_can_be_delivered_after_adoption() -> None:
    wire = Wire()
    ours, theirs = wire.ring()
    wire.b.accept(theirs, "v=0 answer", now=wire.now)
    document = json.loads(json.dumps(wire.b.export(theirs)))
    wire.run()
    wire.b.forget(theirs)
    wire.a.ack(ours, now=wire.now)
    wire.run()
    stray = wire.last("b", ev.Stray)
    assert stray.method == "ACK" and stray.data.startswith(b"ACK ") and b"Max-Forwards: 69\r\n" in stray.data
    assert not wire.b.redeliver(stray, now=wire.now)
    wire.b.adopt(document, now=wire.now)
    assert wire.b.redeliver(stray, now=wire.now)
    wire.run()
    assert wire.count("b", ev.Confirmed) == 1


def test_dialogs_have_the_tags_that_their_owner_gives_them() -> None:
    wire = Wire()
    wire.b.tag = lambda: "contact-7"
    wire.a.invite("sip:b@10.0.0.2", local="<sip:a@10.0.0.1>", sdp="v=0 offer", now=wire.now, tag="contact-6")
    wire.run()
    incoming = wire.last("b", ev.Incoming)
    assert (incoming.from_tag, incoming.local_tag) == ("contact-6", "contact-7")
    assert wire.b.find(incoming.call_id, "contact-7") == incoming.session


def test_an_offer_that_the_dead_process_was_answering_is_answered_by_the_other() -> None:
    wire = Wire()
    ours, theirs = wire.talk()
    wire.a.reinvite(ours, "v=0 hold", now=wire.now)
    wire.run(0.01)
    document = json.loads(json.dumps(wire.b.export(theirs)))
    wire.b.forget(theirs)
    adopted = wire.b.adopt(document, now=wire.now)
    wire.run(0.01)
    offers = [event for event in wire.log["b"] if isinstance(event, ev.Offer)]
    assert [(offer.session, offer.sdp) for offer in offers] == [(theirs, "v=0 hold"), (adopted, "v=0 hold")]
    again = next(data for _, data in wire.seen if b"v=0 hold" in data).replace(b"branch=", b"branch=z9hG4bKedge")
    wire.put(again, ("10.0.0.1", 5060), ("10.0.0.2", 5060))  # the edge asks the adopter what it asked the dead
    wire.run(0.01)
    assert wire.count("b", ev.Offer) == 2
    wire.b.answer_offer(adopted, "v=0 held", now=wire.now)
    [answer] = wire.b.datagrams()
    assert b"v=0 held" in answer.data and b"z9hG4bKedge" in answer.data, "where it was asked last"


def test_a_reinvite_that_takes_long_is_told_that_somebody_is_there() -> None:
    wire = Wire()
    ours, theirs = wire.talk()
    wire.a.reinvite(ours, "v=0 hold", now=wire.now)
    wire.run(0.15)
    assert wire.lines()[-1].startswith("INVITE")
    wire.run(0.1)
    assert wire.lines()[-1] == "SIP/2.0 100 Trying"
    wire.run(5)
    assert wire.lines()[-1] == "SIP/2.0 100 Trying", "nothing is repeated after it"
    wire.b.answer_offer(theirs, "v=0 held", now=wire.now)
    wire.run()
    assert wire.last("a", ev.OfferAnswered).sdp == "v=0 held"
    wire.a.reinvite(ours, "v=0 resume", now=wire.now)
    wire.run(0.01)
    wire.b.answer_offer(theirs, "v=0 resumed", now=wire.now)
    wire.run(1)
    assert sum("100" in line for line in wire.lines()) == 2, "the call's own INVITE, and the one that took long"


def test_an_answer_to_the_dead_process_is_told_and_ends_what_another_cancelled() -> None:
    wire = Wire()
    ours, _theirs = wire.ring()
    document = json.loads(json.dumps(wire.a.export(ours)))
    wire.a.forget(ours)
    heir = wire.add("heir", ("10.0.0.3", 5060), ("10.0.0.2", 5060))
    adopted = heir.adopt(document, now=wire.now)
    heir.cancel(adopted, now=wire.now)
    wire.run(0.5)  # the 487 goes where the INVITE came from
    stray = wire.last("a", ev.Stray)
    assert (stray.method, stray.data.split(b"\r\n")[0]) == ("", b"SIP/2.0 487 Request Terminated")
    assert heir.redeliver(stray, now=wire.now)
    wire.run(0.1)
    assert wire.last("heir", ev.Rejected).code == 487


def test_without_that_answer_what_was_cancelled_ends_soon() -> None:
    wire = Wire()
    ours, _theirs = wire.ring()
    document = json.loads(json.dumps(wire.a.export(ours)))
    wire.a.forget(ours)
    heir = wire.add("heir", ("10.0.0.3", 5060), ("10.0.0.2", 5060))
    heir.cancel(heir.adopt(document, now=wire.now), now=wire.now)
    wire.run(6)
    assert wire.last("heir", ev.Rejected).code == 487
