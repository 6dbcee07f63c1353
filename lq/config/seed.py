"""`python -m lq.config.seed`: fills an empty center with the demo world and publishes the configuration.

With LCALL_DEMO=none an empty center gets its settings alone. One that has any configuration keeps it; it is only
published again.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Final

import asyncpg
from argon2 import PasswordHasher

from lq import process
from lq.config import demo, publish
from lq.config.documents import Settings
from lq.config.opening import known_passwords
from lq.config.validation import to_json
from lq.live.errors import LiveError
from lq.live.redis import Live

FLOW: Final = Path(__file__).resolve().parents[2] / "sql/demo/main_flow.json"
CUSTOMERS: Final = FLOW.with_name("customers.json")
GATEWAY_PORT: Final = 5080
# The demo passwords are printed on the login page: a cheap hash, so that a hundred of them take milliseconds.
HASHER: Final = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
BY: Final = "demo"
NO_WORLD: Final = "none"  # LCALL_DEMO


async def seed(connection: asyncpg.Connection, gateway_port: int = GATEWAY_PORT, *, world: bool = True) -> bool:
    """Writes the demo world, or without it the center's settings alone, into an empty database; says whether it did."""
    async with connection.transaction():
        await connection.execute("lock table config_version")  # of two that start together, one seeds
        if await connection.fetchval("select exists (select from config_document)"):
            return False
        if not world:  # `lcall admin` lets the first one in, who enters the rest
            await publish.put(connection, [("settings", to_json(Settings()))], by="")
            return True
        await publish.put(connection, _documents(gateway_port), by=BY)
        team = await connection.fetchval("insert into team (name, queues) values ($1, $2) returning id", *demo.TEAM)
        await connection.executemany(
            "insert into operator (id, name, role, password_hash, team) values ($1, $2, $3, $4, $5)"
            " on conflict do nothing",
            [
                (id, name, role, HASHER.hash(password), None if role == "admin" else team)
                for id, name, role, password in demo.operators()
            ],
        )
        await _customers(connection)
        return True


async def _customers(connection: asyncpg.Connection) -> None:
    """A handful of people and companies; two numbers belong to two of them each."""
    for one in json.loads(CUSTOMERS.read_text(encoding="utf-8")):
        id = await connection.fetchval(
            """insert into customer (key, kind, name, company, position, level, tags, email, address, remark, owner,
                                     created_by, changed_by)
               select gen_random_uuid(), $1, $2, (select id from customer where kind = 'company' and name = $3),
                      $4, $5, $6, $7, $8, $9, $10, $11, $11
               returning id""",
            *(one["kind"], one["name"], one.get("company"), one.get("position", ""), one.get("level", "normal")),
            *(one.get("tags", []), one.get("email", ""), one.get("address", ""), one.get("remark", "")),
            *(one.get("owner"), BY),
        )
        await connection.executemany(
            "insert into customer_phone (customer, number, label, place) values ($1, $2, $3, $4)",
            [(id, number, label, place) for place, (number, label) in enumerate(one["phones"])],
        )
        await connection.executemany(
            "insert into customer_note (key, customer, body, author) values (gen_random_uuid(), $1, $2, $3)",
            [(id, body, one.get("owner", "1001")) for body in one.get("notes", [])],
        )


def _documents(gateway_port: int) -> list[tuple[str, dict[str, object]]]:
    flow = json.loads(FLOW.read_text(encoding="utf-8"))
    return [*demo.documents(gateway_port), *demo.flow_documents(flow)]


async def follow_gateway_port(connection: asyncpg.Connection, gateway_port: int) -> None:
    """The demo gateways are this machine's own: they move with LCALL_PORT_BASE."""
    _, kinds = await publish.read(connection)
    center, trunks = kinds["settings"].get("center"), kinds["trunks"]
    if center is None or not center.body.get("demo"):
        return
    moved = [
        ("trunks", {**trunks[trunk.id].body, "port": gateway_port})
        for trunk in demo.trunks(gateway_port)
        if trunk.id in trunks and to_json(trunk)["address"] == trunks[trunk.id].body["address"]
        if trunks[trunk.id].body["port"] != gateway_port
    ]
    if moved:
        await publish.put(connection, moved, by=BY)


async def refusal(connection: asyncpg.Connection, address: str, wish: str) -> str:
    """Why the demo world that this center has, or would begin with, is not opened at this address; "" if it may be."""
    _, kinds = await publish.read(connection)
    begun, center = any(kinds.values()), kinds["settings"].get("center")
    is_demo = center is not None and center.body.get("demo") if begun else wish != NO_WORLD
    return known_passwords(address, wish, begun=begun) if is_demo else ""


async def main() -> None:
    dsn, redis_url = process.variable("LCALL_POSTGRES_DSN"), process.variable("LCALL_REDIS_URL")
    gateway_port = int(os.environ.get("LCALL_GATEWAY_PORT") or GATEWAY_PORT)
    wish = os.environ.get("LCALL_DEMO", "")
    try:
        connection = await asyncpg.connect(dsn, timeout=10)
        live = Live(redis_url, timeout_s=5)
        await live.start()
        # before anything is written: who was refused once may still begin an empty center here
        if refused := await refusal(connection, os.environ.get("LCALL_ADDRESS") or "127.0.0.1", wish):
            sys.exit(refused)
        seeded = await seed(connection, gateway_port, world=wish != NO_WORLD)
        if not seeded:
            await follow_gateway_port(connection, gateway_port)
        await publish.republish(connection, live)
        await live.close()
        await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError, LiveError) as error:
        sys.exit(f"the configuration cannot be written: {error or type(error).__name__}")
    written = "settings" if wish == NO_WORLD else "demo world"
    print(f"{written} written and published" if seeded else "configuration published")


if __name__ == "__main__":
    asyncio.run(main())
