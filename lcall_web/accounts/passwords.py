"""Which passwords are good enough: long ones that nobody guesses (NIST SP 800-63B §5.1.1.2). Pure but for chance.

No rules about kinds of characters and no changing on a date: both make passwords worse. Instead of a list of millions,
what people do to a common word is undone first: `P@ssw0rd2026!` is `password`.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from typing import Final

from lcall_web.accounts.rules import LONGEST
from lcall_web.common.i18n import mark

SHORTEST: Final = 10
SIMPLEST: Final = 5  # different characters

TOO_SHORT: Final = mark("密码至少 10 个字符。")
TOO_LONG: Final = mark("密码太长。")
TOO_COMMON: Final = mark("这个密码太常见，容易被猜到。")
TOO_SIMPLE: Final = mark("密码太简单：请不要只用数字、重复或连续的字符。")
PERSONAL: Final = mark("密码里不要包含工号、姓名或系统名称。")
DIFFERENT: Final = mark("两次输入的密码不一样。")
SAME: Final = mark("新密码不能和现在的密码一样。")

# Undone on both ends: digits and signs; inside: the usual replacements of letters
ENDS: Final = re.compile(r"^[^a-z]+|[^a-z]+$")
REPLACED: Final = str.maketrans("013457@$!", "oieastasi")
WORDS: Final = """
    password passwd passwort passw pass welcome letmein login master secret changeme default admin administrator root
    user guest test testing tester temp demo sample qwerty qwert asdfgh asdf zxcvbn zxcvbnm
    qazwsx qazwsxedc qweasd qweasdzxc qaz wsx abc abcd abcde abcdef abcdefg abcdefgh iloveyou ilove loveyou lovely love
    princess sunshine dragon monkey football baseball basketball superman batman shadow michael jordan jessica charlie
    summer winter spring autumn january february march april june july august september october november december monday
    tuesday wednesday thursday friday saturday sunday computer internet server oracle windows microsoft google apple
    samsung huawei xiaomi tencent alibaba baidu wechat weixin taobao china beijing shanghai guangzhou shenzhen zhongguo
    woaini woaiwo woaizhongguo aini woshishui mima wodemima nihao zhangsan lisi wangwu xiaoming laoban gongsi kefu zuoxi
    banzhang guanliyuan callcenter call center company company service support sales agent agents leader manager phone
    telephone welcome hello starwars freedom whatever flower hunter killer soccer pepper cheese
    cookie banana orange purple forever angel family friend friends money hockey ranger buster thomas robert matrix"""
COMMON: Final = frozenset(WORDS.split())
OURS: Final = ("lcall", "xiaolinghu", "小灵呼")
ROWS: Final = (
    "01234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb",
)
ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is taken for another when it is read aloud


def fault(password: str, id: str, name: str) -> str:
    """What is wrong with it for this operator, marked; "" for a good one."""
    plain = unicodedata.normalize("NFKC", password).casefold()
    if len(password) > LONGEST:
        return TOO_LONG
    if len(password) < SHORTEST:
        return TOO_SHORT
    if any(len(word) > 1 and word.casefold() in plain for word in (id, name, *OURS)):
        return PERSONAL
    if len(set(plain)) < SIMPLEST or plain.isdecimal() or _in_a_row(plain):
        return TOO_SIMPLE
    return TOO_COMMON if _common(plain) else ""


def _common(plain: str) -> bool:
    core = ENDS.sub("", plain)
    cores = {core, core.translate(REPLACED), ENDS.sub("", plain.translate(REPLACED))}
    return any(core in COMMON or _doubled(core) in COMMON for core in cores)


def _doubled(core: str) -> str:
    """The half of a word that stands there twice."""
    half = core[: len(core) // 2]
    return half if half * 2 == core else core


def _in_a_row(plain: str) -> bool:
    """Whether nearly all of it walks along the alphabet, the figures or the keyboard."""
    pairs = {row[n : n + 2] for line in ROWS for row in (line, line[::-1]) for n in range(len(row) - 1)}
    walked = sum(plain[n : n + 2] in pairs or plain[n] == plain[n + 1] for n in range(len(plain) - 1))
    return walked >= (len(plain) - 1) * 0.75


def generated() -> str:
    """One for a stranger to type once: 59 bits."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(12))
    return "-".join(letters[n : n + 4] for n in range(0, 12, 4))
