"""A contact goes to another node that lives, once nothing of it is in the air: its owner asks after each of its turns.

Its dialogs are let go first: what comes in the meantime is a stray, and goes to the new owner.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import structlog

from lq.contacts.held import Held
from lq.contacts.media_desk import MediaDesk
from lq.contacts.sip_desk import SipDesk
from lq.live.errors import Gone, LiveError, LiveUnavailable, NotServing
from lq.live.redis import Live

log = structlog.get_logger()

HEIRS_KEPT: Final = 10_000  # whom contacts went to, for requests that come while Redis is away
UNSETTLED: Final = (
    "arriving",
    "offering",
    "placing",
    "calling",
    "dialing",
    "ending",
    "over",
)  # not handed over in these states


class HandingOver:
    """`moved` hears of a contact that could not go: it is ours again."""

    def __init__(
        self, incarnation: str, live: Live, sip: SipDesk, media: MediaDesk, moved: Callable[[str], None]
    ) -> None:
        self._incarnation, self._live, self._sip, self._media, self._moved = incarnation, live, sip, media, moved
        self._heirs: OrderedDict[str, str] = OrderedDict()

    def heir(self, contact: str) -> str:
        """The node that this contact was handed over to, "" if we know of none."""
        return self._heirs.get(contact, "")

    async def goes(self, held: Held) -> bool:
        """To `held.heir`, if it may; raises Superseded."""
        may_go = held.contact.state != "over" and (self._is_settled(held) or held.at_once)
        if not may_go or not held.is_clean:
            return False
        async with held.one_commit:
            return await self._hand_over(held)

    async def _hand_over(self, held: Held) -> bool:
        id, heir, held.heir = held.contact.id, held.heir, ""
        dialogs = self._sip.let_go(id)
        try:
            snapshot = held.snapshot(dialogs)
            await self._live.hand_over(id, node=self._incarnation, epoch=held.epoch, to=heir, snapshot=snapshot)
        except (Gone, NotServing, LiveUnavailable) as error:
            log.warning("contact not handed over", heir=heir, error=str(error))
            self._sip.adopt(id, dialogs)
            self._sip.flush()
            self._moved(id)
            return False
        log.info("contact handed over", heir=heir)
        self._media.drop(id)
        self._heirs[id] = heir
        if len(self._heirs) > HEIRS_KEPT:
            self._heirs.popitem(last=False)
        await self._pass_on(held, heir)
        return True

    async def _pass_on(self, held: Held, heir: str) -> None:
        """Commands that are not answered yet go with their contact."""
        try:
            for message in held.commands.values():
                await self._live.send(heir, message)
        except LiveError as error:  # who asked hears nothing in time, and asks again
            log.warning("commands not passed on: live state away", heir=heir, error=str(error))

    def _is_settled(self, held: Held) -> bool:
        contact = held.contact
        settled = contact.state not in UNSETTLED and held.inbox.empty()
        settled = settled and all(
            leg.state in ("answered", "ended") and not (leg.alive and leg.sending) for leg in contact.legs.values()
        )
        return settled and self._sip.is_quiet(contact.id) and self._media.is_quiet(contact.id)
