"""/v1/events: what happened, from an event on; as a list, or as a WebSocket that replays and then goes on live."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from sanic import Request
from sanic.response import HTTPResponse
from sanic.response import json as json_response
from sanic.server.protocols.websocket_protocol import WebSocketProtocol
from sanic.server.websockets.impl import WebsocketImplProtocol
from websockets.exceptions import ConnectionClosed

from lq.api import context, reading
from lq.api.errors import Refusal, malformed
from lq.api.feed import Feed, place
from lq.api.history import HistoryAway
from lq.ledger.events import Event
from lq.ledger.projection import rfc3339
from lq.live.errors import LiveUnavailable

CLIENTS: Final = 500
PATIENCE_S: Final = 10.0  # with a client that does not take what is sent
GOING_AWAY: Final = 1001  # RFC 6455 §7.4.1
TRY_AGAIN: Final = 1013  # RFC 6455 §7.4, IANA registry: the client may come again

TOPICS: Final[Mapping[str, tuple[str, ...]]] = {
    "agents": ("agent_",),
    "queues": ("queue_",),
    "contacts": ("contact_", "leg_"),
    "recordings": ("recording_",),
    "phones": ("phone_",),
    "trunks": ("trunk_",),
}
TIMES: Final = ("since", "started_at")  # keys of `data` that are times: ms in the ledger, RFC 3339 outside

Wanted = Callable[[Event], bool]


def event_json(event: Event) -> dict[str, Any]:
    data = {key: rfc3339(value) if key in TIMES and value else value for key, value in event.data.items()}
    return {
        **{"id": event.id, "v": event.v, "type": event.type, "at": rfc3339(event.at)},
        **{"subject": event.subject, "seq": event.seq, "data": data},
    }


async def events(request: Request) -> HTTPResponse | None:
    """One path for both: a WebSocket begins as a GET (RFC 6455 §4.1)."""
    wanted, after = _topics(request), _after(request)
    if request.headers.get("upgrade", "").lower() == "websocket":
        await _websocket(request, wanted, after)
        return None
    return json_response(await _listing(request, wanted, after))


events.is_websocket = True  # type: ignore[attr-defined]  # Sanic: no response is right, when the socket was upgraded


def _topics(request: Request) -> Wanted:
    names = [name for name in reading.parameter(request, "topics").split(",") if name]
    for name in names:
        if name not in TOPICS:
            raise malformed("topics", f"one or more of {', '.join(TOPICS)} is expected")
    prefixes = tuple(prefix for name in names for prefix in TOPICS[name])
    return lambda event: not prefixes or event.type.startswith(prefixes)


def _after(request: Request) -> str:
    after = reading.parameter(request, "after")
    try:
        if after:
            place(after)
    except ValueError as error:
        raise malformed("after", "the id of an event is expected") from error
    return after


async def _listing(request: Request, wanted: Wanted, after: str) -> dict[str, Any]:
    """`next` is always there: what happens later comes after it."""
    feed = context.of(request).feed
    if not after:
        return {"items": [], "next": await feed.last()}
    page = await feed.page(after, reading.limit(request))
    return {"items": [event_json(event) for event in page if wanted(event)], "next": page[-1].id if page else after}


async def _websocket(request: Request, wanted: Wanted, after: str) -> None:
    clients: set[object] = request.app.ctx.sockets
    if len(clients) >= CLIENTS:
        raise Refusal(503, "busy", "too many event streams", retry_after_s=5)
    feed = context.of(request).feed
    after = after or await feed.last()
    assert request.transport is not None
    protocol = request.transport.get_protocol()
    assert isinstance(protocol, WebSocketProtocol)
    socket = await protocol.websocket_handshake(request)
    serving = asyncio.create_task(_serve(socket, feed, wanted, after))
    clients.add(serving)
    request.app.websocket_tasks.add(serving)  # these Sanic cancels before it stops
    try:
        await serving
    except asyncio.CancelledError:
        serving.cancel()
        socket.end_connection(GOING_AWAY)  # the request ends well: its connection is all that there was to it
    finally:
        clients.discard(serving)
        request.app.websocket_tasks.discard(serving)


async def _serve(socket: WebsocketImplProtocol, feed: Feed, wanted: Wanted, after: str) -> None:
    """Sends until the client goes; what he says is not listened to."""
    sending = asyncio.create_task(_send(socket, feed, wanted, after))
    listening = asyncio.create_task(_listen(socket))
    try:
        done, _ = await asyncio.wait({sending, listening}, return_when=asyncio.FIRST_COMPLETED)
        errors = [error for task in done if (error := task.exception()) is not None]
    finally:
        for task in (sending, listening):
            task.cancel()
        await asyncio.gather(sending, listening, return_exceptions=True)
    for error in errors:
        if isinstance(error, (LiveUnavailable, HistoryAway, TimeoutError)):
            await socket.close(TRY_AGAIN, str(error)[:100])
        elif not isinstance(error, ConnectionClosed):
            raise error


async def _send(socket: WebsocketImplProtocol, feed: Feed, wanted: Wanted, after: str) -> None:
    while True:
        page = await feed.page(after)
        for event in page:
            if wanted(event):
                async with asyncio.timeout(PATIENCE_S):
                    await socket.send(json.dumps(event_json(event), ensure_ascii=False))
        if page:
            after = page[-1].id
        else:
            await feed.newer_than(after)


async def _listen(socket: WebsocketImplProtocol) -> None:
    while await socket.recv() is not None:
        continue
