"""Naughty texts in every field of the pages about accounts, in searches and addresses, and as the caller's number."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from lcall_web.accounts import rules

from .calls import now_ms, past_call
from .conftest import Place
from .naughty import NAUGHTY, UNPRINTABLE, faults, shows
from .test_people import VERSION, created, unique

pytestmark = pytest.mark.slow


def expected(text: str) -> str:
    """As a name: without blanks around it; "" for one that cannot be one."""
    name = text.strip()
    return name if name.isprintable() and len(name) <= rules.LONGEST_NAME else ""


async def test_naughty_names_are_texts_or_clear_errors(place: Place) -> None:
    id, _ = await created(place)
    admin = await place.user("admin")
    for text in (*NAUGHTY, *UNPRINTABLE):
        page = await admin.get(f"/accounts/operators/{id}")
        version = VERSION.search(page.text)
        assert version
        form = {"do": "save", "version": version[1], "name": text, "role": "agent", "team": ""}
        answer = await admin.post(f"/accounts/operators/{id}", form)
        assert answer.status_code == (303 if expected(text) else 422), repr(text)
        for path in (f"/accounts/operators/{id}", f"/accounts/?q={id}", f"/accounts/audit?about=operator:{id}"):
            page = await admin.get(path)
            assert page.status_code == 200 and faults(page.text) == [], (path, text)
            assert not expected(text) or shows(page.text, expected(text)), (path, text)


@pytest.mark.parametrize(
    "path",
    ["/accounts/?q=", "/accounts/sessions?q=", "/accounts/audit?about=", "/accounts/audit?who=", "/calls/?agent="],
)
async def test_naughty_searches_find_what_is_written_or_say_what_is_wrong(place: Place, path: str) -> None:
    admin = await place.user("admin")
    field = path.rpartition("?")[2].rstrip("=")
    for text in (*NAUGHTY, *UNPRINTABLE):
        page = await admin.get(path.partition("?")[0], params={field: text})
        assert page.status_code in (200, 422) and faults(page.text) == [], repr(text)


async def test_naughty_forms_and_addresses_break_nothing(place: Place) -> None:
    admin = await place.user("admin")
    forms: Mapping[str, tuple[str, ...]] = {
        "/accounts/new": ("id", "role", "team"),
        "/accounts/roles/new": ("scope", "permissions"),
        "/accounts/teams/new": (),
        "/me/": ("do", "password", "code", "session"),
        "/customers/fields/new": ("kind", "choice-0"),
    }
    for text in (*NAUGHTY, *UNPRINTABLE):
        for path, fields in forms.items():
            for field in fields:
                form = {"id": "x y", "name": "", "do": "save", **{field: text}}
                answer = await admin.post(path, form)
                assert answer.status_code in (400, 422, 429), (path, field, text, answer.status_code)
                assert faults(answer.text) == [], (path, field, text)
    for path in ("/accounts/operators/", "/accounts/roles/", "/accounts/teams/"):
        for text in ("'; --", "<script>", "%00", "..%2f", "x" * 100, "%E2%80%AE", "9" * 40):
            answer = await admin.get(path + text)
            assert answer.status_code == 404 and faults(answer.text) == [], (path, text)
    async with place.rows() as rows:
        await rows.execute("delete from login_attempt")


async def test_naughty_callers_are_shown_as_texts(place: Place) -> None:
    admin, agent = await place.user("admin"), await place.user("1016")
    for n, text in enumerate(text for text in NAUGHTY if text.strip()):
        id = f"naughty-{n}-{unique()}"
        life = past_call(id, now_ms(), "13800138000", "1016")
        start = life.events[0]
        start.data.update(number_raw=text, number="", number_published=text)  # type: ignore[attr-defined]
        await place.store(life.events)
        for visitor in (admin, agent):
            page = await visitor.get(f"/calls/{id}")
            assert page.status_code == 200 and faults(page.text) == [], text
            assert visitor is agent or shows(page.text, text.strip()), text
    for visitor in (admin, agent):
        assert faults((await visitor.get("/calls/")).text) == []
