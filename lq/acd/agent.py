"""An agent's states, what moves him between them, and where an ended offer leaves him: one table, pure.

The function library of the live state is rendered from this table (lq/live/library.py), so it stands nowhere else.

How to read TABLE: `TABLE[state][operation]` is a target:
  - a state's name: he goes there. READY is a door: a pending `next` is honoured first, and an agent whose phone is not
    registered becomes phone_offline instead.
  - STAY: nothing moves, only what the operation carries is noted (a repeated sign-in, a wrap-up code during the call).
  - "then:<state>": he is busy; it becomes his `next` and is honoured when he is free. "then:" takes it back.
  - OUTCOME: OUTCOMES says where.
An operation that a state does not name is refused (409), and nothing changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Label:
    zh: str
    en: str


SIGNED_OUT: Final = "signed_out"
READY: Final = "ready"
RESERVED: Final = "reserved"
RINGING: Final = "ringing"
DIALING: Final = "dialing"
TALKING: Final = "talking"
WRAP_UP: Final = "wrap_up"
PAUSED: Final = "paused"
BUSY_OTHER: Final = "busy_other"
PHONE_OFFLINE: Final = "phone_offline"

STATES: Final[Mapping[str, Label]] = {
    SIGNED_OUT: Label("未签入", "Signed out"),
    READY: Label("空闲", "Ready"),
    RESERVED: Label("预占", "Reserved"),
    RINGING: Label("振铃", "Ringing"),
    DIALING: Label("外呼中", "Dialing"),
    TALKING: Label("通话中", "Talking"),
    WRAP_UP: Label("话后整理", "Wrap-up"),
    PAUSED: Label("示忙", "Paused"),
    BUSY_OTHER: Label("话机占用", "On another call"),
    PHONE_OFFLINE: Label("话机离线", "Phone offline"),
}

PAUSE_REASONS: Final[Mapping[str, Label]] = {
    "break": Label("小休", "Break"),
    "meal": Label("用餐", "Meal"),
    "training": Label("培训", "Training"),
    "meeting": Label("会议", "Meeting"),
    "no_answer": Label("久未应答", "Did not answer"),
}

# Who asks: the agent himself (API); the owner of his contact (commit); the library's own match and deadlines.
AGENT_OPERATIONS: Final = ("sign_in", "ready", "pause", "wrap_up", "wrap_up_done", "sign_out")
CONTACT_OPERATIONS: Final = ("ringing", "dialing", "talking", "release")
# (reserve: for a contact that waits, or a colleague asks for him; dial: he himself calls)
OWN_OPERATIONS: Final = ("reserve", "dial", "expire", "wrap_up_end", "back", "phone_up", "phone_down")

STAY: Final = "stay"
OUTCOME: Final = "outcome"

_LATER: Final = {"sign_in": STAY, "ready": "then:", "pause": "then:paused", "sign_out": "then:signed_out"}
_PHONE_IGNORED: Final = {"phone_up": STAY, "phone_down": STAY}  # looked at when he comes to the door of READY
_DIALS: Final = {"dial": DIALING}  # afterwards he is what he was: the library keeps it
_AT_ONCE: Final = {"sign_in": STAY, "ready": READY, "pause": PAUSED, "sign_out": SIGNED_OUT}

TABLE: Final[Mapping[str, Mapping[str, str]]] = {
    SIGNED_OUT: {"sign_in": READY, "sign_out": STAY, **_PHONE_IGNORED},
    READY: {
        **_AT_ONCE,
        "ready": STAY,
        "reserve": RESERVED,
        "dial": DIALING,
        "phone_up": STAY,
        "phone_down": PHONE_OFFLINE,
    },
    RESERVED: {
        **_LATER,
        **_PHONE_IGNORED,
        "ringing": RINGING,
        "dialing": DIALING,
        "talking": TALKING,
        "release": OUTCOME,
        "expire": OUTCOME,
    },
    RINGING: {
        **_LATER,
        **_PHONE_IGNORED,
        "ringing": STAY,  # a repeat renews the reservation
        "talking": TALKING,
        "release": OUTCOME,
        "expire": OUTCOME,
    },
    DIALING: {
        **_LATER,
        **_PHONE_IGNORED,
        "dialing": STAY,
        "ringing": STAY,  # his own phone, for a call that he wants
        "talking": TALKING,
        "release": OUTCOME,
        "expire": OUTCOME,
    },
    TALKING: {**_LATER, **_PHONE_IGNORED, "wrap_up": STAY, "talking": STAY, "release": OUTCOME, "expire": OUTCOME},
    WRAP_UP: {**_AT_ONCE, **_PHONE_IGNORED, "wrap_up": STAY, "wrap_up_done": READY, "wrap_up_end": READY, **_DIALS},
    PAUSED: {**_AT_ONCE, **_PHONE_IGNORED, **_DIALS},
    BUSY_OTHER: {**_AT_ONCE, **_PHONE_IGNORED, "back": READY, **_DIALS},
    PHONE_OFFLINE: {**_AT_ONCE, "back": READY, "phone_up": READY, "phone_down": STAY, **_DIALS},
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where an agent goes when an offer or a call ends."""

    state: str
    keeps_place: bool = False  # else the end of the line
    back_ms: int = 0  # comes back by itself after so long
    counts_no_answer: bool = False  # the n-th in a row pauses him (queue.max_no_answer)


OUTCOMES: Final[Mapping[str, Outcome]] = {
    "answered": Outcome(WRAP_UP),  # with wrap_up_ms 0: READY
    "no_answer": Outcome(READY, counts_no_answer=True),
    "busy": Outcome(BUSY_OTHER, back_ms=5_000),
    "refused": Outcome(BUSY_OTHER, back_ms=5_000),
    "unreachable": Outcome(PHONE_OFFLINE, back_ms=10_000),  # only if the phone is registered; else when it registers
    "caller_gone": Outcome(READY, keeps_place=True),
    "expired": Outcome(READY, keeps_place=True),  # nobody renewed the reservation: the library's own
}

BOUND: Final = (RESERVED, RINGING, DIALING, TALKING)  # the states of an agent who belongs to a contact


def target(state: str, operation: str) -> str | None:
    """What `operation` does in `state` (see TABLE); None: refused."""
    return TABLE[state].get(operation)


def mermaid() -> str:
    """The table as a state diagram (mermaid), for the documentation."""
    lines = ["stateDiagram-v2"]
    for state, row in TABLE.items():
        for operation, to in row.items():
            if to == OUTCOME:
                lines += [f"    {state} --> {o.state}: {operation} {name}" for name, o in OUTCOMES.items()]
            elif to in STATES:
                lines.append(f"    {state} --> {to}: {operation}")
    return "\n".join(dict.fromkeys(lines))
