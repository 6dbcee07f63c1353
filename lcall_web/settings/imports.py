"""Agents from a workbook: the template, a preview with what is wrong in each line, then all of them at once."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Final

from sanic import Request
from sanic.response import HTTPResponse

from lcall_web.common import context, door, spreadsheet
from lcall_web.common.context import Context
from lcall_web.common.i18n import mark, translated
from lcall_web.settings import agents_sheet, sheets, store
from lcall_web.settings.agents_sheet import COLUMNS, EXAMPLES, Plan
from lcall_web.settings.room import REFUSED, file, first, given, reads, show, writes
from lcall_web.settings.rules import Fault
from lq.sdk import Document

Lines = list[tuple[int, dict[str, str]]]
Versions = Mapping[tuple[str, str], int]  # of documents, by kind and id

STATES: Final = {"new": mark("新建"), "changed": mark("更新"), "same": mark("无变化")}
TOO_MANY: Final = mark("一次最多导入 1000 人。")
EMPTY: Final = mark("表里没有人。")
STALE: Final = mark("页面已经过期，请重新选择文件。")
PLACES: Final = {"pin": "id", "ha1": "password"}


@reads("/import/agents")
async def begin(request: Request) -> HTTPResponse:
    return await _begin(request)


@reads("/import/template")
async def template(request: Request) -> HTTPResponse:
    language = request.ctx.language
    columns = [translated(language, text) if language == "zh" else _english(name) for name, text in COLUMNS.items()]
    return await spreadsheet.answer("agents", (), columns, EXAMPLES)


def _english(name: str) -> str:
    return next(head for head, column in agents_sheet.ENGLISH.items() if column == name).capitalize()


@writes("/import/agents")
async def preview(request: Request) -> HTTPResponse:
    """Nothing is written: each line says what would become of it, or what is wrong."""
    try:
        rows = await asyncio.to_thread(sheets.workbook, file(request)[1])
        lines = agents_sheet.named(rows)
    except (sheets.Unreadable, ValueError) as error:
        return await _begin(request, Fault(str(error)))
    if not 0 < len(lines) <= agents_sheet.MOST:
        return await _begin(request, Fault(TOO_MANY if lines else EMPTY))
    here = context.of(request)
    phones = await store.documents(here, "phones")
    for _, cells in lines:
        if cells.get("phone") and cells["phone"] not in phones and not cells.get("password"):
            cells["password"] = secrets.token_urlsafe(9)
    return await _preview(request, lines, (await _checked(here, lines))[0])


@writes("/import/agents/run")
async def run(request: Request) -> HTTPResponse:
    """All lines, or none when one of them cannot be any more."""
    here = context.of(request)
    lines = _lines(first(given(request), "lines"))
    if not lines:
        return await _begin(request, Fault(STALE))
    plans, versions = await _checked(here, lines)
    if any(plan.faults for plan in plans):
        return await _preview(request, lines, plans, REFUSED)
    changed = [plan for plan in plans if plan.state != "same"]
    if changed:
        try:
            wrong = bool(await store.put_all(here, _documents(changed, versions), door.viewer(request).id))
        except store.Overtaken:
            wrong = True
        if wrong:  # somebody changed one of them or what it names, this very moment
            return await _preview(request, lines, (await _checked(here, lines))[0], 409)
    new = [plan for plan in plans if plan.cells.get("password")]
    return await show(request, "imported.html", "agents", changed=len(changed), all=len(plans), phones=new)


@writes("/import/passwords")
async def passwords(request: Request) -> HTTPResponse:
    """The passwords that an import has just shown, as a workbook; the page has them, we keep none."""
    lines = _lines(first(given(request), "lines"))
    rows = [[cells.get(name, "") for name in ("phone", "password", "id", "name")] for _, cells in lines]
    columns = [translated(request.ctx.language, COLUMNS[name]) for name in ("phone", "password", "id", "name")]
    return await spreadsheet.answer("phones", (), columns, rows)


def _lines(text: str) -> Lines:
    """What the page carries along; [] when somebody has written something else into it."""
    try:
        lines = json.loads(text)
        return [(int(n), {name: str(cells[name]) for name in COLUMNS if name in cells}) for n, cells in lines]
    except (ValueError, TypeError):
        return []


async def _checked(here: Context, lines: Lines) -> tuple[list[Plan], Versions]:
    """The lines beside what is there, with what LQ-SDK has against them; and the versions of what is there."""
    agents, phones, queues = await asyncio.gather(
        store.documents(here, "agents"), store.documents(here, "phones"), store.names(here, ["queues"])
    )
    plans = agents_sheet.plans(
        lines,
        {id: one.body for id, one in agents.items()},
        {id: one.body for id, one in phones.items()},
        queues["queues"],
    )
    versions = {(one.kind, one.id): one.version for one in (*agents.values(), *phones.values())}
    good = [plan for plan in plans if not plan.faults]
    documents = _documents(good, versions)
    wrong = await store.put_all(here, documents, "", check=True) if documents else {}
    owners = [n for n, plan in enumerate(good) for _ in range(1 + (plan.phone is not None))]
    for n, faults in wrong.items():
        plan = good[owners[n]]
        column = "phone" if documents[n].kind == "phones" else ""
        plan_faults = {
            column or PLACES.get(name.partition(".")[0], name.partition(".")[0]): fault for name, fault in faults
        }
        plans[plans.index(plan)] = Plan(plan.line, plan.cells, plan.state, plan.agent, plan.phone, plan_faults)
    return plans, versions


def _documents(plans: Sequence[Plan], versions: Versions) -> list[Document]:
    found = []
    for plan in plans:
        for kind, body in (("agents", plan.agent), ("phones", plan.phone)):
            if body is not None:
                found.append(Document(kind, body["id"], versions.get((kind, body["id"]), 0), body))
    return found


async def _begin(request: Request, fault: Fault | None = None) -> HTTPResponse:
    status = REFUSED if fault else 200
    return await show(request, "import.html", "agents", status, fault=fault, columns=COLUMNS, examples=EXAMPLES)


async def _preview(request: Request, lines: Lines, plans: Sequence[Plan], status: int = 200) -> HTTPResponse:
    counts = {state: sum(plan.state == state and not plan.faults for plan in plans) for state in STATES}
    return await show(
        request,
        "preview.html",
        "agents",
        status,
        lines=json.dumps(lines, ensure_ascii=False),
        plans=plans,
        columns=COLUMNS,
        counts=counts,
        states=STATES,
        wrong=sum(bool(plan.faults) for plan in plans),
    )
