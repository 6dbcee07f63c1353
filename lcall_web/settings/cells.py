"""The lists of documents: what stands in each cell, and what each thing does now."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lcall_web.common.context import Context
from lcall_web.common.i18n import mark, translated
from lcall_web.common.masking import masked
from lcall_web.common.words import AGENT_STATES
from lcall_web.settings import rules, store
from lcall_web.settings.fields import Field, Kind
from lcall_web.settings.kinds import TARGET_WORDS, WEEK
from lcall_web.settings.rules import at, target
from lq.sdk import ApiError, Document

NOTHING: Final = "–"
MANY: Final = 4  # names of a cell
AWAY: Final = mark("实时状态暂时不可用")


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    name: str
    cells: tuple[str, ...]
    enabled: bool
    level: int  # of a tree
    state: str  # of an agent; "": none
    text: str  # in which it is looked for


@dataclass(frozen=True, slots=True)
class Table:
    columns: tuple[str, ...]  # marked
    rows: tuple[Row, ...]


async def table(here: Context, kind: Kind, documents: Mapping[str, Document], language: str, numbers: bool) -> Table:
    names, (extra, states) = await asyncio.gather(
        store.names(here, store.named_kinds(kind), language), _extra(here, kind, documents, language)
    )
    fields = [kind.field(name) for name in kind.columns if name != "name"]
    rows = []
    for id, level in _order(kind, documents):
        body = documents[id].body
        texts = [_cell(field, body, names, language, numbers) for field in fields] + [column(id) for _, column in extra]
        name = str(body.get("name") or "")
        enabled = bool(body.get("enabled", True))
        state = states.get(id, "")
        rows.append(Row(id, name, tuple(texts), enabled, level, state, " ".join((id, name, *texts))))
    return Table((*(field.label for field in fields), *(label for label, _ in extra)), tuple(rows))


def _order(kind: Kind, documents: Mapping[str, Document]) -> list[tuple[str, int]]:
    order = {id: (int(one.body.get("order", 0)), id) for id, one in documents.items()}
    parents = {id: str(one.body.get("parent", "")) for id, one in documents.items()}
    return rules.tree(parents, order)


def _cell(field: Field, body: Mapping[str, Any], names: store.Names, language: str, numbers: bool) -> str:
    return rules.hidden_from(field, body, numbers) or text(field, body, names, language)


def text(field: Field, body: Mapping[str, Any], names: store.Names, language: str) -> str:
    """A field's value as a person reads it."""
    value = at(body, field.name, field.default)
    match field.kind:
        case "secret":
            return ""
        case "flag":
            return translated(language, mark("是") if value else mark("否"))
        case "choice":
            return translated(language, field.options.get(str(value), str(value)))
        case "one":
            return names[field.of].get(value, value) or NOTHING
        case "many":
            return _some([names[field.of].get(one, one) for one in value], language)
        case "words" | "lines" | "days":
            return _some(list(value), language)
        case "pairs":
            return _some([f"{key} = {one}" for key, one in value.items()], language)
        case "target" | "forward":
            return _target(str(value), names, language)
        case "hours":
            return _week(value, language)
        case "number" if field.unit:
            return f"{value} {translated(language, field.unit)}"
        case _:
            return str(value) or NOTHING


def texts(kind: Kind, body: Mapping[str, Any], names: store.Names, language: str, numbers: bool) -> dict[str, str]:
    return {field.name: _cell(field, body, names, language, numbers) for field in kind.fields}


def _some(found: list[str], language: str) -> str:
    comma = ", " if language == "en" else "、"
    if len(found) <= MANY:
        return comma.join(found) or NOTHING
    return comma.join(found[:MANY]) + " " + translated(language, mark("等 %(count)s 项"), count=len(found))


def _target(value: str, names: store.Names, language: str) -> str:
    kind, id = target(value)
    if not kind:
        return translated(language, TARGET_WORDS.get(value, value)) or NOTHING
    word = translated(language, TARGET_WORDS[value.partition(":")[0]])
    return f"{word} {names.get(kind, {}).get(id, id)}"


def _week(hours: Mapping[str, list[str]], language: str) -> str:
    """Days with the same hours together: 周一 – 周五 09:00-18:00."""
    parts: list[tuple[str, str, str]] = []  # first day, last day, hours
    for day, word in WEEK.items():
        spans = " ".join(hours.get(day, ()))
        name = translated(language, word)
        if parts and parts[-1][2] == spans:
            parts[-1] = (parts[-1][0], name, spans)
        else:
            parts.append((name, name, spans))
    said = [f"{a if a == b else f'{a}–{b}'} {spans}" for a, b, spans in parts if spans]
    return "; ".join(said) or translated(language, mark("休息"))


# -- what things do now ------------------------------------------------------------------------------------------------


Column = tuple[str, Callable[[str], str]]


async def _extra(
    here: Context, kind: Kind, documents: Mapping[str, Document], language: str
) -> tuple[list[Column], Mapping[str, str]]:
    """Columns that are not of the document, and the states of agents. While the live state is away they are empty."""
    match kind.name:
        case "agents":
            phones = await store.documents(here, "phones")
            owned = {str(one.body.get("agent")): id for id, one in phones.items() if one.body.get("agent")}
            states, at_phone = await _agents(here)
            word = {id: translated(language, AGENT_STATES.get(state, state)) for id, state in states.items()}
            return [
                (mark("话机"), lambda id: at_phone.get(id) or owned.get(id, NOTHING)),
                (mark("状态"), lambda id: word.get(id, NOTHING)),
            ], states
        case "phones":
            states, at_phone = await _agents(here)
            who = {phone: agent for agent, phone in at_phone.items()}
            return [(mark("签入的坐席"), lambda id: who.get(id, NOTHING))], {}
        case "queues":
            agents, access = await asyncio.gather(store.documents(here, "agents"), store.documents(here, "numbers"))
            count = Counter(queue for one in agents.values() for queue in one.body.get("queues", ()))
            leads = {one.body["target"]: id for id, one in sorted(access.items(), reverse=True)}
            return [
                (mark("坐席数"), lambda id: str(count[id])),
                (mark("接入号"), lambda id: leads.get(f"queue:{id}", NOTHING)),
            ], {}
        case "conferences":
            rooms = await _rooms(here)
            return [(mark("正在会议中"), lambda id: str(rooms.get(id, NOTHING)))], {}
    return [], {}


async def _agents(here: Context) -> tuple[dict[str, str], dict[str, str]]:
    """State of each agent, and the phone at which he is."""
    try:
        agents = await here.lq.agents()
    except ApiError:
        return {}, {}
    phones = {one.id: one.phone if one.phone[:1] != "+" else masked(one.phone) for one in agents if one.phone}
    return {one.id: one.state for one in agents}, phones


async def _rooms(here: Context) -> dict[str, int]:
    try:
        return {room.id: len(room.parties) for room in await here.lq.conferences()}
    except ApiError:
        return {}


async def live(here: Context, kind: Kind, id: str, language: str) -> str:
    """What is going on at a thing right now, for who is about to change it; "": nothing to say of this kind."""
    try:
        match kind.name:
            case "agents":
                state = (await here.lq.agent(id)).state
                return translated(language, mark("现在：%(state)s"), state=translated(language, AGENT_STATES[state]))
            case "queues":
                queue = await here.lq.queue(id)
                return translated(
                    language,
                    mark("现在：排队 %(waiting)s，通话 %(talking)s，空闲坐席 %(ready)s"),
                    waiting=queue.waiting,
                    talking=queue.talking,
                    ready=queue.ready,
                )
            case "conferences":
                parties = len((await here.lq.room(id)).parties)
                return translated(language, mark("现在：会议中 %(parties)s 人"), parties=parties)
    except ApiError as error:
        return "" if error.status == 404 else translated(language, AWAY)
    return ""
