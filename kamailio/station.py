"""Kamailio's hash tables and commands as kamailio.tables, defence and keeper want them.

`ksr` is Kamailio's Python interface; kemi.py, which alone imports it, passes it in.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from kamailio import policy
from kamailio.defence import LONGEST
from kamailio.replies import Reply

ONLINE: Final = 4  # of the uac module: the registrar said 200, and it has not run out


class Wire:
    """The message at hand."""

    def __init__(self, ksr: Any) -> None:
        self._ksr = ksr

    def pv(self, name: str) -> str:
        """A pseudo-variable as text; "" when it has no value, or none that is text."""
        try:
            value = self._ksr.pv.get(name)
        except UnicodeDecodeError:
            return ""
        return "" if value is None else str(value)

    def header(self, name: str) -> str:
        try:
            return str(self._ksr.hdr.get(name) or "")
        except UnicodeDecodeError:  # a name in GBK: the number beside it is still read
            return bytes.fromhex(self.pv(f"$(hdr({name}){{s.encode.hexa}})")).decode(errors="replace")

    def message(self) -> bytes:
        """As it came; of one that is too long (defence.LONGEST) only that it is."""
        length = int(self.pv("$ml"))
        return bytes.fromhex(self.pv("$(mb{s.encode.hexa})")) if length <= LONGEST else bytes(length)

    def reply(self, answer: Reply) -> None:
        for line in answer.headers:
            self._ksr.hdr.append_to_reply(line + "\r\n")
        self._ksr.sl.send_reply(answer.code, answer.reason)  # stateful where a transaction stands

    def warn(self, sentence: str) -> None:
        self._ksr.warn(sentence + "\n")


class Table:
    """One of Kamailio's hash tables as kamailio.tables.Shared."""

    def __init__(self, ksr: Any, name: str) -> None:
        self._ksr, self._name = ksr, name

    def get(self, key: str) -> str | None:
        value = self._ksr.htable.sht_get(self._name, key)
        return None if value is None else str(value)

    def set(self, key: str, value: str) -> None:
        self._ksr.htable.sht_sets(self._name, key, value)

    def remove(self, key: str) -> None:
        self._ksr.htable.sht_rm(self._name, key)


class Counts:
    """Counters in shared memory; the table forgets each some time after its first count (kamailio.cfg)."""

    def __init__(self, ksr: Any, name: str) -> None:
        self._ksr, self._name = ksr, name

    def __getitem__(self, key: str) -> int:
        return int(self._ksr.htable.sht_get(self._name, key) or 0)

    def add(self, key: str) -> int:
        return int(self._ksr.htable.sht_inc(self._name, key))


class Binding(NamedTuple):
    """An extension's registration: its Contact and where that came from, as URIs, and the seconds it has left."""

    contact: str
    received: str
    left_s: int


UNBOUND: Final = Binding("", "", 0)


def binding(ksr: Any, ext: str) -> Binding:
    """The extension's registration; UNBOUND for none."""
    pv = Wire(ksr).pv
    if not ext or ksr.registrar.reg_fetch_contacts("location", f"sip:{ext}@{policy.PHONES}", "bound") < 0:
        return UNBOUND
    # `expires` is a time of the epoch; one replaced or taken back stays listed, long expired, until the store knows
    now = int(time.time())
    bound = [
        Binding(
            pv(f"$(ulc(bound=>addr)[{n}])"),
            pv(f"$(ulc(bound=>received)[{n}])"),
            int(pv(f"$(ulc(bound=>expires)[{n}])") or 0) - now,
        )
        for n in range(int(pv("$ulc(bound=>count)") or 0))
    ]
    ksr.registrar.reg_free_contacts("bound")
    return next((one for one in bound if one.left_s > 0), UNBOUND)


class Station:
    """kamailio.keeper.Station: the keeper's hands."""

    def __init__(self, ksr: Any, outside: str) -> None:
        self._ksr, self._outside = ksr, outside
        self._host = outside.rpartition(":")[0]
        self._pv = Wire(ksr).pv

    def unpublished(self) -> Iterable[tuple[str, int]]:
        return [(ext, int(until)) for ext, until in self._entries("unpublished").items()]

    def published(self, ext: str, until: int) -> None:
        if self._ksr.htable.sht_get("unpublished", ext) == str(until):  # else a worker has written newer news
            self._ksr.htable.sht_rm("unpublished", ext)

    def registration(self, ext: str) -> int:
        left_s = binding(self._ksr, ext).left_s
        return int((time.time() + left_s) * 1000) if left_s else 0

    def remember(self, extensions: Iterable[str]) -> None:
        for ext in extensions:
            bound = binding(self._ksr, ext)
            if host := policy.target_of(bound.received or bound.contact).rpartition(":")[0]:
                for key in (host, f"{host}|{ext}"):
                    self._ksr.htable.sht_sets("proved", key, "1")

    def spare(self, addresses: Iterable[str]) -> None:
        self._fill("spared", set(addresses))

    def know(self, incarnations: Iterable[str]) -> None:
        self._fill("known", set(incarnations))

    def _fill(self, table: str, wanted: set[str]) -> None:
        for key in set(self._entries(table)) - wanted:
            self._ksr.htable.sht_rm(table, key)
        for key in wanted:
            self._ksr.htable.sht_sets(table, key, "1")

    def reload_gateways(self) -> None:
        self._rpc("dispatcher.reload")

    def gateways(self) -> Mapping[str, bool]:
        answer = self._rpc("dispatcher.list")
        up: dict[str, bool] = {}
        for group in answer.get("result", {}).get("RECORDS", ()):
            for target in group["SET"]["TARGETS"]:
                flags = target["DEST"]["FLAGS"]
                if flags[0] != "T":  # T: trying, not decided yet
                    up[_attribute(target["DEST"]["ATTRS"]["BODY"], "id")] = flags[0] == "A"
        return up

    def register(self, registration: policy.Registration) -> None:
        r = registration
        named = (r.trunk, r.user, self._host, r.user, r.domain, r.realm, r.auth_user, ".", r.ha1, f"sip:{r.proxy}")
        self._rpc("uac.reg_add", *named, r.expires_s, 0, 0, f"udp:{self._outside}", self._outside)
        self._rpc("uac.reg_refresh", r.trunk)

    def unregister(self, registration: policy.Registration) -> None:
        self._rpc("uac.reg_unregister", "l_uuid", registration.trunk)
        self._rpc("uac.reg_remove", registration.trunk)

    def registered(self) -> Mapping[str, bool]:
        listed = self._rpc("uac.reg_dump").get("result") or []
        records = listed if isinstance(listed, list) else [listed]
        return {record["l_uuid"]: bool(int(record["flags"]) & ONLINE) for record in records}

    def log(self, sentence: str) -> None:
        self._ksr.warn(sentence + "\n")

    def _entries(self, table: str) -> dict[str, str]:
        found = {}
        self._ksr.htable.sht_iterator_start("entries", table)
        while self._ksr.htable.sht_iterator_next("entries") > 0:
            found[self._pv("$shtitkey(entries)")] = self._pv("$shtitval(entries)")
        self._ksr.htable.sht_iterator_end("entries")
        return found

    def _rpc(self, method: str, *params: str | int) -> Any:
        self._ksr.jsonrpcs.exec(json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 1}))
        return json.loads(self._pv("$jsonrpl(body)") or "{}")


def _attribute(attributes: str, name: str) -> str:
    return dict(part.partition("=")[::2] for part in attributes.split(";")).get(name, "")
