"""The media of one contact: a queue of commands, and its legs as they stand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from lq.contacts.contact import Contact
from lq.contacts.media_work import AtMixer, Work
from lq.media.leg import MediaLeg


@dataclass(slots=True)
class Bench:
    contact: Contact
    work: asyncio.Queue[Work | None] = field(default_factory=asyncio.Queue)
    legs: dict[int, MediaLeg] = field(default_factory=dict)
    joined: set[int] = field(default_factory=set)  # the mixer knows them, or was asked to and has not answered
    at_mixer: set[int] = field(default_factory=set)  # … and they are pointed there
    in_room: set[int] = field(default_factory=set)
    owed: dict[int, AtMixer] = field(default_factory=dict)  # what could not be had of a mixer that is away
    typing: set[asyncio.Task[None]] = field(default_factory=set)
    next_key: dict[int, float] = field(default_factory=dict)  # leg -> not before this time of the loop
    left: set[tuple[str, str]] = field(default_factory=set)  # (engine, leg) of legs that have moved away
    busy: bool = False
    task: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, contact: Contact) -> Bench:
        known = {n: MediaLeg.from_json(leg.media) for n, leg in contact.legs.items() if leg.media}
        # … or was: the node that had him may have died before he had left it
        in_room = {n for n, leg in contact.legs.items() if leg.peer and not leg.peer.startswith("leg:")}
        return cls(contact, legs=known, in_room=in_room)

    def joined_with(self, *these: int) -> list[int]:
        """Whoever else hears one of these. Who has hung up is deleted next."""
        heard = {self.legs[n].x_address for n in these}
        others = ((n, leg) for n, leg in self.legs.items() if n not in these and self._is_there(n))
        return [n for n, leg in others if f"{leg.peer_host}:{leg.peer_port}" in heard]

    def _is_there(self, n: int) -> bool:
        known = self.contact.legs.get(n)
        return known is None or known.alive
