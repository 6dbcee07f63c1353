"""Callers whose INVITE makes no offer (RFC 3725), and phones that ask what we offer."""

from __future__ import annotations

from lq.contacts import advance as rule
from lq.contacts import effects as do
from lq.contacts import inputs
from tests.unit.contacts.test_advance import BOOK, MEDIA, Life, kinds


class Offerless(Life):
    def __init__(self, called: str = "4008001000", source: str = "trunk:gw1") -> None:
        super().__init__(called, source)
        first = inputs.Incoming("c1", source, "13800138000", called, "", "lq1-1")
        self.contact, self.effects = rule.begin(first, self.now, BOOK)
        self.events = self._emitted()


def test_our_200_makes_the_offer_and_the_caller_is_heard_once_his_ack_answers() -> None:
    life = Offerless()
    assert life.effects[-1] == do.PrepareOutgoing(1)
    assert life.take(inputs.MediaReady(1, MEDIA, "", "our offer")) == [do.Answer(1, "our offer")]
    assert life.take(inputs.Confirmed(1, "his answer", owed=True)) == [do.TakeAnswer(1, "his answer")]
    effects = life.take(inputs.MediaReady(1, MEDIA, "PCMA"))
    assert kinds(effects) == ["StartRecording", "StartPlay"]  # the notice, as for anybody
    assert life.events.count("leg_answered") == 1
    assert life.take(inputs.Confirmed(1)) == []


def test_an_ack_without_the_answer_ends_the_call() -> None:
    life = Offerless()
    life.take(inputs.MediaReady(1, MEDIA, "", "our offer"))
    assert kinds(life.take(inputs.Confirmed(1, "", owed=True))) == ["Bye", "DeleteMedia"]
    assert life.contact.result == "failed"


def test_a_caller_who_hangs_up_before_his_media_is_known() -> None:
    life = Offerless()
    life.take(inputs.MediaReady(1, MEDIA, "", "our offer"))
    assert kinds(life.take(inputs.Ended(1, "bye", 16))) == ["DeleteMedia"]
    assert life.cleared().contact.state == "over"


def test_a_phone_without_an_offer_calls_a_phone() -> None:
    life = Offerless("8002", "phone:8001")
    assert kinds(life.take(inputs.MediaReady(1, MEDIA, "", "our offer"))) == ["Engage"]
    assert kinds(life.take(inputs.EngageRefused(2, "", "signed_out"))) == ["Ring", "PrepareOutgoing"]
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    assert do.Answer(1, "our offer") in life.take(inputs.Accepted(2, "answer of 8002"))
    assert life.take(inputs.MediaReady(2, MEDIA, "PCMA")) == []  # whom shall it hear? not known yet
    assert life.take(inputs.Confirmed(1, "answer of 8001", owed=True)) == [do.TakeAnswer(1, "answer of 8001")]
    assert life.take(inputs.MediaReady(1, MEDIA, "PCMU")) == [do.Connect(1, 2)]
    assert life.events.count("leg_answered") == 2


def test_the_ack_may_come_before_the_other_phones_media() -> None:
    life = Offerless("8002", "phone:8001")
    life.take(inputs.MediaReady(1, MEDIA, "", "our offer"))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    life.take(inputs.Accepted(2, "answer of 8002"))
    life.take(inputs.Confirmed(1, "answer of 8001", owed=True))
    assert life.take(inputs.MediaReady(1, MEDIA, "PCMU")) == []
    assert life.take(inputs.MediaReady(2, MEDIA, "PCMA")) == [do.Connect(1, 2)]


def test_a_phone_that_asks_for_an_offer_in_a_call_tells_in_its_ack_what_it_does() -> None:
    life = Life().talking()
    assert life.take(inputs.Reoffered(2, "")) == [do.AnswerOffer(2, "")]
    assert life.take(inputs.Confirmed(2, "hold", owed=True)) == [do.TakeOffer(2, "hold")]
    effects = life.take(inputs.MediaReoffered(2, MEDIA, "for nobody", held=True))
    assert life.contact.legs[2].held and "StartPlay" in kinds(effects)


def test_an_answer_that_is_owed_to_a_contact_that_ends_is_of_no_use() -> None:
    life = Life().talking()
    life.take(inputs.Ended(1, "bye", 16))
    assert life.take(inputs.Confirmed(2, "answer", owed=True)) == []


def test_a_phone_that_moved_tells_so_when_its_session_is_refreshed() -> None:
    life = Life().talking()
    assert life.take(inputs.OfferAnswered(2, "at another port")) == [do.TakeOffer(2, "at another port")]
    assert kinds(life.take(inputs.MediaReoffered(2, MEDIA, "for nobody", held=False))) == ["AnswerOffer"]
    life.take(inputs.Ended(1, "bye", 16))
    assert life.take(inputs.OfferAnswered(2, "at another port")) == []


def test_a_phone_without_an_offer_calls_a_number_outside() -> None:
    life = Offerless("62345678", "phone:8001")
    assert do.Engage(1, phone="8001", own=True) in life.effects
    assert life.take(inputs.LookedUp(1, ())) == [do.PrepareOutgoing(1)]
    assert kinds(life.take(inputs.MediaReady(1, MEDIA, "", "our offer"))) == ["SeizeChannel"]
    life.take(inputs.ChannelSeized(2, "gw1", 7))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer out"))
    life.take(inputs.Progress(2, 183, "early"))
    assert life.take(inputs.MediaReady(2, MEDIA, "PCMA")) == [do.Ring(1)]
    assert do.Answer(1, "our offer") in life.take(inputs.Accepted(2, "final"))
    assert life.take(inputs.MediaReady(2, MEDIA, "PCMA")) == []
    assert life.take(inputs.Confirmed(1, "the phone's answer", owed=True)) == [do.TakeAnswer(1, "the phone's answer")]
    assert life.take(inputs.MediaReady(1, MEDIA, "PCMU")) == [do.Connect(1, 2)]
    assert life.events.count("leg_answered") == 2
