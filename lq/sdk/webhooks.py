"""What a receiver of webhooks needs: whether a request is ours."""

from __future__ import annotations

import hashlib
import hmac

TOLERANCE_S = 300


def genuine(secret: str, signature: str, body: bytes, now_s: float, tolerance_s: float = TOLERANCE_S) -> bool:
    """Whether `signature`, the header X-LCall-Signature, is of this body, of this secret, and not old."""
    fields = dict(field.partition("=")[::2] for field in signature.split(","))
    at = fields.get("t", "")
    if not (at.isascii() and at.isdecimal() and len(at) < 13) or abs(now_s - int(at)) > tolerance_s:
        return False
    expected = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), fields.get("v1", "").encode())
