"""The published configuration as one frozen value, as a contact goes by it from its start to its end."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from lq.config import documents as doc

Document = TypeVar("Document")


@dataclass(frozen=True, slots=True)
class Book:
    version: int = 0
    agents: Mapping[str, doc.Agent] = field(default_factory=dict)
    phones: Mapping[str, doc.Phone] = field(default_factory=dict)
    queues: Mapping[str, doc.Queue] = field(default_factory=dict)
    trunks: Mapping[str, doc.Trunk] = field(default_factory=dict)
    routes: Mapping[str, doc.Route] = field(default_factory=dict)
    numbers: Mapping[str, doc.AccessNumber] = field(default_factory=dict)
    flows: Mapping[str, doc.Flow] = field(default_factory=dict)
    calendars: Mapping[str, doc.Calendar] = field(default_factory=dict)
    purposes: Mapping[str, doc.Purpose] = field(default_factory=dict)
    lists: Mapping[str, doc.NumberList] = field(default_factory=dict)
    conferences: Mapping[str, doc.Conference] = field(default_factory=dict)
    settings: doc.Settings = field(default_factory=doc.Settings)

    @property
    def home(self) -> doc.NumberRule:
        """Phones dial as the first trunk's home area does."""
        return next((trunk.numbers for trunk in self.trunks.values()), doc.NumberRule())

    def joined(self, present: Book) -> Book:
        """By what a contact goes that began with this one: people and phones are who they are now, and what it can be
        sent to may have come since; all else stays as it was. As quick for ten thousand agents as for one."""
        return replace(
            self,
            agents=_first(present.agents, self.agents),
            phones=_first(present.phones, self.phones),
            queues=_first(self.queues, present.queues),
            flows=_first(self.flows, present.flows),
            conferences=_first(self.conferences, present.conferences),
            numbers=_first(self.numbers, present.numbers),
        )

    @classmethod
    def read(cls, version: int, kinds: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Book:
        """From published documents by kind and id. Fields that this version does not know are left out (N and N-1)."""
        of_calls = [f.name for f in fields(cls) if f.name in doc.DOCUMENTS]
        made = {kind: {id: _document(kind, body) for id, body in kinds.get(kind, {}).items()} for kind in of_calls}
        settings = made.pop("settings").get("center", doc.Settings())
        made["flows"].setdefault(doc.CLOSED.id, doc.CLOSED)
        return cls(version=version, settings=settings, **made)


def _first(known: Mapping[str, Document], others: Mapping[str, Document]) -> Mapping[str, Document]:
    return ChainMap(known, others)  # type: ignore[arg-type] # it would write into the first; nobody writes


def _document(kind: str, body: Mapping[str, Any]) -> Any:
    known = _known(doc.DOCUMENTS[kind], body)
    if kind == "trunks" and isinstance(known.get("numbers"), Mapping):
        known["numbers"] = doc.NumberRule(**_known(doc.NumberRule, known["numbers"]))
    if kind == "trunks" and isinstance(known.get("register"), Mapping):
        known["register"] = doc.Registration(**_known(doc.Registration, known["register"]))
    if kind == "phones" and isinstance(known.get("forward"), Mapping):
        known["forward"] = doc.Forward(**_known(doc.Forward, known["forward"]))
    for key, value in known.items():
        if isinstance(value, list):
            known[key] = tuple(value)
    return doc.DOCUMENTS[kind](**known)


def _known(kind: Any, body: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {key: value for key, value in body.items() if key in names}
