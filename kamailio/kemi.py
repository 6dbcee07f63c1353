"""The edge's routes: asks policy.py, does what it says. The only file that knows Kamailio's Python interface (KSR).

Every worker process has an Edge of its own. Methods are short and never wait, but for one bounded question to Redis
(an ACD decision or the news of a registration). Module functions answer an int, negative for "no"; core ones a bool.
"""

from __future__ import annotations

import json
import secrets
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import KSR  # type: ignore[import-not-found]

from kamailio import policy
from kamailio.keeper import Keeper
from kamailio.policy import Challenge, Reply
from kamailio.tables import Tables
from lq.live.kemi import Caller, Gone, LiveUnavailable, Reserved

HA1: Final = 1  # pv_auth_check: the password is given as HA1
SAME_USER: Final = 1  # … and From (REGISTER: To) names the user who answers
QOP_AUTH, STALE = 1, 16  # auth_challenge
ANSWER_LATER: Final = 2  # save(): we send its answer ourselves
ONE_BINDING: Final = 4  # save(): the newest contact of an extension replaces the one before
# RFC 3261 §16.3: all of the module's checks that cost no legitimate device, with Proxy-Require (512)
SANITY: Final = 17_895 + 512
SANITY_URI: Final = 7
NATED: Final = 6  # branch flag: nathelper keeps the way open
BEHIND_NAT: Final = 1 | 2 | 16  # nat_uac_test: private Contact, Via differs from source, port differs
FAILURES_AT_MOST: Final = 100  # wrong passwords a minute from one address
OURS: Final = "^X-LQ-"


@dataclass(frozen=True, slots=True)
class Settings:
    internal: str  # host:port of the listener for lq
    outside: str
    redis_url: str
    dispatcher_list: str


class Table:
    """One of Kamailio's hash tables as kamailio.tables.Shared."""

    def __init__(self, name: str) -> None:
        self._name = name

    def get(self, key: str) -> str | None:
        value = KSR.htable.sht_get(self._name, key)
        return None if value is None else str(value)

    def set(self, key: str, value: str) -> None:
        KSR.htable.sht_sets(self._name, key, value)

    def remove(self, key: str) -> None:
        KSR.htable.sht_rm(self._name, key)


def pv(name: str) -> str:
    """A pseudo-variable as text; "" when it has no value."""
    value = KSR.pv.get(name)
    return "" if value is None else str(value)


def header(name: str) -> str:
    return str(KSR.hdr.get(name) or "")


def reply(answer: Reply) -> None:
    for line in answer.headers:
        KSR.hdr.append_to_reply(line + "\r\n")
    KSR.sl.send_reply(answer.code, answer.reason)  # stateful where a transaction stands


class Edge:
    """Kamailio calls its ksr_… methods by name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tables = Tables(Table("tables"))
        # what an unknown user's answer is checked against, so that his takes as long and fails as any
        self._nobody = secrets.token_hex(16)

    def child_init(self, rank: int) -> int:
        # nothing may be connected before the fork
        self._caller = Caller(self._settings.redis_url)
        self._keeper = Keeper(
            self._caller,
            self._tables,
            Station(),
            dispatcher_list=Path(self._settings.dispatcher_list),
            outside=self._settings.outside,
            clock=time.time,
        )
        return 0

    # -- what Kamailio calls

    def ksr_request_route(self, msg: object) -> int:
        return self._guarded(self._request)

    def ksr_failure_node(self, msg: object) -> int:
        return self._guarded(self._next_node)

    def ksr_failure_owner(self, msg: object) -> int:
        return self._guarded(self._next_owner)

    def ksr_reply_from_device(self, msg: object) -> int:
        return self._guarded(self._from_device)

    def ksr_reply_from_lq(self, msg: object) -> int:
        return self._guarded(lambda: KSR.textops.remove_hf_re(OURS))

    def ksr_rtimer_keeper(self, msg: object, event: str) -> int:
        return self._guarded(self._keeper.tick)

    def ksr_xhttp_event(self, msg: object, event: str) -> int:
        return self._guarded(self._http)

    def ksr_websocket_event(self, msg: object, event: str) -> int:
        return 1

    def _guarded(self, step: Callable[[], object]) -> int:
        """Run one route. Whatever goes wrong in it is logged with the call and answered 500, never dropped."""
        try:
            step()
        except Exception:  # noqa: BLE001 - the one place where every fault of the script ends
            KSR.err(f"script failed, Call-ID {pv('$ci')}: {traceback.format_exc()}\n")
            if KSR.tmx.t_is_request_route() > 0 and not KSR.is_ACK():
                KSR.sl.send_reply(500, "Server Internal Error")
        return 1

    # -- every request

    def _request(self) -> None:
        if KSR.maxfwd.process_maxfwd(10) < 0:
            reply(Reply(483, "Too Many Hops"))
            return
        inside = f"{pv('$Ri')}:{pv('$Rp')}" == self._settings.internal
        if not inside and not self._is_sane():
            return
        KSR.force_rport()
        if KSR.is_CANCEL():
            if KSR.tm.t_check_trans() > 0:
                KSR.tm.t_relay()
            return
        if KSR.siputils.has_totag() > 0:
            self._in_dialog(inside)
            return
        if KSR.tmx.t_precheck_trans() > 0:  # a worker is at it just now
            KSR.tm.t_check_trans()
            return
        if KSR.tm.t_check_trans() == 0 or KSR.is_ACK():
            return
        KSR.hdr.remove("Route")  # a phone's outbound proxy is us; nobody chooses his way beyond
        if inside:
            self._from_lq()
        else:
            self._from_outside()

    def _is_sane(self) -> bool:
        if policy.is_scanner(pv("$ua")):
            return False  # silence: an answer tells him that somebody is here
        if KSR.sanity.sanity_check(SANITY, SANITY_URI) < 0:
            return False  # the module has answered
        if not pv("$fu") or not pv("$tu"):
            reply(Reply(400, "Bad From or To"))
            return False
        KSR.textops.remove_hf_re(OURS)
        return True

    # -- from outside

    def _from_outside(self) -> None:
        if policy.is_internal(pv("$rd")):
            reply(Reply(403, "Forbidden"))
        elif KSR.is_OPTIONS():
            reply(Reply(200, "OK") if self._tables.is_configured else policy.BUSY)
        elif KSR.is_REGISTER():
            self._register()
        elif not KSR.is_INVITE():
            reply(Reply(405, "Method Not Allowed", ("Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER",)))
        elif not pv("$rU"):
            reply(Reply(484, "Address Incomplete"))
        else:
            self._call_in()

    def _call_in(self) -> None:
        trunk = policy.trunk_of(self._tables.trunks, pv("$si"))
        if trunk is not None:
            if not policy.may_call_in(trunk):
                reply(Reply(403, "Forbidden"))
                return
            source = f"trunk;id={trunk.id}"
        else:
            ext = self._authenticated()
            if ext is None:
                return
            source = f"phone;id={ext}"
            self._alias_contact()
            if KSR.is_WSX():
                KSR.hdr.append("X-LQ-Phone: media=webrtc\r\n")
        KSR.hdr.append(f"X-LQ-Source: {source}\r\n")
        KSR.rr.record_route()
        KSR.tm.t_on_reply("ksr_reply_from_lq")
        if trunk is None:
            # its transaction stands since the challenge, without the changes made here: the next node would miss them
            KSR.tm.t_save_lumps()
        self._to_node(())

    def _to_node(self, tried: tuple[str, ...]) -> None:
        address = policy.pick(self._tables.nodes, tried)
        if address is None:
            reply(policy.BUSY)
            return
        self._send_to_lq(address, tried, "ksr_failure_node")

    def _send_to_lq(self, address: str, tried: tuple[str, ...], on_failure: str) -> None:
        KSR.pv.sets("$avp(tried)", " ".join((*tried, address)))
        KSR.pv.sets("$du", f"sip:{address}")  # in a failure route setdsturi() makes no branch
        KSR.pv.sets("$fs", f"udp:{self._settings.internal}")
        if not KSR.is_ACK():
            KSR.tm.t_on_failure(on_failure)
            KSR.tm.t_set_fr(policy.RINGING_MS, policy.NODE_MS)
        self._relay()

    def _next_node(self) -> None:
        if self._is_next_wanted():
            tried = tuple(pv("$avp(tried)").split())
            KSR.info(f"no answer from {tried[-1]}, trying another node\n")
            self._to_node(tried)

    def _is_next_wanted(self) -> bool:
        if KSR.tm.t_is_canceled() > 0:
            return False
        silent = KSR.tm.t_branch_timeout() > 0 and KSR.tm.t_branch_replied() < 0
        return policy.try_next(int(KSR.tm.t_get_status_code()), silent)

    # -- who is he

    def _authenticated(self) -> str | None:
        """The extension that proved itself; None after an answer was sent."""
        if not self._tables.is_configured:
            reply(policy.BUSY)
            return None
        source = pv("$si")
        if (KSR.htable.sht_get("failures", source) or 0) > FAILURES_AT_MOST:
            return None
        if KSR.tm.t_newtran() < 0:  # nonce counts need repeats absorbed
            return None
        ext = pv("$au")
        ha1 = self._tables.ha1(ext)
        code = KSR.auth.pv_auth_check(self._tables.realm, ha1 or self._nobody, HA1, SAME_USER)
        if code > 0 and ha1 is not None:
            KSR.auth.consume_credentials()
            return ext
        answer = policy.credentials_answer(code)
        if isinstance(answer, Challenge):
            KSR.auth.auth_challenge(self._tables.realm, QOP_AUTH | (STALE if answer.stale else 0))
        else:
            KSR.htable.sht_inc("failures", source)
            reply(answer)
        return None

    def _register(self) -> None:
        ext = self._authenticated()
        if ext is None:
            return
        if KSR.is_WSX() or KSR.nathelper.nat_uac_test(BEHIND_NAT) > 0:
            KSR.nathelper.fix_nated_register()
            KSR.setbflag(NATED)
        if KSR.registrar.save("location", ONE_BINDING | ANSWER_LATER) < 0:
            KSR.registrar.reg_send_reply()
            return
        left_s = self._binding(ext)[1]
        try:
            self._caller.phone(ext, left_s > 0, left_s * 1000)
        except LiveUnavailable as error:
            KSR.warn(f"registration of {ext} is published later: {error}\n")
            until = int((time.time() + left_s) * 1000) if left_s else 0
            KSR.htable.sht_sets("unpublished", ext, str(until))
        KSR.registrar.reg_send_reply()  # who has the answer may count on being published

    def _binding(self, ext: str) -> tuple[str, int]:
        """Contact of the extension's registration and the seconds it has left; ("", 0) for none."""
        if KSR.registrar.reg_fetch_contacts("location", f"sip:{ext}@{policy.PHONES}", "bound") < 0:
            return "", 0
        # `expires` is a time of the epoch; one replaced or taken back stays listed, long expired, until the store knows
        bound = [
            (pv(f"$(ulc(bound=>addr)[{n}])"), int(pv(f"$(ulc(bound=>expires)[{n}])") or 0) - int(time.time()))
            for n in range(int(pv("$ulc(bound=>count)") or 0))
        ]
        KSR.registrar.reg_free_contacts("bound")
        return next((binding for binding in bound if binding[1] > 0), ("", 0))

    # -- inside a dialog

    def _in_dialog(self, inside: bool) -> None:
        routed = KSR.rr.loose_route() > 0
        if not routed and KSR.is_ACK() and KSR.tm.t_check_trans() > 0:
            self._relay()  # of a refused INVITE
        elif pv("$rd").lower() == policy.INTERNAL:
            self._to_owner(inside)
        elif KSR.is_ACK() and not (inside and routed):
            return  # of an answer that was ours and stateless: the ACD's
        elif not inside:
            reply(Reply(403, "Forbidden"))  # or anyone could send anything anywhere through us
        elif not routed:
            reply(Reply(481, "Call/Transaction Does Not Exist"))
        else:
            self._to_device_in_dialog()

    def _to_owner(self, inside: bool) -> None:
        incarnation = pv("$(ru{uri.param,i})")
        nodes = self._tables.nodes
        if not inside and not policy.is_known(nodes, incarnation):
            if not KSR.is_ACK():
                reply(Reply(403, "Forbidden"))
            return
        address = policy.owner(nodes, incarnation)
        if address is None:
            if not KSR.is_ACK():
                reply(policy.BUSY)
            return
        if not inside and policy.trunk_of(self._tables.trunks, pv("$si")) is None:
            self._alias_contact()
        KSR.tm.t_on_reply("ksr_reply_from_lq")
        self._send_to_lq(address, (), "ksr_failure_owner")

    def _next_owner(self) -> None:
        if not self._is_next_wanted():
            return
        tried = tuple(pv("$avp(tried)").split())
        address = policy.owner(self._tables.nodes, pv("$(ru{uri.param,i})"), tried)
        if address is not None:
            KSR.info(f"no answer from {tried[-1]}, trying {address}\n")
            self._send_to_lq(address, tried, "ksr_failure_owner")

    def _to_device_in_dialog(self) -> None:
        KSR.nathelper.handle_ruri_alias()
        if not KSR.is_ACK():
            KSR.tm.t_on_reply("ksr_reply_from_device")
            KSR.tm.t_set_fr(policy.RINGING_MS, policy.PHONE_MS)
        KSR.textops.remove_hf_re(OURS)
        self._relay()

    # -- from lq

    def _from_lq(self) -> None:
        host = pv("$rd").lower()
        if host == policy.ACD:
            self._decide()
        elif host == policy.PHONES:
            self._to_phone()
        elif host == policy.OUT:
            self._to_trunk()
        elif KSR.is_OPTIONS():
            reply(Reply(200, "OK"))
        elif host == policy.INTERNAL:
            self._to_owner(inside=True)
        else:
            reply(Reply(403, "Forbidden"))

    def _to_phone(self) -> None:
        if KSR.registrar.lookup("location") < 0:
            reply(policy.NOT_REGISTERED)
            return
        self._to_device(policy.PHONE_MS)

    def _to_trunk(self) -> None:
        trunk = self._tables.trunks.get(pv("$(ru{uri.param,trunk})"))
        if trunk is None:
            reply(policy.NO_TRUNK)
            return
        KSR.seturi(policy.trunk_uri(trunk, pv("$rU")))
        KSR.pv.sets("$fs", f"udp:{self._settings.outside}")
        self._to_device(policy.GATEWAY_MS)

    def _to_device(self, silence_ms: int) -> None:
        if not pv("$fs"):  # a binding read from the store after the listeners have changed
            KSR.pv.sets("$fs", f"udp:{self._settings.outside}")
        KSR.textops.remove_hf_re(OURS)
        KSR.rr.record_route()
        KSR.tm.t_on_reply("ksr_reply_from_device")
        KSR.tm.t_set_fr(policy.RINGING_MS, silence_ms)
        self._relay()

    def _from_device(self) -> None:
        KSR.textops.remove_hf_re(OURS)
        if policy.trunk_of(self._tables.trunks, pv("$si")) is None:
            KSR.nathelper.add_contact_alias()  # set_contact_alias() changes nothing in a reply

    # -- the ACD

    def _decide(self) -> None:
        if not KSR.is_INVITE():
            reply(Reply(405, "Method Not Allowed"))
            return
        try:
            question = policy.ask(
                header("X-LQ-Contact"), header("X-LQ-Request"), header("X-LQ-Lanes"), header("X-LQ-Lease")
            )
        except ValueError as error:
            KSR.warn(f"malformed question: {error}\n")
            reply(Reply(400, "Bad Request"))
            return
        reply(self._decision(question))

    def _decision(self, question: policy.Ask) -> Reply:
        try:
            answer = self._caller.ask(question.contact, question.request, question.lanes, question.lease_ms)
        except Gone:
            return policy.UNKNOWN_CONTACT
        except LiveUnavailable as error:
            KSR.warn(f"no decision: {error}\n")
            return policy.NO_DECISION
        if not isinstance(answer, Reserved):
            return policy.waiting(answer.position, answer.signed_in, answer.ready)
        webrtc = "transport=ws" in self._binding(answer.phone)[0].lower()
        return policy.reserved(answer.agent, answer.phone, answer.reservation, answer.lane, webrtc)

    # -- odds and ends of the wire

    def _alias_contact(self) -> None:
        """A phone is answered where it sent from, whatever its Contact says (NAT, TCP, WebSocket)."""
        KSR.nathelper.set_contact_alias()

    def _relay(self) -> None:
        if KSR.tm.t_relay() < 0:
            KSR.sl.sl_reply_error()

    def _http(self) -> None:
        if header("Upgrade").lower() != "websocket" or KSR.websocket.handle_handshake() <= 0:
            KSR.xhttp.xhttp_reply(404, "Not Found", "text/plain", "")


class Station:
    """kamailio.keeper.Station: the keeper's hands."""

    def unpublished(self) -> Iterable[tuple[str, int]]:
        found = []
        KSR.htable.sht_iterator_start("news", "unpublished")
        while KSR.htable.sht_iterator_next("news") > 0:
            found.append((pv("$shtitkey(news)"), int(pv("$shtitval(news)"))))
        KSR.htable.sht_iterator_end("news")
        return found

    def published(self, ext: str, until: int) -> None:
        if KSR.htable.sht_get("unpublished", ext) == str(until):  # else a worker has written newer news
            KSR.htable.sht_rm("unpublished", ext)

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

    def log(self, sentence: str) -> None:
        KSR.warn(sentence + "\n")

    def _rpc(self, method: str) -> Any:
        KSR.jsonrpcs.exec(json.dumps({"jsonrpc": "2.0", "method": method, "id": 1}))
        return json.loads(pv("$jsonrpl(body)") or "{}")


def _attribute(attributes: str, name: str) -> str:
    return dict(part.partition("=")[::2] for part in attributes.split(";")).get(name, "")
