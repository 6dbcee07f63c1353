"""The tables of RFC 3261 §17 and RFC 6026 §8: every state, every class of response, over UDP and TCP."""

from __future__ import annotations

import itertools

import pytest

from lq.sip.message import Request, Response
from lq.sip.transaction import (
    CLIENT,
    LIFETIME,
    SERVER,
    T1,
    T2,
    T4,
    ClientTransaction,
    ServerTransaction,
    State,
    Transport,
    key_of,
)

CODES = (100, 180, 199, 200, 202, 299, 300, 401, 486, 500, 603, 699)
TO_CLIENT = [(kind, state, code) for kind, table in CLIENT.items() for state in table for code in CODES]
TO_SERVER = [(kind, state, code) for kind, table in SERVER.items() for state in table for code in CODES]


def request(kind: str) -> Request:
    method = "INVITE" if kind == "INVITE" else "INFO"
    via = ["SIP/2.0/UDP h;branch=z9hG4bK1"]
    headers = {"via": via, "cseq": [f"1 {method}"], "from": ["a"], "to": ["b"], "call-id": ["c"]}
    return Request(headers, b"", method, "sip:x@y")


def client(kind: str, transport: Transport = "udp", state: State | None = None) -> ClientTransaction:
    tx = ClientTransaction("", request(kind), ("h", 1), transport=transport)
    tx.start(b"wire", 0.0)
    tx.state = state or tx.state
    return tx


def server(kind: str, transport: Transport = "udp", state: State | None = None) -> ServerTransaction:
    tx = ServerTransaction("", request(kind), ("h", 1), "proceeding" if kind == "INVITE" else "trying")
    tx.transport = transport
    tx.state = state or tx.state
    return tx


def timer(now: float, tx: ClientTransaction | ServerTransaction) -> dict[str, float]:
    return {name: at - now for name, at in tx.timers.items()}


@pytest.mark.parametrize(("kind", "state", "code"), TO_CLIENT)
def test_a_client_in_every_state(kind: str, state: State, code: int) -> None:
    """Figures 5 and 6, and figure 7 of RFC 6026."""
    tx = client(kind, state=state)
    news = tx.take(Response({}, b"", code, ""), 1.0)
    provisional, success = code < 200, 200 <= code < 300
    waiting = state in ("calling", "trying", "proceeding")
    assert news == (waiting or (state == "accepted" and success))
    if provisional:
        assert tx.state == ("proceeding" if waiting else state)
    elif waiting:
        assert tx.state == ("accepted" if kind == "INVITE" and success else "completed")
    else:
        assert tx.state == state


@pytest.mark.parametrize(("kind", "state", "code"), TO_SERVER)
def test_a_server_in_every_state(kind: str, state: State, code: int) -> None:
    """Figures 7 and 8, and figure 4 of RFC 6026."""
    tx = server(kind, state=state)
    sent = tx.send(Response({}, b"", code, ""), 1.0)
    waiting = state in ("trying", "proceeding")
    assert (sent is not None) == (waiting or (state == "accepted" and 200 <= code < 300))
    if waiting and code >= 200:
        assert tx.state == ("accepted" if kind == "INVITE" and code < 300 else "completed")


@pytest.mark.parametrize(
    ("kind", "code", "udp", "tcp"),
    [
        ("INVITE", 180, {}, {}),  # timer B runs in calling only
        ("INVITE", 200, {"linger": LIFETIME}, {"linger": LIFETIME}),  # M: other forks
        ("INVITE", 486, {"linger": LIFETIME}, {"linger": 0.0}),  # D
        ("other", 183, {"repeat": T2, "give_up": LIFETIME - 1}, {"give_up": LIFETIME - 1}),  # E, F
        ("other", 200, {"linger": T4}, {"linger": 0.0}),  # K
    ],
)
def test_what_a_client_waits_for(kind: str, code: int, udp: dict[str, float], tcp: dict[str, float]) -> None:
    for transport, expected in (("udp", udp), ("tcp", tcp)):
        tx = client(kind, transport)  # type: ignore[arg-type]
        assert ("repeat" in tx.timers) == (transport == "udp")
        tx.take(Response({}, b"", code, ""), 1.0)
        assert timer(1.0, tx) == expected


@pytest.mark.parametrize(
    ("kind", "code", "udp", "tcp"),
    [
        ("INVITE", 180, {}, {}),
        ("INVITE", 200, {"linger": LIFETIME}, {"linger": LIFETIME}),  # L
        ("INVITE", 486, {"repeat": T1, "give_up": LIFETIME}, {"give_up": LIFETIME}),  # G, H
        ("other", 200, {"linger": LIFETIME}, {"linger": 0.0}),  # J
    ],
)
def test_what_a_server_waits_for(kind: str, code: int, udp: dict[str, float], tcp: dict[str, float]) -> None:
    for transport, expected in (("udp", udp), ("tcp", tcp)):
        tx = server(kind, transport)  # type: ignore[arg-type]
        tx.send(Response({}, b"", code, ""), 1.0)
        assert timer(1.0, tx) == expected


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_an_ack_ends_the_repetition_of_a_refusal(transport: Transport) -> None:
    tx = server("INVITE", transport)
    tx.send(Response({}, b"", 486, ""), 0.0)
    tx.acknowledged(1.0)
    tx.acknowledged(2.0)  # once more changes nothing
    assert tx.state == "confirmed" and timer(1.0, tx) == {"linger": T4 if transport == "udp" else 0.0}  # I
    assert tx.repeated() is None


def repetitions(tx: ClientTransaction | ServerTransaction) -> list[float]:
    """When it repeats itself until it gives up."""
    out: list[float] = []
    for _ in itertools.repeat(None, 100):
        name, at = min(tx.timers.items(), key=lambda item: item[1])
        del tx.timers[name]
        if tx.due(name, at) is None:
            return [*out, at]
        out.append(at)
    raise AssertionError("it never ends")


def test_how_often_a_request_is_repeated() -> None:
    assert repetitions(client("INVITE")) == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 32.0]  # A doubles, B
    assert repetitions(client("other"))[:6] == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5]  # E doubles up to T2
    refused = server("INVITE")
    refused.send(Response({}, b"", 486, ""), 0.0)
    assert repetitions(refused)[:6] == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5]  # G
    assert repetitions(client("INVITE", "tcp")) == [32.0]


def test_an_ack_belongs_to_its_invite_and_a_cancel_is_its_own() -> None:
    invite = request("INVITE")
    keys = {}
    for method in ("ACK", "CANCEL"):
        other = request("INVITE")
        other.put("cseq", f"1 {method}")
        keys[method] = key_of(other)
    assert keys["ACK"] == key_of(invite) != keys["CANCEL"]
    assert keys["CANCEL"][:2] == key_of(invite)[:2]
