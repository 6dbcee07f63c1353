"""Keys, each once, however a phone says them: RFC 4733 events, SIP INFO, tones in its voice (P43).

Some phones and gateways say a key in two ways at once. A leg is locked to the first way heard; one that is
more reliable takes over, and what it says of the key told last is that same key. A change of media forgets the lock.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from lq.contacts import codes, conferring, inputs, menu, recording
from lq.contacts import effects as do
from lq.contacts.contact import Leg
from lq.contacts.turn import Turn

METHODS: Final = ("inband", "info", "rtp")  # the last is the most reliable
SAME_KEY_MS: Final = 1_500  # by which one way may be later than another; a tone is known before its event has ended
DEFAULT_MS: Final = 100
NEXT_KEY_MS: Final = 2_000  # so long a key that may begin an order waits for the next
TYPED: Final = "keys:"  # deadline: … of this leg
_SIGNAL: Final = re.compile(r"^\s*Signal\s*=\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_DURATION: Final = re.compile(r"^\s*Duration\s*=\s*(\d{1,5})", re.IGNORECASE | re.MULTILINE)
_KEYS: Final = "0123456789*#ABCD"


def of_info(content_type: str, body: bytes) -> tuple[str, int] | None:
    """The key and its ms in a SIP INFO: `Signal=5`, `Duration=160` (dtmf-relay), or nothing but the key (dtmf)."""
    kind = content_type.partition(";")[0].strip().lower()
    text = body[:1000].decode("ascii", "replace")
    if kind == "application/dtmf-relay":
        found, length = _SIGNAL.search(text), _DURATION.search(text)
        key = found[1] if found else ""
    elif kind == "application/dtmf":
        key, length = _SIGNAL.sub(r"\1", text).strip(), None
    else:
        return None
    if re.fullmatch(r"1[0-5]", key, re.ASCII):  # the event's number instead of its name (RFC 4733 §3.2)
        key = _KEYS[int(key)]
    key = key.upper()
    return (key, int(length[1]) if length else DEFAULT_MS) if len(key) == 1 and key in _KEYS else None


def pressed(turn: Turn, given: inputs.Digit) -> None:
    """Outside of a menu: that it was pressed is told, which one is the parties' business."""
    if not is_new(turn, given):
        return
    turn.emit("leg_key", leg=turn.contact.leg_id(given.leg), method=given.method)
    leg = turn.leg(given.leg)
    orders = _orders(turn, leg)
    if leg.typed or any(keys.startswith(given.key) for keys in orders):
        _typed(turn, leg, leg.typed + given.key, orders)
    elif leg.peer.startswith("leg:"):
        turn.do(do.PassKey(given.leg, _partner(leg), given.key, given.duration_ms, given.method))


def _partner(leg: Leg) -> int:
    return int(leg.peer.removeprefix("leg:"))


# -- orders of an agent about the recording, by keys of his phone (settings.recording_keys) ----------------------------
def _orders(turn: Turn, leg: Leg) -> Mapping[str, tuple[str, ...]]:
    """Keys -> what they order, of an agent who talks, at a phone of ours: nobody outside orders anything."""
    known = turn.book.settings.recording_keys
    his = bool(leg.agent) and turn.phone_at(leg) is not None
    if not (known and his and turn.contact.state == "talking" and leg.place in ("talk", "aside")):
        return {}
    return {keys: tuple(name for name, other in known.items() if other == keys) for keys in known.values()}


def _typed(turn: Turn, leg: Leg, typed: str, orders: Mapping[str, tuple[str, ...]]) -> None:
    """Nothing of an order reaches the other party; what cannot become one any more is passed on at once."""
    if actions := orders.get(typed):
        _hold_back(turn, leg.n, "")
        recording.by_key(turn, leg.agent, actions)
        return
    rest = typed
    while rest and not any(keys.startswith(rest) for keys in orders):
        rest = rest[1:]
    _hold_back(turn, leg.n, rest)
    _pass_on(turn, leg, typed.removesuffix(rest))


def _hold_back(turn: Turn, n: int, typed: str) -> None:
    turn.set_leg(n, typed=typed)
    turn.deadline(f"{TYPED}{n}", turn.now + NEXT_KEY_MS if typed else None)


def _pass_on(turn: Turn, leg: Leg, typed: str) -> None:
    """Tones of its voice have passed already."""
    if typed and leg.peer.startswith("leg:") and leg.keys_by != "inband":
        send(turn, _partner(leg), typed)


def send(turn: Turn, n: int, typed: str) -> None:
    """Its phone hears these keys, one after another; who takes over goes on with the one that was on its way."""
    waiting = turn.leg(n).sending
    turn.set_leg(n, sending=waiting + typed)
    if not waiting:
        turn.do(do.SendKey(n, typed[0]))


def sent(turn: Turn, given: inputs.KeySent) -> None:
    leg = turn.leg(given.leg)
    if leg.alive and leg.sending:
        turn.set_leg(leg.n, sending=leg.sending[1:])
        again(turn, turn.leg(leg.n))


def again(turn: Turn, leg: Leg) -> None:
    if leg.sending:
        turn.do(do.SendKey(leg.n, leg.sending[0]))


def due(turn: Turn, given: inputs.Due) -> bool:
    """Whether this deadline was ours: no other key has come, so it was no order."""
    n = given.name.removeprefix(TYPED)
    if n == given.name:
        return False
    leg = turn.contact.legs.get(int(n))
    if leg is not None and leg.alive:
        _hold_back(turn, leg.n, "")
        _pass_on(turn, leg, leg.typed)
    return True


def in_menu(turn: Turn, given: inputs.Digit) -> None:
    if is_new(turn, given):
        menu.key(turn, given)


def in_code(turn: Turn, given: inputs.Digit) -> None:
    if given.leg == 1 and is_new(turn, given):
        codes.pressed(turn, given.key)


def in_conference(turn: Turn, given: inputs.Digit) -> None:
    if conferring.hears_keys(turn):
        if is_new(turn, given):
            conferring.key(turn, given.key)
    else:
        pressed(turn, given)


def is_new(turn: Turn, given: inputs.Digit) -> bool:
    """Whether this is a key and not another way of saying one that we know."""
    leg = turn.leg(given.leg)
    rank, locked = METHODS.index(given.method), METHODS.index(leg.keys_by) if leg.keys_by else -1
    if rank < locked:
        return False
    again = -1 < locked < rank and leg.key == given.key and turn.now - leg.key_at < SAME_KEY_MS
    turn.set_leg(leg.n, keys_by=given.method, key=given.key, key_at=turn.now)
    return not again
