"""The web of LCall: what it is made of, opened and closed with the server."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from sanic import Request, Sanic
from sanic.response import HTTPResponse, json, redirect

import lcall_web.accounts.views as accounts
import lcall_web.board.views as board
import lcall_web.calls.views as calls
import lcall_web.customers.field_views as customer_fields
import lcall_web.customers.file_views as customer_files
import lcall_web.customers.pop_views as customer_pops
import lcall_web.customers.views as customers
import lcall_web.desk.views as desk
import lcall_web.followups.views as followups
import lcall_web.home.note_views as notes
import lcall_web.home.views as home
import lcall_web.home.writing_views as notices
import lcall_web.phone.views as phone
import lcall_web.recordings.views as recordings
import lcall_web.settings.views as settings
import lcall_web.team.views as team
import lcall_web.trust.views as trust
from lcall_web.board.feed import Feed
from lcall_web.common import context, door, failures
from lcall_web.common.assets import Assets
from lcall_web.common.context import Context, Places
from lcall_web.desk import news
from lcall_web.desk.callers import Callers
from lcall_web.desk.repeats import Repeats
from lcall_web.desk.store import Details
from lcall_web.followups import news as followup_news
from lcall_web.followups.reminders import Reminders
from lcall_web.home import bulletin
from lcall_web.home.bulletin import Bulletin
from lcall_web.team import news as team_news
from lq import telemetry

MAX_BODY: Final = 2_500_000  # forms, and the files that some of them take


def create_app(places: Places, name: str = "lcall_web") -> Sanic[Any, Any]:
    app: Sanic[Any, Any] = Sanic(name, configure_logging=False)
    app.config.AUTO_EXTEND = False
    app.config.REQUEST_MAX_SIZE = MAX_BODY
    app.config.GRACEFUL_SHUTDOWN_TIMEOUT = 3.0
    app.config.KEEP_ALIVE_TIMEOUT = 60
    assets = Assets()
    door.attach(app)
    failures.attach(app)
    for feature in (
        accounts,
        board,
        calls,
        customer_fields,
        customer_files,
        customer_pops,
        customers,
        desk,
        followups,
        home,
        notes,
        notices,
        phone,
        recordings,
        settings,
        team,
        trust,
    ):
        app.blueprint(feature.blueprint)
    app.blueprint(settings.logo.public)
    app.add_route(_home, "/", methods=["GET"])
    app.add_route(_healthz, "/healthz", methods=["GET"])
    app.add_route(assets.serve, "/static/<version:str>/<name:path>", methods=["GET"], name="static")

    @app.before_server_start
    async def open_all(app: Sanic[Any, Any]) -> None:
        app.ctx.context = here = await Context.open(places, assets)
        app.ctx.feed = feed = Feed(here.lq, here.watch)
        app.ctx.details = Details(here.lq)
        app.ctx.repeats = Repeats()
        app.ctx.callers = callers = Callers(here.database, feed.tell)
        app.ctx.reminders = reminders = Reminders(here.database, feed.tell, lambda: here.watch.center.time_zone)
        app.ctx.notices = notices_told = Bulletin(here.database, feed.tell)
        app.ctx.parts = (news.begin, followup_news.begin, bulletin.begin, team_news.begin)  # of the stream of each page
        telling = (callers.run(), reminders.run(), notices_told.run())
        running = (here.watch.run(), feed.run(), *telling, telemetry.HEART.beat())
        app.ctx.tasks = [asyncio.create_task(each) for each in running]

    @app.before_server_stop
    async def end_streams(app: Sanic[Any, Any]) -> None:
        app.ctx.feed.end()

    @app.after_server_stop
    async def close_all(app: Sanic[Any, Any]) -> None:
        for task in app.ctx.tasks:
            task.cancel()
        await asyncio.gather(*app.ctx.tasks, return_exceptions=True)
        await app.ctx.context.close()

    return app


async def _home(request: Request) -> HTTPResponse:
    return redirect("/board")


async def _healthz(request: Request) -> HTTPResponse:
    """Whether the web serves: from memory, so it answers at once whatever else hangs."""
    failing = sorted(context.of(request).watch.failing)
    return json({"status": "degraded" if failing else "ok", "failing": failing})
