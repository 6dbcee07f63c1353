"""Coming in and going out: real PostgreSQL, the real web, a browser's cookies."""

from __future__ import annotations

import hashlib
import re
import uuid

import pyotp
import pytest

from lcall_web.accounts import codes, rules

from .conftest import Place, Visitor


async def sessions_of(place: Place, operator: str) -> list[bytes]:
    async with place.rows() as rows:
        return [
            row["token_sha256"]
            for row in await rows.fetch("select token_sha256 from web_session where operator = $1", operator)
        ]


async def forget_attempts(place: Place) -> None:
    """All tests come from the same address."""
    async with place.rows() as rows:
        await rows.execute("delete from login_attempt")


async def test_a_session_lives_in_the_cookie_and_only_its_hash_in_the_database(place: Place) -> None:
    """1090 signs in nowhere else: the hash is still the demo's."""
    visitor = place.visitor()
    page = await visitor.get("/calls/?from=2026-01-01")
    assert (page.status_code, page.headers["location"]) == (302, "/login?next=%2Fcalls%2F%3Ffrom%3D2026-01-01")
    answer = await visitor.log_in("1090")
    assert answer.status_code == 303 and answer.headers["location"] == "/board"
    cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith("lcall_session="))
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie
    token = visitor.http.cookies["lcall_session"]
    assert len(token) >= 43, "256 bits"
    assert await sessions_of(place, "1090") == [hashlib.sha256(token.encode()).digest()]
    async with place.rows() as rows:
        stored = await rows.fetchval("select password_hash from operator where id = '1090'")
        assert not rules.needs_rehash(stored), "the demo's cheap hash was made a good one"
        assert await rows.fetchval("select count(*) from audit where operator = '1090' and action = 'login'") == 1


async def test_after_logging_out_the_old_cookie_is_worth_nothing(place: Place) -> None:
    visitor = await place.user("1003")
    token = visitor.http.cookies["lcall_session"]
    assert (await visitor.post("/logout")).status_code == 303
    assert await sessions_of(place, "1003") == []
    thief = place.visitor(cookie=f"lcall_session={token}")
    assert (await thief.get("/board")).status_code == 302
    assert (await thief.get("/live")).status_code == 401


@pytest.mark.parametrize("cookie", [True, False])
async def test_whoever_is_out_is_told_so_and_not_that_his_page_is_old(place: Place, cookie: bool) -> None:
    """By the cookie of a session that has ended, and after a logout in another tab."""
    visitor = await place.user("1003")
    async with place.rows() as rows:
        await rows.execute("delete from web_session where operator = '1003'")
    if not cookie:
        del visitor.http.cookies["lcall_session"]
    by_script = await visitor.http.post("/desk/agent/ready", headers={"x-csrf-token": visitor.csrf})
    assert by_script.status_code == 401
    by_htmx = await visitor.post("/follow-ups/1/done", headers={"hx-request": "true"})
    assert (by_htmx.status_code, by_htmx.headers["hx-redirect"]) == (401, "/login")
    form = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for path in ("/logout", "/me/"):
        by_form = await visitor.post(path, headers=form)
        assert (by_form.status_code, by_form.headers["location"]) == (303, "/login"), path


async def test_logging_in_again_gives_another_session_and_ends_the_first(place: Place) -> None:
    visitor = await place.user("1004")
    first = visitor.http.cookies["lcall_session"]
    answer = await visitor.post("/login", {"id": "1004", "password": "demo-1004"})
    assert answer.status_code == 303 and visitor.http.cookies["lcall_session"] != first
    assert len(await sessions_of(place, "1004")) == 1


async def test_a_disabled_operator_is_out_at_once(place: Place) -> None:
    visitor = await place.user("1005")
    async with place.rows() as rows:
        await rows.execute("update operator set disabled = true where id = '1005'")
        assert (await visitor.get("/board")).status_code == 302
        assert (await place.visitor().log_in("1005")).status_code == 401
        await rows.execute("update operator set disabled = false where id = '1005'")


async def test_wrong_and_unknown_are_answered_alike(place: Place) -> None:
    await forget_attempts(place)

    async def answer(id: str, password: str) -> tuple[int, str]:
        visitor = place.visitor()
        refused = await visitor.log_in(id, password)
        changing = r'(?i)(value="|nonce": ?"|nonce="|token": ")[^"]*'
        return refused.status_code, re.sub(changing, "", refused.text)

    async with place.rows() as rows:
        before = await rows.fetchval("select count(*) from operator")
    known = await answer("1006", "wrong")
    assert known[0] == 401 and "工号或密码不对。" in known[1]
    for id, password in (("nobody", "wrong"), ("'; drop table operator; --", "x"), ("<script>", "x" * 5000), ("", "")):
        assert (await answer(id, password or " ")) == known, id
    async with place.rows() as rows:
        assert await rows.fetchval("select count(*) from operator") == before
    await forget_attempts(place)


async def test_every_attempt_costs_one_whole_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Same time for an unknown account, a wrong password, and an account whose stored hash is a cheap one."""
    cheap = rules.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("right")
    good = rules.HASHER.hash("right")
    costs: list[bool] = []
    real = rules._verify

    def counted(stored: str, password: str) -> bool:
        costs.append(not rules.needs_rehash(stored))
        return real(stored, password)

    monkeypatch.setattr(rules, "_verify", counted)
    for stored, password, right in ((None, "x", False), (good, "x", False), (good, "right", True), (cheap, "x", False)):
        costs.clear()
        assert rules.matches(stored, password) is right
        assert costs.count(True) == 1


async def test_an_account_is_closed_to_guessing_but_opens_with_the_right_password(place: Place) -> None:
    await forget_attempts(place)
    for _ in range(rules.PER_ACCOUNT - 1):
        assert (await place.visitor().log_in("1007", "guess")).status_code == 401
    assert (await place.visitor().log_in("1007")).status_code == 303
    for _ in range(rules.PER_ACCOUNT):
        assert (await place.visitor().log_in("1007", "guess")).status_code == 401
    refused = await place.visitor().log_in("1007")
    assert refused.status_code == 429 and "15 分钟" in refused.text
    assert (await place.visitor().log_in("1008")).status_code == 303, "others are not concerned"
    async with place.rows() as rows:
        await rows.execute("update login_attempt set at = at - interval '16 minutes'")
    assert (await place.visitor().log_in("1007")).status_code == 303
    await forget_attempts(place)


@pytest.mark.slow
async def test_a_whole_shift_may_log_in_from_one_address(place: Place) -> None:
    await forget_attempts(place)
    for n in range(rules.PER_ADDRESS + 5):
        assert (await place.visitor().log_in(str(1040 + n))).status_code == 303


@pytest.mark.slow
async def test_so_may_one_that_has_two_step_login(place: Place) -> None:
    password, secret = "a sparrow sings at dawn", codes.secret()
    people = [f"shift-{uuid.uuid4().hex[:12]}" for _ in range(rules.PER_ADDRESS + 5)]
    async with place.rows() as rows:
        added = "insert into operator (id, name, role, password_hash, totp_secret) values ($1, $1, 'agent', $2, $3)"
        hashed = rules.HASHER.hash(password)
        await rows.executemany(added, [(id, hashed, secret) for id in people])

        async def attempts() -> dict[str, int]:
            found = await rows.fetch("select subject, count(*) as n from login_attempt group by subject")
            return {row["subject"]: row["n"] for row in found}

        for n, id in enumerate(people):
            visitor = place.visitor()
            assert (await visitor.log_in(id, password)).headers["location"].startswith("/login/code")
            await visitor.get("/login/code")
            if n == 0:
                assert await attempts() == {f"account:{id}": 1}
                assert (await visitor.post("/login/code", {"code": "x"})).status_code == 401
                assert await attempts() == {f"account:{id}": 2, "address:127.0.0.1": 1}, "a wrong code stays counted"
            entered = await visitor.post("/login/code", {"code": pyotp.TOTP(secret).now()})
            assert entered.status_code == 303, f"of {id}, {n} others came in before"
        assert await attempts() == {"address:127.0.0.1": 1}


async def test_an_address_is_closed_after_guessing_at_many_accounts(place: Place) -> None:
    await forget_attempts(place)
    async with place.rows() as rows:
        await rows.execute(
            "insert into login_attempt (subject) select 'address:127.0.0.1' from generate_series(1, $1)",
            rules.PER_ADDRESS,
        )
    assert (await place.visitor().log_in("1009")).status_code == 429
    await forget_attempts(place)


@pytest.mark.parametrize("path", ["/login", "/logout", "/language", "/calls/c1/number"])
async def test_nothing_changes_for_a_form_of_another_site(place: Place, path: str) -> None:
    visitor, other = await place.user("1901"), await place.user("1010")
    for token in ("", "x", "é", other.csrf):
        answer = await visitor.http.post(path, data={"csrf": token, "id": "1001", "password": "demo-1001"})
        assert answer.status_code == 403 and "set-cookie" not in answer.headers
    assert (await visitor.get("/board")).status_code == 200, "still in"
    stranger = place.visitor()
    assert (await stranger.http.post("/login", data={"id": "1001", "password": "demo-1001"})).status_code == 403


@pytest.mark.parametrize(
    ("wish", "place_to_go"),
    [
        ("/calls/?number=138", "/calls/?number=138"),
        ("//evil.example", "/board"),
        ("https://evil.example", "/board"),
        ("/\\evil.example", "/board"),
        ("/board\r\nX: y", "/board"),
        ("", "/board"),
    ],
)
async def test_the_way_after_logging_in_never_leads_to_another_site(place: Place, wish: str, place_to_go: str) -> None:
    visitor: Visitor = place.visitor()
    await visitor.get("/login")
    answer = await visitor.post("/login", {"id": "1011", "password": "demo-1011", "next": wish})
    assert (answer.status_code, answer.headers["location"]) == (303, place_to_go)


async def test_the_language_is_chosen_and_kept(place: Place) -> None:
    visitor = place.visitor(**{"accept-language": "en-US,en"})
    assert "Log in" in (await visitor.get("/login")).text
    answer = await visitor.post("/language", {"language": "zh", "next": "/login?next=%2Fcalls%2F"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fcalls%2F")
    page = await visitor.get("/login")
    assert '<html lang="zh-CN"' in page.text and "登录" in page.text
    assert "演示数据" in page.text and "demo-admin" in page.text, "the page says that the passwords are public"


async def test_every_answer_is_protected(place: Place) -> None:
    visitor = await place.user("1012")
    for path in ("/login", "/board", "/calls/", "/nowhere", "/static/x/lcall.css"):
        headers = (await visitor.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self';" in policy and "unsafe" not in policy, path
        assert headers["x-content-type-options"] == "nosniff"
    page = await visitor.get("/board")
    assert page.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?![^>]* src=)", page.text) and not re.search(r"\son\w+=|\sstyle=", page.text)
    for address in re.findall(r'(?:src|href)="(/static/[^"#]+)', page.text):
        asset = await visitor.get(address, headers={"accept-encoding": "gzip"})
        assert asset.status_code == 200 and "immutable" in asset.headers["cache-control"], address
        assert asset.headers["content-encoding"] == "gzip"
    for path in ("/static/x/../app.py", "/static/x/..%2f..%2fapp.py", "/static/x/vendor/README.md", "/static/x/%00"):
        assert (await visitor.get(path)).status_code == 404, path
