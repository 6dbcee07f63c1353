"""LCALL_HOME: all that this center writes: databases, spool, recordings, logs, generated configuration, secrets."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import secrets
import shutil
import stat
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

CHECKOUT: Final = Path(__file__).resolve().parent.parent
LONGEST: Final = 80  # bytes: UNIX sockets below it must fit into 107 (unix(7))
ROOM_TO_START: Final = 256 << 20  # bytes: an empty database cluster, its log, and some recordings
REDIS_USERS: Final = ("ops", "kamailio", "lq", "api", "journal", "recorder", "watch")


class HomeError(Exception):
    """One sentence for the person at the keyboard."""


@dataclass(frozen=True, slots=True)
class Secrets:
    postgres: str  # role lcall, owner of the database
    redis: Mapping[str, str]  # ACL user -> password


@dataclass(frozen=True, slots=True)
class Home:
    path: Path

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def spool(self) -> Path:
        return self.path / "spool"

    def spool_of(self, rtpengine: int) -> Path:
        """The recording directory of the n-th rtpengine."""
        return self.spool if rtpengine == 1 else self.path / f"spool{rtpengine}"

    @property
    def recordings(self) -> Path:
        return self.path / "recordings"

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def redis(self) -> Path:
        return self.path / "redis"

    @property
    def redis_rtpengine(self) -> Path:
        return self.path / "redis-rtpengine"

    @property
    def trace(self) -> Path:
        return self.path / "trace"

    @property
    def kamailio(self) -> Path:
        return self.path / "kamailio"

    @property
    def tls(self) -> Path:
        """The center's certificate authority (ca.crt: what phones and browsers shall trust), the edge's certificate."""
        return self.path / "tls"

    @property
    def prompts(self) -> Path:
        return self.path / "prompts"

    @property
    def sdk_token(self) -> Path:
        return self.path / "sdk.token"

    @property
    def published(self) -> bool:
        """Whether a configuration was ever published here: the edge keeps what it last knew (kamailio/memory.py)."""
        return (self.kamailio / "known.json").exists()

    @property
    def demo(self) -> bool:
        """Whether it was the demo world that the edge last knew."""
        try:
            kept = json.loads((self.kamailio / "known.json").read_text(encoding="utf-8"))
            return bool(kept["known"]["settings"].get("demo"))
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return False  # never, or it was cut off by a power cut

    @property
    def restoring(self) -> Path:
        """There while a backup is being restored, and after a restore that was cut off."""
        return self.path / "restoring"

    @property
    def state(self) -> Path:
        return self.run / "state.json"

    def directories(self) -> tuple[Path, ...]:
        return (
            self.run,
            self.log,
            self.spool,
            self.recordings,
            self.postgres,
            self.redis,
            self.redis_rtpengine,
            self.kamailio,
            self.tls,
            self.prompts,
        )


def home(environ: Mapping[str, str] = os.environ) -> Home:
    """LCALL_HOME, or its default: /var/lib/lcall for root, ~/.local/share/lcall otherwise."""
    given = environ.get("LCALL_HOME", "")
    default = Path("/var/lib/lcall") if os.geteuid() == 0 else Path.home() / ".local/share/lcall"
    path = Path(given).absolute() if given else default
    if len(os.fsencode(path)) > LONGEST:
        raise HomeError(f"LCALL_HOME={path} is longer than {LONGEST} bytes: the sockets below it would not work")
    return Home(path)


def database_user() -> str:
    """Whom PostgreSQL runs as: it refuses root. "" means: as ourselves."""
    return "postgres" if os.geteuid() == 0 else ""


def make(place: Home) -> None:
    """Creates the directories, for nobody else; where PostgreSQL runs as another user he may pass, but not look."""
    user = database_user()
    try:
        place.path.mkdir(parents=True, exist_ok=True)
        _be_ours(place.path, 0o711 if user else 0o700)
        for directory in place.directories():
            directory.mkdir(exist_ok=True)
            _be_ours(directory, 0o700)
        free = shutil.disk_usage(place.path).free
    except OSError as error:
        raise HomeError(f"LCALL_HOME={place.path} cannot be used: {error}") from error
    if free < ROOM_TO_START:
        raise HomeError(
            f"LCALL_HOME={place.path}: 磁盘空间不足 only {free >> 20} MB are free there, "
            f"a center needs {ROOM_TO_START >> 20} MB to start"
        )
    if user:
        account = pwd.getpwnam(user)
        os.chown(place.postgres, account.pw_uid, account.pw_gid)
        _must_be_traversable(place.path, user)


def _be_ours(directory: Path, mode: int) -> None:
    """For nobody else; what is so already is left alone, for a disk that was mounted there may not be changed."""
    found, us = directory.stat(), os.geteuid()
    if us not in (0, found.st_uid):
        owner, user = _name(found.st_uid), _name(us)
        raise HomeError(
            f"{directory} 属于 {owner} belongs to {owner}, and {user} starts the center: if it is a disk of its own, "
            f"`chown {user}: {directory}`; else it is of a center that {owner} has started, move that away"
        )
    if stat.S_IMODE(found.st_mode) != mode:
        directory.chmod(mode)


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _must_be_traversable(path: Path, user: str) -> None:
    for parent in path.parents:
        if not parent.stat().st_mode & 0o001:
            raise HomeError(
                f"{parent} is closed to the user {user}, whom PostgreSQL runs as: set LCALL_HOME to another place"
            )


def lock(place: Home, *, patience_s: float) -> int:
    """The lock of this LCALL_HOME as an open file; guards inherit it, so that it is held until the last has gone.

    Raises HomeError when a center still runs here after `patience_s`.
    """
    file = os.open(place.run / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            if time.monotonic() > until:
                os.close(file)
                raise HomeError(
                    f"已在运行 a center is already running in {place.path}: see `lcall status`, or set LCALL_HOME and "
                    "LCALL_PORT_BASE for a second one"
                ) from None
            time.sleep(0.05)  # a lock cannot be awaited with a limit


def locked(place: Home) -> bool:
    """Whether a center runs here, or one that was ended is still on its way out."""
    try:
        file = os.open(place.run / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def read_secrets(place: Home) -> Secrets:
    """The generated passwords; those still missing are made now."""
    file = place.path / "secrets.json"
    known: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    passwords = known.get("redis", {})
    complete = Secrets(
        postgres=known.get("postgres") or secrets.token_hex(16),
        redis={user: passwords.get(user) or secrets.token_hex(16) for user in REDIS_USERS},
    )
    as_json = asdict(complete)
    if as_json != known:
        write_private(file, json.dumps(as_json, indent=1))
    if not place.sdk_token.exists():
        write_private(place.sdk_token, secrets.token_hex(24) + "\n")
    return complete


def write_private(file: Path, text: str, *, lasting: bool = True) -> None:
    """Replaces the file as a whole; nobody but its owner can ever read it. What stands there already is left alone: a
    full disk does not matter then. `lasting`: on the disk when this returns."""
    if file.exists() and file.read_text(encoding="utf-8", errors="replace") == text:
        file.chmod(0o600)
        return
    new = file.with_name(file.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        if lasting:
            os.fsync(out.fileno())
    new.replace(file)
    if lasting:
        sync_directory(file.parent)


def sync_directory(directory: Path) -> None:
    """Whatever was renamed in it stays renamed over a power cut."""
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
