"""The live state for asyncio programs: every function of the library, and what may be read without it.

Redis that is away or slow raises LiveUnavailable within `timeout_s`. Every request may be repeated; one that met a
connection of before, which the server has closed (it was restarted), is repeated at once by a new one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from lq.acd.agent import TALKING
from lq.acd.lanes import lanes_of_agent
from lq.acd.strategies import Key
from lq.config.documents import Agent, Queue
from lq.ledger.events import Event
from lq.live import keys, reading
from lq.live.errors import Gone, LiveUnavailable
from lq.live.streams import Streams
from lq.live.values import (
    LEASE_MS,
    Adopted,
    AgentOp,
    AgentState,
    Called,
    ChannelOp,
    Committed,
    ContactState,
    EngageOp,
    GateOp,
    Holds,
    Lease,
    ListEntry,
    Membership,
    PhoneState,
    QueueState,
    Recalled,
    Renewal,
    Reserved,
    Waiting,
)

__all__ = ["Live"]

_AGENTS_AT_ONCE: Final = 500
_FIRST_IN_LINE: Final = 10
_AWAY: Final = ("sign_out", "pause")  # what anybody who is signed in may ask for, be he configured or not (any more)


class Live(Streams):
    """The live state of one center."""

    # -- the functions

    @property
    def is_silent(self) -> bool:
        """Redis did not answer a moment ago: commits do not ask until a renewal was answered, or for a while."""
        return time.monotonic() < self._silent_until

    async def commit(
        self,
        contact: str,
        *,
        node: str,
        epoch: int,
        snapshot: str | None,
        events: Sequence[Event] = (),
        agents: Sequence[AgentOp] = (),
        channels: Sequence[ChannelOp] = (),
        gate: Sequence[GateOp] = (),
        conference: Membership | None = None,
        called: Called | None = None,
        dequeue: bool = False,
        claim: str = "",
        holds: Holds | None = None,
        engages: Sequence[EngageOp] = (),
    ) -> Committed:
        """Write one step of a contact: snapshot (None: it is over), events, what happens to its agents and channels,
        the conference that it is in from now on, and what a conference is to know of whom it has called with it.

        With `holds`, in a new era: then all that it holds is made so, whatever Redis remembers.

        Raises Superseded, Claimed.
        """
        if self.is_silent:
            raise LiveUnavailable("Redis did not answer a moment ago")
        answer = await self._heard(
            "commit",
            contact=contact,
            node=node,
            epoch=epoch,
            snapshot=snapshot,
            events=[event.fields() for event in events],
            agents=[op.as_json() for op in agents],
            channels=[asdict(op) for op in channels],
            gate=[asdict(op) for op in gate],
            conference=asdict(conference) if conference else None,
            called=asdict(called) if called else None,
            dequeue=dequeue,
            claim=claim,
            holds=asdict(holds) if holds else None,
            engages=[asdict(op) for op in engages],
        )
        return reading.committed(answer)

    async def ask(
        self, contact: str, request: str, lanes: Mapping[str, int], lease_ms: int = 20_000
    ) -> Reserved | Waiting:
        """Reserve an agent for the contact, or let it wait in `lanes` (lane -> score). Raises Gone."""
        answer = await self._call("ask", contact=contact, request=request, lanes=dict(lanes), lease_ms=lease_ms)
        return reading.decision(answer)

    async def agent(
        self,
        agent: str,
        op: str,
        *,
        phone: str = "",
        reason: str = "",
        code: str = "",
        done: bool = False,
        move: bool = False,
        lanes: Mapping[str, Key] | None = None,
    ) -> AgentState:
        """What an agent asks for himself: sign_in, ready, pause, wrap_up, sign_out.

        With `move` signing in takes him from another phone, unless he is with a contact. His lanes come from the
        published configuration unless given. Raises Conflict, also for one who is disabled, or who is to say first what
        the call was about; Gone when the configuration does not know him, unless he is signed in all the same and wants
        no calls.
        """
        document = await self._document_of_who_asks(agent, op) if lanes is None else None
        if document is not None and op in ("sign_in", "ready"):
            lanes = lanes_of_agent(document, await self._queue_documents())
        answer = await self._call(
            "agent",
            agent=agent,
            op=op,
            phone=phone,
            reason=reason,
            code=code,
            done=done,
            move=move,
            name=document.name if document else "",
            lanes=dict(lanes) if lanes is not None else None,
        )
        return reading.agent_view(answer["agent"], document)

    async def phone(self, ext: str, registered: bool, expires_ms: int = 0) -> None:
        """The phone is registered for `expires_ms` from now, or is not."""
        await self._call("phone", phone=ext, registered=registered, expires_ms=expires_ms)

    async def trunk(self, trunk: str, up: bool, reason: str = "") -> None:
        await self._call("trunk", trunk=trunk, up=up, reason=reason)

    async def renew(
        self,
        role: str,
        id: str,
        *,
        incarnation: str = "",
        address: str = "",
        load: int = 0,
        draining: bool = False,
        lease_ms: int = LEASE_MS,
        day: int = 0,
    ) -> Renewal:
        """Say that this process lives. The id of an lq's lease is its incarnation.

        `day`: when the center's day began (ms), for those who know its time zone.
        """
        answer = await self._heard(
            "node",
            op="renew",
            role=role,
            id=id,
            incarnation=incarnation or id,
            address=address,
            load=load,
            draining=draining,
            lease_ms=lease_ms,
            day=day,
            seen=self._seen,  # what one Redis told us is not undone by its successor
        )
        self._seen = max(self._seen, int(answer["numbers"]))
        self._silent_until = 0.0
        return Renewal(
            int(answer["now"]),
            int(answer["config_version"]),
            int(answer["era"]),
            answer["adopted_by"],
        )

    async def remembered(self, id: str, era: int, agents: Sequence[Recalled]) -> None:
        """The last that the ledger said of agents, for when the era opens: said before `asserted`."""
        for start in range(0, len(agents), _AGENTS_AT_ONCE):
            part = [asdict(agent) for agent in agents[start : start + _AGENTS_AT_ONCE]]
            await self._call("node", op="remembered", id=id, era=era, agents=part, seen=self._seen)

    async def asserted(self, id: str, era: int, *, took: Collection[str] = ()) -> None:
        """This node has committed every contact of its own with `holds` in this era: others of its name are over.

        `took`: whose contacts it has adopted.
        """
        await self._call("node", op="asserted", id=id, era=era, took=list(took), seen=self._seen)

    async def leave(self, role: str, id: str) -> None:
        """End a lease at once; what the process still owns may be adopted."""
        await self._call("node", op="leave", role=role, id=id)

    async def adopt(self, node: str, dead: str) -> list[Adopted]:
        """Take over contacts of `dead` (both are incarnations), 200 at most; none are left when none are given.

        Raises Alive while its lease stands.
        """
        answer = await self._call("adopt", node=node, dead=dead)
        return [Adopted(contact, int(epoch), doc) for contact, epoch, doc in answer["contacts"] or ()]

    async def hand_over(self, contact: str, *, node: str, epoch: int, to: str, snapshot: str) -> int:
        """Give a contact to another node that lives, which finds a message about it in its inbox; the new epoch.

        Raises NotServing, Superseded, Gone.
        """
        answer = await self._call("hand_over", contact=contact, node=node, epoch=epoch, to=to, snapshot=snapshot)
        return int(answer["epoch"])

    async def tick(self) -> int:
        """Run deadlines that are due, at most 32; how many there were."""
        return int((await self._call("tick"))["due"])

    async def publish(self, version: int, kinds: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
        """Swap whole kinds of configuration documents (kind -> id -> document). Raises Stale."""
        texts = {
            kind: {id: json.dumps(document, ensure_ascii=False) for id, document in documents.items()}
            for kind, documents in kinds.items()
        }
        await self._call("publish", version=version, kinds=texts)

    async def list_entries(self, first: int, last: int, entries: Sequence[ListEntry]) -> None:
        """Make the entries so, and know the lists at change `last`. Raises Stale if they do not stand at `first`."""
        rows = [[one.list, one.number, one.expires, one.gone] for one in entries]
        await self._call("list", first=first, last=last, entries=rows)

    async def clear_lists(self) -> None:
        """Forget all entries; they stand at change 0."""
        while (await self._call("list", first=0, last=0, clear=True))["more"]:
            pass

    # -- configuration

    async def lists_version(self) -> int:
        """The change at which the entries of lists stand."""
        return int(await self._guard(self._redis.hget(keys.COUNTERS, "lists")) or 0)

    async def config(self, kind: str) -> dict[str, dict[str, Any]]:
        """The published documents of a kind, by id."""
        documents = await self._guard(self._redis.hgetall(keys.config(kind)))
        return {id: json.loads(text) for id, text in documents.items()}

    async def configured(self, kind: str) -> list[str]:
        """The ids alone: thousands of documents are not read for their names."""
        return sorted(await self._guard(self._redis.hkeys(keys.config(kind))))

    async def config_version(self) -> int:
        return int(await self._guard(self._redis.get(keys.CONFIG_VERSION)) or 0)

    async def _agent_document(self, agent: str) -> Agent:
        text = await self._guard(self._redis.hget(keys.config("agents"), agent))
        if text is None:
            raise Gone(f"no agent {agent}")
        return reading.document(Agent, json.loads(text))

    async def _document_of_who_asks(self, agent: str, op: str) -> Agent | None:
        try:
            return await self._agent_document(agent)
        except Gone:
            if op in _AWAY and await self._guard(self._redis.sismember(keys.AGENTS, agent)):
                return None
            raise

    async def _queue_documents(self) -> dict[str, Queue]:
        return {id: reading.document(Queue, body) for id, body in (await self.config("queues")).items()}

    # -- what is

    async def agents(self) -> list[AgentState]:
        """Every configured agent with his present state, by id."""
        documents = {id: reading.document(Agent, body) for id, body in (await self.config("agents")).items()}
        pipe = self._redis.pipeline(transaction=False)
        for id in documents:
            pipe.hgetall(keys.agent(id))
        hashes = await self._guard(pipe.execute())
        states = (reading.agent_hash(id, h, documents[id]) for id, h in zip(documents, hashes, strict=True))
        return sorted(states, key=lambda agent: agent.id)

    async def agent_state(self, agent: str) -> AgentState:
        """Raises Gone for an agent that the configuration does not know."""
        document = await self._agent_document(agent)
        return reading.agent_hash(agent, await self._guard(self._redis.hgetall(keys.agent(agent))), document)

    async def queue_state(self, queue: str) -> QueueState:
        """Raises Gone for a queue that the configuration does not know."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hget(keys.config("queues"), queue)
        pipe.zcard(keys.lane_contacts(queue))
        pipe.zcard(keys.lane_agents(queue))
        pipe.scard(keys.lane_talking(queue))
        pipe.scard(keys.lane_signed_in(queue))
        pipe.zrange(keys.lane_since(queue), 0, 0, withscores=True)
        body, waiting, ready, talking, signed_in, oldest = await self._guard(pipe.execute())
        if body is None:
            raise Gone(f"no queue {queue}")
        name = reading.document(Queue, json.loads(body)).name
        return QueueState(queue, name, waiting, ready, talking, signed_in, int(oldest[0][1]) if oldest else None)

    async def contacts(self) -> list[str]:
        """Ids of all contacts alive, oldest first."""
        return sorted(await self._guard(self._redis.smembers(keys.CONTACTS)))

    async def contact(self, id: str) -> ContactState | None:
        found = await self._guard(self._redis.hgetall(keys.contact(id)))
        return reading.contact_hash(id, found) if found else None

    async def to_pick_up(self, agents: Sequence[str], queues: Sequence[str]) -> list[tuple[str, str]]:
        """Contacts that may ring at one of these agents, with him, then who waits in one of these queues, with "".

        Each the oldest first.
        """
        pipe = self._redis.pipeline(transaction=False)
        for agent in agents:
            pipe.hmget(keys.agent(agent), "state", "contact")
        for queue in queues:
            pipe.zrange(keys.lane_since(queue), 0, _FIRST_IN_LINE - 1)
        found = await self._guard(pipe.execute())
        his = zip(agents, found, strict=False)
        ringing = [(contact, agent) for agent, (state, contact) in his if contact and state != TALKING]
        waiting = {contact for queue in found[len(agents) :] for contact in queue}
        return [*sorted(ringing), *((contact, "") for contact in sorted(waiting))]

    async def owned(self, incarnation: str) -> list[str]:
        """Ids of the contacts that this node owns."""
        return sorted(await self._guard(self._redis.smembers(keys.owned(incarnation))))

    async def phone_state(self, ext: str) -> PhoneState:
        h = await self._guard(self._redis.hgetall(keys.phone(ext)))
        return PhoneState(ext, int(h.get("registered_until", 0)), h.get("agent"))

    async def channels(self, trunk: str) -> dict[int, str]:
        """Which leg holds which channel of a trunk, by number."""
        held = await self._guard(self._redis.zrange(keys.channels(trunk), 0, -1, withscores=True))
        return {int(number): leg for leg, number in held}

    async def conference(self, id: str) -> dict[str, bool]:
        """Contacts that are in the conference -> whether as a host."""
        found = await self._guard(self._redis.hgetall(keys.conference(id)))
        return {contact: role == "host" for contact, role in sorted(found.items())}

    async def called(self, conference: str) -> dict[str, Called]:
        """Contacts with which the conference has called somebody within the hour, in order of their beginning."""
        found = await self._guard(self._redis.hgetall(keys.called(conference)))
        return {contact: reading.document(Called, json.loads(text)) for contact, text in sorted(found.items())}

    async def leases(self, role: str, *, lapsed: bool = False) -> list[Lease]:
        """Who of a role lives (or, with `lapsed`, whose lease ran out and who may be adopted), by Redis TIME."""
        now = await self._now()
        low, high = ("-inf", str(now)) if lapsed else (f"({now}", "+inf")
        expiries = dict(await self._guard(self._redis.zrangebyscore(keys.LEASES, low, high, withscores=True)))
        if not expiries:
            return []
        texts = await self._guard(self._redis.mget([keys.lease(id) for id in expiries]))
        leases = [reading.lease(text, expires) for text, expires in zip(texts, expiries.values(), strict=True) if text]
        return [lease for lease in leases if lease.role == role]
