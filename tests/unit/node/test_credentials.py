"""Whose credentials answer a challenge, from the configuration alone."""

from __future__ import annotations

from dataclasses import asdict

from lq.config import documents as doc
from lq.config.book import Book
from lq.node import credentials, domain_of
from lq.sip.digest import Credentials

BOOK = Book.read(  # as published: what is inside a document is read too
    1,
    {
        "trunks": {
            "ims": {
                "id": "ims", "address": "192.0.2.1",
                "register": {"user": "+861088001000", "domain": "ims.example", "password": "secret", "later": 1},
            },
            "named": {
                "id": "named", "address": "192.0.2.2",
                "register": {
                    "user": "u", "domain": "d.example", "password": "p", "auth_user": "u@d.example", "realm": "carrier",
                },
            },
            "gw1": {"id": "gw1", "address": "127.0.1.1"},
            "gw2": asdict(doc.Trunk("gw2", "127.0.1.2")),
        },
    },
)  # fmt: skip


def test_a_trunk_is_answered_with_its_own_in_its_own_realm() -> None:
    assert credentials(BOOK, "ims") == Credentials("ims.example", "+861088001000", "secret")
    assert credentials(BOOK, "named") == Credentials("carrier", "u@d.example", "p")
    assert credentials(BOOK, "gw1") is None and credentials(BOOK, "gw2") is None and credentials(BOOK, "gone") is None


def test_a_call_names_the_carriers_domain_or_where_the_gateway_is() -> None:
    assert [domain_of(BOOK, trunk) for trunk in ("ims", "named", "gw1", "gw2", "gone", "")] == [
        "ims.example", "d.example", "127.0.1.1", "127.0.1.2", "", "",
    ]  # fmt: skip
