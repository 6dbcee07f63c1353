"""What must never be: in a step, after it, when nobody owes anything, and at the end."""

from __future__ import annotations

import json
from collections import Counter
from typing import Final

from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.contact import Contact, Leg
from lq.contacts.holds import bound
from lq.ledger import fold
from tests.unit.contacts.played.ears import Ears
from tests.unit.contacts.played.records import IN_THE_AIR

SNAPSHOT_BYTES: Final = 8192
ALONE: Final = ("announcing", "ivr", "queueing", "offering")  # the customer is, with what he hears


class Faults(Ears):
    def _judge(self, effect: do.Effect, again: bool) -> None:
        """No effect on a leg that has ended. (Who adopts says again what may not have been done.)"""
        n = getattr(effect, "leg", 0)
        if not n or again:
            return
        if n not in self.contact.legs:
            self.faults.append(f"{effect} on a leg that is not there")
            return
        pointed = isinstance(effect, do.StartPlay | do.Confer | do.Tone | do.Echo | do.SendKey)
        pointed = pointed or isinstance(effect, do.TakeAnswer | do.TakeOffer)
        said = isinstance(effect, do.Invite | do.Answer | do.Bye | do.Ring | do.Reoffer)
        if self.wanted and n == 1 and isinstance(effect, do.Invite):
            return  # who wanted to call is called anew as the same leg
        if self.phones.get(n) == "over" and (said or pointed):
            self.faults.append(f"{effect} on a leg that has ended")

    def _read_again(self) -> Contact:
        """As another node reads it."""
        document = json.dumps(self.contact.to_json(), ensure_ascii=False)
        found = Contact.from_json(json.loads(document))
        if found != self.contact:
            self.faults.append("its snapshot is not itself")
        if len(document.encode()) > SNAPSHOT_BYTES:
            self.faults.append(f"a snapshot of {len(document.encode())} bytes")
        return found

    def _look(self, before: Contact) -> None:
        """After every step."""
        contact = self.contact
        held = bound(contact)
        self.taken |= {fence for _, _, fence, _ in held}
        for agent, count in Counter(agent for agent, *_ in held).items():
            if count > 1:
                self.faults.append(f"{agent} is held twice: {held}")
        for agent, _, fence, _ in held:
            if self.released[fence]:
                self.faults.append(f"{agent} is let go and still held")
        if contact.state == "over" and before.state != "over":
            self._look_at_end()

    def _look_at_late(self, before: Contact, given: inputs.Input) -> None:
        """What comes of a leg that is given up ends nobody's call."""
        n = getattr(given, "leg", 0)
        if n in before.legs and before.state != "placing" and self.contact.legs[n].alive > before.legs[n].alive:
            self.faults.append(f"{given} brings back leg {n}, which was {before.legs[n].state}")
        late = n in before.legs and not before.legs[n].alive and before.state not in ("placing", "ending", "over")
        if late and self.contact.state in ("ending", "over"):
            self.faults.append(f"{given} ends the contact, though the leg was {before.legs[n].state}")

    def _look_who_is_cut_off(self, before: Contact, given: inputs.Input) -> None:
        """A customer who has not hung up himself never is, while an agent is still there or somebody is being called
        for him. (Orders to end it are obeyed.)"""
        ends = isinstance(given, inputs.Command) and (given.verb == "release" or not given.body.get("agent"))
        if before.state != "talking" or self.contact.state not in ("ending", "over") or ends:
            return
        left = self._who_left(before, given)
        legs = [leg for n, leg in before.legs.items() if n not in left and leg.state == "answered" and not leg.asked]
        customers = [leg.n for leg in legs if leg.party == "customer" and leg.place in ("talk", "waits")]
        refers = {call.by for call in before.calls.values() if call.verb == "blind"}
        refers |= {int(name.removeprefix("leaves:")) for name in before.deadlines if name.startswith("leaves:")}
        agents = [leg for leg in legs if leg.n not in customers and not leg.mode and (leg.place or leg.n not in refers)]
        called = [n for n, call in before.calls.items() if call.verb in ("consult", "blind") and n not in left]
        if customers and (agents or called):
            there = [leg.agent or leg.address for leg in agents] + [before.calls[n].to for n in called]
            self.faults.append(f"legs {customers} are cut off from {there} by {given}")

    def _who_left(self, before: Contact, given: inputs.Input) -> set[int]:
        """The legs whose doing it was."""
        if isinstance(given, inputs.Command):
            return {n for n, leg in before.legs.items() if leg.agent == given.body["agent"]}
        if isinstance(given, inputs.Due):
            n = given.name.partition(":")[2]
            return {int(n)} if n.isdigit() else set()
        return {getattr(given, "leg", 0)}

    def _look_at_hang_up(self, before: Contact, given: inputs.Input) -> None:
        """Who is not the customer, nor called him, does not hang up on one who waits."""
        if not isinstance(given, inputs.Command) or given.verb != "hang_up" or before.state not in ALONE:
            return
        agent = given.body.get("agent")
        whose = [one.agent for one in before.legs.values() if one.n in (1, before.customer.n)]
        if agent and agent not in whose and self.contact.state in ("ending", "over"):
            self.faults.append(f"{agent} hangs up on the customer, who is {before.state}")

    def _look_at_calm(self) -> None:
        """When nobody owes anything: who is in the call has somebody or something."""
        if self.contact.state in ("ending", "over"):
            return
        if self.contact.state in ALONE:
            self._look_who_waits()
        for n in self.channels:
            if n not in self.contact.legs or self.contact.legs[n].state == "ended":
                self.faults.append(f"leg {n} has ended, and its channel is not free")
        waited_for = {call.refer for call in self.contact.calls.values()}
        for id, told in self.referrers.items():
            if self.phones[self.referred_by[id]] == "up" and id not in waited_for and (not told or told[-1] < 200):
                self.faults.append(f"REFER {id} never heard how it went: {told}")
        for n, leg in self.contact.legs.items():
            if self.phones.get(n) == "up" and leg.state == "answered":
                self._listen(leg)
            if leg.state == "arriving" and leg.instead_of:
                self.faults.append(f"leg {n} calls in the place of {leg.instead_of}, and hears nothing")
            if self.phones.get(n) == "up" and n in self.asks:
                self.faults.append(f"leg {n} never hears what became of its re-INVITE")
            if self.phones.get(n) in ("up", *IN_THE_AIR) and leg.state in ("cancelling", "ended"):
                self.faults.append(f"leg {n} is {leg.state}, but its phone is {self.phones[n]}")
            offered = self.contact.offer is not None and self.contact.offer.leg == n
            if leg.asked and leg.alive and not (offered or n in self.contact.calls or self.contact.state == "placing"):
                self.faults.append(f"leg {n} is asked to take what it cannot get any more")
        self._look_whose_time_it_is()
        recording = self.contact.recording
        if recording is not None and recording.state not in ("closing", "failed"):
            state, writes = recording.state, self.writes == recording.leg
            if state not in ("active", "paused", "stopped") or writes != (state == "active"):
                self.faults.append(f"the recording is {state}, and is {'' if writes else 'not '}written")

    def _look_whose_time_it_is(self) -> None:
        """Of an agent who takes part, or of nobody; of him who has sent the customer on, while he waits for another."""
        contact = self.contact
        going_on = [one for one in contact.segments if not one.ended_at and one.agent]
        sent_on = any(call.verb == "blind" for call in contact.calls.values())
        if contact.state != "talking" or not going_on or sent_on:
            return
        here = {leg.agent for leg in contact.legs.values() if leg.state == "answered" and not leg.asked}
        if going_on[-1].agent not in here:
            self.faults.append(f"{going_on[-1].kind} is of {going_on[-1].agent}, who has left; there are {here}")

    def _look_who_waits(self) -> None:
        customer = self.contact.customer
        if not customer.alive:
            self.faults.append(f"nobody is there, and the contact is {self.contact.state}")
        for n, leg in self.contact.legs.items():
            if leg.state == "answered" and n != customer.n and not leg.asked:
                self.faults.append(f"leg {n} ({leg.party} {leg.agent}) is left behind, {self.contact.state}")

    def _listen(self, leg: Leg) -> None:
        """Who holds by his phone has chosen to hear nothing, so has an agent who has left a conference for a while, or
        who has sent the others on and waits to hear how it goes (also one who has called from inside)."""
        heard, wanted = self.hears(leg.n), self._should_hear(leg)
        left = bool(leg.agent) and leg.place == "" and self.contact.state == "talking" and not leg.asked
        if leg.held or left or self.contact.state == "conference":  # where the others are contacts of their own
            return
        who = f"leg {leg.n} ({leg.party} {leg.agent} {leg.place})"
        if wanted is None and not heard:
            self.faults.append(f"{who} hears nothing")
        elif wanted is not None and heard != wanted:
            self.faults.append(f"{who} hears {heard or 'nothing'}, not {wanted or 'nothing'}")

    def _should_hear(self, leg: Leg) -> set[str] | None:
        """By the places alone; None: nobody says, but something."""
        if self.contact.state != "talking" or not leg.codec:
            return None
        if leg.asked:
            return {"prompt"}
        listens = leg.place in ("listens", "whispers")
        here = self._at("talk" if listens else leg.place)
        others = [one for one in here if one.n != leg.n]
        heard = {str(one.n) for one in others if not one.muted and not one.held}
        if leg.place == "talk" and leg.party == "agent":
            heard |= {str(one.n) for one in self._at("whispers")}
        if leg.place == "waits":
            return self._sent_on_to() or {"music"}
        if leg.place == "":
            return None
        if others or listens:
            by_phone = len(others) == 1 and others[0].held and not listens
            in_room = any(one.muted for one in here) or self._at("listens", "whispers")
            return {"music"} if by_phone and not in_room else heard
        if leg.place == "aside":
            return {"ring"}
        return heard if self._at("waits") else None

    def _sent_on_to(self) -> set[str]:
        """The number outside whose network speaks to the one who waits for it."""
        called = (n for n, call in self.contact.calls.items() if call.verb == "blind" and call.dial is not None)
        speaking = {str(n) for n in called if n in self.speaking and self.phones.get(n) == "ringing"}
        return speaking if len(self._at("waits")) == 1 else set()

    def _at(self, *places: str) -> list[Leg]:
        legs = self.contact.legs.values()
        return [one for one in legs if one.place in places and one.codec and not one.asked and self._is_heard(one.n)]

    def _look_at_end(self) -> None:
        """Once: everything is let go, told, and told right."""
        for n, phone in self.phones.items():
            if phone not in ("over", ""):
                self.faults.append(f"the contact is over, and phone {n} is {phone}")
        ends = Counter(event.data["leg"] for event in self.ledger if event.type == "leg_ended")
        for event in self.ledger:
            if event.type == "leg_started" and ends[event.data["leg"]] != 1:
                self.faults.append(f"leg {event.data['leg']} has ended {ends[event.data['leg']]} times")
        for fence in self.taken:
            if self.released[fence] != 1:
                self.faults.append(f"{self.fences[fence]} was let go {self.released[fence]} times (fence {fence})")
        seqs = [event.seq for event in self.ledger if event.subject == "c1"]
        if seqs != sorted(set(seqs)):
            self.faults.append(f"events out of order: {seqs}")
        folded = fold.contact(self.ledger)
        if folded is None or fold.cdr(folded) is None:
            self.faults.append("no call detail record")
        elif open := [segment for segment in folded.segments if segment.ended_at is None]:
            self.faults.append(f"segments that never end: {open}")
        for command in set(self.commands) - set(self.replies):
            self.faults.append(f"command {command} was never answered")
