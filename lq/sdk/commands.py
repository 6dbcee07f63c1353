"""What is done with a contact or a conference: one method a verb. Each answers it as it is then, or raises ApiError.

What cannot be done now is a 409 with the contact, or the conference, as it is (`present`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

from lq.sdk.values import Conference, Contact, Invitation, decode

TransferMode = Literal["blind", "consult"]
MonitorMode = Literal["listen", "whisper", "barge", "take-over"]
RecordingAction = Literal["start", "stop", "pause", "resume"]


class Commands(ABC):
    """The part of the client that controls calls; `agent` is in whose name it is done."""

    async def place(self, agent: str, to: str, purpose: str | None = None) -> Contact:
        """The agent calls: his own phone rings first, then `to`: a number, an agent, a phone, `queue:…`, `ivr:…` …"""
        return decode(Contact, await self._post("/v1/contacts", {"agent": agent, "to": to, "purpose": purpose}))

    async def answer(self, contact: str, agent: str) -> Contact:
        """The agent's own phone is answered for him, where it can be."""
        return await self._command(contact, "answer", agent=agent)

    async def reject(self, contact: str, agent: str) -> Contact:
        return await self._command(contact, "reject", agent=agent)

    async def hang_up(self, contact: str, agent: str | None = None) -> Contact:
        return await self._command(contact, "hang-up", agent=agent)

    async def hold(self, contact: str, agent: str) -> Contact:
        return await self._command(contact, "hold", agent=agent)

    async def resume(self, contact: str, agent: str) -> Contact:
        return await self._command(contact, "resume", agent=agent)

    async def mute(self, contact: str, agent: str) -> Contact:
        return await self._command(contact, "mute", agent=agent)

    async def unmute(self, contact: str, agent: str) -> Contact:
        return await self._command(contact, "unmute", agent=agent)

    async def send_dtmf(self, contact: str, agent: str, digits: str) -> Contact:
        """At most 64 keys of 0-9 * # A-D."""
        return await self._command(contact, "send-dtmf", agent=agent, digits=digits)

    async def transfer(self, contact: str, agent: str, to: str, mode: TransferMode = "blind") -> Contact:
        """`to`: an agent, a phone, `queue:sales`, `ivr:main`, `conference:<id>` or an outside number.

        `consult`: the customer waits while the agent talks with `to`; then complete, cancel or make it a conference.
        """
        return await self._command(contact, "transfer", agent=agent, to=to, mode=mode)

    async def complete_transfer(self, contact: str, agent: str) -> Contact:
        return await self._command(contact, "transfer/complete", agent=agent)

    async def cancel_transfer(self, contact: str, agent: str) -> Contact:
        return await self._command(contact, "transfer/cancel", agent=agent)

    async def conference(self, contact: str, agent: str, to: str | None = None) -> Contact:
        """Customer, agent and who is consulted, or `to` who is called now, in one conversation."""
        return await self._command(contact, "transfer/conference", agent=agent, to=to)

    async def pick_up(self, contact: str, agent: str) -> Contact:
        """What rings at another's phone rings at this agent's."""
        return await self._command(contact, "pick-up", agent=agent)

    async def release(self, contact: str, agent: str, to: Literal["queue"] | None = None) -> Contact:
        """A leader ends others' call; to "queue": the customer goes back to the head of his queue."""
        return await self._command(contact, "release", agent=agent, to=to)

    async def ask_help(self, contact: str, agent: str) -> Contact:
        """The agent wants a leader; the first who monitors has come."""
        return await self._command(contact, "help", agent=agent)

    async def end_help(self, contact: str, agent: str) -> Contact:
        return decode(Contact, await self._delete(f"/v1/contacts/{quote(contact, safe='')}/help", {"agent": agent}))

    async def monitor(self, contact: str, agent: str, mode: MonitorMode = "listen", *, help: bool = False) -> Contact:
        """Begins, or changes the mode of who monitors already.

        `help`: he comes because the agent wants help; 409 `help_taken` when another leader does so already.
        """
        return await self._command(contact, "monitor", agent=agent, mode=mode, help=help or None)

    async def end_monitor(self, contact: str, agent: str) -> Contact:
        return decode(Contact, await self._delete(f"/v1/contacts/{quote(contact, safe='')}/monitor", {"agent": agent}))

    async def record(
        self, contact: str, action: RecordingAction, agent: str | None = None, reason: str | None = None
    ) -> Contact:
        """`reason`: a word, e.g. customer_refused: nothing more is recorded before somebody starts it again."""
        return await self._command(contact, "recording", agent=agent, action=action, reason=reason)

    async def _command(self, contact: str, verb: str, **body: str | bool | None) -> Contact:
        return decode(Contact, await self._post(f"/v1/contacts/{quote(contact, safe='')}/{verb}", body))

    # -- conferences

    async def kick(self, conference: str, contact: str) -> Conference:
        return await self._conference(conference, "kick", {"contact": contact})

    async def mute_party(self, conference: str, contact: str) -> Conference:
        return await self._conference(conference, "mute", {"contact": contact})

    async def unmute_party(self, conference: str, contact: str) -> Conference:
        return await self._conference(conference, "unmute", {"contact": contact})

    async def make_host(self, conference: str, contact: str, host: bool = True) -> Conference:
        """409 `last_host`: the room ends with its last host, and he is that."""
        return await self._conference(conference, "host", {"contact": contact, "host": host})

    async def call_in(
        self, conference: str, to: Sequence[str], *, host: bool = False, greet: bool = True, purpose: str | None = None
    ) -> tuple[Invitation, ...]:
        """Up to 50 agents, phones and numbers are called; who answers is in it. What becomes of each shows `room`."""
        body = {"to": list(to), "host": host, "greet": greet, "purpose": purpose}
        answer = await self._post(f"/v1/conferences/{quote(conference, safe='')}/call", body)
        return tuple(decode(Invitation, one) for one in answer["calls"])

    async def end_conference(self, conference: str) -> Conference:
        return await self._conference(conference, "end", {})

    async def _conference(self, conference: str, verb: str, body: Mapping[str, Any]) -> Conference:
        return decode(Conference, await self._post(f"/v1/conferences/{quote(conference, safe='')}/{verb}", body))

    @abstractmethod
    async def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]: ...

    @abstractmethod
    async def _delete(self, path: str, query: Mapping[str, Any]) -> dict[str, Any]: ...
