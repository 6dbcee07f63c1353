"""The contact's legs as SIP sessions: effects become calls of the user agent, its events become inputs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog

from lq.acd import lanes
from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.contact import Contact
from lq.sip import events as sip
from lq.sip.agent import Datagram, UserAgent

log = structlog.get_logger()

_CAUSE: Final = re.compile(r"Q\.850\s*;\s*cause\s*=\s*(\d{1,3})", re.IGNORECASE)


def q850(reason: str) -> int:
    """The Q.850 cause in a Reason header (RFC 3326), 0 if there is none."""
    found = _CAUSE.search(reason)
    return int(found[1]) if found else 0


class SipDesk:
    """Which session is which leg, and which question to the ACD is whose.

    `send` puts datagrams on the wire; `clock` is the user agent's (seconds, monotonic).
    """

    def __init__(
        self, agent: UserAgent, send: Callable[[Sequence[Datagram]], None], clock: Callable[[], float]
    ) -> None:
        self.deliver: Callable[[str, inputs.Input], bool] = lambda contact, given: False
        self.send = send
        self._agent, self._clock = agent, clock
        self._legs: dict[str, tuple[str, int]] = {}  # session -> contact, leg
        self._sessions: dict[str, dict[int, str]] = {}  # contact -> leg -> session
        self._questions: dict[str, tuple[str, int]] = {}  # session -> contact, request

    # -- sessions ---------------------------------------------------------------------------------------------------
    def take(self, contact: str, leg: int, session: str) -> None:
        """This session is that leg from now on."""
        self._legs[session] = (contact, leg)
        self._sessions.setdefault(contact, {})[leg] = session

    def dialogs(self, contact: str) -> dict[str, Any]:
        """What another node needs of each dialog, by leg."""
        return {str(n): self._agent.export(session) for n, session in self._sessions.get(contact, {}).items()}

    def adopt(self, contact: str, dialogs: Mapping[str, Any]) -> None:
        """The legs of another node's contact, from its `dialogs`."""
        for n, document in dialogs.items():
            if document:
                self.take(contact, int(n), self._agent.adopt(document, now=self._clock()))

    def forget(self, contact: str) -> None:
        """Silently; a session that has ended by itself is gone already."""
        for session in self._sessions.pop(contact, {}).values():
            self._legs.pop(session, None)
            self._agent.forget(session)
        for session in [s for s, (asker, _) in self._questions.items() if asker == contact]:
            del self._questions[session]
            self._agent.forget(session)

    def _drop(self, session: str) -> None:
        """The dialog is over."""
        contact, leg = self._legs.pop(session, ("", 0))
        self._sessions.get(contact, {}).pop(leg, None)

    def refuse(self, contact: str, code: int) -> None:
        """Answer the INVITE that began a contact, outside of any turn."""
        for session in self._sessions.get(contact, {}).values():
            self._agent.reject(session, code, now=self._clock())
        self.send(self._agent.datagrams())

    def abandon(self, contact: str) -> None:
        """End every dialog of a contact that can no longer be carried on."""
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
        return list(self._agent.datagrams())

    def _one(self, contact: Contact, effect: do.Effect) -> None:
        now = self._clock()
        match effect:
            case do.Invite():
                self._invite(contact, effect, now)
                return
            case do.Ask():
                self._ask(contact, effect, now)
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
                self._agent.reject(session, code, headers=reason(cause), now=now)
            case do.Ack():
                self._agent.ack(session, now=now)
            case do.Cancel(_, why):
                self._agent.cancel(session, reason_header=why, now=now)
            case do.Bye(_, cause):
                self._agent.bye(session, headers=reason(cause), now=now)
            case do.AnswerOffer(_, sdp):
                self._agent.answer_offer(session, sdp, now=now)
            case do.RefuseOffer(_, code):
                self._agent.refuse_offer(session, code, now=now)

    def _invite(self, contact: Contact, effect: do.Invite, now: float) -> None:
        local = f"<sip:{effect.caller}@lq.internal>"
        session = self._agent.invite(effect.uri, local=local, sdp=effect.sdp, headers=dict(effect.headers), now=now)
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
        if session in self._questions:
            self._answered(session, event)
            return
        contact, leg = self._legs.get(session, ("", 0))
        if not contact:
            return
        given = _input(leg, event)
        if isinstance(event, sip.Rejected | sip.Ended | sip.Cancelled):
            self._drop(session)
        if given is not None and not self.deliver(contact, given):
            log.info("sip event for a contact that is not ours", contact=contact, what=type(event).__name__)

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
            return inputs.Reserved(request, given["agent"], phone, int(given["reservation"]), given.get("lane", ""))
        if code == 480:
            return inputs.Waiting(request, int(first["x-lq-position"]), int(first.get("x-lq-signed-in", "1")))
    except (KeyError, ValueError) as error:
        log.error("answer of the ACD cannot be read", code=code, error=repr(error))
    return inputs.AskFailed(request, code)


def reason(cause: int) -> dict[str, str]:
    return {"Reason": f"Q.850;cause={cause}"}


def _input(leg: int, event: sip.Event) -> inputs.Input | None:
    match event:
        case sip.Progress():
            return inputs.Progress(leg, event.code, event.sdp)
        case sip.Accepted():
            return inputs.Accepted(leg, event.sdp)
        case sip.Rejected():
            lowered = {name.lower(): values for name, values in event.headers.items()}
            return inputs.Rejected(leg, event.code, q850(" ".join(lowered.get("reason", ()))), "x-lq-cause" in lowered)
        case sip.Offer():
            return inputs.Reoffered(leg, event.sdp)
        case sip.Cancelled():
            return inputs.Cancelled(leg, q850(event.reason_header))
        case sip.Ended():
            return inputs.Ended(leg, event.why, q850(event.reason_header))
        case _:
            return None
