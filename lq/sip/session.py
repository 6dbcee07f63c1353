"""One INVITE dialog usage: a leg. It says what to send and what happened; it never decides about the call.

Offer and answer (RFC 3264) are kept apart from SDP's content, which is opaque here. A 2xx of ours is repeated until its
ACK (§13.3.1.4); a 2xx of the peer's is ACKed only when the owner says so, and then as often as it comes again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lq.sip import events as ev
from lq.sip.dialog import Dialog
from lq.sip.message import Message, Request, Response, answer, uri_headers, uri_of
from lq.sip.transaction import LIFETIME, T1, T2, ClientTransaction, ServerTransaction

if TYPE_CHECKING:
    from lq.sip.agent import UserAgent

ALLOW: Final = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, NOTIFY, PRACK"
GLARE_OWNER: Final = (2.1, 4.0)  # back-off after 491 by whom the Call-ID is (RFC 3261 §14.1)
GLARE_OTHER: Final = (0.0, 2.0)


@dataclass(slots=True, eq=False)
class Session:
    id: str
    agent: UserAgent
    dialog: Dialog
    incoming: ServerTransaction | None = None  # the peer's INVITE or UPDATE that awaits our answer
    outgoing: ClientTransaction | None = None  # our INVITE that awaits its answer
    unacked: ServerTransaction | None = None  # our 2xx, not ACKed yet
    acks: dict[tuple[int, str], bytes] = field(default_factory=dict)  # (CSeq, to-tag) -> our ACK, to repeat
    timers: dict[str, float] = field(default_factory=dict)
    interval: float = T1
    silent: bool = False  # its end was reported; what still comes is cleared away without a word
    bye_headers: Mapping[str, str] | None = None  # BYE that waits for the ACK of our 2xx (§15)
    session_expires: str = ""
    rseq: int = 0
    retry_sdp: str = ""  # offer to repeat after 491

    # -- what the owner wants: each says whether it had a place -------------------------------------------------------
    def provisional(self, code: int, sdp: str, headers: Mapping[str, str], now: float) -> bool:
        tx = self.incoming
        if tx is None or tx.request.method != "INVITE" or self.dialog.state != "early":
            return False
        return self._respond(tx, code, sdp, headers, now)

    def accept(self, sdp: str, headers: Mapping[str, str], now: float) -> bool:
        """200 to the peer's INVITE or UPDATE; sdp "" repeats what we last said."""
        tx = self.incoming
        if tx is None:
            return False
        sdp = sdp or self.dialog.local_sdp
        extra = {"Session-Expires": self.session_expires, "Require": "timer"} if self.session_expires else {}
        if not self._respond(tx, 200, sdp, {**extra, **headers}, now):
            return False
        self.incoming = None
        self.dialog.local_sdp = sdp
        self.dialog.refresh_target(tx.request)
        if tx.request.sdp:
            self.dialog.remote_sdp = tx.request.sdp
        if tx.request.method == "INVITE":
            self.dialog.state = "confirmed"
            self.unacked, self.interval = tx, T1
            self.timers |= {"repeat_2xx": now + T1, "ack_missing": now + LIFETIME}
        return True

    def reject(self, code: int, reason: str, headers: Mapping[str, str], now: float) -> bool:
        tx, self.incoming = self.incoming, None
        if tx is None:
            return False
        sent = self._respond(tx, code, "", headers, now, reason)
        if self.dialog.state == "early":
            self._over()
        return sent

    def ack(self, sdp: str, now: float) -> bool:
        """ACK the 2xx that was accepted; with our answer after an INVITE of ours without an offer."""
        if self.dialog.state != "confirmed" or not self.dialog.last_invite_seq:
            return False
        key = (self.dialog.last_invite_seq, self.dialog.remote_tag)
        request = self._request("ACK", seq=key[0])
        _fill(request, sdp, {})
        self.acks[key] = request.encode()
        if sdp:
            self.dialog.local_sdp = sdp
        self.agent.queue(self.id, self.acks[key])
        return True

    def cancel(self, reason: str, now: float) -> bool:
        """CANCEL our INVITE; it waits for a 1xx if none has come (§9.1)."""
        tx = self.outgoing
        if tx is None or tx.purpose != "initial" or tx.over or tx.cancelled:
            return False
        tx.cancel_wanted = reason
        self.timers.pop("give_up", None)
        if tx.state == "proceeding":
            self._send_cancel(tx, now)
        return True

    def bye(self, headers: Mapping[str, str], now: float) -> bool:
        if self.dialog.state != "confirmed":
            return False
        if self.unacked is not None:
            self.bye_headers, self.silent = dict(headers), True
            return True
        self._send_bye(headers, now)
        return True

    def reinvite(self, sdp: str, now: float) -> bool:
        if self.dialog.state != "confirmed" or self.outgoing or self.incoming or self.unacked:
            return False
        self.retry_sdp = sdp
        self.invite(sdp, {}, "reinvite", now)
        return True

    def invite(self, sdp: str, headers: Mapping[str, str], purpose: str, now: float) -> None:
        request = self._request("INVITE", contact=self.agent.contact)
        request.put("allow", ALLOW)
        request.put("supported", "replaces")
        _fill(request, sdp, headers)
        self.outgoing = self.agent.client(self, request, purpose, now)

    # -- answers to our INVITEs ---------------------------------------------------------------------------------------
    def invite_answered(self, tx: ClientTransaction, response: Response, now: float) -> None:
        if response.code == 100:
            self._cancel_if_wanted(tx, now)
            return
        if tx is not self.outgoing and not 200 <= response.code < 300:
            return  # of an INVITE that is done with
        if response.code < 200:
            self._progress(tx, response, now)
        elif response.code < 300:
            self._accepted(tx, response, now)
        else:
            self._refused(tx, response.code, response.reason, response.headers, now)

    def _progress(self, tx: ClientTransaction, response: Response, now: float) -> None:
        self._cancel_if_wanted(tx, now)
        if tx.purpose != "initial":
            return
        if response.to_tag and self.dialog.state == "early" and response.to_tag != self.dialog.remote_tag:
            self.dialog.learn(response)  # forked: the newest early dialog counts
        if "100rel" in response.tokens("require") and response.get("rseq").isdigit():
            self._prack(response, now)
        self._tell(ev.Progress(self.id, response.code, response.reason, response.sdp, response.headers))

    def _prack(self, response: Response, now: float) -> None:
        """RFC 3262, as a courtesy to a peer that insists; we never ask for it."""
        rseq = int(response.get("rseq"))
        if rseq > self.rseq:
            self.rseq = rseq
            request = self._request("PRACK")
            request.put("rack", f"{rseq} {response.get('cseq')}")
            self.agent.client(self, request, "prack", now)

    def _accepted(self, tx: ClientTransaction, response: Response, now: float) -> None:
        key = (response.cseq[0], response.to_tag)
        if key in self.acks:  # our ACK was lost
            self.agent.queue(self.id, self.acks[key])
            return
        if self.dialog.state == "confirmed" and response.to_tag != self.dialog.remote_tag:
            self.agent.end_fork(self, response, now)
            return
        if tx is not self.outgoing:
            return  # a repeat before the owner's ack(): it will be ACKed
        self.outgoing = None
        if tx.purpose == "initial":
            self.timers.pop("give_up", None)
            self.dialog.learn(response)
            self.dialog.state = "confirmed"
        else:
            self.dialog.refresh_target(response)
        self.dialog.remote_sdp = response.sdp or self.dialog.remote_sdp
        if offered := tx.request.sdp:
            self.dialog.local_sdp = offered
        if tx.purpose != "initial":
            self.ack("", now)
            self._tell(ev.OfferAnswered(self.id, response.sdp))
        elif self.silent:  # given up: the answer crossed our CANCEL
            self.ack("", now)
            self._send_bye({"Reason": 'SIP;cause=487;text="Request Terminated"'}, now)
        else:
            self._tell(ev.Accepted(self.id, response.code, response.sdp, response.headers))

    def _refused(self, tx: ClientTransaction, code: int, reason: str, headers: ev.Headers, now: float) -> None:
        self.outgoing = None
        if tx.purpose == "initial":
            self._tell(ev.Rejected(self.id, code, reason, headers))
            self._over()
        elif code == 491:
            low, high = GLARE_OWNER if self.dialog.role == "uac" else GLARE_OTHER
            self.timers["retry"] = now + self.agent.rng.uniform(low, high)
        elif code in (408, 481):
            self._lost("timeout" if code == 408 else "481")
        else:
            self._tell(ev.OfferRefused(self.id, code))

    def timed_out(self, tx: ClientTransaction, now: float) -> None:
        """No final answer within the transaction's life: as a 408 (§8.1.3.1)."""
        if tx is self.outgoing:
            self._refused(tx, 408, "Request Timeout", {}, now)
        elif tx.purpose in ("request", "update"):
            self._tell(ev.RequestDone(self.id, tx.request_id, 408, {}, b""))
        elif tx.purpose == "bye":
            self._over()
        elif tx.purpose == "cancel" and self.outgoing is not None:
            self._refused(self.outgoing, 487, "Request Terminated", {}, now)

    def answered(self, tx: ClientTransaction, response: Response, now: float) -> None:
        """A final answer to another request of ours."""
        if response.code < 200:
            return
        if tx.purpose == "bye":
            self._over()
        elif tx.purpose == "cancel":  # the INVITE must end within 64*T1 (§9.1)
            self.timers["cancelled"] = now + LIFETIME
        elif tx.purpose == "request":
            self._tell(ev.RequestDone(self.id, tx.request_id, response.code, response.headers, response.body))
            if response.code == 481:
                self._lost("481")

    # -- the clock ----------------------------------------------------------------------------------------------------
    def due(self, timer: str, now: float) -> None:
        match timer:
            case "repeat_2xx":
                if self.unacked is not None:
                    self.interval = min(self.interval * 2, T2)
                    self.timers["repeat_2xx"] = now + self.interval
                    self.agent.queue(self.id, self.unacked.wire, self.unacked.destination)
            case "ack_missing":
                self._acked_or_given_up()
                headers = self.bye_headers or {"Reason": 'SIP;cause=408;text="ACK missing"'}
                self._tell(ev.Ended(self.id, "", "ack_missing"))
                self._send_bye(headers, now)
            case "give_up":
                self._tell(ev.Rejected(self.id, 408, "Request Timeout"))
                self.silent = True
                self.cancel('SIP;cause=408;text="Request Timeout"', now)
            case "cancelled":
                if self.outgoing is not None:
                    self._refused(self.outgoing, 487, "Request Terminated", {}, now)
            case "retry":
                self.reinvite(self.retry_sdp, now)

    # -- requests of the peer -----------------------------------------------------------------------------------------
    def receive(self, tx: ServerTransaction, request: Request, now: float) -> None:
        seq = request.cseq[0]
        if self.dialog.remote_seq and seq < self.dialog.remote_seq:
            self._respond(tx, 500, "", {"Retry-After": "1"}, now)  # §12.2.2: out of order
            return
        self.dialog.remote_seq = seq
        match request.method:
            case "BYE":
                self._bye_received(tx, request, now)
            case "INVITE" | "UPDATE":
                self._offer_received(tx, request, now)
            case "OPTIONS":
                self._respond(tx, 200, "", {"Allow": ALLOW}, now)
            case "INFO" | "NOTIFY" | "MESSAGE" | "PRACK":
                self._respond(tx, 200, "", {}, now)
                self._inform(request)
            case "REFER":
                self._refer_received(tx, request, now)
            case _:
                self._respond(tx, 405, "", {"Allow": ALLOW}, now)

    def acked(self, request: Request, now: float) -> None:
        tx = self.unacked
        if tx is None or tx.request.cseq[0] != request.cseq[0]:
            return
        self._acked_or_given_up()
        if request.sdp:
            self.dialog.remote_sdp = request.sdp
        if self.bye_headers is not None:
            self._send_bye(self.bye_headers, now)
        else:
            self._tell(ev.Confirmed(self.id, request.sdp))

    def cancel_received(self, request: Request, now: float) -> None:
        """The peer takes its initial INVITE back."""
        if self.dialog.state == "early" and self.incoming is not None:
            self._respond(self.incoming, 487, "", {}, now)
            self.incoming = None
            self._tell(ev.Cancelled(self.id, request.get("reason")))
            self._over()

    def _acked_or_given_up(self) -> None:
        self.unacked = None
        self.timers.pop("repeat_2xx", None)
        self.timers.pop("ack_missing", None)

    def _bye_received(self, tx: ServerTransaction, request: Request, now: float) -> None:
        self._respond(tx, 200, "", {}, now)
        if self.incoming is not None:
            self._respond(self.incoming, 487, "", {}, now)
        self._tell(ev.Ended(self.id, request.get("reason"), "bye"))
        self._over()

    def _offer_received(self, tx: ServerTransaction, request: Request, now: float) -> None:
        carries_offer = request.method == "INVITE" or bool(request.sdp)
        if carries_offer and self.outgoing is not None:
            self._respond(tx, 491, "", {}, now)
        elif carries_offer and (self.incoming is not None or self.unacked is not None):
            # §14.2: a second one before the first is done; after our 2xx the ACK may still carry the answer
            self._respond(tx, 500, "", {"Retry-After": str(self.agent.rng.randint(0, 10))}, now)
        elif carries_offer:
            self.incoming = tx
            self.session_expires = _refresh(request)
            self._tell(ev.Offer(self.id, request.method, request.sdp))
        else:  # UPDATE without SDP: a session refresh (RFC 4028) or a new Contact
            self.dialog.refresh_target(request)
            extra = {"Session-Expires": _refresh(request), "Require": "timer"} if _refresh(request) else {}
            self._respond(tx, 200, "", {"Contact": self.agent.contact, **extra}, now)

    def _inform(self, request: Request) -> None:
        if request.method == "INFO":
            self._tell(ev.Info(self.id, request.get("content-type"), request.body))
        elif request.method == "NOTIFY":
            self._tell(ev.Notify(self.id, request.get("event"), request.body))

    def _refer_received(self, tx: ServerTransaction, request: Request, now: float) -> None:
        target = uri_of(request.get("refer-to"))
        if len(request.all("refer-to")) != 1 or not target:
            self._respond(tx, 400, "", {}, now)  # RFC 3515 §2.4.2
            return
        self._respond(tx, 202, "", {"Contact": self.agent.contact}, now)
        replaces = uri_headers(target).get("replaces", "")
        self._tell(ev.Refer(self.id, target.partition("?")[0], replaces, request.get("referred-by")))

    # -- pieces -------------------------------------------------------------------------------------------------------
    def _request(self, method: str, *, contact: str = "", seq: int = 0) -> Request:
        return self.dialog.request(method, via=self.agent.new_via(), contact=contact, seq=seq)

    def _respond(
        self, tx: ServerTransaction, code: int, sdp: str, headers: Mapping[str, str], now: float, reason: str = ""
    ) -> bool:
        response = answer(tx.request, code, reason, to_tag=self.dialog.local_tag)
        if tx.request.method in ("INVITE", "UPDATE") and 100 < code < 300:
            response.put("contact", self.agent.contact)
            response.put("allow", ALLOW)
        _fill(response, sdp, headers)
        return self.agent.respond(tx, response, now)

    def _send_bye(self, headers: Mapping[str, str], now: float) -> None:
        self.silent = True
        self.dialog.state = "terminated"
        request = self._request("BYE")
        _fill(request, "", headers)
        self.agent.client(self, request, "bye", now)

    def _cancel_if_wanted(self, tx: ClientTransaction, now: float) -> None:
        if tx.cancel_wanted is not None and not tx.cancelled and tx.state == "proceeding":
            self._send_cancel(tx, now)

    def _send_cancel(self, tx: ClientTransaction, now: float) -> None:
        """Same branch, top Via only, same Route (§9.1)."""
        tx.cancelled = True
        given = tx.request
        names = ("max-forwards", "from", "to", "call-id", "route")
        headers = {"via": [given.get("via")]} | {n: list(given.all(n)) for n in names if given.all(n)}
        headers["cseq"] = [f"{given.cseq[0]} CANCEL"]
        request = Request(headers, b"", "CANCEL", given.uri)
        if tx.cancel_wanted:
            request.put("reason", tx.cancel_wanted)
        self.agent.client(self, request, "cancel", now)

    def _lost(self, why: str) -> None:
        self._tell(ev.Ended(self.id, "", why))
        self._over()

    def _tell(self, event: ev.Event) -> None:
        if not self.silent:
            self.agent.happened(event)

    def _over(self) -> None:
        self.dialog.state = "terminated"
        self.silent = True
        self.timers.clear()
        self.agent.session_over(self)


def _refresh(request: Request) -> str:
    """Session-Expires of a peer that wants its refreshes answered; he is the refresher (RFC 4028 §9)."""
    seconds = request.get("session-expires").partition(";")[0].strip()
    supported = "timer" in request.tokens("supported") or "timer" in request.tokens("require")
    return f"{seconds};refresher=uac" if seconds.isdigit() and supported else ""


def _fill(message: Message, sdp: str, headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        message.put(name, value)
    if sdp:
        message.put("content-type", "application/sdp")
        message.body = sdp.encode()
