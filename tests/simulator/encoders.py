"""What phones send that speak no G.711: 20 ms payloads of G.722, G.729 and opus, by the libraries that encode them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from cffi import FFI

from tests.simulator.audio import FRAME, Samples

STEP: Final = {"G722": 160, "G729": 160, "opus": 960}  # RTP timestamps of 20 ms (RFC 3551 §4.5.2, RFC 7587 §4.1)

_ffi: Final = FFI()
_ffi.cdef("""
void *opus_encoder_create(int32_t rate, int channels, int application, int *error);
int32_t opus_encode(void *state, const int16_t *pcm, int frame_size, uint8_t *data, int32_t most);
void opus_encoder_destroy(void *state);
void *g722_encode_init(void *state, int rate, int options);
int g722_encode(void *state, uint8_t *data, const int16_t *pcm, int length);
int g722_encode_free(void *state);
void *initBcg729EncoderChannel(uint8_t vad);
void bcg729Encoder(void *state, const int16_t *pcm, uint8_t *data, uint8_t *length);
void closeBcg729EncoderChannel(void *state);
""")


def encoded(samples: Samples, codec: str) -> list[bytes]:
    """8 kHz samples as payloads of 20 ms each; what is no whole frame at the end is left out."""
    frames = [samples[at : at + FRAME] for at in range(0, len(samples) - FRAME + 1, FRAME)]
    return {"opus": _opus, "G722": _g722, "G729": _g729}[codec](frames)


def _opus(frames: list[Samples]) -> list[bytes]:
    library = _ffi.dlopen("libopus.so.0")
    state = _ffi.gc(library.opus_encoder_create(48_000, 1, 2048, _ffi.NULL), library.opus_encoder_destroy)  # VOIP
    data = _ffi.new("uint8_t[]", 1500)

    def one(frame: Samples) -> bytes:
        wide = np.interp(np.arange(960) / 6, np.arange(FRAME), frame).astype(np.int16)
        count = library.opus_encode(state, _pcm(wide), 960, data, 1500)
        assert count > 0
        return bytes(_ffi.buffer(data, count))

    return [one(frame) for frame in frames]


def _g722(frames: list[Samples]) -> list[bytes]:
    library = _ffi.dlopen("libspandsp.so.2")
    state = _ffi.gc(library.g722_encode_init(_ffi.NULL, 64_000, 0), library.g722_encode_free)
    data = _ffi.new("uint8_t[]", 400)

    def one(frame: Samples) -> bytes:
        wide = np.interp(np.arange(320) / 2, np.arange(FRAME), frame).astype(np.int16)
        return bytes(_ffi.buffer(data, library.g722_encode(state, data, _pcm(wide), 320)))

    return [one(frame) for frame in frames]


def _g729(frames: list[Samples]) -> list[bytes]:
    library = _ffi.dlopen("libbcg729.so.0")
    state = _ffi.gc(library.initBcg729EncoderChannel(0), library.closeBcg729EncoderChannel)
    data, length = _ffi.new("uint8_t[]", 10), _ffi.new("uint8_t *")

    def half(pcm: Samples) -> bytes:
        library.bcg729Encoder(state, _pcm(pcm), data, length)
        return bytes(_ffi.buffer(data, length[0]))

    return [half(frame[:80]) + half(frame[80:]) for frame in frames]


def _pcm(samples: Samples) -> Any:
    return _ffi.cast("int16_t *", _ffi.from_buffer(np.ascontiguousarray(samples)))
