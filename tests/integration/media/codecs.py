"""What a phone speaks: codecs of a far end, by libraries that rtpengine itself brings (libopus, libbcg729, spandsp).

Independent witnesses of nothing but RTP: each is told samples of 8 kHz and makes payloads of 20 ms (or more), and back.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, Literal

import numpy as np

from tests.simulator import audio
from tests.simulator.audio import FRAME, RATE, Law, Samples

Name = Literal["a", "u", "PCMA", "PCMU", "G722", "G729", "opus"]
CODED: Final = ("PCMA", "PCMU", "G722", "G729", "opus")
_NARROW: Final = 1  # G722_SAMPLE_RATE_8000: the upper half band is silence
_VOIP: Final = 2048  # OPUS_APPLICATION_VOIP
_LONGEST: Final = 1500  # bytes of a packet

Encoder = Callable[[Samples], bytes]
Decoder = Callable[[bytes], Samples]


@dataclass(frozen=True, slots=True)
class Speech:
    """One codec: its name in an rtpmap, and who makes encoders and decoders of it."""

    name: str
    map: str
    payload_type: int
    encoder: Callable[[], Encoder]
    decoder: Callable[[], Decoder]
    clock: int = 1  # RTP timestamp units for each of our samples
    frame: int = FRAME  # samples of one packet

    def frames(self, samples: Samples) -> list[bytes]:
        """Payloads; the last one is filled up with silence."""
        encode, size = self.encoder(), self.frame
        whole = np.concatenate([samples, np.zeros(-len(samples) % size, np.int16)])
        return [encode(np.ascontiguousarray(whole[at : at + size])) for at in range(0, len(whole), size)]

    def decode(self, payloads: Sequence[bytes]) -> Samples:
        decode = self.decoder()
        return np.concatenate([decode(payload) for payload in payloads] or [np.zeros(0, np.int16)])


def speech(name: Name, ptime_ms: int = 20) -> Speech:
    return replace(_ALL[{"a": "PCMA", "u": "PCMU"}.get(name, name)], frame=RATE * ptime_ms // 1000)


def _law(law: Law) -> tuple[Callable[[], Encoder], Callable[[], Decoder]]:
    return lambda: lambda samples: audio.encode(samples, law), lambda: lambda payload: audio.decode(payload, law)


@cache
def _library(name: str) -> Any:
    return ctypes.CDLL(name)


def _made(library: str, function: str, *arguments: Any) -> ctypes.c_void_p:
    """A coder. It is never freed: a test process has some hundred of them, of a few kB each."""
    make = getattr(_library(library), function)
    make.restype = ctypes.c_void_p
    return ctypes.c_void_p(make(*arguments))


def _at(samples: Samples) -> Any:
    return samples.ctypes.data_as(ctypes.c_void_p)


# -- G.722: spandsp ----------------------------------------------------------------------------------------------------


def _g722_encoder() -> Encoder:
    state = _made("libspandsp.so.2", "g722_encode_init", None, 64000, _NARROW)

    def encode(samples: Samples) -> bytes:
        out = (ctypes.c_uint8 * len(samples))()
        return bytes(out[: _library("libspandsp.so.2").g722_encode(state, out, _at(samples), len(samples))])

    return encode


def _g722_decoder() -> Decoder:
    state = _made("libspandsp.so.2", "g722_decode_init", None, 64000, _NARROW)

    def decode(payload: bytes) -> Samples:
        out = np.zeros(2 * len(payload), np.int16)
        return out[: _library("libspandsp.so.2").g722_decode(state, _at(out), payload, len(payload))]

    return decode


# -- G.729: bcg729; frames of 10 ms -----------------------------------------------------------------------------------


def _g729_encoder() -> Encoder:
    state = _made("libbcg729.so.0", "initBcg729EncoderChannel", 0)

    def encode(samples: Samples) -> bytes:
        said = b""
        for at in range(0, len(samples), 80):
            out, length = (ctypes.c_uint8 * 10)(), ctypes.c_uint8()
            piece = np.ascontiguousarray(samples[at : at + 80])
            _library("libbcg729.so.0").bcg729Encoder(state, _at(piece), out, ctypes.byref(length))
            said += bytes(out[: length.value])
        return said

    return encode


def _g729_decoder() -> Decoder:
    state = _made("libbcg729.so.0", "initBcg729DecoderChannel")

    def decode(payload: bytes) -> Samples:
        heard = np.zeros(8 * len(payload) // 80 * 80, np.int16)  # 10 bytes are 80 samples
        for n in range(len(payload) // 10):
            one = heard[80 * n : 80 * n + 80]
            _library("libbcg729.so.0").bcg729Decoder(state, payload[10 * n : 10 * n + 10], 10, 0, 0, 0, _at(one))
        return heard

    return decode


# -- opus: libopus at 8 kHz mono, which is what it makes of a telephone -----------------------------------------------


def _opus_encoder() -> Encoder:
    state = _made("libopus.so.0", "opus_encoder_create", 8000, 1, _VOIP, ctypes.byref(ctypes.c_int()))

    def encode(samples: Samples) -> bytes:
        out = (ctypes.c_uint8 * _LONGEST)()
        length = _library("libopus.so.0").opus_encode(state, _at(samples), len(samples), out, _LONGEST)
        assert length > 0, f"opus_encode: {length}"
        return bytes(out[:length])

    return encode


def _opus_decoder() -> Decoder:
    state = _made("libopus.so.0", "opus_decoder_create", 8000, 1, ctypes.byref(ctypes.c_int()))

    def decode(payload: bytes) -> Samples:
        out = np.zeros(960, np.int16)
        return out[: max(0, _library("libopus.so.0").opus_decode(state, payload, len(payload), _at(out), 960, 0))]

    return decode


_ALL: Final = {
    "PCMA": Speech("PCMA", "PCMA/8000", 8, *_law("a")),
    "PCMU": Speech("PCMU", "PCMU/8000", 0, *_law("u")),
    "G722": Speech("G722", "G722/8000", 9, _g722_encoder, _g722_decoder),
    "G729": Speech("G729", "G729/8000", 18, _g729_encoder, _g729_decoder),
    "opus": Speech("opus", "opus/48000/2", 111, _opus_encoder, _opus_decoder, clock=6),
}
