"""An agent takes or refuses at his screen what rings at his phone, whatever phone that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from lq.config import documents as doc
from lq.contacts import advance as rule
from lq.contacts import effects as do
from lq.contacts import inputs
from lq.trunks import phones
from tests.unit.contacts.test_advance import BOOK, MEDIA, Life, kinds

ANSWER = inputs.Command("a", "answer", {"agent": "1001"})
REJECT = inputs.Command("r", "reject", {"agent": "1001"})


class AtPhone(Life):
    """An agent's phone of this model is called."""

    def __init__(self, model: str = "") -> None:
        phone = replace(BOOK.phones["8001"], model=model)
        super().__init__("4008001001", book=replace(BOOK, phones={**BOOK.phones, "8001": phone}))
        self.answered()
        self.played()
        self.take(inputs.Reserved(1, "1001", "8001", 17, "sales"))
        self.take(inputs.MediaReady(2, MEDIA, "", "agent offer"))


def reply(effects: list[do.Effect]) -> tuple[int, str]:
    (found,) = [effect for effect in effects if isinstance(effect, do.Reply)]
    return found.status, found.error


def called(effects: list[do.Effect]) -> Mapping[str, str]:
    (invite,) = [effect for effect in effects if isinstance(effect, do.Invite)]
    return invite.headers


@pytest.mark.parametrize(("model", "says"), [("yealink", False), ("poly", False), ("", True), ("baresip", True)])
def test_a_phone_that_takes_orders_is_told_to_answer(model: str, says: bool) -> None:
    """Because its model does, or because it says so itself."""
    life = AtPhone(model)
    life.take(inputs.Progress(2, 180, talks=says))
    assert life.take(ANSWER) == [do.AnswerPhone(2, "a")]
    assert life.take(inputs.PhoneTold(2, "a", 200)) == [do.Reply("a", 200)]
    assert life.contact.state == "offering"  # until it does answer
    life.take(inputs.Accepted(2, "agent answer"))
    assert life.contact.state == "talking" and life.contact.legs[2].reservation == 17
    assert reply(life.take(replace(ANSWER, id="again"))) == (200, "")  # a double click


def test_clicked_twice_while_it_rings_it_is_told_twice() -> None:
    life = AtPhone("yealink")
    life.take(inputs.Progress(2, 180))
    for id in ("a", "a", "b"):
        assert life.take(replace(ANSWER, id=id)) == [do.AnswerPhone(2, id)]


@pytest.mark.parametrize("code", [0, 408, 481, 489])
def test_a_phone_that_does_not_obey_is_called_again_if_it_answers_by_itself(code: int) -> None:
    life = AtPhone("yealink")
    life.take(inputs.Progress(2, 180))
    life.take(ANSWER)
    effects = life.take(inputs.PhoneTold(2, "a", code))
    assert kinds(effects) == ["Cancel", "Reply"] and reply(effects) == (200, "")
    life = AtPhone("poly")
    life.take(inputs.Progress(2, 180))
    life.take(ANSWER)
    assert reply(life.take(inputs.PhoneTold(2, "a", code))) == (409, "cannot_be_answered")
    assert life.contact.legs[2].state == "ringing" and life.contact.offer is not None


def test_a_phone_that_answers_by_itself_is_called_again_for_the_same_offer() -> None:
    life = AtPhone("grandstream")
    ring = life.contact.deadlines["ring"]
    life.take(inputs.Progress(2, 180))
    effects = life.take(ANSWER)
    assert kinds(effects) == ["Cancel", "Reply"]
    assert 'text="Call completed elsewhere"' in effects[0].reason  # type: ignore[union-attr]
    assert reply(life.take(replace(ANSWER, id="b"))) == (200, "")  # a double click
    effects = life.take(inputs.Rejected(2, 487))
    assert kinds(effects) == ["DeleteMedia", "PrepareOutgoing"]
    assert life.contact.offer is not None
    assert (life.contact.offer.leg, life.contact.offer.reservation, life.contact.offer.agent) == (3, 17, "1001")
    assert reply(life.take(replace(ANSWER, id="c"))) == (200, "")
    assert called(life.take(inputs.MediaReady(3, MEDIA, "", "agent offer"))) == {
        "X-LQ-Contact": "c1",
        "Call-Info": "<sip:lq.internal>;answer-after=0",
    }
    assert life.contact.deadlines["ring"] == ring  # it does not ring longer for that
    life.take(inputs.Accepted(3, "agent answer"))
    life.take(inputs.MediaReady(3, MEDIA, "PCMA"))
    assert life.contact.state == "talking" and life.contact.legs[3].peer == "leg:1"
    assert life.events.count("contact_offered") == 1 and life.events.count("contact_offer_ended") == 1


def test_lifting_the_handset_before_the_cancel_is_an_answer() -> None:
    life = AtPhone("fanvil")
    life.take(inputs.Progress(2, 180))
    life.take(ANSWER)
    life.take(inputs.Accepted(2, "agent answer"))
    assert life.contact.state == "talking" and max(life.contact.legs) == 2


@pytest.mark.parametrize(("code", "outcome"), [(486, "busy"), (603, "refused")])
def test_refusing_before_the_cancel_is_a_refusal(code: int, outcome: str) -> None:
    life = AtPhone("fanvil")
    life.take(inputs.Progress(2, 180))
    life.take(ANSWER)
    effects = life.take(inputs.Rejected(2, code))
    assert [e.outcome for e in effects if isinstance(e, do.AgentOp)] == [outcome]
    assert life.contact.state == "queueing"


def test_a_phone_that_was_called_so_and_still_rings_must_be_lifted() -> None:
    life = AtPhone("fanvil")
    life.take(inputs.Progress(2, 180))
    life.take(ANSWER)
    life.take(inputs.Rejected(2, 487))
    assert set(called(life.take(inputs.MediaReady(3, MEDIA, "", "offer")))) == {
        "X-LQ-Contact",
        "Alert-Info",
        "Call-Info",
    }
    life.take(inputs.Progress(3, 180))
    assert reply(life.take(replace(ANSWER, id="b"))) == (409, "cannot_be_answered")
    effects = life.take(inputs.Rejected(3, 487), 30_000)  # not ours: nothing is called a third time
    assert [e.outcome for e in effects if isinstance(e, do.AgentOp)] == ["no_answer"]


def test_the_caller_goes_while_the_phone_is_called_again() -> None:
    life = AtPhone("fanvil")
    life.take(inputs.Progress(2, 180))
    life.take(ANSWER)
    effects = life.take(inputs.Ended(1))
    assert [e.outcome for e in effects if isinstance(e, do.AgentOp)] == ["caller_gone"]
    life.take(inputs.Rejected(2, 487))
    assert max(life.contact.legs) == 2
    assert life.cleared().contact.state == "over"


def test_nobody_answers_while_the_phone_is_called_again() -> None:
    life = AtPhone("fanvil")
    life.take(inputs.Progress(2, 180))
    life.take(ANSWER)
    life.due("ring")
    assert life.contact.state == "queueing" and life.contact.offer is None
    life.take(inputs.Rejected(2, 487))
    assert max(life.contact.legs) == 2 and life.contact.state == "queueing"


@pytest.mark.parametrize("model", ["", "baresip", "browser"])
def test_a_phone_that_takes_no_orders_rings_on(model: str) -> None:
    life = AtPhone(model)
    life.take(inputs.Progress(2, 180))
    effects = life.take(ANSWER)
    assert kinds(effects) == ["Reply"] and reply(effects) == (409, "cannot_be_answered")
    assert life.contact.legs[2].state == "ringing"


def test_only_what_rings_at_his_own_phone() -> None:
    life = AtPhone("yealink")
    assert reply(life.take(ANSWER)) == (409, "not_ringing")  # called, and silent so far
    life.take(inputs.Progress(2, 180))
    for body in ({"agent": "1002"}, {}, {"agent": ""}, {"agent": None}):
        for verb in ("answer", "reject"):
            assert reply(life.take(inputs.Command(f"{verb}{body}", verb, body))) == (409, "not_ringing"), body
    assert life.contact.legs[2].state == "ringing"
    assert reply(Life().answered().take(ANSWER)) == (409, "not_ringing")
    late = inputs.PhoneTold(2, "late", 481)
    life.take(inputs.Rejected(2, 486))
    assert reply(life.take(late)) == (409, "not_ringing")


def test_a_refusal_at_the_screen_is_one_at_the_phone() -> None:
    life = AtPhone("")
    life.take(inputs.Progress(2, 180))
    effects = life.take(REJECT)
    assert effects[0] == do.Cancel(2, "Q.850;cause=21") and effects[-1] == do.Reply("r", 200)
    assert [(e.op, e.outcome) for e in effects if isinstance(e, do.AgentOp)] == [("release", "refused")]
    assert life.contact.state == "queueing" and life.contact.offer is None
    ended = next(event for event in life.ledger if event.type == "contact_offer_ended")
    assert (ended.data["outcome"], ended.data["sip"], ended.data["cause"]) == ("refused", 603, 21)
    assert life.take(REJECT) == [do.Reply("r", 200)]  # the same click once more
    assert reply(life.take(replace(REJECT, id="s"))) == (409, "not_ringing")
    life.take(inputs.Accepted(2, "too late"))  # it crosses the CANCEL
    assert kinds([e for e in life.effects if not isinstance(e, do.Emit)]) == ["Ack", "Bye"]


def test_before_it_rings_a_call_can_be_refused() -> None:
    life = AtPhone("")
    assert reply(life.take(REJECT)) == (200, "")
    assert life.contact.state == "queueing"


def test_every_model_that_is_named_has_a_name_for_people() -> None:
    assert all(model.name for model in phones.MODELS.values())
    assert phones.model_of(None) == phones.UNKNOWN


# -- somebody who is called into a contact ----------------------------------------------------------------------
def consulting(model: str) -> Life:
    """1001 talks and asks 1002 back, whose phone 8002 rings."""
    his = {**BOOK.phones, "8002": replace(BOOK.phones["8002"], model=model)}
    agents = {**BOOK.agents, "1002": doc.Agent("1002", "李伟")}
    life = Life(book=replace(BOOK, phones=his, agents=agents)).talking()
    life.take(inputs.Command("c", "transfer", {"agent": "1001", "to": "agent:1002", "mode": "consult"}))
    (n,) = life.contact.calls
    life.take(inputs.Engaged(n, "1002", "8002", 18))
    life.take(inputs.MediaReady(n, MEDIA, "", "offer"))
    life.take(inputs.Progress(n, 180))
    return life


def test_who_is_asked_back_answers_at_his_screen() -> None:
    life = consulting("yealink")
    (n,) = life.contact.calls
    assert life.take(inputs.Command("a", "answer", {"agent": "1002"})) == [do.AnswerPhone(n, "a")]


def test_who_is_asked_back_is_called_again() -> None:
    life = consulting("grandstream")
    (n,) = life.contact.calls
    assert kinds(life.take(inputs.Command("a", "answer", {"agent": "1002"}))) == ["Cancel", "Reply"]
    life.take(inputs.Rejected(n, 487))
    ((again, call),) = life.contact.calls.items()
    assert again != n and (call.verb, call.reservation) == ("consult", 18)
    assert "Call-Info" in called(life.take(inputs.MediaReady(again, MEDIA, "", "offer")))
    assert life.contact.state == "talking" and life.contact.legs[again].place == "aside"
    life.take(inputs.Accepted(again, "answer"))
    assert life.contact.legs[again].reservation == 18 and not life.contact.calls


def test_who_is_asked_back_refuses_at_his_screen() -> None:
    life = consulting("")
    effects = life.take(inputs.Command("r", "reject", {"agent": "1002"}))
    assert kinds(effects)[0] == "Cancel" and reply(effects) == (200, "")
    assert [(e.agent, e.outcome) for e in effects if isinstance(e, do.AgentOp)] == [("1002", "refused")]
    assert life.contact.state == "talking" and not life.contact.calls  # the others talk on


# -- an agent's own phone rings because he calls (click to dial) -------------------------------------------------
class Clicked(Life):
    """His phone of this model is called, and rings: it does not answer by itself, whatever its INVITE says."""

    def __init__(self, model: str, busy: str = "") -> None:
        super().__init__()
        his = replace(BOOK.phones["8001"], model=model, forward=doc.Forward(busy=busy))
        known = {**BOOK.phones, "8001": his}
        self.book = replace(BOOK, phones=known)
        begun = rule.place(inputs.Wanted("c1", "k1", "1001", "8001", "8002", "lq1-1"), self.now, self.book)
        assert isinstance(begun, tuple), begun
        self._begin(*begun)
        self.take(inputs.Engaged(1, "1001", "8001", 21))
        self.invite = called(self.take(inputs.MediaReady(1, MEDIA, "", "offer")))

    def rings(self, *, talks: bool = False) -> Clicked:
        self.take(inputs.Progress(1, 180, talks=talks))
        return self

    def goes_out(self) -> bool:
        self.take(inputs.Accepted(1, "his answer"))
        self.take(inputs.MediaReady(1, MEDIA, "PCMA"))
        return self.contact.state == "calling"


@pytest.mark.parametrize("model", ["fanvil", "grandstream", "", "baresip"])
def test_his_own_call_is_never_cancelled_by_answering_it(model: str) -> None:
    """Called once more it would get the same headers, which it does not heed: he is told to lift it."""
    life = Clicked(model).rings()
    for id in ("a", "b"):
        assert life.take(replace(ANSWER, id=id)) == [
            do.Reply(id, 409, "cannot_be_answered", "this phone takes no orders: lift its handset")
        ]
    assert life.contact.state == "placing" and life.contact.legs[1].state == "ringing"
    assert life.goes_out()


def test_what_may_yet_answer_by_itself_is_awaited() -> None:
    life = Clicked("grandstream")
    assert "Call-Info" in life.invite and reply(life.take(ANSWER)) == (200, "")
    assert life.contact.state == "placing" and life.contact.legs[1].alive


@pytest.mark.parametrize(("model", "says"), [("yealink", False), ("browser", True), ("", True)])
def test_his_own_phone_is_told_to_answer_where_it_takes_orders(model: str, says: bool) -> None:
    life = Clicked(model).rings(talks=says)
    assert life.take(ANSWER) == [do.AnswerPhone(1, "a")]
    assert life.take(inputs.PhoneTold(1, "a", 200)) == [do.Reply("a", 200)]
    assert life.goes_out()


def test_his_own_phone_that_does_not_obey_rings_on() -> None:
    life = Clicked("yealink").rings()
    life.take(ANSWER)
    assert reply(life.take(inputs.PhoneTold(1, "a", 481))) == (409, "cannot_be_answered")
    assert life.goes_out()


@pytest.mark.parametrize("rings", [True, False])
def test_who_refuses_his_own_call_has_nobody_called(rings: bool) -> None:
    """Not whom his phone sends its calls on to, either: that is for those who call it."""
    life = Clicked("", busy="8002")
    if rings:
        life.rings()
    effects = life.take(REJECT)
    assert effects[0] == do.Cancel(1, "Q.850;cause=21") and effects[-1] == do.Reply("r", 200)
    assert [(e.agent, e.op, e.outcome) for e in effects if isinstance(e, do.AgentOp)] == [
        ("1001", "release", "caller_gone")
    ]
    assert (life.contact.result, life.contact.ended_by, life.contact.state) == ("refused", "agent", "ending")
    assert "contact_forwarded" not in life.events and max(life.contact.legs) == 1
    life.take(inputs.Rejected(1, 487))
    assert life.cleared().contact.state == "over"
