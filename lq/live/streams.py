"""Messages between nodes, commands to the owner of a contact, and the ledger's stream."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from lq.ledger.events import Event
from lq.live import keys, reading
from lq.live.errors import LiveUnavailable
from lq.live.wire import Wire

_INBOX_LENGTH: Final = 10_000
_EVENTS_AT_ONCE: Final = 500
_ANSWERS_S: Final = 3_600


class Streams(Wire):
    """What goes from one process to another through Redis."""

    async def send(self, incarnation: str, message: Mapping[str, Any]) -> None:
        """Put a message into a node's inbox."""
        text = json.dumps(message, ensure_ascii=False)
        await self._guard(self._redis.xadd(keys.inbox(incarnation), {"m": text}, maxlen=_INBOX_LENGTH))

    async def inbox(
        self, incarnation: str, after: str = "0", block_ms: int = 1_000, count: int = 100
    ) -> list[tuple[str, dict[str, Any]]]:
        """The next messages after stream id `after`, waiting for the first up to `block_ms` (0: not at all)."""
        entries = await self._read(keys.inbox(incarnation), after, count, block_ms)
        return [(id, reading.message(fields)) for id, fields in entries]

    async def left_unheard(self, incarnation: str) -> AsyncIterator[dict[str, Any]]:
        """Everything in the inbox of a node that reads it no more, taken as it is handed out."""
        while page := await self.inbox(incarnation, block_ms=0):
            for _, message in page:
                yield message
            await self.taken(incarnation, *(id for id, _ in page))

    async def taken(self, incarnation: str, *ids: str) -> None:
        """Remove these messages from an inbox: they are dealt with. Not what stands before them: in another Redis than
        they were read from, that is what nobody has read."""
        await self._guard(self._redis.xdel(keys.inbox(incarnation), *ids))

    async def owner(self, contact: str) -> str | None:
        """The incarnation that owns a contact; None: there is no such contact (any more)."""
        owner = await self._guard(self._redis.hget(keys.contact(contact), "owner"))
        return None if owner is None else str(owner)

    async def command(
        self, contact: str, verb: str, body: Mapping[str, Any] | None = None, timeout: float = 2.0, id: str = ""
    ) -> dict[str, Any]:
        """Have the contact's owner do something; his reply {"status", "contact" | "error"}. `id`: of the command; a
        repeat under the same one hears the first answer.

        Raises Gone for an unknown contact, LiveUnavailable when the owner does not reply within `timeout` seconds (the
        command has expired by then and is not executed later).
        """
        message = {"type": "command", "contact": contact, "verb": verb, "body": dict(body or {})}
        return await self._order("", message, timeout, id)

    async def place(
        self, node: str, contact: str, body: Mapping[str, Any], timeout: float = 2.0, id: str = ""
    ) -> dict[str, Any]:
        """Have a node begin a contact for a call that an agent wants: {agent, phone, to, purpose}, or a conference:
        {conference, to, host, greet, purpose}; as `command`."""
        return await self._order(node, {"type": "place", "contact": contact, "body": dict(body)}, timeout, id)

    async def _order(self, node: str, message: Mapping[str, Any], timeout: float, id: str) -> dict[str, Any]:
        """To this node, or "": to the contact's owner, in one request."""
        this = uuid.uuid4().hex
        text = json.dumps({**message, "id": id or this, "reply_to": keys.reply(this)}, ensure_ascii=False)
        await self._call("order", contact=message["contact"], node=node, message=text, within_ms=int(timeout * 1000))
        reply = await self._blocking(self._readers.blpop([keys.reply(this)], timeout=timeout), timeout)
        if reply is None:
            raise LiveUnavailable(f"the owner of contact {message['contact']} did not reply within {timeout} s")
        return dict(json.loads(reply[1]))

    async def reply(self, reply_to: str, reply: Mapping[str, Any]) -> None:
        """The owner's side of a command."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.lpush(reply_to, json.dumps(reply, ensure_ascii=False))
        pipe.expire(reply_to, 10)
        await self._guard(pipe.execute())

    async def keep_answers(self, contact: str, answers: Mapping[str, Mapping[str, Any]]) -> None:
        """Of a contact that is about to be over, what its commands were answered: for who asks once more."""
        text = json.dumps(answers, ensure_ascii=False)
        await self._guard(self._redis.set(keys.answers(contact), text, ex=_ANSWERS_S))

    async def answer_of(self, contact: str, command: str) -> dict[str, Any] | None:
        """What this command of a contact that is over was answered, as far as that is still known."""
        text = await self._guard(self._redis.get(keys.answers(contact)))
        found: dict[str, Any] | None = json.loads(text).get(command) if text else None
        return found

    async def events(self, after: str = "0", count: int = 500, block_ms: int = 0) -> list[Event]:
        """The ledger's next events after stream id `after`, waiting for the first up to `block_ms`."""
        entries = await self._read(keys.EVENTS, after, count, block_ms)
        return [Event.from_fields(id, fields) for id, fields in entries]

    async def news(self, after: str, block_ms: int) -> tuple[list[Event], str]:
        """As `events`, without those that this code cannot read (the journal tells of them); and where to go on."""
        entries = await self._read(keys.EVENTS, after, 500, block_ms)
        events = (reading.event(id, fields) for id, fields in entries)
        return [event for event in events if event], entries[-1][0] if entries else after

    async def recent(self, since_ms: int) -> set[tuple[str, int]]:
        """(subject, seq) of the events that the stream holds since then (ms), also of those that we cannot read."""
        found: set[tuple[str, int]] = set()
        after = f"{max(0, since_ms)}-0"
        while page := await self._read(keys.EVENTS, after, 2_000, 0):
            found |= {key for _, fields in page if (key := reading.event_key(fields))}
            after = page[-1][0]
        return found

    async def append(self, events: Sequence[Event]) -> None:
        """Append events in order; a repeat is told by (subject, seq) (R5)."""
        for start in range(0, len(events), _EVENTS_AT_ONCE):
            pipe = self._redis.pipeline(transaction=True)
            for event in events[start : start + _EVENTS_AT_ONCE]:
                fields: dict[Any, Any] = dict(event.fields())
                pipe.xadd(keys.EVENTS, fields)
            await self._guard(pipe.execute())

    async def last_words(self) -> list[Event]:
        """The present state of every signed-in agent, as the event that said it."""
        ids = sorted(await self._guard(self._redis.smembers(keys.AGENTS)))
        pipe = self._redis.pipeline(transaction=False)
        for id in ids:
            pipe.hgetall(keys.agent(id))
            pipe.hget(keys.SEQ, f"agent:{id}")
        answers = await self._guard(pipe.execute()) if ids else []
        return [
            reading.last_word(id, h, int(seq))
            for id, h, seq in zip(ids, answers[::2], answers[1::2], strict=True)
            if h and seq
        ]

    async def last_event(self) -> str:
        """The stream id of the newest event: what comes after it is new."""
        newest = await self._guard(self._redis.xrevrange(keys.EVENTS, count=1))
        return str(newest[0][0]) if newest else "0"
