"""Legs in rtpengine: one leg, one call, one peer. `point` is the only verb that changes who hears whom.

The exact messages are measured (rtpengine 10.5.3.5); the flags and their reasons:
`port latching` keeps both ports at every change (without it the phone would need a re-INVITE); `replace: origin` keeps
addresses of the inside out of the phone's description; `ICE: remove` since the inner side speaks none. Our side's
addresses are exact: with `asymmetric` none is learned from whoever sends to its port, with `strict source` nobody but
the peer is heard; without them a stray sender, or a partner of before, is heard and hears. The phone's side stays as it
is, for phones are behind NAT and move. An offer without a to-tag is sent only once in a leg's life: a second one kills
the daemon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from lq.media import sdp as description
from lq.media.leg import At, Bridge, MediaLeg, Park, Peer
from lq.media.ng import Address, Keys, MediaError, MediaRefused, MediaUnavailable, Ng
from lq.media.sdp import BadSdp, Codec, audio, inner

__all__ = ["BadDescription", "MediaError", "MediaRefused", "MediaUnavailable", "NoCommonCodec", "RtpEngine"]

NOWHERE: Final = 9
OFFERED: Final = ("PCMA", "PCMU", "G722", "G729")
_TO_INSIDE: Final = {"mask": ["all"], "transcode": ["PCMA", description.EVENT]}
_FLAGS: Final = ["port latching", "trust address"]
_OURS: Final = [*_FLAGS, "asymmetric", "strict source"]


class BadDescription(MediaRefused):
    """What the phone sent describes no audio that could be had: garbage, none at all, port 0 (488)."""


class NoCommonCodec(MediaError):
    """The phone offers nothing that we can carry (488). rtpengine itself would answer PCMA."""


class RtpEngine:
    """One rtpengine. Every command may be repeated."""

    def __init__(self, *, ng: Address, ng_tcp: Address) -> None:
        self._ng = Ng(ng)
        self._ng_tcp = ng_tcp
        self._keys: Keys | None = None

    async def start(self, on_digit: Callable[[str, str, int], None]) -> None:
        """`on_digit(leg_id, key, duration_ms)`: each pressed key once."""
        await self._ng.start()
        self._keys = Keys(self._ng_tcp, on_digit)
        self._keys.start()

    async def close(self) -> None:
        if self._keys is not None:
            await self._keys.close()
        await self._ng.close()

    async def ping(self) -> None:
        await self._ng("ping")

    # -- a leg is made ----------------------------------------------------------------------------------------------
    async def incoming(self, leg_id: str, sdp: str) -> tuple[MediaLeg, str]:
        """A phone called us with this offer; our leg, and the answer for its 200.

        Raises NoCommonCodec, BadDescription, MediaRefused, MediaUnavailable.
        """
        offered, codec = _negotiated(sdp)
        event = offered.event.payload if offered.event else 101
        phone = description.normalised(offered, codec)
        towards_us = await self._message("offer", leg_id, "L", None, phone, codec=_TO_INSIDE)
        x_side = _read(towards_us)
        event = x_side.event.payload if x_side.event else event
        answer = await self._message("answer", leg_id, "L", "X", inner("127.0.0.1", NOWHERE, event))
        leg = MediaLeg(
            leg_id,
            "in",
            phone_sdp=phone,
            local_port=_read(answer).port,
            x_port=x_side.port,
            codec=codec.map,
            event_type=event,
            direction=description.answer_direction(offered.direction),
        )
        return leg, _answer(answer, leg, sdp)

    async def outgoing(
        self, leg_id: str, codecs: tuple[str, ...] = OFFERED, event_type: int = 101
    ) -> tuple[MediaLeg, str]:
        """We call a phone; our leg, and the offer for its INVITE.

        `event_type`: that of the leg which it will be joined with, so that keys pass between the two as they are.
        """
        text = inner("127.0.0.1", NOWHERE, event_type)
        more = [codec for codec in codecs if codec != "PCMA"]
        offer = await self._message("offer", leg_id, "X", None, text, codec={"transcode": more})
        return MediaLeg(leg_id, "out", local_port=_read(offer).port, event_type=event_type), offer

    async def answered(self, leg: MediaLeg, sdp: str) -> MediaLeg:
        """The phone answered, in a 183 or a 200. Raises NoCommonCodec, MediaRefused, MediaUnavailable."""
        offered, codec = _negotiated(sdp)
        phone = description.normalised(offered, codec)
        towards_us = await self._message("answer", leg.id, "X", "L", phone)
        return replace(
            leg,
            phone_sdp=phone,
            x_port=_read(towards_us).port,
            codec=codec.map,
        )

    # -- and lives --------------------------------------------------------------------------------------------------
    async def point(self, leg: MediaLeg, peer: Peer) -> MediaLeg:
        """From now on the phone hears this peer and is heard by it alone. The phone is not involved."""
        match peer:
            case Park():
                host, port = "127.0.0.1", NOWHERE
            case Bridge(other):
                host, port = "127.0.0.1", other.x_port
            case At(host, port):
                pass
        ours = inner(host, port, leg.event_type, leg.direction)
        codec = {"transcode": [_name(leg.codec)]}
        offer = await self._message("offer", leg.id, "X", "L", ours, codec=codec)
        answer = await self._message("answer", leg.id, "X", "L", leg.phone_sdp)
        if (_read(offer).port, _read(answer).port) != (leg.local_port, leg.x_port):
            raise MediaRefused(f"ports of {leg.id} moved: {_read(offer).port}, {_read(answer).port}")
        return replace(leg, peer_host=host, peer_port=port)

    async def connect(self, a: MediaLeg, b: MediaLeg) -> tuple[MediaLeg, MediaLeg]:
        """These two hear each other."""
        return await asyncio.gather(self.point(a, Bridge(b)), self.point(b, Bridge(a)))

    async def reoffer(self, leg: MediaLeg, sdp: str) -> tuple[MediaLeg, str]:
        """The phone changed its description (hold, address, codec); our leg and the answer. Ports stay.

        Hold is enforced by whom we point at, not by SDP: rtpengine forwards what a held party sends.
        """
        offered, codec = _negotiated(sdp, now=leg.codec)
        direction = description.answer_direction(offered.direction)
        phone = description.normalised(offered, codec)
        towards_us = await self._message("offer", leg.id, "L", "X", phone, codec=_TO_INSIDE)
        x_side = _read(towards_us)
        event = x_side.event.payload if x_side.event else leg.event_type
        ours = inner(leg.peer_host or "127.0.0.1", leg.peer_port, event, direction)
        answer = await self._message("answer", leg.id, "L", "X", ours)
        changed = replace(
            leg,
            phone_sdp=phone,
            codec=codec.map,
            event_type=event,
            version=leg.version + 1,
            direction=direction,
            local_port=_read(answer).port,
            x_port=x_side.port,
        )
        return changed, _answer(answer, changed, sdp)

    def address_of(self, leg: MediaLeg) -> str:
        """Where our side of the leg sends from and listens: host:port."""
        return f"127.0.0.1:{leg.x_port}"

    async def record(self, leg: MediaLeg, recording_id: str, contact_id: str) -> None:
        """Write everything that this leg says and hears into the spool, until it is deleted."""
        told = {
            "recording": recording_id, "contact": contact_id, "left": leg.local_port, "right": leg.x_port,
            "leg": leg.id, "codec": leg.codec,
        }  # fmt: skip
        metadata = "|".join(f"{key}={value}" for key, value in told.items())
        await self._ng("start recording", **{"call-id": leg.id, "metadata": metadata})
        # rtpengine writes a call into its Redis with an offer and its answer: before, a restart forgets the recording.
        await self.point(leg, At(leg.peer_host or "127.0.0.1", leg.peer_port))

    async def stop_recording(self, leg: MediaLeg) -> None:
        await self._ng("stop recording", **{"call-id": leg.id})

    async def delete(self, leg_id: str) -> None:
        """The leg is over. One that rtpengine does not know (any more) is no error."""
        try:
            await self._ng("delete", **{"call-id": leg_id, "delete delay": 0})
        except MediaRefused as refused:
            if "Unknown call-ID" not in str(refused):
                raise

    async def query(self, leg_id: str) -> dict[str, Any]:
        return await self._ng("query", **{"call-id": leg_id})

    async def _message(
        self, command: str, leg_id: str, from_tag: str, to_tag: str | None, sdp: str, **more: Any
    ) -> str:
        ours = (command, from_tag) in (("offer", "X"), ("answer", "L"))  # whose description this is
        fields: dict[str, Any] = {
            "call-id": leg_id,
            "from-tag": from_tag,
            "sdp": sdp,
            "replace": ["origin"],
            "ICE": "remove",
            "flags": _OURS if ours else _FLAGS,
            **more,
        }
        if to_tag is not None:
            fields["to-tag"] = to_tag
        return str((await self._ng(command, **fields))["sdp"])


def _read(text: str) -> description.Audio:
    """rtpengine's own description. Raises MediaRefused if it closed the stream."""
    try:
        return audio(text)
    except BadSdp as bad:
        raise MediaRefused(f"rtpengine's description: {bad}") from bad


def _negotiated(sdp: str, now: str = "") -> tuple[description.Audio, Codec]:
    """What the phone says, and the one codec of it: the one that is spoken now, if it may stay."""
    try:
        offered = audio(sdp)
    except BadSdp as bad:
        raise BadDescription(f"session description: {bad}") from bad
    wanted = (now.partition("/")[0], *description.CODECS) if now else description.CODECS
    codec = description.common(offered, wanted)
    if codec is None:
        names = ", ".join(codec.name for codec in offered.codecs) or "nothing that has a name"
        raise NoCommonCodec(f"the phone offers {names}")
    return offered, codec


def _name(codec: str) -> str:
    """For a transcode list: opus by its full form, others by name."""
    return codec if codec.lower().startswith("opus") else codec.partition("/")[0]


def _answer(text: str, leg: MediaLeg, offer: str) -> str:
    """rtpengine's answer as the phone gets it: legal direction (RFC 3264 §6.1), one m= line for each of the offer's."""
    answer = description.answering(text, leg.direction, version=leg.version)
    return description.with_refused(answer, offer)
