"""Every route as every role, with what belongs to somebody else; and no whole number where it is masked."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

import pytest

from lcall_web.app import create_app
from lcall_web.common.context import Places
from lcall_web.common.viewer import PERMISSIONS

from . import sound
from .calls import now_ms, past_call, spoken, stored
from .conftest import Place, Visitor
from .rights import KINDS, OBJECTS, RIGHTS, Right

NUMBER = "13977776543"
ALIKE = "13977776544"  # of his customer; nobody who calls with the other is him
OWNER = "1048"
PEOPLE: Mapping[str, str] = {"owner": OWNER, "colleague": "1049", "leader": "1901", "admin": "admin"}


def routes() -> set[str]:
    app = create_app(Places("", "", ""), f"rights-{uuid.uuid4().hex}")
    found = set()
    for route in app.router.routes:
        methods = set(route.methods) - {"HEAD", "OPTIONS"}
        found |= {f"{method} /{route.path}" for method in methods}
    return found


def test_every_route_has_its_rights_written_down() -> None:
    known = routes()
    assert len(known) > 15, "the router was read"
    assert known - set(RIGHTS) == set(), "these routes need a line in tests/integration/web/rights.py: who may?"
    assert set(RIGHTS) - known == set(), "there is no such route any more"
    for name, right in RIGHTS.items():
        assert right.may <= set(KINDS) and set(right.unless) <= set(KINDS), name
        assert set(right.ids.values()) <= set(OBJECTS), name


@pytest.fixture
async def objects(place: Place) -> Mapping[str, str]:
    """A call of 1048's with its recording, and the things that an administrator changes."""
    id = f"rights-{uuid.uuid4().hex[:12]}"
    path = f"2026/11/27/{id}-r1.wav"
    size = sound.write(place.home / "recordings", path, sound.silence(0.5), sound.silence(0.5))
    await place.store(stored(past_call(id, now_ms(), NUMBER, OWNER, "sales"), path, 0.5, size).events)
    async with place.rows() as rows:
        await rows.execute(
            "insert into role (id, name, scope, permissions) values ('rights-bare', '什么都不能', 'own', '{}'),"
            " ('rights-exporter', '只导出', 'own', '{listen,export}') on conflict do nothing"
        )
        await rows.execute("insert into team (name) values ('rights') on conflict do nothing")
        other = await rows.fetchval("select id from team where name = 'rights'")
        hashed = await rows.fetchval("select password_hash from operator where id = '1047'")
        for kind, role, team in (
            ("stranger", "leader", other),
            ("manager", "manager", None),
            ("inspector", "inspector", None),
            ("bare", "rights-bare", None),
            ("exporter", "rights-exporter", None),
        ):
            await rows.execute(
                "insert into operator (id, name, role, team, password_hash) values ($1, $1, $2, $3, $4)"
                " on conflict do nothing",
                *(f"rights-{kind}", role, team, hashed),
            )
        team = await rows.fetchval("select id from team where name = '客服部'")
        customer = await rows.fetchval(
            "insert into customer (key, kind, name) values (gen_random_uuid(), 'person', 'rights') returning id"
        )
        await rows.execute("insert into customer_phone (customer, number) values ($1, $2)", customer, f"+86{ALIKE}")
        follow_up = await rows.fetchval(
            "insert into follow_up (key, customer, kind, body, owner, due_at, remind_at, created_by, changed_by)"
            " values (gen_random_uuid(), $1, 'call_back', 'rights', $2, now(), now(), $2, $2) returning id",
            *(customer, OWNER),
        )
        notice = await rows.fetchval(
            "insert into notice (key, title, audience, team, written_by, changed_by)"
            " values ($1, 'rights', 'team', $2, 'admin', 'admin')"
            " on conflict (key) do update set title = 'rights' returning id",
            *(uuid.UUID(int=2), team),
        )
    return {
        "call": id,
        "recording": f"{id}-r1",
        "comment": "9",
        "customer": "999999999999",
        "follow_up": str(follow_up),
        "file": str(uuid.UUID(int=1)),
        "notice": str(notice),
        "nothing": "nothing",
        "operator": OWNER,
        "role": "rights-bare",
        "team": str(team),
    }


def path_of(name: str, right: Right, objects: Mapping[str, str]) -> str:
    path = name.partition(" ")[2]
    for parameter, object in right.ids.items():
        path = re.sub(f"<{parameter}:[a-z]+>", objects[object], path)
    return path.replace("<version:str>/<name:path>", "x/nothing.css")


async def answer(visitor: Visitor, name: str, right: Right, objects: Mapping[str, str]) -> tuple[int, bytes]:
    """The status, and what came within the first piece of a stream that does not end."""
    method, path = name.partition(" ")[0], path_of(name, right, objects)
    data = {"csrf": visitor.csrf, **right.form} if method != "GET" else None
    vouching = {"x-csrf-token": visitor.csrf}  # beside the form: what reads its body by itself looks here
    async with visitor.http.stream(method, path, data=data, headers=vouching) as found:
        endless = found.headers.get("content-type", "").startswith("text/event-stream")
        body = b"" if endless else await found.aread()
        return found.status_code, body


def expected(right: Right, kind: str) -> tuple[int, ...]:
    if kind in right.unless:
        return (right.unless[kind],)
    return right.fine if kind in right.may else (right.refused,)


@pytest.mark.parametrize("kind", KINDS)
async def test_every_route_as(place: Place, objects: Mapping[str, str], kind: str) -> None:
    visitor = place.visitor()
    id = PEOPLE.get(kind, f"rights-{kind}")
    entered = await visitor.log_in(id, f"demo-{id}" if kind in PEOPLE else "demo-1047")
    assert entered.status_code == 303
    wrong = {}
    for name, right in sorted(RIGHTS.items(), key=lambda each: each[1].ends):
        status, body = await answer(visitor, name, right, objects)
        if status not in expected(right, kind):
            wrong[name] = (status, expected(right, kind))
        revealed = name.endswith("/number") and status == 200
        if kind != "admin" and not revealed:
            assert NUMBER[2:8] not in spoken(body.decode(errors="replace")), f"{name} shows a whole number"
    assert wrong == {}, f"{kind}: status, what stands in rights.py"


async def test_every_route_as_somebody_who_is_not_in(place: Place, objects: Mapping[str, str]) -> None:
    visitor = place.visitor()
    await visitor.get("/login")
    for name, right in RIGHTS.items():
        if right.free:
            continue
        status, body = await answer(visitor, name, right, objects)
        assert status in (302, 401) and NUMBER.encode() not in body, name


async def test_a_role_of_ones_own_allows_what_was_ticked_and_at_once(place: Place, objects: Mapping[str, str]) -> None:
    visitor = place.visitor()
    assert (await visitor.log_in("rights-bare", "demo-1047")).status_code == 303
    assert (await visitor.get("/accounts/")).status_code == 403
    async with place.rows() as rows:
        await rows.execute(
            "update role set permissions = $1, scope = 'all' where id = 'rights-bare'", [*PERMISSIONS, "of_tomorrow"]
        )
        try:
            assert (await visitor.get("/accounts/")).status_code == 200
            assert NUMBER in (await visitor.get(f"/calls/{objects['call']}")).text
        finally:
            await rows.execute("update role set permissions = '{}', scope = 'own' where id = 'rights-bare'")
    assert (await visitor.get("/accounts/")).status_code == 403
    assert (await visitor.get(f"/calls/{objects['call']}")).status_code == 404


async def test_who_may_not_is_told_in_his_language(place: Place) -> None:
    colleague = await place.user("1049")
    page = await colleague.get("/accounts/")
    assert page.status_code == 403
    assert "没有权限" in page.text and "Forbidden" not in page.text
