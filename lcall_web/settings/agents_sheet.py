"""A sheet of agents with their phones and skills: what each line means beside what is there already. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lcall_web.common.i18n import mark
from lcall_web.settings import rules
from lcall_web.settings.rules import Fault

MOST: Final = 1000
COLUMNS: Final[Mapping[str, str]] = {
    "id": mark("工号"),
    "name": mark("姓名"),
    "queues": mark("技能组"),
    "phone": mark("话机"),
    "password": mark("话机密码"),
    "mobile": mark("手机"),
    "caller_id": mark("外显号码"),
}
ENGLISH: Final[Mapping[str, str]] = {
    **{"operator number": "id", "name": "name", "queues": "queues", "phone": "phone"},
    **{"phone password": "password", "mobile": "mobile", "shown number": "caller_id"},
}
EXAMPLES: Final = (
    ("2001", "李雷", "sales", "8201", "", "+8613800138000", ""),
    ("2002", "韩梅梅", "sales、support", "8202", "", "", ""),
)
NO_QUEUE: Final = mark("没有技能组 %(name)s。")
TWICE: Final = mark("第 %(line)s 行已经有它。")
OWNED: Final = mark("这部话机属于 %(agent)s。")
NO_HEAD: Final = mark("第一行必须是表头，至少有工号和姓名。")


@dataclass(frozen=True, slots=True)
class Plan:
    """What one line asks for."""

    line: int
    cells: Mapping[str, str]
    state: str  # new | changed | same
    agent: Mapping[str, Any]
    phone: Mapping[str, Any] | None = None
    faults: Mapping[str, Fault] = field(default_factory=dict)  # by column


def named(rows: Sequence[Sequence[str]]) -> list[tuple[int, dict[str, str]]]:
    """The lines below the head with their numbers, cells by column. Raises ValueError with a marked text."""
    heads = {zh: name for name, zh in COLUMNS.items()} | dict(ENGLISH)
    found = [
        {heads[cell.strip().lower()]: x for x, cell in enumerate(row) if cell.strip().lower() in heads} for row in rows
    ]
    start = next((n for n, places in enumerate(found) if {"id", "name"} <= set(places)), None)
    if start is None:
        raise ValueError(NO_HEAD)
    lines = [
        (line, {name: row[x].strip() for name, x in found[start].items() if x < len(row)})
        for line, row in enumerate(rows[start + 1 :], start + 2)
    ]
    return [(line, cells) for line, cells in lines if any(cells.values())]


def plans(
    lines: Sequence[tuple[int, Mapping[str, str]]],
    agents: Mapping[str, Mapping[str, Any]],
    phones: Mapping[str, Mapping[str, Any]],
    queues: Mapping[str, str],
) -> list[Plan]:
    """What each line changes. An empty cell leaves alone what is there."""
    seen: dict[tuple[str, str], int] = {}
    found = []
    for line, cells in lines:
        faults: dict[str, Fault] = {}
        agent = _agent(cells, agents.get(cells.get("id", ""), {}), queues, faults)
        phone = _phone(cells, phones, faults)
        for name in ("id", "phone"):
            value = cells.get(name, "")
            if value and (first := seen.setdefault((name, value), line)) != line:
                faults[name] = Fault(TWICE, {"line": str(first)})
        state = _state(agent, agents.get(agent["id"]), phone, phones)
        found.append(Plan(line, cells, state, agent, phone, faults))
    return found


def _agent(
    cells: Mapping[str, str], before: Mapping[str, Any], queues: Mapping[str, str], faults: dict[str, Fault]
) -> dict[str, Any]:
    body = {**before, "id": cells.get("id", "")}
    if not rules.ID.fullmatch(body["id"]):
        faults["id"] = Fault(rules.BAD_ID)
    for name in ("name", "mobile", "caller_id"):
        if cells.get(name):
            body[name] = cells[name]
    if not body.get("name"):
        faults["name"] = Fault(rules.NEEDED)
    if cells.get("queues"):
        body["queues"] = _queues(cells["queues"], queues, faults)
    return body


def _queues(text: str, queues: Mapping[str, str], faults: dict[str, Fault]) -> list[str]:
    ids = {**{name: id for id, name in queues.items()}, **{id: id for id in queues}}
    words = rules.split(text)
    unknown = [word for word in words if word not in ids]
    if unknown:
        faults["queues"] = Fault(NO_QUEUE, {"name": unknown[0]})
    return list(dict.fromkeys(ids[word] for word in words if word in ids))


def _phone(
    cells: Mapping[str, str], phones: Mapping[str, Mapping[str, Any]], faults: dict[str, Fault]
) -> dict[str, Any] | None:
    id = cells.get("phone", "")
    if not id:
        return None
    if not rules.ID.fullmatch(id):
        faults["phone"] = Fault(rules.BAD_ID)
    before = phones.get(id, {})
    if before.get("agent") not in (None, "", cells.get("id", "")):
        faults["phone"] = Fault(OWNED, {"agent": str(before["agent"])})
    body = {**before, "id": id, "agent": cells.get("id", "")}
    if cells.get("password"):
        body["password"] = cells["password"]
    return body


def _state(
    agent: Mapping[str, Any],
    known: Mapping[str, Any] | None,
    phone: Mapping[str, Any] | None,
    phones: Mapping[str, Mapping[str, Any]],
) -> str:
    if known is None:
        return "new"
    as_is = all(_plain(known.get(name)) == _plain(value) for name, value in agent.items() if name != "id")
    return (
        "same"
        if as_is and (phone is None or phone == {**phones.get(phone["id"], {}), "id": phone["id"]})
        else "changed"
    )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value or ""
