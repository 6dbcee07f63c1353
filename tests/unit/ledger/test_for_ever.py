"""One of each event and snapshot of every version is kept for ever in tests/data/v*/, and today's code reads them.

What a version once wrote is never changed here: a new type, or a new version, gets a line of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lq.contacts.contact import STATES, Contact
from lq.contacts.view import contact_json
from lq.ledger import fold
from lq.ledger.events import TYPES, VERSION, Event, upgrade, wrong_keys

DATA = Path(__file__).parents[2] / "data"


def lines(name: str) -> Iterator[Any]:
    for path in sorted(DATA.glob(f"v*/{name}")):
        yield from map(json.loads, path.read_text("utf-8").splitlines())


def kept() -> list[Event]:
    return [Event.from_fields(fields.pop("id"), fields) for fields in lines("events.jsonl")]


def test_one_of_each_type_is_kept() -> None:
    missing = set(TYPES) - {event.type for event in kept()}
    assert not missing, f"add a line for each to tests/data/v{VERSION}/events.jsonl"


@pytest.mark.parametrize("event", kept(), ids=lambda event: event.type)
def test_todays_code_reads_it_with_all_that_it_needs(event: Event) -> None:
    assert event.v == VERSION and event.type in TYPES
    assert wrong_keys(event) == set()
    assert Event.from_fields(event.id, event.fields()) == event


def test_the_folds_take_them_all() -> None:
    found = fold.contact(event for event in kept() if event.subject.startswith("01938f5e"))
    assert found is not None and found.result == "answered" and found.recordings[0].state == "verified"
    assert {segment.kind for segment in found.segments} == {
        *("ivr", "queue", "ring", "talk", "hold", "consult", "conference", "echo"),
    }
    assert fold.agent_intervals(kept())[0].state == "talking"


def test_upgrading_is_pure_and_done_once() -> None:
    event = kept()[0]
    assert upgrade(upgrade(event)) == upgrade(event) == event
    with pytest.raises(ValueError, match="newer"):
        upgrade(Event("contact_started", 1, "c1", 1, v=VERSION + 1))


def test_a_conversation_is_called_by_the_segment_that_goes_on() -> None:
    known = [document for document in lines("contacts.jsonl") if document["state"] in ("talking", "conference")]
    assert [contact_json(document)["state"] for document in known if document["v"] == 2][:2] == [
        "consulting",
        "conferencing",
    ]
    assert {contact_json(document)["state"] for document in known} <= {"talking", "held", "consulting", "conferencing"}
    assert contact_json(known[-1])["state"] == "conferencing"


def test_one_contact_in_each_state_is_kept() -> None:
    missing = {*STATES} - {document["state"] for document in lines("contacts.jsonl")} - {"over"}
    assert not missing, "add a line for each to contacts.jsonl"


@pytest.mark.parametrize("document", list(lines("contacts.jsonl")), ids=lambda document: document["state"])
def test_a_contact_of_an_earlier_release_can_be_carried_on(document: dict[str, Any]) -> None:
    found = Contact.from_json(document)
    assert (found.id, found.state) == (document["id"], document["state"])
    assert Contact.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert contact_json(document)["id"] == found.id


@pytest.mark.parametrize("document", list(lines("contacts.jsonl")), ids=lambda document: document["state"])
def test_a_contact_of_a_later_release_too_whatever_it_has_added(document: dict[str, Any]) -> None:
    later = json.loads(json.dumps(document))
    parts = [later, *later["legs"], *later["segments"]]
    parts += [later[name] for name in ("line", "offer", "recording") if later[name]]
    for part in parts:
        part["added_later"] = {"x": 1}
    assert Contact.from_json(later) == Contact.from_json(document)
