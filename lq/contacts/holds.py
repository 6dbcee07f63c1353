"""All that a contact holds of the live state, from its own data, for a Redis that may have forgotten. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, cast

from lq.acd.agent import BOUND
from lq.acd.lanes import lanes_of_agent, own_lane
from lq.config.book import Book
from lq.contacts.contact import Contact
from lq.contacts.turn import LEASE_MARGIN_MS, ONE_AGENT
from lq.live.memory import Memory
from lq.live.values import AgentHold, ChannelHold, Holds, Membership, Place

OVER: Final = ("ending", "over")


def holds(contact: Contact, book: Book, memory: Memory, channels: Iterable[ChannelHold] = ()) -> Holds:
    """What Redis is to know of this contact beside its snapshot."""
    alive = tuple(n for n, leg in contact.legs.items() if leg.alive)
    agents = [_agent(contact, book, memory, *one) for one in bound(contact)]
    return Holds(
        agents=tuple(agents),
        channels=tuple(channel for channel in channels if channel.leg in alive),
        legs=alive,
        waiting=None if agents else _place(contact, book),
        conference=_membership(contact),
    )


def _membership(contact: Contact) -> Membership | None:
    where = contact.conference
    if where is None or where.phase in ("called", "pin", "joining") or contact.state in OVER:
        return None
    return Membership(where.id, where.host)


def bound(contact: Contact) -> list[tuple[str, str, int, str]]:
    """The agents whom the contact holds: agent, phone, fence, state."""
    if contact.state in OVER:
        return []
    found = []
    if offer := contact.offer:
        ringing = "ringing" if contact.legs[offer.leg].rang else "reserved"
        found.append((offer.agent, offer.phone, offer.reservation, ringing))
    for n, call in contact.calls.items():
        leg = contact.legs[n]
        if call.reservation:
            found.append((leg.agent, leg.address, call.reservation, "ringing" if leg.rang else "reserved"))
    held = [leg for leg in contact.legs.values() if leg.reservation]
    found += [(leg.agent, leg.address, leg.reservation, "dialing" if leg.dials else "talking") for leg in held]
    return found


def _agent(contact: Contact, book: Book, memory: Memory, agent: str, phone: str, fence: int, state: str) -> AgentHold:
    said = memory.agent(agent)
    known = said is not None and said.data.get("contact") == contact.id and said.data.get("state") in BOUND
    as_said = known and said is not None and said.data["state"] == state
    document = book.agents.get(agent)
    return AgentHold(
        agent=agent,
        phone=phone,
        fence=fence,
        state=cast(Literal["reserved", "ringing", "dialing", "talking"], state),
        lane=contact.queue if contact.queue and state != "dialing" else own_lane(agent),
        ttl_ms=0 if state == "dialing" else _lease_ms(contact, book),  # who calls himself has no lease
        name=document.name if document else "",
        lanes=lanes_of_agent(document, book.queues) if document else {},
        since=int(said.data["since"]) if as_said and said else None,
        seq=said.seq if as_said and said else None,
        next=said.data.get("next") if known and said else None,
        engaged=not (contact.state == "offering" and contact.offer is not None and contact.offer.reservation == fence),
    )


def _place(contact: Contact, book: Book) -> Place | None:
    line = contact.line
    if line is None or contact.state in OVER:
        return None
    lanes = {lane: int(score) for lane, score in line.lanes.items()}
    return Place(lanes, line.since, _lease_ms(contact, book))


def _lease_ms(contact: Contact, book: Book) -> int:
    return (book.queues.get(contact.queue) or ONE_AGENT).ring_s * 1000 + LEASE_MARGIN_MS
