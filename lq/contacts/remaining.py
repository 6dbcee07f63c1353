"""Who remains when somebody has left, or has not come: whether the contact goes on for them, and who has whom. Pure.

there is still …                                 and then
----------------------------------------------   --------------------------------------------------------------
a customer, and anybody else, wherever he is     it goes on (a leader counts once he has barged in)
a customer, and somebody called for him          it goes on: he waits (consult, blind; whoever was to join is not
                                                 called for him)
a customer alone                                 it ends
no customer, for the last one has just left      it ends, unless two agents confer with each other
no customer since, or there never was one        each who remains is as good as one
"""

from __future__ import annotations

from typing import Final

from lq.contacts import calling, conversation
from lq.contacts.contact import Contact, Leg
from lq.contacts.having import there
from lq.contacts.turn import Turn

MAIN: Final = ("talk", "waits")  # the conversation that the contact is about, not one aside or a leader's place


def goes_on(contact: Contact, left: Leg | None = None) -> bool:
    """Whether it does for those who are there; `left`: as he was placed, who is not there any more."""
    main = [leg for leg in there(contact) if leg.place in MAIN and not leg.mode]
    was_customer = left is not None and left.party == "customer" and left.place in MAIN
    if was_customer and not any(leg.party == "customer" for leg in main):
        return len(main) > 1
    company = [leg for leg in there(contact) if not leg.mode or leg.place == "talk"]
    return bool(main) and (len(company) > 1 or is_called_for(contact))


def is_called_for(contact: Contact) -> bool:
    """Whether somebody is being called who shall have the customer, or be asked about him."""
    return any(call.verb in calling.HEAR for call in contact.calls.values())


def settle(turn: Turn, by: int = 0) -> None:
    """Nobody is alone who could have somebody; `by`: whose doing it was."""
    contact = turn.contact
    talk, waits = ([leg for leg in there(contact) if leg.place == place] for place in MAIN)
    have = [leg for leg in talk if not leg.mode]
    on_hold = next((leg for leg in there(contact) if not leg.place and not leg.mode), None)
    if have and (len(talk) > 1 or waits):
        pass  # they have each other; or he has on hold who waits
    elif on_hold is not None:  # he had left a conference for a while: now he has them on hold, and resumes as he likes
        for leg in have:
            conversation.place(turn, leg.n, "waits")
        conversation.place(turn, on_hold.n, "talk")
    elif is_called_for(contact) or conversation.together(contact, "aside"):
        for leg in have:
            conversation.place(turn, leg.n, "waits")
    else:
        for leg in waits:
            conversation.place(turn, leg.n, "talk")
    conversation.changed(turn, by)
