"""Where everybody is after a race: in one of the outcomes that may be, and he stays there; then the books, and nothing
left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Final

from lq.sdk import ApiError, Cdr
from tests.scenarios.house import House
from tests.scenarios.stage import AGENT, COLLEAGUE, CUSTOMER, LEADER, THIRD, Stage
from tests.simulator.matrix import MUSIC, Names

Matrix = Mapping[str, Names]
NOBODY: Final[Names] = frozenset()
OVER: Final[Matrix] = {}
WAITS: Final[Matrix] = {CUSTOMER: {MUSIC}}
TALK: Final[Matrix] = {CUSTOMER: {AGENT}, AGENT: {CUSTOMER}}
HELD: Final[Matrix] = {CUSTOMER: {MUSIC}, AGENT: NOBODY}
MUTED: Final[Matrix] = {CUSTOMER: NOBODY, AGENT: {CUSTOMER}}
CONSULTS: Final[Matrix] = {CUSTOMER: {MUSIC}, AGENT: {COLLEAGUE}, COLLEAGUE: {AGENT}}
LISTENED: Final[Matrix] = {**TALK, LEADER: {CUSTOMER, AGENT}}


def together(*roles: str) -> Matrix:
    return {role: set(roles) - {role} for role in roles}


HANDED_ON: Final = together(CUSTOMER, COLLEAGUE)
AMONG_THEM: Final = together(AGENT, COLLEAGUE)
SETTLES_S: Final = 15.0
STAYS_S: Final = 1.0  # who hangs up at the same time is ended within less


async def at_once(*these: Awaitable[object]) -> list[object]:
    """What each came to; of commands a refusal may be it (409; 404: the contact is over, and not in the books yet)."""
    results = await asyncio.gather(*these, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not (isinstance(result, ApiError) and result.status in (404, 409)):
            raise result
    return list(results)


def refusals(results: list[object]) -> list[str]:
    """Their codes."""
    return [result.code for result in results if isinstance(result, ApiError)]


def up(stage: Stage) -> frozenset[str]:
    return frozenset(role for role, call in stage.cast.items() if call.is_up)


async def comes_to(stage: Stage, *outcomes: Matrix) -> Matrix:
    """The one of these at which everybody arrives, by ear. On the way there it may look like another for a moment."""
    wanted = {frozenset(one): one for one in outcomes}
    while True:
        found = await _settled(stage, frozenset(wanted))
        try:
            await stage.hears(wanted[found], SETTLES_S)
        except AssertionError:
            if up(stage) == found:
                raise
            continue
        if up(stage) == found:
            return wanted[found]


async def _settled(stage: Stage, wanted: frozenset[frozenset[str]]) -> frozenset[str]:
    """Who is in a call, once that is one of these and stays so."""
    looks = 0
    last = up(stage)
    try:
        async with asyncio.timeout(SETTLES_S):
            while looks * 0.05 < STAYS_S or last not in wanted:
                await asyncio.sleep(0.05)
                now = up(stage)
                looks, last = (looks + 1 if now == last else 0), now
    except TimeoutError:
        raise AssertionError(f"in a call are {sorted(last)}\n{await stage.shown()}") from None
    return last


async def closed(house: House) -> Cdr:
    """Whoever is left hangs up, the customer first; no phone rings on, the books are written, nothing is held."""
    stage = house.stage
    left = [role for role in (CUSTOMER, COLLEAGUE, THIRD, LEADER, AGENT) if role in up(stage)]
    for role in left[:-1]:  # the last one is left alone
        await stage.hangs_up(role)
    cdr = await stage.closes(by=left[0] if left else next(iter(stage.cast)))
    for phone in stage.phones.values():
        for call in phone.calls:
            await call.ended(SETTLES_S)
    await house.is_empty()
    return cdr
