"""The table of services and the table of ports agree, for any port base."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import pytest

from ops.ports import ports
from ops.probes import Http, Ng, Redis, Sip
from ops.redis_files import ACL, redis_acl, redis_conf, redis_mb
from ops.services import environment, selected, services
from tests.center import PORT_BASES
from tests.unit.ops.example import example

BASES = ("", "8500", "20000", "60000")


@pytest.mark.parametrize("base", BASES)
def test_every_service_comes_after_those_it_needs(base: str) -> None:
    known: set[str] = set()
    for service in services(example(base)):
        assert set(service.needs) <= known, service.name
        assert service.name not in known
        known.add(service.name)


@pytest.mark.parametrize("base", BASES)
def test_nobody_listens_where_another_does(base: str) -> None:
    instance = example(base)
    listeners = Counter(listener for service in services(instance) for listener in service.listens)
    assert set(listeners.values()) == {1}
    p = instance.ports
    taken = {port for _, port in listeners}
    assert not [
        port for port in taken if p.rtp_first <= port <= p.rtp_last or p.phones_first <= port < p.phones_first + 200
    ]
    assert p.gateway not in taken


@pytest.mark.parametrize("base", BASES[1:])
def test_a_port_base_moves_everything(base: str) -> None:
    b, p = int(base), ports({"LCALL_PORT_BASE": base})
    assert (p.sip, p.sip_tls, p.sip_wss, p.web, p.api) == (b, b + 1, b + 2, b + 10, b + 11)
    assert (p.rtp_first, p.rtp_last) == (b + 1000, b + 2999)
    others = {name: port for name, port in asdict(p).items() if isinstance(port, int)}
    del others["sip"], others["sip_tls"], others["sip_wss"], others["web"], others["api"]
    del others["rtp_first"], others["rtp_last"], others["phones_first"], others["rtpengines"]
    assert all(b + 20 <= port <= b + 99 for port in others.values()), others
    assert p.phones_first + 200 <= 65536


def test_who_starts_the_center_says_where_sip_messages_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LQ_HEP", "10.0.0.9:9060")
    told = {service.name: service.environment.get("LQ_HEP") for service in services(example(""))}
    assert {name for name, server in told.items() if server == "10.0.0.9:9060"} == {"lq1", "lq2"}


def test_several_rtpengines_share_nothing() -> None:
    p = ports({"LCALL_PORT_BASE": "8500", "LCALL_RTPENGINES": "3"})
    controls = [port for each in p.all_rtpengines for port in (each.ng, each.ng_tcp, each.cli)]
    assert len(set(controls)) == 9 and all(8520 <= port <= 8599 for port in controls)
    ranges = [(each.rtp_first, each.rtp_last) for each in p.all_rtpengines]
    assert ranges[0][0] == p.rtp_first and ranges[-1][1] <= p.rtp_last
    assert all(first % 2 == p.rtp_first % 2 and last - first > 600 for first, last in ranges)
    assert all(a[1] < b[0] for a, b in pairwise(ranges))
    assert [each.name for each in p.all_rtpengines] == ["rtpengine", "rtpengine2", "rtpengine3"]
    for wrong in ("0", "5", "two", "-1"):
        with pytest.raises(ValueError, match="LCALL_RTPENGINES"):
            ports({"LCALL_RTPENGINES": wrong})


def test_the_demo_world() -> None:
    p = ports({})
    assert (p.sip, p.sip_tls, p.sip_wss, p.web, p.api, p.gateway) == (5060, 5061, 8443, 8000, 8100, 5080)


@pytest.mark.parametrize("base", ["1023", "60001", "x", " 8500", "8500.0", "-8500", "٣٠٠٠٠"])
def test_a_port_base_that_is_none(base: str) -> None:
    with pytest.raises(ValueError, match=r"expected 1024\.\.60000"):
        ports({"LCALL_PORT_BASE": base})


def test_what_a_call_needs_is_vital_and_needs_nothing_else() -> None:
    table = {service.name: service for service in services(example())}
    vital = {name for name, service in table.items() if service.vital}
    assert vital == {"redis", "redis-rtpengine", "rtpengine", "mixer", "certificates", "kamailio", "lq1", "lq2"}
    assert {need for name in vital for need in table[name].needs} <= vital


def test_who_is_asked_for_readiness_listens_there() -> None:
    for service in services(example()):
        match service.ready:
            case Http(port, _) | Redis(port):
                assert ("tcp", port) in service.listens
            case Sip(port, _) | Ng(port):
                assert ("udp", port) in service.listens


def test_secrets_go_to_whom_they_concern() -> None:
    """The call path knows nothing of PostgreSQL; each process is its own user of Redis."""
    instance = example()
    for service in services(instance):
        seen = " ".join((*service.argv, *service.environment.values()))
        users = [user for user, password in instance.secrets.redis.items() if password in seen]
        assert not any(password in " ".join(service.argv) for password in instance.secrets.redis.values())
        assert len(users) <= 1, service.name
        if service.name in ("kamailio", "rtpengine", "mixer", "lq1", "lq2", "recorder"):
            assert instance.secrets.postgres not in seen, service.name


def test_a_process_gets_few_of_our_variables() -> None:
    ours = {"PATH": "/bin", "AWS_SECRET": "x", "LC_ALL": "zh_CN", "PYTHONHOME": "/y", "LANG": "C.UTF-8"}
    given = environment(example(), {"OWN": "1"}, ours)
    assert given["PATH"] == "/bin" and given["OWN"] == "1" and given["LANG"] == "C.UTF-8"
    assert given["LCALL_HOME"] == "/srv/lcall" and given["PYTHONDONTWRITEBYTECODE"] == "1"
    assert not given.keys() & {"AWS_SECRET", "LC_ALL", "PYTHONHOME"}


def test_a_part_of_the_table() -> None:
    whole = services(example())
    assert selected(whole, "") == whole
    assert [service.name for service in selected(whole, "lq1, redis")] == ["redis", "lq1"]
    with pytest.raises(ValueError, match="redos"):
        selected(whole, "redos,lq1")


def test_redis_has_a_user_for_each_process_and_none_for_strangers() -> None:
    text = redis_acl(example().secrets)
    assert "user default off" in text
    assert {line.split()[1] for line in text.splitlines()} == {"default", *ACL}
    assert set(ACL) == set(example().secrets.redis)
    for name in ("journal", "recorder"):
        [line] = [line for line in text.splitlines() if line.startswith(f"user {name} ")]
        assert "~{lcall}:events " in line and "+@write" not in line and "fcall" not in line


def test_who_starts_the_center_says_how_much_redis_may_hold() -> None:
    assert "maxmemory 1024mb" in redis_conf(Path("/r"), 1, redis_mb({})).splitlines()
    assert "maxmemory 4096mb" in redis_conf(Path("/r"), 1, redis_mb({"LCALL_REDIS_MB": "4096"})).splitlines()
    for wrong in ("0", "63", "4gb", "-1", "٤٠٩٦", "1" * 9):
        with pytest.raises(ValueError, match="LCALL_REDIS_MB"):
            redis_mb({"LCALL_REDIS_MB": wrong})


def test_centers_of_tests_take_nothing_from_each_other_nor_from_the_demo_world() -> None:
    def taken(base: str) -> set[tuple[str, int]]:
        instance = example(base)
        p = instance.ports
        udp = (*range(p.rtp_first, p.rtp_last + 1), *range(p.phones_first, p.phones_first + 200), p.gateway)
        return {listener for service in services(instance) for listener in service.listens} | {
            ("udp", port) for port in udp
        }

    demo = taken("")
    rtp_of_the_demo = {("udp", port) for port in range(ports({}).rtp_first, ports({}).rtp_last + 1)}
    known: set[tuple[str, int]] = set()
    for base in PORT_BASES:
        own = taken(str(base))
        assert not own & known, base
        assert not own & (demo - rtp_of_the_demo), base  # rtpengine passes over a port that is taken
        assert max(port for _, port in own) < 32768
        known |= own
