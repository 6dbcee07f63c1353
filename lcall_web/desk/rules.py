"""What an agent can do at his soft phone now, and why not the rest; what a refusal means in words. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lcall_web.common.i18n import mark
from lcall_web.common.words import RULES
from lq.sdk import Agent, ApiError, Contact
from lq.sdk.values import Leg

BOUND: Final = ("reserved", "ringing", "dialing", "talking")
CALLED: Final = ("inviting", "ringing")
KEYS: Final = re.compile(r"[0-9*#A-Da-d]{1,64}")
TO: Final = re.compile(r"[0-9A-Za-z:+*#_.-]{1,64}")
KEY: Final = re.compile(r"[A-Za-z0-9-]{8,64}")  # of idempotency, made in the page
LONGEST: Final = 64
BETWEEN: Final = ("Zs", "Cf", "Pd")  # spaces, marks that nobody sees, dashes (Unicode general category)
LEVELS: Final = 3  # of the tree of codes

SIGNED_OUT: Final = mark("请先签入。")
NO_CALL: Final = mark("现在没有通话。")
NOT_ANSWERED: Final = mark("接通后才能使用。")
NOTHING_RINGS: Final = mark("现在没有来电。")
IN_CALL: Final = mark("通话结束后才能使用。")
RINGS: Final = mark("振铃中请用“接听”或“拒接”。")
ASIDE: Final = mark("正在咨询：请先完成或取消转接。")
NO_CONSULT: Final = mark("没有正在进行的咨询。")
ASKED_RINGS: Final = mark("对方还没有接听。")
NO_WRAP_UP: Final = mark("现在不在话后整理。")
READY_NOW: Final = mark("已经是空闲。")
OUT_NOW: Final = mark("还没有签入。")
NOT_RECORDING: Final = mark("现在没有在录音。")
RECORDING: Final = mark("正在录音。")
HELD: Final = mark("客户正在保持中：请先恢复。")
MONITORS: Final = mark("您正在监听或耳语：请先强插或拦截，再操作这通电话。")
HELP_ON_ITS_WAY: Final = mark("已经求助，班长会看到。")


def plain(to: str) -> str:
    """As it is meant: full-width signs (NFKC), and a number without what people and programs put into it."""
    signs = unicodedata.normalize("NFKC", to).strip()
    if ":" in signs:
        return signs
    return "".join(sign for sign in signs if sign not in "()/·\t" and unicodedata.category(sign) not in BETWEEN)


GIVEN: Final = "no_answer"  # the reason that the center gives, not an agent


def codes(documents: Mapping[str, Mapping[str, Any]], queue: str) -> dict[str, str]:
    """The wrap-up codes for calls of this queue, each before what is below it: code -> its parent, "" at the top."""
    below: dict[str, list[str]] = {}
    for id, code in documents.items():
        if code.get("enabled", True) and (not code.get("queues") or queue in code["queues"]):
            below.setdefault(code.get("parent") or "", []).append(id)
    found: dict[str, str] = {}

    def take(parent: str, depth: int) -> None:
        for id in sorted(below.get(parent, ()), key=lambda id: (documents[id].get("order", 0), id)):
            if id not in found and depth < LEVELS:
                found[id] = parent
                take(id, depth + 1)

    take("", 0)
    return found


def leaf(codes: Mapping[str, str], code: str) -> bool:
    """Whether a call may be given it: a heading says too little."""
    return code in codes and code not in codes.values()


NO_CODE: Final = mark("请先选择话后小结。")
# What would lead out of a call's wrap-up, and what to do first where its queue wants a code
LEAVING: Final[Mapping[str, str]] = {
    "done": NO_CODE,
    "ready": NO_CODE,
    "pause": mark("请先选择话后小结，再示忙。"),
    "sign-out": mark("请先选择话后小结，再签出。"),
}


def wants_code(verb: str, state: str, code: str, *, required: bool) -> str:
    """What he is told who does this without a code; "" if he may. `code`: that he gives now, or has given."""
    if verb == "code":
        return "" if code else NO_CODE
    leaves = verb == "done" or (verb in LEAVING and state == "wrap_up")
    return LEAVING[verb] if leaves and required and not code else ""


@dataclass(frozen=True, slots=True)
class Situation:
    """An agent and the call that he is in, as far as buttons are concerned."""

    state: str
    next: str = ""
    own: Leg | None = None  # his leg of it
    talking: bool = False  # the conversation goes on
    held: bool = False  # the other one waits, or he has left them to themselves
    aside: bool = False  # he consults, or is calling whom he will consult
    asked: bool = False  # … who has answered
    calling: bool = False  # somebody is being called into it
    recording: str = ""  # active | paused | …; "": none
    helping: bool = False  # he wants a leader
    monitors: bool = False  # he is a leader who listens or whispers: it is not his call

    @property
    def joined(self) -> bool:
        return self.own is not None and self.own.state == "answered"


def situation(agent: Agent, contact: Contact | None) -> Situation:
    if contact is None or agent.state not in BOUND:
        return Situation(agent.state, agent.next or "")
    own = own_leg(contact, agent.id)
    others = [leg for leg in contact.legs if leg is not own and leg.state != "ended" and leg.mode is None]
    called = own is not None and any(leg.state in CALLED for leg in others)
    talking = contact.state in ("talking", "held", "consulting", "conferencing")
    asked = any(leg.place == "aside" and leg.state == "answered" for leg in others)
    place = own.place if own else None
    monitors = own is not None and own.mode in ("listen", "whisper")
    answered = [leg for leg in others if leg.state == "answered"]
    return Situation(
        state=agent.state,
        next=agent.next or "",
        own=own,
        talking=talking and own is not None and own.state == "answered",
        held=place in ("talk", None) and talking and (place is None or (waits(answered) and not called)),
        aside=place == "aside" or (talking and called and not monitors),
        asked=place == "aside" and asked,
        calling=talking and called,
        recording=recording_of(contact),
        helping=contact.help is not None,
        monitors=monitors,
    )


def waits(legs: list[Leg]) -> bool:
    return any(leg.place == "waits" for leg in legs)


def own_leg(contact: Contact, agent: str) -> Leg | None:
    """The leg of this agent that lives; one that has answered rather than one that is being called."""
    his = [leg for leg in contact.legs if leg.agent == agent and leg.state in (*CALLED, "arriving", "answered")]
    return next((leg for leg in his if leg.state == "answered"), his[-1] if his else None)


def recording_of(contact: Contact) -> str:
    return contact.recordings[-1].state if contact.recordings else ""


def reasons(now: Situation) -> dict[str, str]:
    """For each button why it cannot be used now, "" where it can; marked texts."""
    found = {**_of_agent(now), **_of_call(now)}
    keys, dial = found["keys"], found["dial"]  # one pad: it dials where there is no call to send its keys to
    return {**found, "keypad": "" if not (keys and dial) else keys if now.state in BOUND else dial}


def _of_agent(now: Situation) -> dict[str, str]:
    out, bound = now.state == "signed_out", now.state in BOUND
    ready = SIGNED_OUT if out else READY_NOW if now.state == "ready" or (bound and not now.next) else ""
    return {
        "sign-in": "",
        "sign-out": OUT_NOW if out else "",
        "ready": ready,
        "pause": SIGNED_OUT if out else "",
        "done": "" if now.state == "wrap_up" else NO_WRAP_UP,
        "dial": SIGNED_OUT if out else IN_CALL if bound else "",
    }


def _of_call(now: Situation) -> dict[str, str]:
    none = NO_CALL if now.own is None else "" if now.talking else NOT_ANSWERED
    talks = none or (MONITORS if now.monitors else "")
    apart = talks or (ASIDE if now.aside else "")
    rings = now.own is not None and now.own.state == "ringing"
    his_wish = now.state == "dialing"  # his own phone rings because he calls
    return {
        "answer": "" if rings else NOTHING_RINGS,
        "reject": "" if now.own and now.own.state in CALLED and not his_wish else NOTHING_RINGS,
        "hang-up": NO_CALL if now.own is None else "" if now.joined or his_wish else RINGS,
        "hold": apart or (HELD if now.held else ""),
        "resume": apart or ("" if now.held else NO_CALL),
        "mute": none,
        "unmute": none,
        "keys": talks,
        "transfer": apart or (ASKED_RINGS if now.calling else ""),
        "add": apart or (HELD if now.held else ASKED_RINGS if now.calling else ""),
        "complete": "" if now.aside else NO_CONSULT,
        "cancel": "" if now.aside else NO_CONSULT,
        "conference": NO_CONSULT if not now.aside else "" if now.asked else ASKED_RINGS,
        "record-start": talks or (RECORDING if now.recording in ("active", "planned", "paused") else ""),
        "record-stop": talks or ("" if now.recording in ("active", "paused") else NOT_RECORDING),
        "record-pause": talks or ("" if now.recording == "active" else NOT_RECORDING),
        "record-resume": talks or ("" if now.recording == "paused" else NOT_RECORDING),
        "help": talks or (HELP_ON_ITS_WAY if now.helping else ""),
        "help-end": talks or ("" if now.helping else NO_CALL),
    }


# -- refusals ----------------------------------------------------------------------------------------------------------

AWAY: Final = mark("呼叫接口没有响应，操作没有完成。通话不受影响，请稍后再试。")
UNKNOWN: Final = mark("操作没有完成：状态已经变化。请按现在显示的状态再试。")
REFUSALS: Final[Mapping[str, str]] = {  # codes of LQ-SDK -> what to do
    "phone_forbidden": mark("这部话机是别的坐席专用的：请换一部。"),
    "phone_disabled": mark("这部话机已经停用：请换一部。"),
    "cannot_be_answered": mark("这部话机不能由电脑接听：请拿起话机接听。"),
    "not_ringing": mark("这个来电已经结束，或已由别人接听。"),
    "not_talking": mark("通话已经变化：请按现在显示的状态再试。"),
    "not_in_contact": mark("您已不在这通电话里。"),
    "ended": mark("这通电话已经结束。"),
    "busy": mark("正在呼叫另一方：请等他接听，或先取消。"),
    "unknown_target": mark("没有这个坐席、技能组或号码：请检查后再拨。"),
    "itself": mark("不能转给自己。"),
    "mode": mark("转到技能组、语音导航或会议，请用“直接转接”。"),
    "conference": mark("多方通话中不能转到技能组、语音导航或会议。"),
    "no_customer": mark("这通电话里现在没有客户。"),
    "no_consult": mark("没有正在咨询的人，或他还没有接听。"),
    "never_recorded": mark("按录音策略，这条线路不录音。"),
    "in_progress": mark("上一次操作还在进行，请稍候。"),
    "digits": mark("按键只能是 0–9、* 和 #。"),
    "agent_disabled": mark("您的坐席已经停用：请联系管理员。"),
    "code_required": NO_CODE,
    "conflict": mark("现在的坐席状态不允许这样做：请按现在显示的状态再试。"),
    "unreachable": AWAY,
    "live_unavailable": AWAY,
}
FIELDS: Final[Mapping[str, str]] = {  # of a 422 without a code that says more
    "phone": mark("没有这部话机：请检查话机号码。"),
    "to": mark("没有这个坐席、技能组或号码：请检查后再拨。"),
}
GATE: Final = mark("这个号码不能呼出：%(reason)s。需要时请联系班长。")


def refusal(error: ApiError) -> tuple[str, str]:
    """A marked text, and the marked text that goes into it as `reason`."""
    if error.code in RULES:
        return GATE, RULES[error.code]
    if error.code in REFUSALS:
        return REFUSALS[error.code], ""
    if error.status in (0, 429, 503):
        return AWAY, ""
    return FIELDS.get(error.field or "", UNKNOWN), ""


# -- who the other one is ----------------------------------------------------------------------------------------------


def peer(contact: Contact, agent: Agent) -> str:
    """The number of whom this agent talks with, whole."""
    if contact.direction == "in":
        return contact.number_published or contact.number
    if contact.direction == "internal" and contact.called in (agent.phone, agent.id):
        return contact.number_published or contact.number
    return contact.called
