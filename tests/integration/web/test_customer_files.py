"""Files of customers, beside whoever works on the same customers meanwhile."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
import pytest

from lcall_web.common.database import Database
from lcall_web.common.viewer import ADMIN, Reach, Viewer, granted
from lcall_web.customers import files, rules, sheets
from tests.integration.ledger.conftest import dsn
from tests.unit.web.test_customer_rules import sheet

__all__ = ["dsn"]
ADMINISTRATOR = Viewer("admin", "管理员", ADMIN, "", b"", "", granted(ADMIN, ()), Reach(None))


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    found = Database(dsn)
    await found.open()
    yield found
    await found.close()


async def test_who_is_changed_while_a_file_is_written_stands_in_it_once(
    dsn: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.fetch(
        "insert into customer (key, kind, name, changed_at)"
        " select gen_random_uuid(), 'person', '客' || n, now() - make_interval(secs => n) from generate_series(1, 30) n"
    )

    async def change() -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute("update customer set remark = 'x', changed_at = now() where name in ('客1', '客29')")
        await connection.close()

    written, cells = 0, sheets.cells

    def cells_while_others_work(*about: Any) -> list[str]:
        nonlocal written
        written += 1
        if written == 3:
            with ThreadPoolExecutor(1) as thread:
                thread.submit(asyncio.run, change()).result()
        return cells(*about)

    monkeypatch.setattr(files, "PIECE", 5)
    monkeypatch.setattr(sheets, "cells", cells_while_others_work)
    rows = await files.export(database, ADMINISTRATOR, rules.Search(), "zh", {}, "127.0.0.1")
    assert [row[0] for row in rows] == [f"客{n}" for n in range(1, 31)]


async def imported(database: Database, *rows: tuple[object, ...]) -> tuple[int, int]:
    """How many were taken, and how many were there already."""
    key = uuid.uuid4()
    await files.look(database, ADMINISTRATOR, key, "客户.xlsx", sheet(*rows))
    assert await files.start(database, ADMINISTRATOR, key, "127.0.0.1")
    await files.run(database, ADMINISTRATOR, key, "127.0.0.1")
    found = await files.state(database, ADMINISTRATOR, key)
    assert (found.state, found.bad, found.taken + found.known) == ("done", 0, found.total)
    return found.taken, found.known


async def companies(database: Database) -> list[dict[str, Any]]:
    rows = await database.fetch(
        "select c.name, c.address, c.level, c.tags, (select count(*) from customer p where p.company = c.id) as people,"
        " array(select p.number from customer_phone p where p.customer = c.id) as numbers"
        " from customer c where kind = 'company' order by name collate \"C\""
    )
    return [dict(row) for row in rows]


async def test_a_company_is_what_its_own_row_says_wherever_that_stands(database: Database) -> None:
    people = [(f"人{n}", "个人", "", "甲公司" if n % 2 else "乙公司", "", "", "") for n in range(120)]
    rows = (
        ("名称", "类型", "号码", "所属企业", "地址", "等级", "标签"),
        *people[:60],
        ("甲公司", "企业", "", "", "平江路七号", "VIP 客户", "茶"),
        *people[60:],
        ("乙公司", "Company", "010-62558800", "", "中山路 188 号", "", ""),
    )
    assert await imported(database, *rows) == (122, 0)
    first, second = await companies(database)
    assert (first["name"], first["address"], first["tags"], first["people"]) == ("乙公司", "中山路 188 号", [], 60)
    assert first["numbers"] == ["+861062558800"]
    assert (second["name"], second["address"], second["level"], second["people"]) == ("甲公司", "平江路七号", "vip", 60)
    assert second["tags"] == ["茶"]

    # What is taken away comes back whole, into a center that knows nobody, and once.
    written = await files.export(database, ADMINISTRATOR, rules.Search(), "zh", {}, "127.0.0.1")
    await database.fetch("truncate customer cascade")
    again = (tuple(sheets.titles("zh")), *(tuple(row) for row in written))
    assert await imported(database, *again) == (122, 0)
    assert await companies(database) == [first, second]
    assert await imported(database, *again) == (0, 122)


async def test_an_import_that_was_begun_before_goes_on_as_its_lines_stand(database: Database) -> None:
    key = uuid.uuid4()
    await files.look(database, ADMINISTRATOR, key, "客户.xlsx", sheet(("名称",), ("甲",), ("乙",), ("丙",)))
    await database.fetch("update customer_import_row set place = null")
    await database.fetch("update customer_import set state = 'running', done = 2, taken = 1")
    await files.run(database, ADMINISTRATOR, key, "127.0.0.1")
    assert (await files.state(database, ADMINISTRATOR, key)).taken == 3
    assert [row["name"] for row in await database.fetch("select name from customer order by id")] == ["乙", "丙"]
