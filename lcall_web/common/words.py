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
    "consulting": mark("咨询中"),
    "conferencing": mark("多方通话中"),
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
    "consult": mark("咨询"),
    "conference": mark("多方通话"),
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
    "taken_back": mark("已取消"),
    "forwarded": mark("已呼转"),
    "expired": mark("预占超时"),
    "hold": mark("保持"),
    "consult": mark("咨询"),
    "conference": mark("多方通话"),
    "resumed": mark("恢复通话"),
    "transferred": mark("已转接"),
    "released": mark("强拆"),
    "lost": mark("话机失联"),
    "pin": mark("密码错误"),
    "full": mark("会议人数已满"),
}
# Why somebody is called into a contact (lq.contacts.contact.Verb), how it is transferred or monitored, where a leg is
VERBS: Final[Mapping[str, str]] = {
    "consult": mark("咨询"),
    "add": mark("加入通话"),
    "blind": mark("直接转接"),
    "pick_up": mark("抢接"),
    "monitor": mark("班长监听"),
}
MODES: Final[Mapping[str, str]] = {
    "blind": mark("直接转接"),
    "consult": mark("咨询转接"),
    "listen": mark("监听"),
    "whisper": mark("耳语"),
    "barge": mark("强插"),
    "take-over": mark("拦截"),
    "end": mark("结束监听"),
}
PLACES: Final[Mapping[str, str]] = {
    "talk": mark("与客户通话"),
    "aside": mark("咨询"),
    "waits": mark("等待"),
    "listens": mark("监听"),
    "whispers": mark("耳语"),
    "alone": mark("离开通话"),
}
RECORDINGS: Final[Mapping[str, str]] = {
    "planned": mark("录音即将开始"),
    "active": mark("正在录音"),
    "paused": mark("录音暂停"),
    "stopped": mark("录音停止"),
    "closing": mark("录音正在收尾"),
    "stored": mark("录音已保存"),
    "verified": mark("录音已校验"),
    "failed": mark("录音失败"),
}
RECORDING_STOPS: Final[Mapping[str, str]] = {  # why it was stopped; another reason stands as it was given
    "customer_refused": mark("客户不同意录音"),
    "pci": mark("涉及银行卡信息"),
    "policy": mark("按录音策略停止"),
}
EVENTS: Final[Mapping[str, str]] = {
    "contact_started": mark("呼叫到达"),
    "contact_refused": mark("来电拒接"),
    "contact_code": mark("话机功能码"),
    "contact_ivr_entered": mark("进入语音菜单"),
    "contact_ivr_left": mark("离开语音菜单"),
    "contact_notice_played": mark("播放录音提示"),
    "contact_keys": mark("客户按键"),
    "contact_queued": mark("开始排队"),
    "contact_dequeued": mark("结束排队"),
    "contact_offered": mark("分配坐席"),
    "contact_forwarded": mark("呼叫转移"),
    "contact_dialed": mark("外呼"),
    "contact_dial_refused": mark("外呼被拒"),
    "contact_ringing": mark("坐席振铃"),
    "contact_offer_ended": mark("振铃结束"),
    "contact_answered": mark("坐席应答"),
    "contact_held": mark("保持"),
    "contact_resumed": mark("恢复通话"),
    "contact_consulting": mark("开始咨询"),
    "contact_conferring": mark("开始多方通话"),
    "contact_called": mark("呼叫第三方"),
    "contact_call_ended": mark("呼叫第三方结束"),
    "contact_help_wanted": mark("求助"),
    "contact_help_ended": mark("求助结束"),
    "contact_joined": mark("两路并接"),
    "contact_monitored": mark("班长监听"),
    "contact_picked_up": mark("抢接"),
    "contact_recording_started": mark("录音重新开始"),
    "contact_recording_stopped": mark("录音停止"),
    "contact_recording_refused": mark("录音指令被拒"),
    "contact_recording_paused": mark("录音暂停"),
    "contact_recording_resumed": mark("录音继续"),
    "contact_transferred": mark("转接"),
    "contact_echo": mark("回声测试"),
    "contact_conference_reached": mark("进入会议"),
    "contact_conference_joined": mark("加入会议"),
    "contact_conference_refused": mark("会议拒入"),
    "contact_conference_host": mark("会议主持人变更"),
    "contact_adopted": mark("节点接管"),
    "contact_ended": mark("呼叫结束"),
    "leg_started": mark("开始接续"),
    "leg_dialed": mark("呼叫坐席手机"),
    "leg_ringing": mark("话机振铃"),
    "leg_answered": mark("接通"),
    "leg_reoffered": mark("媒体变更"),
    "leg_placed": mark("通话位置变更"),
    "leg_muted": mark("静音变更"),
    "leg_key": mark("按键"),
    "leg_media_lost": mark("媒体中断"),
    "leg_media_restored": mark("媒体恢复"),
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
RULES: Final[Mapping[str, str]] = {  # of the gate to the outside, and of lists of callers
    "unreadable": mark("号码无法识别"),
    "permission": mark("话机无此呼叫权限"),
    "purpose": mark("外呼用途未定义"),
    "dnc": mark("免打扰名单"),
    "hours": mark("不在允许的外呼时段"),
    "no_route": mark("没有可用的外呼路由"),
    "no_caller_id": mark("没有可显示的主叫号码"),
    "daily_limit": mark("超过当日外呼次数"),
    "not_known": mark("暂时无法核查名单与次数"),
    "black_list": mark("黑名单"),
}
