"""Legs in rtpengine: one leg, one call, one peer. `point` is the only verb that changes who hears whom.

The exact messages are measured (rtpengine 10.5.3.5); the flags and their reasons:
`port latching` keeps both ports at every change (without it the phone would need a re-INVITE); `replace: origin` keeps
addresses of the inside out of the phone's description; `ICE: remove` since the inner side speaks none. Our side's
addresses are exact: with `asymmetric` none is learned from whoever sends to its port, with `strict source` nobody but
the peer is heard; without them a stray sender, or a partner of before, is heard and hears. For the phone's side see
`_flags`. An offer without a to-tag is sent only once in a leg's life: a second one kills
the daemon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from lq.media import sdp as description
from lq.media.leg import At, Bridge, MediaLeg, Park, Peer
from lq.media.ng import Address, Keys, MediaError, MediaRefused, MediaUnavailable, Ng
from lq.media.sdp import BadSdp, Codec, audio, inner

__all__ = ["BadDescription", "MediaError", "MediaRefused", "MediaUnavailable", "NoCommonCodec", "RtpEngine"]

NOWHERE: Final = 9
SHORTEST_KEY_MS: Final = 80  # what every receiver takes for a key (ITU-T Q.24: 40)
LONGEST_KEY_MS: Final = 5_000  # rtpengine's own limit
OFFERED: Final = ("PCMA", "PCMU", "G722", "G729", "opus/48000/2")
_TO_INSIDE: Final = {"mask": ["all"], "transcode": ["PCMA", description.EVENT]}
_FLAGS: Final = ["port latching", "trust address"]
_OURS: Final = [*_FLAGS, "asymmetric", "strict source"]
_INJECT: Final = "inject DTMF"  # costs a pass through the coders: only legs that need it have it
_KEY_VOLUME: Final = 10  # dBm0 below zero


# Ciphers that a phone is not offered: none at all, those that no phone has, and GCM, with which baresip hears nothing.
_NOT_OFFERED: Final = [
    f"no-{suite}"
    for suite in (
        *("NULL_HMAC_SHA1_80", "NULL_HMAC_SHA1_32", "F8_128_HMAC_SHA1_80", "F8_128_HMAC_SHA1_32"),
        *("AES_192_CM_HMAC_SHA1_80", "AES_192_CM_HMAC_SHA1_32", "AEAD_AES_256_GCM", "AEAD_AES_128_GCM"),
    )
]

# What is said beside a description: the phone's kind decides, not who sends it. Inside it is plain RTP always.
_PLAIN: Final = {"transport protocol": "RTP/AVP", "DTLS": "off", "SDES": ["off"], "ICE": "remove"}
_FROM_PHONE: Final[Mapping[str, Mapping[str, Any]]] = {
    "rtp": {"ICE": "remove"},
    "srtp": _PLAIN,
    "webrtc": _PLAIN | {"rtcp-mux": ["demux"]},
}
_TO_PHONE: Final[Mapping[str, Mapping[str, Any]]] = {
    "rtp": {"ICE": "remove"},
    "srtp": {"transport protocol": "RTP/SAVP", "DTLS": "off", "SDES": _NOT_OFFERED, "ICE": "remove"},
    "webrtc": {
        "transport protocol": "UDP/TLS/RTP/SAVPF", "ICE": "force", "DTLS": "passive", "SDES": ["off"],
        "rtcp-mux": ["require"],
    },
}  # fmt: skip


class BadDescription(MediaRefused):
    """What the phone sent describes no audio that could be had: garbage, none at all, port 0 (488)."""


class NoCommonCodec(MediaError):
    """The phone offers nothing that we can carry (488). rtpengine itself would answer PCMA."""


class RtpEngine:
    """One rtpengine. Every command may be repeated."""

    def __init__(self, *, ng: Address, ng_tcp: Address, spool: Path = Path()) -> None:
        """`spool`: its recording directory, as this process sees it."""
        self.id = "{}:{}".format(*ng)
        self.spool = spool
        self._ng = Ng(ng)
        self._ng_tcp = ng_tcp
        self._keys: Keys | None = None

    def hold_back(self, passed: Callable[[], Awaitable[None]]) -> None:
        """No command leaves before `passed()` returns: rtpengine knows no fence (lq/pulse.py)."""
        self._ng.passed = passed

    async def start(
        self, on_digit: Callable[[str, str, int], None], on_again: Callable[[], None] = lambda: None
    ) -> None:
        """`on_digit(leg_id, key, duration_ms)`: each pressed key once; `on_again()`: it may have been restarted."""
        await self._ng.start()
        self._keys = Keys(self._ng_tcp, on_digit, on_again)
        self._keys.start()

    async def close(self) -> None:
        if self._keys is not None:
            await self._keys.close()
        await self._ng.close()

    async def ping(self) -> None:
        """Raises MediaUnavailable."""
        await self._ng("ping")

    async def answers(self, within_s: float) -> bool:
        try:
            await self._ng.ping(within_s)
        except MediaError:
            return False
        return True

    # -- a leg is made ----------------------------------------------------------------------------------------------
    async def incoming(self, leg_id: str, sdp: str, *, strict: bool = False) -> tuple[MediaLeg, str]:
        """A phone called us with this offer; our leg, and the answer for its 200.

        `strict`: its RTP comes from the address in its description and from nowhere else.

        Raises NoCommonCodec, BadDescription, MediaRefused, MediaUnavailable.
        """
        offered, codec = _negotiated(sdp)
        phone = description.normalised(offered, codec)
        kind = offered.kind
        flags = _flags(MediaLeg(leg_id, "in", kind=kind, strict=strict))
        towards_us = await self._message("offer", leg_id, "L", None, phone, flags, kind=kind, codec=_TO_INSIDE)
        x_side = _read(towards_us)
        event = x_side.event.payload if x_side.event else 101
        nowhere = inner("127.0.0.1", NOWHERE, event)
        answer = await self._message("answer", leg_id, "L", "X", nowhere, kind=kind, begins_dtls=True)
        leg = MediaLeg(
            leg_id,
            "in",
            phone_sdp=phone,
            engine=self.id,
            local_port=_read(answer).port,
            x_host=x_side.address,
            x_port=x_side.port,
            codec=codec.map,
            event_type=event,
            keys=offered.event_at(codec.rate) is not None,
            direction=description.answer_direction(offered.direction),
            kind=kind,
            strict=strict,
        )
        return leg, _answer(answer, leg, sdp)

    async def outgoing(
        self,
        leg_id: str,
        codecs: tuple[str, ...] = OFFERED,
        event_type: int = 101,
        kind: str = "rtp",
        *,
        strict: bool = False,
    ) -> tuple[MediaLeg, str]:
        """We call a phone; our leg, and the offer for its INVITE. `kind`: what the phone speaks: rtp | srtp | webrtc.

        `event_type`: that of the leg which it will be joined with, so that keys pass between the two as they are.
        """
        text = inner("127.0.0.1", NOWHERE, event_type)
        codec = {"transcode": codecs[1:]} if codecs[:1] == ("PCMA",) else {"mask": ["PCMA"], "transcode": codecs}
        offer = await self._message("offer", leg_id, "X", None, text, kind=kind, codec=codec)
        port = _read(offer).port
        leg = MediaLeg(leg_id, "out", engine=self.id, local_port=port, event_type=event_type, kind=kind, strict=strict)
        return leg, offer

    async def moved(self, leg: MediaLeg) -> tuple[MediaLeg, str]:
        """A leg of another engine is made anew here, in the codec that its phone speaks; the offer for its phone."""
        text = inner("127.0.0.1", NOWHERE, leg.event_type, leg.direction)
        name = _name(leg.codec)
        codec = {} if name == "PCMA" else {"mask": ["PCMA"], "transcode": [name]}
        await self.delete(leg.id)  # it may have been here before
        offer = await self._message("offer", leg.id, "X", None, text, kind=leg.kind, codec=codec)
        fresh = {
            "x_port": 0, "peer_host": "", "peer_port": NOWHERE, "blocked": False, "injecting": False, "seen": "",
            "role": "out",  # its phone is asked, whoever called
        }  # fmt: skip
        new = MediaLeg.from_json(
            leg.to_json() | fresh | {"engine": self.id, "local_port": _read(offer).port, "version": leg.version + 1}
        )
        return new, description.answering(description.with_mid_of(offer, leg.phone_sdp), new.direction, new.version)

    async def answered(self, leg: MediaLeg, sdp: str) -> MediaLeg:
        """The phone answered, in a 183 or a 200. Raises NoCommonCodec, MediaRefused, MediaUnavailable."""
        offered, codec = _negotiated(sdp, answers=True)
        if offered.kind != leg.kind:
            raise BadDescription(f"{leg.kind} was offered, answered is {offered.kind}")
        leg = _described(leg, offered, codec)
        towards_us = await self._message("answer", leg.id, "X", "L", _phone(leg), _flags(leg), kind=leg.kind)
        x_side = _read(towards_us)
        leg = replace(leg, x_host=x_side.address, x_port=x_side.port)
        if not leg.keys:
            leg, _ = await self._offered(leg)  # so that rtpengine listens for tones
        return leg

    # -- and lives --------------------------------------------------------------------------------------------------
    async def point(self, leg: MediaLeg, peer: Peer) -> MediaLeg:
        """From now on the phone hears this peer and is heard by it alone. The phone is not involved."""
        return await self._point(await self._placed(leg), peer)

    async def listen(self, leg: MediaLeg) -> MediaLeg:
        """The phone's voice comes from elsewhere by now: for 3 s it is whoever sends, first whom its description names.

        It stays pointed where it is. Twice: the first message makes it one that is learned, and only such a one is
        learned anew.
        """
        leg = await self._point(replace(leg, seen=""), _where(leg))
        return await self._point(leg, _where(leg))

    async def _placed(self, leg: MediaLeg) -> MediaLeg:
        """With the address that its phone was learned to have: pointed anew without it, it would be learned anew."""
        if leg.seen or not _is_learned(leg):
            return leg
        return replace(leg, seen=_seen(await self.query(leg.id)))

    async def _point(self, leg: MediaLeg, peer: Peer) -> MediaLeg:
        match peer:
            case Park():
                host, port = "127.0.0.1", NOWHERE
            case Bridge(other):
                host, port = other.x_host, other.x_port
            case At(host, port):
                pass
        ours = inner(host, port, leg.event_type, leg.direction)
        codec = {"transcode": [_name(leg.codec)]}
        more = (_INJECT,) if leg.injecting else ()
        offer = await self._message("offer", leg.id, "X", "L", ours, more, kind=leg.kind, codec=codec)
        answer = await self._message("answer", leg.id, "X", "L", _phone(leg), (*more, *_flags(leg)), kind=leg.kind)
        if (_read(offer).port, _read(answer).port) != (leg.local_port, leg.x_port):
            raise MediaRefused(f"ports of {leg.id} moved: {_read(offer).port}, {_read(answer).port}")
        return replace(leg, peer_host=host, peer_port=port)

    async def connect(self, a: MediaLeg, b: MediaLeg) -> tuple[MediaLeg, MediaLeg]:
        """These two, both here, hear each other. Keys pass between them, or (`blocked`) await `press`."""
        blocked = not a.types_keys_as(b)
        return await asyncio.gather(self.join(a, b, blocked), self.join(b, a, blocked))

    async def join(self, leg: MediaLeg, other: MediaLeg, blocked: bool) -> MediaLeg:
        """One side of two who shall hear each other.

        `blocked`: rtpengine passes on unchanged a type of event that the other leg knows under another number.
        """
        command = "block DTMF" if blocked else "unblock DTMF"
        await self._ng(command, **{"call-id": leg.id, "from-tag": "L"})
        return await self.point(replace(leg, blocked=blocked, injecting=blocked), Bridge(other))

    async def press(self, leg: MediaLeg, key: str, duration_ms: int) -> MediaLeg:
        """The phone hears this key, as an event of its own type or, if it knows none, as a tone.

        Raises MediaRefused for a tone in opus, after which rtpengine sends that phone nothing but silence.
        """
        if not leg.keys and leg.codec.startswith("opus"):
            raise MediaRefused("an opus phone that knows no telephone-event cannot be told a key")
        if not leg.injecting:
            leg = await self.point(replace(leg, injecting=True), _where(leg))
        told = {"code": key, "duration": min(max(duration_ms, SHORTEST_KEY_MS), LONGEST_KEY_MS), "volume": -_KEY_VOLUME}
        await self._ng("play DTMF", **{"call-id": leg.id, "from-tag": "X", **told})
        return leg

    async def reoffer(self, leg: MediaLeg, sdp: str) -> tuple[MediaLeg, str]:
        """The phone changed its description (hold, address, codec); our leg and the answer. Ports stay.

        Hold is enforced by whom we point at, not by SDP: rtpengine forwards what a held party sends.
        """
        offered, codec = _negotiated(sdp, now=leg.codec)
        leg = replace(
            _described(leg, offered, codec),
            direction=description.answer_direction(offered.direction),
            version=leg.version + 1,
            kind=offered.kind,
        )
        changed, answer = await self._offered(leg)
        return changed, _answer(answer, changed, sdp)

    async def _offered(self, leg: MediaLeg) -> tuple[MediaLeg, str]:
        """The phone offers its description within a call."""
        more = (_INJECT,) if leg.injecting else ()
        theirs = (*more, *_flags(leg))
        towards_us = await self._message(
            "offer", leg.id, "L", "X", _phone(leg), theirs, kind=leg.kind, codec=_TO_INSIDE
        )
        x_side = _read(towards_us)
        event = x_side.event.payload if x_side.event else leg.event_type
        ours = inner(leg.peer_host or "127.0.0.1", leg.peer_port, event, leg.direction)
        called_us = leg.role == "in"
        answer = await self._message("answer", leg.id, "L", "X", ours, more, kind=leg.kind, begins_dtls=called_us)
        ours_now, theirs_now = _read(answer).port, x_side.port
        leg = replace(leg, event_type=event, local_port=ours_now)
        return replace(leg, x_host=x_side.address, x_port=theirs_now), answer

    async def record(self, leg: MediaLeg, recording_id: str, contact_id: str) -> None:
        """Write everything that this leg says and hears into the spool, until it is deleted."""
        told = {
            "recording": recording_id, "contact": contact_id, "left": leg.local_port, "right": leg.x_port,
            "leg": leg.id, "codec": leg.codec, "payloads": _payloads(leg.phone_sdp),
        }  # fmt: skip
        metadata = "|".join(f"{key}={value}" for key, value in told.items())
        await self._ng("start recording", **{"call-id": leg.id, "metadata": metadata})
        # rtpengine writes a call into its Redis with an offer and its answer: before, a restart forgets the recording.
        await self.point(leg, _where(leg))

    async def stop_recording(self, leg: MediaLeg) -> None:
        """Nothing of this leg is written from now on, also after a restart; `record` begins another file."""
        await self._ng("stop recording", **{"call-id": leg.id})
        await self.point(leg, _where(leg))  # into its Redis, as above

    async def delete(self, leg_id: str) -> None:
        """The leg is over. One that rtpengine does not know (any more) is no error."""
        try:
            await self._ng("delete", **{"call-id": leg_id, "delete delay": 0})
        except MediaRefused as refused:
            if "Unknown call-ID" not in str(refused):
                raise

    async def calls(self, limit: int = 10_000) -> list[str]:
        """The call-ids that it has, at most `limit`."""
        return [str(id) for id in (await self._ng("list", limit=limit))["calls"]]

    async def query(self, leg_id: str) -> dict[str, Any]:
        return await self._ng("query", **{"call-id": leg_id})

    async def _message(
        self,
        command: str,
        leg_id: str,
        from_tag: str,
        to_tag: str | None,
        sdp: str,
        flags: Sequence[str] = (),
        kind: str = "rtp",
        begins_dtls: bool = False,
        **more: Any,
    ) -> str:
        """`begins_dtls`: a browser that has called us is answered `active`. rtpengine says its ClientHello before our
        answer is there in any case, and Chromium, told `passive`, sometimes begins none of its own after it."""
        ours = (command, from_tag) in (("offer", "X"), ("answer", "L"))  # whose description this is
        if kind == "webrtc" and ours:
            flags = (*flags, "generate mid")
        fields: dict[str, Any] = {
            "call-id": leg_id,
            "from-tag": from_tag,
            "sdp": sdp,
            "replace": ["origin"],
            **(_TO_PHONE if ours else _FROM_PHONE)[kind],
            "flags": [*(_OURS if ours else _FLAGS), *flags],
            **more,
        }
        if begins_dtls and kind == "webrtc":
            del fields["DTLS"]
        if to_tag is not None:
            fields["to-tag"] = to_tag
        return str((await self._ng(command, **fields))["sdp"])


def _is_learned(leg: MediaLeg) -> bool:
    """Its phone's address is learned from its packets (NAT). A trunk's stands in its description; what comes under a
    phone's keys is its own."""
    return leg.kind == "rtp" and not leg.strict


def _flags(leg: MediaLeg) -> tuple[str, ...]:
    """Beside a phone's description: whose packets are its voice.

    Without a flag whoever sends to its port is heard, and gets the call when it is pointed next (measured). A phone's
    address is learned for 3 s after an offer or answer, and stands from then on.
    """
    if _is_learned(leg) and not leg.seen:
        return ("strict source",)
    return ("asymmetric", "strict source") if leg.kind == "rtp" else ()


def _phone(leg: MediaLeg) -> str:
    """What rtpengine is told of the phone: its description, and in it where it was seen."""
    return description.placed(leg.phone_sdp, leg.seen) if leg.seen else leg.phone_sdp


def _described(leg: MediaLeg, offered: description.Audio, codec: Codec) -> MediaLeg:
    """The leg after its phone's word. Where the phone was seen stands as long as it names the same place."""
    stays = leg.phone_sdp and description.place(leg.phone_sdp) == (offered.address, offered.port)
    return replace(
        leg,
        phone_sdp=description.normalised(offered, codec),
        codec=codec.map,
        keys=offered.event_at(codec.rate) is not None,
        seen=leg.seen if stays else "",
    )


def _seen(answer: Mapping[str, Any]) -> str:
    """Where the phone's voice comes from once rtpengine is sure of it; "" before."""
    try:
        stream = answer["tags"]["L"]["medias"][0]["streams"][0]
        at = stream["endpoint"]
        return f"{at['address']}:{at['port']}" if "confirmed" in stream["flags"] else ""
    except (KeyError, IndexError, TypeError) as error:
        raise MediaError(f"rtpengine's query: {error!r}") from error


def _where(leg: MediaLeg) -> At:
    """Where it points."""
    return At(leg.peer_host or "127.0.0.1", leg.peer_port)


def _read(text: str) -> description.Audio:
    """rtpengine's own description. Raises MediaRefused if it closed the stream."""
    try:
        return audio(text)
    except BadSdp as bad:
        raise MediaRefused(f"rtpengine's description: {bad}") from bad


def _negotiated(sdp: str, now: str = "", answers: bool = False) -> tuple[description.Audio, Codec]:
    """What the phone says, and the one codec of it: the one that is spoken now, if it may stay."""
    try:
        offered = audio(sdp)
    except BadSdp as bad:
        raise BadDescription(f"session description: {bad}") from bad
    wanted = (now.partition("/")[0], *description.CODECS) if now else description.CODECS
    codec = description.spoken(offered) if answers else description.common(offered, wanted)
    if codec is None:
        names = ", ".join(codec.name for codec in offered.codecs) or "nothing that has a name"
        raise NoCommonCodec(f"the phone offers {names}")
    return offered, codec


def _payloads(sdp: str) -> str:
    """What the phone's dynamic payload types mean; in rtpengine's own descriptions they have other numbers."""
    try:
        return ",".join(f"{codec.payload}:{codec.name}" for codec in audio(sdp).codecs if codec.payload >= 96)
    except BadSdp:
        return ""


def _name(codec: str) -> str:
    """For a transcode list: opus by its full form, others by name."""
    return codec if codec.lower().startswith("opus") else codec.partition("/")[0]


def _answer(text: str, leg: MediaLeg, offer: str) -> str:
    """rtpengine's answer as the phone gets it: legal direction (RFC 3264 §6.1), one m= line for each of the offer's."""
    answer = description.answering(text, leg.direction, version=leg.version)
    return description.with_refused(description.event_as_offered(answer, audio(offer)), offer)
