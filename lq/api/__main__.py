"""`python -m lq.api`: the server of LQ-SDK on LCALL_API_LISTEN, by HTTPS on LCALL_API_TLS."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lq import process, serving, telemetry
from lq.api.app import create_app
from lq.api.context import Places


def main() -> None:
    process.log_to_stderr("api")
    listen = process.variable("LCALL_API_LISTEN")
    token_file = Path(process.variable("LCALL_SDK_TOKEN_FILE"))
    if not token_file.is_file() or not (token := token_file.read_text(encoding="utf-8").strip()):
        sys.exit(f"api: there is no token in {token_file}")
    places = Places(
        redis_url=process.variable("LCALL_REDIS_URL"),
        postgres_dsn=process.variable("LCALL_POSTGRES_DSN"),
        recordings=Path(process.variable("LCALL_RECORDINGS")),
        token=token,
        recorders=_recorders(),
        watch=os.environ.get("LCALL_WATCH", ""),
    )
    telemetry.serve()
    serving.run(create_app(places), listen, os.environ.get("LCALL_API_TLS", ""))


def _recorders() -> tuple[str, ...]:
    """Those of all rtpengine hosts; the one of this machine when nothing is said."""
    told = os.environ.get("LCALL_RECORDERS") or f"{process.variable('LCALL_HOME')}/run/recorder.sock"
    return tuple(address.strip() for address in told.split(",") if address.strip())


if __name__ == "__main__":
    main()
