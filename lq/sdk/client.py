"""The asyncio client of LQ-SDK, version 1: one method a call, values in and out, events that survive reconnects."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import ssl
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote, urlencode

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from lq.ledger.events import Event
from lq.sdk.commands import Commands
from lq.sdk.errors import ApiError, ApiUnavailable
from lq.sdk.values import (
    Agent,
    Alarm,
    Cdr,
    Conference,
    Contact,
    Credentials,
    Delivery,
    Document,
    DocumentUser,
    Health,
    ListEntry,
    Page,
    Queue,
    Recording,
    Token,
    decode,
)

T = TypeVar("T")

TIMEOUT_S: Final = 10.0
MANY_S: Final = 20.0  # for hundreds of documents at once
KEPT_S: Final = 50.0  # less than the api keeps it; httpcore 1.0.9 forgets what has expired when a request is cancelled
BACK_OFF_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Audio:
    """An answer with audio: status 200 or 206, the headers to pass on, and the bytes as they come."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class Client(Commands):
    """`async with Client("http://127.0.0.1:8100", token) as lq:`; raises ApiError, ApiUnavailable.

    `ca`: the file of the authority that vouches for the api at https://…: `$LCALL_HOME/tls/ca.crt` of the center, or
    what its page /ca gives; without it those that this machine trusts.
    """

    def __init__(
        self, base_url: str, token: str, *, timeout_s: float = TIMEOUT_S, ca: str | os.PathLike[str] | None = None
    ) -> None:
        self._url = base_url.rstrip("/")
        self._key = ""
        self._authorization = {"Authorization": f"Bearer {token}"}
        self._tls = ssl.create_default_context(cafile=ca) if self._url.startswith("https:") else None
        self._http = httpx.AsyncClient(
            base_url=self._url,
            headers=self._authorization,
            verify=self._tls or True,
            timeout=timeout_s,
            trust_env=False,
            limits=httpx.Limits(max_connections=50, keepalive_expiry=KEPT_S),
        )

    def keyed(self, key: str) -> Self:
        """This client for one request, which is the same one however often it is sent with this Idempotency-Key."""
        same = copy.copy(self)
        same._key = key
        return same

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    # -- what is there

    async def health(self) -> Health:
        """How the api and what it stands on are; also when it answers 503."""
        answer = await self._send("GET", "/v1/health")
        return decode(Health, answer.json())

    async def alarms(self) -> tuple[Alarm, ...]:
        """What is wrong now, worst first."""
        return await self._all(Alarm, "/v1/alarms")

    async def agents(self) -> tuple[Agent, ...]:
        return await self._all(Agent, "/v1/agents")

    async def agent(self, agent: str) -> Agent:
        return decode(Agent, await self._get(f"/v1/agents/{quote(agent, safe='')}"))

    async def queues(self) -> tuple[Queue, ...]:
        return await self._all(Queue, "/v1/queues")

    async def queue(self, queue: str) -> Queue:
        return decode(Queue, await self._get(f"/v1/queues/{quote(queue, safe='')}"))

    async def contacts(
        self, state: str = "active", *, number: str | None = None, limit: int = 100, cursor: str | None = None
    ) -> Page[Contact]:
        """Contacts alive (`active`, from live state) or over (`ended`, from history), latest first."""
        query = {"state": state, "number": number, "limit": limit, "cursor": cursor}
        return _page(Contact, await self._get("/v1/contacts", query))

    async def contact(self, contact: str) -> Contact:
        return decode(Contact, await self._get(f"/v1/contacts/{quote(contact, safe='')}"))

    async def contact_events(self, contact: str, *, after: str | None = None) -> tuple[Event, ...]:
        """All that happened to a contact, in the order of the ledger; with `after`, what came after that event."""
        items: list[Event] = []
        path = f"/v1/contacts/{quote(contact, safe='')}/events"
        while True:
            page = await self._get(path, {"limit": 500, "cursor": after})
            items += map(event_from_json, page["items"])
            after = page["next"]
            if after is None:
                return tuple(items)

    async def cdrs(self, **filters: str | int | datetime | None) -> Page[Cdr]:
        """Call detail records, latest first; filters as in `GET /v1/cdrs` (`from_` for from), `limit` and `cursor`."""
        query = {name.rstrip("_"): value for name, value in filters.items()}
        return _page(Cdr, await self._get("/v1/cdrs", query))

    async def recording(self, recording: str) -> Recording:
        return decode(Recording, await self._get(f"/v1/recordings/{quote(recording, safe='')}"))

    @asynccontextmanager
    async def recording_audio(
        self, recording: str, range: str | None = None, *, live: bool = False
    ) -> AsyncIterator[Audio]:
        """The WAV, or the part that `range` (an HTTP Range value) asks for; `live`: what is being said, to its end."""
        headers = {"Range": range} if range else {}
        path = f"/v1/recordings/{quote(recording, safe='')}/audio"
        try:
            async with self._http.stream("GET", path, params={"live": "1"} if live else {}, headers=headers) as answer:
                if answer.is_error:
                    await answer.aread()
                    raise _error(answer)
                yield Audio(answer.status_code, answer.headers, answer.aiter_bytes())
        except httpx.TransportError as error:
            raise ApiUnavailable(_reason(error)) from error

    # -- agents

    async def sign_in(self, agent: str, phone: str) -> Agent:
        """409: he is at another phone, or another is at this one. 422: no such phone, nor his mobile. 404: no agent."""
        return await self._agent(agent, "sign-in", {"phone": phone})

    async def ready(self, agent: str) -> Agent:
        return await self._agent(agent, "ready", {})

    async def pause(self, agent: str, reason: str) -> Agent:
        """Now, or after his call. `reason`: an id of `pause_reasons`; without any: break, meal, training, meeting."""
        return await self._agent(agent, "pause", {"reason": reason})

    async def wrap_up(self, agent: str, code: str | None = None, *, done: bool = False) -> Agent:
        """`code`: what his call is about. `done`: the wrap-up is over now, not when its time is; 409 while he talks."""
        return await self._agent(agent, "wrap-up", {"code": code, "done": done})

    async def credentials(self, agent: str, phone: str | None = None) -> Credentials:
        """For a browser phone: his own phone's, or the one where he is signed in. 403 and 404: he has none such."""
        path = f"/v1/agents/{quote(agent, safe='')}/credentials"
        return decode(Credentials, await self._post(path, {"phone": phone}))

    async def sign_out(self, agent: str) -> Agent:
        return await self._agent(agent, "sign-out", {})

    async def _agent(self, agent: str, verb: str, body: Mapping[str, Any]) -> Agent:
        return decode(Agent, await self._post(f"/v1/agents/{quote(agent, safe='')}/{verb}", body))

    # -- conferences

    async def conferences(self) -> tuple[Conference, ...]:
        return await self._all(Conference, "/v1/conferences")

    async def room(self, conference: str) -> Conference:
        return decode(Conference, await self._get(f"/v1/conferences/{quote(conference, safe='')}"))

    # -- configuration

    async def documents(self, kind: str) -> tuple[Document, ...]:
        return await self._all(Document, f"/v1/config/{quote(kind, safe='')}")

    async def document(self, kind: str, id: str) -> Document:
        return decode(Document, await self._get(_document_path(kind, id)))

    async def put_document(
        self, kind: str, id: str, body: Mapping[str, Any], *, if_version: int | None = None, operator: str = ""
    ) -> Document:
        """Writes and publishes a document; 409 if it is no longer of `if_version`, 422 and the field if it is wrong.

        `operator`: for whom it is done, for the audit; believed of the house's own token only.
        """
        headers = _guarded(if_version) | _for(operator)
        answer = await self._send("PUT", _document_path(kind, id), json=body, headers=headers)
        return decode(Document, _checked(answer))

    async def put_documents(
        self, documents: Sequence[Document], *, check: bool = False, guarded: bool = False, operator: str = ""
    ) -> int:
        """Writes and publishes documents together, or none; how many. With `check` it only says what is against it.

        `guarded`: each must still be of its `version` (0: new), else 409. Fields of errors are `documents.<n>.…`.
        """
        given = [
            {"kind": one.kind, "id": one.id, "body": dict(one.body), **({"version": one.version} if guarded else {})}
            for one in documents
        ]
        body = {"documents": given, "check": check}
        answer = await self._post("/v1/config", body, _for(operator), timeout=MANY_S)
        return int(answer["written"])

    async def document_users(self, kind: str, id: str) -> tuple[DocumentUser, ...]:
        """The documents that name this one: while there are any it cannot be deleted (409 in_use)."""
        return await self._all(DocumentUser, f"{_document_path(kind, id)}/users")

    async def delete_document(self, kind: str, id: str, *, if_version: int | None = None, operator: str = "") -> None:
        headers = _guarded(if_version) | _for(operator)
        answer = await self._send("DELETE", _document_path(kind, id), headers=headers)
        if answer.is_error:
            raise _error(answer)

    # -- tokens of programs, and what webhooks have delivered

    async def tokens(self) -> tuple[Token, ...]:
        return await self._all(Token, "/v1/tokens")

    async def token(self, token: str) -> Token:
        return decode(Token, await self._get(f"/v1/tokens/{quote(token, safe='')}"))

    async def add_token(
        self,
        name: str,
        scopes: Sequence[str],
        *,
        agents: Sequence[str] = (),
        queues: Sequence[str] = (),
        per_second: int | None = None,
        expires_at: datetime | None = None,
    ) -> Token:
        """The token with its secret, which is told this once."""
        body = {
            **{"name": name, "scopes": list(scopes), "agents": list(agents), "queues": list(queues)},
            **{"per_second": per_second, "expires_at": expires_at.isoformat() if expires_at else None},
        }
        return decode(Token, await self._post("/v1/tokens", body))

    async def revoke_token(self, token: str) -> None:
        """Its event streams end too."""
        answer = await self._send("DELETE", f"/v1/tokens/{quote(token, safe='')}")
        if answer.is_error:
            raise _error(answer)

    async def deliveries(self, webhook: str, *, limit: int = 100, cursor: str | None = None) -> Page[Delivery]:
        """What was sent or is to be sent to a webhook, latest first."""
        path = f"/v1/webhooks/{quote(webhook, safe='')}/deliveries"
        return _page(Delivery, await self._get(path, {"limit": limit, "cursor": cursor}))

    # -- lists of numbers

    async def list_entries(
        self, list: str, *, number: str | None = None, limit: int = 100, cursor: str | None = None
    ) -> Page[ListEntry]:
        """Entries of a list, by number; with `number` only that one."""
        query = {"number": number, "limit": limit, "cursor": cursor}
        return _page(ListEntry, await self._get(_entries_path(list), query))

    async def put_list_entries(self, list: str, entries: Sequence[ListEntry], *, operator: str = "") -> int:
        """Writes at most 1,000 entries; how many. 422 and the field if one is wrong: nothing is written."""
        given = [
            {
                "number": one.number,
                "note": one.note,
                "expires_at": one.expires_at.isoformat() if one.expires_at else None,
            }
            for one in entries
        ]
        return int((await self._post(_entries_path(list), {"entries": given}, _for(operator)))["written"])

    async def delete_list_entry(self, list: str, number: str, *, operator: str = "") -> None:
        path = f"{_entries_path(list)}/{quote(number, safe='')}"
        answer = await self._send("DELETE", path, headers=_for(operator))
        if answer.is_error:
            raise _error(answer)

    async def clear_list(self, list: str, *, operator: str = "") -> int:
        """Takes some thousands of numbers off it; how many: at 0 it is empty."""
        answer = await self._send("DELETE", _entries_path(list), headers=_for(operator))
        return int(_checked(answer)["written"])

    # -- events

    async def last_event_id(self) -> str:
        """Where the stream of events stands: what happens next comes after it."""
        answer = await self._get("/v1/events", {"limit": 1})
        return str(answer["next"])

    async def events(
        self,
        topics: Sequence[str] = (),
        after: str | None = None,
        *,
        on_connection: Callable[[bool], None] | None = None,
    ) -> AsyncGenerator[Event, None]:
        """Every event after `after` (default: from now), for ever; reconnects by itself and misses none.

        An event may come twice (R5). Raises ApiError when the api refuses the request itself (400, 401).
        """
        failures = 0
        while True:
            try:
                if after is None:
                    after = await self.last_event_id()
                async with aclosing(self._connection(topics, after, on_connection)) as received:
                    async for event in received:
                        failures, after = 0, event.id
                        yield event
            except ApiError as error:
                if error.status in (400, 401, 403, 404):
                    raise
            await asyncio.sleep(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
            failures += 1

    async def _connection(
        self, topics: Sequence[str], after: str, on_connection: Callable[[bool], None] | None
    ) -> AsyncGenerator[Event, None]:
        """The events of one WebSocket until it ends."""
        query = urlencode({"topics": ",".join(topics), "after": after})
        url = f"{self._url.replace('http', 'ws', 1)}/v1/events?{query}"
        opened = False
        try:
            headers = self._authorization
            async with connect(url, additional_headers=headers, ssl=self._tls, proxy=None, open_timeout=5) as socket:
                opened = True
                if on_connection:
                    on_connection(True)
                async for message in socket:
                    yield event_from_json(json.loads(message))
        except InvalidStatus as refused:
            raise ApiError(refused.response.status_code, "refused", "the api refused the event stream") from refused
        except (OSError, TimeoutError, ConnectionClosed, InvalidHandshake) as error:
            raise ApiUnavailable(_reason(error)) from error
        finally:
            if opened and on_connection:
                on_connection(False)

    # -- HTTP

    async def _all(self, cls: type[T], path: str) -> tuple[T, ...]:
        items: list[T] = []
        cursor: str | None = None
        while True:
            page = _page(cls, await self._get(path, {"limit": 500, "cursor": cursor}))
            items += page.items
            cursor = page.next
            if cursor is None:
                return tuple(items)

    async def _get(self, path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        params = {name: _query(value) for name, value in (query or {}).items() if value is not None}
        return _checked(await self._send("GET", path, params=params))

    async def _post(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, Any] | None = None, **arguments: Any
    ) -> dict[str, Any]:
        """With an Idempotency-Key, so that a request whose answer was lost may be sent once more."""
        headers = {"Idempotency-Key": self._key or str(uuid.uuid4()), **(headers or {})}
        sent = {name: value for name, value in body.items() if value is not None}
        try:
            answer = await self._send("POST", path, json=sent, headers=headers, **arguments)
        except ApiUnavailable:
            answer = await self._send("POST", path, json=sent, headers=headers, **arguments)
        return _checked(answer)

    async def _delete(self, path: str, query: Mapping[str, Any]) -> dict[str, Any]:
        return _checked(await self._send("DELETE", path, params=query))

    async def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            return await self._http.request(method, path, **arguments)
        except httpx.TransportError as error:
            raise ApiUnavailable(_reason(error)) from error


def event_from_json(document: Mapping[str, Any]) -> Event:
    """An event as LQ-SDK shows it (`at` in RFC 3339) as the ledger's value (`at` in ms)."""
    return Event(
        type=document["type"],
        at=round(datetime.fromisoformat(document["at"]).timestamp() * 1000),
        subject=document["subject"],
        seq=document["seq"],
        data=document["data"],
        id=document["id"],
        v=document["v"],
    )


def _for(operator: str) -> dict[str, str | bytes]:
    return {"X-Operator": operator.encode()} if operator else {}


def _guarded(version: int | None) -> dict[str, str | bytes]:
    return {} if version is None else {"If-Match": str(version)}


def _document_path(kind: str, id: str) -> str:
    return f"/v1/config/{quote(kind, safe='')}/{quote(id, safe='')}"


def _entries_path(list: str) -> str:
    return f"/v1/lists/{quote(list, safe='')}/entries"


def _query(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _page(cls: type[T], document: Mapping[str, Any]) -> Page[T]:
    return Page(tuple(decode(cls, item) for item in document["items"]), document["next"])


def _checked(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_error:
        raise _error(answer)
    document: dict[str, Any] = answer.json()
    return document


def _error(answer: httpx.Response) -> ApiError:
    retry_after = answer.headers.get("Retry-After")
    try:
        error = answer.json()["error"]
        code, message, field, present = error["code"], error["message"], error.get("field"), error.get("present")
        errors = error.get("errors", ())
    except (ValueError, KeyError, TypeError):
        code, message, field, present, errors = "unknown", answer.text[:200], None, None, ()
    return ApiError(
        answer.status_code,
        code,
        message,
        field=field,
        present=present,
        retry_after_s=float(retry_after) if retry_after else None,
        errors=errors,
    )


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
