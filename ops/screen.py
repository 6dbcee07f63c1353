"""What a person sees of a starting center: Chinese first, then English."""

from __future__ import annotations

import sys
import time
import unicodedata
from collections.abc import Sequence
from typing import Final, TextIO

from ops.home import Home
from ops.ports import Ports
from ops.state import Status

WORDS: Final = {
    "waiting": "等待 waiting",
    "starting": "启动中 starting",
    "ready": "就绪 ready",
    "done": "完成 done",
    "failed": "失败 failed",
    "stopped": "已停止 stopped",
    "silent": "无应答 not answering",
}


class Screen:
    """Lines with the seconds since the start. A terminal that has gone or a full disk take no center with them."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._began = time.monotonic()

    def progress(self, who: str, what: str) -> None:
        self.say(f"[{time.monotonic() - self._began:6.2f}] {padded(who, 16)} {what}")

    def say(self, text: str) -> None:
        try:
            print(text, file=self._out, flush=True)
        except OSError:
            return  # there is nobody to say it to


def width(text: str) -> int:
    """Columns in a terminal: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def padded(text: str, columns: int) -> str:
    return text + " " * max(0, columns - width(text))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell."""
    lines = [head, *rows]
    widths = [max(width(line[n]) for line in lines) for n in range(len(head))]
    return "\n".join(
        "  ".join(padded(cell, wide) for cell, wide in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def services(statuses: Sequence[Status]) -> str:
    head = ("服务 service", "状态 state", "地址 address", "进程 pid", "重启 restarts", "日志 log")
    rows = [
        (s.service, WORDS[s.state], s.address or "-", str(s.pid or "-"), str(s.restarts), s.log)
        for s in statuses
        if s.state != "done"
    ]
    return table(head, rows)


def welcome(home: Home, ports: Ports, *, demo: bool = True) -> str:
    """Where to go now. `demo`: with the accounts and numbers of the demo world (lq/config/demo.py)."""
    people, extensions, numbers = "第一个管理员 the first administrator: ./lcall admin", "", ""
    if demo:
        people = "管理员 admin: demo-admin   坐席 agents: 1001-1100 / demo-1001 ..."
        extensions = "   分机 extensions: 8001-8100 / demo-8001 ..."
        numbers = (
            "\n拨入 call in    4008001000 菜单 menu · 4008001001 销售 sales"
            " · 4008001002 支持 support · 4008001009 回声 echo"
        )
    return f"""
网页 web        http://127.0.0.1:{ports.web}     {people}
HTTPS           https://{ports.outside}:{ports.web_tls}    证书 certificate: /ca
话机 phones     sip:{ports.outside}:{ports.sip}  UDP TCP{extensions}
LQ-SDK          http://127.0.0.1:{ports.api}     令牌 token: {home.sdk_token}{numbers}
命令 commands   ./lcall status | call | agents | queues | trace | logs | admin | stop
"""
