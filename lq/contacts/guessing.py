"""PINs that are entered at a phone: an agent's, a conference's. After too many wrong ones none counts. Pure.

Wrong ones are counted in the live state, over all calls; so nobody finds a few digits by calling again and again. While
too many are remembered the right one is refused too, or whoever tries on would know it when he meets it. What was
entered is told right from wrong at once: no snapshot holds it while the live state is asked.
"""

from __future__ import annotations

from typing import Final

from lq.contacts import effects as do
from lq.contacts.turn import Turn

WRONG_AT_MOST: Final = 10  # remembered for a quarter of an hour (GUESSED_MS of lcall.lua)
WAIT_MS: Final = 5_000  # for the live state; it is away then, and so is what the PIN opens


def count(turn: Turn, leg: int, whose: str, nth: int, *, wrong: bool) -> None:
    """Ask whether what was entered counts (Guessed). `nth` of this contact: said again by an adopter it is the same."""
    turn.do(do.CountGuess(leg, whose, wrong, nth, WRONG_AT_MOST))
