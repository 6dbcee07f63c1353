"""ITU-T Q.850 causes and the SIP answers that a gateway makes of them. Pure.

RFC 3398 §7.2.4.1 (ISUP REL before answer) gives the status; RFC 3326 the Reason header beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

UNALLOCATED: Final = 1
NORMAL: Final = 16
BUSY: Final = 17
NO_USER: Final = 18
NO_ANSWER: Final = 19
REJECTED: Final = 21
OUT_OF_ORDER: Final = 27
NO_CHANNEL: Final = 34
TEMPORARY_FAILURE: Final = 41

SIP_STATUS: Final[Mapping[int, int]] = {
    1: 404, 2: 404, 3: 404, 17: 486, 18: 408, 19: 480, 20: 480, 21: 403, 22: 410, 23: 410, 26: 404, 27: 502, 28: 484,
    29: 501, 31: 480, 34: 503, 38: 503, 41: 503, 42: 503, 47: 503, 55: 403, 57: 403, 58: 503, 65: 488, 70: 488,
    79: 501, 87: 403, 88: 503, 102: 504, 111: 500, 127: 500,
}  # fmt: skip
# §8.1.7, Table 1: what the telephone network is told when SIP refuses and says no cause
CAUSES: Final[Mapping[int, int]] = {
    400: 41, 401: 21, 402: 21, 403: 21, 404: 1, 405: 63, 406: 79, 407: 21, 408: 102, 410: 22, 413: 127, 414: 127,
    415: 79, 416: 127, 420: 127, 421: 127, 423: 127, 480: 18, 481: 41, 482: 25, 483: 25, 484: 28, 485: 1, 486: 17,
    488: 65, 500: 41, 501: 79, 502: 38, 503: 41, 504: 102, 505: 127, 513: 127, 600: 17, 603: 21, 604: 1, 606: 65,
}  # fmt: skip
_Q850: Final = re.compile(r"Q\.850\s*;(?:[^,]*;)?\s*cause\s*=\s*(\d{1,3})", re.IGNORECASE)


def sip_status(cause: int) -> int:
    """The SIP answer to a call that the network refused with this cause; 500 where the RFC leaves it open."""
    return SIP_STATUS.get(cause, 500)


def reason(cause: int) -> str:
    """The Reason header's value."""
    return f"Q.850;cause={cause}"


def cause_in(reason_header: str) -> int:
    """The Q.850 cause that a Reason header names, 0 if it names none."""
    found = _Q850.search(reason_header)
    return int(found[1]) if found else 0


def cause_of(status: int, reason_header: str) -> int:
    """The cause of a refusal: what its Reason says, else what the RFC makes of its status (31: unspecified)."""
    return cause_in(reason_header) or CAUSES.get(status, 31)
