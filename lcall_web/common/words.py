"""What things are called on the screen: states, results and reasons in the words of the call center. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lcall_web.common.i18n import mark

AGENT_STATES: Final[Mapping[str, str]] = {
    "signed_out": mark("未签入"),
    "ready": mark("空闲"),
    "reserved": mark("预占"),
    "ringing": mark("振铃"),
    "dialing": mark("外呼中"),
    "talking": mark("通话中"),
    "wrap_up": mark("话后整理"),
    "paused": mark("示忙"),
    "busy_other": mark("话机占用"),
    "phone_offline": mark("话机离线"),
}
PAUSE_REASONS: Final[Mapping[str, str]] = {
    "break": mark("小休"),
    "meal": mark("用餐"),
    "training": mark("培训"),
    "meeting": mark("会议"),
    "no_answer": mark("久未应答"),
}
NEXT: Final[Mapping[str, str]] = {"signed_out": mark("随后签出"), "paused": mark("随后示忙")}

CALL_STATES: Final[Mapping[str, str]] = {
    "started": mark("接入中"),
    "ivr": mark("语音菜单"),
    "queued": mark("排队中"),
    "ringing": mark("振铃"),
    "talking": mark("通话中"),
    "held": mark("保持中"),
    "echo": mark("回声测试"),
    "ended": mark("已结束"),
}
DIRECTIONS: Final[Mapping[str, str]] = {"in": mark("呼入"), "out": mark("呼出"), "internal": mark("内部")}
RESULTS: Final[Mapping[str, str]] = {
    "answered": mark("已接听"),
    "abandoned": mark("排队放弃"),
    "ivr": mark("菜单内结束"),
    "no_agent": mark("无坐席接听"),
    "busy": mark("占线"),
    "no_answer": mark("无应答"),
    "refused": mark("未受理"),
    "failed": mark("呼损"),
}
ENDED_BY: Final[Mapping[str, str]] = {"caller": mark("客户挂断"), "agent": mark("坐席挂断"), "system": mark("系统结束")}
PARTIES: Final[Mapping[str, str]] = {"customer": mark("客户"), "agent": mark("坐席")}
LEG_STATES: Final[Mapping[str, str]] = {
    "arriving": mark("到达"),
    "inviting": mark("呼叫中"),
    "ringing": mark("振铃"),
    "answered": mark("已接通"),
    "ended": mark("已结束"),
}
SEGMENTS: Final[Mapping[str, str]] = {
    "ivr": mark("语音菜单"),
    "queue": mark("排队"),
    "ring": mark("振铃"),
    "talk": mark("通话"),
    "hold": mark("保持"),
    "echo": mark("回声测试"),
    "wrap_up": mark("话后整理"),
}
# Why segments end, and how offers do (lq.acd.agent.OUTCOMES)
REASONS: Final[Mapping[str, str]] = {
    "queue": mark("转入排队"),
    "agent": mark("转坐席"),
    "hang_up": mark("挂断"),
    "wrong_key": mark("按键错误"),
    "no_key": mark("未按键"),
    "end": mark("菜单结束"),
    "answered": mark("已接听"),
    "abandoned": mark("客户放弃"),
    "no_agent": mark("无坐席接听"),
    "overflow": mark("溢出"),
    "failed": mark("失败"),
    "no_answer": mark("无应答"),
    "busy": mark("占线"),
    "refused": mark("拒接"),
    "unreachable": mark("话机不可达"),
    "caller_gone": mark("客户已挂断"),
    "expired": mark("预占超时"),
    "hold": mark("保持"),
    "resumed": mark("恢复通话"),
    "transferred": mark("已转接"),
}
RECORDINGS: Final[Mapping[str, str]] = {
    "planned": mark("录音即将开始"),
    "active": mark("正在录音"),
    "closing": mark("录音正在收尾"),
    "stored": mark("录音已保存"),
    "verified": mark("录音已校验"),
    "failed": mark("录音失败"),
}
EVENTS: Final[Mapping[str, str]] = {
    "contact_started": mark("呼叫到达"),
    "contact_ivr_entered": mark("进入语音菜单"),
    "contact_ivr_left": mark("离开语音菜单"),
    "contact_notice_played": mark("播放录音提示"),
    "contact_keys": mark("客户按键"),
    "contact_queued": mark("开始排队"),
    "contact_dequeued": mark("结束排队"),
    "contact_offered": mark("分配坐席"),
    "contact_ringing": mark("坐席振铃"),
    "contact_offer_ended": mark("振铃结束"),
    "contact_answered": mark("坐席应答"),
    "contact_held": mark("保持"),
    "contact_resumed": mark("恢复通话"),
    "contact_transferred": mark("转接"),
    "contact_echo": mark("回声测试"),
    "contact_ended": mark("呼叫结束"),
    "leg_started": mark("开始接续"),
    "leg_answered": mark("接通"),
    "leg_ended": mark("释放"),
    "recording_planned": mark("计划录音"),
    "recording_active": mark("开始录音"),
    "recording_closing": mark("录音收尾"),
    "recording_stored": mark("录音已保存"),
    "recording_verified": mark("录音已校验"),
    "recording_failed": mark("录音失败"),
}
CAUSES: Final[Mapping[int, str]] = {  # ITU-T Q.850, those that a call center meets
    1: mark("空号"),
    16: mark("正常挂断"),
    17: mark("用户忙"),
    18: mark("用户无响应"),
    19: mark("久叫不应"),
    21: mark("呼叫被拒"),
    27: mark("终端故障"),
    31: mark("正常，未指明"),
    34: mark("无可用电路"),
    38: mark("网络故障"),
    41: mark("临时故障"),
    42: mark("交换设备拥塞"),
    58: mark("承载能力不可用"),
    65: mark("承载能力未实现"),
    88: mark("不兼容"),
    102: mark("定时器超时"),
    127: mark("互通，未指明"),
}
