"""A phone's codecs to A-law, 8 kHz: G.711, G.722, G.729, opus. One decoder for each stream, fed in its clock's order.

The libraries come with rtpengine, which transcodes by the same ones; all decode to 8 kHz themselves (of G.722 the lower
band, RFC 3551 §4.5.2; opus at 8 kHz, RFC 6716 §2). A library that is missing makes its codec one that is not decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from cffi import FFI

Bytes = npt.NDArray[np.uint8]
Decoder = Callable[[bytes], bytes]

RATE: Final = 8000
LONGEST: Final = RATE // 2  # samples of a packet: nobody sends half a second at once
STATIC: Final[dict[int, str]] = {0: "PCMU", 8: "PCMA", 9: "G722", 13: "CN", 18: "G729"}  # RFC 3551 §6
CLOCKS: Final[Mapping[str, int]] = {"opus": 48_000}  # of RTP timestamps; all others 8 kHz, G.722 too
EVENT: Final = "telephone-event"
NOISE: Final = "CN"  # comfort noise (RFC 3389): silence here


class Undecodable(ValueError):
    """A packet that is none of its codec, or whose codec is not known here."""


def _linear(*, alaw: bool) -> npt.NDArray[np.int16]:
    """The 256 values of G.711 A-law or µ-law as 16-bit samples."""
    code = np.arange(256, dtype=np.int32)
    if alaw:
        value = code ^ 0x55
        segment, step = (value >> 4) & 7, (value & 15) << 4
        level = np.where(segment == 0, step + 8, (step + 0x108) << np.maximum(segment - 1, 0))
        return np.where(value & 0x80, level, -level).astype(np.int16)
    value = ~code & 0xFF
    level = (((value & 15) << 3) + 0x84) << ((value >> 4) & 7)
    return np.where(value & 0x80, 0x84 - level, level - 0x84).astype(np.int16)


ALAW: Final = _linear(alaw=True)
ULAW: Final = _linear(alaw=False)
# each µ-law code as the nearest A-law code
ULAW_TO_ALAW: Final[Bytes] = (
    np.abs(ULAW.astype(np.int32)[:, None] - ALAW.astype(np.int32)[None, :]).argmin(1).astype(np.uint8)
)
_ULAW_TO_ALAW: Final = ULAW_TO_ALAW.tobytes()


def _to_alaw() -> Bytes:
    """For each of 65,536 samples, by its bits, the nearest code."""
    order = np.argsort(ALAW, kind="stable")
    levels = ALAW[order].astype(np.int32)
    samples = np.arange(65_536, dtype=np.uint16).view(np.int16)
    return order.astype(np.uint8)[np.searchsorted((levels[1:] + levels[:-1] + 1) // 2, samples, side="right")]


TO_ALAW: Final = _to_alaw()

_ffi: Final = FFI()
_ffi.cdef("""
void *opus_decoder_create(int32_t rate, int channels, int *error);
int opus_decode(void *state, const uint8_t *data, int32_t length, int16_t *pcm, int frame_size, int fec);
void opus_decoder_destroy(void *state);
void *g722_decode_init(void *state, int rate, int options);
int g722_decode(void *state, int16_t *pcm, const uint8_t *data, int length);
int g722_decode_free(void *state);
void *initBcg729DecoderChannel(void);
void bcg729Decoder(void *state, const uint8_t *data, uint8_t length, uint8_t erased, uint8_t sid, uint8_t rfc3389,
                   int16_t *pcm);
void closeBcg729DecoderChannel(void *state);
""")
_LIBRARIES: Final[Mapping[str, str]] = {"opus": "libopus.so.0", "G722": "libspandsp.so.2", "G729": "libbcg729.so.0"}
_AT_8_KHZ: Final = 1  # G722_SAMPLE_RATE_8000 of spandsp/g722.h
_FRAME_BYTES, _FRAME, _SID_BYTES = 10, 80, 2  # G.729: 10 ms; its silence descriptor comes last (RFC 3551 §4.5.6)


def missing() -> list[str]:
    """Codecs whose library is not on this machine."""
    return [name for name in _LIBRARIES if _library(name) is None]


def decoder(codec: str) -> Decoder | None:
    """A new one for a stream of this codec; None: not decoded here. It raises Undecodable."""
    if codec in _PLAIN:
        return _PLAIN[codec]
    library = _library(codec)
    return None if library is None else _MAKERS[codec](library)


@cache
def _library(codec: str) -> Any:
    try:
        return _ffi.dlopen(_LIBRARIES[codec]) if codec in _LIBRARIES else None
    except OSError:  # told by missing()
        return None


def _pcma(payload: bytes) -> bytes:
    return _fits(payload, len(payload))


def _pcmu(payload: bytes) -> bytes:
    return _fits(payload, len(payload)).translate(_ULAW_TO_ALAW)


def _fits(payload: bytes, samples: int) -> bytes:
    if samples > LONGEST:
        raise Undecodable(f"{len(payload)} bytes in one packet")
    return payload


def _opus(library: Any) -> Decoder:
    state = _ffi.gc(library.opus_decoder_create(RATE, 1, _ffi.NULL), library.opus_decoder_destroy)
    pcm = _ffi.new("int16_t[]", LONGEST)

    def decode(payload: bytes) -> bytes:
        count = library.opus_decode(state, payload, len(payload), pcm, LONGEST, 0)
        if count < 0:
            raise Undecodable(f"opus error {count}")
        return _alaw(pcm, count)

    return decode


def _g722(library: Any) -> Decoder:
    state = _ffi.gc(library.g722_decode_init(_ffi.NULL, 64_000, _AT_8_KHZ), library.g722_decode_free)
    pcm = _ffi.new("int16_t[]", 2 * LONGEST)

    def decode(payload: bytes) -> bytes:
        return _alaw(pcm, library.g722_decode(state, pcm, _fits(payload, len(payload)), len(payload)))

    return decode


def _g729(library: Any) -> Decoder:
    state = _ffi.gc(library.initBcg729DecoderChannel(), library.closeBcg729DecoderChannel)
    pcm = _ffi.new("int16_t[]", LONGEST + _FRAME)

    def decode(payload: bytes) -> bytes:
        whole, rest = divmod(len(payload), _FRAME_BYTES)
        if rest not in (0, _SID_BYTES):
            raise Undecodable(f"{len(payload)} bytes of G.729")
        _fits(payload, (whole + (rest > 0)) * _FRAME)
        data = _ffi.from_buffer(payload)
        for n in range(whole):
            library.bcg729Decoder(state, data + n * _FRAME_BYTES, _FRAME_BYTES, 0, 0, 0, pcm + n * _FRAME)
        if rest:
            library.bcg729Decoder(state, data + whole * _FRAME_BYTES, _SID_BYTES, 0, 1, 0, pcm + whole * _FRAME)
        return _alaw(pcm, (whole + (rest > 0)) * _FRAME)

    return decode


def _alaw(pcm: Any, count: int) -> bytes:
    return TO_ALAW[np.frombuffer(bytes(_ffi.buffer(pcm, 2 * count)), np.uint16)].tobytes()


_PLAIN: Final[Mapping[str, Decoder]] = {"PCMA": _pcma, "PCMU": _pcmu}
_MAKERS: Final[Mapping[str, Callable[[Any], Decoder]]] = {"opus": _opus, "G722": _g722, "G729": _g729}
# by the name in any case, as phones write it (RFC 8866 §6.6)
NAMES: Final[Mapping[str, str]] = {name.lower(): name for name in (*_PLAIN, *_MAKERS, NOISE, EVENT)}
