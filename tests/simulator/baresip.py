"""A real SIP phone (baresip) under control: it registers, rings, answers, holds, speaks from files, and is listened to.

async with Baresip("8001", "demo-8001", edge=("127.0.0.1", 5060), directory=tmp) as phone:
    call = await phone.rings()
    await call.answer()
    call.say(sentence)
    await call.hears(other_sentence)
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import time
import uuid
import wave
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.simulator import hearing
from tests.simulator.audio import RATE, Samples
from tests.simulator.hearing import Heard
from tests.simulator.network import ShapedNetwork
from tests.simulator.speech import as_samples
from tests.simulator.tail import Tail

MODULES: Final = {
    "module": ("uuid", "g711", "aufile", "sndfile"),
    "module_tmp": ("account",),
    "module_app": ("ctrl_tcp", "menu"),
}
CODERS: Final = {"G722": "g722", "opus": "opus"}  # modules of codecs beyond G.711
LONG_S: Final = 300  # baresip hangs up at the end of its source file: silence until then
RTP_PORTS: Final = (40000, 59998)  # baresip takes any free one
ON_DIED: Final = ("setpriv", "--pdeathsig", "KILL", "--")  # it ends with us, whatever we die of
START_S: Final = 10.0
STOP_S: Final = 5.0


class PhoneError(Exception):
    """The phone did not do what it was told; its last words stand in the text."""


class PhoneCall:
    """One call of the phone. `times`: incoming or dialled, ringing (heard by who dialled), answered, ended."""

    def __init__(self, phone: Baresip, id: str, number: str, incoming: bool) -> None:
        self.phone, self.id, self.number, self.incoming = phone, id, number, incoming
        self.times: dict[str, float] = {"incoming" if incoming else "dialled": time.time()}
        self.why = ""  # what the phone said at the end
        self.ear, self.mouth = Tail(), Tail()  # decoded: what it heard; before encoding: what it said
        self._news = asyncio.Event()

    def __repr__(self) -> str:
        return f"<PhoneCall {self.phone.ext} {self.number} {', '.join(self.times)} {self.why}>"

    @property
    def heard(self) -> Samples:
        """All that the phone has decoded, one frame after another: silence on the wire leaves no trace here."""
        return self.ear.heard_since(0)

    @property
    def heard_s(self) -> float:
        return self.ear.length / RATE

    async def answer(self) -> PhoneCall:
        """Returns when the call is established."""
        await self.phone.command("accept")
        return await self.answered()

    async def answered(self, within_s: float = 10.0) -> PhoneCall:
        """Raises PhoneError when it ends instead, TimeoutError."""
        await self._until("answered", within_s)
        if "answered" not in self.times:
            raise PhoneError(f"{self} has ended: {self.why}")
        return self

    async def ended(self, within_s: float = 10.0) -> PhoneCall:
        return await self._until("ended", within_s)

    async def hang_up(self) -> None:
        """An answered call gets BYE, a ringing one is rejected (486)."""
        if "ended" not in self.times:
            await self.phone.command("hangup")
            await self.ended()

    async def hold(self) -> None:
        await self.phone.command("hold")

    async def resume(self) -> None:
        await self.phone.command("resume")

    async def say(self, samples: Samples | int) -> None:
        """Samples once, or a tone that goes on; replaces what was being said."""
        goes_on = isinstance(samples, int)
        await self.phone.command("ausrc", f"aufile,{self.phone.sound(as_samples(samples), goes_on)}")

    async def send_digits(self, digits: str) -> None:
        for digit in digits:
            await self.phone.command("sndcode", digit)

    async def hears(self, known: Samples | int, within_s: float = 10.0, *, since: float = 0.0, name: str = "") -> Heard:
        """Waits until the phone has heard it, by content. Raises hearing.NotHeard."""
        return await hearing.hears(self.ear, known, within_s, since=since, name=name)

    async def says(self, known: Samples | int, within_s: float = 10.0, *, since: float = 0.0) -> Heard:
        """Waits until the phone has taken it up to send it: when that was."""
        return await hearing.hears(self.mouth, known, within_s, since=since)

    async def _until(self, what: str, within_s: float) -> PhoneCall:
        async with asyncio.timeout(within_s):
            while what not in self.times and "ended" not in self.times:
                await self._news.wait()
        return self

    def note(self, what: str) -> None:
        self.times.setdefault(what, time.time())
        news, self._news = self._news, asyncio.Event()
        news.set()


class Baresip:
    """`answer_after_s`: it answers by itself so long after it began to ring; None: when it is told."""

    def __init__(
        self,
        ext: str,
        password: str,
        *,
        edge: tuple[str, int],
        directory: Path,
        ports: Iterable[int],
        answer_after_s: float | None = None,
        codecs: tuple[str, ...] = ("PCMA", "PCMU"),
        transport: str = "udp",
        authority: Path | None = None,
        network: ShapedNetwork | None = None,
        outbound: bool = False,
        srtp: bool = False,
    ) -> None:
        """`srtp`: it takes and makes no call without (RFC 4568).

        `transport`: udp, tcp or tls (then `edge` is its TLS port, and `authority` whose certificates it trusts).

        `network`: it stands at the phone's end of that; `outbound`: it keeps its connection alive by RFC 5626.
        """
        self.ext, self.edge, self.directory = ext, edge, directory / f"phone-{ext}"
        self.answer_after_s = answer_after_s
        self.calls: list[PhoneCall] = []
        self._password, self._codecs = password, codecs
        self._transport, self._authority = transport, authority
        self._network, self._outbound, self._srtp = network, outbound, srtp
        self._ports = ports
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._arrived = asyncio.Event()
        self._taken = 0

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # -- its life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Returns when it is registered. Raises PhoneError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        control_port = _free(self._ports)
        self._configure(control_port)
        with (self.directory / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(*ON_DIED, *self._at, "baresip", "-f", str(self.directory)),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory,
            )  # fmt: skip
        try:
            async with asyncio.timeout(START_S):
                reader = await self._connected(control_port)
                self._spawn(self._read(reader))
                await self._registered()
        except (TimeoutError, OSError) as error:
            raise PhoneError(f"phone {self.ext} does not start: {error!r}; {self.last_words()}") from error

    async def stop(self) -> None:
        """Unregisters and ends."""
        await self._end(kill=False)

    async def kill(self) -> None:
        """Gone without a word: its registration stays."""
        await self._end(kill=True)

    async def _end(self, kill: bool) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            if kill:
                process.kill()
            else:
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
        for call in self.calls:
            if "ended" not in call.times:
                self._over(call, "the phone was stopped")

    def last_words(self) -> str:
        log = self.directory / "log"
        return " / ".join(log.read_text(errors="replace").splitlines()[-3:]) if log.exists() else "no log"

    @property
    def _at(self) -> tuple[str, ...]:
        return self._network.at_phone if self._network else ()

    @property
    def _address(self) -> str:
        return self._network.phone if self._network else "127.0.0.1"

    def _configure(self, control_port: int) -> None:
        account = {
            "auth_user": self.ext,
            "auth_pass": self._password,
            "answermode": "manual",
            "regint": "600",
            "audio_codecs": ",".join(_spelt(codec) for codec in self._codecs),
        }
        if self._srtp:
            account["mediaenc"] = "srtp-mand"
        host, port = self.edge
        if self._outbound:
            account |= {"sipnat": "outbound", "outbound": f'"sip:{host}:{port};transport={self._transport}"'}
        parameters = ";".join(f"{key}={value}" for key, value in account.items())
        (self.directory / "accounts").write_text(
            f"<sip:{self.ext}@{host}:{port};transport={self._transport}>;{parameters}\n"
        )
        config = {
            "net_interface": self._address,
            "sip_listen": f"{self._address}:0",  # any ports; a given one would also take the next for TLS
            "call_local_timeout": "600",
            "call_max_calls": "1",  # a second caller gets 486
            "audio_source": f"aufile,{self.sound(as_samples(b''))}",
            "audio_srate": str(RATE),
            "audio_channels": "1",
            "ausrc_srate": str(RATE),
            "auplay_srate": str(RATE),
            "rtp_ports": "{}-{}".format(*RTP_PORTS),
            "jitter_buffer_delay": "2-5",  # packets
            "ctrl_tcp_listen": f"127.0.0.1:{control_port}",
            **({"sip_cafile": str(self._authority)} if self._authority else {}),
            "snd_path": str(self.directory),
            "module_path": "/usr/lib/baresip/modules",
        }
        (self.directory / "uuid").write_text(str(uuid.uuid4()))  # who it is, RFC 5626 §4.1
        lines = [f"{key} {value}" for key, value in config.items()]
        lines += [f"{kind} {name}.so" for kind, names in MODULES.items() for name in names]
        lines += ["module srtp.so"] if self._srtp else []
        lines += [f"module {module}.so" for codec, module in CODERS.items() if codec in self._codecs]
        (self.directory / "config").write_text("\n".join(lines) + "\n")

    async def _connected(self, port: int) -> asyncio.StreamReader:
        while True:
            assert self._process is not None
            if self._process.returncode is not None:
                raise PhoneError(f"phone {self.ext} has ended: {self.last_words()}")
            try:
                if self._network is None:
                    reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
                else:
                    reader, self._writer = await asyncio.open_connection(
                        sock=self._network.connect(("127.0.0.1", port))
                    )
                return reader
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)

    async def _registered(self) -> None:
        """Its first REGISTER is out before anybody can listen to its events, so it is asked."""
        while "OK" not in await self.command("reginfo"):  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.05)

    # -- calls --------------------------------------------------------------------------------------------------------

    async def rings(self, within_s: float = 10.0) -> PhoneCall:
        """The next incoming call that nobody has been given yet."""
        async with asyncio.timeout(within_s):
            while True:
                incoming = [call for call in self.calls if call.incoming]
                if len(incoming) > self._taken:
                    self._taken += 1
                    return incoming[self._taken - 1]
                await self._arrived.wait()

    async def dial(self, number: str) -> PhoneCall:
        before = len(self.calls)
        self._forget_dumps()  # now: what is answered at once is heard before its first event comes
        host, port = self.edge
        await self.command("dial", f"sip:{number}@{host}:{port};transport={self._transport}")
        async with asyncio.timeout(5):
            while len(self.calls) == before:
                await self._arrived.wait()
        return self.calls[-1]

    def sound(self, samples: Samples, goes_on: bool = False) -> Path:
        """A file that the phone can say: the samples, then silence (or the samples again) for longer than any call."""
        file = self.directory / f"say-{next(self._numbers)}.wav"
        with wave.open(str(file), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(RATE)
            if goes_on:
                out.writeframes(samples.tobytes() * (LONG_S * RATE // len(samples)))
            else:
                out.writeframes(samples.tobytes() + bytes(2 * RATE * LONG_S))
        return file

    # -- its control connection: JSON in netstrings --------------------------------------------------------------------

    async def command(self, command: str, params: str = "") -> str:
        """What it answers. Raises PhoneError when it says no."""
        if self._writer is None or self._process is None:
            raise PhoneError(f"phone {self.ext} is not running")
        token = str(next(self._numbers))
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[token] = answer
        text = json.dumps({"command": command, "params": params, "token": token}).encode()
        self._writer.write(b"%d:%s," % (len(text), text))
        try:
            async with asyncio.timeout(5):
                said = await answer
        except TimeoutError:
            raise PhoneError(f"phone {self.ext} does not answer {command!r}: {self.last_words()}") from None
        finally:
            del self._answers[token]
        if not said["ok"]:
            raise PhoneError(f"phone {self.ext} refused {command!r}: {said['data']}")
        return str(said["data"])

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                length = int((await reader.readuntil(b":"))[:-1])
                text = await reader.readexactly(length + 1)  # with the comma
                self._said(json.loads(text[:-1]))
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # it has ended; whoever waits for it finds out by its time limit

    def _said(self, message: Mapping[str, Any]) -> None:
        if "token" in message:
            answer = self._answers.get(message["token"])
            if answer is not None and not answer.done():
                answer.set_result(dict(message))
            return
        if "id" not in message:
            return
        call = next((call for call in self.calls if call.id == message["id"]), None)
        if call is None:  # of one that it dials, an event about the SDP is the first
            call = PhoneCall(self, message["id"], _user(message["peeruri"]), message["direction"] == "incoming")
            self._new(call)
        match message["type"]:
            case "CALL_RINGING":
                call.note("ringing")
            case "CALL_ESTABLISHED":
                call.note("answered")
                self._spawn(self._listen(call))
            case "CALL_CLOSED":
                self._over(call, message.get("param", ""))

    def _new(self, call: PhoneCall) -> None:
        if call.incoming:
            self._forget_dumps()
        self.calls.append(call)
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()
        if call.incoming and self.answer_after_s is not None:
            self._spawn(self._answer(call, self.answer_after_s))

    def _forget_dumps(self) -> None:
        """Of the call before; who listens to it still has them open."""
        for dump in self.directory.glob("dump-*.wav"):
            dump.unlink()

    async def _answer(self, call: PhoneCall, after_s: float) -> None:
        await asyncio.sleep(after_s)
        if "ended" not in call.times:
            await self.command("accept")

    async def _listen(self, call: PhoneCall) -> None:
        """Open what its sndfile module writes: …-dec.wav is what it hears, …-enc.wav what it says."""
        while "ended" not in call.times:
            found = {kind: next(self.directory.glob(f"dump-*-{kind}.wav"), None) for kind in ("dec", "enc")}
            for kind, tail in (("dec", call.ear), ("enc", call.mouth)):
                file = found[kind]
                if file is not None and not tail.is_open:
                    tail.open(file)
                    self._spawn(tail.follow())
            if call.ear.is_open and call.mouth.is_open:
                return
            await asyncio.sleep(0.005)

    def _over(self, call: PhoneCall, why: str) -> None:
        call.why = why
        call.ear.finish()
        call.mouth.finish()
        call.note("ended")

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _spelt(codec: str) -> str:
    """As baresip names it: rate and channels of its own."""
    return {"opus": "opus/48000/2", "G722": "G722/16000/1"}.get(codec, f"{codec}/8000/1")


def _user(uri: str) -> str:
    return uri.partition(":")[2].partition("@")[0]


def _free(ports: Iterable[int]) -> int:
    """The first TCP port that nobody listens at."""
    for port in ports:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise PhoneError("no free port for another phone")
