"""Calls to the outside as pages: trunks, the routes of calls over them, what they are for. Pure."""

from __future__ import annotations

from typing import Final

from lcall_web.common.i18n import mark, mark_in
from lcall_web.settings.fields import BASICS, ENABLED, LIMITS, NEXT_CALL, NOTICE, Field, Kind, Section, recording

TRUNKS: Final = Kind(
    "trunks",
    mark("中继"),
    mark_in("several", "中继"),
    "plug",
    mark("到运营商的线路：E1 网关或 SIP 中继。"),
    mark("新建一条中继，填写网关的地址。"),
    NEXT_CALL,
    (
        Section(
            BASICS,
            (
                Field("name", "text", mark("名称")),
                Field("address", "text", mark("地址"), mark("网关的 IP 地址；只接受来自它的呼叫。"), required=True),
                Field("port", "number", mark("端口"), default=5060),
                Field("channels", "number", mark("线路数"), default=30, unit=mark("路")),
                Field(
                    *("direction", "choice", mark("方向"), "", "both"),
                    options={"both": mark("双向"), "in": mark("只呼入"), "out": mark("只呼出")},
                ),
                Field("codecs", "words", mark("语音编码"), mark("按优先顺序，用逗号隔开。"), ("PCMA", "PCMU")),
                ENABLED,
            ),
        ),
        Section(
            mark("号码"),
            (
                Field("numbers.country_code", "text", mark("国家代码"), default="86"),
                Field("numbers.area_code", "text", mark("本地区号"), mark("不带 0，如北京为 10。")),
                Field("numbers.called_digits", "number", mark("被叫位数"), mark("只送末几位时填写；0 为完整号码。"), 0),
                Field(
                    *("numbers.caller_digits", "number", mark("本地主叫位数")),
                    mark("本地来电不带区号时填 8；0 为完整号码。"),
                    0,
                ),
                Field("numbers.strip", "text", mark("去掉的前缀"), mark("网关加在主叫号码前的数字。")),
                Field(
                    *("caller_ids", "lines", mark("允许外显的号码")),
                    mark("一行一个。没有号码的中继不能呼出；400、800 号码不能外显。"),
                    (),
                ),
                Field(
                    *("numbers.landing", "pairs", mark("落地号码")),
                    mark("一行一条：落地号码 = 对外公布的号码。"),
                    {},
                ),
            ),
        ),
        Section(
            mark("向运营商注册"),
            (
                Field("register.user", "text", mark("用户"), mark("如 +861088001000；留空则不注册。")),
                Field("register.domain", "text", mark("域")),
                Field("register.password", "secret", mark("密码"), mark("留空则不变。")),
                Field("register.auth_user", "text", mark("鉴权用户"), mark("留空则由用户和域得出。")),
                Field("register.realm", "text", mark("鉴权域"), mark("留空则与域相同。")),
                Field("register.expires_s", "number", mark("注册有效期"), default=600, unit=mark("秒")),
            ),
            mark("IMS 等需要注册的线路才填写。"),
        ),
    ),
    ("name", "address", "channels", "direction", "caller_ids"),
)

ROUTES: Final = Kind(
    "routes",
    mark("外呼路由"),
    mark_in("several", "外呼路由"),
    "route",
    mark("外呼的电话走哪条中继。指定了坐席或技能组的路由优先，其次前缀最长的优先。"),
    mark("没有路由就不能外呼。新建一条，选择中继。"),
    NEXT_CALL,
    (
        Section(
            BASICS,
            (
                Field("name", "text", mark("名称")),
                Field(
                    *("trunks", "many", mark("中继"), mark("前一条占满或中断时用后一条。"), ()),
                    of="trunks",
                    ordered=True,
                ),
                Field(
                    *("use", "choice", mark("使用顺序"), "", "in_order"),
                    options={"in_order": mark("依次"), "in_turn": mark("轮流")},
                ),
                Field(
                    *("prefixes", "lines", mark("号码前缀")),
                    mark("一行一个，如 +8610；没有则适用于所有号码。"),
                    (),
                ),
                Field("caller_id", "text", mark("外显号码"), mark("留空则用中继的第一个号码。")),
            ),
        ),
        Section(
            LIMITS,
            (
                Field("calendar", "one", mark("时段"), mark("只在这些时间可用；不选则任何时间。"), of="calendars"),
                Field("queues", "many", mark("技能组"), mark("只给这些技能组的坐席使用。"), (), of="queues"),
                Field("agents", "many", mark("坐席"), mark("只给这些坐席使用。"), (), of="agents"),
            ),
        ),
        Section(
            mark("录音"),
            (
                recording("none"),
                Field(
                    *("notice", "choice", mark("录音告知"), "", "by_agent"),
                    options={value: text for value, text in NOTICE.items() if value != "required"},
                ),
            ),
        ),
    ),
    ("name", "trunks", "prefixes", "calendar"),
)

PURPOSES: Final = Kind(
    "purposes",
    mark("外呼用途"),
    mark_in("several", "外呼用途"),
    "target",
    mark("为什么给客户打电话：服务、营销、通知……按用途限制时段和次数。"),
    mark("新建一个用途，例如营销。"),
    NEXT_CALL,
    (
        Section(
            BASICS,
            (
                Field("name", "text", mark("名称")),
                Field("calendar", "one", mark("时段"), mark("只在这些时间可用；不选则任何时间。"), of="calendars"),
                Field(
                    *("per_number_a_day", "number", mark("同一号码每天次数"), mark("0 为不限。"), 0), unit=mark("次")
                ),
            ),
        ),
    ),
    ("name", "calendar", "per_number_a_day"),
)
