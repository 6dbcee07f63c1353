"""Who takes part, and which agent has the customer: his is the time, the CDR, and the word on recording. Pure.

Whoever has him keeps him as long as he takes part himself, whoever else comes. Once he has left he who remains has him,
be it that he joined as an adviser: else all that follows would be written to somebody who is in another call by then.
"""

from __future__ import annotations

from typing import Final

from lq.contacts.contact import Contact, Leg

LEAVES: Final = "leaves:"  # deadline of a phone that has heard that its REFER was carried out: it hangs up itself
_NEXT: Final = ("talk", "aside", "", "waits")  # who has him next: he who talks with him; asks about him; holds; waits


def there(contact: Contact) -> list[Leg]:
    """Whoever takes part. Not a phone that only stays to hear how its REFER goes."""
    sent_on = {call.by for call in contact.calls.values() if call.verb == "blind"}
    sent_on |= {int(name.removeprefix(LEAVES)) for name in contact.deadlines if name.startswith(LEAVES)}
    legs = (leg for leg in contact.legs.values() if leg.state == "answered" and not leg.asked)
    return [leg for leg in legs if leg.place or leg.n not in sent_on]


def agent(contact: Contact) -> str:
    """The agent who has the customer; "": nobody of ours, as when he talks with a number outside.

    Sent on, he is his who sent him until somebody answers. A customer who has left is nobody's any more.
    """
    customer = contact.customer
    present = [leg for leg in there(contact) if leg.party == "agent" and (not leg.mode or leg.place == "talk")]
    if any(leg.agent == contact.agent for leg in present if leg.agent or leg.n != customer.n):
        return contact.agent
    if not customer.alive:
        return ""
    others = [leg for leg in present if leg.n != customer.n and leg.agent and leg.place in _NEXT]
    heirs = [leg for leg in others if not leg.mode and not (leg.place == "aside" and leg.consulted)]
    if not heirs and not _talks_with_somebody(contact):
        heirs = [leg for leg in others if leg.mode]  # a leader who has barged in, and has been left alone with him
    if heirs:
        return min(heirs, key=lambda leg: _NEXT.index(leg.place)).agent
    return contact.agent if customer.place == "waits" else ""


def _talks_with_somebody(contact: Contact) -> bool:
    """The customer: besides leaders."""
    return any(leg.place == "talk" and not leg.mode and leg.n != contact.customer.n for leg in there(contact))
