"""What the edge decides, without a SIP server."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamailio import policy
from kamailio.policy import Challenge, Node, Nodes, Reply, Trunk
from lq.acd import lanes

ONE, TWO, FULL = Node("lq1-a", "h:1", 3), Node("lq2-b", "h:2", 1), Node("lq3-c", "h:3", 0, draining=True)
NODES = Nodes((ONE, TWO, FULL), {"lq9-dead": "lq8-dead", "lq8-dead": "lq1-a"}, ("lq1-a", "lq2-b", "lq3-c", "lq7-old"))


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("lq.internal", True),
        ("ACD.LQ.Internal.", True),
        ("phones.lq.internal", True),
        ("xlq.internal", False),
        ("lq.internal.example.com", False),
        ("", False),
    ],
)
def test_hosts_that_only_lq_may_name(host: str, ours: bool) -> None:
    assert policy.is_internal(host) is ours


def test_a_trunk_is_its_source_address() -> None:
    trunks = {"gw1": Trunk("gw1", "127.0.1.1", 5080), "gw2": Trunk("gw2", "127.0.1.2", 5080, "out")}
    assert policy.trunk_of(trunks, "127.0.1.1") == trunks["gw1"]
    assert policy.trunk_of(trunks, "127.0.1.10") is None
    assert [policy.may_call_in(trunk) for trunk in trunks.values()] == [True, False]


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (-5, Challenge(stale=False)),  # none given
        (-4, Challenge(stale=True)),
        (-6, Challenge(stale=True)),
        (-2, Reply(403, "Forbidden")),
        (-3, Reply(403, "Forbidden")),  # unknown user: as a wrong password
        (-8, Reply(403, "Forbidden")),
    ],
)
def test_credentials(code: int, answer: Challenge | Reply) -> None:
    assert policy.credentials_answer(code) == answer


def test_a_new_contact_goes_to_the_least_loaded_node_that_is_not_draining() -> None:
    assert policy.pick(NODES) == "h:2"
    assert policy.pick(NODES, ("h:2",)) == "h:1"
    assert policy.pick(NODES, ("h:1", "h:2")) is None
    assert policy.pick(Nodes()) is None


def test_a_request_in_a_dialog_goes_to_the_owner_or_who_took_his_contacts() -> None:
    assert policy.owner(NODES, "lq3-c") == "h:3", "a draining node still answers for what it owns"
    assert policy.owner(NODES, "lq8-dead") == "h:1"
    assert policy.owner(NODES, "lq9-dead") == "h:1", "the adopter of an adopter"
    assert policy.owner(NODES, "lq1-a", ("h:1",)) == "h:2", "silent: another one may adopt it"
    assert policy.owner(Nodes(adopted={"a": "b", "b": "a"}), "a") is None, "a circle ends"


def test_an_adopter_that_has_told_this_edge_is_believed_before_the_leases() -> None:
    told = {"lq1-a": "lq2-b"}.get
    assert policy.owner(NODES, "lq1-a") == "h:1"
    assert policy.owner(NODES, "lq1-a", (), told) == "h:2"
    assert policy.owner(NODES, "lq8-dead", (), told) == "h:2", "its adopter has been adopted in turn"
    assert policy.is_known(NODES, "lq6-new", {"lq6-new": "lq2-b"}.get)
    assert policy.heir("lq1-a;lq2-b") == ("lq1-a", "lq2-b")
    assert [policy.heir(text) for text in ("", "a", "a;", ";b", "a;a")] == [None] * 5


def test_who_holds_a_dialog_is_told_from_who_may_adopt_it() -> None:
    assert policy.holder(NODES, "lq1-a") == "h:1"
    assert policy.holder(NODES, "lq9-dead") == "h:1", "the adopter of an adopter: it answers at once"
    assert policy.holder(NODES, "lq7-old") is None and policy.owner(NODES, "lq7-old") == "h:2"
    assert policy.holder(NODES, "lq1-a", ("h:1",)) is None


@pytest.mark.parametrize(
    ("method", "event", "s"),
    [
        ("BYE", "", 32), ("INVITE", "", 32), ("UPDATE", "", 32), ("INFO", "", 32), ("REFER", "", 32),
        ("NOTIFY", "refer;id=3", 32), ("NOTIFY", "", 32), ("NOTIFY", "Talk", 5), ("NOTIFY", "hold", 5),
        ("OPTIONS", "", 5),
    ],
)  # fmt: skip
def test_how_long_a_phone_in_a_call_is_waited_for(method: str, event: str, s: int) -> None:
    assert policy.patience_ms(method, event) == s * 1000


def test_where_a_node_sends_a_request_that_is_not_its_own() -> None:
    assert policy.redirected(302, "<sip:lq@lq.internal;i=lq2-bbbbbbbb>") == "lq2-bbbbbbbb"
    assert policy.redirected(200, "<sip:lq@lq.internal;i=lq2-bbbbbbbb>") == ""
    assert policy.redirected(302, "<sip:mallory@198.51.100.7;i=lq2-bbbbbbbb>") == ""
    assert policy.address_of(NODES, "lq2-b") == "h:2" and policy.address_of(NODES, "lq8-dead") is None


def test_known_incarnations() -> None:
    for known in ("lq1-a", "lq8-dead", "lq7-old"):
        assert policy.is_known(NODES, known)
    assert not policy.is_known(NODES, "lq1-guessed") and not policy.is_known(NODES, "")


@pytest.mark.parametrize(("code", "silent", "again"), [(408, True, True), (503, False, True), (486, False, False)])
def test_when_another_node_is_asked(code: int, silent: bool, again: bool) -> None:
    assert policy.try_next(code, silent) is again


def test_a_question_is_what_lq_writes() -> None:
    header = lanes.to_header({"sales": 1_764_000_000_000, "agent:1001": -5})
    asked = policy.ask("c1", "c1:1", header, "35000")
    assert asked == policy.Ask("c1", "c1:1", {"sales": 1_764_000_000_000, "agent:1001": -5}, 35_000)
    assert policy.ask("c1", "c1:1", "sales=1", None).lease_ms == 20_000


@pytest.mark.parametrize(
    "given",
    [(None, "r", "a=1", "20000"), ("c", None, "a=1", "20000"), ("c", "r", None, "20000"), ("c", "r", "a=1", "999")],
)
def test_an_incomplete_question(given: tuple[str | None, ...]) -> None:
    with pytest.raises(ValueError, match="X-LQ-"):
        policy.ask(*given)


def test_a_lane_that_is_no_token_is_quoted() -> None:
    assert policy.reserved("1001", "8001", 7, "sales", "rtp").headers == (
        "Contact: <sip:8001@phones.lq.internal>;agent=1001;reservation=7;lane=sales",
    )
    told = policy.reserved("1001", "8001", 7, "sales+english>2", "webrtc").headers[0]
    assert told.endswith(';lane="sales+english>2";media=webrtc')


def test_disabled_things_do_not_exist() -> None:
    phones = {"8001": {"ha1": "x"}, "8002": {"ha1": "y", "enabled": False}}
    assert policy.credentials(phones) == {"8001": "x", "8002": "y"}
    assert policy.disabled_phones(phones) == {"8002"}
    documents = {"gw1": {"address": "a", "port": 5080}, "gw2": {"address": "b", "enabled": False}}
    assert policy.trunks(documents) == {"gw1": Trunk("gw1", "a", 5080)}


IMS = {
    "address": "192.0.2.5",
    "port": 5060,
    "register": {"user": "+861088001000", "domain": "ims.example", "password": "secret", "auth_user": "u@ims"},
}


def test_a_trunk_that_wants_us_registered() -> None:
    documents = {
        "ims1": IMS,
        "gw1": {"address": "192.0.2.6", "register": {"user": ""}},
        "off": {**IMS, "enabled": False},
    }
    found = policy.registrations(documents)
    assert list(found) == ["ims1"]
    assert found["ims1"] == policy.Registration(
        "ims1", "+861088001000", "ims.example", "ims.example", "u@ims",
        hashlib.md5(b"u@ims:ims.example:secret").hexdigest(), "192.0.2.5:5060", 600,
    )  # fmt: skip
    assert "secret" not in repr(found) and "secret" not in repr(policy.trunks(documents))
    trunks = policy.trunks(documents)
    assert policy.trunk_uri(trunks["ims1"], "110") == "sip:110@ims.example"
    assert policy.trunk_uri(trunks["gw1"], "110") == "sip:110@192.0.2.6:5060"
    assert "ims1" not in policy.dispatcher_list(trunks, "x") and "gw1" in policy.dispatcher_list(trunks, "x")


def test_trunks_at_one_address_are_told_apart_by_our_contact() -> None:
    trunks = policy.trunks({"ims1": IMS, "ims2": IMS, "gw1": {"address": "192.0.2.6"}})
    assert policy.trunk_of(trunks, "192.0.2.5", "ims2") == trunks["ims2"]
    assert policy.trunk_of(trunks, "192.0.2.5", "nobody") == trunks["ims1"]
    assert policy.trunk_of(trunks, "192.0.2.7", "ims1") is None, "the address decides who may"
    assert policy.called_number(trunks["ims1"], "ims1", "<tel:+861088001000>", "x") == "+861088001000"
    named = r'"tel:110 \" <sip:119@x>" <sip:+861088001000@ims.example;user=phone>'
    assert policy.called_number(trunks["ims1"], "ims1", named, "x") == "+861088001000"
    assert policy.called_number(trunks["ims1"], "ims1", "", "+861088001001") == "+861088001001"
    assert policy.called_number(trunks["ims1"], "4008001000", "<tel:1>", "x") == "4008001000"
    assert policy.called_number(trunks["gw1"], "gw1", "<tel:1>", "x") == "gw1"


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("sip:8001@192.0.2.1:5070;transport=tcp", "192.0.2.1:5070"),
        ("sip:192.0.2.1", "192.0.2.1:5060"),
        ("SIP:x@LQ2:1", "lq2:1"),
        ("sip:x@[2001:db8::1]:5061?a=b", "[2001:db8::1]:5061"),
        ("tel:110", ""),
        ("", ""),
    ],
)
def test_where_a_uri_leads(uri: str, target: str) -> None:
    assert policy.target_of(uri) == target


@given(st.text(max_size=60))
def test_no_text_makes_trouble(text: str) -> None:
    policy.target_of(text)
    policy.is_emergency(text)
    policy.is_internal(text)
    policy.redirected(302, text)
    policy.media_of(text, False)
    policy.called_number(policy.Trunk("t", "a", 1, domain="d"), "t", text, "to")
    try:
        policy.ask("c", "r", text, "2000")
    except ValueError:
        pass


@pytest.mark.parametrize("number", ["110", "119", "120", "122", "110;phone-context=+86"])
def test_emergency_numbers(number: str) -> None:
    assert policy.is_emergency(number)
    assert not policy.is_emergency("1" + number) and not policy.is_emergency("")


def test_an_emergency_call_goes_to_a_draining_node_if_need_be() -> None:
    nodes = policy.Nodes((policy.Node("a", "h:1", 0, True), policy.Node("b", "h:2", 9, False)))
    assert policy.pick(nodes, emergency=True) == "h:2"
    assert policy.pick(nodes, ("h:2",), emergency=True) == "h:1" and policy.pick(nodes, ("h:2",)) is None


def test_a_503_with_a_cause_is_the_calls() -> None:
    assert policy.try_next(503, False) and policy.try_next(503, False, "SIP;cause=503")
    assert not policy.try_next(503, False, " q.850;cause=34") and policy.try_next(408, True)


def test_what_a_binding_takes() -> None:
    assert policy.media_of("sip:a@b.invalid;transport=ws", False) == "webrtc"
    assert policy.media_of("sip:a@b;transport=WSS;ob", True) == "webrtc"
    assert policy.media_of("sip:a@b;transport=tls", True) == "srtp"
    assert policy.media_of("sip:a@b", False) == "rtp"


def test_a_binding_that_is_somebody_elses_by_now() -> None:
    own, other = "sip:8001@a.invalid;transport=ws", "sip:8001@b.invalid;transport=ws"
    assert policy.is_taken(own, other)
    assert not policy.is_taken(own, own) and not policy.is_taken(own, "")


REG_ID = '<sip:8001@192.0.2.9>;+sip.instance="<urn:uuid:0>";reg-id=1'


@pytest.mark.parametrize(
    ("transport", "supported", "contact", "kept"),
    [
        ("tcp", "gruu, outbound, path", REG_ID, True),
        ("TLS", "Outbound", REG_ID, True),
        ("udp", "outbound", REG_ID, False),
        ("wss", "outbound", REG_ID, False),
        ("tls", "path", REG_ID, False),
        ("tls", "outbound", "<sip:8001@192.0.2.9>", False),
    ],
)
def test_who_keeps_his_connection_alive(transport: str, supported: str, contact: str, kept: bool) -> None:
    assert policy.flow(transport, supported, contact) == (("Require: outbound", "Flow-Timer: 25") if kept else ())


@pytest.mark.parametrize(
    ("way", "bound", "received", "goes_to"),
    [
        ("sip:192.0.2.1:4000;transport=tls", "sip:8001@10.0.0.9:5060", "sip:192.0.2.1:4001;transport=tls", True),
        ("sip:192.0.2.1:4000;transport=tls", "sip:8001@10.0.0.9:5060", "sip:192.0.2.1:4000;transport=tls", False),
        ("sip:192.0.2.1:4000", "sip:8001@10.0.0.9:34926", "sip:192.0.2.1:4001", True),  # named by its connection
        ("sip:192.0.2.1:4000", "sip:8001@10.0.0.8:5060", "sip:192.0.2.1:4001", False),  # another device
        ("sip:192.0.2.1:4000", "sip:8001@10.0.0.9:5060", "", False),
        ("sip:192.0.2.1:4000", "", "", False),
    ],
)
def test_a_phone_that_registered_from_elsewhere_is_found_there(
    way: str, bound: str, received: str, goes_to: bool
) -> None:
    target = "sip:8001@10.0.0.9:5060;transport=tls;alias=192.0.2.1~4000~3"
    assert policy.moved(target, way, bound, received) == (received if goes_to else "")
