from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from ops.migrate import SQL, MigrationError, migrate, migrations

from .services import Postgres


@pytest.fixture
async def empty(postgres_server: Postgres) -> str:
    await postgres_server.run("drop database if exists empty with (force)")
    await postgres_server.run("create database empty")
    return postgres_server.dsn("empty")


async def test_every_file_is_applied_once_and_in_order(empty: str) -> None:
    names = [file.name for file in migrations(SQL)]
    assert await migrate(empty) == names == sorted(names)
    assert await migrate(empty) == []


async def test_several_may_start_together(empty: str) -> None:
    applied = await asyncio.gather(*(migrate(empty) for _ in range(4)))
    assert sorted(map(len, applied)) == [0, 0, 0, len(migrations(SQL))]


async def test_ids_of_contacts_compare_alike_everywhere(empty: str) -> None:
    """Or an index on one of them is of no use to a join with another."""
    await migrate(empty)
    connection = await asyncpg.connect(empty)
    other = await connection.fetch(
        "select table_name, column_name from information_schema.columns where table_schema = 'public'"
        " and column_name in ('contact', 'contact_id') and collation_name is distinct from 'C'"
    )
    await connection.close()
    assert other == []


async def test_a_file_changed_after_it_was_applied_is_refused(empty: str, tmp_path: Path) -> None:
    (tmp_path / "001_a.sql").write_text("create table a ()")
    await migrate(empty, tmp_path)
    (tmp_path / "001_a.sql").write_text("create table b ()")
    with pytest.raises(MigrationError, match=r"001_a\.sql was changed after it was applied"):
        await migrate(empty, tmp_path)


async def test_a_broken_file_leaves_nothing_behind_and_is_named(empty: str, tmp_path: Path) -> None:
    (tmp_path / "001_a.sql").write_text("create table a (); create tabel b ()")
    with pytest.raises(MigrationError, match=r"001_a\.sql: syntax error"):
        await migrate(empty, tmp_path)
    connection = await asyncpg.connect(empty)
    assert await connection.fetchval("select count(*) from migration") == 0
    assert await connection.fetchval("select to_regclass('a')") is None
    await connection.close()


def test_two_files_of_one_number_are_refused(tmp_path: Path) -> None:
    (tmp_path / "001_a.sql").touch()
    (tmp_path / "001_b.sql").touch()
    with pytest.raises(MigrationError, match="same number"):
        migrations(tmp_path)
