"""SIP transactions (RFC 3261 §17, with RFC 6026): retransmission and its end. Pure: time is an argument.

Each transaction holds its timers as absolute deadlines in `timers` and answers a due one by what to do next; the user
agent owns the clock. The tables below are the whole of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from lq.sip.message import Message, Request, Response

T1: Final = 0.5  # round-trip estimate, s (RFC 3261 §17.1.1.1)
T2: Final = 4.0
T4: Final = 5.0
LIFETIME: Final = 64 * T1

Transport = Literal["udp", "tcp"]
Key = tuple[str, str, str]  # branch, sent-by, method
State = Literal["calling", "trying", "proceeding", "accepted", "completed", "confirmed", "terminated"]

# kind -> state -> class of response (1, 2, 3: 3xx and more) -> next state. A missing entry: the response is not for us.
CLIENT: Final[Mapping[str, Mapping[State, Mapping[int, State]]]] = {
    "INVITE": {
        "calling": {1: "proceeding", 2: "accepted", 3: "completed"},
        "proceeding": {1: "proceeding", 2: "accepted", 3: "completed"},
        "accepted": {2: "accepted"},  # RFC 6026: each 2xx, of any fork, is passed up
        "completed": {3: "completed"},  # a repeat: our ACK was lost, it is sent again
    },
    "other": {
        "trying": {1: "proceeding", 2: "completed", 3: "completed"},
        "proceeding": {1: "proceeding", 2: "completed", 3: "completed"},
        "completed": {},
    },
}
# What is sent moves a server transaction.
SERVER: Final[Mapping[str, Mapping[State, Mapping[int, State]]]] = {
    "INVITE": {
        "proceeding": {1: "proceeding", 2: "accepted", 3: "completed"},
        "accepted": {2: "accepted"},
        "completed": {},
        "confirmed": {},
    },
    "other": {
        "trying": {1: "proceeding", 2: "completed", 3: "completed"},
        "proceeding": {1: "proceeding", 2: "completed", 3: "completed"},
        "completed": {},
    },
}


def class_of(code: int) -> int:
    return min(code // 100, 3)


@dataclass(slots=True, eq=False)
class Transaction:
    session: str  # whose it is, "" for none
    request: Request
    destination: tuple[str, int]
    state: State = "trying"
    timers: dict[str, float] = field(default_factory=dict)
    armed: dict[str, list[Any]] = field(default_factory=dict)
    interval: float = T1
    wire: bytes = b""  # what is retransmitted …
    withheld: bool = False  # … but not now: its owner has not let the first one go yet
    key: Key = ("", "", "")
    transport: Transport = "udp"  # over TCP nothing is repeated, and nobody lingers for repetitions

    @property
    def kind(self) -> str:
        return "INVITE" if self.request.method == "INVITE" else "other"

    @property
    def over(self) -> bool:
        return self.state == "terminated"

    def end(self) -> None:
        self.state = "terminated"
        self.timers.clear()


@dataclass(slots=True, eq=False)
class ClientTransaction(Transaction):
    purpose: str = ""  # initial | reinvite | refresh | update | cancel | bye | prack | notify | control | request
    request_id: str = ""
    tried: tuple[int, ...] = ()  # 401, 407: the challenges that led to this request
    cancel_wanted: str | None = None  # reason header of a CANCEL that waits for the first 1xx (RFC 3261 §9.1)
    cancelled: bool = False
    strangers: dict[str, bytes] = field(default_factory=dict)  # to-tag of a fork that nobody wants -> its ACK

    def start(self, wire: bytes, now: float) -> bytes:
        """What to send; A or E repeat it, B or F end it (§17.1)."""
        self.state = "calling" if self.kind == "INVITE" else "trying"
        self.wire, self.interval = wire, T1
        self.timers = {"give_up": now + LIFETIME} | ({"repeat": now + T1} if self.transport == "udp" else {})
        return wire

    def take(self, response: Response, now: float) -> bool:
        """Whether the response is news for the user."""
        after = CLIENT[self.kind][self.state].get(class_of(response.code)) if not self.over else None
        if after is None:
            return False
        news = self.state != "completed"
        first_final = after != self.state
        self.state = after
        if after == "proceeding":
            self.timers.pop("repeat", None)
            if self.kind == "INVITE":
                self.timers.pop("give_up", None)  # B runs in calling only
            elif self.transport == "udp":
                self.timers["repeat"] = now + T2
        elif first_final:
            self.timers = {"linger": now + self._linger()}
        return news

    def _linger(self) -> float:
        """M of RFC 6026; D and K, for which TCP has no need."""
        if self.state == "accepted":
            return LIFETIME
        return 0.0 if self.transport == "tcp" else LIFETIME if self.kind == "INVITE" else T4

    def due(self, timer: str, now: float) -> bytes | None:
        """Bytes to repeat; None when the transaction ended by this timer."""
        if timer != "repeat":
            self.end()
            return None
        self.interval = self.interval * 2 if self.kind == "INVITE" else min(self.interval * 2, T2)
        if self.state == "proceeding":
            self.interval = T2
        self.timers["repeat"] = now + self.interval
        return self.wire


@dataclass(slots=True, eq=False)
class ServerTransaction(Transaction):
    to_tag: str = ""
    sent_by: tuple[str, int] | None = None  # where to connect when the connection of a TCP request is gone (§18.2.2)

    def send(self, response: Response, now: float) -> bytes | None:
        """What to send, None if this response has no place any more (a final one went before)."""
        after = SERVER[self.kind][self.state].get(class_of(response.code)) if not self.over else None
        if after is None:
            return None
        self.state = after
        self.wire = response.encode()
        udp = self.transport == "udp"
        if after == "completed" and self.kind == "INVITE":
            self.timers = {"give_up": now + LIFETIME} | ({"repeat": now + T1} if udp else {})  # H, G
            self.interval = T1
        elif after == "completed":
            self.timers = {"linger": now + (LIFETIME if udp else 0.0)}  # J
        elif after == "accepted":
            self.timers = {"linger": now + LIFETIME}  # L
        return self.wire

    def repeated(self) -> bytes | None:
        """The same request once more: the same answer, if there is one. 2xx are repeated by the dialog (RFC 6026)."""
        return self.wire or None if self.state in ("proceeding", "completed") else None

    def acknowledged(self, now: float) -> None:
        """ACK to our 3xx-6xx (§17.2.1): silence for I, then over."""
        if self.state == "completed":
            self.state = "confirmed"
            self.timers = {"linger": now + (T4 if self.transport == "udp" else 0.0)}

    def due(self, timer: str, now: float) -> bytes | None:
        if timer != "repeat":
            self.end()
            return None
        self.interval = min(self.interval * 2, T2)
        self.timers["repeat"] = now + self.interval
        return self.wire


def key_of(message: Message, method: str = "") -> Key:
    """What makes a transaction one: branch, sent-by and method; an ACK belongs to its INVITE (§17.1.3, §17.2.3)."""
    via = message.get("via")
    sent_by = via.partition(";")[0].rpartition(" ")[2].lower()
    method = method or message.cseq[1]
    return message.branch or via, sent_by, "INVITE" if method == "ACK" else method
