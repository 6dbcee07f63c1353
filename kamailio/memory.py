"""What the keeper last knew, in a file for nobody else (0600): an edge that starts while Redis is away serves by it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kamailio.policy import Nodes
from kamailio.tables import nodes_of

Documents = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Known:
    """Published configuration, as far as it concerns the edge."""

    settings: Mapping[str, Any]
    phones: Documents
    trunks: Documents


class Memory:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: Known | None = None
        self._nodes = Nodes()

    def keep(self, known: Known, nodes: Nodes) -> None:
        self._known = known
        new = self._file.with_name(self._file.name + ".new")
        text = json.dumps({"known": asdict(known), "nodes": asdict(nodes)}, ensure_ascii=False)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            out.write(text)
        new.replace(self._file)
        self._nodes = nodes

    def keep_nodes(self, nodes: Nodes) -> None:
        """Where they are, that is: their loads change all the time and are not worth a write."""
        if self._known is not None and _places(nodes) != _places(self._nodes):
            self.keep(self._known, nodes)

    def recall(self) -> tuple[Known | None, Nodes]:
        """(None, no nodes) where nothing was kept, or nothing that can be read."""
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            return Known(**kept["known"]), nodes_of(kept["nodes"])
        except (OSError, ValueError, KeyError, TypeError):
            return None, Nodes()


def _places(nodes: Nodes) -> tuple[set[tuple[str, str]], Mapping[str, str]]:
    return {(node.incarnation, node.address) for node in nodes.alive}, nodes.adopted
