"""A request that cannot be read as a whole, and how it is answered all the same (RFC 3261 §8.2, §21.4.1). Pure.

An answer echoes Via, From, To, Call-ID and CSeq (§8.2.6.2): without those it would reach nobody, or the wrong one. Then
the request is dropped, as is whatever ends its lines in other ways than SIP does, for echoed it would be other lines.
"""

from __future__ import annotations

import re
from typing import Final

from lq.sip.message import MAX_HEADERS, ParseError, Request, is_cseq, read_head, read_headers

BAD_REQUEST: Final = 400
VERSION_NOT_SUPPORTED: Final = 505  # §21.5.6
_START: Final = re.compile(r"(?!SIP/)[\w.!%*+`'~-]+ .*?SIP/(\d+\.\d+)", re.ASCII | re.IGNORECASE)
_VIA: Final = re.compile(r"SIP\s*/\s*2\.0\s*/\s*\w+\s+[\w.\[]\S*.*", re.ASCII | re.IGNORECASE | re.DOTALL)
_ECHOED: Final = ("from", "to", "call-id", "cseq")


def answerable(data: bytes) -> tuple[Request, int] | None:
    """Of a message that `parse` refuses: the part that its answer needs, and the status. None: it has none."""
    try:
        start, lines, _ = read_head(data)
        headers = read_headers([line for line in lines if line.partition(":")[0].strip() and ":" in line][:MAX_HEADERS])
    except ParseError:
        return None
    found = _START.fullmatch(start)
    if found is None or not all(map(_VIA.fullmatch, headers.get("via", [""]))):
        return None
    echoed = {name: headers.get(name, [""])[:1] for name in _ECHOED}
    request = Request({"via": headers["via"], **echoed})
    request.method = request.cseq[1]  # what its sender looks for in the answer
    if not all(value[0] for value in echoed.values()) or not is_cseq(request):
        return None
    if "ACK" in (request.method, start.partition(" ")[0]):
        return None  # it has no answer (§17)
    return request, BAD_REQUEST if found[1] == "2.0" else VERSION_NOT_SUPPORTED
