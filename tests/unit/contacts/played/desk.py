"""Phones, rtpengine, mixer, ACD and owner, played simply: what the world makes of a contact's effects."""

from __future__ import annotations

from typing import Final

from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.held import Held
from lq.ledger.events import TYPES, wrong_keys
from lq.live.values import ChannelHold
from tests.unit.contacts.played.book import AGENTS, BOOK
from tests.unit.contacts.played.faults import Faults
from tests.unit.contacts.played.records import IN_THE_AIR

MEDIA: Final = {"x_port": 1}


class Desk(Faults):
    def _perform(self, effects: list[do.Effect], *, lost: bool = False, again: bool = False) -> None:
        self._hold_channels(effects)
        crossed = [effect.leg for effect in effects if isinstance(effect, do.Ack)]  # its 200 crossed what ended it
        for effect in effects:
            if not (isinstance(effect, do.Bye) and effect.leg in crossed):
                self._judge(effect, again)
            self._books(effect)
            if not lost or isinstance(effect, do.Answer | do.Reject | do.TakeSession | do.TellReferrer):
                self._act(effect)
            elif isinstance(effect, do.AnswerPhone):
                self.replies[effect.command] = 503  # who asked waits in vain

    def _hold_channels(self, effects: list[do.Effect]) -> None:
        """As the owner does (Held.collect), and Redis answers."""
        held = Held(self.contact, 1, BOOK, "", channels=self.channels)
        held.collect(effects)
        for op in held.channel_ops:
            if op.op == "seize":
                self.channels[op.leg] = ChannelHold(op.leg, op.trunk, 1, op.direction)
            else:
                self.channels.pop(op.leg, None)

    def _books(self, effect: do.Effect) -> None:
        """Written with the commit, whatever comes after it."""
        match effect:
            case do.Emit(event):
                self.ledger.append(event)
                if event.type not in TYPES or wrong_keys(event):
                    self.faults.append(f"event {event.type}: {sorted(wrong_keys(event))}")
            case do.AgentOp(agent, fence, op):
                if self.fences.get(fence) != agent:
                    self.faults.append(f"{op} of {agent} under fence {fence}, which he was not given")
                if op == "release":
                    self.released[fence] += 1
                elif self.released[fence]:
                    self.faults.append(f"{op} of {agent}, who has been let go")
            case do.NoteCalled(_, _, _, outcome):
                self.noted.append(outcome)
            case do.Reply(command, status):
                if command in self.replies and self.commands.count(command) < 2:
                    self.faults.append(f"command {command} is answered twice")
                self.replies[command] = status

    def _act(self, effect: do.Effect) -> None:
        owed = self.pending.append
        match effect:
            case do.PrepareIncoming(n):
                owed(inputs.MediaReady(n, MEDIA, "PCMA", "answer"))
            case do.PrepareOutgoing(n):
                owed(inputs.MediaReady(n, MEDIA, "", "offer"))
            case do.TakeAnswer(n):
                owed(inputs.MediaReady(n, MEDIA, "PCMA"))
            case do.TakeOffer(n, "fax"):
                owed(inputs.MediaFailed(n, "no_codec"))
            case do.TakeOffer(n, sdp):
                owed(inputs.MediaReoffered(n, MEDIA, "answer", sdp == "hold"))
            case do.Move(n):
                owed(inputs.MediaMoved(n, MEDIA, "offer"))
            case do.Reoffer(n):
                owed(inputs.OfferAnswered(n, "answer"))
            case do.DeleteMedia(n):
                self._part(n)
                self.ears.pop(n, None)
                self.writes = 0 if self.writes == n else self.writes
                owed(inputs.MediaDeleted(n))
            case do.StartRecording(n, _, command):
                self.writes = n
                owed(inputs.RecordingStarted(n, "", command))
            case do.PauseRecording(n, _, command, change):
                self.writes = 0
                owed(inputs.RecordingPaused(n, command, "", change))
            case do.ResumeRecording(n, _, command, change):
                self.writes = n
                owed(inputs.RecordingResumed(n, command, "", change))
            case do.SeizeChannel(n, trunk):
                owed(inputs.ChannelSeized(n, trunk, 1))
            case do.LookUp(n):
                owed(inputs.LookedUp(n, (), "1001"))
            case do.CountCall(n):
                owed(inputs.Counted(n, True))
            case do.CountGuess(n):
                owed(inputs.Guessed(n, self.guesses_count))
            case do.JoinConference():
                owed(inputs.Parties(*self.gathered) if self.gathered else inputs.ConferenceFull())
            case do.Ask():
                self._asked(effect)
            case do.Engage():
                self._engaged(effect)
            case do.TakeSession(n):
                self.phones[n] = "calling"
            case do.AnswerPhone(n, command):
                self._ordered(n, command)
            case do.TellReferrer(_, id, code):
                self._told(id, code)
            case do.AnswerOffer(n) | do.RefuseOffer(n):
                self.asks.discard(n)
            case do.Connect() | do.StartPlay() | do.Confer() | do.Echo() | do.Park() | do.SendKey() | do.Tone():
                self._point(effect)
            case do.Invite() | do.Cancel() | do.Bye() | do.Reject() | do.Ack() | do.Answer():
                self._say(effect)

    def _say(self, effect: do.Invite | do.Cancel | do.Bye | do.Reject | do.Ack | do.Answer) -> None:
        n = effect.leg
        phone = self.phones.get(n, "")
        match effect:
            case do.Invite():
                self.phones[n] = "invited"
            case do.Answer() if phone == "calling":
                self.phones[n] = "up"
                self.pending.append(inputs.Confirmed(n))
            case do.Cancel() if phone in IN_THE_AIR and self.crossing:
                self.phones[n] = "up"
                self.pending.append(inputs.Accepted(n, "answer"))
            case do.Cancel() if phone in (*IN_THE_AIR, "", "cancelled") or self._is_called_anew(n):
                self.phones[n] = "over"
                self.pending.append(inputs.Rejected(n, 487))
            case do.Bye() | do.Reject() if phone:
                self.phones[n] = "over"

    def _is_called_anew(self, n: int) -> bool:
        """Who wanted to call, as the same leg: what was cancelled is over, and the next INVITE is not made yet."""
        return bool(self.wanted) and n == 1 and self.phones.get(1) == "over"

    def _ordered(self, n: int, command: str) -> None:
        """The phone obeys, if it still rings."""
        rings = self.phones.get(n) == "ringing"
        self.pending.append(inputs.PhoneTold(n, command, 200 if rings else 481))
        if rings:
            self.phones[n] = "up"
            self.pending.append(inputs.Accepted(n, "answer"))

    def _point(self, effect: do.Connect | do.StartPlay | do.Confer | do.Echo | do.Park | do.SendKey | do.Tone) -> None:
        match effect:
            case do.Connect(a, b):
                self._part(a, b)
                self.ears[a], self.ears[b] = ("leg", b), ("leg", a)
            case do.StartPlay(n, play, items, repeat):
                self._part(n)
                self.ears[n] = ("play", _sort_of(items[0]))
                if repeat:
                    self.pending.append(inputs.Played(n, play))
            case do.Confer(n, room, talk, hear, whisper):
                self._part(n)
                self.ears[n] = ("room", room, talk, hear, tuple(whisper))
            case do.Echo(n):
                self._part(n)
                self.ears[n] = ("echo",)
            case do.Park(n):
                self._part(n)
                self.ears[n] = ("parked",)
            case do.Tone(n, item):
                self.tones.append(item)
                if self.ears[n][0] != "room":
                    self.faults.append(f"a tone for leg {n}, who is in no room")
            case do.SendKey(n, key):
                self.keys[n] = self.keys.get(n, "") + key
                self.pending.append(inputs.KeySent(n))

    def _part(self, *these: int) -> None:
        """Whoever else was joined with these hears nothing (MediaDesk._part)."""
        for n, ear in self.ears.items():
            if n not in these and ear[0] == "leg" and ear[1] in these:
                self.ears[n] = ("parked",)

    def _asked(self, effect: do.Ask) -> None:
        """Each agent once; a reservation of which the contact has not heard is told again."""
        free = [agent for agent in AGENTS if agent not in self.fences.values() and agent not in self.refused]
        unheard = [fence for fence in self.reserved if fence not in self.taken]
        if unheard:
            agent = self.fences[unheard[-1]]
            self.pending.append(inputs.Reserved(effect.request, agent, self.phone_of(agent), unheard[-1], "sales"))
        elif free:
            given = self._give(free[0])
            self.reserved.append(given[2])
            self.pending.append(inputs.Reserved(effect.request, *given, "sales"))
        else:
            self.pending.append(inputs.Waiting(effect.request, 1, 2))

    def _engaged(self, effect: do.Engage) -> None:
        agent = effect.agent or f"1{effect.phone[1:]}"
        held = any(one == agent and not self.released[fence] for fence, one in self.fences.items())
        fence = self.engaged.get(effect.leg, 0)
        if fence and held and self.fences[fence] == agent:  # the same leg gets the same agent
            self.pending.append(inputs.Engaged(effect.leg, agent, self.phone_of(agent), fence))
        elif agent not in AGENTS or held or (agent in self.refused and not (effect.own and agent in self.resting)):
            state = self.refused.get(agent, "talking") if agent in AGENTS else "signed_out"
            self.pending.append(inputs.EngageRefused(effect.leg, agent, state))
        else:
            given = self._give(agent)
            self.engaged[effect.leg] = given[2]
            self.pending.append(inputs.Engaged(effect.leg, *given))

    def _give(self, agent: str) -> tuple[str, str, int]:
        fence = 100 + len(self.fences)
        self.fences[fence] = agent
        return agent, self.phone_of(agent), fence

    def _told(self, id: str, code: int) -> None:
        told = self.referrers.setdefault(id, [])
        if told and told[-1] >= 200:
            self.faults.append(f"REFER {id} is told {code} after its final {told[-1]}")
        told.append(code)


def _sort_of(item: str) -> str:
    """Of what is played: music | ring | prompt."""
    return {"music": "music", "tones": "ring"}.get(item.partition("/")[0], "prompt")
