"""What is known of one contact: its SIP messages from the trace files of all nodes, its events. Values and pure rules.

A trace file is JSON lines (docs/contracts.md §4). Text of a message is hostile: it is only ever shown printable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from textwrap import shorten
from typing import Any, Final, Protocol

from lq.sdk.masking import HIDDEN
from lq.sdk.masking import masked as masked_number

ACD: Final = "acd"
_DIGITS: Final = re.compile(r"\+?\d{7,20}")
_PARTIES: Final = ("from", "to", "p-asserted-identity", "remote-party-id", "contact", "diversion")
_USER: Final = re.compile(r"(?:sips?|tel):(\+?\d{7,20})(?=[@;>])", re.IGNORECASE)
_STATIC: Final = {"0": "PCMU", "8": "PCMA", "9": "G722", "18": "G729"}  # RFC 3551 §6


class Told(Protocol):
    """An event, as LQ-SDK gives it."""

    @property
    def type(self) -> str: ...
    @property
    def at(self) -> int: ...
    @property
    def subject(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Message:
    at: int  # ms of the epoch
    node: str
    direction: str  # in | out
    local: str
    peer: str
    leg: str  # leg id, or ACD
    call: str
    data: str

    @cached_property
    def head(self) -> str:
        return self.data.partition("\r\n\r\n")[0]

    @cached_property
    def body(self) -> str:
        return self.data.partition("\r\n\r\n")[2]

    def header(self, name: str) -> str:
        """Value of the first header of this name, "" if there is none."""
        found = re.search(rf"^{name}[ \t]*:[ \t]*(.*?)\r?$", self.head, re.IGNORECASE | re.MULTILINE)
        return found[1] if found else ""

    @property
    def code(self) -> int:
        """Status of a response, 0 of a request."""
        found = re.match(r"SIP/2\.0 (\d{3})\b", self.data)
        return int(found[1]) if found else 0

    @property
    def label(self) -> str:
        """`INVITE PCMA`, `180 Ringing`, `200 (BYE)`."""
        first = self.data.partition("\r\n")[0]
        method = self.header("CSeq").rpartition(" ")[2]
        if self.code:
            phrase = shorten(first[8:], 18, placeholder="").rstrip(" -")
            name = phrase if method == "INVITE" else f"{self.code} ({method})"
        else:
            name = first.partition(" ")[0]
        return ascii_only(" ".join(part for part in (name, media(self.body)) if part))

    @property
    def identity(self) -> tuple[str, ...]:
        """Alike of a message and its repetition on the wire."""
        via = self.header("Via") or self.header("v")
        return (self.direction, self.call, self.data.partition("\r\n")[0], self.header("CSeq"), via)


@dataclass(frozen=True)
class Story:
    contact: str
    messages: tuple[Message, ...] = ()
    events: tuple[Told, ...] = ()
    missing: tuple[str, ...] = field(default=())  # what could not be asked, in words for a person

    def first(self, type: str) -> Mapping[str, Any]:
        return next((event.data for event in self.events if event.type == type), {})


def printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def ascii_only(text: str) -> str:
    """One column a letter."""
    return "".join(letter if letter.isprintable() and letter.isascii() else "?" for letter in text)


def media(sdp: str) -> str:
    """The codecs of a description and, if it is not the usual, its direction; "" when it is none."""
    found = re.search(r"^m=audio (\d+) \S+ ([\d ]+)", sdp, re.MULTILINE)
    if found is None:
        return ""
    names = dict(re.findall(r"^a=rtpmap:(\d+) ([\w.-]+)/", sdp, re.MULTILINE))
    codecs = [names.get(number, _STATIC.get(number, number)) for number in found[2].split()]
    audible = [name for name in codecs if name.lower() not in ("telephone-event", "cn")]
    shown = "/".join(audible[:3]) + ("+" if len(audible) > 3 else "")
    direction = re.search(r"^a=(sendonly|recvonly|inactive)\b", sdp, re.MULTILINE)
    return f"{shown} {direction[1]}" if direction else shown


# -- from the files ----------------------------------------------------------------------------------------------------


def messages(documents: Iterable[Mapping[str, Any]], contact: str) -> tuple[Message, ...]:
    """Those of a contact: that name it, and those of the same Call-IDs that name nobody."""
    kept = list(documents)
    legs = {one["call"]: one["leg"] for one in kept if one["contact"] == contact}
    ours = [one for one in kept if one["contact"] == contact or (not one["contact"] and one["call"] in legs)]
    found = [
        Message(
            **{name: one[name] for name in ("at", "node", "direction", "local", "peer", "call", "data")},
            leg=one["leg"] or legs[one["call"]],
        )
        for one in ours
    ]
    return tuple(sorted(found, key=lambda message: message.at))


# -- personal data -----------------------------------------------------------------------------------------------------


def masked(story: Story) -> Story:
    """The same without the other party's numbers and without what was keyed."""
    numbers = _numbers(story)
    shown = {number: masked_number(number) for number in numbers}
    for bare in numbers & {number.removeprefix("+") for number in numbers if number.startswith("+")}:
        shown[bare] = shown[f"+{bare}"].removeprefix("+")  # the same number, as messages have it
    longest_first = sorted(numbers, key=len, reverse=True)

    def hide(text: str) -> str:
        for number in longest_first:
            text = text.replace(number, shown[number])
        return text

    return replace(
        story,
        messages=tuple(replace(message, data=hide(message.data)) for message in story.messages),
        events=tuple(_Masked(event, _hidden(event.data, hide)) for event in story.events),
    )


@dataclass(frozen=True)
class _Masked:
    event: Told
    data: Mapping[str, Any]

    @property
    def type(self) -> str:
        return self.event.type

    @property
    def at(self) -> int:
        return self.event.at

    @property
    def subject(self) -> str:
        return self.event.subject

    @property
    def seq(self) -> int:
        return self.event.seq


def _hidden(data: Mapping[str, Any], hide: Any) -> dict[str, Any]:
    ids = ("contact", "leg", "sha256", "path")
    return {
        key: HIDDEN if key.startswith("pii_") else hide(value) if isinstance(value, str) and key not in ids else value
        for key, value in data.items()
    }


def _numbers(story: Story) -> set[str]:
    """All telephone numbers of the parties but the center's own (what was called from outside)."""
    found: set[str] = set()
    for message in story.messages:
        request, _, _ = message.data.partition("\r\n")
        fields = [request, *(message.header(name) for name in _PARTIES)]
        found |= {number for value in fields for number in _USER.findall(value)}
    for event in story.events:
        if event.type in ("contact_started", "leg_started", "contact_forwarded"):
            texts = [value for value in event.data.values() if isinstance(value, str)]
            found |= {text for text in texts if _DIGITS.fullmatch(text)}
    found |= {number.lstrip("+") for number in found}
    return found - _own(story)


def _own(story: Story) -> set[str]:
    started = story.first("contact_started")
    if started.get("direction") != "in":
        return set()
    called = {str(started.get(name, "")) for name in ("called", "called_raw", "called_published")}
    return called | {number.lstrip("+") for number in called}


def as_json(story: Story) -> dict[str, Any]:
    return {
        "contact": story.contact,
        "messages": [
            {
                **{"at": one.at, "node": one.node, "direction": one.direction, "local": one.local, "peer": one.peer},
                **{"leg": one.leg, "call": one.call, "data": one.data},
            }
            for one in story.messages
        ],
        "events": [
            {"at": one.at, "type": one.type, "subject": one.subject, "seq": one.seq, "data": dict(one.data)}
            for one in story.events
        ],
        "missing": list(story.missing),
    }
