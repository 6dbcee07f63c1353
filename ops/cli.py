"""`lcall`: the command line of one center. It finds the center by LCALL_HOME; ports are read from what runs there."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from ops import alarms, backup, bans, home, probes, screen, state, unit, up
from ops.instance import instance
from ops.runner import STOP_WITHIN_S
from ops.services import Instance, environment, services
from ops.state import Center, Status
from ops.up import LEAVES_WITHIN_S


def main(words: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(words)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except BrokenPipeError:  # `lcall logs | head`
        sys.stdout = None
        return 0
    except (home.HomeError, OSError) as error:
        if options.json:
            print(json.dumps({"error": {"message": str(error)}}, ensure_ascii=False))
        else:
            print(f"lcall: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lcall", description="小灵呼 LCall: one call center on this machine")
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(name: str, run: Callable[[argparse.Namespace], int], what: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=what, description=what)
        added.add_argument("--json", action="store_true", help="one JSON document instead of text")
        added.set_defaults(run=run)
        return added

    starting = command("up", _up, "启动 start a center in the foreground")
    starting.add_argument("--no-demo", action="store_true", help="without the demonstration call")
    starting.add_argument("--ready-fd", type=int, default=-1, help="gets one line when everything stands")
    starting.add_argument("--while", type=int, default=0, dest="companion", help="end when this process ends")
    command("status", _status, "状态 what runs, and whether it answers now")
    stopping = command("stop", _stop, "停止 stop the center; whoever talks goes on when it is started again")
    stopping.add_argument("--hang-up", action="store_true", help="first end all calls: it is not started again soon")
    logs = command("logs", _logs, "日志 show the logs of all services or of one")
    logs.add_argument("service", nargs="?", default="")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as they grow")
    logs.add_argument("-n", "--lines", type=int, default=20)
    command("call", _call, "演示呼叫 run the demonstration call against the running center")
    trace = command("trace", _trace, "呼叫梯形图 the SIP and event ladder of a contact")
    trace.add_argument("contact", nargs="?", default="", help="its id, or a leg's or recording's; default: the latest")
    trace.add_argument("--numbers", action="store_true", help="telephone numbers and keys as they are (personal data)")
    trace.add_argument("--events", action="store_true", help="the events alone, with all that they say")
    trace.add_argument("--sip", action="store_true", help="the SIP messages themselves")
    trace.add_argument("-f", "--follow", action="store_true", help="go on until the contact is over")
    command("alarms", _alarms, "告警 what is wrong now, worst first")
    command("agents", _agents, "坐席 agents and their states")
    command("queues", _queues, "技能组 queues: who waits, who is ready")
    banned = command("bans", _bans, "封禁 addresses that the edge does not listen to, and why")
    banned.add_argument("--lift", metavar="ADDRESS", default="", help="listen to it again")
    token = command("token", _token, "令牌 tokens of programs that use LQ-SDK: list, add, revoke")
    doing = token.add_subparsers(dest="doing", metavar="list|add|revoke")
    doing.add_parser("list")
    added = doing.add_parser("add", help="its secret is shown this once")
    added.add_argument("name")
    added.add_argument("scopes", nargs="+", metavar="scope", help="read agents contacts supervise recordings events …")
    added.add_argument("--agent", action="append", default=[], help="only for this agent; may be given again")
    added.add_argument("--queue", action="append", default=[], help="only for this queue; may be given again")
    added.add_argument("--days", type=float, default=0, help="how long it is valid; for ever if not given")
    added.add_argument("--per-second", type=int, default=None, help="requests, 50 if not given")
    doing.add_parser("revoke").add_argument("token")
    hooks = command("webhooks", _webhooks, "推送 webhooks, or what was delivered to one")
    hooks.add_argument("webhook", nargs="?", default="")
    admin = command(
        "admin", _admin, "管理员 an administrator of the web with a new password: the first one, or the way back in"
    )
    admin.add_argument("number", nargs="?", default="admin", help="工号 of a new account or of one that there is")
    command("migrate", _migrate, "数据库 bring the database schema up to date")
    saving = command("backup", _backup, "备份 everything but the recordings, into a new directory in this one")
    saving.add_argument("directory", type=Path)
    restoring = command("restore", _restore, "恢复 a backup, into an LCALL_HOME that is empty")
    restoring.add_argument("backup", type=Path)
    restoring.add_argument("--trial", action="store_true", help="beside the center that it is of: it sends no webhooks")
    command("service", _service, "开机启动 print the systemd unit of this center: docs/operations.md")
    command("refold", _refold, "重算 make calls, counters and intervals anew from the events; the center goes on")
    return parser


# -- finding the center ------------------------------------------------------------------------------------------------


def _running() -> tuple[Instance, Center]:
    """The center of this LCALL_HOME; raises HomeError when none runs."""
    place = home.home()
    center = state.read(place)
    if center is None or not home.locked(place):
        raise home.HomeError(
            f"在此目录没有运行的呼叫中心 no center is running in {place.path}; start one with `make run`"
        )
    return instance(place, {**os.environ, **center.variables}), center


# -- commands ----------------------------------------------------------------------------------------------------------


def _up(options: argparse.Namespace) -> int:
    return up.up(
        up.Wishes(
            demonstration=_demonstrates(options.no_demo, os.environ),
            ready_fd=options.ready_fd,
            together_with=options.companion,
        )
    )


def _demonstrates(no_demo: bool, environ: Mapping[str, str]) -> bool:
    """Its call needs the demo world's numbers and phones."""
    return not (no_demo or environ.get("DEMO") == "0" or up.empty(environ.get("LCALL_DEMO", "")))


def _status(options: argparse.Namespace) -> int:
    running, center = _running()
    statuses = asyncio.run(_asked(running, center))
    if options.json:
        keys = ("service", "pid", "address", "state", "log")
        shown = [asdict(status) for status in statuses if status.state != "done"]
        print(json.dumps([{key: status[key] for key in keys} for status in shown], ensure_ascii=False, indent=1))
    else:
        print(screen.services(statuses))
    return 0 if all(status.state in ("ready", "done") for status in statuses) else 3


async def _asked(running: Instance, center: Center) -> list[Status]:
    """Each service as it is now: one that is up but does not answer is silent (hung, or still busy)."""
    table = {service.name: service for service in services(running)}

    async def ask(status: Status) -> Status:
        probe = table[status.service].ready
        if status.state != "ready" or probe is None or await probes.answers(probe, status.pid):
            return status
        return Status(**{**asdict(status), "state": "silent"})

    return list(await asyncio.gather(*(ask(status) for status in center.services)))


def _stop(options: argparse.Namespace) -> int:
    running, center = _running()
    if state.runs(center):  # else it was killed, and what it started is on its way out
        if options.hang_up:
            from ops import board  # as below

            asyncio.run(board.hang_up(running))
        os.kill(center.runner, signal.SIGTERM)
    until = time.monotonic() + STOP_WITHIN_S + LEAVES_WITHIN_S
    while home.locked(running.home):  # a lock cannot be awaited with a limit
        if time.monotonic() > until:
            raise home.HomeError(f"呼叫中心没有停止 the center has not stopped; see {running.home.log}")
        time.sleep(0.02)
    print(json.dumps({"stopped": True}) if options.json else "已停止 stopped")
    return 0


def _logs(options: argparse.Namespace) -> int:
    place = home.home()
    files = sorted(place.log.glob(f"{options.service or '*'}.log"))
    if not files:
        raise home.HomeError(f"没有日志 there is no log {options.service or ''} in {place.log}")
    if options.json:
        lines = {file.stem: file.read_text(errors="replace").splitlines()[-options.lines :] for file in files}
        print(json.dumps(lines, ensure_ascii=False, indent=1))
        return 0
    follow = ("--follow=name", "--retry") if options.follow else ()
    return subprocess.call(["tail", "-n", str(options.lines), *follow, "--", *map(str, files)])


def _call(options: argparse.Namespace) -> int:
    running, _ = _running()
    words = [sys.executable, "-m", up.DEMONSTRATION, *(["--json"] if options.json else [])]
    return subprocess.call(words, env=up.demonstration_variables(running))


def _alarms(options: argparse.Namespace) -> int:
    """Asks the watch itself: the api may be what is wrong. Status 2 with a critical alarm, 0 without any."""
    running, _ = _running()
    found = alarms.read(running)
    print(json.dumps(found, ensure_ascii=False, indent=1) if options.json else alarms.shown(found))
    return 2 if any(alarm["severity"] == "critical" for alarm in found) else 0


def _bans(options: argparse.Namespace) -> int:
    running, _ = _running()
    if options.lift and not bans.lift(running.home.kamailio, options.lift):
        raise home.HomeError(f"{options.lift} 未被封禁 is not banned")
    found = bans.banned(running.home.kamailio)
    lines = [f"{address:20} {why}" for address, why in sorted(found.items())] or ["没有 none"]
    print(json.dumps(found, indent=1) if options.json else "\n".join(lines))
    return 0


def _agents(options: argparse.Namespace) -> int:
    from ops import board  # here, for the client library takes longer to import than all the rest

    running, _ = _running()
    print(asyncio.run(board.agents(running, as_json=options.json)))
    return 0


def _queues(options: argparse.Namespace) -> int:
    from ops import board

    running, _ = _running()
    print(asyncio.run(board.queues(running, as_json=options.json)))
    return 0


def _token(options: argparse.Namespace) -> int:
    from ops import tokens

    running, _ = _running()
    match options.doing:
        case "add":
            wish = tokens.Wish(
                **{"name": options.name, "scopes": options.scopes, "agents": options.agent, "queues": options.queue},
                **{"days": options.days, "per_second": options.per_second},
            )
            doing = tokens.add(running, wish, as_json=options.json)
        case "revoke":
            doing = tokens.revoke(running, options.token, as_json=options.json)
        case _:
            doing = tokens.listing(running, as_json=options.json)
    print(asyncio.run(doing))
    return 0


def _webhooks(options: argparse.Namespace) -> int:
    from ops import tokens

    running, _ = _running()
    print(asyncio.run(tokens.webhooks(running, options.webhook, as_json=options.json)))
    return 0


def _trace(options: argparse.Namespace) -> int:
    from ops import trace

    place = home.home()
    try:
        running: Instance | None = _running()[0]
    except home.HomeError:
        running = None  # what its nodes have written can be read all the same
    wanted = trace.Wanted(
        options.contact,
        numbers=options.numbers,
        events=options.events,
        messages=options.sip,
        as_json=options.json,
        colours=sys.stdout.isatty() and not os.environ.get("NO_COLOR"),
    )
    if options.follow:
        asyncio.run(_follow(trace.follow(wanted, place, running)))
    else:
        print(asyncio.run(trace.show(wanted, place, running)))
    return 0


async def _follow(pieces: AsyncIterator[str]) -> None:
    async for piece in pieces:
        print(piece, flush=True)


def _admin(options: argparse.Namespace) -> int:
    """His password is told once, and changed when he first comes in."""
    said = _done_as("web", (sys.executable, "-m", "lcall_web.accounts.first", options.number))
    number, password = said.split()
    told = f"工号 number {number}   密码 password {password}   首次登录时修改 to be changed at the first login"
    print(json.dumps({"number": number, "password": password}) if options.json else told)
    return 0


def _migrate(options: argparse.Namespace) -> int:
    return _say(options, _done_as("migrate"))


def _refold(options: argparse.Namespace) -> int:
    """The worker takes its share; broken off, the worker does the rest."""
    return _say(options, _done_as("worker", (sys.executable, "-m", "lq.ledger.refold")))


def _say(options: argparse.Namespace, said: str) -> int:
    print(json.dumps({"result": said}) if options.json else said)
    return 0


def _backup(options: argparse.Namespace) -> int:
    running, _ = _running()
    made = backup.backup(running, options.directory)
    told = (
        f"已备份 backed up: {made}\n"
        f"录音是普通文件，请另行复制 recordings are files, to be copied beside it: "
        f"rsync -a --exclude=/lost+found {running.home.recordings}/ <where>"
    )
    print(json.dumps({"backup": str(made), "recordings": str(running.home.recordings)}) if options.json else told)
    return 0


def _restore(options: argparse.Namespace) -> int:
    place = home.home()
    backup.restore(place, options.backup, trial=options.trial)
    told = f"已恢复 restored into {place.path}; 录音复制到 recordings go into {place.recordings}; then: lcall up"
    print(json.dumps({"restored": str(place.path), "recordings": str(place.recordings)}) if options.json else told)
    return 0


def _service(options: argparse.Namespace) -> int:
    text = unit.unit()
    for warning in unit.warnings():
        print(f"lcall: {warning}", file=sys.stderr)
    print(json.dumps({"unit": text}) if options.json else text, end="\n" if options.json else "")
    return 0


def _done_as(name: str, argv: Sequence[str] | None = None) -> str:
    """What a command says that runs where this service of the running center does; its own one by default."""
    running, _ = _running()
    service = next(service for service in services(running) if service.name == name)
    done = subprocess.run(
        argv or service.argv, env=environment(running, service.environment), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise home.HomeError(done.stderr.strip() or f"status {done.returncode}")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
