"""What LQ-SDK says against a document, in the words of whoever wrote it: its English message → a marked text. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from lcall_web.common.i18n import mark
from lcall_web.settings.rules import BAD_ID, NEEDED, TOO_LONG, WHOLE, Fault

PLAIN: Final[Mapping[str, str]] = {
    "it is required": NEEDED,
    "it must not be empty": NEEDED,
    "at least one": mark("至少要有一项。"),
    "letters, digits, _ . - only, at most 64": BAD_ID,
    "it is not the id of the path": BAD_ID,
    "a whole number is expected": WHOLE,
    "4 to 12 digits, or nothing": mark("请填写 4 到 12 位数字，或留空。"),
    "4 to 12 digits are expected": mark("请填写 4 到 12 位数字，或留空。"),
    "another one than the pin": mark("不能与参会密码相同。"),
    "nobody can be a host without host_pin": mark("没有主持人密码就没有主持人。"),
    "a number outside in E.164 (+8613800138000), or nothing": mark("请按 +8613800138000 的格式填写，或留空。"),
    "a fixed or mobile number; 400 and 800 numbers may not call out": mark(
        "请填写固话或手机号码；400、800 号码不能外显。"
    ),
    "an IP address": mark("请填写 IP 地址。"),
    "the name of a recording, e.g. music/hold": mark("请填写音乐的名称，如 music/hold。"),
    "two or three digits without the leading 0": mark("请填写不带 0 的两到三位区号。"),
    "the beginning of a number in E.164, e.g. +8610": mark("请填写号码的开头，如 +8610。"),
    "by_agent or none: nothing is played to who is called": mark("外呼不能播放提示，请改为坐席口头告知或不提示。"),
    "hours such as 09:00-12:00 are expected": mark("请按 09:00-12:00 的格式填写时段。"),
    "they end before they begin; hours over midnight are two, of two days": mark(
        "结束早于开始；跨过零点的时段请写成两天。"
    ),
    "hours overlap": mark("时段互相重叠。"),
    "the last day is before the first": mark("结束日期早于开始日期。"),
    "no blanks, quotes, brackets or semicolons": mark("不能有空格、引号、括号或分号。"),
    "one digit or nothing": mark("请填写一位数字，或留空。"),
    "the name of a time zone, e.g. Asia/Shanghai": mark("请填写时区名称，如 Asia/Shanghai。"),
    "* or # and up to six more keys, or nothing": mark("请以 * 或 # 开头，后面最多六位，或留空。"),
    "* or # and one to three more keys": mark("请以 * 或 # 开头，后面一到三位。"),
    "another feature has this code": mark("另一项功能已经用了这个代码。"),
    "another order begins with these keys": mark("另一个按键以它开头，话机分不清。"),
    "the center itself pauses agents for this reason": mark("这个编号由系统使用，请换一个。"),
    "32 hexadecimal digits, the MD5 of user:realm:password": mark("请填写密码。"),
    "it is no telephone number": mark("这不是电话号码。"),
    "a telephone number is expected": mark("这不是电话号码。"),
    "a prefix is the beginning of a number in E.164 and a star, e.g. +8610*": mark("号段请写成 +8610* 的样子。"),
    "it cannot be required without a wrap-up: wrap_up_s is 0": mark("话后整理时长为 0 时不能要求填写小结。"),
    "the document has changed meanwhile": mark("已被别人修改。"),
}
PATTERNS: Final = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r"from (?P<low>-?\d+) to (?P<high>-?\d+)", mark("请填写 %(low)s 到 %(high)s 之间的数。")),
        (r"(?P<name>\S+) does not exist", mark("%(name)s 不存在，可能刚被删除。")),
        (r"codes stand on at most \d+ levels.*", mark("最多三级，也不能放在自己下面。")),
        (r"agent:<agent>, phone:<another phone>.*", mark("请填写坐席、别的话机、技能组，或能拨打的号码。")),
        (r"ivr:<flow>, queue:<queue>.*", mark("请选择来电转到哪里。")),
        (r"only for a list of kind \w+", mark("这一类名单不用此项，请恢复原样。")),
        (r"codecs are (?P<names>.*)", mark("可用的语音编码：%(names)s。")),
        (r"one of .*", mark("请从给出的选项中选择。")),
        (r"unknown strategy .*", mark("请从给出的选项中选择。")),
        (r"a text of at most \d+ characters is expected", TOO_LONG),
        (r"Invalid isoformat string.*|month must be in.*|day is out of range.*", mark("请按 2026-10-01 填写日期。")),
        (r"(?s).*", mark("这一项不能这样填写。")),
    )
)
ANYTHING: Final = PATTERNS[-1][1]


def said(message: str) -> Fault:
    if message in PLAIN:
        return Fault(PLAIN[message])
    for pattern, text in PATTERNS:
        if found := pattern.fullmatch(message):
            return Fault(text, found.groupdict())
    raise AssertionError("the last pattern takes everything")


def faults(errors: Sequence[Mapping[str, str]], field: str | None, message: str) -> list[tuple[str, Fault]]:
    """(path, what is wrong with it) of all that an answer of LQ-SDK tells."""
    told = errors or ([{"field": field or "", "message": message}])
    return [(one["field"], said(one["message"])) for one in told]
