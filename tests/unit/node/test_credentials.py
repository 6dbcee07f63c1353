"""Whose credentials answer a challenge, from the configuration alone."""

from __future__ import annotations

from lq.config import documents as doc
from lq.config.book import Book
from lq.node import credentials
from lq.sip.digest import Credentials

IMS = doc.Registration(user="+861088001000", domain="ims.example", password="secret")


def test_a_trunk_is_answered_with_its_own_in_its_own_realm() -> None:
    book = Book(
        version=1,
        trunks={
            "ims": doc.Trunk("ims", "192.0.2.1", register=IMS),
            "named": doc.Trunk(
                "named", "192.0.2.2",
                register=doc.Registration("u", "d.example", "p", auth_user="u@d.example", realm="carrier"),
            ),
            "gw1": doc.Trunk("gw1", "127.0.1.1"),
        },
    )  # fmt: skip
    assert credentials(book, "ims") == Credentials("ims.example", "+861088001000", "secret")
    assert credentials(book, "named") == Credentials("carrier", "u@d.example", "p")
    assert credentials(book, "gw1") is None and credentials(book, "gone") is None
