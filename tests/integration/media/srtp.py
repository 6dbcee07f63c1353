"""SRTP with keys in the description (RFC 3711, RFC 4568), by libsrtp: a phone's side, a witness of rtpengine's own."""

from __future__ import annotations

import base64
import ctypes
import re
import secrets
from functools import cache
from typing import Any, Final

SUITE: Final = "AES_CM_128_HMAC_SHA1_80"
_OUTBOUND, _INBOUND = 3, 2  # ssrc_any_outbound, ssrc_any_inbound
_ROOM: Final = 2048
_INLINE: Final = re.compile(rf"^a=crypto:(\d+) {SUITE} inline:([A-Za-z0-9+/=]+)", re.MULTILINE)


class _Policy(ctypes.Structure):
    """srtp_policy_t of libsrtp 2.x (srtp.h)."""

    _fields_ = (
        ("ssrc_type", ctypes.c_int), ("ssrc_value", ctypes.c_uint), ("rtp", ctypes.c_ubyte * 24),
        ("rtcp", ctypes.c_ubyte * 24), ("key", ctypes.c_char_p), ("keys", ctypes.c_void_p),
        ("num_master_keys", ctypes.c_ulong), ("ekt", ctypes.c_void_p), ("window_size", ctypes.c_ulong),
        ("allow_repeat_tx", ctypes.c_int), ("enc_xtn_hdr", ctypes.c_void_p), ("enc_xtn_hdr_count", ctypes.c_int),
        ("next", ctypes.c_void_p),
    )  # fmt: skip


@cache
def _library() -> Any:
    library = ctypes.CDLL("libsrtp2.so.1")
    assert library.srtp_init() == 0
    return library


class Context:
    """One direction of a stream."""

    def __init__(self, key: bytes, *, outbound: bool) -> None:
        self._key = key
        policy = _Policy(ssrc_type=_OUTBOUND if outbound else _INBOUND, key=key)
        for part in (policy.rtp, policy.rtcp):
            _library().srtp_crypto_policy_set_rtp_default(ctypes.byref(part))
        self._session = ctypes.c_void_p()
        assert _library().srtp_create(ctypes.byref(self._session), ctypes.byref(policy)) == 0
        self._work = _library().srtp_protect if outbound else _library().srtp_unprotect

    def __call__(self, packet: bytes) -> bytes:
        """Sealed or opened; b"" for what is not under our key."""
        room, length = ctypes.create_string_buffer(packet, _ROOM), ctypes.c_int(len(packet))
        done = self._work(self._session, room, ctypes.byref(length)) == 0
        return room.raw[: length.value] if done else b""


def new_key() -> bytes:
    return secrets.token_bytes(30)


def crypto(key: bytes, offer: str = "") -> str:
    """The line that tells our key; in an answer it has the number of the one that it takes (RFC 4568 §5.1.2)."""
    found = _INLINE.search(offer)
    return f"a=crypto:{found[1] if found else 1} {SUITE} inline:{base64.b64encode(key).decode()}"


def key_in(text: str) -> bytes:
    """The other side's."""
    found = _INLINE.search(text)
    assert found is not None, text
    return base64.b64decode(found[2])
