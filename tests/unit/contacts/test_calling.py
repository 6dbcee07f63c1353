"""Who is called into a contact: early media, phones that send their calls on, access numbers of ours."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

import pytest

from lq.config import documents as doc
from lq.config.book import Book
from lq.contacts import conversation, inputs
from lq.contacts import effects as do
from lq.contacts.holds import bound
from lq.trunks import causes
from tests.unit.contacts.talks import agent_ops, engaged, hears, music, takes, tell
from tests.unit.contacts.test_advance import BOOK, MEDIA, Life

MOBILE = "13900139000"


def book(**forwards: doc.Forward) -> Book:
    """Phones 8001 to 8005, which may call anywhere, and send their calls on so: p8002=Forward(…)."""
    ids = ("8001", "8002", "8003", "8004", "8005")
    phones = {id: doc.Phone(id, "", calls="national", forward=forwards.get(f"p{id}", doc.Forward())) for id in ids}
    return replace(BOOK, phones=phones)


def talking(**forwards: doc.Forward) -> Life:
    return Life(book=book(**forwards)).talking()


def told(life: Life, type: str) -> list[dict[str, Any]]:
    return [dict(event.data) for event in life.ledger if event.type == type]


def ring_tone(life: Life, n: int) -> bool:
    play = life.contact.legs[n].play
    return play is not None and play.items == (conversation.RING_TONE,)


# -- early media -------------------------------------------------------------------------------------------------------
def consults_a_mobile(verb: str = "transfer", **more: str) -> Life:
    life = talking()
    assert tell(life, verb, to=MOBILE, **(more or {"mode": "consult"})) == (200, "")
    life.take(inputs.LookedUp(3, ()))
    life.take(inputs.ChannelSeized(3, "gw1", 7))
    life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    return life


def early() -> Life:
    """1001 consults a mobile, whose network speaks."""
    life = consults_a_mobile()
    assert ring_tone(life, 2) and music(life, 1)
    assert life.take(inputs.Progress(3, 183, "early")) == [do.TakeAnswer(3, "early")]
    assert life.take(inputs.MediaReady(3, MEDIA, "PCMA")) == [do.Connect(2, 3)]
    return life


def test_who_consults_hears_the_other_network_before_the_answer() -> None:
    life = early()
    assert told(life, "leg_ringing")[-1] == {"leg": "c1.3", "sip": 183, "early_media": True}
    assert tell(life, "transfer_conference") == (409, "no_consult"), "nobody has answered"
    assert life.take(inputs.Progress(3, 183, "early")) == []
    assert life.take(inputs.Accepted(3, "final")) == [do.Ack(3), do.TakeAnswer(3, "final")]
    assert life.take(inputs.MediaReady(3, MEDIA, "PCMU")) == [do.Connect(2, 3)]
    assert life.events.count("leg_answered") == 3 and music(life, 1)
    assert tell(life, "transfer_complete") == (200, "") and hears(life) == {1: "leg:3", 3: "leg:1"}


def test_another_description_takes_the_place_of_the_first() -> None:
    """The ring-back server of an IMS: it may come while the first is being set up, and cannot be joined perhaps."""
    life = early()
    assert life.take(inputs.Progress(3, 183, "the server's")) == [do.TakeAnswer(3, "the server's")]
    assert life.take(inputs.Progress(3, 183, "the fork's")) == []
    assert life.take(inputs.MediaReady(3, MEDIA, "PCMU")) == [do.TakeAnswer(3, "the fork's"), do.Connect(2, 3)]
    assert life.take(inputs.MediaFailed(3, "no_codec")) == []
    assert hears(life)[2] == "leg:3" and life.contact.legs[3].pending_sdp == ""
    assert life.take(inputs.Progress(3, 183, "the fork's")) == []
    assert len(told(life, "leg_ringing")) == 2, "the agent's phone, and this one once"


@pytest.mark.parametrize("set_up", [True, False])
@pytest.mark.parametrize("adopted", ["", "before", "after"])
def test_an_answer_that_crosses_its_early_media_is_told_once(set_up: bool, adopted: str) -> None:
    """The 200 comes while the media of the 183 is being set up: what it speaks says the answer's."""
    life = consults_a_mobile()
    life.take(inputs.Progress(3, 183, "early"))
    assert life.take(inputs.Accepted(3, "final")) == [do.Ack(3), do.TakeAnswer(3, "final")]
    if adopted == "before":  # with the node both answers of the media are gone
        assert do.TakeAnswer(3, "final") in life.take(inputs.Adopted("lq2-1"))
    else:
        life.take(inputs.MediaReady(3, MEDIA, "PCMA") if set_up else inputs.MediaFailed(3, "refused"))
        assert "c1.3" not in [each["leg"] for each in told(life, "leg_answered")]
        assert life.contact.state == "talking" and life.contact.legs[3].alive
    if adopted == "after":
        assert do.TakeAnswer(3, "final") in life.take(inputs.Adopted("lq2-1"))
    assert do.Connect(2, 3) in life.take(inputs.MediaReady(3, MEDIA, "PCMU"))
    assert [each["codec"] for each in told(life, "leg_answered") if each["leg"] == "c1.3"] == ["PCMU"]
    assert life.contact.legs[3].pending_sdp == ""


def test_after_180_too() -> None:
    life = consults_a_mobile()
    life.take(inputs.Progress(3, 180))
    assert life.take(inputs.Progress(3, 183, "early")) == [do.TakeAnswer(3, "early")]
    assert len(told(life, "leg_ringing")) == 2, "the agent's phone, and this one once"


def test_a_network_that_says_no_is_heard_and_then_the_customer() -> None:
    life = early()
    life.take(inputs.Rejected(3, 486, 17))
    assert hears(life) == {1: "leg:2", 2: "leg:1"} and life.contact.calls == {}


def test_by_the_next_trunk_it_rings_again() -> None:
    life = early()
    life.take(inputs.Rejected(3, 503, 34))
    assert told(life, "contact_dialed")[-1]["trunk"] == "gw2" and ring_tone(life, 2)
    life.take(inputs.ChannelSeized(4, "gw2", 7))
    assert any(isinstance(e, do.Invite) for e in life.take(inputs.MediaReady(4, MEDIA, "", "offer")))
    life.take(inputs.Progress(4, 183, "early"))
    assert life.take(inputs.MediaReady(4, MEDIA, "PCMA")) == [do.Connect(2, 4)]


def test_early_media_that_cannot_be_joined_changes_nothing() -> None:
    life = consults_a_mobile()
    life.take(inputs.Progress(3, 183, "early"))
    assert life.take(inputs.MediaFailed(3, "no_codec")) == []
    assert ring_tone(life, 2) and 3 in life.contact.calls
    life.take(inputs.Accepted(3, "final"))
    life.take(inputs.MediaReady(3, MEDIA, "PCMU"))
    assert [each["codec"] for each in told(life, "leg_answered") if each["leg"] == "c1.3"] == ["PCMU"]


def test_who_hangs_up_meanwhile_has_sent_the_customer_on_who_hears_it_now() -> None:
    life = early()
    life.take(inputs.Ended(2))
    assert life.contact.calls[3].verb == "blind" and life.contact.legs[3].place == ""
    assert hears(life) == {1: "leg:3"}
    takes(life, 3)
    assert hears(life) == {1: "leg:3", 3: "leg:1"}


def sent_on() -> Life:
    """The customer is sent on to a mobile, whose network speaks."""
    life = consults_a_mobile(mode="blind")
    assert music(life, 1)
    assert life.take(inputs.Progress(3, 183, "early")) == [do.TakeAnswer(3, "early")]
    assert life.take(inputs.MediaReady(3, MEDIA, "PCMA")) == [do.Connect(1, 3)]
    return life


def test_who_is_sent_on_hears_the_other_network_in_place_of_music() -> None:
    life = sent_on()
    assert life.contact.legs[1].place == "waits"
    assert life.take(inputs.Accepted(3, "final"))[:2] == [do.Ack(3), do.TakeAnswer(3, "final")]
    assert do.Connect(1, 3) in life.take(inputs.MediaReady(3, MEDIA, "PCMU"))
    assert life.contact.legs[1].place == life.contact.legs[3].place == "talk"


def test_he_hears_music_again_while_the_next_trunk_is_tried_and_by_the_next_node() -> None:
    life = sent_on()
    life.take(inputs.Rejected(3, 503, 34))
    assert music(life, 1) and told(life, "contact_dialed")[-1]["trunk"] == "gw2"
    life = sent_on()
    life.take(inputs.Adopted("lq2-1"))
    assert music(life, 1)


def test_a_network_that_says_no_is_heard_and_then_the_queue() -> None:
    life = sent_on()
    life.take(inputs.Rejected(3, 486, 17))
    assert life.contact.state == "queueing" and life.contact.legs[1].play is not None


def test_who_talks_with_the_customer_is_not_interrupted() -> None:
    life = consults_a_mobile("transfer_conference", mode="")
    before = hears(life)
    assert life.take(inputs.Progress(3, 183, "early")) == []
    assert hears(life) == before


def test_an_adopter_calls_again_and_it_rings() -> None:
    life = early()
    life.take(inputs.Adopted("lq2-1"))
    assert ring_tone(life, 2) and life.contact.legs[4].place == "aside"
    life.take(inputs.ChannelSeized(4, "gw1", 8))
    assert any(isinstance(e, do.Invite) for e in life.take(inputs.MediaReady(4, MEDIA, "", "offer")))


def test_events_tell_of_whoever_is_asked_back() -> None:
    life = talking()
    tell(life, "transfer", to="1002", mode="consult")
    placed = [(event["leg"], event["place"]) for event in told(life, "leg_placed")]
    assert placed[-3:] == [("c1.1", "waits"), ("c1.2", "aside"), ("c1.3", "aside")]


# -- an extension: who is signed in there is taken before it rings -----------------------------------------------------
def referred(**forwards: doc.Forward) -> Life:
    """The phone of 1001 sends the customer on to the extension 8002."""
    life = talking(**forwards)
    life.take(inputs.Referred(2, "8002", "7"))
    assert do.Engage(3, phone="8002", lease_ms=45_000) in life.effects
    assert not any(isinstance(effect, do.PrepareOutgoing) for effect in life.effects), "nothing rings yet"
    return life


def test_who_is_signed_in_at_an_extension_has_the_customer_who_is_sent_there() -> None:
    life = referred()
    assert life.take(inputs.Engaged(3, "1002", "8002", 50)) == [do.PrepareOutgoing(3)]
    assert bound(life.contact)[0] == ("1002", "8002", 50, "reserved")
    life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    life.take(inputs.Progress(3, 180))
    assert agent_ops(life) == [("1002", "ringing", "")]
    takes(life, 3)
    assert life.contact.agent == "1002" and told(life, "contact_answered")[-1]["agent"] == "1002"
    life.take(inputs.Ended(2))
    assert bound(life.contact) == [("1002", "8002", 50, "talking")]
    assert tell(life, "hold", agent="1002") == (200, "") and tell(life, "resume", agent="1002") == (200, "")
    life.take(inputs.Ended(1))
    [op] = [effect for effect in life.effects if isinstance(effect, do.AgentOp)]
    assert (op.agent, op.op, op.outcome, op.wrap_up_ms) == ("1002", "release", "answered", 20_000)


@pytest.mark.parametrize("mode", ["consult", "blind", "add"])
def test_an_extension_rings_whatever_the_command(mode: str) -> None:
    life = talking()
    assert tell(life, "transfer_conference" if mode == "add" else "transfer", to="8002", mode=mode) == (200, "")
    engaged(life, 3)
    takes(life, 3)
    assert ("1002", "8002", 50, "talking") in bound(life.contact)


@pytest.mark.parametrize("state", ["talking", "ringing", "reserved", "dialing"])
def test_an_extension_whose_agent_is_with_a_contact_is_busy(state: str) -> None:
    life = referred()
    life.take(inputs.EngageRefused(3, "1002", state, "8002"))
    assert do.TellReferrer(2, "7", 486) in life.effects and hears(life) == {1: "leg:2", 2: "leg:1"}
    life = referred(p8002=doc.Forward(busy="8003"))
    life.take(inputs.EngageRefused(3, "1002", state, "8002"))
    assert do.Engage(4, phone="8003", lease_ms=45_000) in life.effects


@pytest.mark.parametrize("state", ["signed_out", "settling"])
def test_an_extension_at_which_nobody_is_signed_in_just_rings(state: str) -> None:
    life = referred()
    assert life.take(inputs.EngageRefused(3, "", state)) == [do.PrepareOutgoing(3)]
    life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    takes(life, 3)
    assert life.contact.calls == {} and life.contact.legs[3].agent == ""


@pytest.mark.parametrize("state", ["paused", "wrap_up", "busy_other", "phone_offline"])
def test_whose_agent_gets_no_calls_of_queues_rings_and_he_is_shown_so(state: str) -> None:
    life = referred()
    assert life.take(inputs.EngageRefused(3, "1002", state, "8002")) == [
        do.Engage(3, phone="8002", own=True, lease_ms=45_000)
    ]
    assert life.take(inputs.Engaged(3, "1002", "8002", 50, "webrtc")) == [do.PrepareOutgoing(3, "webrtc")]
    life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    life.take(inputs.Progress(3, 180))
    life.due("call:3")  # like any colleague's call, it counts against nobody
    assert ("1002", "release", "caller_gone") in agent_ops(life)


def test_an_extension_rings_though_the_live_state_says_nothing() -> None:
    life = referred()
    assert life.due("take:3") == [do.PrepareOutgoing(3)]
    life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    life.take(inputs.Progress(3, 180))
    assert copy(life).take(inputs.EngageRefused(3, "1002", "talking", "8002")) == [], "too late"
    assert [(e.agent, e.op) for e in life.take(inputs.Engaged(3, "1002", "8002", 50)) if isinstance(e, do.AgentOp)] == [
        ("1002", "ringing")
    ]
    takes(life, 3)
    assert life.contact.agent == "1002" and life.contact.legs[3].reservation == 50


def test_another_node_asks_for_him_once_more_or_rings_once_more() -> None:
    life = referred()
    effects = life.take(inputs.Adopted("lq2-1"))
    assert do.Engage(3, phone="8002", lease_ms=45_000) in effects and "take:3" in life.contact.deadlines
    life.due("take:3")
    effects = life.take(inputs.Adopted("lq2-1"))
    assert do.PrepareOutgoing(4) in effects and not any(isinstance(effect, do.Engage) for effect in effects)


def test_nobody_waits_for_him_once_he_is_not_wanted() -> None:
    life = talking()
    tell(life, "transfer", to="8002", mode="consult")
    assert tell(life, "transfer_cancel") == (200, "")
    assert not any(name.startswith(("take:", "call:")) for name in life.contact.deadlines)
    life.take(inputs.Engaged(3, "1002", "8002", 50))
    assert ("1002", "release", "caller_gone") in agent_ops(life)


# -- emergencies -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("verb", "more"), [("transfer_conference", {}), ("transfer", {"mode": "consult"}), ("transfer", {"mode": "blind"})]
)
@pytest.mark.parametrize("channel", [inputs.ChannelRefused(3, "gw1"), inputs.ChannelSeized(3, "gw1", 7), None])
def test_an_emergency_called_into_a_call_waits_for_no_channel(
    verb: str, more: dict[str, str], channel: inputs.Input | None
) -> None:
    """All channels taken, or Redis away: the trunk has the last word."""
    life = talking()
    assert tell(life, verb, to="120", **more) == (200, "")
    assert do.SeizeChannel(3, "gw1") in life.effects and life.effects.count(do.PrepareOutgoing(3)) == 1
    if channel is not None:
        assert life.take(channel) == []
    [invite] = life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    assert isinstance(invite, do.Invite) and invite.uri == "sip:120@out.lq.internal;trunk=gw1"
    takes(life, 3)
    assert life.contact.legs[3].place in ("talk", "aside") and life.contact.calls == {}


def test_an_emergency_by_refer_and_by_the_next_trunk() -> None:
    life = talking()
    life.take(inputs.Referred(2, "110", "7"))
    assert do.PrepareOutgoing(3) in life.effects
    life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    effects = life.take(inputs.Rejected(3, 503, 34))
    assert do.SeizeChannel(4, "gw2") in effects and do.PrepareOutgoing(4) in effects


# -- phones that send their calls on -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("why", "forward"),
    [
        ("always", doc.Forward(always="8003")),
        ("busy", doc.Forward(busy="8003")),
        ("no_answer", doc.Forward(no_answer="8003", no_answer_s=12)),
        ("offline", doc.Forward(offline="8003")),
    ],
)
@pytest.mark.parametrize("mode", ["consult", "blind"])
def test_a_colleague_s_phone_sends_on(why: str, forward: doc.Forward, mode: str) -> None:
    life = talking(p8002=forward)
    tell(life, "transfer", to="1002", mode=mode)
    if why == "busy":
        life.take(inputs.EngageRefused(3, "1002", "talking", "8002"))
    else:
        life.take(inputs.Engaged(3, "1002", "8002", 50))
    if why in ("no_answer", "offline"):
        life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    if why == "no_answer":
        life.take(inputs.Progress(3, 180))
        assert life.contact.deadlines["call:3"] - life.now < 12_000
        life.due("call:3")
    elif why == "offline":
        life.take(inputs.Rejected(3, 480))
    assert told(life, "contact_forwarded") == [{"phone": "8002", "to": "8003", "why": why}]
    released = {"always": "caller_gone", "no_answer": "no_answer", "offline": "unreachable"}
    assert why == "busy" or ("1002", "release", released[why]) in agent_ops(life)
    assert life.contact.calls[4].to == "phone:8003" and life.contact.calls[4].verb == mode
    life.take(inputs.MediaReady(4, MEDIA, "", "offer"))
    takes(life, 4)
    if mode == "consult":
        assert hears(life) == {1: "mixer", 2: "leg:4", 4: "leg:2"}
        tell(life, "transfer_complete")
    assert hears(life) == {1: "leg:4", 4: "leg:1"}


@pytest.mark.parametrize("rang", [True, False])
@pytest.mark.parametrize("code", [403, 404, 408, 480, 486, 487, 488, 500, 503, 600, 603])
def test_a_phone_s_refusal_means_the_same_in_an_offer_and_in_a_consultation(code: int, rang: bool) -> None:
    offered, consulted = Life().offered(), talking()
    tell(consulted, "transfer", to="phone:8002", mode="consult")
    consulted.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    for life, n in ((offered, 2), (consulted, 3)):
        if rang:
            life.take(inputs.Progress(n, 180))
        life.take(inputs.Rejected(n, code))
    ended = [told(life, "leg_ended")[-1] for life in (offered, consulted)]
    assert ended[0]["cause"] == ended[1]["cause"] == causes.cause_of(code, rang=rang)


def test_a_phone_that_is_named_sends_on_at_once() -> None:
    life = talking(p8002=doc.Forward(always="8003"))
    assert tell(life, "transfer", to="phone:8002", mode="consult") == (200, "")
    assert life.contact.calls[4].to == "phone:8003" and life.contact.legs[4].place == "aside"
    assert ring_tone(life, 2) and music(life, 1)


def test_to_a_queue_goes_whom_was_sent_blind() -> None:
    life = talking(p8002=doc.Forward(busy="queue:support"))
    tell(life, "transfer", to="phone:8002", mode="blind")
    life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    life.take(inputs.Rejected(3, 486))
    assert (life.contact.state, life.contact.queue, life.contact.calls) == ("queueing", "support", {})


def test_nobody_asks_a_queue_back() -> None:
    life = talking(p8002=doc.Forward(busy="queue:support"))
    tell(life, "transfer", to="phone:8002", mode="consult")
    life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    life.take(inputs.Rejected(3, 486))
    assert told(life, "contact_forwarded")[-1]["refused"] == "mode"
    assert hears(life) == {1: "leg:2", 2: "leg:1"}


def test_a_phone_that_sends_outside_passes_the_gate_and_his_mobile_is_no_customer() -> None:
    life = talking(p8002=doc.Forward(busy=f"9{MOBILE}"))
    tell(life, "transfer", to="phone:8002", mode="consult")
    life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    life.take(inputs.Rejected(3, 486))
    assert told(life, "contact_dialed")[-1]["leg"] == "c1.4" and life.contact.legs[4].party == "agent"
    life.take(inputs.ChannelSeized(4, "gw1", 7))
    life.take(inputs.MediaReady(4, MEDIA, "", "offer"))
    takes(life, 4)
    assert hears(life) == {1: "mixer", 2: "leg:4", 4: "leg:2"} and life.contact.customer.n == 1


def test_nobody_is_sent_to_an_emergency_number() -> None:
    life = talking(p8002=doc.Forward(busy="110"))
    tell(life, "transfer", to="phone:8002", mode="consult")
    life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    life.take(inputs.Rejected(3, 486))
    assert told(life, "contact_forwarded")[-1]["refused"] == "permission"
    assert hears(life) == {1: "leg:2", 2: "leg:1"}


@pytest.mark.parametrize(
    ("ways", "wanted"),
    [({2: "8003", 3: "8002"}, [None, "loop"]), ({n: f"800{n + 1}" for n in (2, 3, 4, 5)}, [None, None, None, "hops"])],
)
def test_a_ring_of_phones_is_left(ways: dict[int, str], wanted: list[str | None]) -> None:
    always = {f"p800{n}": doc.Forward(always=to) for n, to in ways.items()}
    life = talking(**always)
    assert tell(life, "transfer", to="phone:8002", mode="consult") == (200, "")
    assert [one.get("refused") for one in told(life, "contact_forwarded")] == wanted
    assert hears(life) == {1: "leg:2", 2: "leg:1"} and life.contact.calls == {}


def test_nobody_is_sent_back_to_himself() -> None:
    life = talking(p8002=doc.Forward(busy="1001"))
    tell(life, "transfer", to="phone:8002", mode="consult")
    life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    life.take(inputs.Rejected(3, 486))
    assert told(life, "contact_forwarded")[-1]["refused"] == "loop"
    assert hears(life) == {1: "leg:2", 2: "leg:1"}


def test_a_leader_is_called_at_his_phone_wherever_it_sends_calls() -> None:
    life = talking(p8003=doc.Forward(always="8004"))
    tell(life, "monitor", agent="1901", mode="listen")
    life.take(inputs.Engaged(3, "1901", "8003", 70))
    assert told(life, "contact_forwarded") == [] and 3 in life.contact.calls


# -- access numbers ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("to", "state"),
    [("4008001001", "queueing"), ("94008001001", "queueing"), ("4008001000", "ivr"), ("4008001008", "conference")],
)
def test_to_an_access_number_of_ours(to: str, state: str) -> None:
    life = talking()
    assert tell(life, "transfer", to=to, mode="blind") == (200, "")
    if life.contact.state == "announcing":  # the notice first
        life.played()
    assert life.contact.state == state and ("1001", "release", "answered") in agent_ops(life)
    life = talking()
    assert tell(life, "transfer", to=to, mode="consult") == (422, "mode")
    assert hears(life) == {1: "leg:2", 2: "leg:1"}


def test_an_echo_is_no_place_for_a_customer() -> None:
    assert tell(talking(), "transfer", to="4008001009", mode="blind") == (422, "unknown_target")


def test_an_access_number_of_an_agent_is_that_agent() -> None:
    known = book()
    numbers = {**known.numbers, "4008001007": doc.AccessNumber("4008001007", "agent:1002")}
    life = Life(book=replace(known, numbers=numbers)).talking()
    assert tell(life, "transfer", to="4008001007", mode="consult") == (200, "")
    engaged(life, 3)
    takes(life, 3)
    assert hears(life) == {1: "mixer", 2: "leg:3", 3: "leg:2"}


def test_by_refer_too() -> None:
    life = talking()
    life.take(inputs.Referred(2, "4008001001", "7"))
    assert do.TellReferrer(2, "7", 200) in life.effects and life.contact.queue == "sales"


def test_a_room_by_the_number_that_is_dialled_for_it() -> None:
    rooms = {"8800": doc.Conference("8800", "晨会")}
    life = Life(book=replace(book(), conferences=rooms)).talking()
    life.take(inputs.Referred(2, "8800", "7"))
    assert do.TellReferrer(2, "7", 200) in life.effects
    assert (life.contact.state, life.contact.conference and life.contact.conference.id) == ("conference", "8800")
    life = Life(book=replace(book(), conferences=rooms)).talking()
    assert tell(life, "transfer", to="8800", mode="blind") == (200, "") and life.contact.state == "conference"
