"""The first administrator of a new center, and the way back in."""

from __future__ import annotations

import asyncio
import os
import sys

import asyncpg

from lcall_web.accounts import rules
from tests.integration.ledger.conftest import dsn, postgres_server, template

__all__ = ["dsn", "postgres_server", "template"]


async def let_in(dsn: str, *words: str) -> tuple[int, str]:
    environ = {**os.environ, "LCALL_POSTGRES_DSN": dsn}
    command = (sys.executable, "-m", "lcall_web.accounts.first", *words)
    started = await asyncio.create_subprocess_exec(*command, env=environ, stdout=asyncio.subprocess.PIPE)
    said, _ = await started.communicate()
    assert started.returncode is not None
    return started.returncode, said.decode()


async def test_an_administrator_is_let_in_and_again_when_he_has_lost_everything(dsn: str) -> None:
    rows = await asyncpg.connect(dsn)
    status, said = await let_in(dsn)
    number, first = said.split()
    assert (status, number) == (0, "admin")
    await rows.execute("update operator set disabled = true, role = 'agent', totp_secret = 'x' where id = 'admin'")
    _, said = await let_in(dsn)
    second = said.split()[1]
    known = await rows.fetchrow("select * from operator where id = 'admin'")
    assert rules.matches(known["password_hash"], second) and not rules.matches(known["password_hash"], first)
    assert (known["role"], known["disabled"], known["must_change"], known["totp_secret"]) == (
        "admin",
        False,
        True,
        None,
    )
    noted = await rows.fetch("select operator, action, detail from audit")
    assert [tuple(row) for row in noted] == [("", "administrator_let_in", "{}")] * 2, "the password is not in it"
    status, said = await let_in(dsn, "'; --")  # told on stderr
    assert status == 1 and said == "" and await rows.fetchval("select count(*) from operator") == 1
    await rows.close()
