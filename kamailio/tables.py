"""What every worker must know without asking Redis: lq nodes, trunks, credentials, the realm.

One process (the keeper, kamailio/keeper.py) reads them from Redis twice a second and writes them as text into a table
in shared memory; workers read there. With Redis away they stay as they were, so phones and calls go on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final, Protocol, TypeVar

from kamailio.policy import Node, Nodes, Trunk

DEFAULT_REALM: Final = "lcall"

T = TypeVar("T")


class Shared(Protocol):
    """A table in shared memory."""

    def get(self, key: str) -> str | None: ...
    def set(self, key: str, value: str) -> None: ...
    def remove(self, key: str) -> None: ...


class Tables:
    """The keeper's and the workers' view of the shared table; a worker parses a text again only when it changed."""

    def __init__(self, shared: Shared, heirs: Shared) -> None:
        """`heirs`: what adopters have told this edge, forgotten after a day."""
        self._shared, self._heirs = shared, heirs
        self._parsed: dict[str, tuple[str, Any]] = {}

    # -- workers

    @property
    def nodes(self) -> Nodes:
        return self._read("nodes", nodes_of, Nodes())

    @property
    def trunks(self) -> Mapping[str, Trunk]:
        return self._read("trunks", _trunks, {})

    @property
    def realm(self) -> str:
        return self._shared.get("realm") or DEFAULT_REALM

    @property
    def is_configured(self) -> bool:
        """False until the keeper has once read the published configuration."""
        return self._shared.get("trunks") is not None

    def heir(self, incarnation: str) -> str | None:
        return self._heirs.get(incarnation)

    def write_heir(self, gone: str, heir: str) -> None:
        self._heirs.set(gone, heir)

    def ha1(self, ext: str) -> str | None:
        return self._shared.get(f"ha1:{ext}")

    @property
    def srtp_phones(self) -> frozenset[str]:
        return self._read("srtp", frozenset, frozenset())

    @property
    def disabled_phones(self) -> frozenset[str]:
        return self._read("disabled", frozenset, frozenset())

    # -- keeper

    def write_nodes(self, nodes: Nodes) -> None:
        self._shared.set("nodes", json.dumps(asdict(nodes)))

    def write_trunks(self, trunks: Mapping[str, Trunk]) -> None:
        self._shared.set("trunks", json.dumps({id: asdict(trunk) for id, trunk in trunks.items()}))

    def write_srtp_phones(self, extensions: frozenset[str]) -> None:
        self._shared.set("srtp", json.dumps(sorted(extensions)))

    def write_disabled_phones(self, extensions: frozenset[str]) -> None:
        self._shared.set("disabled", json.dumps(sorted(extensions)))

    def write_realm(self, realm: str) -> None:
        self._shared.set("realm", realm)

    def write_ha1(self, ext: str, ha1: str | None) -> None:
        """None: the phone is gone."""
        if ha1 is None:
            self._shared.remove(f"ha1:{ext}")
        else:
            self._shared.set(f"ha1:{ext}", ha1)

    def _read(self, key: str, parse: Callable[[Any], T], absent: T) -> T:
        text = self._shared.get(key)
        if text is None:
            return absent
        known = self._parsed.get(key)
        if known is None or known[0] != text:
            known = self._parsed[key] = (text, parse(json.loads(text)))
        value: T = known[1]
        return value


def nodes_of(body: Any) -> Nodes:
    return Nodes(tuple(Node(**node) for node in body["alive"]), body["adopted"], tuple(body["seen"]))


def _trunks(body: Any) -> dict[str, Trunk]:
    return {id: Trunk(**trunk) for id, trunk in body.items()}
