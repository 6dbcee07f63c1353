"""Dialog state (RFC 3261 §12) as plain data, so that another process can take it over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

from lq.sip.message import Message, Request, sendable_uri, uri_of, without_tag


@dataclass(slots=True)
class Dialog:
    call_id: str
    local_tag: str
    remote_tag: str
    local: str  # From or To value without tag, as first sent or received
    remote: str
    remote_target: str  # URI of the peer's Contact
    role: Literal["uac", "uas"]
    state: Literal["early", "confirmed", "terminated"] = "early"
    local_seq: int = 0
    remote_seq: int = 0  # 0: none seen
    route_set: list[str] = field(default_factory=list)
    last_invite_seq: int = 0  # CSeq of our last INVITE: the ACK of its 2xx needs it
    local_sdp: str = ""  # what we last said, and the peer
    remote_sdp: str = ""
    peer_allow: list[str] = field(default_factory=list)
    account: str = ""  # whose credentials answer a challenge; the password stands in the configuration alone
    rseqs: dict[str, int] = field(default_factory=dict)  # to-tag -> RSeq of the last 1xx that we PRACKed (RFC 3262)
    # RFC 4028, as last agreed; 0: the session does not expire
    interval: int = 0
    refresher: Literal["us", "peer"] = "us"
    expires_at: float = 0.0
    min_se: int = 0  # the peer's, learned from a 422
    refers: dict[str, float] = field(default_factory=dict)  # id of a REFER whose sender wants to hear -> until when
    first_refer: str = ""  # its NOTIFYs carry no id (RFC 3515 §2.4.6: phones look for none)

    @property
    def key(self) -> tuple[str, str]:
        return self.call_id, self.local_tag

    def to_dict(self, epoch: float = 0.0) -> dict[str, Any]:
        """Plain data; `epoch` is what makes Unix times of our clock's."""
        document = {name: getattr(self, name) for name in _FIELDS}
        for name in _LISTS:
            document[name] = document[name].copy()
        document["expires_at"] = self.expires_at + epoch if self.interval else 0.0
        document["refers"] = {id: until + epoch for id, until in self.refers.items()}
        return document

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], epoch: float = 0.0) -> Dialog:
        """Fields that this version does not know are left out."""
        dialog = cls(**{key: value for key, value in data.items() if key in _FIELDS})
        dialog.expires_at -= epoch
        dialog.refers = {id: until - epoch for id, until in dialog.refers.items()}
        for name in _LISTS:
            setattr(dialog, name, getattr(dialog, name).copy())
        return dialog

    @classmethod
    def called(cls, invite: Request, local_tag: str) -> Dialog:
        """We are called (§12.1.1): the route set is the Record-Route in its order."""
        return cls(
            call_id=invite.call_id,
            local_tag=local_tag,
            remote_tag=invite.from_tag,
            local=without_tag(invite.get("to")),
            remote=without_tag(invite.get("from")),
            remote_target=uri_of(invite.get("contact")),
            role="uas",
            remote_seq=invite.cseq[0],
            route_set=list(invite.all("record-route")),
            remote_sdp=invite.sdp,
            peer_allow=sorted(invite.tokens("allow")),
        )

    @classmethod
    def calling(cls, invite: Request, account: str = "") -> Dialog:
        """We call (§12.1.2); the rest is learned from a response."""
        seq = invite.cseq[0]
        return cls(
            invite.call_id, invite.from_tag, "", without_tag(invite.get("from")), without_tag(invite.get("to")),
            invite.uri, "uac", local_seq=seq, last_invite_seq=seq, account=account,
        )  # fmt: skip

    def learn(self, response: Message) -> None:
        """From a 101–299 to our INVITE (§12.1.2): the route set is the Record-Route reversed."""
        self.remote_tag = response.to_tag
        self.route_set = list(reversed(response.all("record-route")))
        self.refresh_target(response)
        if "allow" in response.headers:
            self.peer_allow = sorted(response.tokens("allow"))

    def refresh_target(self, message: Message) -> None:
        """The peer's new Contact, of an INVITE or UPDATE that has succeeded (RFC 6141 §4)."""
        contact = uri_of(message.get("contact"))
        if sendable_uri(contact):
            self.remote_target = contact

    def request(self, method: str, *, via: str, contact: str = "", seq: int = 0) -> Request:
        """The next request in this dialog; with `seq` one that belongs to an earlier number (ACK, CANCEL)."""
        if not seq:
            self.local_seq += 1
            seq = self.local_seq
        to = f"{self.remote};tag={self.remote_tag}" if self.remote_tag else self.remote
        headers = {
            "via": [via],
            "max-forwards": ["70"],
            "from": [f"{self.local};tag={self.local_tag}"],
            "to": [to],
            "call-id": [self.call_id],
            "cseq": [f"{seq} {method}"],
        }
        if self.route_set:
            headers["route"] = list(self.route_set)
        if contact:
            headers["contact"] = [contact]
        if method == "INVITE":
            self.last_invite_seq = seq
        return Request(headers, b"", method, self.remote_target)


_FIELDS: Final = tuple(f.name for f in fields(Dialog))
_LISTS: Final = ("route_set", "peer_allow", "rseqs", "refers")  # what a copy must not share
