"""Sixty calls at once, E1 → menu → queue → phone → recorded, a hundred phones signed in: what each process costs.

    python -m tests.bench.sixty_calls [seconds [calls]]

Percent of one processor while the calls go on, beside the simulator (gateways, callers and phones, in one process).
Every call is judged: both voices at both ends and in the recording, no gap over 40 ms.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.center import Center, reserve
from tests.simulator import processors
from tests.simulator.load import Load, Report
from tests.simulator.place import Place

SECONDS = 120.0
CALLS = 60


async def measured(center: Center, seconds: float, calls: int) -> tuple[Report, dict[str, float], float]:
    """The report, and percent of a processor by service while the calls went on."""
    async with Load(Place.of(center), callers=calls, agents=100) as load:
        before, began, own = processors.used(center.home), time.monotonic(), processors.own()
        await load.run(seconds)
        took, after = time.monotonic() - began, processors.used(center.home)
        simulator = (processors.own() - own) / took * 100
        shares = {name: (after[name] - before.get(name, 0.0)) / took * 100 for name in after}
        return await load.judged(), shares, simulator


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    calls = int(sys.argv[2]) if len(sys.argv) > 2 else CALLS
    directory = Path(tempfile.mkdtemp(prefix="lcall-bench-"))
    directory.chmod(0o755)
    center = reserve(directory / "center")
    try:
        center.start(together_with=os.getpid())
        report, shares, simulator = asyncio.run(measured(center, seconds, calls))
    finally:
        center.stop()
        shutil.rmtree(directory)
    print(f"{calls} calls at once for {seconds:.0f} s on {os.cpu_count()} processors: {report}")
    for name, share in sorted(shares.items(), key=lambda pair: -pair[1]):
        print(f"{name:18} {share:6.1f} % of a processor, {share / calls:6.2f} % a call")
    print(f"{'(the simulator)':18} {simulator:6.1f} %")
    for fault in report.faults[:20]:
        print(f"fault: {fault}")
    return 1 if report.faults or report.dropped else 0


if __name__ == "__main__":
    sys.exit(main())
