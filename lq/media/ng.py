"""rtpengine's ng protocol: bencoded dictionaries over UDP, and over TCP the notifications of pressed keys.

A command is repeated with the same cookie, which rtpengine answers from its cache: a repeat never acts twice. Cookies
are unique over all processes and starts: a cookie seen before is answered with the old answer, whatever is asked.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog
from fastbencode import bdecode, bencode  # type: ignore[attr-defined]

log = structlog.get_logger()

TIMEOUT_S: Final = 1.0
TRIES: Final = 3
RECONNECT_S: Final = 0.1  # a key pressed meanwhile is not heard
KEEPALIVE: Final = {
    socket.TCP_KEEPIDLE: 5,
    socket.TCP_KEEPINTVL: 2,
    socket.TCP_KEEPCNT: 3,
}  # a host that vanished: 11 s
DEEPEST: Final = 16  # of nested values; rtpengine's answers have six
MAX_BUFFER: Final = 1 << 20
INJECTED_VOLUME: Final = 63  # what rtpengine logs for an event that it injected itself

Address = tuple[str, int]


class MediaError(Exception):
    """rtpengine did not do it."""


class MediaRefused(MediaError):
    """rtpengine said no; the text is its reason."""


class MediaUnavailable(MediaError):
    """rtpengine does not answer."""


def _bytes(value: Any) -> Any:
    """Text to bytes all the way down, as the wire wants it."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, Mapping):
        return {_bytes(key): _bytes(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_bytes(item) for item in value]
    return value


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, dict):
        return {_text(key): _text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_text(item) for item in value]
    return value


def encode(message: Mapping[str, Any]) -> bytes:
    return bytes(bencode(_bytes(message)))


def decode(data: bytes) -> dict[str, Any]:
    """Raises ValueError on anything that is not one bencoded dictionary."""
    try:
        value, end = _value(data, 0)
    except IndexError as error:
        raise ValueError("cut off") from error
    if end != len(data) or not isinstance(value, dict):
        raise ValueError("not one dictionary")
    return dict(_text(value))


def _value(data: bytes, at: int, depth: int = 0) -> tuple[Any, int]:
    """The value that begins at `at` and where it ends. rtpengine does not sort its keys, so bdecode reads only leaves.

    Raises ValueError when it is malformed, IndexError when it is not all there.
    """
    kind = data[at]
    if depth > DEEPEST:
        raise ValueError("nested too deeply")
    if kind in b"ld":
        items, at = [], at + 1
        while data[at] != ord("e"):
            item, at = _value(data, at, depth + 1)
            items.append(item)
        if kind == ord("d"):
            if len(items) % 2 or not all(isinstance(key, bytes) for key in items[::2]):
                raise ValueError("bad dictionary")
            return dict(zip(items[::2], items[1::2], strict=True)), at + 1
        return items, at + 1
    end = data.find(b"e" if kind == ord("i") else b":", at, at + 24)
    if end < 0:
        if len(data) - at < 24:
            raise IndexError("more is to come")
        raise ValueError("no end of a number")
    if kind == ord("i"):
        return bdecode(data[at : end + 1]), end + 1
    length = data[at:end]
    if not length.isdigit():
        raise ValueError("bad length")
    stop = end + 1 + int(length)
    if stop > len(data):
        raise IndexError("more is to come")
    return data[end + 1 : stop], stop


async def at_once() -> None:
    pass


class Ng(asyncio.DatagramProtocol):
    """Commands to one rtpengine."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._boot = secrets.token_hex(6)
        self._count = 0
        self._waiting: dict[bytes, asyncio.Future[dict[str, Any]]] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._closed = asyncio.Event()
        self.passed: Callable[[], Awaitable[None]] = at_once  # returns when this node may act (lq/pulse.py)

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, remote_addr=self.address)

    async def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            await self._closed.wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        cookie, _, body = data.partition(b" ")
        waiting = self._waiting.get(cookie)
        if waiting is None or waiting.done():
            return
        try:
            waiting.set_result(decode(body))
        except ValueError as error:
            waiting.set_exception(MediaRefused(f"unreadable answer: {error}"))

    def error_received(self, exc: Exception) -> None:
        log.debug("ng socket", error=str(exc))  # nobody listens: the repeats tell

    async def __call__(self, command: str, **fields: Any) -> dict[str, Any]:
        """One command; its keys are given as rtpengine spells them. Raises MediaRefused, MediaUnavailable."""
        return await self._ask(command, fields, TRIES, TIMEOUT_S)

    async def ping(self, within_s: float) -> None:
        """Asked once. Raises MediaUnavailable."""
        await self._ask("ping", {}, 1, within_s)

    async def _ask(self, command: str, fields: Mapping[str, Any], tries: int, timeout_s: float) -> dict[str, Any]:
        if self._transport is None:
            raise MediaUnavailable("not started")
        self._count += 1
        cookie = f"{self._boot}_{self._count}".encode()
        data = cookie + b" " + encode({"command": command, **fields})
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[cookie] = future
        try:
            for _ in range(tries):
                await self.passed()
                self._transport.sendto(data)
                done, _ = await asyncio.wait((future,), timeout=timeout_s)
                if done:
                    break
            else:
                raise MediaUnavailable(f"rtpengine at {self.address} does not answer {command!r}")
        finally:
            del self._waiting[cookie]
        answer = future.result()
        if answer.get("result") not in ("ok", "pong"):
            raise MediaRefused(f"{command}: {answer.get('error-reason', answer.get('result'))}")
        return answer


class Keys:
    """Pressed keys of every leg, over one TCP connection that is kept up. Each key is told once.

    `on_key(call_id, key, duration_ms)` hears keys that a phone pressed (tag L), not those that we injected.
    """

    NAMES: Final = "0123456789*#ABCD"

    def __init__(
        self, address: Address, on_key: Callable[[str, str, int], None], on_again: Callable[[], None] = lambda: None
    ) -> None:
        """`on_again()`: the connection stands again after it was lost: rtpengine may have been restarted."""
        self._address, self._on_key, self._on_again = address, on_key, on_again
        self._task: asyncio.Task[None] | None = None
        self._lost = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep_up(), name="rtpengine keys")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep_up(self) -> None:
        while True:
            try:
                await self._listen()
                self._is_lost("closed by rtpengine")
            except (OSError, ValueError) as error:
                self._is_lost(str(error))
            await asyncio.sleep(RECONNECT_S)

    async def _listen(self) -> None:
        reader, writer = await asyncio.open_connection(*self._address)
        try:
            _keep_alive(writer.get_extra_info("socket"))
            # rtpengine tells those who have said something
            writer.write(f"{secrets.token_hex(6)} ".encode() + encode({"command": "ping"}))
            if self._lost:
                self._lost = False
                log.info("notifications of rtpengine come again", address=self._address)
                self._on_again()
            await self._read(reader)
        finally:
            writer.close()

    def _is_lost(self, error: str) -> None:
        """Said once, not ten times a second."""
        if not self._lost:
            self._lost = True
            log.warning("notifications of rtpengine broken off", address=self._address, error=error)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """`<cookie> <dictionary>` after another, without any length: each is read as far as its own end."""
        buffer = b""
        while data := await reader.read(65536):
            buffer += data
            while (space := buffer.find(b" ")) >= 0:
                try:
                    value, end = _value(buffer, space + 1)
                except IndexError:
                    break
                buffer = buffer[end:]
                self._told(_text(value))
            if len(buffer) > MAX_BUFFER:
                raise ValueError("a notification without an end")

    def _told(self, message: Any) -> None:
        if not isinstance(message, dict) or message.get("notify") != "onDTMF":
            return
        data = message.get("data")
        if not isinstance(data, dict) or data.get("source_tag") != "L" or data.get("volume") == INJECTED_VOLUME:
            return
        event, duration = data.get("event"), data.get("duration")
        if isinstance(event, int) and 0 <= event < len(self.NAMES):
            self._on_key(str(data.get("callid")), self.NAMES[event], duration if isinstance(duration, int) else 0)


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
