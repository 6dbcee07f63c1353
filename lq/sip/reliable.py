"""Who requires reliable provisional responses (RFC 3262) is told once, reliably, that it rings.

Such a peer takes no other 1xx: SBCs and IMS trunks that insist on it would get no call through. Our 180 is without a
description, so that what is said in the 200 stays the only answer to his offer: he hears the ringing that his own side
makes, no early media. After an INVITE without an offer ours would be due in it (§5): then nothing is said before the
200. A 180 that is never PRACKed does not end the call as §3 advises: the 200, which is ACKed, may still get through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zlib import crc32

from lq.sip.message import Request
from lq.sip.transaction import LIFETIME, T1, ServerTransaction

if TYPE_CHECKING:
    from lq.sip.session import Session

RSEQ_RANGE: Final = 2**31 - 1  # of a first one (§3)
TIMERS: Final = ("repeat_1xx", "prack_missing")


def required(invite: Request) -> bool:
    return "100rel" in invite.tokens("require")


def rseq(session: Session) -> int:
    """The RSeq of our 180: whoever carries the session on says the same, which is a repetition, not another one."""
    return crc32(session.dialog.local_tag.encode()) % RSEQ_RANGE + 1


def ring(session: Session, tx: ServerTransaction, now: float) -> bool:
    if session.rang or not tx.request.sdp:
        return True
    session.rang = True
    session.interval = T1
    session.timers |= {"repeat_1xx": now + T1, "prack_missing": now + LIFETIME}
    return session.respond(tx, 180, "", {"Require": "100rel", "RSeq": str(rseq(session))}, now)


def repeat(session: Session, now: float) -> None:
    if session.incoming is not None:
        session.interval *= 2
        session.timers["repeat_1xx"] = now + session.interval
        session.agent.resend(session.incoming)


def acknowledged(session: Session, prack: Request) -> bool:
    """Whether this PRACK is for our 180; it may come after the 200, and to another process than said it."""
    number, _, what = prack.get("rack").strip().partition(" ")
    if number != str(rseq(session)) or not what.endswith(" INVITE"):
        return False
    over(session)
    return True


def over(session: Session) -> None:
    """It is said or there is something else to say."""
    for timer in TIMERS:
        session.timers.pop(timer, None)
