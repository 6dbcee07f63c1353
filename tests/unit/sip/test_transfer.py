"""REFER, its NOTIFYs, and calls that take another's place."""

from __future__ import annotations

import json

import pytest

from lq.sip import events as ev
from lq.sip import transfer
from tests.unit.sip.peer import Peer

REFER = {"Refer-To": "<sip:8002@lq.internal>", "Referred-By": "<sip:8001@lq.internal>"}


def test_a_refer_from_202_to_its_last_notify() -> None:
    peer = Peer()
    session = peer.talk()
    peer.ask("REFER", REFER)
    assert peer.sent(202)
    first = peer.sent("NOTIFY")
    assert first.get("event") == "refer" and first.body == b"SIP/2.0 100 Trying\r\n"
    assert first.get("subscription-state").startswith("active;expires=1")
    peer.answer(first, 200)
    refer = peer.told(ev.Refer)
    assert refer == ev.Refer(session, "sip:8002@lq.internal", "", "101")
    assert peer.ua.notify_refer(session, 180, "Ringing", id=refer.id, now=peer.now)
    peer.answer(peer.sent("NOTIFY"), 200)
    last = peer.ua.notify_refer(session, 200, "OK", id=refer.id, now=peer.now)
    notify = peer.sent("NOTIFY")
    assert notify.get("subscription-state") == "terminated;reason=noresource"
    assert notify.get("content-type") == "message/sipfrag;version=2.0" and notify.body == b"SIP/2.0 200 OK\r\n"
    peer.answer(notify, 200)
    assert peer.told(ev.RequestDone).id == last
    assert peer.ua.notify_refer(session, 200, "OK", id=refer.id, now=peer.now) == ""
    peer.run(400)
    assert peer.number("NOTIFY") == 3 and peer.count(ev.Ended) == 0


def test_refers_at_once_are_told_apart_and_bounded() -> None:
    peer = Peer()
    session = peer.talk()
    peer.ask("REFER", REFER)
    notify = peer.sent("NOTIFY")
    for _ in range(1, transfer.MAX_REFERS):
        peer.ask("REFER", REFER)
        peer.sent(202)
    ids = [event.id for event in peer.log if isinstance(event, ev.Refer)]
    peer.ua.notify_refer(session, 404, "Not Found", id=ids[1], now=peer.now)
    events = [notify.get("event")]
    for _ in range(transfer.MAX_REFERS):
        assert not peer.waiting("NOTIFY"), "one at a time"
        peer.answer(notify, 200)
        notify = peer.sent("NOTIFY")
        events.append(notify.get("event"))
    assert events == ["refer", *(f"refer;id={id}" for id in ids[1:]), f"refer;id={ids[1]}"]
    peer.ask("REFER", REFER)
    assert peer.sent(202)  # the place of the one that is over
    peer.ask("REFER", REFER)
    assert peer.sent(503)


def test_the_last_word_does_not_overtake_the_first() -> None:
    """Refused at once: the phone has to hear so after 100, whatever way the two take."""
    peer = Peer()
    session = peer.talk()
    peer.ask("REFER", REFER)
    first = peer.sent("NOTIFY")
    last = peer.ua.notify_refer(session, 603, "Decline", now=peer.now)
    assert last and not peer.waiting("NOTIFY")
    peer.answer(first, 200)
    second = peer.sent("NOTIFY")
    assert second.body == b"SIP/2.0 603 Decline\r\n" and second.cseq[0] > first.cseq[0]
    peer.answer(second, 200)
    assert peer.told(ev.RequestDone).id == last


def test_who_does_not_answer_one_is_told_the_next_all_the_same() -> None:
    peer = Peer()
    session = peer.talk()
    peer.ask("REFER", REFER)
    peer.sent("NOTIFY")
    peer.ua.notify_refer(session, 200, "OK", now=peer.now)
    peer.run(31)
    assert peer.number("NOTIFY") == 1
    peer.run(2)
    assert peer.number("NOTIFY") == 2 and peer.count(ev.Ended) == 0


def test_before_a_bye_all_is_said() -> None:
    peer = Peer()
    session = peer.talk()
    peer.ask("REFER", REFER)
    first = peer.sent("NOTIFY")
    peer.ua.notify_refer(session, 200, "OK", now=peer.now)
    assert peer.ua.bye(session, now=peer.now)
    last, bye = peer.sent("NOTIFY"), peer.sent("BYE")
    assert last.body == b"SIP/2.0 200 OK\r\n" and first.cseq[0] < last.cseq[0] < bye.cseq[0]


def test_who_has_hung_up_is_told_no_more() -> None:
    peer = Peer()
    session = peer.talk()
    peer.ask("REFER", REFER)
    first = peer.sent("NOTIFY")
    peer.ua.notify_refer(session, 200, "OK", now=peer.now)
    peer.ask("BYE")
    peer.answer(first, 481)
    peer.run(64)
    assert peer.number("NOTIFY") == 1 and peer.ua.idle


def test_what_waits_to_be_said_survives_a_take_over() -> None:
    peer = Peer()
    session = peer.talk()
    peer.ask("REFER", REFER)
    peer.sent("NOTIFY")
    peer.ua.notify_refer(session, 603, "Decline", now=peer.now)
    document = json.loads(json.dumps(peer.ua.export(session)))
    peer.ua.forget(session)
    peer.ua.adopt(document, now=peer.now)
    for said in (b"SIP/2.0 100 Trying\r\n", b"SIP/2.0 603 Decline\r\n"):
        notify = peer.sent("NOTIFY")
        assert notify.body == said
        peer.answer(notify, 200)


def test_who_wants_to_hear_nothing_hears_nothing() -> None:
    peer = Peer()
    session = peer.talk()
    peer.ask("REFER", REFER | {"Refer-Sub": "false"})
    assert peer.sent(202).get("refer-sub") == "false"
    assert peer.told(ev.Refer).id == "" and peer.number("NOTIFY") == 0
    assert peer.ua.notify_refer(session, 200, "OK", now=peer.now) == ""


def test_an_owner_who_never_says_how_it_went() -> None:
    peer = Peer()
    peer.talk()
    peer.ask("REFER", REFER)
    peer.answer(peer.sent("NOTIFY"), 200)
    peer.run(181)
    assert peer.sent("NOTIFY").body.startswith(b"SIP/2.0 408")


@pytest.mark.parametrize("code", [481, 489, 500])
def test_a_refused_notify_ends_the_subscription_not_the_call(code: int) -> None:
    peer = Peer()
    session = peer.talk()
    peer.ask("REFER", REFER)
    peer.answer(peer.sent("NOTIFY"), code)
    assert peer.ua.notify_refer(session, 200, "OK", now=peer.now) == ""
    assert peer.count(ev.Ended) == 0
    assert peer.ua.bye(session, now=peer.now)
    peer.answer(peer.sent("BYE"), 200)
    peer.run(300)
    assert peer.ua.idle


@pytest.mark.parametrize("headers", [{}, {"Refer-To": ""}, {"Refer-To": "<>"}])
def test_a_refer_to_nobody(headers: dict[str, str]) -> None:
    peer = Peer()
    peer.talk()
    peer.ask("REFER", headers)
    assert peer.sent(400) and peer.count(ev.Refer) == 0


def test_a_hostile_refer_to_is_data() -> None:
    peer = Peer()
    peer.talk()
    peer.ask("REFER", {"Refer-To": "<sip:$(reboot)@127.0.0.1:22;x=%0d%0aEvil?Replaces=a%0D%0AVia:%20x%3Bto-tag%3D1>"})
    refer = peer.told(ev.Refer)
    assert refer.target == "sip:$(reboot)@127.0.0.1:22;x=%0d%0aEvil"
    assert transfer.read_replaces(refer.replaces) is None  # no from-tag
    assert not any(b"Evil" in data for data in peer.wire_log)


@pytest.mark.parametrize("hidden", ["%0d%0aX:y", "%0A", "%00", "%7F"])
def test_a_line_break_in_a_replaces_makes_it_none(hidden: str) -> None:
    """It would be a header of its own in the INVITE that joins the two."""
    peer = Peer()
    peer.talk()
    replaces = f"c%3Bto-tag%3Da%3Bfrom-tag%3Db{hidden}"
    peer.ask("REFER", {"Refer-To": f"<sip:8002@example.com?Replaces={replaces}>"})
    assert transfer.read_replaces(peer.told(ev.Refer).replaces) is None


def test_the_subscription_survives_a_take_over() -> None:
    peer = Peer()
    session = peer.talk()
    peer.ask("REFER", REFER)
    peer.answer(peer.sent("NOTIFY"), 200)
    document = json.loads(json.dumps(peer.ua.export(session)))
    peer.ua.forget(session)
    adopted = peer.ua.adopt(document, now=peer.now)
    assert peer.ua.notify_refer(adopted, 200, "OK", now=peer.now)
    notify = peer.sent("NOTIFY")
    assert notify.get("event") == "refer" and notify.cseq[0] > 1000


def test_we_refer_and_hear_of_it() -> None:
    peer = Peer()
    session = peer.talk()
    peer.ua.request(session, "REFER", headers={"Refer-To": "<sip:x@y>"}, now=peer.now)
    peer.answer(peer.sent("REFER"), 202)
    peer.ask("NOTIFY", {"Event": "refer", "Subscription-State": "terminated", "Content-Type": "message/sipfrag"},
             b"SIP/2.0 486 Busy Here\r\n")  # fmt: skip
    notify = peer.told(ev.Notify)
    assert (notify.event, notify.state, transfer.progress(notify.body)) == ("refer", "terminated", 486)
    assert transfer.progress(b"\xff") == 0


# -- Replaces ----------------------------------------------------------------------------------------------------------
def named(peer: Peer, session: str, extra: str = "") -> str:
    dialog = peer.ua.export(session)
    return f"{dialog['call_id']};to-tag={dialog['local_tag']};from-tag={dialog['remote_tag']}{extra}"


@pytest.mark.parametrize("ours", [True, False])
def test_a_call_that_takes_the_place_of_one_of_ours(ours: bool) -> None:
    peer = Peer()
    session = peer.talk() if ours else peer.called()[0]
    peer.incoming(Replaces=named(peer, session))
    replaces = peer.told(ev.Incoming).replaces
    assert replaces is not None and (replaces.session, replaces.early_only) == (session, False)


def test_an_early_only_call_is_not_taken_when_it_talks() -> None:
    peer = Peer()
    peer.incoming(Replaces=named(peer, peer.talk(), ";early-only"))
    assert peer.sent(486) and peer.count(ev.Incoming) == 0


def test_a_ringing_call_of_ours_is_picked_up_one_that_rings_here_is_not() -> None:
    peer = Peer()
    session = peer.call()
    peer.answer(peer.sent("INVITE"), 180)
    peer.incoming(Replaces=named(peer, session, ";early-only"))
    picked = peer.told(ev.Incoming).replaces
    assert picked is not None and picked.session == session
    other = Peer()
    other.incoming()
    waiting = other.told(ev.Incoming).session
    other.incoming(Replaces=named(other, waiting))
    assert other.sent(481) and other.count(ev.Incoming) == 1


def test_a_dialog_that_is_not_here_may_be_another_nodes() -> None:
    peer = Peer()
    peer.incoming(Replaces="far@away;to-tag=1;from-tag=2")
    assert peer.told(ev.Incoming).replaces == ev.Replaces("far@away", "1", "2", early_only=False, session="")


def test_the_right_dialog_with_a_wrong_tag() -> None:
    peer = Peer()
    session = peer.talk()
    peer.incoming(Replaces=named(peer, session).replace("from-tag=", "from-tag=x"))
    assert peer.sent(481) and peer.count(ev.Incoming) == 0


@pytest.mark.parametrize("value", ["", "abc", "abc;to-tag=1", ";to-tag=1;from-tag=2", "a;to-tag=;from-tag="])
def test_replaces_that_names_no_dialog(value: str) -> None:
    peer = Peer()
    peer.incoming(Replaces=value)
    assert peer.sent(400) and peer.count(ev.Incoming) == 0
