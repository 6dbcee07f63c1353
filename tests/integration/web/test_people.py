"""Accounts: one's own and others', with a second factor, roles, teams, sessions, and the log of all of it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
import uuid

import httpx
import pyotp

from lcall_web.accounts import codes, people, rules
from lcall_web.accounts.changing import LAST, Refused
from lcall_web.accounts.store import Place as Address
from lcall_web.common.database import Database
from lcall_web.common.viewer import ADMIN, Reach, Viewer, granted
from tests.integration.ledger.conftest import dsn

from .calls import now_ms, past_call
from .conftest import Place, Visitor
from .naughty import shows

__all__ = ["dsn"]

GOOD = "a sparrow sings at dawn"
SECRET = re.compile(r'id="secret">([A-Z2-7]+)<')
CODE = re.compile(r"<li><code>([0-9a-f-]+)</code>")
TOLD = re.compile(r'<code id="password">([^<]+)<')
VERSION = re.compile(r'name="version" value="([^"]+)"')


def unique() -> str:
    return f"p-{uuid.uuid4().hex[:10]}"


async def created(place: Place, role: str = "agent", team: str = "", name: str = "测试") -> tuple[str, str]:
    """A new account by the page of the administrator: its number and its first password."""
    admin, id = await place.user("admin"), unique()
    answer = await admin.post("/accounts/new", {"id": id, "name": name, "role": role, "team": team})
    assert answer.status_code == 200, answer.text
    found = TOLD.search(answer.text)
    assert found
    return id, found[1]


async def member(place: Place, role: str = "agent", team: str = "") -> tuple[str, Visitor]:
    """A new account that has its own password, GOOD, and is in."""
    id, first = await created(place, role, team)
    visitor = place.visitor()
    assert (await visitor.log_in(id, first)).headers["location"].startswith("/login/password")
    await visitor.get("/login/password")
    assert (await visitor.post("/login/password", {"password": GOOD, "again": GOOD})).status_code == 303
    await visitor.get("/me/")
    return id, visitor


async def noted(place: Place, object: str) -> list[tuple[str, str]]:
    async with place.rows() as rows:
        found = await rows.fetch("select operator, action from audit where object = $1 order by id", object)
        return [tuple(row) for row in found]


async def operator(place: Place, id: str, **form: str) -> httpx.Response:
    """A form of the page of this account, sent by the administrator who has just opened it."""
    admin = await place.user("admin")
    page = await admin.get(f"/accounts/operators/{id}")
    version = VERSION.search(page.text)
    assert version, page.text
    return await admin.post(f"/accounts/operators/{id}", {"version": version[1], **form})


# -- coming in ---------------------------------------------------------------------------------------------------------


async def test_a_password_that_was_handed_over_is_changed_before_anything_else(place: Place) -> None:
    id, first = await created(place)
    visitor = place.visitor()
    answer = await visitor.log_in(id, first)
    assert answer.headers["location"] == "/login/password?next=%2Fboard"
    assert "lcall_session" not in visitor.http.cookies and (await visitor.get("/board")).status_code == 302
    await visitor.get("/login/password")
    for password, again, said in (
        ("short", "short", "至少 10 个字符"),
        (GOOD, GOOD + "x", "两次输入的密码不一样"),
        (first, first, "不能和现在的密码一样"),
        (f"{id}-and-more", f"{id}-and-more", "不要包含工号"),
    ):
        refused = await visitor.post("/login/password", {"password": password, "again": again})
        assert refused.status_code == 422 and said in refused.text, said
        assert "lcall_session" not in visitor.http.cookies
    done = await visitor.post("/login/password", {"password": GOOD, "again": GOOD, "next": "/calls/"})
    assert (done.status_code, done.headers["location"]) == (303, "/calls/")
    assert (await visitor.get("/board")).status_code == 200
    again = await visitor.http.post("/login/password", data={"csrf": visitor.csrf, "password": GOOD, "again": GOOD})
    assert again.status_code in (401, 403), "a step is taken once"
    assert (await place.visitor().log_in(id, first)).status_code == 401
    assert (await place.visitor().log_in(id, GOOD)).status_code == 303
    assert ("admin", "operator_created") in await noted(place, f"operator:{id}")
    assert (id, "password_changed") in await noted(place, f"operator:{id}")


async def test_the_second_factor_from_its_picture_to_the_last_recovery_code(place: Place) -> None:
    id, visitor = await member(place)
    assert (await visitor.post("/me/", {"do": "totp", "password": "wrong"})).status_code == 422
    await visitor.post("/me/", {"do": "totp", "password": GOOD})
    page = await visitor.get("/me/")
    assert 'class="lc-qr"' in page.text and not re.search(r"<svg[^>]*style", page.text)
    otp = pyotp.TOTP(SECRET.findall(page.text)[0])
    wrong = await visitor.post("/me/", {"do": "confirm", "code": "000000" if otp.now() != "000000" else "111111"})
    assert wrong.status_code == 422 and "验证码不对" in wrong.text
    used = otp.now()
    on = await visitor.post("/me/", {"do": "confirm", "code": used})
    recovery = CODE.findall(on.text)
    assert on.status_code == 200 and len(recovery) == codes.RECOVERY_CODES
    assert CODE.findall((await visitor.get("/me/")).text) == [], "shown once"
    async with place.rows() as rows:
        stored = await rows.fetch("select sha256 from recovery_code where operator = $1", id)
        assert {row["sha256"] for row in stored} == {codes.hashed(code) for code in recovery}

    phone = place.visitor()
    answer = await phone.log_in(id, GOOD)
    assert answer.headers["location"].startswith("/login/code") and "lcall_session" not in phone.http.cookies
    assert (await phone.get("/board")).status_code == 302
    step = phone.http.cookies["lcall_step"]
    await phone.get("/login/code")
    replayed = await phone.post("/login/code", {"code": used})
    assert replayed.status_code == 401 and "已经用过" in replayed.text, "the code that turned it on is spent"
    async with place.rows() as rows:  # the clock of the code moves on
        await rows.execute("update operator set totp_step = totp_step - 2 where id = $1", id)
    fresh = otp.now()
    entered = await phone.post("/login/code", {"code": f"{fresh[:3]} {fresh[3:]}"})
    assert entered.status_code == 303 and (await phone.get("/board")).status_code == 200
    thief = place.visitor(cookie=f"lcall_step={step}")
    assert (await thief.get("/login/code")).status_code == 302, "the step is over"

    other = place.visitor()
    await other.log_in(id, GOOD)
    await other.get("/login/code")
    assert (await other.post("/login/code", {"code": fresh})).status_code == 401, "no code works twice"
    assert (await other.post("/login/code", {"code": recovery[0].upper()})).status_code == 303
    again = place.visitor()
    await again.log_in(id, GOOD)
    await again.get("/login/code")
    assert (await again.post("/login/code", {"code": recovery[0]})).status_code == 401
    assert (id, "recovery_code_used") in await noted(place, f"operator:{id}")

    off = await visitor.post("/me/", {"do": "off", "password": GOOD})
    assert off.status_code == 303
    assert (await place.visitor().log_in(id, GOOD)).headers["location"] == "/board"
    assert [action for _, action in await noted(place, f"operator:{id}")].count("totp_off") == 1


async def test_the_same_code_at_the_same_moment_lets_one_in(place: Place) -> None:
    id, secret = unique(), codes.secret()
    async with place.rows() as rows:
        hashed = rules.HASHER.hash(GOOD)
        await rows.execute(
            "insert into operator (id, name, role, password_hash, totp_secret) values ($1, $1, 'agent', $2, $3)",
            *(id, hashed, secret),
        )
    visitors = [place.visitor() for _ in range(4)]
    for visitor in visitors:
        assert (await visitor.log_in(id, GOOD)).headers["location"].startswith("/login/code")
        await visitor.get("/login/code")
    code = pyotp.TOTP(secret).at(int(time.time()))
    answers = await asyncio.gather(*(visitor.post("/login/code", {"code": code}) for visitor in visitors))
    assert sorted(answer.status_code for answer in answers) == [303, 401, 401, 401]


async def test_codes_cannot_be_guessed(place: Place) -> None:
    id, secret = unique(), codes.secret()
    async with place.rows() as rows:
        await rows.execute(
            "insert into operator (id, name, role, password_hash, totp_secret) values ($1, $1, 'agent', $2, $3)",
            *(id, rules.HASHER.hash(GOOD), secret),
        )
    visitor = place.visitor()
    await visitor.log_in(id, GOOD)
    await visitor.get("/login/code")
    for _ in range(rules.PER_ACCOUNT - 1):
        assert (await visitor.post("/login/code", {"code": "'; --"})).status_code == 401
    assert (await visitor.post("/login/code", {"code": pyotp.TOTP(secret).now()})).status_code == 429
    assert (await place.visitor().log_in(id, GOOD)).status_code == 429, "nor with the right password once more"
    async with place.rows() as rows:
        await rows.execute("delete from login_attempt")


async def test_a_browser_that_brings_a_session_of_its_own_choice_gets_another(place: Place) -> None:
    chosen = "x" * 43
    visitor = place.visitor()
    visitor.http.cookies.set("lcall_session", chosen)
    await visitor.get("/login")
    answer = await visitor.post("/login", {"id": "1013", "password": "demo-1013"})
    given = [cookie for cookie in answer.headers.get_list("set-cookie") if cookie.startswith("lcall_session=")]
    assert len(given) == 1 and chosen not in given[0]
    async with place.rows() as rows:
        stored = await rows.fetch("select token_sha256 from web_session where operator = '1013'")
    assert len(stored) == 1 and stored[0]["token_sha256"] != hashlib.sha256(chosen.encode()).digest()


# -- one's own ---------------------------------------------------------------------------------------------------------


async def test_a_new_password_ends_the_other_sessions(place: Place) -> None:
    id, visitor = await member(place)
    elsewhere = place.visitor()
    await elsewhere.log_in(id, GOOD)
    wrong = await visitor.post("/me/", {"do": "password", "password": "wrong", "new": GOOD + "!", "again": GOOD + "!"})
    assert wrong.status_code == 422 and "密码不对" in wrong.text
    same = await visitor.post("/me/", {"do": "password", "password": GOOD, "new": GOOD, "again": GOOD})
    assert same.status_code == 422 and "不能和现在的密码一样" in same.text
    done = await visitor.post("/me/", {"do": "password", "password": GOOD, "new": GOOD + "!", "again": GOOD + "!"})
    assert done.status_code == 303
    assert (await visitor.get("/me/")).status_code == 200, "here he stays in"
    assert (await elsewhere.get("/board")).status_code == 302
    assert (await place.visitor().log_in(id, GOOD)).status_code == 401
    assert (await place.visitor().log_in(id, GOOD + "!")).status_code == 303


async def test_ones_own_sessions_can_be_ended_and_nobody_elses(place: Place) -> None:
    id, visitor = await member(place)
    elsewhere = place.visitor(**{"user-agent": "Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36"})
    await elsewhere.log_in(id, GOOD)
    _, stranger = await member(place)
    page = await visitor.get("/me/")
    assert "Chrome 140 · Windows" in page.text and "127.0.0.1" in page.text
    (number,) = re.findall(r'name="session" value="(\d+)"', page.text)
    await stranger.post("/me/", {"do": "end", "session": number})
    assert (await elsewhere.get("/board")).status_code == 200
    await visitor.post("/me/", {"do": "end", "session": number})
    assert (await elsewhere.get("/board")).status_code == 302
    for bad in ("", "x", "-1", "9" * 30, "'; --"):
        assert (await visitor.post("/me/", {"do": "end", "session": bad})).status_code == 400
    third = place.visitor()
    await third.log_in(id, GOOD)
    await visitor.post("/me/", {"do": "end_others"})
    assert (await third.get("/board")).status_code == 302 and (await visitor.get("/board")).status_code == 200


# -- others ------------------------------------------------------------------------------------------------------------


async def test_disabling_and_resetting_put_him_out_at_once(place: Place) -> None:
    id, visitor = await member(place)
    assert (await operator(place, id, do="disable")).status_code == 303
    assert (await visitor.get("/board")).status_code == 302
    assert (await place.visitor().log_in(id, GOOD)).status_code == 401
    assert (await operator(place, id, do="enable")).status_code == 303
    assert (await visitor.get("/board")).status_code == 302, "the old session stays ended"
    again = place.visitor()
    assert (await again.log_in(id, GOOD)).status_code == 303
    reset = await operator(place, id, do="reset")
    told = TOLD.search(reset.text)
    assert told and (await again.get("/board")).status_code == 302
    assert (await place.visitor().log_in(id, GOOD)).status_code == 401
    assert (await place.visitor().log_in(id, told[1])).headers["location"].startswith("/login/password")
    actions = [action for who, action in await noted(place, f"operator:{id}") if who == "admin"]
    assert actions == ["operator_created", "operator_disabled", "operator_enabled", "password_reset"]
    async with place.rows() as rows:
        assert told[1] not in str(await rows.fetch("select detail from audit")), "passwords are not written down"


async def test_a_change_is_written_down_with_what_it_was(place: Place) -> None:
    id, _ = await created(place, name="旧名字")
    done = await operator(place, id, do="save", name="新名字", role="leader", team="")
    assert done.status_code == 303
    async with place.rows() as rows:
        detail = await rows.fetchval(
            "select detail from audit where object = $1 and action = 'operator_changed'", f"operator:{id}"
        )
    assert json.loads(detail) == {"name": ["旧名字", "新名字"], "role": ["agent", "leader"]}
    admin = await place.user("admin")
    log = await admin.get("/accounts/audit", params={"about": f"operator:{id}"})
    assert shows(log.text, "name: 旧名字 → 新名字") and shows(log.text, "修改账号")


async def test_a_stale_page_is_told_so_and_keeps_what_was_typed(place: Place) -> None:
    id, _ = await created(place)
    admin = await place.user("admin")
    page = await admin.get(f"/accounts/operators/{id}")
    version = VERSION.search(page.text)
    assert version
    form = {"do": "save", "version": version[1], "role": "agent", "team": ""}
    assert (await admin.post(f"/accounts/operators/{id}", {**form, "name": "甲"})).status_code == 303
    stale = await admin.post(f"/accounts/operators/{id}", {**form, "name": "乙"})
    assert stale.status_code == 409 and "刚被别人修改过" in stale.text and shows(stale.text, "乙")


async def test_a_double_click_creates_one(place: Place) -> None:
    admin, id = await place.user("admin"), unique()
    form = {"id": id, "name": "双击", "role": "agent", "team": ""}
    answers = await asyncio.gather(*(admin.post("/accounts/new", form) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert "这个工号已经有账号" in max(answers, key=lambda each: each.status_code).text


async def test_nobody_locks_himself_out(place: Place) -> None:
    for form in ({"do": "disable"}, {"do": "reset"}, {"do": "save", "name": "x", "role": "agent", "team": ""}):
        refused = await operator(place, "admin", **form)
        assert refused.status_code == 422, form


async def test_an_agents_settings_lead_to_his_account_or_to_a_new_one(place: Place) -> None:
    admin, id = await place.user("admin"), unique()
    async with place.client() as lq:
        await lq.put_document("agents", id, {"id": id, "name": "新来的<b>"})
        try:
            link = f'href="/accounts/operators/{id}"'
            assert link in (await admin.get(f"/settings/agents/{id}")).text
            found = await admin.get(f"/accounts/operators/{id}")
            assert (found.status_code, found.headers["location"]) == (302, f"/accounts/new?id={id}")
            form = (await admin.get(f"/accounts/new?id={id}")).text
            assert f'value="{id}"' in form and 'value="新来的&lt;b&gt;"' in form
            await admin.post("/accounts/new", {"id": id, "name": "新来的", "role": "agent", "team": ""})
            assert (await admin.get(f"/accounts/operators/{id}")).status_code == 200
        finally:
            await lq.delete_document("agents", id)
    assert (await admin.get("/accounts/operators/nobody")).status_code == 404


async def test_two_administrators_cannot_put_each_other_out(dsn: str) -> None:
    database = Database(dsn)
    await database.open()
    for id in "ab":
        await database.fetch("insert into operator (id, name, role, password_hash) values ($1, $1, 'admin', '')", id)
    viewers = {id: Viewer(id, id, ADMIN, "", b"", "", granted(ADMIN, ()), Reach(None)) for id in "ab"}
    accounts = {id: await people.account(database, id) for id in "ab"}
    here = Address("127.0.0.1", "")
    done = await asyncio.gather(
        people.disable(database, viewers["a"], accounts["b"], True, here),
        people.change(database, viewers["b"], accounts["a"], "a", "agent", None, here),
        return_exceptions=True,
    )
    refused = [each for each in done if isinstance(each, Refused)]
    assert [each.reason for each in refused] == [LAST], done
    assert len(await database.fetch("select from operator where not disabled and role = 'admin'")) == 1
    assert len(await database.fetch("select from audit")) == 1, "what was not done is not written down"
    await database.close()


async def test_who_may_do_less_cannot_give_more(place: Place) -> None:
    admin = await place.user("admin")
    made = await admin.post(
        "/accounts/roles/new", {"do": "save", "name": unique(), "scope": "own", "permissions": "accounts"}
    )
    assert made.status_code == 303
    async with place.rows() as rows:
        role = await rows.fetchval("select id from role order by changed_at desc limit 1")
    _, helper = await member(place, role)
    given = {"id": unique(), "name": "x", "team": ""}
    for wanted in ("admin", "leader", "agent"):
        refused = await helper.post("/accounts/new", {**given, "role": wanted})
        assert refused.status_code == 422 and "超出您自己权限" in refused.text, wanted
    assert (await helper.post("/accounts/new", {**given, "role": role})).status_code == 200
    page = await helper.get("/accounts/operators/1014")
    version = VERSION.search(page.text)
    assert version
    for do in ("reset", "disable", "save", "totp"):
        form = {"do": do, "version": version[1], "name": "x", "role": role, "team": ""}
        assert (await helper.post("/accounts/operators/1014", form)).status_code == 403, do
    more = {"do": "save", "name": unique(), "scope": "all", "permissions": "settings"}
    assert (await helper.post("/accounts/roles/new", more)).status_code == 422
    page = await helper.get(f"/accounts/roles/{role}")
    version = VERSION.search(page.text)
    assert version
    widened = {**more, "version": version[1]}
    assert (await helper.post(f"/accounts/roles/{role}", widened)).status_code == 422


# -- roles and teams ---------------------------------------------------------------------------------------------------


async def test_a_role_is_made_given_changed_and_deleted_when_nobody_has_it(place: Place) -> None:
    admin, name = await place.user("admin"), f"角色 {unique()}"
    await admin.http.post(
        "/accounts/roles/new",
        data={"csrf": admin.csrf, "do": "save", "name": name, "scope": "own", "permissions": ["desk", "customers"]},
    )
    async with place.rows() as rows:
        id = await rows.fetchval("select id from role where name = $1", name)
        assert await rows.fetchval("select permissions from role where id = $1", id) == ["customers", "desk"]
    assert shows((await admin.get("/accounts/roles")).text, name)
    _, visitor = await member(place, id)
    assert (await visitor.get("/accounts/audit")).status_code == 403

    async def version() -> str:
        found = VERSION.search((await admin.get(f"/accounts/roles/{id}")).text)
        assert found
        return found[1]

    form = {"do": "save", "name": name, "scope": "all", "permissions": "accounts"}
    assert (await admin.post(f"/accounts/roles/{id}", {**form, "version": await version()})).status_code == 303
    assert (await visitor.get("/accounts/audit")).status_code == 200, "at once"
    assert (await admin.post(f"/accounts/roles/{id}", {**form, "version": "older"})).status_code == 409
    used = await admin.post(f"/accounts/roles/{id}", {"do": "delete", "version": await version()})
    assert used.status_code == 409 and "还有账号使用这个角色" in used.text
    async with place.rows() as rows:
        await rows.execute("update operator set role = 'agent' where role = $1", id)
    assert (await admin.post(f"/accounts/roles/{id}", {"do": "delete", "version": await version()})).status_code == 303
    assert (await admin.get(f"/accounts/roles/{id}")).status_code == 404
    for built_in in ("agent", "admin"):
        page = await admin.get(f"/accounts/roles/{built_in}")
        found = VERSION.search(page.text)
        assert found
        gone = await admin.post(f"/accounts/roles/{built_in}", {"do": "delete", "version": found[1]})
        assert gone.status_code == 409
    found = VERSION.search((await admin.get("/accounts/roles/admin")).text)
    assert found
    less = await admin.post("/accounts/roles/admin", {"do": "save", "scope": "own", "version": found[1]})
    assert less.status_code == 409, "the administrator's rights are not to be taken"


async def test_a_leader_sees_his_team_and_his_queues(place: Place) -> None:
    admin, name = await place.user("admin"), f"班组 {unique()}"
    made = await admin.post("/accounts/teams/new", {"do": "save", "name": name, "queues": "support"})
    assert made.status_code == 303
    taken = await admin.post("/accounts/teams/new", {"do": "save", "name": name})
    assert taken.status_code == 409 and "已经有了" in taken.text
    async with place.rows() as rows:
        team = await rows.fetchval("select id from team where name = $1", name)
        assert await rows.fetchval("select queues from team where id = $1", team) == ["support"]
    agent, _ = await member(place, "agent", str(team))
    _, leader = await member(place, "leader", str(team))
    ids = {kind: f"{kind}-{unique()}" for kind in ("mine", "queue", "other")}
    for kind, who, queue in (("mine", agent, "sales"), ("queue", "1072", "support"), ("other", "1015", "sales")):
        await place.store(past_call(ids[kind], now_ms(), "13800001234", who, queue).events)

    async def sees() -> set[str]:
        listed = (await leader.get("/calls/")).text
        found = {kind for kind, id in ids.items() if (await leader.get(f"/calls/{id}")).status_code == 200}
        assert found == {kind for kind, id in ids.items() if id in listed}, "the list and the pages agree"
        for kind, id in ids.items():
            heard = (await leader.get(f"/recordings/{id}-r1")).status_code
            assert heard == (200 if kind in found else 404)
        return found

    assert await sees() == {"mine", "queue"}
    page = await admin.get(f"/accounts/teams/{team}")
    version = VERSION.search(page.text)
    assert version
    form = {"do": "save", "name": name, "queues": "nonsense", "version": version[1]}
    assert (await admin.post(f"/accounts/teams/{team}", form)).status_code == 303
    assert await sees() == {"mine"}, "at once"
    version = VERSION.search((await admin.get(f"/accounts/teams/{team}")).text)
    assert version
    assert (await admin.post(f"/accounts/teams/{team}", {"do": "delete", "version": version[1]})).status_code == 303
    assert await sees() == set(), "a leader of nobody"


async def test_who_sees_a_team_cannot_see_more_by_managing_accounts(place: Place) -> None:
    admin, mark = await place.user("admin"), unique()
    teams, role = {}, f"r-{uuid.uuid4().hex[:8]}"
    async with place.rows() as rows:
        for name in ("mine", "theirs"):
            made = "insert into team (name, queues) values ($1, '{support,gone}') returning id"
            teams[name] = await rows.fetchval(made, f"{name} {mark}")
        added = "insert into role (id, name, scope, permissions) values ($1, $2, 'team', $3)"
        await rows.execute(added, role, f"角色 {mark}", ["accounts", "desk", "customers", "listen"])
    helper_id, helper = await member(place, role, str(teams["mine"]))
    (mine, my_agent), (theirs, their_agent) = [await member(place, role, str(teams[t])) for t in ("mine", "theirs")]

    async def sent(path: str, **form: str) -> httpx.Response:
        version = VERSION.search((await helper.get(path)).text)
        assert version
        return await helper.post(path, {"version": version[1], **form})

    # teams
    own, other = f"/accounts/teams/{teams['mine']}", f"/accounts/teams/{teams['theirs']}"
    assert (await sent(own, do="save", name=f"ours {mark}", queues="support")).status_code == 303
    for path, form in (
        (own, {"do": "save", "name": "x", "queues": "sales"}),
        (own, {"do": "save", "name": "x"}),
        (own, {"do": "delete"}),
        (other, {"do": "save", "name": "x", "queues": "support"}),
        (other, {"do": "delete"}),
    ):
        refused = await sent(path, **form)
        assert refused.status_code == 422 and "只有能看到全部的人才能改" in refused.text, (path, form)
    new = await helper.post("/accounts/teams/new", {"do": "save", "name": "x", "queues": "sales"})
    assert new.status_code == 422
    async with place.rows() as rows:
        found = await rows.fetch("select name, queues from team where id = any($1)", list(teams.values()))
        assert {row["name"] for row in found} == {f"ours {mark}", f"theirs {mark}"}
        assert all(row["queues"] == ["support", "gone"] for row in found)

    # accounts
    save = {"do": "save", "name": "新名字", "role": role}
    assert (await sent(f"/accounts/operators/{mine}", **save, team=str(teams["mine"]))).status_code == 303
    for team in ("", str(teams["theirs"])):
        moved = await sent(f"/accounts/operators/{mine}", **save, team=team)
        assert moved.status_code == 422 and "只有能看到全部的人才能改" in moved.text
    moved = await sent(f"/accounts/operators/{helper_id}", **save, team=str(teams["theirs"]))
    assert moved.status_code == 422, "himself into another team"
    for do in ("reset", "disable", "totp"):
        assert (await sent(f"/accounts/operators/{theirs}", do=do)).status_code == 403, do
        own = await sent(f"/accounts/operators/{helper_id}", do=do)
        assert own.status_code == 422, f"{do}: of himself, without his password"
    given = {"id": unique(), "name": "x", "role": role}
    assert (await helper.post("/accounts/new", {**given, "team": str(teams["theirs"])})).status_code == 422
    assert (await helper.post("/accounts/new", {**given, "team": str(teams["mine"])})).status_code == 200
    waiting = {"id": unique(), "name": "x", "role": role, "team": str(teams["mine"])}
    async with place.client() as lq, place.rows() as rows:
        await lq.put_document("agents", waiting["id"], {"name": "还没有账号"})
        refused = await helper.post("/accounts/new", waiting)
        assert refused.status_code == 422 and "只有能看到全部的人才能为他建账号" in refused.text
        assert not await rows.fetch("select from operator where id = $1", waiting["id"])
        assert await noted(place, f"operator:{waiting['id']}") == []
        assert (await admin.post("/accounts/new", waiting)).status_code == 200
        taken = await helper.post("/accounts/new", waiting)
        assert taken.status_code == 409 and "这个工号已经有账号" in taken.text
        await lq.delete_document("agents", waiting["id"])

    # sessions
    async def session(of: str) -> str:
        async with place.rows() as rows:
            return str(await rows.fetchval("select id from web_session where operator = $1", of))

    await helper.get("/accounts/sessions")
    assert (await helper.post("/accounts/sessions", {"session": await session(theirs)})).status_code == 403
    assert (await helper.post("/accounts/sessions", {"session": await session("admin")})).status_code == 403
    assert (await their_agent.get("/board")).status_code == 200 and (await admin.get("/board")).status_code == 200
    assert (await helper.post("/accounts/sessions", {"do": "all"})).status_code == 303
    assert (await their_agent.get("/board")).status_code == 200 and (await admin.get("/board")).status_code == 200
    assert (await my_agent.get("/board")).status_code == 302 and (await helper.get("/board")).status_code == 200
    again = place.visitor()
    await again.log_in(mine, GOOD)
    assert (await helper.post("/accounts/sessions", {"session": await session(mine)})).status_code == 303
    assert (await again.get("/board")).status_code == 302
