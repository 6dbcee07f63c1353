"""What the house says of its work, as pages: lists of numbers, pause reasons, wrap-up codes, conference rooms. Pure."""

from __future__ import annotations

from typing import Final

from lcall_web.common.i18n import mark, mark_in
from lcall_web.settings.fields import (
    AT_ONCE,
    BASICS,
    CALLS,
    ENABLED,
    LIMITS,
    LIST_KINDS,
    NAME,
    NAME_EN,
    Field,
    Kind,
    Section,
    notice,
    recording,
)

LISTS: Final = Kind(
    "lists",
    mark("黑白名单"),
    mark_in("several", "黑白名单"),
    "ban",
    mark("黑名单、白名单、重要客户和免打扰名单。"),
    mark("新建一个名单，再把号码加进来。"),
    AT_ONCE,
    (
        Section(
            BASICS,
            (
                Field("name", "text", mark("名称")),
                Field("kind", "choice", mark("类型"), default="black", options=LIST_KINDS),
                ENABLED,
            ),
        ),
        Section(
            LIMITS,
            (
                Field(
                    "purposes", "many", mark("不外呼的用途"), mark("仅免打扰；不选则一律不外呼。"), (), of="purposes"
                ),
                Field(
                    *("answer", "choice", mark("对黑名单来电"), mark("仅黑名单。"), "refuse"),
                    options={"refuse": mark("拒绝"), "busy": mark("放忙音")},
                ),
                Field("priority", "number", mark("优先级提高"), mark("仅重要客户，-100 到 100。"), 0),
            ),
        ),
    ),
    ("name", "kind", "enabled"),
)

ORDER: Final = Field("order", "number", mark("顺序"), mark("小的排在前面。"), 0)
PAUSE_REASONS: Final = Kind(
    "pause_reasons",
    mark("示忙原因"),
    mark_in("several", "示忙原因"),
    "coffee",
    mark("坐席示忙时可以选择的原因。"),
    mark("新建之前，坐席可选小休、用餐、培训、会议。"),
    AT_ONCE,
    (
        Section(
            BASICS,
            (
                *(NAME, NAME_EN, ORDER),
                Field(
                    *("longest_min", "number", mark("最长时间"), mark("超过后在班长席标出；0 为不限。"), 0),
                    unit=mark("分钟"),
                ),
                ENABLED,
            ),
        ),
    ),
    ("name", "longest_min", "enabled"),
)

WRAP_UP_CODES: Final = Kind(
    "wrap_up_codes",
    mark("话后小结"),
    mark_in("several", "话后小结"),
    "tags",
    mark("一通电话谈了什么。最多三级；坐席选最末一级。是否必填在技能组里设置。"),
    mark("新建第一个小结码，例如咨询、投诉。"),
    AT_ONCE,
    (
        Section(
            BASICS,
            (
                *(NAME, NAME_EN),
                Field("parent", "one", mark("上级"), mark("不选则为第一级。"), of="wrap_up_codes"),
                *(ORDER, ENABLED),
            ),
        ),
        Section(
            LIMITS,
            (Field("queues", "many", mark("技能组"), mark("不选则所有通话都可用。下级随上级。"), (), of="queues"),),
        ),
    ),
    ("name", "queues", "enabled"),
)

CONFERENCES: Final = Kind(
    "conferences",
    mark("会议室"),
    mark_in("several", "会议室"),
    "messages",
    mark("拨打会议室的接入号，或从话机拨它的编号，就在一起通话。"),
    mark("新建一个会议室。"),
    mark("保存后立即生效；已在会议中的人不受影响。"),
    (
        Section(
            BASICS,
            (
                NAME,
                Field("max_parties", "number", mark("最多人数"), default=32, unit=mark("人")),
                Field("pin", "text", mark("参会密码"), mark("4 到 12 位数字；留空则谁都能进。")),
                Field("host_pin", "text", mark("主持人密码"), mark("不同于参会密码。")),
                Field("end_with_host", "flag", mark("主持人离开时结束会议"), default=False),
                Field("tones", "flag", mark("进出提示音"), default=True),
                Field(
                    *("calls", "choice", mark("会议外呼权限"), mark("会议室呼叫别人时能打多远。"), "internal"),
                    options=CALLS,
                ),
            ),
        ),
        Section(mark("录音"), (recording(), notice())),
    ),
    ("name", "max_parties", "calls"),
)
