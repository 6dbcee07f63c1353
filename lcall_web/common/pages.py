"""Templates to answers: one jinja environment for each language, and what every page may use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, PrefixLoader, StrictUndefined, pass_context
from jinja2.runtime import Context as Values
from markupsafe import Markup
from sanic import Request
from sanic.response import HTTPResponse, html

from lcall_web.common import context, door, menu
from lcall_web.common.assets import Assets
from lcall_web.common.i18n import CATALOGUES, LANGUAGES, TAGS

ROOMS: Final = (
    "common",
    "accounts",
    "board",
    "calls",
    "customers",
    "desk",
    "followups",
    "home",
    "recordings",
    "team",
    "phone",
    "trust",
    "settings",
)
HERE: Final = Path(__file__).resolve().parent.parent


# -- filters ---------------------------------------------------------------------------------------------------------


def duration(seconds: float | None) -> str:
    """1:05, 1:00:05; an unknown one is a dash."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def _local(values: Values, at: datetime) -> datetime:
    return at.astimezone(ZoneInfo(values["center"].time_zone))


@pass_context
def _day(values: Values, at: datetime | None) -> str:
    return "–" if at is None else f"{_local(values, at):%Y-%m-%d}"


@pass_context
def _clock(values: Values, at: datetime | None, parts: bool = False) -> str:
    """The time of day; with `parts` to the millisecond."""
    if at is None:
        return "–"
    local = _local(values, at)
    return f"{local:%H:%M:%S}" + (f".{local.microsecond // 1000:03}" if parts else "")


# -- rendering ---------------------------------------------------------------------------------------------------------


def _icon(assets: Assets, name: str, size: str = "") -> Markup:
    """A drawing of the sprite, in the colour of the text around it."""
    use = Markup('<svg class="icon {}" aria-hidden="true"><use href="{}#{}"/></svg>')
    return use.format(size, assets.url("vendor/icons.svg"), name)


def _environment(language: str) -> Environment:
    loader = PrefixLoader({room: FileSystemLoader(HERE / room / "templates") for room in ROOMS})
    environment = Environment(
        loader=loader,
        autoescape=True,
        enable_async=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    catalogue = CATALOGUES[language]
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        catalogue.gettext,
        catalogue.ngettext,
        newstyle=True,
        pgettext=catalogue.pgettext,  # what is done ("do"), where the same word says what has happened
    )
    environment.globals["word"] = catalogue.gettext  # for texts marked in Python
    environment.globals["several"] = partial(catalogue.pgettext, "several")
    environment.filters.update(duration=duration, day=_day, clock=_clock)
    return environment


ENVIRONMENTS: Final[Mapping[str, Environment]] = {language: _environment(language) for language in LANGUAGES}


async def render(request: Request, template: str, **values: Any) -> str:
    here = context.of(request)
    return await (
        ENVIRONMENTS[request.ctx.language]
        .get_template(template)
        .render_async(
            asset=here.assets.url,
            icon=partial(_icon, here.assets),
            brand=here.watch.center.called(request.ctx.language),
            center=here.watch.center,
            csrf=door.csrf(request),
            language=request.ctx.language,
            languages=LANGUAGES,
            logo=f"/logo/{here.watch.center.logo}" if here.watch.center.logo else here.assets.url("logo.svg"),
            menu=menu.of(request.ctx.viewer),
            nonce=request.ctx.nonce,
            address=request.path + (f"?{request.query_string}" if request.query_string else ""),
            path=request.path,
            problems=here.watch.problems(),
            session=door.session_mark(request),
            tag=TAGS[request.ctx.language],
            viewer=request.ctx.viewer,
            web_version=here.version,
            **values,
        )
    )


async def page(request: Request, template: str, status: int = 200, **values: Any) -> HTTPResponse:
    answer = html(await render(request, template, **values), status=status)
    if request.ctx.viewer is None and door.VISITOR not in request.cookies:
        door.set_cookie(request, answer, door.VISITOR, request.ctx.visitor)
    return answer
