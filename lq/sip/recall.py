"""An INVITE that another process has got and not answered: we have it sent to us (RFC 3261 §8.1.3.4).

What is hop by hop goes where its INVITE went. Were the edge left with the dead node, the CANCEL of a caller who hangs
up would reach nobody, and one that the dead node heard and did not write down would be lost. So its INVITE is answered
by a 302 that names us: the edge sends it here, and from then on all that belongs to it. Or its caller has taken it
back meanwhile, and nothing comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lq.sip import events as ev
from lq.sip.message import Request
from lq.sip.transaction import ServerTransaction

if TYPE_CHECKING:
    from lq.sip.session import Session

COMES_S: Final = 4.0  # at once, if at all; our 302 is repeated after 0.5, 1.5 and 3.5 s (its ACK goes to the dead node)


def key(invite: Request) -> tuple[str, str, int]:
    """Which INVITE it is, by whatever way it comes (§8.2.2.2)."""
    return invite.call_id, invite.from_tag, invite.cseq[0]


def ask(session: Session, now: float) -> None:
    """In the name of the other process."""
    tx, session.incoming = session.incoming, None
    if tx is not None:
        session.recalled = tx
        session.respond(tx, 302, "", {"Contact": session.agent.contact}, now)
        session.timers["recalled"] = now + COMES_S


def came(session: Session, tx: ServerTransaction, now: float) -> None:
    """It is ours from now on, and what we would have said of it meanwhile is said."""
    session.incoming, session.recalled, session.inherited = tx, None, False
    session.timers.pop("recalled", None)
    session.tell(ev.Recalled(session.id))
    postponed, session.postponed = session.postponed, []
    for verb, arguments in postponed:
        getattr(session, verb)(*arguments, now)


def postpone(session: Session, verb: str, *arguments: Any) -> bool:
    """There is nothing to answer yet. A refusal is the last word."""
    if session.silent:
        return False
    if verb == "reject":
        session.silent = True
        session.postponed.clear()
    session.postponed.append((verb, arguments))
    return True


def taken_back(session: Session, now: float) -> None:
    """It does not come. To its owner a call that he has answered is one that ends."""
    answered = any(verb == "accept" for verb, _ in session.postponed)
    session.tell(ev.Ended(session.id, "", "bye") if answered else ev.Cancelled(session.id, ""))
    session.over(now)
