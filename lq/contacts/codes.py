"""Feature codes: what an agent asks for at his phone by dialling *11, *13 …; he is told aloud what became of it.

The phone has proven itself by digest. What an agent asks for himself is asked for whoever is signed in at it; signing
in asks for the operator number and his PIN, unless the phone belongs to one agent (`Phone.agent`). Signing in elsewhere
moves him; where another agent is signed in nobody else can be.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from lq.config.pins import fits
from lq.contacts import effects as do
from lq.contacts import guessing, inbound, inputs
from lq.contacts.contact import Code
from lq.contacts.turn import Turn
from lq.trunks.causes import NORMAL

FIRST_KEY_MS: Final = 10_000
NEXT_KEY_MS: Final = 5_000  # after it what was entered counts, as with #
TRIES: Final = 3
MOST_KEYS: Final = 20
PAUSE_REASON: Final = "break"
PICK_UP: Final = "pick_up"
SAID: Final = {  # of what was done
    "sign_in": "code_signed_in",
    "sign_out": "code_signed_out",
    "ready": "code_ready",
    "pause": "code_paused",
    "wrap_up_done": "code_wrap_up_done",
}
REFUSED: Final = {"taken": "code_phone_taken", "nobody": "code_nobody"}  # any other why: not possible now


def whose(target: str) -> str | None:
    """Of `code:pick_up` and `code:pick_up:1001` who is named ("": nobody); None for anything else."""
    feature, _, named = target.removeprefix("code:").partition(":")
    return named if target.startswith("code:") and feature == PICK_UP else None


def begin(turn: Turn, asked: str) -> None:
    """`asked`: the feature, and after a colon whom it is about."""
    feature = asked.partition(":")[0]
    turn.set(state="code", code=Code(feature))
    if feature == PICK_UP:  # else his call were a leg of what he gets (picking.py)
        _end(turn, "nothing", "code_nothing_rings")
    elif feature != "sign_in":
        _ask(turn)
    else:
        phone = turn.book.phones.get(_phone(turn))
        if phone is not None and phone.agent:
            _set(turn, agent=phone.agent)
            _ask(turn)
        else:
            _enter(turn, "agent", "enter_agent")


def pressed(turn: Turn, key: str) -> None:
    """# ends what is entered, * begins it anew."""
    code = _code(turn)
    if code.step not in ("agent", "pin"):
        return
    if key == "#":
        _entered(turn)
    elif key == "*":
        _set(turn, keys="")
        turn.deadline("key", turn.now + FIRST_KEY_MS)
    elif key.isdecimal():
        _set(turn, keys=(code.keys + key)[-MOST_KEYS:])
        turn.deadline("key", turn.now + NEXT_KEY_MS)


def due(turn: Turn, given: inputs.Due) -> None:
    if given.name != "key":
        return
    if _code(turn).step == "checking":
        guessed(turn, inputs.Guessed(1, True))
    elif _code(turn).keys:
        _entered(turn)
    else:
        _end(turn, "no_key", "goodbye")


def played(turn: Turn, given: inputs.Played) -> None:
    play = turn.contact.customer.play
    if given.leg != 1 or play is None or play.id != given.play:
        return
    turn.set_leg(1, play=None)
    if _code(turn).step in ("agent", "pin") and not _code(turn).keys:
        turn.deadline("key", turn.now + FIRST_KEY_MS)


def done(turn: Turn, given: inputs.AgentAsked) -> None:
    """The live state has done it, or says why not."""
    code = _code(turn)
    if code.step != "asked":
        return
    _set(turn, agent=given.agent or code.agent)
    if given.why == "away":
        _end(turn, "not_known", "technical_error")
    elif given.why:
        _end(turn, given.why, REFUSED.get(given.why, "code_not_possible"))
    else:
        _end(turn, "done", SAID[code.feature])


def again(turn: Turn) -> None:
    """Another node goes on: what was asked is asked once more, which changes nothing if it was done."""
    if _code(turn).step == "checking":
        _check(turn)
    elif _code(turn).step == "asked":
        _ask(turn)


def _enter(turn: Turn, step: str, prompt: str) -> None:
    _set(turn, step=step, keys="")
    turn.deadline("key", None)
    turn.play(1, (turn.prompt(prompt),))


def _entered(turn: Turn) -> None:
    code = _code(turn)
    if code.step == "agent":
        _set(turn, agent=code.keys)
        _enter(turn, "pin", "enter_password")
        return
    agent = turn.book.agents.get(code.agent)
    right = agent is not None and agent.enabled and fits(agent.id, code.keys, agent.pin_hash)
    _set(turn, step="checking", keys="", right=right)
    _check(turn)


def _check(turn: Turn) -> None:
    code = _code(turn)
    turn.deadline("key", turn.now + guessing.WAIT_MS)
    guessing.count(turn, 1, f"agent:{code.agent}", code.tries, wrong=not code.right)


def guessed(turn: Turn, given: inputs.Guessed) -> None:
    """Whether the PIN counts: one that is wrong, or of an unknown number, is not told from any other that does not."""
    code = _code(turn)
    if code.step != "checking":
        return
    if not given.within:
        _end(turn, "locked", "code_not_possible")
    elif code.right:
        _ask(turn)
    elif code.tries + 1 < TRIES:
        _set(turn, tries=code.tries + 1)
        # an unknown number is not told from a wrong PIN
        turn.emit("contact_code", feature=code.feature, outcome="wrong_pin", agent=code.agent)
        _enter(turn, "agent", "password_wrong")
    else:
        _end(turn, "wrong_pin", "goodbye")


def _ask(turn: Turn) -> None:
    turn.deadline("key", None)
    _set(turn, step="asked", keys="")
    code = _code(turn)
    reason = PAUSE_REASON if code.feature == "pause" else ""
    turn.do(do.AskAgent(_phone(turn), code.feature, code.agent, reason))


def _end(turn: Turn, outcome: str, prompt: str) -> None:
    code = _code(turn)
    agent = {"agent": code.agent} if code.agent else {}
    turn.emit("contact_code", feature=code.feature, outcome=outcome, **agent)
    turn.deadline("key", None)
    turn.set(code=None)
    inbound.announce(turn, (turn.prompt(prompt),), f"end:ivr:{NORMAL}")


def _phone(turn: Turn) -> str:
    return turn.contact.source.removeprefix("phone:")


def _code(turn: Turn) -> Code:
    assert turn.contact.code is not None, "only in state code"
    return turn.contact.code


def _set(turn: Turn, **changes: object) -> None:
    turn.set(code=replace(_code(turn), **changes))  # type: ignore[arg-type]
