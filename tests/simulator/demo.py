"""The demonstration call: a caller of an E1 gateway and a real SIP phone go through a running center.

`python -m tests.simulator.demo [--json]` with the environment that `lcall call` and `make run` give. Exit status 0 if
every step was seen and heard, else 1 with one sentence.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import json
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lq.sdk import ApiError, ApiUnavailable
from ops import screen
from tests.simulator.baresip import PhoneError
from tests.simulator.call import CallEnded
from tests.simulator.demonstration import DemoError, Story, demonstrate
from tests.simulator.events import NotHappened
from tests.simulator.hearing import NotHeard
from tests.simulator.place import Place
from tests.simulator.registrar import NotRegistrar
from tests.simulator.speech import SpeechError

FAULTS = (
    *(ApiError, ApiUnavailable, CallEnded, DemoError, NotHappened, NotHeard, NotRegistrar, PhoneError, SpeechError),
    *(TimeoutError, OSError, asyncio.CancelledError),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the tables")
    as_json = parser.parse_args().json
    try:
        place = Place.of_environment()
    except (KeyError, OSError) as error:
        print(f"找不到呼叫中心 no center: {error!r}; start this as `lcall call`", file=sys.stderr)
        return 1
    story = Story()
    fault = asyncio.run(_told(place, story))
    show = _document if as_json else _tables
    print(show(place, story, fault), flush=True)
    return 1 if fault else 0


async def _told(place: Place, story: Story) -> str:
    """Runs the call; what went wrong, in a sentence, or nothing."""
    telling = asyncio.create_task(_tell(place, story))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, telling.cancel)
    try:
        await telling
    except FAULTS as error:
        return _sentence(error)
    return ""


async def _tell(place: Place, story: Story) -> None:
    with _alone(place), tempfile.TemporaryDirectory(prefix="lcall-demo-") as directory:
        await demonstrate(place, Path(directory), story)


@contextlib.contextmanager
def _alone(place: Place) -> Iterator[None]:
    """One demonstration at a time in a center."""
    with (place.home / "run" / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError("另一个演示呼叫正在进行 another demonstration call is going on here") from None
        yield


def _sentence(error: BaseException) -> str:
    match error:
        case asyncio.CancelledError():
            return "演示被中止 the demonstration was stopped"
        case ApiUnavailable():
            return f"LQ-SDK 无应答 LQ-SDK does not answer: {error}"
        case ApiError():
            return f"LQ-SDK 拒绝 LQ-SDK refused: {error}"
        case NotHeard():
            return f"没有听到 {error}"
        case NotHappened():
            return f"没有发生 {error}"
        case TimeoutError():
            return "超时 something did not happen in time"
        case _:
            return str(error) or type(error).__name__


# -- shown ------------------------------------------------------------------------------------------------------------


def _document(place: Place, story: Story, fault: str) -> str:
    document: dict[str, Any] = {
        "ok": not fault,
        **({"error": {"message": fault}} if fault else {}),
        "contact": story.contact,
        "caller": story.caller,
        "queue": story.queue,
        "agent": story.agent,
        "phone": story.phone,
        "steps": story.timeline.json(),
        "latency_ms": story.latency_ms,
        "recording": story.recording,
        "cdr": story.cdr,
        "web": _page(place, story),
    }
    return json.dumps(document, ensure_ascii=False, indent=1)


def _tables(place: Place, story: Story, fault: str) -> str:
    parts = [story.timeline.table()] if story.timeline.steps else []
    if story.latency_ms:
        words = {"caller_to_agent": "客户→坐席 caller to agent", "agent_to_caller": "坐席→客户 agent to caller"}
        delays = "   ".join(f"{words[way]} {delay:.0f} ms" for way, delay in story.latency_ms.items())
        parts.append(f"口到耳时延 mouth to ear    {delays}")
    if story.recording:
        length = f"{story.recording['duration_s']:.1f} s, 左 left: 客户 caller, 右 right: 坐席 agent"
        parts.append(f"录音 recording   {story.recording['path']}\n时长 length      {length}")
    if story.cdr:
        row = [(name, "-" if value is None else str(value)) for name, value in story.cdr.items()]
        parts.append(screen.table(("话单 CDR", ""), row))
    if fault:
        parts.append(f"演示呼叫失败 the demonstration call failed: {fault}")
    elif story.contact:
        parts.append(f"在网页上看 see it in the web  {_page(place, story)}   (admin / demo-admin)")
    return "\n\n".join(parts)


def _page(place: Place, story: Story) -> str:
    return f"http://127.0.0.1:{place.ports.web}/calls/{story.contact}"


if __name__ == "__main__":
    sys.exit(main())
