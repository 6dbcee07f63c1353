"""The contact's legs as SIP sessions: effects become calls of the user agent, its events become inputs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

import structlog

from lq.acd import lanes
from lq.contacts import effects as do
from lq.contacts import inputs, keys, returning
from lq.contacts.contact import Contact
from lq.contacts.tags import contact_of, leg_of, tag_of
from lq.media.sdp import newer, opened
from lq.sip import events as sip
from lq.sip.agent import Datagram, UserAgent
from lq.sip.message import REASONS, userinfo
from lq.sip.transfer import read_replaces
from lq.trunks import causes

log = structlog.get_logger()

_UNSAID: Final = {"timeout": 102, "ack_missing": 102}  # Q.850 of an end that nobody gave a reason for: a timer's
_DIALLED: Final = re.compile(r"(?:sips?:([^@:;?]+)(?:[:;][^@?]*)?@.*|tel:([^;?]+).*)", re.IGNORECASE)


class SipDesk:
    """Which session is which leg, and which question to the ACD is whose.

    `send` puts datagrams on the wire; `clock` is the user agent's (seconds, monotonic).
    """

    def __init__(
        self, agent: UserAgent, send: Callable[[Sequence[Datagram]], None], clock: Callable[[], float]
    ) -> None:
        self.deliver: Callable[[str, inputs.Input], bool] = lambda contact, given: False
        self.domain: Callable[[str], str] = lambda trunk: ""  # where the two parties of a call to that trunk are
        self._send, self._agent, self._clock = send, agent, clock
        self._legs: dict[str, tuple[str, int]] = {}  # session -> contact, leg
        self._sessions: dict[str, dict[int, str]] = {}  # contact -> leg -> session
        self._questions: dict[str, tuple[str, int]] = {}  # session -> contact, request
        self._orphans: set[str] = set()  # sessions that were cancelled and whose leg is another's now
        self._probes: dict[str, str] = {}  # session -> the request by which we ask whether its dialog lives
        self._answers: dict[str, list[Datagram]] = {}  # contact -> what leaves when its next turn is written
        self._unsaid: dict[str, dict[str, Any]] = {}  # contact -> leg -> dialog that ends with such an answer
        self._told: dict[str, dict[str, str]] = {}  # session -> request that told its phone something -> whose command

    # -- sessions ---------------------------------------------------------------------------------------------------
    def take(self, contact: str, leg: int, session: str) -> None:
        """This session is that leg from now on."""
        former = self._sessions.setdefault(contact, {}).get(leg)
        if former is not None:  # it was cancelled, and is called anew
            self._legs.pop(former, None)
            self._orphans.add(former)
        self._legs[session] = (contact, leg)
        self._sessions[contact][leg] = session

    def where(self, session: str) -> tuple[str, str] | None:
        """Contact and leg id of a session (`acd`: its question to the ACD); None of one that is nobody's."""
        if session in self._questions:
            return self._questions[session][0], "acd"
        contact, leg = self._legs.get(session, ("", 0))
        return (contact, f"{contact}.{leg}") if contact else None

    def legs(self, contact: str) -> set[int]:
        """Those that have a session."""
        return set(self._sessions.get(contact, ()))

    def dialogs(self, contact: str) -> dict[str, Any]:
        """What another node needs of each dialog, by leg."""
        held = {str(n): self._agent.export(session) for n, session in self._sessions.get(contact, {}).items()}
        return held | self._unsaid.get(contact, {})

    def is_quiet(self, contact: str) -> bool:
        """No offer, INVITE or 200 of any leg awaits its answer."""
        return all(self._agent.is_quiet(session) for session in self._sessions.get(contact, {}).values())

    def let_go(self, contact: str) -> dict[str, Any]:
        """Its dialogs, which are no longer held here."""
        dialogs = self.dialogs(contact)
        self.forget(contact)
        return dialogs

    def adopt(self, contact: str, dialogs: Mapping[str, Any]) -> None:
        """The legs of another node's contact, from its `dialogs`."""
        for n, document in dialogs.items():
            if document:
                self.take(contact, int(n), self._agent.adopt(document, now=self._clock()))

    def forget(self, contact: str) -> None:
        """Silently; a session that has ended by itself is gone already, its last answer is left to who carries on."""
        self._answers.pop(contact, None)
        self._unsaid.pop(contact, None)
        for session in self._sessions.pop(contact, {}).values():
            self._legs.pop(session, None)
            self._probes.pop(session, None)
            self._told.pop(session, None)
            self._agent.forget(session)
        for session in [s for s, (asker, _) in self._questions.items() if asker == contact]:
            del self._questions[session]
            self._agent.forget(session)

    def _drop(self, session: str) -> None:
        """The dialog is over."""
        contact, leg = self._legs.pop(session, ("", 0))
        self._sessions.get(contact, {}).pop(leg, None)
        self._probes.pop(session, None)
        self._told.pop(session, None)

    def take_back(self, contact: str, leg: int) -> str | None:
        """Forget a leg whose INVITE has not left; the session that it was."""
        session = self._sessions.get(contact, {}).pop(leg, None)
        if session is not None:
            self._legs.pop(session, None)
            self._agent.forget(session)
        return session

    def take_back_question(self, contact: str, request: int) -> str | None:
        """Forget a question to the ACD that has not left; the session that it was."""
        session = next((one for one, asked in self._questions.items() if asked == (contact, request)), None)
        if session is not None:
            del self._questions[session]
            self._agent.forget(session)
        return session

    def refuse(self, contact: str, code: int) -> None:
        """Answer the INVITE that began a contact, outside of any turn."""
        for session in self._sessions.get(contact, {}).values():
            self._agent.reject(session, code, now=self._clock())
        self.send(self._agent.datagrams())

    def abandon(self, contact: str) -> None:
        """End every dialog of a contact that can no longer be carried on: also by what its last turn has prepared."""
        self._agent.let_leave(self._sessions.get(contact, {}).values())
        for session in list(self._sessions.get(contact, {}).values()):
            now = self._clock()
            if not self._agent.bye(session, now=now):
                self._agent.reject(session, 500, now=now)
                self._agent.cancel(session, now=now)
        self.send(self._agent.datagrams())

    def flush(self) -> None:
        """What was queued outside of a turn leaves."""
        self.send(self._agent.datagrams())

    # -- effects ------------------------------------------------------------------------------------------------------
    def perform(self, contact: Contact, effects: Sequence[do.Effect]) -> list[Datagram]:
        """Prepare all SIP of one turn; nothing leaves before the caller sends what this returns."""
        for effect in effects:
            self._one(contact, effect)
        if contact.id not in self._answers:  # else they leave when the commit that comes holds what they end
            self._unsaid.pop(contact.id, None)
        datagrams = self._agent.datagrams()
        for datagram in datagrams:
            if (of := self.where(datagram.session or "")) is not None and of[0] == contact.id:
                datagram.waits(True)  # nor is it repeated: Redis may be slow
        return [*self._answers.pop(contact.id, ()), *datagrams]

    def send(self, datagrams: Sequence[Datagram]) -> None:
        """They leave."""
        for datagram in datagrams:
            datagram.waits(False)
        self._send(datagrams)

    def _one(self, contact: Contact, effect: do.Effect) -> None:
        now = self._clock()
        match effect:
            case do.Invite():
                self._invite(contact, effect, now)
                return
            case do.Ask():
                self._ask(contact, effect, now)
                return
            case do.TakeSession(n, caller):
                if self._agent.holds(caller):
                    # whoever gets a request of this dialog finds the contact by our tag, whatever node it came to first
                    self._agent.rename(caller, tag_of(contact.id, n, self._agent.rng.getrandbits(32)))
                    self.take(contact.id, n, caller)
                else:
                    self.deliver(contact.id, inputs.Cancelled(n))  # before it was a leg
                return
            case do.RefuseSession(caller, code):
                self._agent.reject(caller, code, now=now)
                return
        session = self._sessions.get(contact.id, {}).get(getattr(effect, "leg", 0))
        if session is None:
            if isinstance(effect, do.Cancel):  # its INVITE has not been made: nothing to take back
                self.deliver(contact.id, inputs.Rejected(effect.leg, 487))
            return
        match effect:
            case do.Ring(_, code, sdp):
                self._agent.provisional(session, code, sdp, now=now)
            case do.Answer(_, sdp):
                self._agent.accept(session, sdp, now=now)
            case do.Reject(_, code, cause):
                self._agent.reject(session, code, headers=_reason(cause), now=now)
            case do.Ack():
                self._agent.ack(session, now=now)
            case do.Cancel(_, why):
                self._agent.cancel(session, reason_header=why, now=now)
            case do.Bye(_, cause):
                self._agent.bye(session, headers=_reason(cause), now=now)
            case do.AnswerOffer(_, sdp):
                said = self._agent.said(session)
                self._agent.answer_offer(session, newer(sdp, said) if sdp else opened(said), now=now)
            case do.Reoffer(n, sdp):
                if not self._agent.reinvite(session, newer(sdp, self._agent.said(session)), now=now):
                    self.deliver(contact.id, inputs.OfferRefused(n, 0))  # another offer is under way
            case do.Probe():
                self._probes[session] = self._agent.request(session, "OPTIONS", now=now)
            case do.RefuseOffer(_, code):
                self._agent.refuse_offer(session, code, now=now)
            case do.AnswerPhone(n, command):
                if request := self._agent.notify(session, "talk", now=now):
                    self._told.setdefault(session, {})[request] = command
                else:
                    self.deliver(contact.id, inputs.PhoneTold(n, command, 0))
            case do.HoldPhone(_, on):
                self._agent.notify(session, "hold" if on else "talk", now=now)
            case do.TellReferrer(_, id, code) if id:
                self._agent.notify_refer(session, code, REASONS.get(code, ""), id=id, now=now)

    def _invite(self, contact: Contact, effect: do.Invite, now: float) -> None:
        # a carrier hears no names of the inside (the edge writes the request line alone), and an adopter says the same
        domain = self.domain(effect.account)
        local = f"<sip:{userinfo(effect.caller)}@{domain or 'lq.internal'}>"
        remote = f"<{effect.uri.partition('@')[0]}@{domain}>" if domain else ""
        tag = tag_of(contact.id, effect.leg, self._agent.rng.getrandbits(32))
        session = self._agent.invite(
            effect.uri or self._agent.contact.strip("<>"),
            local=local,
            remote=remote,
            sdp=effect.sdp,
            headers=dict(effect.headers),
            now=now,
            account=effect.account,
            tag=tag,
        )
        self.take(contact.id, effect.leg, session)

    def _ask(self, contact: Contact, effect: do.Ask, now: float) -> None:
        headers = {
            "X-LQ-Contact": contact.id,
            "X-LQ-Request": f"{contact.id}:{effect.request}",
            "X-LQ-Lanes": lanes.to_header({lane: int(score) for lane, score in effect.lanes.items()}),
            "X-LQ-Lease": str(effect.lease_ms),
        }
        session = self._agent.invite(
            f"sip:{effect.queue}@acd.lq.internal", local="<sip:lq@lq.internal>", headers=headers, now=now, timeout_s=3
        )
        self._questions[session] = (contact.id, effect.request)

    # -- events -------------------------------------------------------------------------------------------------------
    def happened(self, event: sip.Event) -> None:
        """An event of the user agent, of a session that is a leg or a question."""
        session = getattr(event, "session", "")
        answers = self._agent.answers(session)
        contact = self._heard(session, event)
        if contact:
            self._answers.setdefault(contact, []).extend(answers)
        elif answers:
            self.send(answers)

    def _heard(self, session: str, event: sip.Event) -> str:
        """The contact that will write it down; "": none will."""
        if session in self._questions:
            self._answered(session, event)
            return ""
        contact, leg = self._legs.get(session, ("", 0))
        if not contact:
            if session in self._orphans:
                self._last_of_orphan(session, event)
            return ""
        given = self._referred(leg, event) if isinstance(event, sip.Refer) else _input(leg, event)
        if isinstance(event, sip.RequestDone) and self._probes.get(session) == event.id:
            del self._probes[session]
            if event.code in (408, 481):  # the dialog is over (RFC 3261 §12.2.1.2)
                given = inputs.Ended(leg, "timeout" if event.code == 408 else "gone")
        elif isinstance(event, sip.RequestDone) and event.id in self._told.get(session, {}):
            given = inputs.PhoneTold(leg, self._told[session].pop(event.id), event.code)
        unheard: dict[str, str] = {}  # orders that the phone will say nothing to any more
        if isinstance(event, sip.Rejected | sip.Ended | sip.Cancelled):
            unheard = self._told.pop(session, {})
            self._drop(session)
        is_ours = given is not None and self.deliver(contact, given)
        if is_ours and isinstance(event, sip.Cancelled):
            self._unsaid.setdefault(contact, {})[str(leg)] = event.unsaid
        if given is not None and not is_ours:
            log.info("sip event for a contact that is not ours", contact=contact, what=type(event).__name__)
        for command in unheard.values():
            self.deliver(contact, inputs.PhoneTold(leg, command, 0))
        return contact if is_ours else ""

    def _referred(self, leg: int, event: sip.Refer) -> inputs.Referred | None:
        """A transfer as the contact understands it; one that means nothing here is refused at once."""
        to, replaces = dialled(event.target), read_replaces(event.replaces)
        contact = contact_of(replaces.to_tag) if replaces else ""
        if to is None:
            code = 416
        elif event.replaces and not contact:
            code = 481 if replaces else 400
        elif not to:
            code = 484
        else:
            other = leg_of(replaces.to_tag) if replaces else 0
            return inputs.Referred(leg, to, event.id, contact, other, event.replaces)
        if event.id:
            self._agent.notify_refer(event.session, code, REASONS[code], id=event.id, now=self._clock())
        return None

    def _last_of_orphan(self, session: str, event: sip.Event) -> None:
        """Its phone may have answered when it was cancelled and its leg was called anew (RFC 3261 §9.1)."""
        if isinstance(event, sip.Accepted | sip.Rejected | sip.Ended):
            self._orphans.discard(session)
        if isinstance(event, sip.Accepted):
            self._agent.ack(session, now=self._clock())
            self._agent.bye(session, now=self._clock())
            self.flush()

    def _answered(self, session: str, event: sip.Event) -> None:
        """The ACD's answer is a redirect or a refusal (contracts.md §3)."""
        if not isinstance(event, sip.Rejected):
            return
        contact, request = self._questions.pop(session)
        self.deliver(contact, acd_answer(request, event.code, event.headers))


def acd_answer(request: int, code: int, headers: Mapping[str, Sequence[str]]) -> inputs.Input:
    """What KEMI said: 302 an agent, 480 wait, anything else: ask later."""
    first = {name.lower(): values[0] for name, values in headers.items() if values}
    try:
        if code == 302:
            uri, _, rest = first["contact"].partition(">")
            given = dict(part.strip().split("=", 1) for part in rest.split(";") if "=" in part)
            phone = uri.partition("sip:")[2].partition("@")[0]
            fence, lane, media = int(given["reservation"]), given.get("lane", ""), given.get("media", "rtp")
            return inputs.Reserved(request, given["agent"], phone, fence, lane, media)
        if code == 480:
            return inputs.Waiting(request, int(first["x-lq-position"]), int(first.get("x-lq-signed-in", "1")))
    except (KeyError, ValueError) as error:
        log.error("answer of the ACD cannot be read", code=code, error=repr(error))
    return inputs.AskFailed(request, code)


def dialled(uri: str) -> str | None:
    """The user part of a SIP or tel URI, as a phone would dial it; None for a URI of any other kind."""
    found = _DIALLED.fullmatch(uri)
    if found:
        return unquote(found[1] or found[2]).strip()
    return "" if uri.partition(":")[0].lower() in ("sip", "sips", "tel") else None


def _talks(headers: Mapping[str, Sequence[str]]) -> bool:
    """Whether the phone takes orders (Allow-Events, RFC 6665 §8.2.2, with BroadSoft's `talk`)."""
    allowed = ",".join(value for name, values in headers.items() if name.lower() == "allow-events" for value in values)
    return "talk" in (event.strip().lower() for event in allowed.split(","))


def _reason(cause: int) -> dict[str, str]:
    return {"Reason": causes.reason(cause)}


def _input(leg: int, event: sip.Event) -> inputs.Input | None:
    match event:
        case sip.Progress():
            return inputs.Progress(leg, event.code, event.sdp, _talks(event.headers))
        case sip.Accepted():
            return inputs.Accepted(leg, event.sdp)
        case sip.Rejected():
            lowered = {name.lower(): values for name, values in event.headers.items()}
            return inputs.Rejected(leg, event.code, causes.cause_in(", ".join(lowered.get("reason", ()))))
        case sip.Offer():
            return inputs.Reoffered(leg, event.sdp)
        case sip.OfferAnswered():
            return inputs.OfferAnswered(leg, event.sdp)
        case sip.OfferRefused():
            return inputs.OfferRefused(leg, event.code)
        case sip.Confirmed():
            return inputs.Confirmed(leg, event.sdp, event.owed)
        case sip.Recalled():
            return inputs.Recalled(leg)
        case sip.Info(content_type=returning.AWAY):
            return inputs.PhoneAway(leg)
        case sip.Info():
            key = keys.of_info(event.content_type, event.body)
            return inputs.Digit(leg, key[0], "info", key[1]) if key else None
        case sip.Cancelled():
            return inputs.Cancelled(leg, causes.cause_in(event.reason_header))
        case sip.Ended():
            return inputs.Ended(leg, event.why, causes.cause_in(event.reason_header) or _UNSAID.get(event.why, 0))
        case _:
            return None
