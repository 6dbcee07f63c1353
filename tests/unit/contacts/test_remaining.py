"""The rule of who remains, by itself: the table of remaining.py, line by line."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lq.contacts import having, remaining
from lq.contacts.contact import Call, Leg
from tests.unit.contacts.test_advance import MEDIA, Life


def leg(n: int, place: str, party: str = "agent", **more: Any) -> Leg:
    known: dict[str, Any] = {"codec": "PCMA", "media": MEDIA, "place": place, **more}
    return Leg(n, party, "out", f"800{n}", known.pop("state", "answered"), f"100{n}" * (party == "agent"), **known)  # type: ignore[arg-type]


TALKS, WAITS = leg(1, "talk", "customer"), leg(1, "waits", "customer")
HAS_HUNG_UP = replace(TALKS, state="ended")
AGENT, HOLDS, ASKS, ASKED = leg(2, "talk"), leg(2, ""), leg(2, "aside"), leg(3, "aside", consulted=True)
OTHER, OUTSIDE = leg(4, "talk"), leg(4, "aside", "customer")
LISTENS, BARGES = leg(5, "listens", mode="listen"), leg(5, "talk", mode="barge")
RINGS = leg(6, "", state="ringing", codec="")

GOES_ON: dict[str, tuple[bool, tuple[Leg, ...], Leg, str]] = {  # … for whom, when who has left, while who is called
    "an agent and the customer": (True, (TALKS, AGENT), OTHER, ""),
    "a customer alone": (False, (TALKS,), AGENT, ""),
    "a customer whom somebody holds": (True, (WAITS, AGENT), BARGES, ""),
    "a customer whom somebody left for a while": (True, (TALKS, HOLDS), OTHER, ""),
    "a customer whose agent asks": (True, (TALKS, ASKS, ASKED), OTHER, ""),
    "a customer about whom somebody will be asked": (True, (TALKS, ASKS, RINGS), OTHER, "consult"),
    "a customer and a leader who talks": (True, (TALKS, BARGES), AGENT, ""),
    "a customer on hold and a leader who talks": (True, (WAITS, BARGES), AGENT, ""),
    "a customer and a leader whom nobody hears": (False, (TALKS, LISTENS), AGENT, ""),
    "a customer who is sent on": (True, (WAITS, RINGS), OTHER, "blind"),
    "a customer whom somebody was to join": (False, (TALKS, RINGS), AGENT, "add"),
    "a customer whom a leader comes to hear": (False, (TALKS, RINGS), AGENT, "monitor"),
    "an agent alone": (False, (HAS_HUNG_UP, AGENT), TALKS, ""),
    "agents who confer": (True, (HAS_HUNG_UP, AGENT, OTHER), TALKS, ""),
    "an agent and a leader": (False, (HAS_HUNG_UP, AGENT, BARGES), TALKS, ""),
    "agents one of whom had left for a while": (False, (HAS_HUNG_UP, HOLDS, OTHER), TALKS, ""),
    "who talk aside": (False, (HAS_HUNG_UP, ASKS, ASKED), WAITS, ""),
    "an agent who asks somebody outside": (False, (HAS_HUNG_UP, ASKS, OUTSIDE), WAITS, ""),
    "whoever is called": (False, (HAS_HUNG_UP, RINGS), WAITS, "blind"),
    "agents who confer, long after the customer": (True, (HAS_HUNG_UP, AGENT, OTHER), BARGES, ""),
    "agents one of whom holds, long after the customer": (True, (HAS_HUNG_UP, HOLDS, OTHER), leg(7, "talk"), ""),
    "an agent alone, long after the customer": (False, (HAS_HUNG_UP, AGENT), OTHER, ""),
}


@pytest.mark.parametrize("who", GOES_ON)
def test_the_contact_goes_on_or_not(who: str) -> None:
    goes_on, there, left, verb = GOES_ON[who]
    contact = Life().talking().contact
    legs = {one.n: one for one in (*there, replace(left, state="ended")) if one.n != left.n or one in there}
    calls = {RINGS.n: Call(verb, "agent:1006")} if verb else {}  # type: ignore[arg-type]
    contact = replace(contact, legs={1: HAS_HUNG_UP, **legs}, calls=calls)
    assert remaining.goes_on(contact, left) is goes_on


def test_a_phone_that_waits_to_hear_how_its_refer_goes_is_not_there() -> None:
    contact = replace(Life().talking().contact, legs={1: WAITS, 2: HOLDS, 6: RINGS}, deadlines={"leaves:2": 1})
    assert [one.n for one in having.there(contact)] == [1]
    contact = replace(contact, deadlines={}, calls={6: Call("blind", "agent:1006", by=2)})
    assert [one.n for one in having.there(contact)] == [1]
    contact = replace(contact, calls={6: Call("add", "agent:1006", by=2)})  # he had somebody called, then left a while
    assert [one.n for one in having.there(contact)] == [1, 2]
