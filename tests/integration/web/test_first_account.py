"""The first administrator of a new center, and the way back in."""

from __future__ import annotations

import asyncio
import os
import sys

import asyncpg
import pytest

from lcall_web.accounts import first, rules
from lcall_web.common.database import Database
from tests.integration.ledger.conftest import dsn

__all__ = ["dsn"]


async def said(dsn: str) -> str:
    """By the program."""
    environ = {**os.environ, "LCALL_POSTGRES_DSN": dsn}
    command = (sys.executable, "-m", "lcall_web.accounts.first")
    started = await asyncio.create_subprocess_exec(*command, env=environ, stdout=asyncio.subprocess.PIPE)
    told, _ = await started.communicate()
    assert started.returncode == 0
    return told.decode()


async def test_an_administrator_is_let_in_and_again_when_he_has_lost_everything(dsn: str) -> None:
    rows, database = await asyncpg.connect(dsn), Database(dsn)
    number, password = (await said(dsn)).split()
    assert number == "admin"
    await rows.execute("update operator set disabled = true, role = 'agent', totp_secret = 'x' where id = 'admin'")
    await rows.execute("insert into web_session values ('\\x00', 'admin', '', now(), now(), now() + interval '1 hour')")
    await database.open()
    again = await first.let_in(database, "admin")
    await database.close()
    known = await rows.fetchrow("select * from operator where id = 'admin'")
    assert rules.matches(known["password_hash"], again) and not rules.matches(known["password_hash"], password)
    about = [known[name] for name in ("role", "disabled", "must_change", "totp_secret")]
    assert about == ["admin", False, True, None]
    assert await rows.fetchval("select count(*) from web_session") == 0, "whoever was in as him is out"
    noted = await rows.fetch("select operator, action, detail from audit")
    assert [tuple(row) for row in noted] == [("", "administrator_let_in", "{}")] * 2, "the password is not in it"
    await rows.close()


async def test_what_can_be_nobodys_number_is_said_in_both_languages() -> None:
    with pytest.raises(SystemExit, match=r"'; --: 只能用.* Letters"):
        await first.main("'; --")
