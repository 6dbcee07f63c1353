"""Consult, blind transfer, conference, pick-up, monitor: what each hears, who is held, where the customer ends."""

from __future__ import annotations

from typing import Any

import pytest

from lq.contacts import conversation, inputs
from lq.contacts import effects as do
from lq.contacts.contact import with_leg
from tests.unit.contacts.test_advance import MEDIA, Life


def tell(life: Life, verb: str, agent: str = "1001", **body: Any) -> tuple[int, str]:
    """The answer: status and error."""
    id = f"{verb}-{life.now}"
    effects = life.take(inputs.Command(id, verb, {"agent": agent, **body}))
    [reply] = [effect for effect in effects if isinstance(effect, do.Reply)]
    return reply.status, reply.error


def hears(life: Life) -> dict[int, str]:
    """By leg, of those that are there."""
    return {n: leg.peer for n, leg in life.contact.legs.items() if leg.alive and leg.state == "answered"}


def music(life: Life, n: int) -> bool:
    play = life.contact.legs[n].play
    return play is not None and play.items == ("music/hold",)


def engaged(life: Life, n: int, agent: str = "1002", phone: str = "8002", fence: int = 50) -> None:
    life.take(inputs.Engaged(n, agent, phone, fence))
    life.take(inputs.MediaReady(n, MEDIA, "", "offer"))


def takes(life: Life, n: int) -> None:
    """The phone that is called answers."""
    life.take(inputs.Accepted(n, "answer"))
    life.take(inputs.MediaReady(n, MEDIA, "PCMA"))


def consulting() -> Life:
    """1001 talks with 1002 aside (legs 2 and 3)."""
    life = Life().talking()
    assert tell(life, "transfer", to="agent:1002", mode="consult") == (200, "")
    engaged(life, 3)
    life.take(inputs.Progress(3, 180))
    takes(life, 3)
    return life


def agent_ops(life: Life) -> list[tuple[str, str, str]]:
    return [(e.agent, e.op, e.outcome) for e in life.effects if isinstance(e, do.AgentOp)]


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


def test_a_leader_leaves_with_the_agent_who_sends_the_customer_to_a_queue() -> None:
    """Also one who is still being called; and whoever is on hold in a conference."""
    life = monitoring()
    tell(life, "monitor", agent="1902")
    assert tell(life, "transfer", to="queue:sales") == (200, "")
    assert hears(life) == {1: "mixer"} and life.contact.calls == {} and do.Bye(3, 16) in life.effects
    assert {("1001", "release", "answered"), ("1901", "release", "answered")} <= set(agent_ops(life))

    life = consulting()
    tell(life, "transfer_conference")
    tell(life, "hold")
    assert tell(life, "transfer", agent="1002", to="queue:sales") == (200, "")
    assert hears(life) == {1: "mixer"} and ("1001", "release", "answered") in agent_ops(life)


def test_a_leader_leaves_when_nobody_takes_the_customer_who_was_sent_on() -> None:
    life = monitoring()
    tell(life, "transfer", to="agent:1002", mode="blind")
    engaged(life, 4)
    life.take(inputs.Rejected(4, 486))
    assert life.contact.state == "queueing" and hears(life) == {1: "mixer"}
    assert {("1901", "release", "answered"), ("1002", "release", "busy")} <= set(agent_ops(life))


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
    assert tell(life, "transfer_conference", to="13900139000") == (200, "")
    assert life.contact.calls == {} and "contact_dial_refused" in life.events  # phone 8001 may not call that far
    assert hears(life) == {1: "leg:2", 2: "leg:1"}


def monitoring(mode: str = "listen") -> Life:
    life = Life().talking()
    assert tell(life, "monitor", agent="1901", mode=mode) == (200, "")
    engaged(life, 3, "1901", "8901", 70)
    takes(life, 3)
    return life


def test_a_leader_listens_whispers_barges_in_and_takes_over() -> None:
    life = monitoring()
    assert hears(life) == {1: "room:c1:1:", 2: "room:c1:1:", 3: "room:c1:0:"}
    assert life.contact.segments[-1].kind == "talk"
    assert tell(life, "monitor", agent="1901", mode="whisper") == (200, "")
    assert hears(life)[3] == "room:c1:0:2"
    assert tell(life, "monitor", agent="1901", mode="barge") == (200, "")
    assert hears(life)[3] == "room:c1:1:" and life.contact.segments[-1].kind == "conference"
    assert tell(life, "monitor", agent="1901", mode="listen") == (200, "")
    assert hears(life)[3] == "room:c1:0:" and life.contact.segments[-1].kind == "talk"
    assert tell(life, "monitor", agent="1901", mode="take-over") == (200, "")
    assert hears(life) == {1: "leg:3", 3: "leg:1"} and ("1001", "release", "answered") in agent_ops(life)
    assert life.contact.agent == "1901"


@pytest.mark.parametrize("mode", ["listen", "whisper", "barge"])
def test_a_leader_leaves(mode: str) -> None:
    for way in ("hangs up", "by command"):
        life = monitoring(mode)
        if way == "hangs up":
            life.take(inputs.Ended(3))
        else:
            assert tell(life, "monitor_end", agent="1901") == (200, "")
        assert hears(life) == {1: "leg:2", 2: "leg:1"} and ("1901", "release", "answered") in agent_ops(life)
    assert tell(life, "monitor_end", agent="1901") == (409, "no_monitor")


def test_forced_release_ends_the_call_or_gives_the_customer_back_to_the_queue() -> None:
    life = monitoring()
    tell(life, "release", agent="1901")
    assert life.contact.state == "ending" and all(do.Bye(n, 16) in life.effects for n in (1, 2, 3))
    life = monitoring()
    tell(life, "release", agent="1901", to="queue")
    assert life.contact.state == "queueing" and life.contact.customer.alive
    assert {("1001", "release", "answered"), ("1901", "release", "answered")} <= set(agent_ops(life))


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


def test_a_refer_that_fails_leaves_the_customer_with_the_agent() -> None:
    life = Life().talking()
    assert life.take(inputs.Referred(2, "nowhere", "7")) == [do.TellReferrer(2, "7", 404)]
    life.take(inputs.Referred(2, "1002", "8"))
    life.take(inputs.EngageRefused(3, "1002", "talking"))
    assert do.TellReferrer(2, "8", 486) in life.effects and hears(life) == {1: "leg:2", 2: "leg:1"}


# -- two calls of one phone --------------------------------------------------------------------------------------------
def test_a_phone_joins_its_two_calls() -> None:
    """It talks with the customer here, and there with whom it has called itself: that leg's place is asked for."""
    life = Life().talking()
    life.take(inputs.Referred(2, "8002", "7", "c2", 1, "x@y;to-tag=ours;from-tag=its"))
    [prepared] = [e for e in life.effects if isinstance(e, do.PrepareOutgoing)]
    assert prepared == do.PrepareOutgoing(3, "rtp") and music(life, 1)
    [invite] = [e for e in life.take(inputs.MediaReady(3, MEDIA, "", "offer")) if isinstance(e, do.Invite)]
    assert invite.uri == "" and invite.headers["Replaces"] == "x@y;to-tag=ours;from-tag=its"
    assert invite.headers["X-LQ-Source"] == "leg;id=c1.3"
    life.take(inputs.Accepted(3, "answer"))
    assert do.TellReferrer(2, "7", 200) in life.effects
    life.take(inputs.MediaReady(3, MEDIA, "PCMA"))
    life.take(inputs.Ended(2))
    assert hears(life) == {1: "leg:3", 3: "leg:1"} and life.contact.state == "talking"


def test_a_leg_gives_its_place_to_the_call_that_asks_for_it() -> None:
    life = Life().talking()
    effects = life.take(inputs.Replacing(2, "s9", "offer", "c0.3"))
    assert effects == [do.TakeSession(3, "s9"), do.PrepareIncoming(3, "offer")]
    effects = life.take(inputs.MediaReady(3, MEDIA, "PCMA", "answer"))
    assert do.Answer(3, "answer") in effects and do.Bye(2, 16) in effects
    assert hears(life) == {1: "leg:3", 3: "leg:1"} and ("1001", "release", "answered") in agent_ops(life)


def test_who_has_left_meanwhile_has_no_place_to_give() -> None:
    life = Life().queued()
    assert life.take(inputs.Replacing(1, "s9", "offer", "c0.3")) == [do.RefuseSession("s9", 481)]
    life = Life().talking()
    life.take(inputs.Replacing(2, "s9", "offer", "c0.3"))
    life.take(inputs.Ended(2))
    assert life.contact.state == "ending"


def test_who_comes_to_help_comes_alone() -> None:
    life = Life().talking()
    assert tell(life, "monitor", agent="1901", mode="listen", help=True) == (409, "help_taken")
    tell(life, "help")
    assert tell(life, "monitor", agent="1901", mode="listen", help=True) == (200, "")
    assert tell(life, "monitor", agent="1902", mode="listen", help=True) == (409, "help_taken")
    engaged(life, 3, "1901", "8901", 70)
    takes(life, 3)
    assert tell(life, "monitor", agent="1902", mode="listen", help=True) == (409, "help_taken"), "he has come"


def test_help_is_over_with_the_first_leader_who_comes() -> None:
    life = Life().talking()
    assert tell(life, "help", agent="1009") == (409, "not_in_contact")
    for _ in range(2):  # a double click
        assert tell(life, "help") == (200, "")
    assert life.events.count("contact_help_wanted") == 1 and life.contact.help == "1001"
    tell(life, "monitor", agent="1901", mode="whisper")
    engaged(life, 3, "1901", "8901", 70)
    takes(life, 3)
    assert life.contact.help == "" and life.events.count("contact_help_ended") == 1
    tell(life, "help")
    assert tell(life, "help_end") == (200, "") and life.contact.help == ""


def test_whose_media_cannot_be_joined_costs_the_customer_nothing() -> None:
    """Asked back, joining, listening: he is let go, the others go on."""
    life = Life().talking()
    tell(life, "transfer", to="agent:1002", mode="consult")
    engaged(life, 3)
    life.take(inputs.Accepted(3, "answer"))
    life.take(inputs.MediaFailed(3, "no_codec"))
    assert do.Bye(3, 16) in life.effects and hears(life) == {1: "leg:2", 2: "leg:1"}
    assert ("1002", "release", "answered") in agent_ops(life)

    life = Life().talking()
    tell(life, "monitor", agent="1901", mode="barge")
    engaged(life, 3, "1901", "8901", 70)
    life.take(inputs.Accepted(3, "answer"))
    life.take(inputs.MediaFailed(3, "unavailable"))
    assert do.Bye(3, 16) in life.effects and hears(life) == {1: "leg:2", 2: "leg:1"}

    life = Life().talking()
    life.take(inputs.Replacing(2, "s9", "offer", "c0.3"))
    life.take(inputs.MediaFailed(3, "unavailable"))
    assert do.Reject(3, 500, 41) in life.effects and hears(life) == {1: "leg:2", 2: "leg:1"}
