"""Consult, blind transfer, conference, pick-up: what each hears, who is held, where the customer ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lq.config import documents as doc
from lq.contacts import conversation, inputs
from lq.contacts import effects as do
from lq.contacts.contact import with_leg
from tests.unit.contacts.talks import agent_ops, consulting, engaged, hears, music, takes, tell
from tests.unit.contacts.test_advance import BOOK, MEDIA, Life


def test_hold_and_resume_by_command() -> None:
    life = Life().talking()
    assert tell(life, "hold") == (200, "")
    assert music(life, 1) and life.contact.segments[-1].kind == "hold"
    assert tell(life, "hold", agent="1009") == (409, "not_in_contact")
    assert tell(life, "resume") == (200, "")
    assert hears(life) == {1: "leg:2", 2: "leg:1"} and life.events[-2:] == ["leg_placed", "contact_resumed"]
    assert tell(life, "resume") == (200, "")  # a double click


def test_a_repeated_command_hears_its_first_answer_whatever_has_become_of_it() -> None:
    """Also from another node, and though it could be carried out by now."""

    def asked(id: str, verb: str, **body: str) -> list[do.Effect]:
        return [e for e in life.take(inputs.Command(id, verb, {"agent": "1001", **body})) if isinstance(e, do.Reply)]

    life = Life().offered()
    [refused] = asked("k1", "hold")
    assert isinstance(refused, do.Reply) and refused.status == 409
    takes(life, 2)
    assert asked("k1", "hold") == [refused]
    life.take(inputs.Adopted("lq2-1"))
    assert asked("k1", "hold") == [refused] and not music(life, 1)
    assert asked("k2", "hold") == asked("k2", "hold") == [do.Reply("k2", 200)] and music(life, 1)
    asked("k3", "resume")
    assert asked("k2", "hold") == [do.Reply("k2", 200)] and not music(life, 1)
    for n in range(40):
        asked(f"no{n}", "transfer", to="nobody:there", mode="blind")
    assert len(life.contact.refused) == 8


def test_who_is_muted_is_not_heard_and_hears() -> None:
    life = Life().talking()
    tell(life, "mute")
    assert hears(life) == {1: "room:c1:1:", 2: "room:c1:0:"}
    tell(life, "unmute")
    assert hears(life) == {1: "leg:2", 2: "leg:1"}


@pytest.mark.parametrize("digits", ["", "x", "1" * 65, "12 3", "①"])
def test_only_keys_are_sent(digits: str) -> None:
    life = Life().talking()
    assert tell(life, "send_dtmf", digits=digits) == (422, "digits")
    assert tell(life, "send_dtmf", digits="12#") == (200, "")
    assert do.SendKey(1, "1") in life.effects
    assert tell(life, "send_dtmf", digits="A") == (200, "")
    assert not any(isinstance(effect, do.SendKey) for effect in life.effects), "behind the others"
    for key in "2#A":
        assert life.take(inputs.KeySent(1)) == [do.SendKey(1, key)]
    assert life.take(inputs.KeySent(1)) == [] and life.contact.legs[1].sending == ""


def test_who_takes_over_sends_the_keys_that_are_left() -> None:
    life = Life().talking()
    tell(life, "send_dtmf", digits="12#")
    life.take(inputs.KeySent(1))
    assert do.SendKey(1, "2") in life.take(inputs.Adopted("lq2-1"))
    assert life.take(inputs.KeySent(1)) == [do.SendKey(1, "#")]


AFTER_A_TALK = ("nobody signed in", "waited in vain", "hung up in line", "hung up while told", "no key", "released")


@pytest.mark.parametrize("how", AFTER_A_TALK)
def test_whom_an_agent_has_answered_is_answered_wherever_he_is_sent(how: str) -> None:
    """The books say why he left the line in the line's own event."""
    life = Life().talking()
    assert tell(life, "transfer", to="ivr:main" if how == "no key" else "queue:support", mode="blind") == (200, "")
    life.take(inputs.MediaDeleted(2))
    match how:
        case "nobody signed in":
            life.take(inputs.Waiting(life.contact.line.request if life.contact.line else 0, 1, 0))
            life.played()
        case "waited in vain":
            life.due("max_wait")
            life.played()
        case "hung up in line":
            life.take(inputs.Ended(1))
        case "hung up while told":
            life.due("max_wait")
            life.take(inputs.Ended(1))
        case "no key":
            while life.contact.state == "ivr":
                _ = life.played() if life.contact.customer.play else life.due("key")
        case "released":
            assert tell(life, "release", agent="1901") == (200, "")
    assert (life.contact.state, life.contact.result) == ("ending", "answered")
    [ended] = [event for event in life.ledger if event.type == "contact_ended"]
    assert ended.data["result"] == "answered"
    left = [event.data["reason"] for event in life.ledger if event.type == "contact_dequeued"]
    why = {"hung up in line": ["abandoned"], "no key": []}.get(how, ["no_agent"])
    assert left == ["answered", *why]


def test_a_consultation_and_each_of_its_ends() -> None:
    life = Life().talking()
    tell(life, "transfer", to="1002", mode="consult")
    assert music(life, 1) and life.contact.segments[-1].kind == "consult"
    assert do.Engage(3, agent="1002", own=False, lease_ms=45_000) in life.effects
    engaged(life, 3)
    life.take(inputs.Progress(3, 180))
    assert life.contact.legs[2].play and life.contact.legs[2].play.items == (conversation.RING_TONE,)
    takes(life, 3)
    assert hears(life) == {1: "mixer", 2: "leg:3", 3: "leg:2"}
    assert tell(life, "transfer_complete") == (200, "")
    assert hears(life) == {1: "leg:3", 3: "leg:1"} and life.contact.agent == "1002"
    assert ("1001", "release", "answered") in agent_ops(life) and do.Bye(2, 16) in life.effects
    assert life.contact.segments[-1].kind == "talk" and life.contact.segments[-1].agent == "1002"
    life.take(inputs.Ended(3))
    assert (life.contact.result, life.contact.ended_by, life.contact.state) == ("answered", "agent", "ending")

    life = consulting()
    assert tell(life, "transfer_cancel") == (200, "")
    assert hears(life) == {1: "leg:2", 2: "leg:1"} and ("1002", "release", "answered") in agent_ops(life)

    life = consulting()
    assert tell(life, "transfer_conference") == (200, "")
    assert hears(life) == {n: "room:c1:1:" for n in (1, 2, 3)} and life.contact.segments[-1].kind == "conference"
    life.take(inputs.Ended(2))  # he leaves it, the others go on
    assert hears(life) == {1: "leg:3", 3: "leg:1"} and life.contact.segments[-1].kind == "talk"

    life = consulting()
    life.take(inputs.Ended(2))  # hanging up hands the customer over
    assert hears(life) == {1: "leg:3", 3: "leg:1"} and life.contact.agent == "1002"

    life = consulting()
    life.take(inputs.Ended(3))  # the colleague leaves
    assert hears(life) == {1: "leg:2", 2: "leg:1"} and life.contact.agent == "1001"

    life = consulting()
    life.take(inputs.Ended(1))
    assert life.contact.state == "ending" and life.contact.ended_by == "caller"
    assert {("1001", "release", "answered"), ("1002", "release", "answered")} <= set(agent_ops(life))


@pytest.mark.parametrize("state", ["talking", "signed_out"])
def test_a_colleague_who_cannot_be_had(state: str) -> None:
    life = Life().talking()
    tell(life, "transfer", to="agent:1002", mode="consult")
    life.take(inputs.EngageRefused(3, "1002", state))
    assert hears(life) == {1: "leg:2", 2: "leg:1"} and life.contact.calls == {}
    assert life.contact.segments[-1].kind == "talk"


@pytest.mark.parametrize("how", ["busy", "silent", "hangs up while it rings"])
def test_a_blind_transfer_that_nobody_takes_goes_back_to_the_head_of_the_queue(how: str) -> None:
    life = Life().talking()
    assert tell(life, "transfer", to="agent:1002", mode="blind") == (200, "")
    assert do.Bye(2, 16) in life.effects and ("1001", "release", "answered") in agent_ops(life) and music(life, 1)
    engaged(life, 3)
    life.take(inputs.Progress(3, 180))
    if how == "busy":
        life.take(inputs.Rejected(3, 486))
    elif how == "silent":
        life.due("call:3")
    else:
        life.take(inputs.Ended(1))
        assert life.contact.state == "ending" and ("1002", "release", "caller_gone") in agent_ops(life)
        return
    assert ("1002", "release", {"busy": "busy", "silent": "no_answer"}[how]) in agent_ops(life)
    line = life.contact.line
    assert life.contact.state == "queueing" and line is not None and line.queue == "sales"
    assert line.lanes == {"sales": life.contact.started_at}  # as one who has waited since he called


def test_a_blind_transfer_is_answered() -> None:
    life = Life().talking()
    tell(life, "transfer", to="agent:1002", mode="blind")
    engaged(life, 3)
    takes(life, 3)
    assert hears(life) == {1: "leg:3", 3: "leg:1"} and life.contact.agent == "1002"


def test_to_a_queue() -> None:
    life = Life().talking()
    assert tell(life, "transfer", to="queue:nobody") == (422, "unknown_target")
    assert tell(life, "transfer", to="queue:sales", mode="consult") == (422, "mode")
    assert tell(life, "transfer", to="queue:sales") == (200, "")
    assert life.contact.state == "queueing" and ("1001", "release", "answered") in agent_ops(life)
    life.take(inputs.Reserved(life.contact.line.request, "1002", "8002", 60, "sales"))  # type: ignore[union-attr]
    life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    takes(life, 3)
    assert hears(life) == {1: "leg:3", 3: "leg:1"}


def test_nobody_is_sent_to_a_queue_once_the_customer_has_left() -> None:
    life = consulting()
    tell(life, "transfer_conference")
    life.take(inputs.Ended(1))
    assert tell(life, "transfer", to="queue:sales") == (409, "no_customer")
    assert life.contact.state == "talking" and hears(life) == {2: "leg:3", 3: "leg:2"}
    assert tell(life, "release", agent="1901", to="queue") == (200, "")
    assert life.contact.state == "ending"


def test_who_has_answered_this_very_moment_is_not_sent_on_before_his_media_stands() -> None:
    life = Life("4008001001").offered()
    life.take(inputs.Accepted(2, "answer"))
    life.contact = with_leg(life.contact, 1, codec="")
    assert tell(life, "transfer", to="queue:sales") == (409, "not_talking")
    assert tell(life, "release", agent="1901", to="queue") == (409, "not_talking")


def test_who_called_a_colleague_cannot_send_himself_to_a_queue() -> None:
    life = Life(called="8002", source="phone:8001")
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    life.take(inputs.Engaged(1, "1001", "8001", 21))
    life.take(inputs.Engaged(2, "1002", "8002", 22))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    takes(life, 2)
    assert tell(life, "transfer", to="queue:sales") == (409, "no_customer")
    assert hears(life) == {1: "leg:2", 2: "leg:1"}


def test_who_was_sent_on_waits_once_when_he_is_released_to_the_queue() -> None:
    life = Life().talking()
    tell(life, "transfer", to="agent:1002", mode="blind")
    engaged(life, 3)
    assert tell(life, "release", agent="1901", to="queue") == (200, "")
    queued = [event for event in life.ledger if event.type == "contact_queued"]
    assert life.contact.state == "queueing" and len(queued) == 2 and hears(life) == {1: "mixer"}


def test_an_outside_number_joins() -> None:
    life = Life().talking()
    assert tell(life, "transfer_conference", to="62345678") == (200, "")
    life.take(inputs.LookedUp(3, ()))
    life.take(inputs.ChannelSeized(3, "gw1", 7))
    life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    takes(life, 3)
    assert hears(life) == {n: "room:c1:1:" for n in (1, 2, 3)}


@pytest.mark.parametrize(
    ("to", "said"), [("13900139000", (403, "permission")), ("*70", (422, "unknown_target"))]
)  # phone 8001 may not call that far; that is no number
@pytest.mark.parametrize("mode", ["blind", "consult", "add"])
def test_what_the_gate_refuses_at_once_is_answered_so_and_moves_nobody(
    to: str, said: tuple[int, str], mode: str
) -> None:
    life = Life().talking()
    assert tell(life, "transfer_conference" if mode == "add" else "transfer", to=to, mode=mode) == said
    assert life.contact.calls == {} and max(life.contact.legs) == 2 and hears(life) == {1: "leg:2", 2: "leg:1"}
    assert [effect for effect in life.effects if not isinstance(effect, do.Emit | do.Reply)] == []
    assert life.events[-1] == "contact_dial_refused" and "contact_transferred" not in life.events


def test_a_phone_whose_refer_the_gate_refuses_hears_so_and_its_agent_why() -> None:
    life = Life().talking()
    life.take(inputs.Referred(2, "13900139000", "7"))
    assert do.TellReferrer(2, "7", 603) in life.effects and hears(life) == {1: "leg:2", 2: "leg:1"}
    ended = next(event.data for event in life.ledger if event.type == "contact_call_ended")
    assert ended == {"leg": "c1.3", "outcome": "refused", "rule": "permission"}
    assert "contact_transferred" not in life.events


@pytest.mark.parametrize("given", [inputs.LookedUp(3, ("dnc",)), inputs.Due("gate:3")])
def test_what_it_refuses_once_it_has_looked_names_its_rule(given: inputs.Input) -> None:
    lists = {"dnc": doc.NumberList("dnc", "dnc", "免打扰")}
    life = Life(book=replace(BOOK, lists=lists)).talking()
    assert tell(life, "transfer", to="62345678", mode="consult") == (200, "")
    life.take(given)
    ended = [event.data for event in life.ledger if event.type == "contact_call_ended"]
    rule = "dnc" if isinstance(given, inputs.LookedUp) else "not_known"
    assert ended == [{"leg": "c1.3", "outcome": "refused", "rule": rule}]
    assert hears(life) == {1: "leg:2", 2: "leg:1"}


def test_pick_up_of_a_ringing_call() -> None:
    life = Life().offered()
    life.take(inputs.Progress(2, 180))
    assert tell(life, "pick_up", agent="1002") == (200, "")
    assert tell(life, "pick_up", agent="1003") in ((409, "busy"), (404, "not_found"))
    engaged(life, 3)
    takes(life, 3)
    assert ("1001", "release", "caller_gone") in agent_ops(life) or life.contact.offer is None
    assert hears(life) == {1: "leg:3", 3: "leg:1"} and life.contact.agent == "1002"
    assert life.contact.state == "talking" and life.contact.line is None


def test_whoever_answers_first_has_it() -> None:
    life = Life().offered()
    life.take(inputs.Progress(2, 180))
    tell(life, "pick_up", agent="1002")
    engaged(life, 3)
    takes(life, 2)
    assert hears(life)[1] == "leg:2" and life.contact.calls == {}
    assert life.contact.legs[3].state == "cancelling"


def test_an_adopter_calls_again_whom_the_dead_node_called() -> None:
    life = Life().talking()
    tell(life, "transfer", to="agent:1002", mode="consult")
    engaged(life, 3)
    effects = life.take(inputs.Adopted("lq2-1"))
    assert do.PrepareOutgoing(4, "rtp") in effects and any(isinstance(e, do.Cancel) and e.leg == 3 for e in effects)
    life.take(inputs.MediaReady(4, MEDIA, "", "offer"))
    takes(life, 4)
    assert hears(life) == {1: "mixer", 2: "leg:4", 4: "leg:2"}
    assert tell(life, "transfer_complete") == (200, "")
    assert hears(life) == {1: "leg:4", 4: "leg:1"}


def test_an_adopter_puts_a_conference_together_again() -> None:
    life = consulting()
    tell(life, "transfer_conference")
    effects = life.take(inputs.Adopted("lq2-1"))
    assert [e for e in effects if isinstance(e, do.Confer)] == [do.Confer(n, "c1", True, True) for n in (1, 2, 3)]


def test_a_phone_transfers_by_refer_and_is_told_how_it_goes() -> None:
    life = Life().talking()
    life.take(inputs.Referred(2, "1002", "7"))
    assert life.contact.legs[2].alive and music(life, 1)
    engaged(life, 3)
    assert do.TellReferrer(2, "7", 180) in life.take(inputs.Progress(3, 180))
    life.take(inputs.Accepted(3, "answer"))
    assert do.TellReferrer(2, "7", 200) in life.effects
    life.take(inputs.MediaReady(3, MEDIA, "PCMA"))
    assert do.Bye(2, 16) in life.due("leaves:2")  # it does not hang up
    assert hears(life) == {1: "leg:3", 3: "leg:1"} and life.contact.agent == "1002"


def test_a_caller_from_outside_transfers_nobody() -> None:
    life = Life().talking()
    assert life.take(inputs.Referred(1, "8002", "7")) == [do.TellReferrer(1, "7", 603)]
    assert life.take(inputs.Referred(1, "8002")) == []
    assert life.contact.state == "talking" and not life.contact.calls


@pytest.mark.parametrize("to", ["62345678", "1002", "8002"])
def test_nor_does_one_who_shows_the_number_of_a_phone(to: str) -> None:
    """What a trunk says of its caller is a text; 8001 may call outside."""
    life = Life(caller="8001").talking()
    assert life.contact.legs[1].address == "8001" in BOOK.phones
    assert life.take(inputs.Referred(1, to, "7")) == [do.TellReferrer(1, "7", 603)]
    assert life.take(inputs.PhoneAway(1)) == [] and hears(life) == {1: "leg:2", 2: "leg:1"}
    back = inputs.PickedUp("s9", "offer", "8001", 1)
    assert life.take(back) == [do.RefuseSession("s9", 403)], "nor is it that phone's to come back to"


def test_who_is_called_outside_is_outside_by_the_second_trunk_as_by_the_first() -> None:
    life = Life().talking()
    assert tell(life, "transfer", to="62345678", mode="consult") == (200, "")
    life.take(inputs.LookedUp(3, ()))
    life.take(inputs.ChannelSeized(3, "gw1", 1))
    life.take(inputs.MediaReady(3, MEDIA, "", "offer"))
    life.take(inputs.Rejected(3, 503))
    assert [n for n, leg in life.contact.legs.items() if leg.outside] == [1, 3, 4]
    life = Life(called="62345678", source="phone:8001", caller="8001")
    life.take(inputs.LookedUp(1, ()))
    life.take(inputs.MediaReady(1, MEDIA, "PCMA", "answer"))
    assert [n for n, leg in life.contact.legs.items() if leg.outside] == [2]


def test_a_refer_that_fails_leaves_the_customer_with_the_agent() -> None:
    life = Life().talking()
    assert life.take(inputs.Referred(2, "nowhere", "7")) == [do.TellReferrer(2, "7", 404)]
    life.take(inputs.Referred(2, "1002", "8"))
    life.take(inputs.EngageRefused(3, "1002", "talking"))
    assert do.TellReferrer(2, "8", 486) in life.effects and hears(life) == {1: "leg:2", 2: "leg:1"}
