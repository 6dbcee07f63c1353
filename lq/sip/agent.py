"""The user agent: a pure core that answers and does not act. Bytes and time go in; datagrams and events come out.

One trusted peer (Kamailio) is the next hop of every request. Nothing here reads a clock, opens a socket or sleeps, so a
32-second time-out is tested in a microsecond. Calls of the owner return False when what they answer has gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lq.sip import events as ev
from lq.sip import takeover, transfer
from lq.sip.core import Core, Datagram
from lq.sip.dialog import Dialog
from lq.sip.message import answer
from lq.sip.session import fill
from lq.sip.transaction import ServerTransaction

__all__ = ["Datagram", "UserAgent"]


class UserAgent(Core):
    """What the owner of the legs may want, and the taking over of another process's."""

    # -- what the owner wants -----------------------------------------------------------------------------------------
    def invite(
        self,
        uri: str,
        *,
        local: str,
        remote: str = "",
        sdp: str = "",
        headers: Mapping[str, str] | None = None,
        now: float,
        timeout_s: float | None = None,
        account: str = "",
        tag: str = "",
    ) -> str:
        """A new session that calls `uri`. Without a final answer within `timeout_s` it ends with Rejected(408).

        `account`: whose credentials answer a challenge. `tag` is ours of the dialog, if it shall be a certain one; it
        must be unique (RFC 3261 §19.3).
        """
        dialog = Dialog(self.token(), tag or self.token(), "", local, remote or f"<{uri}>", uri, "uac", account=account)
        session = self._add(dialog)
        session.invite(sdp, headers or {}, "initial", now)
        if timeout_s is not None:
            session.timers["give_up"] = now + timeout_s
        self.clock.watch(session)
        return session.id

    def use_account(self, session: str, account: str) -> bool:
        """Whose credentials answer challenges in this dialog; for a call that came in."""
        held = self._sessions.get(session)
        if held is not None:
            held.dialog.account = account
        return held is not None

    def provisional(
        self, session: str, code: int, sdp: str = "", headers: Mapping[str, str] | None = None, *, now: float
    ) -> bool:
        return self._do(session, "provisional", code, sdp, headers or {}, now)

    def accept(self, session: str, sdp: str, headers: Mapping[str, str] | None = None, *, now: float) -> bool:
        return self._do(session, "accept", sdp, headers or {}, now)

    def reject(
        self, session: str, code: int, reason: str = "", headers: Mapping[str, str] | None = None, *, now: float
    ) -> bool:
        return self._do(session, "reject", code, reason, headers or {}, now)

    def ack(self, session: str, sdp: str = "", *, now: float) -> bool:
        return self._do(session, "ack", sdp, now)

    def cancel(self, session: str, reason_header: str = "", *, now: float) -> bool:
        return self._do(session, "cancel", reason_header, now)

    def bye(self, session: str, headers: Mapping[str, str] | None = None, *, now: float) -> bool:
        return self._do(session, "bye", headers or {}, now)

    def reinvite(self, session: str, sdp: str, *, now: float) -> bool:
        return self._do(session, "reinvite", sdp, now)

    def answer_offer(self, session: str, sdp: str, *, now: float) -> bool:
        """200 to a re-INVITE or UPDATE; sdp "" is what we last said."""
        return self._do(session, "accept", sdp, {}, now)

    def refuse_offer(self, session: str, code: int, *, now: float) -> bool:
        return self._do(session, "reject", code, "", {}, now)

    def rename(self, session: str, tag: str) -> None:
        """The dialog of an INVITE that was not answered yet (100 names no dialog) has this tag of ours from now on."""
        held = self._sessions[session]
        tx = held.incoming
        assert tx is not None and held.dialog.state == "early" and held.dialog.role == "uas"
        del self._dialogs[held.dialog.key]
        held.dialog.local_tag = tx.to_tag = tag
        self._dialogs[held.dialog.key] = held

    def request(
        self,
        session: str,
        method: str,
        body: bytes = b"",
        content_type: str = "",
        headers: Mapping[str, str] | None = None,
        *,
        now: float,
    ) -> str:
        """Another request inside the dialog; its end comes as RequestDone with the id returned ("": no such dialog)."""
        held = self._sessions.get(session)
        if held is None or held.dialog.state == "terminated":
            return ""
        request = held.request(method, contact=self.contact)
        fill(request, "", headers or {})
        if body:
            request.put("content-type", content_type)
            request.body = body
        tx = self.client(held, request, "request", now)
        tx.request_id = self.token()
        if method == "UPDATE" and request.sdp:
            held.update = tx
        self.clock.watch(held)
        return tx.request_id

    def notify(self, session: str, event: str, *, now: float) -> str:
        """The phone shall `talk` (answer, resume) or `hold` (BroadSoft's events, without a subscription).

        Also while it rings, once it has said so. Its answer comes as RequestDone with the id returned ("": there is no
        dialog yet, or no longer); a refusal leaves the call as it is.
        """
        held = self._sessions.get(session)
        if held is None or held.dialog.state == "terminated" or not held.dialog.remote_tag:
            return ""
        request = held.request("NOTIFY", contact=self.contact)
        fill(request, "", {"Event": event, "Subscription-State": "active"})
        tx = self.client(held, request, "control", now)
        tx.request_id = self.token()
        self.clock.watch(held)
        return tx.request_id

    def notify_refer(self, session: str, code: int, reason: str, *, id: str = "", now: float) -> str:
        """How the REFER goes; its NOTIFY's end comes as RequestDone with the id returned ("": nobody listens).

        A code of 200 or more is the last word. `id` is the Refer's; "": the latest.
        """
        held = self._sessions.get(session)
        if held is None or not held.dialog.refers:
            return ""
        told = self.token()
        heard = transfer.notify(held, id or next(reversed(held.dialog.refers)), code, reason, now, told)
        self.clock.watch(held)
        return told if heard else ""

    # -- taking over --------------------------------------------------------------------------------------------------
    def export(self, session: str) -> dict[str, Any]:
        """What another process needs to carry the session on; {} for a session that is gone. It holds no password."""
        held = self._sessions.get(session)
        return takeover.document_of(held, self.epoch) if held else {}

    def adopt(self, document: Mapping[str, Any], *, now: float) -> str:
        """A session that another process exported. One that was ringing can be cancelled, one that talks goes on."""
        session = self._add(Dialog.from_dict(document, self.epoch))
        takeover.carry_on(self, session, document, now)
        self.clock.watch(session)
        return session.id

    def is_quiet(self, session: str) -> bool:
        """No INVITE, UPDATE or 200 awaits its answer."""
        held = self._sessions.get(session)
        return held is None or not (held.incoming or held.recalled or held.outgoing or held.unacked or held.update)

    def forget(self, session: str) -> None:
        """Drop it silently. A BYE, refusal or CANCEL on its way is still finished."""
        held = self._sessions.get(session)
        if held is None or held.silent or held.dialog.state == "terminated":
            return
        if held.outgoing is not None and held.outgoing.cancel_wanted is not None:
            held.silent = True
            return
        self._remove(held)
        held.timers.clear()
        self.clock.watch(held)
        for tx in held.asked:
            tx.end()
            self.clock.watch(tx)
            self._clients.pop(tx.key, None)
        if held.incoming is not None:  # answered by whoever carries it on
            held.incoming.end()
            self.gone(held.incoming)

    def holds(self, session: str) -> bool:
        """Whether it is still one: who called may have taken it back."""
        return session in self._sessions

    def said(self, session: str) -> str:
        """Our session description as the peer knows it, "" if there is none."""
        held = self._sessions.get(session)
        return held.dialog.local_sdp if held else ""

    def let_leave(self, sessions: Iterable[str]) -> None:
        """What was prepared for these is not sent by whoever has it: it leaves when it would be repeated."""
        theirs = set(sessions)
        for tx in (*self._clients.values(), *self._servers.values()):
            if tx.session in theirs:
                tx.withheld = False

    def find(self, call_id: str, local_tag: str) -> str | None:
        held = self._dialogs.get((call_id, local_tag))
        return held.id if held else None

    def redeliver(self, stray: ev.Stray, *, now: float) -> bool:
        """The stray request once more, after its dialog was adopted."""
        held = self._dialogs.get((stray.call_id, stray.to_tag))
        if held is None:
            return False
        tx: ServerTransaction | None = stray.transaction
        if tx is None:
            self.receive(stray.data, ("", 0), now)
            return True
        self.asked(held, tx, now)
        return True

    def refuse(self, stray: ev.Stray, code: int, headers: Mapping[str, str] | None = None, *, now: float) -> None:
        response = answer(stray.transaction.request, code)
        fill(response, "", headers or {})
        self.respond(stray.transaction, response, now)

    def _do(self, session: str, verb: str, *arguments: Any) -> bool:
        held = self._sessions.get(session)
        if held is None:
            return False
        done = bool(getattr(held, verb)(*arguments))
        self.clock.watch(held)
        return done
