"""The edge's routes: asks policy.py, does what it says. The only file that knows Kamailio's Python interface (KSR).

Every worker process has an Edge of its own. Methods are short and never wait, but for one bounded question to Redis
(an ACD decision or the news of a registration). Module functions answer an int, negative for "no"; core ones a bool.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import KSR  # type: ignore[import-not-found]

from kamailio import defence, policy
from kamailio.defence import Guesses
from kamailio.door import Door
from kamailio.keeper import Keeper
from kamailio.live import LiveState
from kamailio.memory import Memory
from kamailio.replies import BUSY, FORBIDDEN, NO_CALL, Reply
from kamailio.station import Counts, Station, Table, Wire, binding
from kamailio.tables import Tables
from lq.live.kemi import Caller

ANSWER_LATER: Final = 2  # save(): we send its answer ourselves
ONE_BINDING: Final = 4  # save(): the newest contact of an extension replaces the one before
NATED: Final = 6  # branch flag: nathelper keeps the way open
BEHIND_NAT: Final = 1 | 2 | 16  # nat_uac_test: private Contact, Via differs from source, port differs


@dataclass(frozen=True, slots=True)
class Settings:
    internal: str  # host:port of the listener for lq
    outside: str
    redis_url: str
    dispatcher_list: str
    memory: str  # file that outlives us


_wire = Wire(KSR)
pv, header, message, reply, warn = _wire.pv, _wire.header, _wire.message, _wire.reply, _wire.warn


class Edge:
    """Kamailio calls its ksr_… methods by name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tables = Tables(Table(KSR, "tables"), Table(KSR, "heirs"))
        guesses = Guesses(Counts(KSR, "wrong"), Table(KSR, "proved"), Counts(KSR, "urgent"))
        self._door = Door(
            KSR, _wire, self._tables, Table(KSR, "bans"), guesses, outside=settings.outside, clock=time.time
        )

    def child_init(self, rank: int) -> int:
        # nothing may be connected before the fork
        caller = Caller(self._settings.redis_url)
        self._live = LiveState(caller, Table(KSR, "unpublished"), warn, lambda: int(time.time() * 1000))
        self._keeper = Keeper(
            caller,
            self._tables,
            Station(KSR, self._settings.outside),
            dispatcher_list=Path(self._settings.dispatcher_list),
            memory=Memory(Path(self._settings.memory)),
            outside=self._settings.outside,
            clock=time.time,
        )
        self._keeper.recall_nodes()
        return 0

    # -- what Kamailio calls

    def ksr_request_route(self, msg: object) -> int:
        return self._guarded(self._request)

    def ksr_failure_node(self, msg: object) -> int:
        return self._guarded(self._next_node)

    def ksr_failure_owner(self, msg: object) -> int:
        return self._guarded(self._next_owner)

    def ksr_failure_trunk(self, msg: object) -> int:
        return self._guarded(self._trunk_refused)

    def ksr_reply_from_device(self, msg: object) -> int:
        return self._guarded(self._from_device)

    def ksr_reply_from_lq(self, msg: object) -> int:
        return self._guarded(lambda: KSR.textops.remove_hf_re(defence.OURS))

    def ksr_rtimer_keeper(self, msg: object, event: str) -> int:
        return self._guarded(self._keeper.tick)

    def ksr_registrar_event(self, msg: object, event: str) -> int:
        """A binding has run out or its connection is lost. The store is locked meanwhile: the keeper says it."""
        Table(KSR, "unpublished").set(pv("$ulc(exp=>aor)"), "0")
        return 1

    def ksr_xhttp_event(self, msg: object, event: str) -> int:
        return self._guarded(self._http)

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
        inside = f"{pv('$Ri')}:{pv('$Rp')}" == self._settings.internal
        if not inside and not self._door.lets_in():
            return
        if KSR.maxfwd.process_maxfwd(10) < 0:
            reply(Reply(483, "Too Many Hops"))
            return
        KSR.force_rport()
        if KSR.is_CANCEL():
            if KSR.tm.t_check_trans() > 0:
                KSR.tm.t_relay()
            else:  # what was rung before we were restarted; who waits for its end need not wait for half a minute
                reply(NO_CALL)
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

    # -- from outside

    def _from_outside(self) -> None:
        if policy.is_internal(pv("$rd")):
            reply(FORBIDDEN)
        elif KSR.is_OPTIONS():
            reply(Reply(200, "OK") if self._tables.is_configured else BUSY)
        elif KSR.is_REGISTER():
            self._register()
        elif not KSR.is_INVITE():
            reply(Reply(405, "Method Not Allowed", ("Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER",)))
        elif not pv("$rU"):
            reply(Reply(484, "Address Incomplete"))
        else:
            self._call_in()

    def _call_in(self) -> None:
        trunk = self._door.trunk
        emergency = trunk is None and policy.is_emergency(pv("$rU"))
        if trunk is not None:
            if not policy.may_call_in(trunk):
                reply(FORBIDDEN)
                return
            source = f"trunk;id={trunk.id}"
            dialled = policy.called_number(trunk, pv("$rU"), header("P-Called-Party-ID"), pv("$tU"))
            if dialled != pv("$rU"):
                KSR.pv.sets("$rU", dialled)
        else:
            ext = self._door.authenticated(emergency=emergency)
            if ext is None or not self._place_phone():
                return
            source = f"phone;id={ext}"
            media = defence.offered_media(message(), otherwise=self._media(ext) or "rtp")
            KSR.hdr.append(f"X-LQ-Phone: media={media}\r\n")
        KSR.hdr.append(f"X-LQ-Source: {source}\r\n")
        if emergency:
            KSR.hdr.append("X-LQ-Emergency: 1\r\n")
        KSR.rr.record_route()
        KSR.tm.t_on_reply("ksr_reply_from_lq")
        if trunk is None:
            # its transaction stands since the challenge, without the changes made here: the next node would miss them
            KSR.tm.t_save_lumps()
        self._to_node(())

    def _to_node(self, tried: tuple[str, ...]) -> None:
        emergency = policy.is_emergency(pv("$rU"))
        address = policy.pick(self._tables.nodes, tried, emergency=emergency)
        if address is None:
            reply(BUSY)
            return
        self._send_to_lq(address, tried, "ksr_failure_node")

    def _send_to_lq(
        self, address: str, tried: tuple[str, ...], on_failure: str, silence_ms: int = policy.NODE_MS
    ) -> None:
        KSR.pv.sets("$avp(tried)", " ".join((*tried, address)))
        KSR.pv.sets("$du", f"sip:{address}")  # in a failure route setdsturi() makes no branch
        KSR.pv.sets("$fs", f"udp:{self._settings.internal}")
        if not KSR.is_ACK():
            KSR.tm.t_on_failure(on_failure)
            KSR.tm.t_set_fr(policy.RINGING_MS, silence_ms)
        self._relay()

    def _next_node(self) -> None:
        redirected = int(KSR.tm.t_get_status_code()) == 302
        if KSR.tm.t_is_canceled() > 0:
            if redirected:  # its node has died, and whoever adopted the call cannot know
                KSR.tm.t_reply(487, "Request Terminated")
            return
        tried = tuple(pv("$avp(tried)").split())
        if address := self._redirected(tried):  # it replaces a call of that node (RFC 3891), or that one has adopted it
            self._send_to_lq(address, tried, "ksr_failure_node")
        elif self._is_next_wanted():
            KSR.info(f"no answer from {tried[-1]}, trying another node\n")
            self._to_node(tried)
        elif redirected:
            reply(BUSY)  # to where it has been: nobody outside hears of our own addresses
        else:
            self._keep_503()

    def _redirected(self, tried: tuple[str, ...]) -> str | None:
        """Where a node has sent this request: to the owner of what it is about."""
        incarnation = policy.redirected(int(KSR.tm.t_get_status_code()), pv("$T_rpl($ct)"))
        address = policy.address_of(self._tables.nodes, incarnation) if incarnation else None
        return address if address not in tried and len(tried) < policy.HOPS else None

    def _is_next_wanted(self) -> bool:
        silent = KSR.tm.t_branch_timeout() > 0 and KSR.tm.t_branch_replied() < 0
        return policy.try_next(int(KSR.tm.t_get_status_code()), silent, pv("$T_rpl($hdr(Reason))"))

    def _keep_503(self) -> None:
        """A 503 that is a call's last word stays one: left alone, tm makes a 500 of it (RFC 3261 §16.7, step 6)."""
        if int(KSR.tm.t_get_status_code()) != 503 or KSR.tm.t_is_canceled() > 0:
            return
        for name in ("Reason", "Retry-After", "Warning"):
            value = pv(f"$T_rpl($hdr({name}))")
            if value:
                KSR.hdr.append_to_reply(f"{name}: {value}\r\n")
        KSR.tm.t_reply(503, pv("$T_rpl($rr)") or "Service Unavailable")

    # -- registration

    def _register(self) -> None:
        ext = self._door.authenticated()
        if ext is None:
            return
        if defence.is_detour(pv("$ct")):
            reply(Reply(400, "Bad Contact"))
            return
        if header(policy.RENEWS) and policy.is_taken(pv("$(ct{nameaddr.uri})"), binding(KSR, ext).contact):
            reply(policy.TAKEN)
            return
        # whatever its Contact says: it is called where it was when it proved itself
        KSR.nathelper.fix_nated_register()
        if KSR.is_WSX() or KSR.nathelper.nat_uac_test(BEHIND_NAT) > 0:
            KSR.setbflag(NATED)
        if KSR.registrar.save("location", ONE_BINDING | ANSWER_LATER) < 0:
            KSR.registrar.reg_send_reply()
            return
        self._live.registered(ext, binding(KSR, ext).left_s, self._media(ext))
        for line in policy.flow(pv("$pr"), header("Supported"), pv("$ct")):
            KSR.hdr.append_to_reply(line + "\r\n")
        KSR.registrar.reg_send_reply()  # who has the answer may count on being published

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
            reply(FORBIDDEN)  # or anyone could send anything anywhere through us
        elif not routed:
            reply(NO_CALL)
        else:
            self._to_device_in_dialog()

    def _to_owner(self, inside: bool) -> None:
        incarnation = pv("$(ru{uri.param,i})")
        nodes = self._tables.nodes
        if not inside and not policy.is_known(nodes, incarnation, self._tables.heir):
            if not KSR.is_ACK():
                reply(FORBIDDEN)
            return
        known = policy.holder(nodes, incarnation, (), self._tables.heir)
        address = known or policy.owner(nodes, incarnation, (), self._tables.heir)
        if address is None:
            if not KSR.is_ACK():
                reply(BUSY)
            return
        if not inside and self._door.trunk is None and not self._place_phone():
            return
        KSR.tm.t_on_reply("ksr_reply_from_lq")
        self._send_to_lq(address, (), "ksr_failure_owner", policy.NODE_MS if known else policy.HEIR_MS)

    def _next_owner(self) -> None:
        """The owner is dead, or says whose the dialog is now. A phone hears neither 302 nor 408: it would hang up."""
        if KSR.tm.t_is_canceled() > 0:
            return
        tried = tuple(pv("$avp(tried)").split())
        address = self._redirected(tried)
        if address is None and self._is_next_wanted() and len(tried) < policy.HOPS:
            address = policy.owner(self._tables.nodes, pv("$(ru{uri.param,i})"), tried, self._tables.heir)
        if address is not None:
            KSR.info(f"{tried[-1]} has it not, trying {address}\n")
            self._send_to_lq(address, tried, "ksr_failure_owner", policy.HEIR_MS)
        elif self._is_next_wanted() or int(KSR.tm.t_get_status_code()) == 302:
            reply(BUSY)

    def _to_device_in_dialog(self) -> None:
        contact = pv("$ru")
        KSR.nathelper.handle_ruri_alias()
        bound = binding(KSR, pv("$tU"))
        moved = policy.moved(contact, pv("$du"), bound.contact, bound.received)
        if moved:
            KSR.pv.sets("$du", moved)
        if policy.is_ours(policy.target_of(pv("$du") or pv("$ru")), self._settings.internal, self._tables.nodes):
            if not KSR.is_ACK():
                reply(FORBIDDEN)  # a device's Contact may not lead our requests into the house
            return
        if not KSR.is_ACK():
            KSR.tm.t_on_reply("ksr_reply_from_device")
            KSR.tm.t_set_fr(policy.RINGING_MS, policy.patience_ms(pv("$rm"), header("Event")))
        KSR.textops.remove_hf_re(defence.OURS)
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
            if told := policy.heir(header("X-LQ-Adopted")):
                self._tables.write_heir(*told)
            reply(Reply(200, "OK"))
        elif host == policy.INTERNAL:
            self._to_owner(inside=True)
        else:
            reply(FORBIDDEN)

    def _to_phone(self) -> None:
        if KSR.is_OPTIONS():
            media = self._media(pv("$rU"))
            reply(policy.reachable(media) if media else policy.NOT_REGISTERED)
            return
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
        KSR.pv.sets("$du", f"sip:{policy.address_of_trunk(trunk)}")
        KSR.pv.sets("$fs", f"udp:{self._settings.outside}")
        KSR.tm.t_on_failure("ksr_failure_trunk")
        self._to_device(policy.GATEWAY_MS)

    def _trunk_refused(self) -> None:
        self._keep_503()

    def _to_device(self, silence_ms: int) -> None:
        if not pv("$fs"):  # a binding read from the store after the listeners have changed
            KSR.pv.sets("$fs", f"udp:{self._settings.outside}")
        KSR.textops.remove_hf_re(defence.OURS)
        KSR.rr.record_route()
        KSR.tm.t_on_reply("ksr_reply_from_device")
        KSR.tm.t_set_fr(policy.RINGING_MS, silence_ms)
        self._relay()

    def _from_device(self) -> None:
        KSR.textops.remove_hf_re(defence.OURS)
        if self._door.trunk is not None:
            return
        KSR.textops.remove_hf_re(defence.CLAIMS_IN_A_REPLY)
        if defence.is_detour(pv("$ct")):
            KSR.hdr.remove("Contact")
            KSR.hdr.append(f"Contact: <sip:{pv('$tU')}@{pv('$si')}:{pv('$sp')};transport={pv('$pr').lower()}>\r\n")
        else:
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
        reply(self._live.decision(question, self._media))

    def _media(self, ext: str) -> str:
        """What the extension's phone takes: rtp, srtp or webrtc; "" when it is not registered."""
        contact = binding(KSR, ext).contact
        return policy.media_of(contact, ext in self._tables.srtp_phones) if contact else ""

    # -- odds and ends of the wire

    def _place_phone(self) -> bool:
        """A phone is answered where it sent from, whatever its Contact says (NAT, TCP, WebSocket). False: refused."""
        if defence.is_detour(pv("$ct")):
            if not KSR.is_ACK():
                reply(Reply(400, "Bad Contact"))
            return False
        KSR.nathelper.set_contact_alias()
        return True

    def _relay(self) -> None:
        if KSR.tm.t_relay() < 0:
            KSR.sl.sl_reply_error()

    def _http(self) -> None:
        if header("Upgrade").lower() != "websocket" or KSR.websocket.handle_handshake() <= 0:
            KSR.xhttp.xhttp_reply(404, "Not Found", "text/plain", "")
