"""The pages about people: coming in, one's own account, everybody's accounts and what they did."""

from __future__ import annotations

from sanic import Blueprint

from lcall_web.accounts import login_views, own_views, people_views, role_views, watch_views

blueprint = Blueprint.group(
    login_views.blueprint, own_views.blueprint, people_views.blueprint, role_views.blueprint, watch_views.blueprint
)
