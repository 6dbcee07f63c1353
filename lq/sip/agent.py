"""The user agent: a pure core that answers and does not act. Bytes and time go in; datagrams and events come out.

One trusted peer (Kamailio) is the next hop of every request. Nothing here reads a clock, opens a socket or sleeps, so a
32-second time-out is tested in a microsecond. Calls of the owner return False when what they answer has gone.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lq.sip import events as ev
from lq.sip.dialog import Dialog
from lq.sip.message import ParseError, Request, Response, answer, param, parse
from lq.sip.session import ALLOW, Session, _fill
from lq.sip.transaction import ClientTransaction, ServerTransaction, key_of

COOKIE: Final = "z9hG4bK"  # RFC 3261 §8.1.1.7
# what a CANCEL (RFC 3261 §9.1) and a response (§8.2.6.2, §12.1.1) take from their INVITE
_FOR_CANCEL: Final = ("via", "max-forwards", "from", "to", "call-id", "cseq", "route")
_FOR_ANSWER: Final = ("via", "record-route", "from", "to", "call-id", "cseq", "contact", "supported", "require")
_SEQ_LEAP: Final = 1000  # an adopter's requests are above whatever the dead process sent (gaps are legal, §12.2.1.1)

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Datagram:
    session: str | None
    data: bytes
    destination: ev.Address


class UserAgent:
    """`via` is our host:port, `contact` the Contact of every leg, `next_hop` the edge."""

    def __init__(self, *, via: str, contact: str, next_hop: ev.Address, rng: random.Random) -> None:
        self.contact, self.rng = contact, rng
        self.available = True  # whether OPTIONS outside a dialog is answered 200 or 503
        self._via, self._next_hop = via, next_hop
        self._sessions: dict[str, Session] = {}
        self._dialogs: dict[tuple[str, str], Session] = {}
        self._clients: dict[Key, ClientTransaction] = {}
        self._servers: dict[Key, ServerTransaction] = {}
        self._invites: dict[tuple[str, str, int], Key] = {}  # Call-ID, From tag, CSeq of initial INVITEs (§8.2.2.2)
        self._datagrams: list[Datagram] = []
        self._events: list[ev.Event] = []
        self._heap: list[tuple[float, int, Any, str]] = []
        self._marks: set[tuple[int, str, float]] = set()  # what the heap holds
        self._count = 0

    # -- in and out ---------------------------------------------------------------------------------------------------
    def receive(self, data: bytes, source: ev.Address, now: float) -> None:
        """One datagram. Never raises on hostile input: what cannot be read is dropped."""
        if not data.strip(b"\r\n\0"):
            return  # keep-alive
        try:
            message = parse(data)
        except ParseError:
            return
        if isinstance(message, Response):
            self._response(message, now)
        elif message.method == "ACK":
            self._ack(message, now)
        else:
            self._request(message, source, now)

    def datagrams(self) -> list[Datagram]:
        """What is to be sent, in order."""
        out, self._datagrams = self._datagrams, []
        return out

    def events(self) -> list[ev.Event]:
        out, self._events = self._events, []
        return out

    def deadline(self) -> float | None:
        """When timeout() wants to be called next."""
        while self._heap and not self._armed(self._heap[0]):
            self._pop()
        return self._heap[0][0] if self._heap else None

    def timeout(self, now: float) -> None:
        """Run what is due."""
        while (at := self.deadline()) is not None and at <= now:
            holder, timer = self._pop()
            del holder.timers[timer]
            if isinstance(holder, Session):
                holder.due(timer, now)
            else:
                self._transaction_due(holder, timer, now)
            self._watch(holder)

    # -- what the owner wants -----------------------------------------------------------------------------------------
    def invite(
        self,
        uri: str,
        *,
        local: str,
        remote: str = "",
        sdp: str = "",
        headers: Mapping[str, str] | None = None,
        now: float,
        timeout_s: float | None = None,
    ) -> str:
        """A new session that calls `uri`. Without a final answer within `timeout_s` it ends with Rejected(408)."""
        dialog = Dialog(self._token(), self._token(), "", local, remote or f"<{uri}>", uri, "uac")
        session = self._add(dialog)
        session.invite(sdp, headers or {}, "initial", now)
        if timeout_s is not None:
            session.timers["give_up"] = now + timeout_s
        self._watch(session)
        return session.id

    def provisional(
        self, session: str, code: int, sdp: str = "", headers: Mapping[str, str] | None = None, *, now: float
    ) -> bool:
        return self._do(session, "provisional", code, sdp, headers or {}, now)

    def accept(self, session: str, sdp: str, headers: Mapping[str, str] | None = None, *, now: float) -> bool:
        return self._do(session, "accept", sdp, headers or {}, now)

    def reject(
        self, session: str, code: int, reason: str = "", headers: Mapping[str, str] | None = None, *, now: float
    ) -> bool:
        return self._do(session, "reject", code, reason, headers or {}, now)

    def ack(self, session: str, sdp: str = "", *, now: float) -> bool:
        return self._do(session, "ack", sdp, now)

    def cancel(self, session: str, reason_header: str = "", *, now: float) -> bool:
        return self._do(session, "cancel", reason_header, now)

    def bye(self, session: str, headers: Mapping[str, str] | None = None, *, now: float) -> bool:
        return self._do(session, "bye", headers or {}, now)

    def reinvite(self, session: str, sdp: str, *, now: float) -> bool:
        return self._do(session, "reinvite", sdp, now)

    def answer_offer(self, session: str, sdp: str, *, now: float) -> bool:
        """200 to a re-INVITE or UPDATE; sdp "" is what we last said."""
        return self._do(session, "accept", sdp, {}, now)

    def refuse_offer(self, session: str, code: int, *, now: float) -> bool:
        return self._do(session, "reject", code, "", {}, now)

    def request(
        self,
        session: str,
        method: str,
        body: bytes = b"",
        content_type: str = "",
        headers: Mapping[str, str] | None = None,
        *,
        now: float,
    ) -> str:
        """Another request inside the dialog; its end comes as RequestDone with the id returned ("": no such dialog)."""
        held = self._sessions.get(session)
        if held is None or held.dialog.state == "terminated":
            return ""
        request = held.dialog.request(method, via=self.new_via(), contact=self.contact)
        _fill(request, "", headers or {})
        if body:
            request.put("content-type", content_type)
            request.body = body
        tx = self.client(held, request, "request", now)
        tx.request_id = self._token()
        self._watch(held)
        return tx.request_id

    def notify_refer(self, session: str, code: int, reason: str, *, now: float) -> str:
        """How the REFER goes (RFC 3515 §2.4.5): a sipfrag."""
        state = "active;expires=60" if code < 200 else "terminated;reason=noresource"
        body = f"SIP/2.0 {code} {reason}\r\n".encode()
        headers = {"Event": "refer", "Subscription-State": state}
        return self.request(session, "NOTIFY", body, "message/sipfrag;version=2.0", headers, now=now)

    # -- taking over --------------------------------------------------------------------------------------------------
    def export(self, session: str) -> dict[str, Any]:
        """What another process needs to carry the session on: its dialog, an INVITE of ours to be cancelled, one of
        the peer's to be answered or whose answer he has not acknowledged.

        {} for a session that is gone.
        """
        held = self._sessions.get(session)
        if held is None:
            return {}
        document = held.dialog.to_dict()
        tx = held.outgoing
        if tx is not None and tx.purpose == "initial":
            document["invite"] = {"uri": tx.request.uri, "headers": _kept(tx.request, _FOR_CANCEL)}
        asked = held.unacked or held.incoming
        if asked is not None and asked.request.method == "INVITE":
            document["asked"] = {
                "uri": asked.request.uri,
                "headers": _kept(asked.request, _FOR_ANSWER),
                "to": list(asked.destination),
                "answered": asked is held.unacked,
            }
        return document

    def adopt(self, document: Mapping[str, Any], *, now: float) -> str:
        """A session that another process exported. One that was ringing can be cancelled, one that talks goes on.

        Whatever that process has said last is said once more: a 200 until its ACK, the ACK of a 200. Its BYE may not
        have left either: a dialog that it was ending can be ended again (a peer that knows answers 481).
        """
        session = self._add(Dialog.from_dict(document))
        session.dialog.local_seq += _SEQ_LEAP
        if session.dialog.state == "terminated":
            session.dialog.state = "confirmed"
        if invite := document.get("invite"):
            tx = ClientTransaction(session.id, _request_of(invite), self._next_hop, "proceeding", purpose="initial")
            self._clients[key_of(tx.request)] = session.outgoing = tx
        elif session.dialog.last_invite_seq and session.dialog.state == "confirmed":
            session.ack("", now)
        if asked := document.get("asked"):
            host, port = asked["to"]
            held = ServerTransaction(
                session.id, _request_of(asked), (host, port), "proceeding", to_tag=session.dialog.local_tag
            )
            self._servers[key_of(held.request)] = session.incoming = held
            if asked["answered"]:
                session.accept("", {}, now)
        self._watch(session)
        return session.id

    def forget(self, session: str) -> None:
        """Drop it silently. A BYE, refusal or CANCEL on its way is still finished."""
        held = self._sessions.get(session)
        if held is None or held.silent or held.dialog.state == "terminated":
            return
        if held.outgoing is not None and held.outgoing.cancel_wanted is not None:
            held.silent = True
            return
        self._remove(held)
        for key, tx in list(self._clients.items()):
            if tx.session == session:
                tx.end()
                del self._clients[key]

    def find(self, call_id: str, local_tag: str) -> str | None:
        held = self._dialogs.get((call_id, local_tag))
        return held.id if held else None

    def redeliver(self, stray: ev.Stray, *, now: float) -> bool:
        """The stray request once more, after its dialog was adopted."""
        tx: ServerTransaction = stray.transaction
        held = self._dialogs.get((stray.call_id, stray.to_tag))
        if held is None:
            return False
        tx.session = held.id
        held.receive(tx, tx.request, now)
        self._watch(held)
        return True

    def refuse(self, stray: ev.Stray, code: int, headers: Mapping[str, str] | None = None, *, now: float) -> None:
        response = answer(stray.transaction.request, code)
        _fill(response, "", headers or {})
        self.respond(stray.transaction, response, now)

    # -- for sessions -------------------------------------------------------------------------------------------------
    def queue(self, session: str, data: bytes, destination: ev.Address | None = None) -> None:
        self._datagrams.append(Datagram(session or None, data, destination or self._next_hop))

    def happened(self, event: ev.Event) -> None:
        self._events.append(event)

    def client(self, session: Session, request: Request, purpose: str, now: float) -> ClientTransaction:
        tx = ClientTransaction(session.id, request, self._next_hop, purpose=purpose)
        self._clients[key_of(request)] = tx
        self.queue(session.id, tx.start(now))
        self._watch(tx)
        return tx

    def respond(self, tx: ServerTransaction, response: Response, now: float) -> bool:
        data = tx.send(response, now)
        if data is None:
            return False
        self.queue(tx.session, data, tx.destination)
        self._watch(tx)
        return True

    def end_fork(self, session: Session, response: Response, now: float) -> None:
        """A second phone answered the same INVITE: take its dialog and end it (§13.2.2.4)."""
        dialog = Dialog.from_dict(session.dialog.to_dict())
        dialog.learn(response)
        twin = Session(self._token(), self, dialog, silent=True)
        self._sessions[twin.id] = twin
        twin.ack("", now)
        session.acks |= twin.acks
        twin.bye({}, now)

    def session_over(self, session: Session) -> None:
        self._remove(session)

    def new_via(self) -> str:
        return f"SIP/2.0/UDP {self._via};rport;branch={COOKIE}{self._token()}"

    # -- inside -------------------------------------------------------------------------------------------------------
    def _do(self, session: str, verb: str, *arguments: Any) -> bool:
        held = self._sessions.get(session)
        if held is None:
            return False
        done = bool(getattr(held, verb)(*arguments))
        self._watch(held)
        return done

    def _token(self) -> str:
        return f"{self.rng.getrandbits(64):016x}"

    def _add(self, dialog: Dialog) -> Session:
        session = Session(self._token(), self, dialog)
        self._sessions[session.id] = session
        self._dialogs[dialog.key] = session
        return session

    def _remove(self, session: Session) -> None:
        self._sessions.pop(session.id, None)
        if self._dialogs.get(session.dialog.key) is session:
            del self._dialogs[session.dialog.key]

    def _response(self, response: Response, now: float) -> None:
        tx = self._clients.get(key_of(response))
        if tx is None:
            self._stray_2xx(response, now)
            return
        repeated = tx.state == "completed" and tx.kind == "INVITE"
        news = tx.take(response, now)
        if tx.kind == "INVITE" and response.code >= 300 and (news or repeated):
            self._ack_refusal(tx, response)
        self._watch(tx)
        session = self._sessions.get(tx.session)
        if not news or session is None:
            return
        if tx.kind == "INVITE":
            session.invite_answered(tx, response, now)
        else:
            session.answered(tx, response, now)
        self._watch(session)

    def _ack_refusal(self, tx: ClientTransaction, response: Response) -> None:
        """ACK to 3xx-6xx (§17.1.1.3): the INVITE's branch, the response's To."""
        names = ("max-forwards", "from", "call-id", "route")
        headers = {"via": [tx.request.get("via")]} | {n: list(tx.request.all(n)) for n in names if tx.request.all(n)}
        headers |= {"to": [response.get("to")], "cseq": [f"{tx.request.cseq[0]} ACK"]}
        self.queue(tx.session, Request(headers, b"", "ACK", tx.request.uri).encode())

    def _stray_2xx(self, response: Response, now: float) -> None:
        """A 2xx for a process whose sessions we adopted: ACKed from the saved dialog (edge of take-over)."""
        held = self._dialogs.get((response.call_id, response.from_tag))
        if held and 200 <= response.code < 300 and response.cseq[1] == "INVITE" and held.dialog.state == "confirmed":
            held.dialog.last_invite_seq = response.cseq[0]
            held.ack("", now)

    def _ack(self, request: Request, now: float) -> None:
        tx = self._servers.get(key_of(request))
        if tx is not None and tx.state in ("completed", "confirmed"):
            tx.acknowledged(now)
            self._watch(tx)
            return
        held = self._dialogs.get((request.call_id, request.to_tag))
        if held is not None:
            held.acked(request, now)
            self._watch(held)

    def _request(self, request: Request, source: ev.Address, now: float) -> None:
        key = key_of(request)
        known = self._servers.get(key)
        if known is not None:
            if data := known.repeated():
                self.queue(known.session, data, known.destination)
            return
        tx = ServerTransaction("", request, _reply_to(request, source), to_tag=self._token())
        tx.state = "proceeding" if request.method == "INVITE" else "trying"
        self._servers[key] = tx
        if request.method == "CANCEL":
            self._cancel(tx, request, now)
        elif request.to_tag:
            self._inside(tx, request, now)
        elif request.method == "INVITE":
            self._initial(tx, request, source, key, now)
        elif request.method == "OPTIONS":
            # the Contact tells who answers: another process may have the address by now
            self._plain(tx, 200 if self.available else 503, now, {"Allow": ALLOW, "Contact": self.contact})
        else:
            self._plain(tx, 405, now, {"Allow": ALLOW})

    def _plain(self, tx: ServerTransaction, code: int, now: float, headers: Mapping[str, str] | None = None) -> None:
        response = answer(tx.request, code, to_tag=tx.to_tag)
        _fill(response, "", headers or {})
        self.respond(tx, response, now)

    def _cancel(self, tx: ServerTransaction, request: Request, now: float) -> None:
        branch, sent_by, _ = key_of(request)
        invite = self._servers.get((branch, sent_by, "INVITE"))
        self._plain(tx, 200 if invite else 481, now)
        held = self._sessions.get(invite.session) if invite else None
        if held is not None:
            held.cancel_received(request, now)
            self._watch(held)

    def _inside(self, tx: ServerTransaction, request: Request, now: float) -> None:
        held = self._dialogs.get((request.call_id, request.to_tag))
        if held is None:
            self.happened(ev.Stray(request.method, request.call_id, request.to_tag, request.uri, tx))
            return
        tx.session = held.id
        held.receive(tx, request, now)
        self._watch(held)

    def _initial(self, tx: ServerTransaction, request: Request, source: ev.Address, key: Key, now: float) -> None:
        merged = (request.call_id, request.from_tag, request.cseq[0])
        if merged in self._invites:
            self._plain(tx, 482, now)
            return
        if request.all("require"):
            response = answer(request, 420, to_tag=tx.to_tag)
            response.headers["unsupported"] = list(request.all("require"))
            if request.tokens("require") - {"replaces", "timer"}:
                self.respond(tx, response, now)
                return
        self._invites[merged] = key
        self._plain(tx, 100, now)
        session = self._add(Dialog.called(request, tx.to_tag))
        tx.session, session.incoming = session.id, tx
        self.happened(
            ev.Incoming(
                session.id,
                request.uri,
                request.get("from"),
                request.get("to"),
                request.call_id,
                request.from_tag,
                request.headers,
                request.sdp,
                source,
            )
        )

    def _transaction_due(self, tx: ClientTransaction | ServerTransaction, timer: str, now: float) -> None:
        data = tx.due(timer, now)
        if data is not None:
            self.queue(tx.session, data, tx.destination)
            return
        key = key_of(tx.request)
        if isinstance(tx, ServerTransaction):
            self._servers.pop(key, None)
            self._invites.pop((tx.request.call_id, tx.request.from_tag, tx.request.cseq[0]), None)
            return
        self._clients.pop(key, None)
        session = self._sessions.get(tx.session)
        if timer == "give_up" and session is not None:
            session.timed_out(tx, now)
            self._watch(session)

    # -- timers: a heap of (when, whose, which); what was moved or cleared since is passed over -----------------------
    def _armed(self, entry: tuple[float, int, Any, str]) -> bool:
        at, _, holder, timer = entry
        return bool(holder.timers.get(timer) == at)

    def _watch(self, holder: Session | ClientTransaction | ServerTransaction) -> None:
        for timer, at in holder.timers.items():
            mark = (id(holder), timer, at)
            if mark not in self._marks:
                self._marks.add(mark)
                self._count += 1
                heapq.heappush(self._heap, (at, self._count, holder, timer))

    def _pop(self) -> tuple[Session | ClientTransaction | ServerTransaction, str]:
        at, _, holder, timer = heapq.heappop(self._heap)
        self._marks.discard((id(holder), timer, at))
        return holder, timer


def _reply_to(request: Request, source: ev.Address) -> ev.Address:
    """Where a response goes (RFC 3581 §4): with rport, where the request came from."""
    via = request.get("via")
    if "rport" in via.lower():
        return source
    port = via.partition(";")[0].rpartition(":")[2]
    return (param(via, "received") or source[0], int(port) if port.isdigit() else source[1])


def _kept(request: Request, names: tuple[str, ...]) -> dict[str, list[str]]:
    return {name: list(request.all(name)) for name in names if request.all(name)}


def _request_of(document: Mapping[str, Any]) -> Request:
    """The INVITE of another process, as far as an answer or a CANCEL needs it."""
    headers = {name: list(values) for name, values in document["headers"].items()}
    return Request(headers, b"", "INVITE", document["uri"])
