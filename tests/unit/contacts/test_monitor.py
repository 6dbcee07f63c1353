"""A leader takes over, releases, comes to help: who is relieved, as what it ends, who still wants him."""

from __future__ import annotations

import pytest

from lq.contacts import effects as do
from lq.contacts import inputs
from tests.unit.contacts.talks import agent_ops, consulting, engaged, hears, monitoring, takes, tell
from tests.unit.contacts.test_advance import MEDIA, Life, lives
from tests.unit.contacts.test_outgoing import inviting
from tests.unit.contacts.test_placing import on_the_line


def test_who_takes_over_relieves_the_agent_whose_phone_waits_for_its_refer() -> None:
    life = monitoring()
    life.take(inputs.Referred(2, "1002", "7"))
    engaged(life, 4)
    assert life.contact.legs[2].place == "" and life.contact.legs[2].alive
    assert tell(life, "monitor", agent="1901", mode="take-over") == (200, "")
    assert hears(life) == {1: "leg:3", 3: "leg:1"} and life.contact.agent == "1901" and life.contact.calls == {}
    assert {("1001", "release", "answered"), ("1002", "release", "caller_gone")} <= set(agent_ops(life))


@pytest.mark.parametrize("where", ["on hold", "waits for whom another has called"])
def test_who_takes_over_relieves_every_agent(where: str) -> None:
    life = consulting()
    tell(life, "transfer_conference")
    if where == "on hold":
        tell(life, "hold")
    else:
        assert tell(life, "transfer", agent="1002", to="phone:8001", mode="blind") == (200, "")
        assert life.contact.legs[2].place == "waits"
    tell(life, "monitor", agent="1901", mode="listen")
    n = max(life.contact.legs)
    engaged(life, n, "1901", "8901", 70)
    takes(life, n)
    assert tell(life, "monitor", agent="1901", mode="take-over") == (200, "")
    assert hears(life) == {1: f"leg:{n}", n: "leg:1"}
    assert {agent for agent, op, _ in agent_ops(life) if op == "release"} >= {"1001"}


def test_who_takes_over_has_the_colleague_who_called_from_his_desk() -> None:
    """Both are agents; he who has called is as the customer."""
    life = on_the_line("agent:1002")
    life.take(inputs.Engaged(2, "1002", "8002", 22))
    life.take(inputs.MediaReady(2, MEDIA, "", "offer"))
    takes(life, 2)
    assert hears(life) == {1: "leg:2", 2: "leg:1"}
    tell(life, "monitor", agent="1901", mode="listen")
    engaged(life, 3, "1901", "8901", 70)
    takes(life, 3)
    assert tell(life, "monitor", agent="1901", mode="take-over") == (200, "")
    assert hears(life) == {1: "leg:3", 3: "leg:1"}
    assert [agent for agent, op, _ in agent_ops(life) if op == "release"] == ["1002"]


@pytest.mark.parametrize("state", ["ivr", "queueing", "offering", "calling", "dialing", "talking"])
def test_what_is_released_ends_as_what_it_is(state: str) -> None:
    life = inviting() if state == "dialing" else lives()[state]
    assert life.contact.state == state
    assert tell(life, "release", agent="1901") == (200, "")
    assert life.contact.result == {
        "ivr": "ivr", "queueing": "no_agent", "offering": "no_agent",
        "calling": "abandoned", "dialing": "abandoned", "talking": "answered",
    }[state]  # fmt: skip


@pytest.mark.parametrize("how", ["hangs up", "to a queue", "blind", "refers", "taken over"])
def test_who_leaves_needs_no_leader_any_more(how: str) -> None:
    """The next agent's wish is his own."""
    life = monitoring() if how == "taken over" else consulting()
    if how != "taken over":
        tell(life, "transfer_conference" if how == "hangs up" else "transfer_cancel")
    assert tell(life, "help") == (200, "")
    match how:
        case "hangs up":
            life.take(inputs.Ended(2))
        case "to a queue":
            assert tell(life, "transfer", to="queue:sales") == (200, "")
        case "blind":
            assert tell(life, "transfer", to="agent:1901", mode="blind") == (200, "")
        case "refers":
            life.take(inputs.Referred(2, "8002", "7"))
            life.take(inputs.MediaReady(max(life.contact.legs), MEDIA, "", "offer"))
            takes(life, max(life.contact.legs))
            assert life.contact.help == "1001", "he is there as long as his phone is"
            life.due("leaves:2")
        case "taken over":
            assert tell(life, "monitor", agent="1901", mode="take-over") == (200, "")
    assert life.contact.help == "" and life.events.count("contact_help_ended") == 1
    if how == "hangs up":
        assert tell(life, "help", agent="1002") == (200, "") and life.contact.help == "1002"
        assert life.events.count("contact_help_wanted") == 2


def test_whose_page_is_loaded_anew_still_wants_a_leader() -> None:
    life = Life().talking()
    tell(life, "help")
    life.take(inputs.PhoneAway(2))
    life.take(inputs.PickedUp("s9", "offer", "8001", 2))
    life.take(inputs.MediaReady(3, MEDIA, "PCMA", "answer"))
    assert not life.contact.legs[2].alive and life.contact.help == "1001"


def test_a_leader_who_listens_already_comes_to_help() -> None:
    life = monitoring()
    assert tell(life, "monitor", agent="1901", mode="whisper", help=True) == (409, "help_taken"), "nobody wants one"
    tell(life, "help")
    assert tell(life, "monitor", agent="1901", mode="whisper", help=True) == (200, "")
    assert life.contact.help == "" and life.events.count("contact_help_ended") == 1
    assert life.contact.legs[3].mode == "whisper"


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
