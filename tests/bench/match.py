"""What a pairing costs in Redis with 100, 1,000 and 10,000 ready agents, beside a bare FCALL that does nothing.

    python -m tests.bench.match [pairs]

One pairing is two calls: an `ask` that gets the longest idle agent, and the `commit` that releases him to the end of
the line. Time of Redis's own processor, read from INFO, so that the machine's other work does not count; the clock
beside it. It must not grow with the agents (R6): log n, and nothing is scanned.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from redis import Redis

from lq.live import keys, library
from tests.integration.live.center import open_at_once, start_redis, stop

AGENTS: Final = (100, 1_000, 10_000)
PAIRS: Final = 2_000
NOTHING: Final = """#!lua name=nothing
redis.register_function('nothing', function(keys, args) return args[1] end)"""


@dataclass(frozen=True, slots=True)
class Cost:
    processor_us: float
    clock_us: float


class Server:
    def __init__(self, url: str) -> None:
        self.redis: Any = Redis.from_url(url, decode_responses=True)

    def call(self, function: str, **request: Any) -> dict[str, Any]:
        return dict(json.loads(self.redis.fcall(function, 1, keys.TAG, json.dumps(request))))

    def processor_s(self) -> float:
        used = self.redis.info("cpu")
        return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])

    def measured(self, n: int, act: Any) -> Cost:
        before, began = self.processor_s(), time.perf_counter()
        for _ in range(n):
            act()
        return Cost((self.processor_s() - before) / n * 1e6, (time.perf_counter() - began) / n * 1e6)

    def staff(self, agents: int, already: int) -> None:
        for n in range(already, agents):
            phone = f"p{n}"
            self.call("phone", phone=phone, registered=True, expires_ms=86_400_000)
            self.call("agent", agent=f"a{n}", op="sign_in", phone=phone, lanes={"sales": 0, f"agent:a{n}": 0})

    def pairing(self) -> None:
        answer = self.call("ask", contact="c", request="r", lanes={"sales": 0}, lease_ms=20_000)["reserved"]
        op = {"agent": answer["agent"], "fence": answer["reservation"], "op": "release", "outcome": "answered"}
        done = self.call("commit", contact="c", node="n", epoch=1, snapshot="{}", agents=[{**op, "wrap_up_ms": 0}])
        assert done["agents"][0]["ok"]
        if self.redis.xlen(keys.EVENTS) > 50_000:
            self.redis.delete(keys.EVENTS)


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    with tempfile.TemporaryDirectory() as directory:
        process, url = start_redis(Path(directory))
        try:
            server = Server(url)
            open_at_once(url)
            server.redis.function_load(library.render(), replace=True)
            server.redis.function_load(NOTHING)
            server.call("commit", contact="c", node="n", epoch=1, snapshot="{}")
            body = json.dumps({"contact": "c", "request": "r", "lanes": {"sales": 0}, "lease_ms": 20_000})
            floor = server.measured(2 * pairs, lambda: server.redis.fcall("nothing", 1, keys.TAG, body))
            print(f"{'agents':>8}  {'processor µs a call':>20}  {'clock µs a call':>16}  {'x floor':>8}")
            print(f"{'(floor)':>8}  {floor.processor_us:20.1f}  {floor.clock_us:16.1f}  {1:8.2f}")
            already = 0
            for agents in AGENTS:
                server.staff(agents, already)
                already = agents
                cost = server.measured(pairs, server.pairing)
                each = Cost(cost.processor_us / 2, cost.clock_us / 2)
                ratio = each.processor_us / floor.processor_us
                print(f"{agents:8}  {each.processor_us:20.1f}  {each.clock_us:16.1f}  {ratio:8.2f}")
        finally:
            stop(process)


if __name__ == "__main__":
    main()
