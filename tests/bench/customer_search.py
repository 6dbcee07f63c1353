"""Searches among many customers in PostgreSQL, as the web asks them: p50 and p95 beside a look-up by a key.

    python -m tests.bench.customer_search [customers]

Filled by COPY: Chinese names, companies, addresses, two numbers each. Each search is asked with other words every time,
so that it is not answered from one warm page; times are the client's, over loopback TCP.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg

from lcall_web.common.database import SETTINGS
from lcall_web.customers import rules, store
from ops.migrate import migrate
from tests.integration.ledger import services

CUSTOMERS: Final = 100_000
ASKED: Final = 100  # times each
PIECE: Final = 20_000
SURNAMES: Final = "王李张刘陈杨黄赵周吴徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘蒋蔡余杜叶程苏魏吕丁任"
GIVEN: Final = "芳伟秀英娜敏静强磊洋艳勇军杰娟涛超明霞平刚桂文辉玲红建华国庆志成玉兰海波晓东丽春梅雪松云飞"
PLACES: Final = (
    "北京",
    "上海",
    "广州",
    "深圳",
    "杭州",
    "成都",
    "武汉",
    "西安",
    "南京",
    "苏州",
    "重庆",
    "天津",
    "长沙",
    "青岛",
)
TRADES: Final = (
    "科技",
    "贸易",
    "茶业",
    "物流",
    "建筑",
    "医药",
    "餐饮",
    "服装",
    "电子",
    "机械",
    "教育",
    "广告",
    "旅行",
    "印务",
)
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
GIN: Final = {
    "customer_grams": "customer using gin (grams) with (fastupdate = off)",
    "customer_tags": "customer using gin (tags) with (fastupdate = off)",
    "customer_phone_part": "customer_phone using gin (number gin_trgm_ops) with (fastupdate = off)",
}


def name(chance: random.Random) -> str:
    return chance.choice(SURNAMES) + "".join(chance.sample(GIVEN, chance.choice((1, 2, 2))))


def company(chance: random.Random) -> str:
    return f"{chance.choice(PLACES)}{''.join(chance.sample(GIVEN, 2))}{chance.choice(TRADES)}有限公司"


def customers(chance: random.Random, first: int, count: int) -> Iterator[tuple[Any, ...]]:
    for n in range(first, first + count):
        firm = n % 10 == 0
        at = START + timedelta(seconds=n * 7)
        yield (
            *(uuid.UUID(int=n), "company" if firm else "person", company(chance) if firm else name(chance)),
            *(("vip" if n % 50 == 0 else "normal"), [chance.choice(TRADES)] if n % 3 == 0 else []),
            *(f"{chance.choice(PLACES)}市{''.join(chance.sample(GIVEN, 2))}路 {n % 900 + 1} 号", at, at),
        )


async def filled(rows: asyncpg.Connection, count: int, chance: random.Random) -> list[str]:
    """Some of the numbers. The indexes for parts of texts are built afterwards, as for a million at once."""
    known: list[str] = []
    await rows.execute("set maintenance_work_mem = '512MB'")
    for index in GIN:
        await rows.execute(f"drop index {index}")
    columns = ("key", "kind", "name", "level", "tags", "address", "created_at", "changed_at")
    for first in range(0, count, PIECE):
        many = min(PIECE, count - first)
        await rows.copy_records_to_table("customer", records=customers(chance, first, many), columns=columns)
        phones = [
            (first + n + 1, f"+861{chance.randrange(3, 10)}{chance.randrange(10**9):09}", place)
            for n in range(many)
            for place in (0, 1)
        ]
        await rows.copy_records_to_table("customer_phone", records=phones, columns=("customer", "number", "place"))
        known += [number.removeprefix("+86") for _, number, _ in phones[:: PIECE // 20]]
    for index, rest in GIN.items():
        await rows.execute(f"create index {index} on {rest}")
    await rows.execute("vacuum analyze customer")
    await rows.execute("vacuum analyze customer_phone")
    return known


def searches(chance: random.Random, known: Sequence[str]) -> dict[str, Callable[[], rules.Search]]:
    def of(q: Callable[[], str], whole: bool = True, **more: str) -> Callable[[], rules.Search]:
        return lambda: rules.search({"q": q(), **more}, "1001", whole)[0]

    def digits(count: int) -> str:
        return f"{chance.randrange(10**count):0{count}}"

    return {
        "nothing: the list": of(lambda: ""),
        "2 characters of names: 王秀": of(lambda: chance.choice(SURNAMES) + chance.choice(GIVEN)),
        "1 character: 王": of(lambda: chance.choice(SURNAMES)),
        "3 characters, a whole name": of(lambda: name(chance)),
        "2 characters that a tenth has: 科技": of(lambda: chance.choice(TRADES)),
        "two words: 苏州 茶业": of(lambda: f"{chance.choice(PLACES)} {chance.choice(TRADES)}"),
        "characters that nobody has": of(lambda: f"{chance.choice('鑫淼焱垚')}{chance.choice('鑫淼焱垚')}"),
        "a whole number": of(lambda: chance.choice(known)),
        "a whole number, numbers masked": of(lambda: chance.choice(known), whole=False),
        "the last 4 digits, numbers masked": of(lambda: digits(4), whole=False),
        "6 digits of a number": of(lambda: digits(6)),
        "4 digits of a number": of(lambda: digits(4)),
        "3 digits of a number": of(lambda: digits(3)),
        "VIP companies": of(lambda: "", kind="company", level="vip"),
        "a tag and a word": of(lambda: chance.choice(PLACES), tag="茶业"),
    }


async def asked(rows: asyncpg.Connection, made: Callable[[], tuple[str, Sequence[Any]]]) -> tuple[float, float]:
    """p50 and p95 in ms."""
    took = []
    for _ in range(ASKED):
        text, values = made()
        began = time.perf_counter()
        await rows.fetch(text, *values)
        took.append(1000 * (time.perf_counter() - began))
    return statistics.median(took), sorted(took)[len(took) * 95 // 100]


async def measured(count: int) -> None:
    chance = random.Random(1)
    with services.postgres("shared_buffers=128MB", "max_wal_size=2GB") as server:
        await migrate(server.dsn())
        rows = await asyncpg.connect(server.dsn(), server_settings={**SETTINGS, "statement_timeout": "0"})
        began = time.monotonic()
        known = await filled(rows, count, chance)
        print(f"{count} customers, {2 * count} numbers, filled in {time.monotonic() - began:.0f} s")
        print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}\n{'':40}{'p50':>8}{'p95':>8} ms")
        kinds: dict[str, Callable[[], tuple[str, Sequence[Any]]]] = {
            "floor: a customer by his key": lambda: (store.SQL["customer"], [chance.randrange(1, count)]),
            **{
                what: lambda wanted=wanted: store.statement("page", wanted(), store.PAGE + 1)  # type: ignore[misc]
                for what, wanted in searches(chance, known).items()
            },
        }
        for what, made in kinds.items():
            p50, p95 = await asked(rows, made)
            print(f"{what:40}{p50:8.1f}{p95:8.1f}", flush=True)
        await rows.close()


def main(count: int) -> None:
    asyncio.run(measured(count))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CUSTOMERS)
