"""What a commit has answered, or a message has asked for, as inputs of the contact. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lq.config.book import Book
from lq.contacts import inputs
from lq.live.values import ChannelResult, Committed, EngageResult, GateResult, Gathering


def wanted(message: Mapping[str, Any], node: str) -> inputs.Wanted | inputs.Invited:
    """A message that asks for a call: an agent's, or a conference's."""
    contact, command, body = message["contact"], message["id"], message["body"]
    to, purpose = str(body.get("to", "")), str(body.get("purpose", ""))
    if conference := str(body.get("conference", "")):
        host, greet = body.get("host") is True, body.get("greet") is not False
        return inputs.Invited(contact, command, conference, to, node, host, greet, purpose)
    return inputs.Wanted(contact, command, str(body.get("agent", "")), str(body.get("phone", "")), to, node, purpose)


def results(done: Committed, book: Book) -> list[inputs.Input]:
    """What the contact had asked for with a commit."""
    seized = [_of_channel(one) for one in done.channels if one.number is not None or one.error]  # else: released
    gathered = [_of_conference(done.conference)] if done.conference else []
    engaged = [_of_agent(one, book) for one in done.engaged]
    return [*seized, *(_of_gate(one) for one in done.gate), *engaged, *gathered]


def _of_agent(result: EngageResult, book: Book) -> inputs.Input:
    if not result.ok:
        return inputs.EngageRefused(result.leg, result.agent, result.state, result.phone)
    phone = book.phones.get(result.phone)
    media = result.media or ("srtp" if phone is not None and phone.srtp else "rtp")
    return inputs.Engaged(result.leg, result.agent, result.phone, result.reservation, media)


def _of_channel(result: ChannelResult) -> inputs.Input:
    if result.ok and result.number is not None:
        return inputs.ChannelSeized(result.leg, result.trunk, result.number)
    return inputs.ChannelRefused(result.leg, result.trunk)


def _of_gate(result: GateResult) -> inputs.Input:
    if result.op == "look":
        return inputs.LookedUp(result.leg, result.listed, result.agent)
    return inputs.Counted(result.leg, result.ok)


def _of_conference(found: Gathering) -> inputs.Input:
    return inputs.Parties(found.parties, found.hosts, found.change) if found.ok else inputs.ConferenceFull()
