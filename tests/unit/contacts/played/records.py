"""What the world knows of a contact, and how the steps call those who are in it."""

from __future__ import annotations

import copy
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from lq.contacts import inputs
from lq.contacts.contact import Contact
from lq.ledger.events import Event
from lq.live.values import ChannelHold
from tests.unit.contacts.played.book import BOOK, CUSTOMER, START

IN_THE_AIR: Final = ("invited", "ringing")


@dataclass
class Records:
    """`phones`: what each leg's phone thinks. `ears`: what its media has been told to give it."""

    called: str = "4008001001"
    source: str = "trunk:gw1"
    wanted: str = ""  # whom agent 1001 calls from his desk, then nobody calls in
    invited: str = ""  # whom the conference calls, likewise
    as_what: Mapping[str, Any] = field(default_factory=dict)  # … as a host, with no greeting, for what
    mobiles: tuple[str, ...] = ()  # agents who sit at their mobiles
    doomed: bool = False
    crossing: bool = False  # a phone that is cancelled has just answered
    refused: dict[str, str] = field(default_factory=dict)  # agents who are not to be had: their state …
    resting: frozenset[str] = frozenset()  # … but for a call of their own
    now: int = START
    phones: dict[int, str] = field(default_factory=dict)
    ears: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    speaking: set[int] = field(default_factory=set)  # whose networks do, while they ring
    channels: dict[int, ChannelHold] = field(default_factory=dict)  # by leg
    asks: set[int] = field(default_factory=set)  # legs whose re-INVITE has not been answered
    keys: dict[int, str] = field(default_factory=dict)  # that each phone has heard
    pending: deque[inputs.Input] = field(default_factory=deque)
    ledger: list[Event] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    fences: dict[int, str] = field(default_factory=dict)  # given to the contact: fence → agent
    engaged: dict[int, int] = field(default_factory=dict)  # for which leg, under which fence
    reserved: list[int] = field(default_factory=list)  # by the ACD
    taken: set[int] = field(default_factory=set)  # that it has held
    released: Counter[int] = field(default_factory=Counter)
    replies: dict[str, int] = field(default_factory=dict)
    noted: list[str] = field(default_factory=list)  # what the conference's list says of whom it has called
    tones: list[str] = field(default_factory=list)  # heard beside the others in a room
    gathered: tuple[int, ...] = (1, 0)  # how many parties and hosts a conference has with him; (): it is full
    guesses_count: bool = True  # else too many PINs were wrong
    writes: int = 0  # the leg whose voices reach a disk; 0: none
    waiting: set[str] = field(default_factory=set)  # commands that are answered when they have come true
    commands: list[str] = field(default_factory=list)
    last: tuple[str, str, dict[str, Any]] = ("", "", {})  # command
    referrers: dict[str, list[int]] = field(default_factory=dict)  # what each REFER was told
    referred_by: dict[str, int] = field(default_factory=dict)  # leg
    contact: Contact = field(init=False)

    def fork(self) -> Self:
        """The same world once more, which goes its own way from here."""
        other = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict | list | set | deque):
                setattr(other, name, copy.copy(value))
        other.referrers = {id: list(told) for id, told in self.referrers.items()}
        return other

    # -- whom the steps speak of -----------------------------------------------------------------------------------

    def leg_of(self, who: str) -> int:
        """The last leg of this agent, or of the customer; 0: none."""
        if who == CUSTOMER:
            found = [n for n, leg in self.contact.legs.items() if leg.party == "customer"]
        else:
            ext = f"8{who[1:]}"
            found = [n for n, leg in self.contact.legs.items() if who in (leg.agent, leg.address) or leg.address == ext]
        return max(found, default=0)

    def phone_of(self, agent: str) -> str:
        return BOOK.agents[agent].mobile if agent in self.mobiles else f"8{agent[1:]}"

    @property
    def over(self) -> bool:
        return self.contact.state == "over"
