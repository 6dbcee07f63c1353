"""A snapshot that a newer node has written is read: fields are only added (N and N−1 run together)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lq.contacts.contact import Contact
from tests.unit.contacts.test_advance import Life

PLACES: list[Callable[[dict[str, Any]], dict[str, Any]]] = [
    lambda it: it,
    lambda it: it["number"],
    lambda it: it["called"],
    lambda it: it["menu"],
    lambda it: it["menu"]["position"],
    lambda it: it["legs"][0],
    lambda it: it["legs"][0]["play"],
    lambda it: it["segments"][0],
    lambda it: it["recording"],
]


@pytest.mark.parametrize("place", PLACES)
def test_fields_of_tomorrow_are_left_out(place: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    life = Life().answered()
    life.played()
    document = life.contact.to_json()
    place(document)["of_tomorrow"] = 1
    assert Contact.from_json(document) == life.contact
