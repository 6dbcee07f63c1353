"""Transactions, dialogs and sessions of a user agent, and how a message finds its own. agent.py is what owners see."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from lq.sip import arrival, recall, transfer, uac, uas
from lq.sip import events as ev
from lq.sip.clock import Clock
from lq.sip.dialog import Dialog
from lq.sip.digest import Credentials
from lq.sip.message import ParseError, Request, Response, answer, number, parse
from lq.sip.session import ALLOW, Session, fill
from lq.sip.transaction import ClientTransaction, Key, ServerTransaction, Transaction, Transport, key_of
from lq.sip.unreadable import answerable

COOKIE: Final = "z9hG4bK"  # RFC 3261 §8.1.1.7
MAX_UDP: Final = 1300  # bytes of a request; larger ones go by TCP (§18.1.1)
MAX_TRANSACTIONS: Final = 50_000  # of the peer's; beyond it new ones are refused without a memory of them (R12)
MAX_FORKS: Final = 16
TELLING: Final = frozenset({"BYE", "REFER", "INFO", "NOTIFY", "MESSAGE"})  # answered at once, by the user agent itself
MANY: Final = 8  # transactions of a session before those that are over are forgotten


@dataclass(frozen=True, slots=True)
class Datagram:
    """To be sent. `fallback`: whom to connect to when the TCP connection to `destination` is gone. `of`: what repeats
    it, unless it `waits`: then it has not left yet, and may never."""

    session: str | None
    data: bytes
    destination: ev.Address
    transport: Transport = "udp"
    fallback: ev.Address | None = None
    of: Transaction | None = field(default=None, compare=False, repr=False)

    def waits(self, yes: bool) -> None:
        if self.of is not None:
            self.of.withheld = yes


class Core:
    """`via` is our host:port (UDP and TCP), `contact` the Contact of every leg, `next_hop` the edge.

    `accounts` gives the credentials of an account that a session was made with; it is asked when a server challenges.
    `epoch` is the Unix time at which our clock shows 0: deadlines in exported sessions are Unix times.
    """

    def __init__(
        self,
        *,
        via: str,
        contact: str,
        next_hop: ev.Address,
        rng: random.Random,
        transport: Transport = "udp",
        accounts: Callable[[str], Credentials | None] = lambda account: None,
    ) -> None:
        self.contact, self.rng, self.accounts = contact, rng, accounts
        self.keeps_answers = (
            False  # what answers CANCEL and TELLING requests waits for answers(); else it leaves at once
        )
        self.recalls = False  # what waits for an answer in sessions that it adopts; our peer must follow a 302
        self.available = True  # whether OPTIONS outside a dialog is answered 200 or 503
        self.epoch = 0.0
        self.tag: Callable[[], str] = self.token  # our tag of a dialog that somebody begins with us
        self.clock = Clock()
        self._via, self._next_hop, self._transport = via, next_hop, transport
        self._sessions: dict[str, Session] = {}
        self._dialogs: dict[tuple[str, str], Session] = {}
        self._clients: dict[Key, ClientTransaction] = {}
        self._servers: dict[Key, ServerTransaction] = {}
        self._invites: dict[tuple[str, str, int], Key] = {}  # Call-ID, From tag, CSeq of initial INVITEs (§8.2.2.2)
        self._recalled: dict[tuple[str, str, int], Session] = {}  # … that shall come to us
        self._datagrams: list[Datagram] = []
        self._answers: dict[str, list[Datagram]] = {}  # session -> what waits for its owner
        self._events: list[ev.Event] = []

    @property
    def idle(self) -> bool:
        """Nothing is held and nothing awaited."""
        return not (
            self._sessions or self._dialogs or self._clients or self._servers or self._invites or len(self.clock)
        )

    # -- in and out ---------------------------------------------------------------------------------------------------
    def receive(self, data: bytes, source: ev.Address, now: float, transport: Transport = "udp") -> str | None:
        """One message; whose it was. Never raises on hostile input: what has no answer is dropped."""
        if not data.strip(b"\r\n\0"):
            return None  # keep-alive
        try:
            message = parse(data)
        except ParseError:
            self._unreadable(data, source, transport, now)
            return None
        if isinstance(message, Response):
            return self._response(message, now) or None
        if message.method == "ACK":
            return self._ack(message, now) or None
        return self._request(message, source, transport, now) or None

    def datagrams(self) -> list[Datagram]:
        """What is to be sent, in order."""
        out, self._datagrams = self._datagrams, []
        return out

    def answers(self, session: str) -> list[Datagram]:
        """What is to be sent once the events of this session are written down: a peer who has no answer asks again,
        and whoever carries the session on hears it."""
        return self._answers.pop(session, [])

    def events(self) -> list[ev.Event]:
        out, self._events = self._events, []
        return out

    def deadline(self) -> float | None:
        """When timeout() wants to be called next."""
        return self.clock.deadline()

    def timeout(self, now: float) -> None:
        """Run what is due."""
        while (due := self.clock.due(now)) is not None:
            holder, timer = due
            if isinstance(holder, Session):
                holder.due(timer, now)
            else:
                self._transaction_due(holder, timer, now)
            self.clock.watch(holder)

    def broken(self, peer: ev.Address, now: float) -> None:
        """No TCP connection to `peer` (any more): what he has not answered yet goes by UDP (§18.1.1)."""
        for tx in list(self._clients.values()):
            unheard = tx.state in ("calling", "trying") and not tx.withheld
            if tx.transport == "tcp" and tx.destination == peer and unheard:
                via = tx.request.get("via").replace("/TCP ", "/UDP ", 1).replace(";alias", "", 1)
                tx.request.put("via", via)
                tx.transport = "udp"
                self.queue(tx.session, tx.start(tx.request.encode(), now), tx.destination, of=tx)
                self.clock.watch(tx)

    # -- for sessions -------------------------------------------------------------------------------------------------
    def queue(
        self,
        session: str,
        data: bytes,
        destination: ev.Address | None = None,
        transport: Transport = "udp",
        fallback: ev.Address | None = None,
        of: Transaction | None = None,
    ) -> None:
        self._datagrams.append(Datagram(session or None, data, destination or self._next_hop, transport, fallback, of))

    def happened(self, event: ev.Event) -> None:
        self._events.append(event)

    def token(self) -> str:
        return f"{self.rng.getrandbits(64):016x}"

    def new_via(self) -> str:
        by = "TCP" if self._transport == "tcp" else "UDP"
        return f"SIP/2.0/{by} {self._via};rport;branch={COOKIE}{self.token()}" + (";alias" if by == "TCP" else "")

    def wire(self, request: Request) -> tuple[bytes, Transport]:
        """A request as bytes and by what it goes; one that is too large for a datagram says TCP in its Via."""
        data = request.encode()
        if self._transport == "udp" and len(data) > MAX_UDP:
            request.put("via", request.get("via").replace("/UDP ", "/TCP ", 1) + ";alias")
            return request.encode(), "tcp"
        return data, self._transport

    def client(
        self, session: Session, request: Request, purpose: str, now: float, beside: ClientTransaction | None = None
    ) -> ClientTransaction:
        """Send a request; a CANCEL goes the way of the INVITE that it stands `beside`."""
        if beside is None:
            session.sign(request)
            data, transport = self.wire(request)
        else:
            data, transport = request.encode(), beside.transport
        tx = ClientTransaction(session.id, request, self._next_hop, purpose=purpose, transport=transport)
        tx.key = key_of(request)
        self._clients[tx.key] = tx
        if len(session.asked) >= MANY:
            session.asked = [one for one in session.asked if not one.over]
        session.asked.append(tx)
        self.queue(session.id, tx.start(data, now), transport=transport, of=tx)
        self.clock.watch(tx)
        return tx

    def respond(self, tx: ServerTransaction, response: Response, now: float) -> bool:
        if tx.send(response, now) is None:
            return False
        tx.withheld = False  # what was is not the last word
        self.resend(tx)
        self.clock.watch(tx)
        return True

    def resend(self, tx: ServerTransaction) -> None:
        self.queue(tx.session, tx.wire, tx.destination, tx.transport, tx.sent_by, tx)

    def gone(self, tx: ServerTransaction) -> None:
        self._servers.pop(tx.key, None)
        merged = recall.key(tx.request)
        if self._invites.get(merged) == tx.key:
            del self._invites[merged]

    def end_fork(self, tx: ClientTransaction, response: Response, now: float) -> None:
        """Another phone answered the same INVITE: take its dialog and end it (§13.2.2.4)."""
        known = tx.strangers.get(response.to_tag)
        if known is not None:
            self.queue(tx.session, known, transport=tx.transport)
        elif len(tx.strangers) < MAX_FORKS:
            dialog = Dialog.calling(tx.request)
            dialog.learn(response)
            dialog.state = "confirmed"
            twin = Session(self.token(), self, dialog, silent=True)
            self._sessions[twin.id] = twin
            twin.ack("", now)
            ((tx.strangers[response.to_tag], _),) = twin.acks.values()
            twin.send_bye({}, now)

    def session_over(self, session: Session) -> None:
        self._remove(session)
        self.clock.watch(session)

    def ringing_again(self, session: Session, invite: Request, transport: Transport) -> None:
        """Another process's INVITE, to be cancelled."""
        tx = ClientTransaction(session.id, invite, self._next_hop, "proceeding", purpose="initial", transport=transport)
        tx.key = key_of(invite)
        self._clients[tx.key] = session.outgoing = tx
        session.asked.append(tx)

    def asked_again(self, session: Session, tx: ServerTransaction) -> ServerTransaction:
        """An INVITE that another process received."""
        tx.key = key_of(tx.request)
        self._servers[tx.key] = tx
        return tx

    def recall(self, session: Session, now: float) -> None:
        """Its INVITE shall come to us."""
        recall.ask(session, now)
        if session.recalled is not None:
            self._recalled[recall.key(session.recalled.request)] = session

    def _not_recalled(self, session: Session) -> None:
        """It has come, or nobody wants it any more: our 302 is not repeated."""
        if session.recalled is not None:
            self._recalled.pop(recall.key(session.recalled.request), None)
            session.recalled.end()
            self.clock.watch(session.recalled)
            self.gone(session.recalled)

    def replaced(self, wanted: ev.Replaces) -> tuple[int, ev.Replaces]:
        """Why the dialog may not be replaced (0: it may, or is not here), and whose it is."""
        held = self._dialogs.get((wanted.call_id, wanted.to_tag))
        return (transfer.refusal(wanted, held), replace(wanted, session=held.id)) if held else (0, wanted)

    # -- inside -------------------------------------------------------------------------------------------------------
    def _add(self, dialog: Dialog) -> Session:
        session = Session(self.token(), self, dialog)
        self._sessions[session.id] = session
        self._dialogs[dialog.key] = session
        return session

    def _remove(self, session: Session) -> None:
        self._sessions.pop(session.id, None)
        self._not_recalled(session)
        if self._dialogs.get(session.dialog.key) is session:
            del self._dialogs[session.dialog.key]

    def _response(self, response: Response, now: float) -> str:
        tx = self._clients.get(key_of(response))
        if tx is None:
            return self._stray_2xx(response, now)
        repeated = tx.state == "completed" and tx.kind == "INVITE"
        news = tx.take(response, now)
        if tx.kind == "INVITE" and response.code >= 300 and (news or repeated):
            self._ack_refusal(tx, response)
        self.clock.watch(tx)
        session = self._sessions.get(tx.session)
        if not news:
            return tx.session
        if session is None:
            if tx.purpose == "initial" and 200 <= response.code < 300:
                self.end_fork(tx, response, now)  # a phone that answers after the call is over
        else:
            (uac.invite_answered if tx.kind == "INVITE" else uac.answered)(session, tx, response, now)
            self.clock.watch(session)
        return tx.session

    def _ack_refusal(self, tx: ClientTransaction, response: Response) -> None:
        """ACK to 3xx-6xx (§17.1.1.3): the INVITE's branch, the response's To."""
        names = ("max-forwards", "from", "call-id", "route")
        headers = {"via": [tx.request.get("via")]} | {n: list(tx.request.all(n)) for n in names if tx.request.all(n)}
        headers |= {"to": [response.get("to")], "cseq": [f"{tx.request.cseq[0]} ACK"]}
        self.queue(tx.session, Request(headers, b"", "ACK", tx.request.uri).encode(), transport=tx.transport)

    def _stray_2xx(self, response: Response, now: float) -> str:
        """A 2xx for a process whose sessions we adopted: ACKed from the saved dialog (edge of take-over).

        The end of an INVITE of whom we succeed at this address is told: another has its dialog.
        """
        held = self._dialogs.get((response.call_id, response.from_tag))
        if held is None and response.code >= 200 and response.cseq[1] == "INVITE":
            self.happened(ev.Stray("", response.call_id, response.from_tag, "", None, response.encode()))
        if held and 200 <= response.code < 300 and response.cseq[1] == "INVITE" and held.dialog.state == "confirmed":
            held.dialog.last_invite_seq = response.cseq[0]
            held.ack("", now)
        return held.id if held else ""

    def _ack(self, request: Request, now: float) -> str:
        tx = self._servers.get(key_of(request))
        if tx is not None and tx.state in ("completed", "confirmed"):
            tx.acknowledged(now)
            self.clock.watch(tx)
            return tx.session
        held = self._dialogs.get((request.call_id, request.to_tag))
        if held is None:
            self._stray_ack(request)
            return ""
        uas.acked(held, request, now)
        self.clock.watch(held)
        return held.id

    def _stray_ack(self, request: Request) -> None:
        hops = number(request.get("max-forwards"))
        if request.to_tag and hops:
            request.put("max-forwards", str(hops - 1))
            self.happened(ev.Stray("ACK", request.call_id, request.to_tag, request.uri, None, request.encode()))

    def _served(self, request: Request, source: ev.Address, transport: Transport) -> ServerTransaction | str:
        """Its transaction; if it came before, or there are too many, whose it is."""
        key = key_of(request)
        known = self._servers.get(key)
        if known is not None:
            if known.repeated():
                self.resend(known)
            return known.session
        tx = ServerTransaction("", request, source, to_tag=self.token(), transport=transport, key=key)
        tx.state = "proceeding" if request.method == "INVITE" else "trying"
        arrival.answer_to(tx, source)
        if len(self._servers) >= MAX_TRANSACTIONS and not request.to_tag:
            response = answer(request, 503, to_tag=tx.to_tag)
            self.queue("", response.encode(), tx.destination, transport, tx.sent_by)
            return ""
        self._servers[key] = tx
        return tx

    def _unreadable(self, data: bytes, source: ev.Address, transport: Transport, now: float) -> None:
        if len(self._servers) < MAX_TRANSACTIONS and (found := answerable(data)) is not None:
            tx = self._served(found[0], source, transport)
            if isinstance(tx, ServerTransaction):
                self._plain(tx, found[1], now)

    def _request(self, request: Request, source: ev.Address, transport: Transport, now: float) -> str:
        tx = self._served(request, source, transport)
        if isinstance(tx, str):
            return tx
        if request.method == "CANCEL":
            self._cancel(tx, request, now)
        elif request.to_tag:
            self._inside(tx, request, now)
        elif request.method == "INVITE":
            self._initial(tx, request, source, tx.key, now)
        elif request.method == "OPTIONS":
            # the Contact tells who answers: another process may have the address by now
            self._plain(tx, 200 if self.available else 503, now, {"Allow": ALLOW, "Contact": self.contact})
        else:
            self._plain(tx, 405, now, {"Allow": ALLOW})
        return tx.session

    def _plain(self, tx: ServerTransaction, code: int, now: float, headers: Mapping[str, str] | None = None) -> None:
        response = answer(tx.request, code, to_tag=tx.to_tag)
        fill(response, "", headers or {})
        self.respond(tx, response, now)

    def _cancel(self, tx: ServerTransaction, request: Request, now: float) -> None:
        branch, sent_by, _ = key_of(request)
        invite = self._servers.get((branch, sent_by, "INVITE"))
        tx.session = invite.session if invite else ""
        sent, told = len(self._datagrams), len(self._events)
        self._plain(tx, 200 if invite else 481, now)
        held = self._sessions.get(tx.session)
        if invite is not None and held is not None:
            uas.cancel_received(held, invite, request, now)
            self.clock.watch(held)
            self._keep(held, sent, told)

    def _inside(self, tx: ServerTransaction, request: Request, now: float) -> None:
        held = self._dialogs.get((request.call_id, request.to_tag))
        if held is None:
            self.happened(ev.Stray(request.method, request.call_id, request.to_tag, request.uri, tx))
            return
        self.asked(held, tx, now)

    def asked(self, held: Session, tx: ServerTransaction, now: float) -> None:
        """The peer's request is this session's."""
        tx.session = held.id
        sent, told = len(self._datagrams), len(self._events)
        uas.receive(held, tx, tx.request, now)
        self.clock.watch(held)
        if tx.request.method in TELLING:
            self._keep(held, sent, told)

    def _keep(self, held: Session, sent: int, told: int) -> None:
        """What answers that of which the owner was told waits for him; the lengths of both lists before."""
        if self.keeps_answers and len(self._events) > told:
            waiting = self._datagrams[sent:]
            for datagram in waiting:
                datagram.waits(True)
            self._answers.setdefault(held.id, []).extend(waiting)
            del self._datagrams[sent:]

    def _initial(self, tx: ServerTransaction, request: Request, source: ev.Address, key: Key, now: float) -> None:
        merged = recall.key(request)
        if (recalled := self._recalled.get(merged)) is not None:
            self._not_recalled(recalled)
            self._invites[merged] = key
            tx.session, tx.to_tag = recalled.id, recalled.dialog.local_tag
            self._plain(tx, 100, now)
            recall.came(recalled, tx, now)
            self.clock.watch(recalled)
            return
        replaces = [transfer.read_replaces(value) for value in request.all("replaces")]
        code, extra = arrival.refusal(request, replaces, merged in self._invites)
        if not code and replaces and replaces[0] is not None:
            code, replaces[0] = self.replaced(replaces[0])
        if code:
            self._plain(tx, code, now, extra)
            return
        self._invites[merged] = key
        tx.to_tag = self.tag()
        session = self._add(Dialog.called(request, tx.to_tag))
        tx.session, session.incoming = session.id, tx
        self._plain(tx, 100, now)
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
                tx.to_tag,
                replaces[0] if replaces else None,
            )
        )

    def _transaction_due(self, tx: ClientTransaction | ServerTransaction, timer: str, now: float) -> None:
        data = tx.due(timer, now)
        if isinstance(tx, ServerTransaction):
            if data is None:
                self.gone(tx)
            elif not tx.withheld:
                self.resend(tx)
            return
        if data is not None:
            if not tx.withheld:
                self.queue(tx.session, data, tx.destination, tx.transport, of=tx)
            return
        self._clients.pop(tx.key, None)
        session = self._sessions.get(tx.session)
        if timer == "give_up" and session is not None:
            uac.timed_out(session, tx, now)
            self.clock.watch(session)
