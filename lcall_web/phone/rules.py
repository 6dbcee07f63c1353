"""What a browser is told of its phone, and what helps when there is none. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lcall_web.common.i18n import mark
from lq.sdk import Credentials

REASONS: Final[Mapping[int, str]] = {403: "not_his", 404: "no_phone"}  # what LQ-SDK says to who asks for a password


def told(given: Credentials, edge: str) -> dict[str, Any]:
    """`edge`: where it registers; "" if this page cannot."""
    until = given.expires_at.timestamp() * 1000 if given.expires_at else 0
    return {
        **{"edge": edge, "phone": given.phone, "realm": given.realm},
        **{"user": given.user, "password": given.secret, "until": until},
    }


@dataclass(frozen=True, slots=True)
class Words:
    title: str
    steps: tuple[str, ...]


# The reasons of a state `denied`, `failed` or `off` (static/browser_phone.js).
WORDS: Final[Mapping[str, Words]] = {
    "blocked": Words(
        mark("浏览器没有允许使用麦克风"),
        (
            mark("点地址栏左侧的图标（锁或麦克风），把“麦克风”改为“允许”。"),
            mark("Firefox：点地址栏左侧被划掉的麦克风图标，清除“已阻止”，再试一次并勾选“记住此决定”。"),
            mark("Windows：设置 → 隐私和安全性 → 麦克风，允许桌面应用使用。"),
            mark("macOS：系统设置 → 隐私与安全性 → 麦克风，勾选浏览器。"),
            mark("允许之后话机会自己接上；没有接上时请点“再试一次”。"),
        ),
    ),
    "no_microphone": Words(
        mark("没有找到麦克风"),
        (
            mark("插上耳麦，或在系统的声音设置里启用麦克风。"),
            mark("蓝牙耳机请先在系统里连接。"),
            mark("接好之后点“再试一次”。"),
        ),
    ),
    "busy": Words(
        mark("麦克风正被其他程序占用"),
        (
            mark("关闭正在使用麦克风的会议软件或录音程序。"),
            mark("拔下耳麦再插上，然后点“再试一次”。"),
        ),
    ),
    "insecure": Words(
        mark("这个地址不能使用麦克风"),
        (
            mark("浏览器只在 https 地址（或本机的 127.0.0.1）里允许使用麦克风，请改用管理员给您的 https 地址登录。"),
            mark("第一次使用前，先导入本系统的证书。"),
        ),
    ),
    "unreachable": Words(
        mark("连不上话机服务器，正在重试"),
        (
            mark("证书没有导入时浏览器会拒绝连接：请先导入本系统的证书，再重新打开浏览器。"),
            mark("检查网线或无线网络；防火墙须放行话机端口。"),
        ),
    ),
    "refused": Words(
        mark("话机登记被拒绝"),
        (mark("话机可能被停用或改了密码：请联系管理员。"),),
    ),
    "no_phone": Words(
        mark("没有属于您的话机"),
        (mark("先用一部话机签入，再启用浏览器话机；或请管理员在“话机”里把一部分机指定给您。"),),
    ),
    "not_his": Words(
        mark("这部话机不属于您"),
        (mark("请选择自己的话机，或请管理员把它指定给您。"),),
    ),
    "other_tab": Words(
        mark("话机在另一个标签页里"),
        (mark("一个浏览器只有一部话机：请到那个标签页接听；它关闭之后，这里会自己接上。"),),
    ),
    "elsewhere": Words(
        mark("话机在另一个地方接上了"),
        (
            mark("同一部分机刚刚在另一台电脑或话机上登记：来电在那里振铃。"),
            mark("要改回这里接听，请点“再试一次”。"),
        ),
    ),
    "away": Words(
        mark("话机暂时接不上"),
        (mark("网页服务器、呼叫接口或数据库没有响应：稍后会自动重试；进行中的通话不受影响。"),),
    ),
}
