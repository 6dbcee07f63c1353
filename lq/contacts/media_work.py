"""The media work of a contact's turn, in the order in which nobody is left without a voice. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lq.contacts import effects as do
from lq.contacts.contact import Contact
from lq.trunks.routes import Way

_WANTED: Final = (
    do.PrepareIncoming, do.PrepareOutgoing, do.TakeAnswer, do.TakeOffer, do.Connect, do.PassKey, do.StartPlay, do.Echo,
    do.Park, do.Confer, do.Tone, do.SendKey, do.DeleteMedia, do.StartRecording, do.PauseRecording, do.ResumeRecording,
    do.Move, do.ContinueRecording, do.LeaveOutSilence,
)  # fmt: skip

AtMixer = do.Confer | do.StartPlay | do.Park


@dataclass(frozen=True, slots=True)
class Verify:
    """This engine was away: look whether it still has the legs."""

    engine: str


@dataclass(frozen=True, slots=True)
class Listen:
    """What comes for this leg's phone comes from elsewhere: its router has given its voice another port."""

    leg: int


@dataclass(frozen=True, slots=True)
class Together:
    """These go to the mixer at once; of two for one leg the later counts."""

    these: tuple[AtMixer, ...]


@dataclass(frozen=True, slots=True)
class Owed:
    """The mixer is back: what it could not be asked for while it was away."""


Work = do.Effect | Together | Verify | Listen | Owed


def pointed(work: Work) -> tuple[int, ...]:
    """Legs that hear something else than a mixer that is away owes them, from this on."""
    match work:
        case do.Connect(a, b):
            return a, b
        case do.StartPlay() | do.Echo() | do.Move() | do.DeleteMedia():
            return (work.leg,)
    return ()


def in_order(effects: Sequence[do.Effect]) -> list[Work]:
    """Who goes to the mixer goes with the others who do. Legs are deleted last: whom they were joined with hear
    others by then; but first what is made anew. What is played to its end is heard from its start, so that leg comes
    first, and by itself."""
    found: list[Work] = []
    anew = {effect.leg for effect in effects if isinstance(effect, do.PrepareIncoming | do.PrepareOutgoing)}
    for effect in effects:
        if isinstance(effect, do.Confer | do.Park) or (isinstance(effect, do.StartPlay) and not effect.repeat):
            if found and isinstance(found[-1], Together):
                found[-1] = Together((*found[-1].these, effect))
            else:
                found.append(Together((effect,)))
        elif isinstance(effect, _WANTED):
            found.append(effect)
    return sorted(found, key=lambda work: isinstance(work, do.DeleteMedia) and work.leg not in anew)


def way_of(contact: Contact, n: int) -> Way | None:
    """By which trunk this leg is called: the contact's own number, one called into it, an agent's mobile."""
    leg, call, dial = contact.legs.get(n), contact.calls.get(n), contact.dial
    if dial is not None and dial.leg == n:
        return dial.way
    if leg is not None and leg.mobile is not None:
        return leg.mobile.way
    return call.dial.way if call is not None and call.dial is not None else None


def of_trunk(contact: Contact, n: int) -> bool:
    """He has called by one, or is called by one."""
    return (n == 1 and contact.source.startswith("trunk:")) or way_of(contact, n) is not None
