"""What a commit has answered, or a message has asked for, as inputs of the contact. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lq.config.book import Book
from lq.contacts import inputs
from lq.contacts.contact import Contact
from lq.live.values import AgentOp, ChannelResult, Committed, EngageResult, GateResult, Gathering


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


def lost_offer(contact: Contact, asked: Sequence[AgentOp], done: Committed) -> list[inputs.Input]:
    """By its fence: an operation that is said twice, for its first answer was lost, may be about an older one."""
    offer = contact.offer
    if offer is None:
        return []
    lost = (offer.agent, offer.reservation) in _refused(asked, done)
    lost = lost or any(not hold.ok and hold.agent == offer.agent for hold in done.holds)
    return [inputs.OfferLost(offer.reservation)] if lost else []


def forgotten(contact: Contact, asked: Sequence[AgentOp], done: Committed) -> tuple[str, ...]:
    """Agents who talk in the contact and whom Redis has let go: their reservation lapsed before it heard of the talk,
    or somebody else has them under a newer one."""
    held = {leg.agent: leg.reservation for leg in contact.legs.values() if leg.reservation}
    lost = {agent for agent, fence in _refused(asked, done, "talking") if held.get(agent) == fence}
    lost |= {one.agent for one in done.holds if not one.ok and one.agent in held}
    return tuple(sorted(lost - {one.agent for one in done.holds if one.ok}))


def _refused(asked: Sequence[AgentOp], done: Committed, only: str = "") -> set[tuple[str, int]]:
    """Agent and fence of the operations (of one kind, or all) that found him not to be this contact's."""
    answered = zip(asked, done.agents, strict=False)
    return {(op.agent, op.fence) for op, result in answered if not result.ok and only in ("", op.op)}


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
    if result.op == "guess":
        return inputs.Guessed(result.leg, result.ok)
    return inputs.Counted(result.leg, result.ok)


def _of_conference(found: Gathering) -> inputs.Input:
    return inputs.Parties(found.parties, found.hosts, found.change) if found.ok else inputs.ConferenceFull()
