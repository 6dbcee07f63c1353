"""What a worker asks of the live state while a message waits: one question, bounded, never tried twice."""

from __future__ import annotations

from collections.abc import Callable

from kamailio import policy
from kamailio.replies import Reply
from kamailio.tables import Shared
from lq.live.kemi import Caller, Gone, LiveUnavailable, Reserved


class LiveState:
    def __init__(
        self, caller: Caller, unpublished: Shared, warn: Callable[[str], None], clock_ms: Callable[[], int]
    ) -> None:
        self._caller, self._unpublished, self._warn, self._clock_ms = caller, unpublished, warn, clock_ms

    def decision(self, question: policy.Ask, media_of: Callable[[str], str]) -> Reply:
        """The ACD's answer; `media_of` tells what an extension's phone takes."""
        try:
            answer = self._caller.ask(question.contact, question.request, question.lanes, question.lease_ms)
        except Gone:
            return policy.UNKNOWN_CONTACT
        except LiveUnavailable as error:
            self._warn(f"no decision: {error}")
            return policy.NO_DECISION
        if not isinstance(answer, Reserved):
            return policy.waiting(answer.position, answer.signed_in, answer.ready)
        media = media_of(answer.phone) or "rtp"
        return policy.reserved(answer.agent, answer.phone, answer.reservation, answer.lane, media)

    def registered(self, ext: str, left_s: int, media: str) -> None:
        """Publish a registration that lasts so long (0: it is over), or leave it to the keeper while Redis is away."""
        try:
            self._caller.phone(ext, left_s > 0, left_s * 1000, media)
        except LiveUnavailable as error:
            self._warn(f"registration of {ext} is published later: {error}")
            self._unpublished.set(ext, str(self._clock_ms() + left_s * 1000 if left_s else 0))
