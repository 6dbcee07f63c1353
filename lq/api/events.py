"""/v1/events: what happened, from an event on; as a list, or as a WebSocket that replays and then goes on live."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

from sanic import Request
from sanic.response import HTTPResponse
from sanic.response import json as json_response
from sanic.server.protocols.websocket_protocol import WebSocketProtocol
from sanic.server.websockets.impl import WebsocketImplProtocol
from websockets.exceptions import ConnectionClosed

from lq.api import access, contacts, context, reading
from lq.api.access import Sight
from lq.api.admission import PROTOCOL, REVOKED
from lq.api.errors import Refusal, malformed
from lq.api.feed import Feed, Page, place
from lq.api.history import HistoryAway
from lq.ledger.events import Event
from lq.ledger.shown import event_json
from lq.ledger.topics import TOPICS
from lq.live.errors import LiveUnavailable

PATIENCE_S: Final = 10.0  # with a client that does not take what is sent
NOT_ALLOWED: Final = 1008  # its token is no longer valid
GOING_AWAY: Final = 1001  # RFC 6455 §7.4.1
TRY_AGAIN: Final = 1013  # RFC 6455 §7.4, IANA registry: the client may come again


async def events(request: Request) -> HTTPResponse | None:
    """One path for both: a WebSocket begins as a GET (RFC 6455 §4.1)."""
    sight, after = _sight(request), _after(request)
    here, token = context.of(request), sight.access.token.id
    if request.headers.get("upgrade", "").lower() == "websocket":
        with here.streams.one(token):
            await _websocket(request, sight, after)
        return None
    with here.requests.one(token):
        return json_response(await _listing(request, sight, after))


events.is_websocket = True  # type: ignore[attr-defined]  # Sanic: no response is right, when the socket was upgraded


def _sight(request: Request) -> Sight:
    names = [name for name in reading.parameter(request, "topics").split(",") if name]
    for name in names:
        if name not in TOPICS:
            raise malformed("topics", f"one or more of {', '.join(TOPICS)} is expected")
    sees = access.of(request)

    async def find(contact: str) -> Mapping[str, Any] | None:
        try:
            return await contacts.found(request, contact)
        except Refusal as refusal:
            if refusal.status != 404:
                raise LiveUnavailable(refusal.message) from refusal
            return None

    return Sight(sees, sees.topics(names), find, context.of(request).leaders.hides)


def _after(request: Request) -> str:
    after = reading.parameter(request, "after")
    try:
        if after:
            place(after)
    except ValueError as error:
        raise malformed("after", "the id of an event is expected") from error
    return after


async def _listing(request: Request, sight: Sight, after: str) -> dict[str, Any]:
    """`next` is always there: what happens later comes after it."""
    feed = context.of(request).feed
    if not after:
        return {"items": [], "next": await feed.last()}
    page = await feed.page(after, reading.limit(request))
    return {"items": [event_json(event) for event in await _shown(feed, sight, page)], "next": page.upto}


async def _shown(feed: Feed, sight: Sight, page: Page) -> list[Event]:
    """Those of a page that he hears. Raises LiveUnavailable."""
    if page.events and not sight.access.has("supervise"):
        await feed.reached(page.events[-1].id)  # what they tell of leaders is known by then
    return [shown for event in page.events if (shown := await sight.shown(event)) is not None]


async def _websocket(request: Request, sight: Sight, after: str) -> None:
    here = context.of(request)
    listeners = here.admission.listeners
    after = after or await here.feed.last()
    assert request.transport is not None
    protocol = request.transport.get_protocol()
    assert isinstance(protocol, WebSocketProtocol)
    offered = request.headers.get("sec-websocket-protocol", "")
    spoken = [PROTOCOL] if PROTOCOL in (each.strip() for each in offered.split(",")) else None
    socket = await protocol.websocket_handshake(request, spoken)
    serving = asyncio.create_task(_serve(socket, here.feed, sight, after))
    listeners[serving] = sight.access.token
    request.app.websocket_tasks.add(serving)  # these Sanic cancels before it stops
    try:
        await serving
    except asyncio.CancelledError as ended:
        serving.cancel()
        # The request ends well: its connection is all that there was to it.
        socket.end_connection(NOT_ALLOWED if REVOKED in ended.args else GOING_AWAY)
    finally:
        listeners.pop(serving, None)
        request.app.websocket_tasks.discard(serving)


async def _serve(socket: WebsocketImplProtocol, feed: Feed, sight: Sight, after: str) -> None:
    """Sends until the client goes; what he says is not listened to."""
    sending = asyncio.create_task(_send(socket, feed, sight, after))
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


async def _send(socket: WebsocketImplProtocol, feed: Feed, sight: Sight, after: str) -> None:
    while True:
        arrival = feed.arrival()
        page = await feed.page(after)
        for event in await _shown(feed, sight, page):
            async with asyncio.timeout(PATIENCE_S):
                await socket.send(json.dumps(event_json(event), ensure_ascii=False))
        if page.upto == after:
            await arrival.wait()
        after = page.upto


async def _listen(socket: WebsocketImplProtocol) -> None:
    while await socket.recv() is not None:
        continue
