"""The list of alarms in a terminal, from the process that keeps it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any, Final

from ops.home import HomeError
from ops.screen import table
from ops.services import Instance, metrics_address

WITHIN_S: Final = 3.0
SEVERITIES: Final = {"critical": "严重 critical", "major": "主要 major", "minor": "次要 minor"}


def read(center: Instance) -> list[dict[str, Any]]:
    """Worst first. Raises HomeError when nobody looks."""
    url = f"http://{metrics_address(center, 'watch')}/alarms"
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=WITHIN_S) as answer:
            found: list[dict[str, Any]] = json.load(answer)["items"]
    except (OSError, ValueError, KeyError) as error:
        raise HomeError(f"没有人在监视 nobody looks: the process watch does not answer ({error})") from error
    return found


def shown(found: Sequence[dict[str, Any]]) -> str:
    if not found:
        return "没有告警 no alarms"
    rows = [
        (SEVERITIES[alarm["severity"]], alarm["about"], _age(alarm["since"]), f"{alarm['zh']} {alarm['en']}")
        for alarm in found
    ]
    text = table(("级别 severity", "对象 about", "时长 for", "告警 alarm"), rows)
    helps = {f"{alarm['zh']}: {alarm['do_zh']} {alarm['do_en']}" for alarm in found}
    return "\n".join([text, "", *(f"→ {line}" for line in sorted(helps))])


def _age(since: int) -> str:
    seconds = max(0, int(time.time() - since / 1000))
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
