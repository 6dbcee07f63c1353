"""What a contact says again to a Redis that may have forgotten it."""

from __future__ import annotations

from lq.contacts import inputs
from lq.contacts.holds import holds
from lq.ledger.events import Event
from lq.live.memory import Memory
from lq.live.values import ChannelHold, Place
from tests.unit.contacts.test_advance import BOOK, Life


def said(state: str, contact: str, seq: int = 7, since: int = 900) -> Memory:
    memory = Memory()
    data = {"agent": "1001", "state": state, "previous": "ready", "since": since, "contact": contact}
    memory.see(Event("agent_state_changed", since, "agent:1001", seq, data))
    return memory


def test_who_waits_says_his_place() -> None:
    contact = Life().queued().contact
    assert contact.line is not None
    found = holds(contact, BOOK, Memory())
    assert found.waiting == Place(dict(contact.line.lanes), contact.line.since, 35_000)
    assert found.agents == () and found.legs == (1,)


def test_an_offered_agent_is_held_in_the_state_of_his_phone() -> None:
    life = Life().offered()
    [agent] = holds(life.contact, BOOK, Memory()).agents
    assert (agent.agent, agent.phone, agent.state, agent.lane) == ("1001", "8001", "reserved", "sales")
    life.take(inputs.Progress(2, 180))
    [agent] = holds(life.contact, BOOK, Memory()).agents
    assert agent.state == "ringing" and agent.ttl_ms == 35_000
    assert holds(life.contact, BOOK, Memory()).waiting is None, "he has left the line"


def test_what_the_ledger_has_heard_is_not_said_twice() -> None:
    contact = Life().talking().contact
    [agent] = holds(contact, BOOK, said("talking", contact.id)).agents
    assert (agent.state, agent.seq, agent.since) == ("talking", 7, 900)
    for memory in (said("ringing", contact.id), said("talking", "another"), Memory()):
        [agent] = holds(contact, BOOK, memory).agents
        assert (agent.state, agent.seq, agent.since) == ("talking", None, None)


def test_channels_of_legs_that_have_ended_are_free() -> None:
    life = Life().talking()
    channels = [ChannelHold(1, "gw1", 3, "in"), ChannelHold(2, "gw2", 4, "out")]
    assert holds(life.contact, BOOK, Memory(), channels).channels == tuple(channels)
    life.take(inputs.Ended(2, "bye"))
    found = holds(life.contact, BOOK, Memory(), channels)
    assert found.channels == () and found.agents == () and found.waiting is None
