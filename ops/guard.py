"""One guard stands beside each process of the center and leaves nothing of it behind, whoever dies first.

It starts the program in a session of its own, tells the runner by stdout (`pid <n>`, `ended <status>`) and listens to
it on stdin: `stop` asks the program to leave within its grace, `kill` ends it now, and the end of file means that the
runner is gone. As a subreaper (prctl(2)) it inherits whatever the program forks and abandons (Kamailio's workers after
a kill -9 of their master would keep the ports, and answer the probes of the next one). It imports little, for there is
one a service: 8 MB, most of it shared.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import os
import pwd
import resource
import select
import signal
import time
from typing import Final, NoReturn

PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36
ORPHANED_S: Final = 2.0  # grace when the runner is gone: nobody waits in order any more
NOT_STARTED: Final = 127
FILES: Final = 262_144  # a connection is one; the usual 1024 are a person's, not a center's
# Ctrl-C, a closed terminal, a machine that shuts down: the runner hears them too, and ends all in order.
OTHERS_BUSINESS: Final = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)
_LIBC: Final = ctypes.CDLL(None)


class Guard:
    def __init__(self, program: int, stop: signal.Signals, grace_s: float, again_s: float) -> None:
        self.program = program
        self._stop = stop
        self._grace_s = grace_s
        self._deadline: float | None = None
        self._again_s = again_s
        self._again_at = 0.0
        self._status: int | None = None

    def watch(self, died: int) -> int:
        """Returns how the program ended: its exit status, or minus the signal. `died` becomes readable on SIGCHLD."""
        poll = select.poll()
        poll.register(0, select.POLLIN)
        poll.register(died, select.POLLIN)
        while self._status is None:
            for number, _ in poll.poll(self._patience_ms()):
                if number == died:
                    os.read(died, 4096)
                elif not self._hear(os.read(0, 64)):
                    poll.unregister(0)
            self._insist()
            self._reap()
        return self._status

    def end_the_rest(self) -> None:
        """Ends what the program has left behind; the children of what ends become ours, until there are none."""
        while left := _descendants():
            _signal(left, signal.SIGKILL)
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                return

    def _patience_ms(self) -> int | None:
        if self._deadline is None:
            return None
        return max(0, int((min(self._deadline, self._again_at) - time.monotonic()) * 1000) + 1)

    def _hear(self, words: bytes) -> bool:
        if b"kill" in words:
            _signal(_descendants(), signal.SIGKILL)
        elif b"stop" in words:
            self._ask_to_leave(self._grace_s)
        elif not words:
            self._ask_to_leave(min(self._grace_s, ORPHANED_S))
        return bool(words)

    def _ask_to_leave(self, grace_s: float) -> None:
        until = time.monotonic() + grace_s
        self._deadline = until if self._deadline is None else min(self._deadline, until)
        self._ask()

    def _ask(self) -> None:
        os.kill(self.program, self._stop)
        _signal(_descendants(), signal.SIGCONT)  # a stopped process cannot leave
        self._again_at = time.monotonic() + self._again_s

    def _insist(self) -> None:
        now = time.monotonic()
        if self._deadline is not None and now >= self._deadline:
            _signal(_descendants(), signal.SIGKILL)
            self._deadline = None
        elif self._deadline is not None and now >= self._again_at:
            self._ask()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.program:
                self._status = os.waitstatus_to_exitcode(status)


def _descendants() -> list[int]:
    """Everything below us, in whatever group: PostgreSQL gives each of its processes one of its own."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            children.setdefault(_parent(name), []).append(int(name))
    found = list(children.get(os.getpid(), ()))
    for pid in found:  # it grows as we go
        found += children.get(pid, ())
    return found


def _parent(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return int(stat.read().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return -1  # it ended while we looked


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue  # it ended meanwhile


def _become(user: str) -> None:
    account = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


def _may_open_many() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _execute(argv: list[str], user: str, heard: str, guard: int) -> NoReturn:
    try:
        os.setsid()
        for number in (*OTHERS_BUSINESS, signal.SIGPIPE, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, OTHERS_BUSINESS)
        os.dup2(os.open(heard, os.O_RDONLY), 0)
        if user:
            _become(user)
        # After setuid, which clears it; the guard may have died before.
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:
            os._exit(NOT_STARTED)
        os.dup2(2, 1)
        os.closerange(3, FILES)
        _may_open_many()
        os.execvp(argv[0], argv)
    except (OSError, KeyError) as error:
        os.write(2, f"{argv[0]} cannot be started: {error}\n".encode())
        os._exit(NOT_STARTED)


def _say(words: str) -> None:
    try:
        os.write(1, f"{words}\n".encode())
    except BrokenPipeError:
        return  # the runner is gone: nobody to tell


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stop", default="SIGTERM")
    parser.add_argument("--grace", type=float, default=10.0)
    parser.add_argument("--again", type=float, default=math.inf, help="seconds between requests to stop")
    parser.add_argument("--user", default="")
    parser.add_argument("--input", default=os.devnull)
    parser.add_argument("program", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    argv = options.program[1:] if options.program[:1] == ["--"] else options.program

    _LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    died, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in OTHERS_BUSINESS:
        signal.signal(number, signal.SIG_IGN)
    own = os.getpid()
    # A request to stop that comes before the program has its own signals back must wait, not be ignored.
    signal.pthread_sigmask(signal.SIG_BLOCK, OTHERS_BUSINESS)
    program = os.fork()
    if program == 0:
        _execute(argv, options.user, options.input, own)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, OTHERS_BUSINESS)
    _say(f"pid {program}")
    guard = Guard(program, signal.Signals[options.stop], options.grace, options.again)
    status = guard.watch(died)
    guard.end_the_rest()
    _say(f"ended {status}")


if __name__ == "__main__":
    main()
