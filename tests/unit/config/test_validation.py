from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from lq.config import demo
from lq.config.documents import DOCUMENTS, Flow, Queue, Trunk
from lq.config.seed import FLOW
from lq.config.validation import from_json, references, to_json, validate

QUEUE = {"id": "sales", "name": "销售"}
TRUNK = {"id": "gw1", "address": "127.0.1.1"}
PHONE = {"id": "8001", "ha1": "0" * 32}
FLOW_OK = {"id": "f", "start": "a", "nodes": {"a": {"kind": "hang_up"}}}


@pytest.mark.parametrize(
    ("kind", "body", "field", "code"),
    [
        ("queues", {"id": "sales"}, "name", "missing"),
        ("queues", {**QUEUE, "colour": "red"}, "colour", "unknown"),
        ("queues", {**QUEUE, "ring_s": "20"}, "ring_s", "type"),
        ("queues", {**QUEUE, "ring_s": True}, "ring_s", "type"),
        ("queues", {**QUEUE, "ring_s": 1}, "ring_s", "value"),
        ("queues", {**QUEUE, "name": " "}, "name", "value"),
        ("queues", {**QUEUE, "id": "a b"}, "id", "value"),
        ("queues", {**QUEUE, "id": ""}, "id", "value"),
        ("queues", {**QUEUE, "id": "x\r\nVia: y"}, "id", "value"),
        ("queues", {**QUEUE, "strategy": "best"}, "strategy", "value"),
        ("queues", {**QUEUE, "recording": "some"}, "recording", "type"),
        ("agents", {"id": "1001", "name": "王芳", "queues": "sales"}, "queues", "type"),
        ("agents", {"id": "1001", "name": "王芳", "queues": [1]}, "queues.0", "type"),
        ("agents", {"id": "1001", "name": "王芳", "role": "boss"}, "role", "value"),
        ("phones", {**PHONE, "ha1": "demo-8001"}, "ha1", "value"),
        ("trunks", {**TRUNK, "address": "gw1.example"}, "address", "value"),
        ("trunks", {**TRUNK, "port": 70_000}, "port", "value"),
        ("trunks", {**TRUNK, "codecs": []}, "codecs", "value"),
        ("trunks", {**TRUNK, "numbers": {"area_code": "010"}}, "numbers.area_code", "value"),
        ("trunks", {**TRUNK, "numbers": {"area": "10"}}, "numbers.area", "unknown"),
        ("trunks", {**TRUNK, "numbers": {"landing": {"010": 1}}}, "numbers.landing.010", "type"),
        ("trunks", {**TRUNK, "numbers": []}, "numbers", "type"),
        ("numbers", {"id": "4008001000", "target": "shop"}, "target", "value"),
        ("numbers", {"id": "4008001000", "target": "queue:"}, "target", "value"),
        ("flows", {**FLOW_OK, "start": "b"}, "start", "value"),
        ("flows", {**FLOW_OK, "nodes": {"a": {"kind": "fly"}}}, "nodes.a", "value"),
        ("flows", {**FLOW_OK, "nodes": {"a": 1}}, "nodes.a", "type"),
        ("settings", {"id": "other"}, "id", "value"),
        ("colours", {}, "", "unknown"),
    ],
)
def test_an_error_names_its_field(kind: str, body: Mapping[str, Any], field: str, code: str) -> None:
    assert [(error.field, error.code) for error in validate(kind, body)] == [(field, code)]


@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize("body", [[], "text", None, 1, {"id": None}, {"id": []}])
def test_anything_may_be_asked_about(kind: str, body: Any) -> None:
    assert validate(kind, body) or kind == "settings"


def test_a_good_document_comes_back_as_it_went() -> None:
    queue = Queue("sales", "销售", ring_s=15)
    assert from_json("queues", json.loads(json.dumps(to_json(queue)))) == queue
    trunk = demo.trunks(5080)[1]
    assert from_json("trunks", json.loads(json.dumps(to_json(trunk)))) == trunk
    with pytest.raises(ValueError, match="queues: name: it is required"):
        from_json("queues", {"id": "x"})
    assert isinstance(trunk, Trunk)


def demo_kinds() -> dict[str, dict[str, dict[str, Any]]]:
    flow = json.loads(FLOW.read_text(encoding="utf-8"))
    kinds: dict[str, dict[str, dict[str, Any]]] = {}
    for kind, body in [*demo.documents(5080), *demo.flow_documents(flow)]:
        kinds.setdefault(kind, {})[body["id"]] = body
    return kinds


def test_the_demo_world_is_valid_and_whole() -> None:
    kinds = demo_kinds()
    for kind, documents in kinds.items():
        for body in documents.values():
            assert validate(kind, json.loads(json.dumps(body))) == []
    assert references(kinds) == []
    assert set(kinds) == set(DOCUMENTS)
    assert isinstance(from_json("flows", kinds["flows"]["main"]), Flow)


def test_the_demo_world_is_the_one_that_people_rely_on() -> None:
    kinds = demo_kinds()
    agents = kinds["agents"]
    assert {id for id in agents if "sales" in agents[id]["queues"]} == {*map(str, range(1001, 1061))}
    assert {id for id in agents if "support" in agents[id]["queues"]} == {*map(str, range(1050, 1101))}
    assert set(kinds["phones"]) == {*map(str, range(8001, 8101)), "8901", "8902"}
    assert len({agents[id]["name"] for id in agents}) == len(agents) == 102
    targets = {id: body["target"] for id, body in kinds["numbers"].items()}
    assert targets == {
        "4008001000": "ivr:main",
        "4008001001": "queue:sales",
        "4008001002": "queue:support",
        "4008001009": "echo",
    }
    assert kinds["trunks"]["gw2"]["numbers"]["called_digits"] == 4
    assert kinds["trunks"]["gw1"]["numbers"]["landing"]["01088001000"] == "4008001000"
    assert len(demo.operators()) == 103
    # RFC 7616: MD5(user:realm:password)
    assert kinds["phones"]["8001"]["ha1"] == demo.ha1("8001", "demo-8001", "lcall")


def test_a_name_that_names_nothing_is_found_wherever_it_stands() -> None:
    kinds = demo_kinds()
    del kinds["queues"]["support"]
    fields = {error.field for error in references(kinds)}
    assert {"agents/1050/queues", "numbers/4008001002/target", "flows/main/nodes.support.queue"} <= fields
    del kinds["flows"]["main"]
    assert "numbers/4008001000/target" in {error.field for error in references(kinds)}
