"""`python -m lcall_web`: the pages on LCALL_WEB_LISTEN, by HTTPS on LCALL_WEB_TLS."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lcall_web.app import create_app
from lcall_web.common.context import Places
from lq import process, serving, telemetry


def main() -> None:
    process.log_to_stderr("web")
    listen = process.variable("LCALL_WEB_LISTEN")
    token_file = Path(process.variable("LCALL_SDK_TOKEN_FILE"))
    if not token_file.is_file() or not (token := token_file.read_text(encoding="utf-8").strip()):
        sys.exit(f"web: there is no token in {token_file}")
    places = Places(
        process.variable("LCALL_POSTGRES_DSN"),
        process.variable("LCALL_API"),
        token,
        edge=dict(each.split(":") for each in os.environ.get("LCALL_EDGE", "").split()),
        authority=Path(os.environ.get("LCALL_TLS", "")) / "ca.crt",
        open_demo=os.environ.get("LCALL_DEMO", "") == "open",
    )
    telemetry.serve()
    serving.run(create_app(places), listen, os.environ.get("LCALL_WEB_TLS", ""))


if __name__ == "__main__":
    main()
