"""Who hears whom. Each leg has a place (contact.py, `Place`); what it hears follows from all places together. Pure.

Two who talk are bridged, leg to leg. More than two, somebody who is muted, or somebody who listens, and all of them
meet in a room of the mixer, where one whispers to the agents' legs alone: the customer's leg, which is what is
recorded, never carries a whisper. Whoever waits hears music, or the network of the number that he was sent on to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lq.contacts import effects as do
from lq.contacts import having, recording
from lq.contacts.contact import Contact, Leg, Place
from lq.contacts.turn import Turn
from lq.trunks import phones

RING_TONE: Final = "tones/ringback"
MUSIC: Final = "music"
RING: Final = "ring"
ALONE: Final = "park"
_ROOM: Final = "room:"


def together(contact: Contact, *places: Place) -> list[Leg]:
    """The legs in these places that can be heard."""
    legs = (leg for leg in contact.legs.values() if leg.alive and leg.codec and not leg.asked)
    return [leg for leg in legs if leg.place in places]


def others(contact: Contact, n: int) -> list[Leg]:
    """Who is in the same conversation as leg n, wherever that is; also one who has answered and whose media may not
    stand yet."""
    place = contact.legs[n].place
    legs = (leg for leg in contact.legs.values() if leg.n != n and leg.state == "answered" and not leg.asked)
    return [leg for leg in legs if leg.place == place] if place else []


def heard(contact: Contact) -> dict[int, str]:
    """What each leg that takes part shall hear: leg:<n> | room:<name>:<talk>:<whisper to> | music | ring | park."""
    listening = together(contact, "listens", "whispers")
    found = _conversation(contact, together(contact, "talk"), listening, contact.id)
    found |= _conversation(contact, together(contact, "aside"), [], f"{contact.id}-aside")
    found |= _waiting(contact)
    left = [leg for leg in together(contact, "") if contact.state == "talking" and leg.state == "answered"]
    return found | {leg.n: ALONE for leg in left}


def _waiting(contact: Contact) -> dict[int, str]:
    """Music; one who was sent on to a number outside hears what its network says before the answer."""
    waits = together(contact, "waits")
    called = (n for n, call in contact.calls.items() if call.verb == "blind" and call.dial is not None)
    speaking = [n for n in called if contact.legs[n].alive and contact.legs[n].codec]
    if len(waits) == len(speaking) == 1 and not waits[0].held:
        return {waits[0].n: f"leg:{speaking[0]}", speaking[0]: f"leg:{waits[0].n}"}
    return {leg.n: MUSIC for leg in waits}


def _conversation(contact: Contact, talking: list[Leg], listening: list[Leg], room: str) -> dict[int, str]:
    if not talking:
        return {leg.n: ALONE for leg in listening}
    if listening or len(talking) > 2 or any(leg.muted for leg in talking):
        agents = [leg.n for leg in talking if leg.party == "agent"]
        found = {leg.n: _in_room(room, not leg.muted and not leg.held) for leg in talking}
        return found | {leg.n: _in_room(room, False, agents if leg.place == "whispers" else []) for leg in listening}
    if len(talking) == 1:
        [one] = talking
        ringing = any(call.verb == "consult" and call.by == one.n for call in contact.calls.values())
        return {one.n: RING if ringing and one.place == "aside" else ALONE}
    a, b = talking
    if a.held or b.held:
        return {one.n: MUSIC if other.held else ALONE for one, other in ((a, b), (b, a))}
    return {a.n: f"leg:{b.n}", b.n: f"leg:{a.n}"}


def _in_room(room: str, talk: bool, whisper: list[int] | None = None) -> str:
    return f"{_ROOM}{room}:{int(talk)}:{','.join(map(str, (whisper or [])[:4]))}"


def confer(n: int, peer: str) -> do.Confer | None:
    """The effect that puts leg n where `peer` (Leg.peer) says, if that is a room."""
    if not peer.startswith(_ROOM):
        return None
    room, talk, whisper = peer.removeprefix(_ROOM).split(":")
    return do.Confer(n, room, talk == "1", True, tuple(int(one) for one in whisper.split(",") if one))


# -- the turn ----------------------------------------------------------------------------------------------------------
def place(turn: Turn, n: int, where: Place) -> None:
    """The leg goes there; it hears so once `arrange` is called."""
    if turn.leg(n).place != where:
        turn.set_leg(n, place=where)
        turn.emit("leg_placed", leg=turn.contact.leg_id(n), place=where or "alone")


def arrange(turn: Turn) -> None:
    """Each leg hears what its place says: rooms and music first, for a bridge ends what both heard before."""
    wanted = heard(turn.contact)
    pairs: dict[tuple[int, int], None] = {}
    for n, what in wanted.items():
        if what.startswith("leg:"):
            other = int(what.removeprefix("leg:"))
            pairs[min(n, other), max(n, other)] = None
        else:
            _alone(turn, n, what)
    for a, b in pairs:
        if turn.leg(a).peer != wanted[a] or turn.leg(b).peer != wanted[b]:
            turn.connect(a, b)
    _let_phones_talk(turn)


# -- phones that show that they hold -----------------------------------------------------------------------------------
def hold_phone(turn: Turn, n: int) -> None:
    """Its agent holds at his screen: the phone shows so and holds too, where its model takes that order. Any other
    goes on as if it talked; who waits hears music in either case."""
    if _takes_orders(turn, turn.leg(n)):
        turn.set_leg(n, told_to_hold=True)
        turn.do(do.HoldPhone(n, True))


def resume_phone(turn: Turn, n: int) -> None:
    """Also one that its agent holds by its key."""
    leg = turn.leg(n)
    if leg.held and not leg.told_to_hold and _takes_orders(turn, leg):
        turn.do(do.HoldPhone(n, False))


def _takes_orders(turn: Turn, leg: Leg) -> bool:
    return leg.mobile is None and phones.model_of(turn.phone_at(leg)).hold


def _let_phones_talk(turn: Turn) -> None:
    """Whoever waited for one that holds by our order does so no more, or its agent talks with somebody else."""
    waits = bool(together(turn.contact, "waits"))
    for leg in list(turn.contact.legs.values()):
        goes_on = leg.place == "" or (leg.place == "talk" and waits)
        if leg.told_to_hold and leg.state == "answered" and not goes_on:
            turn.set_leg(leg.n, told_to_hold=False)
            turn.do(do.HoldPhone(leg.n, False))


def _alone(turn: Turn, n: int, what: str) -> None:
    leg = turn.leg(n)
    if what in (MUSIC, RING):
        items = (turn.queue.music if what == MUSIC else RING_TONE,)
        if leg.play is None or leg.play.items != items:
            turn.play(n, items, repeat=0)
        return
    waits_for_the_other = what == ALONE and not leg.peer and leg.place
    if leg.peer == what or waits_for_the_other:
        return
    turn.set_leg(n, peer=what, play=None)
    turn.do(confer(n, what) or do.Park(n))


def changed(turn: Turn, by: int = 0) -> None:
    """Places have changed: the segment that goes on is the one that they make, and everybody hears so. Whoever has the
    customer now, since he who had him has left, has a word on recording too.

    `by`: whose doing it was.
    """
    former = turn.contact.agent
    if turn.contact.state == "talking":
        turn.set(agent=having.agent(turn.contact) or former)
    _segment(turn, by)
    if turn.contact.agent != former:
        recording.settle(turn)
    arrange(turn)


def kind(contact: Contact) -> str:
    """What goes on: talk | hold | consult | conference; "" when nobody talks."""
    talking = together(contact, "talk")
    if together(contact, "aside"):
        return "consult"
    if len(talking) > 2:
        return "conference"
    if together(contact, "waits") or any(leg.held for leg in talking):
        return "hold"
    return "talk" if len(talking) == 2 else ""


_EVENT: Final[Mapping[str, str]] = {
    "hold": "contact_held",
    "talk": "contact_resumed",
    "consult": "contact_consulting",
    "conference": "contact_conferring",
}


def _segment(turn: Turn, by: int) -> None:
    """Another one begins with what goes on, and with who has the customer."""
    contact, wanted = turn.contact, kind(turn.contact)
    going_on = next((s for s in reversed(contact.segments) if not s.ended_at and s.kind in _EVENT), None)
    if not wanted or going_on is None:
        return
    his = having.agent(contact)
    if (wanted, his) == (going_on.kind, going_on.agent):
        return
    turn.segment(wanted, "resumed" if wanted == "talk" else wanted, queue=contact.queue, agent=his)
    who = turn.contact.legs.get(by)
    said = {"leg": contact.leg_id(by)} if who else {}
    if contact.agent:
        said["agent"] = his
    turn.emit(_EVENT[wanted], n=turn.n, by=who.party if who else "system", **said)
