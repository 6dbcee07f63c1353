"""What the edge decides, without a SIP server."""

from __future__ import annotations

import pytest

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
    assert policy.reserved("1001", "8001", 7, "sales", False).headers == (
        "Contact: <sip:8001@phones.lq.internal>;agent=1001;reservation=7;lane=sales",
    )
    told = policy.reserved("1001", "8001", 7, "sales+english>2", True).headers[0]
    assert told.endswith(';lane="sales+english>2";media=webrtc')


def test_disabled_things_do_not_exist() -> None:
    assert policy.credentials({"8001": {"ha1": "x"}, "8002": {"ha1": "y", "enabled": False}}) == {"8001": "x"}
    documents = {"gw1": {"address": "a", "port": 5080}, "gw2": {"address": "b", "enabled": False}}
    assert policy.trunks(documents) == {"gw1": Trunk("gw1", "a", 5080)}
