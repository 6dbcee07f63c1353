"""The keeper: one process of the edge that carries news between Redis and the workers' shared table, twice a second.

It reads leases and configuration, publishes registrations that a worker could not publish, and reports which gateways
answer. It never stands in the way of a call: with Redis away everything stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, Protocol

from kamailio import policy
from kamailio.policy import Node, Nodes, Trunk
from kamailio.tables import DEFAULT_REALM, Tables
from lq.live.kemi import Caller, LiveUnavailable

LEASES_GRACE_S: Final = 5.0  # after Redis was away all leases have lapsed until the nodes renew them
SEEN_AT_MOST: Final = 64
TRUNKS_AGAIN_S: Final = 60.0  # say the gateways' states again, also to a Redis that came back empty


class Station(Protocol):
    """What the keeper needs of the SIP server it runs in."""

    def unpublished(self) -> Iterable[tuple[str, int]]:
        """Registrations not yet published: extension, ms of the epoch until when (0: not registered)."""

    def published(self, ext: str, until: int) -> None: ...
    def reload_gateways(self) -> None: ...
    def gateways(self) -> Mapping[str, bool]:
        """Trunk id -> whether it answers OPTIONS; without those that are not decided yet."""

    def log(self, sentence: str) -> None: ...


class Keeper:
    def __init__(
        self,
        caller: Caller,
        tables: Tables,
        station: Station,
        *,
        dispatcher_list: Path,
        outside: str,
        clock: Callable[[], float],
    ) -> None:
        """`clock` is the time of day in seconds."""
        self._caller = caller
        self._tables = tables
        self._station = station
        self._dispatcher_list = dispatcher_list
        self._outside = outside
        self._clock = clock
        self._version = -1
        self._extensions: set[str] = set()
        self._trunks_said: dict[str, bool] = {}
        self._trunks_said_at = 0.0
        self._nodes = Nodes()
        self._alive_at = 0.0
        self._away = False

    def tick(self) -> None:
        try:
            self._read_nodes()
            self._read_configuration()
            self._publish_registrations()
            self._publish_trunks()
        except LiveUnavailable as error:
            if not self._away:
                self._station.log(f"live state away, tables stay as they are: {error}")
            self._away = True
        else:
            if self._away:
                self._station.log("live state is back")
            self._away = False

    def _read_nodes(self) -> None:
        alive = tuple(
            Node(lease.incarnation, lease.address, lease.load, lease.draining) for lease in self._caller.leases("lq")
        )
        now = self._clock()
        if alive:
            self._alive_at = now
        elif now - self._alive_at < LEASES_GRACE_S:
            alive = self._nodes.alive
        seen = dict.fromkeys((*(node.incarnation for node in alive), *self._nodes.seen))
        nodes = Nodes(alive, self._caller.adopted(), tuple(seen)[:SEEN_AT_MOST])
        if nodes != self._nodes:
            self._nodes = nodes
            self._tables.write_nodes(nodes)

    def _read_configuration(self) -> None:
        version = self._caller.config_version()
        if version in (0, self._version):  # 0: nothing was ever published, and the edge is not in service
            return
        settings = self._caller.document("settings", "center") or {}
        credentials = policy.credentials(self._caller.documents("phones"))
        trunks = policy.trunks(self._caller.documents("trunks"))
        self._tables.write_realm(str(settings.get("realm", DEFAULT_REALM)))
        for ext in self._extensions - credentials.keys():
            self._tables.write_ha1(ext, None)
        for ext, ha1 in credentials.items():
            self._tables.write_ha1(ext, ha1)
        self._extensions = set(credentials)
        self._probe(trunks)
        self._tables.write_trunks(trunks)  # last: it also says that all of this is there
        self._version = version

    def _probe(self, trunks: Mapping[str, Trunk]) -> None:
        listed = policy.dispatcher_list(trunks, self._outside)
        if listed != self._dispatcher_list.read_text(encoding="utf-8"):
            written = self._dispatcher_list.with_suffix(".new")
            written.write_text(listed, encoding="utf-8")
            written.replace(self._dispatcher_list)
            self._station.reload_gateways()

    def _publish_registrations(self) -> None:
        for ext, until in list(self._station.unpublished()):
            left = until - int(self._clock() * 1000)
            self._caller.phone(ext, left > 0, max(left, 0))
            self._station.published(ext, until)

    def _publish_trunks(self) -> None:
        now = self._clock()
        if now - self._trunks_said_at > TRUNKS_AGAIN_S:
            self._trunks_said = {}
            self._trunks_said_at = now
        for trunk, up in self._station.gateways().items():
            if self._trunks_said.get(trunk) != up:
                self._caller.trunk(trunk, up, "" if up else "no answer to OPTIONS")
                self._trunks_said[trunk] = up
