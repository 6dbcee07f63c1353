"""Leaving in order: every contact is handed to nodes that live, each as soon as nothing of it is in the air."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Final

import structlog

from lq.contacts.owner import Owner
from lq.live.errors import LiveError
from lq.live.redis import Live

log = structlog.get_logger()

QUIET_S: Final = 8.0  # so long what rings may be answered, what is being ended may end; then it goes as it stands
PATIENCE_S: Final = 20.0
LOOK_S: Final = 0.1
AT_ONCE: Final = 10  # contacts in one go: who takes them points the media of each once more
PAUSE_S: Final = 0.05


async def drain(incarnation: str, live: Live, owner: Owner) -> str:
    """Returns who has most of them now, "" when nobody was there: then they wait for whoever adopts them."""
    began, heir = time.monotonic(), ""
    while owner.load and (passed := time.monotonic() - began) < PATIENCE_S:
        try:
            leases = await live.leases("lq")
        except LiveError as error:
            log.warning("contacts not handed over: live state away", error=str(error), left=owner.load)
            return heir
        others = [lease for lease in leases if lease.incarnation != incarnation and not lease.draining]
        heirs = [lease.incarnation for lease in sorted(others, key=lambda lease: (lease.load, lease.incarnation))]
        if not heirs:
            log.warning("nobody is there to take our contacts", left=owner.load)
            return heir
        heir = heirs[0]
        await _ask(owner, heirs, at_once=passed > QUIET_S)
        await asyncio.sleep(LOOK_S)
    if owner.load:
        log.warning("contacts left behind", left=owner.load)
    return heir


async def _ask(owner: Owner, heirs: list[str], *, at_once: bool) -> None:
    for n, (contact, to) in enumerate(zip(owner.contacts(), itertools.cycle(heirs), strict=False), start=1):
        owner.hand_over(contact, to, at_once=at_once)
        if n % AT_ONCE == 0:
            await asyncio.sleep(PAUSE_S)
