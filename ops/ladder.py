"""A contact as a ladder: who said what to whom, and what became of it, in the order of time. Pure.

    +10.942  │               ├─ INVITE PCMA ─────────────────────▶│
    +10.944  │               ◆ 话机振铃 leg_ringing 8001          │

Columns: the customer, lq, the ACD, then one for each phone that was called. `◆` is an event of the contact, `◇` a state
of an agent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from ops.screen import padded, width
from ops.story import ACD, Message, Story, Told, printable

GAP: Final = 26  # between two lifelines
LEFT: Final = 12  # in front of the first
PAUSE_MS: Final = 1_000  # from here a silence is drawn
LQ: Final = "lq"

WORDS: Final[Mapping[str, str]] = {
    "contact_started": "呼叫到达 started",
    "contact_refused": "来电拒接 refused",
    "contact_code": "功能码 feature code",
    "contact_ivr_entered": "进入菜单 ivr",
    "contact_ivr_left": "离开菜单 ivr left",
    "contact_notice_played": "录音提示 notice",
    "contact_keys": "按键 key",
    "contact_queued": "开始排队 queued",
    "contact_dequeued": "结束排队 dequeued",
    "contact_offered": "分配坐席 offered",
    "contact_ringing": "坐席振铃 ringing",
    "contact_offer_ended": "振铃结束 offer ended",
    "contact_forwarded": "呼叫转移 forwarded",
    "contact_dialed": "外呼 dialed",
    "contact_dial_refused": "外呼受限 dial refused",
    "contact_answered": "坐席应答 answered",
    "contact_held": "保持 held",
    "contact_resumed": "恢复 resumed",
    "contact_consulting": "咨询 consulting",
    "contact_conferring": "多方通话 conferring",
    "contact_called": "呼叫第三方 called",
    "contact_call_ended": "呼叫第三方结束 call ended",
    "contact_help_wanted": "求助 help wanted",
    "contact_help_ended": "求助结束 help ended",
    "contact_joined": "两路并接 joined",
    "contact_monitored": "监听 monitored",
    "contact_picked_up": "抢接 picked up",
    "contact_recording_started": "重新录音 recording started again",
    "contact_recording_stopped": "停止录音 recording stopped",
    "contact_recording_refused": "录音指令被拒 recording order refused",
    "contact_recording_paused": "暂停录音 recording paused",
    "contact_recording_resumed": "继续录音 recording resumed",
    "contact_transferred": "转接 transferred",
    "contact_echo": "回声 echo",
    "contact_conference_reached": "进入会议 conference",
    "contact_conference_joined": "加入会议 conference joined",
    "contact_conference_refused": "会议拒入 conference refused",
    "contact_conference_host": "主持人变更 conference host",
    "contact_adopted": "节点接管 adopted",
    "contact_ended": "呼叫结束 ended",
    "leg_started": "开始接续 leg started",
    "leg_dialed": "呼叫坐席手机 leg dialed",
    "leg_ringing": "话机振铃 leg ringing",
    "leg_answered": "接通 leg answered",
    "leg_reoffered": "媒体变更 media changed",
    "leg_placed": "位置 placed",
    "leg_muted": "静音 muted",
    "leg_key": "按键 key pressed",
    "leg_media_lost": "媒体中断 media lost",
    "leg_media_restored": "媒体恢复 media restored",
    "leg_ended": "释放 leg ended",
    "channel_seized": "占用中继 channel seized",
    "channel_released": "释放中继 channel released",
    "recording_planned": "计划录音 recording planned",
    "recording_active": "开始录音 recording",
    "recording_closing": "录音收尾 recording closing",
    "recording_stored": "录音已存 recording stored",
    "recording_verified": "录音校验 recording verified",
    "recording_failed": "录音失败 recording failed",
    "recording_deleted": "录音到期已删除 recording deleted",
}
# What of an event's data is worth a word, in this order; the rest shows with --events.
SHOWN: Final = (
    *(
        "direction",
        "number_published",
        "called_published",
        "trunk",
        "flow",
        "queue",
        "conference",
        "verb",
        "from_agent",
        "to",
        "mode",
    ),
    *("agent", "party"),
    *("address", "codec", "engine", "pii_digits", "outcome", "result", "ended_by", "by", "reason", "state", "sip"),
    *("cause", "kind", "node", "accepted", "held", "place", "muted", "complete", "duration_ms", "rule"),
    *("list", "purpose", "feature"),
)
REPEATED: Final = ("leg_started", "leg_ringing")  # a head of a column, a message say it already


@dataclass(frozen=True, slots=True)
class Column:
    key: str
    title: str
    subtitle: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    at: int
    text: str
    style: str = ""  # request | provisional | success | refusal | event | state | pause


STYLES: Final = {
    "request": "1",
    "provisional": "2",
    "success": "32",
    "refusal": "33",
    "event": "36",
    "state": "35",
    "pause": "2",
}


# -- columns -----------------------------------------------------------------------------------------------------------


def columns(story: Story) -> tuple[Column, ...]:
    """Customer, lq, ACD if it was asked, and the other parties by address (a phone that rings twice has one)."""
    parties = _parties(story)
    nodes = list(dict.fromkeys(message.node for message in story.messages))
    inner = [Column(LQ, "lq", "→".join(nodes))]
    if any(message.leg == ACD for message in story.messages):
        inner.append(Column(ACD, "ACD"))
    customers = [party for party in parties if party.key.startswith("customer")][:1]
    return (*customers, *inner, *(party for party in parties if party not in customers))


def _parties(story: Story) -> list[Column]:
    found: dict[str, Column] = {}
    agents = {e.data["phone"]: e.data["agent"] for e in story.events if e.type == "contact_offered"}
    trunk = str(story.first("contact_started").get("trunk", ""))
    for event in story.events:
        if event.type == "leg_started":
            party, address = str(event.data["party"]), str(event.data["address"])
            who = agents.get(address, "") if party == "agent" else trunk
            word = {"customer": "客户", "agent": "坐席"}.get(party, party)
            key = _key(party, address)
            found.setdefault(key, Column(key, f"{word} {printable(address)}", printable(who)))
    for message in story.messages:
        if message.leg != ACD and message.leg not in _legs(story):
            key = f"{'customer' if message.leg.endswith('.1') else 'leg'}:{message.leg}"
            found.setdefault(key, Column(key, f"leg {message.leg.rpartition('.')[2]}"))
    return list(found.values())


def _key(party: str, address: str) -> str:
    return f"{party}:{address}"


def _legs(story: Story) -> dict[str, str]:
    """Leg id → key of its column."""
    return {
        str(e.data["leg"]): _key(str(e.data["party"]), str(e.data["address"]))
        for e in story.events
        if e.type == "leg_started"
    }


# -- rows --------------------------------------------------------------------------------------------------------------


def rows(story: Story, shown: Sequence[Column]) -> list[Row]:
    """Everything in the order of time; in the same ms first what came, then what it meant, then what went out."""
    places = {column.key: n for n, column in enumerate(shown)}
    legs = _legs(story)
    things: list[tuple[int, int, Message | Told]] = []
    things += [(message.at, 0 if message.direction == "in" else 2, message) for message in story.messages]
    things += [(event.at, 1, event) for event in story.events if event.type not in REPEATED]
    things.sort(key=lambda thing: thing[:2])
    seen: set[tuple[str, ...]] = set()
    found: list[Row] = []
    for at, _, thing in things:
        if isinstance(thing, Message):
            key = ACD if thing.leg == ACD else legs.get(thing.leg, _unknown(thing.leg))
            found.append(_message(thing, places, key, repeated=thing.identity in seen))
            seen.add(thing.identity)
        else:
            found.append(replace(_event(thing, places, legs), at=at))
    return found


def _unknown(leg: str) -> str:
    return f"{'customer' if leg.endswith('.1') else 'leg'}:{leg}"


def _lifelines(count: int, mark: str = "│") -> list[str]:
    cells = [" "] * (LEFT + GAP * (count - 1) + 1)
    for n in range(count):
        cells[LEFT + GAP * n] = mark
    return cells


def _message(message: Message, places: Mapping[str, int], key: str, *, repeated: bool) -> Row:
    cells = _lifelines(len(places))
    there, here = LEFT + GAP * places[key], LEFT + GAP * places[LQ]
    start, end = (there, here) if message.direction == "in" else (here, there)
    low, high = min(start, end), max(start, end)
    for x in range(low + 1, high):
        cells[x] = "┼" if cells[x] == "│" else "─"
    cells[start] = "├" if start < end else "┤"
    cells[end - 1 if start < end else end + 1] = "▶" if start < end else "◀"
    label = f" {message.label[: min(high - low - 6, 30)]}{' ↻' if repeated else ''} "
    at = start + 2 if start < end else start - 1 - len(label)
    cells[at : at + len(label)] = label
    return Row(message.at, "".join(cells).rstrip(), "provisional" if repeated else _style(message.code))


def _style(code: int) -> str:
    if not code:
        return "request"
    return "provisional" if code < 200 else "success" if code < 300 else "refusal"


def _event(event: Told, places: Mapping[str, int], legs: Mapping[str, str]) -> Row:
    cells = _lifelines(len(places))
    agent = event.type == "agent_state_changed"
    place = max(places.values()) if agent else places[LQ]
    at = LEFT + GAP * place
    for key, n in places.items():
        if agent and key == f"agent:{event.data.get('phone')}":
            at = LEFT + GAP * n
    text = f"{'◇' if agent else '◆'} {said(event, legs)}"
    free = cells[at + width(text) + 1 :] if at + width(text) + 1 < len(cells) else []
    return Row(0, "".join([*cells[:at], text, " ", *free]).rstrip(), "state" if agent else "event")


def said(event: Told, legs: Mapping[str, str]) -> str:
    """An event in a few words; `legs`: leg id → `customer:1380…`."""
    data = event.data
    if event.type == "agent_state_changed":
        return f"{data['agent']} {data['previous']} → {data['state']}"
    words = [WORDS.get(event.type, event.type)]
    if event.type.startswith("channel_"):
        return printable(f"{words[0]} {data['trunk']}/{data['number']}, {data['taken']} taken")
    words += [legs[data["leg"]].partition(":")[0]] if event.type.startswith("leg_") and data["leg"] in legs else []
    words += [_word(key, data[key]) for key in SHOWN if data.get(key) not in (None, "", ())]
    return printable(" ".join(words))


def _word(key: str, value: Any) -> str:
    match key, value:
        case "cause", _:
            return f"Q.850={value}"
        case (("sip" | "complete" | "held" | "accepted" | "muted"), _):
            return f"{key}={str(value).lower()}"
        case "called_published", _:
            return f"→ {value}"
        case "duration_ms", int():
            return f"{value / 1000:.1f} s"
        case "agent" | "from_agent" | "ended_by" | "by", _:
            return f"{key}={value}"
        case _:
            return str(value)


# -- the whole page ----------------------------------------------------------------------------------------------------


def page(story: Story, *, colours: bool) -> str:
    shown = columns(story)
    found = rows(story, shown)
    began = found[0].at if found else 0
    lines = [*summary(story), "", *head(shown)]
    lines += drawn(found, began, len(shown), colours=colours)
    return "\n".join(lines)


def head(shown: Sequence[Column]) -> list[str]:
    """Two lines of titles, each above its lifeline."""
    return [_titles([column.title for column in shown]), _titles([column.subtitle for column in shown])]


def _titles(titles: Sequence[str]) -> str:
    line = ""
    for n, title in enumerate(titles):
        line = padded(line, max(width(line), LEFT + GAP * n - width(title) // 2)) + title
    return line.rstrip()


def drawn(found: Sequence[Row], began: int, count: int, *, colours: bool, before: int | None = None) -> Iterator[str]:
    """Rows with their time; silences of a second and more as a line of their own. `before`: time of the row above."""
    last = before
    for row in found:
        if last is not None and row.at - last >= PAUSE_MS:
            yield _coloured(_pause(row.at - last, count), "pause", colours)
        last = row.at
        clock = f"{(row.at - began) / 1000:+10.3f}"
        yield clock + _coloured(row.text[len(clock) :], row.style, colours)


def _pause(ms: int, count: int) -> str:
    text = f"{ms / 1000:.1f} s".rjust(LEFT - 2)
    return text + "".join(_lifelines(count, "┆"))[len(text) :]


def _coloured(text: str, style: str, colours: bool) -> str:
    return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if colours and style else text


def summary(story: Story) -> list[str]:
    started, ended = story.first("contact_started"), story.first("contact_ended")
    lines = [f"呼叫 contact    {story.contact}"]
    if started:
        at = next(event.at for event in story.events if event.type == "contact_started")
        when = datetime.fromtimestamp(at / 1000).astimezone().isoformat(" ", timespec="milliseconds")
        lines[0] += f"   {when}"
        where = started.get("trunk") or started.get("phone") or ""
        numbers = f"{started['number_published']} → {started['called_published']}"
        lines.append(printable(f"号码 numbers    {started['direction']}   {numbers}   {where}   {started['node']}"))
    lines += [f"分段 segments   {text}"] if (text := _segments(story.events)) else []
    if ended:
        result = f"{ended['result']}, ended by {ended['ended_by']}, Q.850 {ended['cause']}"
        lines.append(f"结果 result     {result}{_duration(story.events)}")
    lines += [f"媒体 media      {text}"] if (text := _media(story.events)) else []
    lines += [f"录音 recording  {text}" for text in _recordings(story.events)]
    return lines + [f"缺少 missing    {what}" for what in story.missing]


def _duration(events: Iterable[Told]) -> str:
    ends = [event.at for event in events if event.type in ("contact_started", "contact_ended")]
    return f", {(ends[-1] - ends[0]) / 1000:.1f} s" if len(ends) == 2 else ""


# events that begin a stretch of the contact, and its name
_BEGINNINGS: Final = {
    "contact_ivr_entered": "ivr", "contact_queued": "queue", "contact_answered": "talk", "contact_held": "hold",
    "contact_resumed": "talk", "contact_consulting": "consult", "contact_conferring": "conference",
    "contact_conference_reached": "ivr", "contact_conference_joined": "conference", "contact_echo": "echo",
    "contact_ended": "",
}  # fmt: skip


def _segments(events: Iterable[Told]) -> str:
    """Stretches in the order of time; ringing lies within the queue."""
    begun = [(event.at, _BEGINNINGS[event.type]) for event in events if event.type in _BEGINNINGS]
    return " › ".join(f"{name} {(end - start) / 1000:.1f} s" for (start, name), (end, _) in pairwise(begun))


def _media(events: Iterable[Told]) -> str:
    """Which codec each leg speaks, and through which rtpengine."""
    parties = {e.data["leg"]: e.data["party"] for e in events if e.type == "leg_started"}
    return " · ".join(
        " ".join(filter(None, (parties.get(e.data["leg"], ""), str(e.data["codec"]), str(e.data.get("engine") or ""))))
        for e in events
        if e.type == "leg_answered"
    )


def _recordings(events: Iterable[Told]) -> Iterator[str]:
    states: dict[str, list[str]] = {}
    for event in events:
        about, _, state = event.type.partition("recording_")
        recording = event.subject if not about else str(event.data.get("recording", "")) if about == "contact_" else ""
        if state and recording:
            reason = f" ({printable(str(event.data['reason']))})" if event.data.get("reason") else ""
            states.setdefault(recording, []).append(state + reason)
    for recording, passed in states.items():
        yield f"{recording.rpartition('-')[2]}  {' › '.join(passed)}"


def listing(story: Story) -> str:
    """The events alone, with all that they say."""
    began = story.events[0].at if story.events else 0
    lines = []
    for event in story.events:
        data = "  ".join(f"{key}={value}" for key, value in event.data.items() if value not in (None, ""))
        lines.append(printable(f"{(event.at - began) / 1000:+10.3f}  {event.type:<22} {data}"))
    return "\n".join([*summary(story), "", *lines])


def sip(story: Story) -> str:
    """The messages themselves."""
    began = story.messages[0].at if story.messages else 0
    parts = []
    for one in story.messages:
        arrow = f"{one.peer} → {one.local}" if one.direction == "in" else f"{one.local} → {one.peer}"
        title = f"── {(one.at - began) / 1000:+.3f}  {one.node}  {arrow}  {one.leg.rpartition('.')[2] or one.leg} "
        text = "\n".join(printable(line) for line in one.data.split("\r\n"))
        parts.append(f"{title}{'─' * max(0, 100 - width(title))}\n{text.rstrip()}\n")
    return "\n".join([*summary(story), "", *parts])
