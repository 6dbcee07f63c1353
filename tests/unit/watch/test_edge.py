"""The edge is asked over its socket; one that is gone, hangs or talks nonsense does not answer."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lq.watch import edge
from lq.watch.edge import Edge

STATS = [{"name": "tables", "all": 7}, {"name": "bans", "all": 51}]


@pytest.fixture
def rpc(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "rpc.sock"))
        yield server


def asks(tmp_path: Path) -> Edge:
    return Edge(tmp_path / "rpc.sock", tmp_path / "watch.rpc")


@pytest.mark.parametrize(
    ("answer", "figures"),
    [
        (json.dumps({"result": STATS}), {"lcall_banned_addresses": (({}, 51.0),)}),
        (json.dumps({"result": STATS[:1]}), None),
        (json.dumps({"error": {"code": 500}}), None),
        ("[]", None),
        ("?", None),
    ],
)
async def test_what_it_answers(rpc: socket.socket, tmp_path: Path, answer: str, figures: object) -> None:
    def serve() -> None:
        asked, who = rpc.recvfrom(1000)
        assert json.loads(asked)["method"] == "htable.stats"
        rpc.sendto(answer.encode(), who)

    for _ in range(2):
        serving = threading.Thread(target=serve)
        serving.start()
        assert await asks(tmp_path).figures() == figures
        serving.join()


async def test_one_that_is_gone_or_hangs_does_not_answer(
    rpc: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "PATIENCE_S", 0.02)
    assert await asks(tmp_path).figures() is None
    (tmp_path / "rpc.sock").unlink()
    assert await asks(tmp_path).figures() is None
