"""The documents of the configuration as pages: which kinds, in which order, with which fields. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lcall_web.common.i18n import mark, mark_in
from lcall_web.settings.business import CONFERENCES, LISTS, PAUSE_REASONS, WRAP_UP_CODES
from lcall_web.settings.fields import (
    AT_ONCE,
    BASICS,
    CALLS,
    ENABLED,
    MODELS,
    NAME,
    NAME_EN,
    NEXT_CALL,
    RECORDED,
    RECORDING,
    SHOWN_NUMBER,
    STRATEGIES,
    WEEK,
    Field,
    Kind,
    Section,
    notice,
    recording,
)
from lcall_web.settings.lines import PURPOSES, ROUTES, TRUNKS

AGENTS: Final = Kind(
    "agents",
    mark("坐席"),
    mark_in("several", "坐席"),
    "headset",
    mark("接打电话的人。工号就是登录网页和签入话机用的号码。"),
    mark("新建第一个坐席，或用 Excel 一次导入。"),
    mark("保存后立即生效；技能组的变化在坐席下次签入时生效。"),
    (
        Section(
            BASICS,
            (
                Field("name", "text", mark("姓名"), required=True),
                Field(
                    "enabled",
                    "flag",
                    mark("启用"),
                    mark("停用后立即签出（通话中的等通话结束），不能再签入；历史记录保留。"),
                    True,
                ),
            ),
        ),
        Section(
            mark("技能"),
            (Field("queues", "many", mark("技能组"), mark("他接听这些技能组的来电。"), (), of="queues"),),
        ),
        Section(
            mark("话机与手机"),
            (
                Field(
                    *("mobile", "text", mark("手机")),
                    mark("允许他以这个手机号签入接听（移动座席），如 +8613800138000。"),
                    private=True,
                ),
                Field(*("mobile_calls", "choice", mark("手机的外呼权限")), default="internal", options=CALLS),
                Field(
                    "pin", "secret", mark("签入密码"), mark("在别人的话机上签入时输入的 4 到 12 位数字；留空则不变。")
                ),
            ),
        ),
        Section(
            mark("通话"),
            (recording(), Field("caller_id", "text", mark("外显号码"), SHOWN_NUMBER)),
        ),
    ),
    ("queues", "mobile"),
    id_label=mark("工号"),
    hidden={"pin_hash": "it is given as pin", "role": "what one may do is said by his account"},
)

PHONES: Final = Kind(
    "phones",
    mark("话机"),
    mark_in("several", "话机"),
    "phone",
    mark("分机号和它的密码。话机用它注册到本中心。"),
    mark("新建一个分机，把号码和密码填进话机。"),
    mark("保存后立即生效；换了密码的话机要用新密码重新注册。"),
    (
        Section(
            BASICS,
            (
                Field("name", "text", mark("名称"), mark("位置或用途，便于辨认。")),
                Field("model", "choice", mark("型号"), mark("决定能否在网页上替他接听。"), options=MODELS),
                Field("agent", "one", mark("专属坐席"), mark("他在这部话机上签入不用密码。"), of="agents"),
                ENABLED,
            ),
        ),
        Section(
            mark("注册密码"),
            (
                Field(
                    *("password", "secret", mark("密码")),
                    mark("只显示这一次，请现在填进话机；系统只保存它的摘要。"),
                ),
                Field("srtp", "flag", mark("加密通话（SRTP）"), mark("话机须已打开 SRTP；浏览器不用设置。"), False),
            ),
        ),
        Section(
            mark("权限"),
            (
                Field(
                    *("calls", "choice", mark("外呼权限"), mark("紧急号码任何时候都能拨打。"), "internal"),
                    options=CALLS,
                ),
                recording(help=mark("只管内部通话；与外线的通话按技能组、线路和坐席的设置。")),
            ),
        ),
        Section(
            mark("呼叫转移"),
            (
                Field("forward.always", "forward", mark("无条件转移")),
                Field("forward.busy", "forward", mark("遇忙转移")),
                Field("forward.no_answer", "forward", mark("无应答转移")),
                Field("forward.no_answer_s", "number", mark("振铃时长"), default=20, unit=mark("秒")),
                Field("forward.offline", "forward", mark("离线转移")),
            ),
            mark("填坐席、话机、技能组，或这部话机能拨打的号码；留空则不转移。不影响技能组分配的来电。"),
        ),
    ),
    ("name", "model", "agent", "calls"),
    id_label=mark("分机号"),
    hidden={"ha1": "it is given as password"},
)

QUEUES: Final = Kind(
    "queues",
    mark("技能组"),
    mark_in("several", "技能组"),
    "users",
    mark("来电在这里排队，分配给会这项业务的坐席。"),
    mark("新建第一个技能组，再把坐席加进来。"),
    NEXT_CALL,
    (
        Section(
            BASICS,
            (
                NAME,
                NAME_EN,
                Field(
                    *("strategy", "choice", mark("分配方式")),
                    *(mark("修改后，坐席再次签入或示闲时生效。"), "longest_idle"),
                    options=STRATEGIES,
                ),
                Field(
                    *("agent_order", "many", mark("坐席顺序")),
                    *(mark("固定顺序时，勾选的坐席从上到下依次优先；没有勾选的在他们之后，按工号。"), ()),
                    of="agents",
                    ordered=True,
                ),
                Field(
                    *("priority", "number", mark("优先级"), mark("数值大的先接入，-100 到 100。"), 0),
                ),
                Field(
                    *("ageing_ms", "number", mark("优先级老化"), mark("等待这么久相当于提高一级；0 为不老化。")),
                    default=60_000,
                    unit=mark("毫秒"),
                ),
            ),
        ),
        Section(
            mark("排队"),
            (
                Field("max_wait_s", "number", mark("最长排队"), mark("到时无人接听则结束。"), 600, unit=mark("秒")),
                Field(
                    *("music", "text", mark("等待音乐")),
                    mark("提示音目录下的文件名，如 music/hold；没有这个文件时播放默认音乐。"),
                    default="music/hold",
                ),
                Field(*("position_every_s", "number", mark("播报位置间隔"), mark("0 为不播报。"), 30), unit=mark("秒")),
                Field("service_level_s", "number", mark("服务水平目标"), default=20, unit=mark("秒")),
            ),
        ),
        Section(
            mark("振铃与话后"),
            (
                Field("ring_s", "number", mark("振铃时长"), default=20, unit=mark("秒")),
                Field("max_no_answer", "number", mark("连续未接次数"), mark("达到后自动示忙。"), 3, unit=mark("次")),
                Field("wrap_up_s", "number", mark("话后整理时长"), default=20, unit=mark("秒")),
                Field(
                    *("wrap_up_code", "choice", mark("话后小结")),
                    *(mark("必须填写时，坐席选好小结之前一直在话后整理。"), "optional"),
                    options={"optional": mark("可不填"), "required": mark("必须填写")},
                ),
                Field(
                    *("screen_pop", "flag", mark("来电弹屏")),
                    *(mark("振铃时自动弹出客户资料；关闭后由坐席在软电话上点开。"), True),
                ),
            ),
        ),
        Section(
            mark("话术"),
            (
                Field(
                    *("script", "script", mark("坐席要说的话")),
                    mark(
                        "可用变量：{客户} {企业} {坐席} {工号} {技能组} {接入号}，以及客户字段的名称，如 {会员卡号}。"
                    ),
                ),
            ),
            mark("来电弹屏上显示；变量换成本次通话的内容。留空则不显示。"),
        ),
        Section(
            mark("录音与外呼"),
            (recording("whole"), notice(), Field("caller_id", "text", mark("外显号码"), SHOWN_NUMBER)),
        ),
    ),
    ("strategy", "wrap_up_code", "recording"),
)

TARGET: Final = Field("target", "target", mark("转到"), mark("来电首先到达的地方。"), required=True)
NUMBERS: Final = Kind(
    "numbers",
    mark("接入号"),
    mark_in("several", "接入号"),
    "phone-incoming",
    mark("客户拨打的号码，以及接听它的地方。"),
    mark("新建一个接入号，选择来电转到哪里。"),
    NEXT_CALL,
    (
        Section(BASICS, (Field("name", "text", mark("名称")), TARGET)),
        Section(
            mark("工作时间"),
            (
                Field("calendar", "one", mark("时段"), mark("客户只在这些时间接通；不选则任何时间。"), of="calendars"),
                Field("closed", "target", mark("非工作时间转到"), mark("不选则播报“现在是非工作时间”，然后挂断。")),
            ),
        ),
        Section(mark("录音"), (recording("whole"), notice("required"))),
    ),
    ("name", "target", "calendar", "recording"),
    id_label=mark("号码"),
    id_help=mark("对外公布的号码，如 4008001000；保存后不能更改。"),
)

CALENDARS: Final = Kind(
    "calendars",
    mark("工作时间"),
    mark_in("several", "工作时间"),
    "clock",
    mark("每周的时段、节假日和调休上班的周末。接入号、语音导航、外呼路由和外呼用途按它判断。"),
    mark("新建一份工作时间。"),
    AT_ONCE,
    (
        Section(
            BASICS,
            (
                Field("name", "text", mark("名称")),
                Field(
                    *("override", "choice", mark("应急开关")),
                    mark("在恢复之前不看时段和节假日。"),
                    options={"": mark("按时间表"), "open": mark("一律开放"), "closed": mark("一律关闭")},
                ),
            ),
        ),
        Section(
            mark("每周时段"),
            (Field("hours", "hours", mark("每周时段"), default={}),),
            mark("如 09:00-12:00 13:30-18:00；空着的日子休息。跨过零点的写成两天。"),
        ),
        Section(
            mark("节假日与调休"),
            (
                Field("holidays", "days", mark("节假日"), default=()),
                Field("workdays", "days", mark("调休上班"), mark("这些日子按周一的时段上班。"), ()),
            ),
            mark("点一下为休息，再点为调休上班，再点恢复。"),
        ),
    ),
    ("name", "override", "hours"),
)

CENTER: Final = Kind(
    "settings",
    mark("中心"),
    mark_in("several", "中心"),
    "building",
    mark("名称、时区、语言和话机上的功能代码。"),
    "",
    AT_ONCE,
    (
        Section(
            BASICS,
            (
                Field("name", "text", mark("中心名称"), mark("显示在每一页的左上角。"), "小灵呼 LCall", required=True),
                Field("name_en", "text", mark("英文名称"), default="LCall"),
                Field("time_zone", "text", mark("时区"), mark("如 Asia/Shanghai。"), "Asia/Shanghai"),
                Field(
                    *("language", "choice", mark("语音提示的语言"), "", "zh"),
                    options={"zh": "中文", "en": "English"},
                ),
                Field("outside_prefix", "text", mark("外线前缀"), mark("拨外线前可以先按的一位数字；可留空。"), "9"),
            ),
        ),
        Section(
            mark("录音"),
            (
                Field("recording.in", "choice", mark("呼入"), options=RECORDING, sparse=True),
                Field("recording.out", "choice", mark("呼出"), options=RECORDING, sparse=True),
                Field("recording.internal", "choice", mark("内部通话"), options=RECORDING, sparse=True),
                Field(
                    *("recording_silence_s", "number", mark("略去的静音"), mark("只录有声部分时，更长的静音不录。"), 3),
                    unit=mark("秒"),
                ),
            ),
            mark("技能组、号码、线路和坐席都没有限定时才用到。"),
        ),
        Section(
            mark("录音保存"),
            (
                Field(
                    "keep_recordings_days",
                    "number",
                    mark("保存天数"),
                    mark("0 为一直保存，否则至少 30 天。"),
                    0,
                    unit=mark("天"),
                ),
            ),
            mark("对全部录音生效：到期的录音文件自动删除，不能恢复；通话记录和批注保留。"),
        ),
        Section(
            mark("话机功能代码"),
            tuple(
                Field(f"feature_codes.{feature}", "text", label, default=code)
                for feature, label, code in (
                    ("sign_in", mark("签入"), "*11"),
                    ("sign_out", mark("签出"), "*12"),
                    ("ready", mark("示闲"), "*13"),
                    ("pause", mark("示忙"), "*14"),
                    ("wrap_up_done", mark("结束话后整理"), "*15"),
                    ("pick_up", mark("代答"), "*8"),
                    ("echo", mark("回声测试"), "*43"),
                )
            ),
            mark("* 或 # 开头；留空则不能从话机上使用。"),
        ),
        Section(
            mark("通话中控制录音的按键"),
            tuple(
                Field(f"recording_keys.{action}", "text", label, sparse=True)
                for action, label in (
                    ("start", mark("开始录音")),
                    ("stop", mark("停止录音")),
                    ("pause", mark("暂停录音")),
                    ("resume", mark("继续录音")),
                )
            ),
            mark("坐席在话机上按；留空则不用。"),
        ),
    ),
    (),
    single="center",
    hidden={
        "id": "there is only one",
        "realm": "with another one no phone can register any more",
        "demo": "the demo world is never made out of a real center",
    },
)

GROUPS: Final[tuple[tuple[str, tuple[Kind, ...]], ...]] = (
    (mark("人员与话机"), (AGENTS, PHONES)),
    (mark("来电"), (QUEUES, NUMBERS, CALENDARS)),
    (mark("外呼"), (TRUNKS, ROUTES, PURPOSES)),
    (mark("业务"), (LISTS, PAUSE_REASONS, WRAP_UP_CODES, CONFERENCES)),
    (mark("系统"), (CENTER,)),
)
KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for _, kinds in GROUPS for kind in kinds}
ELSEWHERE: Final[Mapping[str, str]] = {
    "flows": "by LQ-SDK until there is an editor: docs/flows.md",
    "webhooks": "of programs: docs/sdk.md",
    "tokens": "of programs: ./lcall token",
}
TARGETS: Final[Mapping[str, str]] = {  # what a target's word names
    **{"queue": "queues", "agent": "agents", "ivr": "flows", "conference": "conferences", "phone": "phones"},
}
TARGET_WORDS: Final[Mapping[str, str]] = {
    **{"queue": mark("技能组"), "ivr": mark("语音导航"), "agent": mark("坐席"), "conference": mark("会议室")},
    **{"phone": mark("话机"), "echo": mark("回声测试")},
}
__all__ = ["ELSEWHERE", "GROUPS", "KINDS", "RECORDED", "TARGETS", "TARGET_WORDS", "WEEK"]
