"""What a turn leaves for its commit: a trunk's channel is let go with its leg."""

from __future__ import annotations

import json
from dataclasses import replace

from lq.contacts import effects as do
from lq.contacts.contact import Contact, with_leg
from lq.contacts.held import Held
from lq.live.values import AgentOp, ChannelHold, ChannelOp
from tests.unit.contacts.talks import consulting
from tests.unit.contacts.test_advance import BOOK

TAKEN = {n: ChannelHold(n, "gw1", n, "out") for n in (1, 3)}
FREE_3 = ChannelOp("gw1", "release", 3)


def held(contact: Contact, *effects: do.Effect) -> Held:
    """With a channel for the customer and one for whom the agent consults."""
    found = Held(contact, 1, BOOK, "", channels=dict(TAKEN))
    found.collect(effects)
    return found


def test_a_channel_ends_with_its_leg_though_the_contact_goes_on() -> None:
    contact = consulting().contact
    assert held(contact).channel_ops == []
    assert held(with_leg(contact, 3, state="cancelling")).channel_ops == []
    ended = held(with_leg(contact, 3, state="ended"))
    assert ended.channel_ops == [FREE_3]
    ended.collect([])
    assert ended.channel_ops == [FREE_3], "once, while Redis is away"


def test_also_of_a_leg_that_the_snapshot_has_forgotten() -> None:
    contact = consulting().contact
    legs = {n: leg for n, leg in contact.legs.items() if n != 3}
    assert held(replace(contact, legs=legs)).channel_ops == [FREE_3]


def test_what_the_turn_itself_says_of_it_stands() -> None:
    contact = with_leg(consulting().contact, 3, state="ended")
    assert held(contact, do.ReleaseChannel(3, "gw1")).channel_ops == [FREE_3]
    assert held(contact, do.SeizeChannel(3, "gw2")).channel_ops == [ChannelOp("gw2", "seize", 3)]


def test_who_is_released_is_told_whose_call_it_was() -> None:
    """For the code that its queue may require."""
    contact = replace(consulting().contact, queue="support")
    released = do.AgentOp("1001", 17, "release", "answered", wrap_up_ms=5_000)
    found = held(contact, do.AgentOp("1001", 17, "talking"), released)
    assert found.agent_ops == [
        AgentOp("1001", 17, "talking"),
        AgentOp("1001", 17, "release", "answered", wrap_up_ms=5_000, queue="support"),
    ]
    assert [op.as_json().get("queue") for op in found.agent_ops] == [None, "support"]


def test_a_name_that_is_no_utf8_is_in_the_snapshot_byte_for_byte() -> None:
    name = '"\udcb1\udcb1\udcbe\udca9" <sip:1@gw>'  # in GBK, as surrogateescape reads it
    text = held(consulting().contact).snapshot({"1": {"remote": name}})
    assert text.isascii() and json.loads(text)["dialogs"]["1"]["remote"] == name
    assert json.loads(text)["channels"] == json.loads(held(consulting().contact).snapshot({}))["channels"]
