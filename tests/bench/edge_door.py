"""The edge's door: what refusing costs, and whether its time tells known users from unknown ones.

    python -m tests.bench.edge_door [requests]

Processor time of Kamailio (all its processes, less what they use when idle) per request, for requests that go ever
further in: refused by the gate (503, native), by Python (400, 403), challenged (401), registered (200). The floor is a
bare Kamailio that answers every request 200. Then wrong passwords of known and of unknown users in turn.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.bench.start import KAMAILIO
from tests.integration.kamailio.edge import Edge, Message, Peer, credentials, edge
from tests.integration.live.center import documents, free_port

REQUESTS: Final = 400
TICKS: Final = os.sysconf("SC_CLK_TCK")


def processor_s(leader: int) -> float:
    """Of all processes of a process group."""
    used = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == leader:
            used += int(fields[11]) + int(fields[12])
    return used / TICKS


def cost_us(leader: int, times: int, once: Callable[[int], None], idle: float = 0.0) -> float:
    """`idle`: share of a processor that they use anyway."""
    before, began = processor_s(leader), time.monotonic()
    for n in range(times):
        once(n)
    used = processor_s(leader) - before - idle * (time.monotonic() - began)
    return used / times * 1e6


def idle_share(leader: int, for_s: float = 5.0) -> float:
    before, began = processor_s(leader), time.monotonic()
    time.sleep(for_s)
    return (processor_s(leader) - before) / (time.monotonic() - began)


def told(peer: Peer, request: str, *codes: int) -> Message:
    peer.send(request)
    answer = peer.final()
    assert answer.code in codes, answer.text
    return answer


def floor_us(times: int, directory: Path) -> float:
    port = free_port()
    (directory / "bare.cfg").write_text(KAMAILIO.format(port=port))
    words = [
        "kamailio",
        "-f",
        str(directory / "bare.cfg"),
        "-DD",
        "-E",
        "-Y",
        str(directory),
        "-P",
        str(directory / "p"),
    ]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    peer = Peer(("127.0.0.1", port))
    try:
        for _ in range(50):
            peer.send(peer.request("OPTIONS", "sip:x"))
            if not peer.is_left_alone(0.1):
                break
        return cost_us(process.pid, times, lambda n: void(told(peer, peer.request("OPTIONS", "sip:x"), 200)))
    finally:
        peer.close()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def void(_: object) -> None: ...


def costs(own: Edge, times: int) -> None:
    assert own.process is not None
    group = own.process.pid
    phone = own.peer("8001")
    assert phone.register("demo-8001").code == 200
    challenges: list[Message] = []

    def registered(n: int) -> None:
        if n % 100 == 0:  # a nonce serves 255 times
            challenges.append(told(phone, phone.request("REGISTER", "sip:lcall", to="<sip:8001@lcall>"), 401))
        line = credentials(challenges[-1], "8001", "demo-8001", "REGISTER", "sip:lcall", nc=n % 100 + 1)
        slow()
        told(phone, phone.request("REGISTER", "sip:lcall", to="<sip:8001@lcall>", headers=[line]), 200)

    def slow() -> None:
        time.sleep(0.003)  # below the limit of 400 a second for phones

    def one(request: Callable[[], str], *codes: int) -> Callable[[int], None]:
        def ask(n: int) -> None:
            slow()
            told(phone, request(), *codes)

        return ask

    idle = idle_share(group)
    print(f"  {'idle (it looks into Redis twice a second)':36} {idle:7.1%} of a processor")
    rows = {
        "malformed: 400 by Python": one(
            lambda: phone.request("OPTIONS", "sip:lcall").replace("Forwards: 70", "Forwards: 700"), 400
        ),
        "forbidden target: 403 by Python": one(lambda: phone.request("INVITE", "sip:x@acd.lq.internal"), 403),
        "challenged: 401": one(lambda: phone.request("REGISTER", "sip:lcall", to="<sip:8001@lcall>"), 401),
        "registered: 200, Redis told": registered,
    }
    for name, ask in rows.items():
        print(f"  {name:36} {cost_us(group, times, ask, idle):7.0f} µs of processor")
    burst = own.peer("x", "127.0.1.1")  # a trunk: 200 new requests a second
    refused = []

    def ask(n: int) -> None:
        burst.send(burst.request("OPTIONS", "sip:lcall"))
        refused.append(burst.final().code == 503)

    used = cost_us(group, times * 10, ask, idle)
    print(f"  {'refused by the gate: 503':36} {used:7.0f} µs ({sum(refused)} of {len(refused)}, the rest answered 200)")


def times_of_answers(own: Edge, times: int) -> None:
    """Wrong passwords, from a new address each few: nobody is locked."""
    took: dict[str, list[float]] = {"known": [], "unknown": []}
    for n in range(times):
        kinds = ["known", "unknown"]
        random.shuffle(kinds)
        for kind in kinds:
            peer = own.peer("8002" if kind == "known" else "7002", f"127.77.{n // 200}.{n % 200 + 1}")
            uri, to = "sip:lcall", f"<sip:{peer.name}@lcall>"
            challenge = told(peer, peer.request("REGISTER", uri, to=to), 401)
            line = credentials(challenge, peer.name, "wrong", "REGISTER", uri)
            request = peer.request("REGISTER", uri, to=to, headers=[line], cseq=2)
            began = time.perf_counter()
            told(peer, request, 403)
            took[kind].append((time.perf_counter() - began) * 1e6)
            own.peers.remove(peer)
            peer.close()
            own_unlock(own)
            time.sleep(0.012)  # below the limit of 200 requests a second
    for kind, values in took.items():
        q = statistics.quantiles(values, n=20)
        print(f"  wrong password, {kind:8} p25 {q[4]:6.0f}  p50 {q[9]:6.0f}  p75 {q[14]:6.0f} µs")
    both = sorted((value, kind) for kind, values in took.items() for value in values)
    ranks = sum(rank for rank, (_, kind) in enumerate(both, start=1) if kind == "known")
    u = ranks - times * (times + 1) / 2
    right = max(u / times**2, 1 - u / times**2)
    print(f"  an answer's time guesses right in {right:.1%} of pairs (50 %: it tells nothing)")


def own_unlock(own: Edge) -> None:
    """A name guessed from everywhere would be locked after fifty: forget the counts."""
    from tests.integration.kamailio.edge import rpc

    rpc(own, "htable.flush", "wrong")


async def main(times: int) -> None:
    with tempfile.TemporaryDirectory(prefix="lcall-bench-") as directory:
        home = Path(directory)
        print(f"  {'bare Kamailio: 200, the floor':36} {floor_us(times * 10, home):7.0f} µs of processor")
        with edge(home) as own:
            await own.publish(documents())
            own.start()
            costs(own, times)
            times_of_answers(own, times)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else REQUESTS))
