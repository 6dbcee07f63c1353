"""Re-INVITEs that meet in one dialog (RFC 3261 §14.1): whoever of the two is refused asks again at another time.

However they cross, in the end each holds or talks as was last asked. We call the agent's phone, so the Call-ID of that
dialog is ours, and the customer's is his gateway's: both are tried at once. Judged by ear, by the books and by what is
left behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import pytest

from tests.scenarios.house import BACK_S, House, house
from tests.scenarios.outcomes import SETTLES_S, TALK, Matrix, closed, comes_to
from tests.scenarios.stage import AGENT, CUSTOMER, Stage
from tests.simulator.call import Call, CallEnded
from tests.simulator.gateway import Gateway
from tests.simulator.hole import Hole
from tests.simulator.matrix import MUSIC

__all__ = ["house"]
pytestmark = [pytest.mark.kills, pytest.mark.slow]

BOTH: Final = (CUSTOMER, AGENT)
BOTH_HOLD: Final[Matrix] = {CUSTOMER: {MUSIC}, AGENT: {MUSIC}}
FOR_THE_MOMENT: Final = (491, 500)  # §14.1, §14.2: ask once more
ASKS_S: Final = 40.0  # an INVITE that was lost is said again after as long as it has waited
REFRESHES_S: Final = 70.0  # half of a session of 90 s, the shortest there is
WITHOUT_UPDATE: Final = "INVITE, ACK, CANCEL, BYE"


async def reoffers(call: Call, direction: str, within_s: float = SETTLES_S) -> list[int]:
    """As often as it is refused for the moment; these refusals."""
    refused: list[int] = []
    async with asyncio.timeout(within_s):
        while True:
            try:
                await call.reoffer(direction, within_s)
            except CallEnded as not_now:
                assert not_now.sip in FOR_THE_MOMENT
                refused.append(not_now.sip)
                await asyncio.sleep(0.5)
            else:
                return refused


async def talk_again(house: House) -> None:
    """Both take back their hold, one after the other, and that counts; then it ends as it should."""
    for role in BOTH:
        await reoffers(house.stage.cast[role], "sendrecv", ASKS_S)
    await comes_to(house.stage, TALK)
    done = await closed(house)
    assert (done.result, done.ended_by, done.agent) == ("answered", "caller", house.stage.id(AGENT))


async def test_both_hold_at_once_and_take_it_back_at_once(house: House) -> None:
    stage = house.stage
    await stage.opens("in")
    both = [stage.cast[role] for role in BOTH]
    for _ in range(3):
        await asyncio.gather(*(reoffers(one, "sendonly") for one in both))
        await stage.hears(BOTH_HOLD, SETTLES_S)
        await asyncio.gather(*(reoffers(one, "sendrecv") for one in both))
        await comes_to(stage, TALK)
    await talk_again(house)


# -- ours, and the phone's hold ----------------------------------------------------------------------------------------
@dataclass
class Crossing:
    """A phone that holds while we ask it for something. `asked`: our INVITE has come to it, and was lost."""

    line: Gateway
    call: Call
    refused: list[int] = field(default_factory=list)

    async def holds(self) -> None:
        self.refused += await reoffers(self.call, "sendonly", ASKS_S)

    async def glares(self) -> None:
        """Until it has refused one of ours."""
        async with asyncio.timeout(ASKS_S):
            while "glare" not in self.call.times:  # noqa: ASYNC110 - the phone tells nobody
                await asyncio.sleep(0.02)

    async def ours_is_lost(self, within_s: float) -> None:
        """Has left us, and comes again in half a second."""
        self.line.wire.loses = ours = Hole("INVITE", "INVITE", 1)
        await ours.swallows(within_s=within_s)

    @property
    def met(self) -> bool:
        return bool(self.refused) or "glare" in self.call.times


async def each_asks_before_it_hears_of_the_other(crossing: Crossing, within_s: float) -> None:
    """Both are refused. (Its refusal is late, and not lost: the edge says one again for a second and a half only.)"""
    await crossing.ours_is_lost(within_s)
    wire = crossing.line.wire
    wire.loses = late = Hole("SIP/2.0 491", "INVITE")
    holding = asyncio.ensure_future(crossing.holds())
    await crossing.glares()
    await late.swallows()
    late.mend()
    for refusal in late.fell:
        wire.datagram_received(refusal, crossing.line.edge)
    await holding


async def the_phones_comes_first(crossing: Crossing, within_s: float) -> None:
    """While ours is on its way: it is refused, and has heard so when ours comes."""
    await crossing.ours_is_lost(within_s)
    await crossing.holds()


async def ours_comes_first(crossing: Crossing, within_s: float) -> None:
    """While the phone's is on its way: it refuses ours, and is heard then."""
    crossing.line.wire.loses = theirs = Hole(f"INVITE {crossing.call.far_end}", "INVITE")
    holding = asyncio.ensure_future(crossing.holds())
    await theirs.swallows()
    await crossing.glares()
    theirs.mend()
    await holding


Order = Callable[[Crossing, float], Awaitable[None]]
ORDERS: Final[tuple[Order, ...]] = (
    each_asks_before_it_hears_of_the_other,
    the_phones_comes_first,
    ours_comes_first,
)


def crossings(stage: Stage) -> list[Crossing]:
    lines = {CUSTOMER: stage.scene.gateway, AGENT: stage.phones[AGENT].line}
    return [Crossing(lines[role], stage.cast[role]) for role in BOTH]


async def media_is_lost(house: House) -> None:
    """rtpengine is restarted and has forgotten everything: each leg is made anew, and its phone told by an INVITE."""
    center = house.center
    killed = {service: center.kill(service) for service in ("redis-rtpengine", "rtpengine")}
    for service, pid in killed.items():
        await center.back(service, pid, BACK_S)


@pytest.mark.parametrize("order", ORDERS)
async def test_a_phone_holds_while_its_media_is_made_anew(house: House, order: Order) -> None:
    stage = house.stage
    await stage.opens("in")
    both = crossings(stage)
    crossing = [asyncio.ensure_future(order(one, ASKS_S)) for one in both]
    await media_is_lost(house)
    await asyncio.gather(*crossing)
    assert all(one.met for one in both)
    await stage.hears(BOTH_HOLD, SETTLES_S)
    await talk_again(house)


async def test_a_phone_holds_while_its_session_is_refreshed(house: House) -> None:
    """By INVITE, for it takes no UPDATE."""
    stage = house.stage
    await stage.comes(AGENT)
    lines = stage.scene.gateway, stage.phones[AGENT].line
    for line in lines:
        line.allow = WITHOUT_UPDATE
    lines[1].timer = "90;refresher=uac"
    timer = [("Session-Expires", "90;refresher=uas")]
    await stage.joins(CUSTOMER, await stage.scene.dial(stage.number, headers=timer)).answered()
    stage.contact = await stage.scene.contact(stage.cast[CUSTOMER])
    await stage.answers(AGENT, 20)
    await stage.hears(TALK, SETTLES_S)
    both = crossings(stage)
    await asyncio.gather(*(each_asks_before_it_hears_of_the_other(one, REFRESHES_S) for one in both))
    assert all("glare" in one.call.times and 491 in one.refused for one in both)
    await stage.hears(BOTH_HOLD, SETTLES_S)
    await talk_again(house)
