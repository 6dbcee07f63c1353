"""Why a call ended, in both languages: ITU-T Q.850 causes and SIP statuses. Pure.

RFC 3398 §7.2.4.1 (cause to status, a call refused before its answer) and §8.2.6.1 (status to cause). RFC 3326: the
Reason header, which carries the cause itself. What a Reason says goes before what a table makes of a status.
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
UNSPECIFIED: Final = 31
NO_CIRCUIT: Final = 34
TEMPORARY_FAILURE: Final = 41
NO_COMMON_CODEC: Final = 65

# 16 (the table's only hole: who clears normally has been answered) and 44 (no channel of those asked for) are ours, and
# 41: the RFC's 503 would have whoever called send this server nothing for a while (RFC 3261 §21.5.4), for one call.
_STATUS: Final[Mapping[int, int]] = {
    1: 404, 2: 404, 3: 404, 16: 480, 17: 486, 18: 408, 19: 480, 20: 480, 21: 403, 22: 410, 23: 410, 26: 404, 27: 502,
    28: 484, 29: 501, 31: 480, 34: 503, 38: 503, 41: 500, 42: 503, 44: 503, 47: 503, 55: 403, 57: 403, 58: 503, 65: 488,
    70: 488, 79: 501, 87: 403, 88: 503, 102: 504, 111: 500, 127: 500,
}  # fmt: skip
# 488 and 606 depend on a Warning there; here they are what they nearly always are: no codec in common.
_CAUSE: Final[Mapping[int, int]] = {
    400: 41, 401: 21, 402: 21, 403: 21, 404: 1, 405: 63, 406: 79, 407: 21, 408: 102, 410: 22, 413: 127, 414: 127,
    415: 79, 416: 127, 420: 127, 421: 127, 423: 127, 480: 18, 481: 41, 482: 25, 483: 25, 484: 28, 485: 1, 486: 17,
    488: 65, 500: 41, 501: 79, 502: 38, 503: 41, 504: 102, 505: 127, 513: 127, 600: 17, 603: 21, 604: 1, 606: 65,
}  # fmt: skip
_Q850: Final = re.compile(r"(?:^|,)\s*Q\.850\s*(?:;[^,;]*)*?;\s*cause\s*=\s*(\d{1,3})(?!\d)", re.IGNORECASE)
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.?)*(?:"|(\Z))')  # closed or not: else each quote is looked at to the end


def status_of(cause: int) -> int:
    """The SIP status that refuses a call for this cause; 500 for a cause that the RFC does not name."""
    return _STATUS.get(cause, 500)


def cause_of(status: int, said: int = 0, *, rang: bool = False) -> int:
    """The cause of a refusal: what its Reason header `said`, else what the RFC makes of its status.

    `rang`: a phone that rang and then timed out was not taken up (19), which the status alone does not tell from one
    that nobody found (18, 102). So does one that rang and was given up (487).
    """
    if said:
        return said
    if rang and status in (408, 480, 487):
        return NO_ANSWER
    return _CAUSE.get(status, UNSPECIFIED)


def cause_in(reason: str) -> int:
    """The Q.850 cause (1 to 127) in the value of a Reason header (RFC 3326), 0 if there is none.

    Several of them are joined by commas (RFC 3261 §7.3.1).
    """
    found = _Q850.search(_QUOTED.sub(lambda quoted: '""' if quoted[1] is None else quoted[0], reason))
    cause = int(found[1]) if found else 0
    return cause if 1 <= cause <= 127 else 0


def reason(cause: int) -> str:
    """The value of a Reason header."""
    return f"Q.850;cause={cause}"


def is_of_the_trunk(cause: int) -> bool:
    """Whether the way failed and not the called party, so that another trunk may reach him.

    Q.850's class "resource unavailable" (32 to 47: no circuit, congestion, temporary failure) and 58, a bearer that is
    not there just now. Not 27: the exchange of the called party is out of order, by whatever way.
    """
    return 32 <= cause <= 47 or cause == 58
