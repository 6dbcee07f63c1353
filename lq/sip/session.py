"""One INVITE dialog usage: a leg, and what its owner may want of it. It never decides about the call.

Offer and answer (RFC 3264) are kept apart from SDP's content, which is opaque here. A 2xx of ours is repeated until its
ACK (§13.3.1.4); a 2xx of the peer's is ACKed only when the owner says so, and then as often as it comes again. What the
peer answers is in uac.py, what he asks in uas.py, session timers in refresh.py, REFER and Replaces in transfer.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lq.sip import digest, recall, refresh, reliable, transfer
from lq.sip import events as ev
from lq.sip.dialog import Dialog
from lq.sip.message import Message, Request, Response, answer
from lq.sip.transaction import LIFETIME, T1, T2, ClientTransaction, ServerTransaction, Transport

if TYPE_CHECKING:
    from lq.sip.core import Core

ALLOW: Final = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, NOTIFY, MESSAGE, PRACK"
SUPPORTED: Final = "replaces, timer, norefersub"
NO_REFRESH: Final = 'SIP;cause=408;text="Session not refreshed"'
BUSY_RETRY_S: Final = 1.0
MAX_RETRIES: Final = 10  # of an offer that meets 491
GLARE_OWNER: Final = (2.1, 4.0)  # back-off after 491 by whom the Call-ID is (RFC 3261 §14.1)
GLARE_OTHER: Final = (0.0, 2.0)


@dataclass(slots=True, eq=False)
class Session:
    id: str
    agent: Core
    dialog: Dialog
    incoming: ServerTransaction | None = None  # the peer's INVITE or UPDATE that awaits our answer
    outgoing: ClientTransaction | None = None  # our INVITE that awaits its answer
    update: ClientTransaction | None = None  # our UPDATE with an offer that does
    asked: list[ClientTransaction] = field(default_factory=list)  # all that goes on of ours, and some that does not
    unacked: ServerTransaction | None = None  # our 2xx, not ACKed yet
    inherited: bool = False  # … said by another process before us, which may have heard the ACK
    inherited_seq: int = 0  # CSeq of the peer's last request to that process, which may have left no answer
    recalled: ServerTransaction | None = (
        None  # an INVITE that went to that process, answered by 302: it shall come to us
    )
    postponed: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)  # what is answered to it when it is here
    said_early: dict[str, str] = field(default_factory=dict)  # to-tag -> description in the last 18x of that phone
    untold: list[tuple[str, str, str, str]] = field(default_factory=list)  # NOTIFYs that wait for the one before
    asked_offer: bool = False  # the 2xx to our offerless re-INVITE has come: its ACK must carry our answer
    acks: dict[tuple[int, str], tuple[bytes, Transport]] = field(default_factory=dict)  # (CSeq, to-tag) -> our ACK
    timers: dict[str, float] = field(default_factory=dict)
    armed: dict[str, list[Any]] = field(default_factory=dict)
    interval: float = T1
    rang: bool = False  # our reliable 180 has been sent (RFC 3262)
    silent: bool = False  # its end was reported; what still comes is cleared away without a word
    left: bool = False  # whom we call has said BYE before his 200 was here
    bye_headers: Mapping[str, str] | None = None  # BYE that waits for the ACK of our 2xx (§15)
    retry_sdp: str = ""  # offer to repeat after 491
    retries: int = 0
    # header that answers -> the challenge that it answers, how often its nonce was used
    challenges: dict[str, tuple[digest.Challenge, int]] = field(default_factory=dict)
    invite_authorization: dict[str, str] = field(default_factory=dict)  # an ACK repeats it (§22.1)

    @property
    def exchange(self) -> bool:
        """Whether an offer is on its way, one way or the other."""
        return any((self.incoming, self.outgoing, self.update, self.unacked, self.asked_offer))

    # -- what the owner wants: each says whether it had a place -------------------------------------------------------
    def provisional(self, code: int, sdp: str, headers: Mapping[str, str], now: float) -> bool:
        if self.recalled is not None:
            return recall.postpone(self, "provisional", code, sdp, headers)
        tx = self.incoming
        if tx is None or tx.request.method != "INVITE" or self.dialog.state != "early":
            return False
        if reliable.required(tx.request):
            return reliable.ring(self, tx, now)
        return self.respond(tx, code, sdp, headers, now)

    def accept(self, sdp: str, headers: Mapping[str, str], now: float) -> bool:
        """200 to the peer's INVITE or UPDATE; sdp "" repeats what we last said."""
        if self.recalled is not None:
            return recall.postpone(self, "accept", sdp, headers)
        tx = self.incoming
        if tx is None:
            return self._answer_in_ack(sdp, now)
        sdp = sdp or self.dialog.local_sdp
        if not self.respond(tx, 200, sdp, refresh.granted(self, tx.request, now) | dict(headers), now):
            return False
        self.incoming = None
        reliable.over(self)
        self.dialog.local_sdp = sdp
        self.dialog.refresh_target(tx.request)
        if tx.request.sdp:
            self.dialog.remote_sdp = tx.request.sdp
        if tx.request.method == "INVITE":
            self.dialog.state = "confirmed"
            self.unacked, self.interval = tx, T1
            self.timers |= {"repeat_2xx": now + T1, "ack_missing": now + LIFETIME}
        refresh.arm(self)
        return True

    def _answer_in_ack(self, sdp: str, now: float) -> bool:
        if not self.asked_offer:
            return False
        self.asked_offer = False
        return self.ack(sdp or self.dialog.local_sdp, now)

    def reject(self, code: int, reason: str, headers: Mapping[str, str], now: float) -> bool:
        if self.recalled is not None:
            return recall.postpone(self, "reject", code, reason, headers)
        if self.asked_offer:  # a 2xx cannot be refused: it is ACKed and the dialog ended (§14.1)
            return self.bye({"Reason": f"SIP;cause={code}"}, now)
        tx, self.incoming = self.incoming, None
        if tx is None:
            return False
        sent = self.respond(tx, code, "", headers, now, reason)
        if self.dialog.state == "early":
            self.over(now)
        return sent

    def ack(self, sdp: str, now: float) -> bool:
        """ACK the 2xx that was accepted; with our answer after an INVITE of ours without an offer."""
        if self.dialog.state != "confirmed" or not self.dialog.last_invite_seq:
            return False
        key = (self.dialog.last_invite_seq, self.dialog.remote_tag)
        request = self.request("ACK", seq=key[0])
        fill(request, sdp, self.invite_authorization)
        self.acks[key] = self.agent.wire(request)
        if sdp:
            self.dialog.local_sdp = sdp
        self.repeat_ack(key)
        return True

    def repeat_ack(self, key: tuple[int, str]) -> None:
        data, transport = self.acks[key]
        self.agent.queue(self.id, data, transport=transport)

    def cancel(self, reason: str, now: float) -> bool:
        """CANCEL our INVITE; it waits for a 1xx if none has come (§9.1)."""
        tx = self.outgoing
        if tx is None or tx.purpose != "initial" or tx.over or tx.cancelled:
            return False
        tx.cancel_wanted = reason
        self.timers.pop("give_up", None)
        self.cancel_if_wanted(tx, now)
        return True

    def cancel_if_wanted(self, tx: ClientTransaction, now: float) -> None:
        """Same branch, top Via only, same Route (§9.1)."""
        if tx.cancel_wanted is None or tx.cancelled or tx.state != "proceeding":
            return
        tx.cancelled = True
        given = tx.request
        names = ("max-forwards", "from", "to", "call-id", "route")
        headers = {"via": [given.get("via")]} | {n: list(given.all(n)) for n in names if given.all(n)}
        headers["cseq"] = [f"{given.cseq[0]} CANCEL"]
        request = Request(headers, b"", "CANCEL", given.uri)
        if tx.cancel_wanted:
            request.put("reason", tx.cancel_wanted)
        self.agent.client(self, request, "cancel", now, beside=tx)

    def bye(self, headers: Mapping[str, str], now: float) -> bool:
        if self.recalled is not None:
            return self.reject(480, "", headers, now)
        if self.dialog.state != "confirmed":
            return False
        if self.unacked is not None and not self.inherited:
            self.bye_headers, self.silent = dict(headers), True
            return True
        if self.asked_offer:
            self.asked_offer = False
            self.ack("", now)
        self.send_bye(headers, now)
        return True

    def reinvite(self, sdp: str, now: float) -> bool:
        """Our offer; sdp "" asks the peer for his. False while another exchange goes on."""
        if self.dialog.state != "confirmed" or self.exchange:
            return False
        self.retry_sdp, self.retries = sdp, 0
        self.timers.pop("retry", None)
        self.invite(sdp, {}, "reinvite", now)
        return True

    def invite(self, sdp: str, headers: Mapping[str, str], purpose: str, now: float) -> None:
        request = self.request("INVITE", contact=self.agent.contact)
        fill(request, sdp, {"Allow": ALLOW, "Supported": SUPPORTED} | refresh.asked(self) | dict(headers))
        self.outgoing = self.agent.client(self, request, purpose, now)

    # -- the clock ----------------------------------------------------------------------------------------------------
    def due(self, timer: str, now: float) -> None:
        if timer.startswith("refer:"):
            transfer.expired(self, timer.removeprefix("refer:"), now)
            return
        match timer:
            case "repeat_1xx":
                reliable.repeat(self, now)
            case "prack_missing":
                reliable.over(self)
            case "repeat_2xx":
                self._repeat_2xx(now)
            case "ack_missing" if self.inherited:
                self.acknowledged()
            case "ack_missing":
                self.acknowledged()
                headers = self.bye_headers or {"Reason": 'SIP;cause=408;text="ACK missing"'}
                self.tell(ev.Ended(self.id, "", "ack_missing"))
                self.send_bye(headers, now)
            case "give_up":
                self.tell(ev.Rejected(self.id, 408, "Request Timeout"))
                self.silent = True
                self.cancel('SIP;cause=408;text="Request Timeout"', now)
            case "cancelled":
                self.tell(ev.Rejected(self.id, 487, "Request Terminated"))
                self.over(now)
            case "recalled":
                recall.taken_back(self, now)
            case "trying":
                if self.incoming is not None and self.incoming.request.method == "INVITE":
                    self.respond(self.incoming, 100, "", {}, now)
            case "retry":
                self._retry(now)
            case "refresh":
                refresh.send(self, now)
            case "expired":
                self.lost("timeout", now, NO_REFRESH)

    def _repeat_2xx(self, now: float) -> None:
        if self.unacked is not None:
            self.interval = min(self.interval * 2, T2)
            self.timers["repeat_2xx"] = now + self.interval
            if not self.unacked.withheld:
                self.agent.resend(self.unacked)

    def _retry(self, now: float) -> None:
        """The offer that met 491, once more."""
        self.retries += 1
        if self.exchange:
            self.timers["retry"] = now + BUSY_RETRY_S
        elif self.dialog.state == "confirmed":
            self.invite(self.retry_sdp, {}, "reinvite", now)

    def back_off(self) -> float:
        """Seconds until what has met an INVITE of the peer's is asked again: he asks again at another time."""
        return self.agent.rng.uniform(*(GLARE_OWNER if self.dialog.role == "uac" else GLARE_OTHER))

    # -- pieces -------------------------------------------------------------------------------------------------------
    def request(self, method: str, *, contact: str = "", seq: int = 0) -> Request:
        return self.dialog.request(method, via=self.agent.new_via(), contact=contact, seq=seq)

    def respond(
        self, tx: ServerTransaction, code: int, sdp: str, headers: Mapping[str, str], now: float, reason: str = ""
    ) -> bool:
        response: Response = answer(tx.request, code, reason, to_tag=self.dialog.local_tag)
        if tx.request.method in ("INVITE", "UPDATE") and 100 < code < 300:
            response.put("contact", self.agent.contact)
            response.put("allow", ALLOW)
            if code >= 200:
                response.put("supported", SUPPORTED)
        fill(response, sdp, headers)
        return self.agent.respond(tx, response, now)

    def send_bye(self, headers: Mapping[str, str], now: float) -> None:
        transfer.send_all(self, now)
        self._leave(now)
        request = self.request("BYE")
        fill(request, "", headers)
        self.agent.client(self, request, "bye", now)

    def acknowledged(self) -> None:
        self.unacked, self.inherited = None, False
        self.timers.pop("repeat_2xx", None)
        self.timers.pop("ack_missing", None)

    def lost(self, why: str, now: float, reason: str = "") -> None:
        """The peer is gone. One that only may be is sent a BYE: it may hear us although we do not hear it."""
        self.tell(ev.Ended(self.id, "", why))
        if why == "timeout" and self.dialog.state == "confirmed":
            self.send_bye({"Reason": reason or 'SIP;cause=408;text="Request Timeout"'}, now)
        elif self.dialog.state != "terminated":
            self.over(now)

    def tell(self, event: ev.Event) -> None:
        if not self.silent:
            self.agent.happened(event)

    def over(self, now: float) -> None:
        self._leave(now)
        self.agent.session_over(self)

    def _leave(self, now: float) -> None:
        """Nothing is awaited any more; whoever waits for us is told."""
        self.dialog.state = "terminated"
        self.silent = True
        self.timers.clear()
        waiting, self.incoming = self.incoming, None
        if waiting is not None:
            self.respond(waiting, 487 if waiting.request.method == "INVITE" else 481, "", {}, now)
        asking, self.outgoing = self.outgoing, None
        if asking is not None and not asking.over:
            asking.timers.setdefault("linger", now + LIFETIME)
            self.agent.clock.watch(asking)

    def sign(self, request: Request) -> None:
        """Credentials for a server that has challenged us before."""
        for header, (challenge, used) in self.challenges.items():
            if credentials := self.agent.accounts(self.dialog.account):
                self.challenges[header] = (challenge, used + 1)
                value = digest.authorization(
                    challenge, credentials, method=request.method, uri=request.uri, body=request.body,
                    cnonce=self.agent.token(), count=used + 1,
                )  # fmt: skip
                request.put(header, value)


def fill(message: Message, sdp: str, headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        message.put(name, value)
    if sdp:
        message.put("content-type", "application/sdp")
        message.body = sdp.encode()
