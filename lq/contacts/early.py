"""Early media: what a network lets be heard before the answer. It may describe it anew while it rings: the ring-back
server of an IMS speaks in place of the exchange that came first, or behind a fork. Pure.
"""

from __future__ import annotations

from dataclasses import replace

from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.contact import Dial
from lq.contacts.turn import Turn


def said(turn: Turn, n: int, dial: Dial, sdp: str) -> Dial:
    """A description that is not the last one; it waits while an earlier one is being set up."""
    if not turn.leg(n).pending_sdp:
        _take(turn, n, sdp)
    return replace(dial, early=True, heard=sdp)


def stands(turn: Turn, given: inputs.MediaReady, dial: Dial) -> None:
    """Joined once more, should it speak another codec than before."""
    taken = turn.leg(given.leg).pending_sdp
    turn.set_leg(given.leg, media=given.media, codec=given.codec, pending_sdp="", peer="")
    _next(turn, given.leg, taken, dial)


def failed(turn: Turn, n: int, dial: Dial) -> None:
    """The call goes on without, or with what was heard before."""
    taken = turn.leg(n).pending_sdp
    turn.set_leg(n, pending_sdp="")
    _next(turn, n, taken, dial)


def _next(turn: Turn, n: int, taken: str, dial: Dial) -> None:
    if dial.heard not in ("", taken):
        _take(turn, n, dial.heard)


def _take(turn: Turn, n: int, sdp: str) -> None:
    turn.set_leg(n, pending_sdp=sdp)
    turn.do(do.TakeAnswer(n, sdp))
