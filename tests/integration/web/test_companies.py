"""Where a person works stays so while its name changes, two become one, or it lies in the bin for a while."""

from __future__ import annotations

import html
import re

from .conftest import Place, Visitor
from .test_customers import enter, posted, stored, unique


async def edit_form(visitor: Visitor, id: int) -> dict[str, str]:
    """As a browser would send it that has just opened it."""
    page = (await visitor.get(f"/customers/{id}/edit")).text
    inputs = (dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in re.findall(r"<input[^>]*>", page))
    names = ("version", "company_shown", "name", "company")
    return {one["name"]: html.unescape(one.get("value", "")) for one in inputs if one.get("name") in names}


async def test_who_leaves_the_company_as_it_is_works_there_still(place: Place) -> None:
    """Whatever becomes of it while his form is open, or was before it was opened."""
    one, other, name = await place.user("1001"), await place.user("1002"), unique("甲公司")
    company = await enter(one, name, kind="company")
    person = await enter(one, unique("员工"), company=name)

    async def saved(form: dict[str, str], remark: str) -> None:
        answer = await one.post(f"/customers/{person}/edit", {**form, "remark": remark})
        assert answer.status_code == 303, answer.text
        assert await stored(place, "select remark from customer where id = $1", person) == remark
        assert await stored(place, "select company from customer where id = $1", person) == company
        assert await stored(place, "select count(*) from customer where name = $1 and id <> $2", name, company) == 0

    form = await edit_form(one, person)
    assert form["company"] == name and form["company_shown"] == f"={name}"
    renamed = unique("乙公司")
    changed = await other.post(f"/customers/{company}/edit", {"version": "1", "name": renamed, "kind": "company"})
    assert changed.status_code == 303
    await saved(form, "改名以后")

    # Somebody else has changed the person as well: his form comes back with what the company is called now.
    form = await edit_form(one, person)
    name, renamed = renamed, unique("丙公司")
    await other.post(f"/customers/{company}/edit", {"version": "2", "name": renamed, "kind": "company"})
    theirs = await edit_form(other, person)
    assert (await other.post(f"/customers/{person}/edit", {**theirs, "email": "a@b.cn"})).status_code == 303
    stale = await one.post(f"/customers/{person}/edit", {**form, "remark": "我的"})
    assert stale.status_code == 409 and f'name="company_shown" value="={renamed}"' in stale.text
    assert f"<q>{renamed}</q>" not in stale.text and "<q>a@b.cn</q>" in stale.text
    wrong = await one.post(f"/customers/{person}/edit", {**form, "name": ""})
    assert wrong.status_code == 422 and f'name="company_shown" value="={name}"' in wrong.text
    now = {"version": str(int(theirs["version"]) + 1), "company": renamed, "company_shown": f"={renamed}"}
    await saved({**form, **now}, "我的")

    before = await edit_form(one, person)
    assert (await other.post(f"/customers/{company}/delete", {"version": "3"})).status_code == 303
    await saved(before, "删除以后")
    during = await edit_form(one, person)
    assert during["company"] == "" and during["company_shown"] == "="
    await saved(during, "删除以后打开的")
    assert (await other.post(f"/customers/{company}/restore")).status_code == 303
    assert renamed in (await one.get(f"/customers/{person}")).text

    form = await edit_form(one, person)
    merged = await enter(one, unique("合并公司"), kind="company")
    versions = {"version": "1", "other_version": "5"}
    done = await other.post(f"/customers/{merged}/merge", {"with": str(company), **versions})
    assert done.status_code == 303, done.text
    company = merged
    await saved(form, "合并以后")

    # Who does change it has what he has written.
    form = await edit_form(one, person)
    new = unique("新公司")
    assert (await one.post(f"/customers/{person}/edit", {**form, "company": new})).status_code == 303
    query = "select k.name from customer c join customer k on k.id = c.company where c.id = $1"
    assert await stored(place, query, person) == new
    form = await edit_form(one, person)
    assert (await one.post(f"/customers/{person}/edit", {**form, "company": ""})).status_code == 303
    assert await stored(place, "select company from customer where id = $1", person) is None


async def test_two_who_are_one_work_where_the_one_did_who_was_chosen(place: Place) -> None:
    """There are two companies of that name, and the other one was changed last."""
    agent, name = await place.user("1001"), unique("同名公司")
    company = await enter(agent, name, kind="company")
    keep, gone = await enter(agent, unique("留下"), company=name), await enter(agent, unique("并入"))
    namesake = await enter(agent, name, kind="company")
    done = await posted(agent, f"/customers/{keep}/merge", f"/customers/{keep}/merge?with={gone}")
    assert done.status_code == 303
    assert await stored(place, "select company from customer where id = $1", keep) == company != namesake
