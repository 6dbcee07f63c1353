"""What all pages of the settings have in common: who may, the side menu, the fields of a form as they were sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from sanic import Blueprint, Request
from sanic.exceptions import NotFound
from sanic.response import HTTPResponse

from lcall_web.common import door, pages
from lcall_web.common.i18n import mark
from lcall_web.common.viewer import NUMBERS, SETTINGS
from lcall_web.settings import rules
from lcall_web.settings.fields import Kind
from lcall_web.settings.kinds import GROUPS, KINDS, TARGET_WORDS, WEEK
from lcall_web.settings.rules import Fault

blueprint = Blueprint("settings", url_prefix="/settings")

REFUSED: Final = 422
BESIDE: Final = (
    (mark("客户资料"), "/customers/fields/", "list-details", mark("客户字段")),
)  # settings that another room has


def reads(path: str) -> Callable[[door.Handler], door.Handler]:
    """A page of the settings at this path, for those alone who may change them."""

    def attach(handler: door.Handler) -> door.Handler:
        guarded = door.needs(SETTINGS)(handler)
        blueprint.add_route(guarded, path, methods=["GET"])
        return guarded

    return attach


def writes(path: str) -> Callable[[door.Handler], door.Handler]:
    """What a form of the settings does, for those alone who may."""

    def attach(handler: door.Handler) -> door.Handler:
        guarded = door.needs(SETTINGS)(handler)
        blueprint.add_route(guarded, path, methods=["POST"])
        return guarded

    return attach


def kind_of(name: str) -> Kind:
    if name not in KINDS:
        raise NotFound(name)
    return KINDS[name]


def id_of(text: str) -> str:
    if not rules.ID.fullmatch(text):
        raise NotFound(text)
    return text


def given(request: Request) -> dict[str, list[str]]:
    """Every field as it was sent, the empty ones too."""
    return {name: list(values) for name, values in (request.get_form(keep_blank_values=True) or {}).items()}


def file(request: Request) -> tuple[str, bytes]:
    """Name and content of the file that was sent; both empty when none was."""
    sent = request.files.get("file") if request.files else None
    return (sent.name, sent.body) if sent else ("", b"")


def first(form: dict[str, list[str]], name: str) -> str:
    return next(iter(form.get(name, ())), "").strip()


def numbers(request: Request) -> bool:
    return door.viewer(request).may(NUMBERS)


def address(kind: str, id: str = "") -> str:
    return f"/settings/{kind}/{quote(id, safe='')}"


async def show(request: Request, template: str, section: str, status: int = 200, **values: Any) -> HTTPResponse:
    """A page with the side menu; `section`: the kind that stands out in it."""
    return await pages.page(
        request,
        f"settings/{template}",
        status,
        groups=GROUPS,
        beside=BESIDE,
        kinds=KINDS,
        section=section,
        week=WEEK,
        target_words=TARGET_WORDS,
        **values,
    )


def said(fault: Fault) -> dict[str, Any]:
    """For the template: `_(text) % values` in the viewer's language."""
    return {"text": fault.text, "values": dict(fault.values or {})}
