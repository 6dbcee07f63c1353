"""Every field of the configuration as it stands in a form: its name, kind, label and help. Pure.

A new field of a document is one line here; tests/unit/web/test_settings_fields.py says when one is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from lcall_web.common.i18n import mark

# one, many: documents of the kind `of` · words, lines, pairs: texts in one line, one a line, `key = value` a line ·
# target: queue:sales … · forward: the same, or a number · hours, days: of a week, of years · secret: never shown ·
# script: a text of many lines with variables
FieldKind = Literal[
    "text", "number", "flag", "choice", "one", "many", "words", "lines", "pairs", "target", "forward", "hours", "days",
    "secret", "script",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    name: str  # its path in the document: forward.busy
    kind: FieldKind
    label: str  # marked
    help: str = ""  # marked
    default: Any = ""  # as the document has it
    of: str = ""  # kind of documents that it names
    options: Mapping[str, str] = field(default_factory=dict)  # value -> marked text
    unit: str = ""  # marked
    required: bool = False
    private: bool = False  # a number of somebody's own: masked for who may not see numbers
    ordered: bool = False  # of many: the first one counts first
    sparse: bool = False  # an empty value is left out of the mapping that it stands in


@dataclass(frozen=True, slots=True)
class Section:
    title: str  # marked
    fields: tuple[Field, ...]
    about: str = ""  # marked


@dataclass(frozen=True, slots=True)
class Kind:
    name: str  # as LQ-SDK calls it
    title: str  # marked: of one thing
    titles: str  # marked in "several"
    icon: str
    about: str  # marked: what it is for
    empty: str  # marked: what to do when there is none
    effect: str  # marked: from when on a change counts
    sections: tuple[Section, ...]
    columns: tuple[str, ...]  # fields that the list shows, behind id and name
    id_label: str = mark("编号")
    id_help: str = mark("字母、数字和 _ . -，最长 64 位；保存后不能更改。")
    single: str = ""  # id of the only document of this kind
    hidden: Mapping[str, str] = field(default_factory=dict)  # fields that are not shown -> why

    @property
    def fields(self) -> Iterator[Field]:
        for section in self.sections:
            yield from section.fields

    def field(self, name: str) -> Field:
        return next(one for one in self.fields if one.name == name)


RECORDING: Final = {
    "": mark("不限定"),
    "none": mark("不录音"),
    "on_demand": mark("按需录音"),
    "voice": mark("只录有声部分"),
    "talk": mark("录通话部分"),
    "whole": mark("全程录音"),
}
NOTICE: Final = {
    "": mark("不限定"),
    "none": mark("不提示"),
    "by_agent": mark("坐席口头告知"),
    "required": mark("必须播放提示"),
}
CALLS: Final = {
    "internal": mark("仅内部"),
    "local": mark("本地"),
    "national": mark("国内长途"),
    "international": mark("国际长途"),
}
MODELS: Final = {
    **{"": mark("未知"), "yealink": "Yealink", "fanvil": "Fanvil", "grandstream": "Grandstream", "poly": "Poly"},
    **{"baresip": "baresip", "browser": mark("浏览器")},
}
STRATEGIES: Final = {
    "longest_idle": mark("最长空闲优先"),
    "fewest_calls": mark("今日接听最少优先"),
    "least_talk": mark("今日通话最短优先"),
    "in_order": mark("固定顺序"),
    "random": mark("随机"),
}
LIST_KINDS: Final = {
    "black": mark("黑名单（来电不接）"),
    "white": mark("白名单（不受其他名单限制）"),
    "vip": mark("重要客户（优先接入）"),
    "dnc": mark("免打扰（不外呼）"),
}
WEEK: Final = {
    **{"mon": mark("周一"), "tue": mark("周二"), "wed": mark("周三"), "thu": mark("周四"), "fri": mark("周五")},
    **{"sat": mark("周六"), "sun": mark("周日")},
}
NAME: Final = Field("name", "text", mark("名称"), required=True)
NAME_EN: Final = Field("name_en", "text", mark("英文名称"), mark("英文界面上显示；留空则显示中文名称。"))
ENABLED: Final = Field("enabled", "flag", mark("启用"), default=True)
SHOWN_NUMBER: Final = mark("外呼时显示给对方的号码，必须是中继允许显示的号码；留空则由上一级决定。")
RECORDED: Final = mark("各处设置不一时，以录得最少的为准。")
AT_ONCE: Final = mark("保存后立即生效；正在进行的通话不受影响。")
NEXT_CALL: Final = mark("保存后，新的通话按新设置处理；正在排队和通话中的不变。")
BASICS: Final = mark("基本信息")
LIMITS: Final = mark("适用范围")


def recording(default: str = "", help: str = RECORDED) -> Field:
    return Field("recording", "choice", mark("录音"), help, default, options=RECORDING)


def notice(default: str = "") -> Field:
    return Field("notice", "choice", mark("录音告知"), default=default, options=NOTICE)
