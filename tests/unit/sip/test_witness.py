from __future__ import annotations

import pytest

from tests.unit.sip.witness import read_by_another

GOOD = (
    b"OPTIONS sip:x@y.org SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:a@b.org>;tag=1\r\n"
    b"To: <sip:c@d.org>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


@pytest.mark.parametrize(
    ("good", "bad"),
    [(b"<sip:a@b.org>;tag=1", b"<<<"), (b"SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1", b"UDP"), (b"1 OPTIONS", b"one")],
)
def test_the_witness_sees_what_is_wrong(good: bytes, bad: bytes) -> None:
    read_by_another(GOOD)
    with pytest.raises(ValueError, match="not valid"):
        read_by_another(GOOD.replace(good, bad))
