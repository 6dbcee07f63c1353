"""`python -m kamailio.render <directory>`: everything that one Kamailio needs, from the environment, checked.

Writes kamailio.cfg, edge.py (the script that it loads: this checkout's kamailio/kemi.py with its settings), an empty
dispatcher.list and an empty uacreg.db, and once $LCALL_HOME/kamailio/location.db and, where TLS or WSS is asked, the
certificates in $LCALL_HOME/tls. Then imports the script in the interpreter that Kamailio embeds, and exits 1 with one
sentence if it is broken, for Kamailio itself would start with it and fail at every call.

Environment: KAMAILIO_SIP, KAMAILIO_INTERNAL, optional KAMAILIO_TLS, KAMAILIO_WSS and with it KAMAILIO_WS (host:port
each; the last one without TLS, on loopback), LCALL_HOME, LCALL_REDIS_URL, optional KAMAILIO_NAMES (more names for the
certificate, comma-separated) and KAMAILIO_PROBE_S (seconds between OPTIONS to a gateway, 5). Start what was rendered
with `command()`.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kamailio import certificates

HERE: Final = Path(__file__).resolve().parent
INTERPRETER: Final = "/usr/bin/python3"  # what app_python3 embeds on Debian; a venv of another build lacks its modules
SCHEMAS: Final = Path("/usr/share/kamailio/db_sqlite")


class RenderError(Exception):
    """One sentence for the operator."""


def render(directory: Path, environ: Mapping[str, str]) -> None:
    """Write and check. Raises RenderError."""
    home = Path(_needed(environ, "LCALL_HOME")) / "kamailio"
    for folder in (directory, home):
        folder.mkdir(parents=True, exist_ok=True)
    location = home / "location.db"
    if not location.exists():
        _create_store(location, "usrloc-create.sql")
    if not (directory / "uacreg.db").exists():
        _create_store(directory / "uacreg.db", "uac-create.sql")
    tls, wss = environ.get("KAMAILIO_TLS", ""), environ.get("KAMAILIO_WSS", "")
    files = _certificate(environ) if tls or wss else (directory / "none", directory / "none")
    dispatcher = directory / "dispatcher.list"
    dispatcher.write_text("", encoding="utf-8")
    _write_private(directory / "edge.py", _script(environ, dispatcher))
    _write_private(directory / "kamailio.cfg", _configuration(directory, environ, location, tls, wss, *files))
    check(directory)


def command(directory: Path) -> list[str]:
    """How to run what `render` wrote, in the foreground; all its files stay in `directory`."""
    run = ["-Y", str(directory), "-w", str(directory)]
    return ["kamailio", "-f", str(directory / "kamailio.cfg"), "-DD", "-E", *run, "-m", "512", "-M", "16"]


def check(directory: Path) -> None:
    """Import the rendered script as Kamailio will. Raises RenderError."""
    checked = subprocess.run(
        [INTERPRETER, "-B", str(HERE / "check.py"), str(directory / "edge.py")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if checked.returncode != 0:
        raise RenderError(f"the edge script is broken: {checked.stderr.strip()}")


def _configuration(
    directory: Path, environ: Mapping[str, str], location: Path, tls: str, wss: str, certificate: Path, key: Path
) -> str:
    sip, internal = _needed(environ, "KAMAILIO_SIP"), _needed(environ, "KAMAILIO_INTERNAL")
    ws = environ.get("KAMAILIO_WS", "")
    asked = {"WITH_SECURE": bool(tls or wss), "WITH_TLS": bool(tls), "WITH_WSS": bool(wss), "WITH_WS": bool(wss and ws)}
    marks = {
        "DEFINES": "\n".join(f"#!define {name}" for name, is_asked in asked.items() if is_asked),
        "SIP": sip,
        "HOST": sip.rpartition(":")[0],
        "INTERNAL": internal,
        "INTERNAL_HOST": internal.rpartition(":")[0],
        "INTERNAL_PORT": internal.rpartition(":")[2],
        "RPC": str(directory / "rpc.sock"),
        "TLS": tls,
        "WSS": wss,
        "WS": ws,
        "MODULES": str(_modules()),
        "LOCATION": str(location),
        "UACREG": str(directory / "uacreg.db"),
        "DISPATCHER": str(directory / "dispatcher.list"),
        "PROBE_S": environ.get("KAMAILIO_PROBE_S", "5"),
        "CERTIFICATE": str(certificate),
        "PRIVATE_KEY": str(key),
        "SCRIPT": str(directory / "edge.py"),
    }
    text = (HERE / "kamailio.cfg").read_text(encoding="utf-8")
    for name, value in marks.items():
        text = text.replace(f"@{name}@", value)
    return text


def _script(environ: Mapping[str, str], dispatcher: Path) -> str:
    # the embedded interpreter knows neither this checkout nor its virtual environment
    path = [str(HERE.parent), sysconfig.get_path("purelib")]
    settings = {
        "internal": _needed(environ, "KAMAILIO_INTERNAL"),
        "outside": _needed(environ, "KAMAILIO_SIP"),
        "redis_url": _needed(environ, "LCALL_REDIS_URL"),
        "dispatcher_list": str(dispatcher),
        "memory": str(Path(_needed(environ, "LCALL_HOME")) / "kamailio" / "known.json"),
    }
    return f"""# rendered by kamailio/render.py
import sys

sys.path[:0] = {path!r}
sys.dont_write_bytecode = True

from kamailio.kemi import Edge, Settings


def mod_init():
    return Edge(Settings(**{settings!r}))
"""


def _create_store(path: Path, tables: str) -> None:
    made = path.with_suffix(".new")
    made.unlink(missing_ok=True)
    with sqlite3.connect(made) as database:
        database.execute("pragma journal_mode = wal")  # kept in the file: half the waiting for the disk
        for schema in ("standard-create.sql", tables):
            try:
                database.executescript((SCHEMAS / schema).read_text(encoding="utf-8"))
            except FileNotFoundError as error:
                raise RenderError(f"{error.filename} is missing: install kamailio-sqlite-modules") from error
    database.close()
    made.replace(path)


def _certificate(environ: Mapping[str, str]) -> tuple[Path, Path]:
    try:
        return certificates.ensure(Path(_needed(environ, "LCALL_HOME")) / "tls", certificates.names_of(environ))
    except certificates.CertificateError as error:
        raise RenderError(str(error)) from error


def _modules() -> Path:
    found = sorted(Path("/usr/lib").glob("*/kamailio/modules"))
    if not found:
        raise RenderError("Kamailio's modules are not under /usr/lib: install kamailio")
    return found[0]


def _write_private(path: Path, text: str) -> None:
    """The Redis password stands in it. What stands there already is left alone, so that Kamailio starts again while the
    disk is full; and else it is replaced as a whole."""
    if path.exists() and path.read_text(encoding="utf-8", errors="replace") == text:
        path.chmod(0o600)
        return
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def _needed(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise RenderError(f"{name} is not set")
    return value


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: python -m kamailio.render <directory>", file=sys.stderr)
        return 2
    try:
        render(Path(sys.argv[1]).resolve(), os.environ)
    except (RenderError, OSError) as error:
        print(f"kamailio.render: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
