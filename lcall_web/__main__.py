"""`python -m lcall_web`: the pages on LCALL_WEB_LISTEN."""

from __future__ import annotations

import sys
from pathlib import Path

from lcall_web.app import create_app
from lcall_web.common.context import Places
from lq import process, telemetry


def main() -> None:
    process.log_to_stderr("web")
    host, _, port = process.variable("LCALL_WEB_LISTEN").rpartition(":")
    token_file = Path(process.variable("LCALL_SDK_TOKEN_FILE"))
    if not token_file.is_file() or not (token := token_file.read_text(encoding="utf-8").strip()):
        sys.exit(f"web: there is no token in {token_file}")
    places = Places(process.variable("LCALL_POSTGRES_DSN"), process.variable("LCALL_API"), token)
    telemetry.serve()
    create_app(places).run(host=host, port=int(port), single_process=True, motd=False, access_log=False)


if __name__ == "__main__":
    main()
