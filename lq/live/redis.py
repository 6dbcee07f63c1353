"""The live state for asyncio programs: every function of the library, and what may be read without it.

Redis that is away or slow raises LiveUnavailable within `timeout_s`; nothing is tried twice, for the caller knows best
what a repeat means (every request may be repeated).
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from lq.acd.lanes import lanes_of_agent
from lq.config.documents import Agent, Queue
from lq.ledger.events import Event
from lq.live import keys, library, reading
from lq.live.errors import Gone, LiveUnavailable, from_answer
from lq.live.values import (
    Adopted,
    AgentOp,
    AgentResult,
    AgentState,
    ContactState,
    Lease,
    PhoneState,
    QueueState,
    Renewal,
    Reserved,
    TrunkState,
    Waiting,
)

__all__ = ["Live"]

_BLOCK_SLACK_S: Final = 2.0  # what a blocking read may take longer than it asked for
_INBOX_LENGTH: Final = 10_000


class Live:
    """The live state of one center. `clock` (ms) stands in for Redis TIME, for tests.

    Await `start()` before use and `close()` after.
    """

    def __init__(self, url: str, *, timeout_s: float = 1.0, clock: Callable[[], int] | None = None) -> None:
        once: dict[str, Any] = {"decode_responses": True, "retry": Retry(NoBackoff(), 0), "health_check_interval": 0}
        self._redis: Redis = Redis.from_url(url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, **once)
        # A reader that blocks holds a connection of its own out of this pool. Without socket_timeout=None redis-py
        # ends a blocking read after its own default (5 s).
        self._readers: Redis = Redis.from_url(url, socket_timeout=None, socket_connect_timeout=timeout_s, **once)
        self._clock = clock

    async def start(self) -> None:
        """Load the function library, if Redis does not hold the same or a newer one."""
        listing = await self._guard(self._redis.function_list(library.NAME, withcode=True))
        code = library.to_load(library.loaded_code(listing))
        if code is not None:
            await self._guard(self._redis.function_load(code, replace=True))

    async def close(self) -> None:
        await self._redis.aclose()
        await self._readers.aclose()

    # -- the functions

    async def commit(
        self,
        contact: str,
        *,
        node: str,
        epoch: int,
        snapshot: str | None,
        events: Sequence[Event] = (),
        agents: Sequence[AgentOp] = (),
        dequeue: bool = False,
        claim: str = "",
    ) -> list[AgentResult]:
        """Write one step of a contact: snapshot (None: it is over), events, and what happens to its agents.

        Raises Superseded, Claimed.
        """
        answer = await self._call(
            "commit",
            contact=contact,
            node=node,
            epoch=epoch,
            snapshot=snapshot,
            events=[event.fields() for event in events],
            agents=[op.as_json() for op in agents],
            dequeue=dequeue,
            claim=claim,
        )
        return [AgentResult(**result) for result in answer["agents"] or ()]

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
        lanes: Mapping[str, int] | None = None,
    ) -> AgentState:
        """What an agent asks for himself: sign_in, ready, pause, wrap_up, sign_out.

        His lanes come from the published configuration unless given. Raises Conflict; Gone when the configuration does
        not know him.
        """
        document = await self._agent_document(agent) if lanes is None else None
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
        lease_ms: int = 2_000,
    ) -> Renewal:
        """Say that this process lives. The id of an lq's lease is its incarnation."""
        answer = await self._call(
            "node",
            op="renew",
            role=role,
            id=id,
            incarnation=incarnation or id,
            address=address,
            load=load,
            draining=draining,
            lease_ms=lease_ms,
        )
        return Renewal(int(answer["now"]), int(answer["config_version"]), bool(answer["lapsed"]))

    async def leave(self, role: str, id: str) -> None:
        """End a lease at once; what the process still owns may be adopted."""
        await self._call("node", op="leave", role=role, id=id)

    async def adopt(self, node: str, dead: str) -> list[Adopted]:
        """Take over all contacts of `dead` (both are incarnations). Raises Alive while its lease stands."""
        adopted: list[Adopted] = []
        more = True
        while more:
            answer = await self._call("adopt", node=node, dead=dead)
            adopted += [Adopted(contact, int(epoch), doc) for contact, epoch, doc in answer["contacts"] or ()]
            more = bool(answer["more"])
        return adopted

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

    # -- configuration

    async def config(self, kind: str) -> dict[str, dict[str, Any]]:
        """The published documents of a kind, by id."""
        documents = await self._guard(self._redis.hgetall(keys.config(kind)))
        return {id: json.loads(text) for id, text in documents.items()}

    async def config_version(self) -> int:
        return int(await self._guard(self._redis.get(keys.CONFIG_VERSION)) or 0)

    async def _agent_document(self, agent: str) -> Agent:
        text = await self._guard(self._redis.hget(keys.config("agents"), agent))
        if text is None:
            raise Gone(f"no agent {agent}")
        return reading.document(Agent, json.loads(text))

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

    async def owned(self, incarnation: str) -> list[str]:
        """Ids of the contacts that this node owns."""
        return sorted(await self._guard(self._redis.smembers(keys.owned(incarnation))))

    async def phone_state(self, ext: str) -> PhoneState:
        h = await self._guard(self._redis.hgetall(keys.phone(ext)))
        return PhoneState(ext, int(h.get("registered_until", 0)), h.get("agent"))

    async def trunk_state(self, trunk: str) -> TrunkState | None:
        """None: nobody has looked yet."""
        h = await self._guard(self._redis.hgetall(keys.trunk(trunk)))
        return TrunkState(trunk, h["up"] == "1", int(h["since"]), h["reason"]) if h else None

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

    async def _now(self) -> int:
        if self._clock:
            return self._clock()
        seconds, microseconds = await self._guard(self._redis.time())
        return int(seconds) * 1000 + int(microseconds) // 1000

    # -- messages between nodes, and the ledger

    async def send(self, incarnation: str, message: Mapping[str, Any]) -> None:
        """Put a message into a node's inbox."""
        text = json.dumps(message, ensure_ascii=False)
        await self._guard(self._redis.xadd(keys.inbox(incarnation), {"m": text}, maxlen=_INBOX_LENGTH))

    async def inbox(
        self, incarnation: str, after: str = "0", block_ms: int = 1_000, count: int = 100
    ) -> list[tuple[str, dict[str, Any]]]:
        """The next messages after stream id `after`, waiting for the first up to `block_ms` (0: not at all)."""
        entries = await self._read(keys.inbox(incarnation), after, count, block_ms)
        return [(id, json.loads(fields["m"])) for id, fields in entries]

    async def taken(self, incarnation: str, through: str) -> None:
        """Remove messages up to and with `through` from an inbox: they are dealt with."""
        milliseconds, _, number = through.partition("-")
        after = f"{milliseconds}-{int(number or 0) + 1}"
        await self._guard(self._redis.xtrim(keys.inbox(incarnation), minid=after, approximate=False))

    async def command(
        self, contact: str, verb: str, body: Mapping[str, Any] | None = None, timeout: float = 2.0
    ) -> dict[str, Any]:
        """Have the contact's owner do something; his reply {"status", "contact" | "error"}.

        Raises Gone for an unknown contact, LiveUnavailable when the owner does not reply within `timeout` seconds (the
        command has expired by then and is not executed later).
        """
        owner = await self._guard(self._redis.hget(keys.contact(contact), "owner"))
        if owner is None:
            raise Gone(f"no contact {contact}")
        id = uuid.uuid4().hex
        message = {
            "type": "command",
            "id": id,
            "contact": contact,
            "verb": verb,
            "body": dict(body or {}),
            "expires_at": await self._now() + int(timeout * 1000),
            "reply_to": keys.reply(id),
        }
        await self.send(owner, message)
        reply = await self._blocking(self._readers.blpop([keys.reply(id)], timeout=timeout), timeout)
        if reply is None:
            raise LiveUnavailable(f"the owner of contact {contact} did not reply within {timeout} s")
        return dict(json.loads(reply[1]))

    async def reply(self, reply_to: str, reply: Mapping[str, Any]) -> None:
        """The owner's side of a command."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.lpush(reply_to, json.dumps(reply, ensure_ascii=False))
        pipe.expire(reply_to, 10)
        await self._guard(pipe.execute())

    async def events(self, after: str = "0", count: int = 500, block_ms: int = 0) -> list[Event]:
        """The ledger's next events after stream id `after`, waiting for the first up to `block_ms`."""
        entries = await self._read(keys.EVENTS, after, count, block_ms)
        return [Event.from_fields(id, fields) for id, fields in entries]

    async def last_event(self) -> str:
        """The stream id of the newest event: what comes after it is new."""
        newest = await self._guard(self._redis.xrevrange(keys.EVENTS, count=1))
        return str(newest[0][0]) if newest else "0"

    # -- the wire

    async def _read(self, stream: str, after: str, count: int, block_ms: int) -> list[tuple[str, dict[str, str]]]:
        if block_ms <= 0:
            answer = await self._guard(self._redis.xread({stream: after}, count=count))
        else:
            read = self._readers.xread({stream: after}, count=count, block=block_ms)
            answer = await self._blocking(read, block_ms / 1000)
        return reading.stream_entries(answer)

    async def _call(self, function: str, **request: Any) -> dict[str, Any]:
        if self._clock:
            request["now"] = self._clock()
        body = json.dumps(request, ensure_ascii=False)
        try:
            text = await self._redis.fcall(function, 1, keys.TAG, body)
        except ResponseError as error:
            if library.MISSING not in str(error):
                raise LiveUnavailable(str(error)) from error
            await self.start()  # a Redis that came back empty
            text = await self._guard(self._redis.fcall(function, 1, keys.TAG, body))
        except (RedisError, OSError) as error:
            raise _away(error) from error
        answer: dict[str, Any] = json.loads(text)
        if not answer["ok"]:
            raise from_answer(answer)
        return answer

    async def _blocking(self, read: Any, seconds: float) -> Any:
        try:
            async with asyncio.timeout(seconds + _BLOCK_SLACK_S):
                return await read
        except (RedisError, OSError) as error:  # OSError: TimeoutError is one
            raise _away(error) from error

    async def _guard(self, answer: Any) -> Any:
        try:
            return await answer
        except (RedisError, OSError) as error:
            raise _away(error) from error


def _away(error: Exception) -> LiveUnavailable:
    return LiveUnavailable(f"{type(error).__name__}: {error}")
