"""The keeper: one process of the edge that carries news between Redis and the workers' shared table, twice a second.

It reads leases and configuration, publishes registrations that a worker could not publish, and reports which gateways
answer. It never stands in the way of a call: with Redis away everything stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, Protocol

from kamailio import policy
from kamailio.memory import Known, Memory
from kamailio.policy import Node, Nodes, Registration, Trunk
from kamailio.tables import DEFAULT_REALM, Tables
from lq.live.kemi import Caller, LiveUnavailable

SEEN_AT_MOST: Final = 64
TRUNKS_AGAIN_S: Final = 60.0  # say the gateways' states again, also to a Redis that came back empty


class Station(Protocol):
    """What the keeper needs of the SIP server it runs in."""

    def unpublished(self) -> Iterable[tuple[str, int]]:
        """Registrations not yet published: extension, ms of the epoch until when (0: not registered)."""

    def published(self, ext: str, until: int) -> None: ...
    def registration(self, ext: str) -> int:
        """Until when the phone is registered, ms of the epoch; 0: it is not."""

    def remember(self, extensions: Iterable[str]) -> None:
        """Those that are still registered have proved themselves where they are: we may have been restarted."""

    def spare(self, addresses: Iterable[str]) -> None:
        """The addresses of trunks: never banned, never taken for a flood."""

    def know(self, incarnations: Iterable[str]) -> None:
        """Whose dialogs there may be; requests inside others are strangers'."""

    def reload_gateways(self) -> None: ...
    def gateways(self) -> Mapping[str, bool]:
        """Trunk id -> whether it answers OPTIONS; without those that are not decided yet."""

    def register(self, registration: Registration) -> None: ...
    def unregister(self, registration: Registration) -> None: ...
    def registered(self) -> Mapping[str, bool]:
        """Trunk id -> whether we are registered there."""

    def log(self, sentence: str) -> None: ...


class Keeper:
    def __init__(
        self,
        caller: Caller,
        tables: Tables,
        station: Station,
        *,
        dispatcher_list: Path,
        memory: Memory,
        outside: str,
        clock: Callable[[], float],
    ) -> None:
        """`clock` is the time of day in seconds."""
        self._caller = caller
        self._tables = tables
        self._station = station
        self._dispatcher_list = dispatcher_list
        self._memory = memory
        self._outside = outside
        self._clock = clock
        self._version = -1
        self._era = 0
        self._extensions: set[str] = set()
        self._registrations: dict[str, Registration] = {}
        self._trunks_said: dict[str, bool] = {}
        self._trunks_said_at = 0.0
        self._nodes = Nodes()
        self._away = False
        self._unwritten: set[str] = set()  # what a disk did not take

    def tick(self) -> None:
        try:
            self._read_nodes()
            self._read_configuration()
            self._publish_registrations()
            self._publish_again()
            self._publish_trunks()
        except LiveUnavailable as error:
            if not self._away:
                self._station.log(f"live state away, tables stay as they are: {error}")
                self._recall()
            self._away = True
        else:
            if self._away:
                self._station.log("live state is back")
            self._away = False

    def _read_nodes(self) -> None:
        alive = tuple(
            Node(lease.incarnation, lease.address, lease.load, lease.draining) for lease in self._caller.leases("lq")
        )
        # No lease at all: Redis was away, or takes no writes (a full disk, no memory). Who is dead does not answer.
        alive = alive or self._nodes.alive
        seen = dict.fromkeys((*(node.incarnation for node in alive), *self._nodes.seen))
        nodes = Nodes(alive, self._caller.adopted(), tuple(seen)[:SEEN_AT_MOST])
        if nodes != self._nodes:
            self._nodes = nodes
            self._write_nodes(nodes)
            self._on_disk("memory", lambda: self._memory.keep_nodes(nodes))

    def _write_nodes(self, nodes: Nodes) -> None:
        self._tables.write_nodes(nodes)
        self._station.know((*(node.incarnation for node in nodes.alive), *nodes.adopted, *nodes.seen))

    def _read_configuration(self) -> None:
        version = self._caller.config_version()
        if version in (0, self._version):  # 0: nothing was ever published, and the edge is not in service
            return
        known = Known(
            self._caller.document("settings", "center") or {},
            self._caller.documents("phones"),
            self._caller.documents("trunks"),
        )
        self._take(known)
        self._on_disk("memory", lambda: self._memory.keep(known, self._nodes))
        self._version = version

    def _take(self, known: Known) -> None:
        credentials, trunks = policy.credentials(known.phones), policy.trunks(known.trunks)
        disabled = policy.disabled_phones(known.phones)
        self._tables.write_disabled_phones(disabled)
        self._tables.write_srtp_phones(policy.srtp_phones(known.phones))
        self._tables.write_realm(str(known.settings.get("realm", DEFAULT_REALM)))
        for ext in self._extensions - credentials.keys():
            self._tables.write_ha1(ext, None)
        for ext, ha1 in credentials.items():
            self._tables.write_ha1(ext, ha1)
        if not self._extensions:
            self._station.remember(credentials.keys() - disabled)
        self._extensions = set(credentials)
        self._register(policy.registrations(known.trunks))
        self._on_disk("gateways", lambda: self._probe(trunks))
        self._station.spare(trunk.address for trunk in trunks.values())
        self._tables.write_trunks(trunks)  # last: it also says that all of this is there

    def _on_disk(self, what: str, write: Callable[[], None]) -> None:
        """A disk that is full, or gone, costs what it should have held, and nothing else; it is told once."""
        try:
            write()
        except OSError as error:
            if what not in self._unwritten:
                self._station.log(f"{what} not written: {error}")
            self._unwritten.add(what)
        else:
            self._unwritten.discard(what)

    def recall_nodes(self) -> None:
        """Before the first request of a dialog can come: a BYE that is refused now is not sent again."""
        if not self._tables.nodes.alive:
            _, nodes = self._memory.recall()
            if nodes.alive:
                self._write_nodes(nodes)

    def _recall(self) -> None:
        """Started with Redis away: what stood when it was last there. Phones and trunks are known, calls go on."""
        if self._version != -1 or self._tables.is_configured:
            return
        known, nodes = self._memory.recall()
        if known is not None:
            self._write_nodes(nodes)
            self._take(known)
            self._station.log("started without live state: configuration and nodes are those of last time")

    def _register(self, wanted: dict[str, Registration]) -> None:
        for trunk, known in self._registrations.items():
            if wanted.get(trunk) != known:
                self._station.unregister(known)
        for trunk, registration in wanted.items():
            if self._registrations.get(trunk) != registration:
                self._station.register(registration)
        self._registrations = wanted

    def _probe(self, trunks: Mapping[str, Trunk]) -> None:
        listed = policy.dispatcher_list(trunks, self._outside)
        if listed != self._dispatcher_list.read_text(encoding="utf-8"):
            written = self._dispatcher_list.with_suffix(".new")
            written.write_text(listed, encoding="utf-8")
            written.replace(self._dispatcher_list)
            self._station.reload_gateways()

    def _publish_registrations(self) -> None:
        for ext, told in list(self._station.unpublished()):
            left = self._left_ms(ext)
            self._caller.phone(ext, left > 0, left)
            if (self._left_ms(ext) > 0) == (
                left > 0
            ):  # else it has changed meanwhile, and a worker may have said so first
                self._station.published(ext, told)

    def _left_ms(self, ext: str) -> int:
        return max(0, self._station.registration(ext) - int(self._clock() * 1000))

    def _publish_again(self) -> None:
        """All registrations and trunks, to a Redis that may have forgotten them."""
        era = self._caller.era()
        if era == self._era:
            return
        for ext in self._extensions:
            left = self._left_ms(ext)
            if left > 0:
                self._caller.phone(ext, True, left)
        self._trunks_said = {}
        self._era = era

    def _publish_trunks(self) -> None:
        now = self._clock()
        if now - self._trunks_said_at > TRUNKS_AGAIN_S:
            self._trunks_said = {}
            self._trunks_said_at = now
        for trunk, up in self._station.gateways().items():
            self._say_trunk(trunk, up, "no answer to OPTIONS")
        for trunk, up in self._station.registered().items() if self._registrations else ():
            self._say_trunk(trunk, up, "not registered")

    def _say_trunk(self, trunk: str, up: bool, why_down: str) -> None:
        if self._trunks_said.get(trunk) != up:
            self._caller.trunk(trunk, up, "" if up else why_down)
            self._trunks_said[trunk] = up
