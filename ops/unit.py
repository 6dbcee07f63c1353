"""`lcall service`: the unit by which systemd starts a center at boot, the one that the environment describes."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ops import home
from ops.home import CHECKOUT
from ops.services import NAMES, TRACING

TEMPLATE: Final = Path(__file__).with_name("lcall.service")
OWN: Final = ("LCALL_ADDRESS", "LCALL_PORT_BASE", "LCALL_REDIS_MB", "LCALL_RTPENGINES", NAMES, *TRACING)


def unit(environ: Mapping[str, str] = os.environ) -> str:
    """Raises HomeError."""
    variables = {
        "LCALL_HOME": str(home.home(environ).path),
        "LCALL_DEMO": environ.get("LCALL_DEMO") or "none",  # only a new center looks at it
        **{name: environ[name] for name in OWN if environ.get(name)},
    }
    filled = {
        "@CHECKOUT@": _literally(str(CHECKOUT)),
        "@USER@": pwd.getpwuid(os.geteuid()).pw_name,
        "@ENVIRONMENT@": "\n".join(f'Environment="{name}={_literally(text)}"' for name, text in variables.items()),
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, value in filled.items():
        text = text.replace(name, value)
    return text


def warnings(environ: Mapping[str, str] = os.environ, user: int | None = None) -> list[str]:
    """What whoever asks for the unit should know of it, a sentence each. `user`: who it would run as."""
    found = []
    if not environ.get("LCALL_ADDRESS"):
        found.append("未设置 LCALL_ADDRESS is not set: no phone elsewhere would reach this center")
    if (os.geteuid() if user is None else user) == 0:
        found.append(
            "将以 root 运行 all of it but PostgreSQL would run as root: ask as a user of its own, "
            "see docs/operations.md, Start at boot"
        )
    return found


def _literally(text: str) -> str:
    """Inside quotation marks of a unit (systemd.syntax(7), systemd.unit(5): specifiers)."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
